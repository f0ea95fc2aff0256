"""``import jaxsim``: what it offers, to people and to editors, and what it does not load."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import jaxsim


def typed_names() -> dict[str, str]:
    """Names of the block that editors read, with the modules that they come from."""
    tree = ast.parse(Path(jaxsim.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    found = {}
    for line in block.body:
        assert isinstance(line, ast.ImportFrom)
        for name in line.names:
            assert name.asname == name.name, "only 'X as X' is exported to type checkers"
            found[name.name] = line.module
    return found


def test_editors_see_what_there_is():
    assert typed_names() == jaxsim._HOME
    assert dir(jaxsim) == jaxsim.__all__ == sorted(jaxsim._HOME)
    assert (Path(jaxsim.__file__).parent / "py.typed").exists()


@pytest.mark.parametrize("name", sorted(jaxsim._HOME))
def test_every_name_is_there(name):
    assert getattr(jaxsim, name) is getattr(importlib.import_module(jaxsim._HOME[name]), name)


def loaded_by(code: str) -> set[str]:
    """Modules that a program has loaded when it ends."""
    command = [sys.executable, "-W", "ignore", "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=200)
    return set(done.stdout.split("\n")[-2].split())


def test_importing_costs_nothing():
    assert not {"jax", "numpy", "pandas"} & loaded_by("import jaxsim")


def test_a_model_of_a_frame_loads_no_study_machinery():
    data = "pd.DataFrame({'g': list('aabbccddee') * 2, 'x': range(20), 'y': [k * 7 % 11 for k in range(20)]})"
    loaded = loaded_by(f"import jaxsim, pandas as pd\njaxsim.lmer('y ~ x + (1 | g)', {data})")
    assert "jaxsim.lmm.newton" in loaded
    machinery = ("study", "sweep", "store", "processes", "measures", "scores", "results", "report", "estimators", "workers", "r")
    assert not [
        name for name in loaded if name.startswith(tuple(f"jaxsim.{package}" for package in machinery)) and name != "jaxsim.replay"
    ]
