"""What a part uses in roundabout ways is noticed when it changes; what does not change has the same digest in every process."""

from __future__ import annotations

import functools
import importlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxsim
from jaxsim.study import registry, stored
from jaxsim.study.digests import INSTALLED, code_of

NUMBER = itertools.count()
HEAD = "import enum, functools\nfrom dataclasses import dataclass\nfrom types import SimpleNamespace\n"
PART = "\n@dataclass(frozen=True)\nclass P:\n    n: int = 1\n"
USE = "    def simulate(self, key):\n        return "
TIMES = "def times(f):\n    @functools.wraps(f)\n    def g(*a):\n        return @@ * f(*a)\n    return g\n"
BY = "def by(x):\n    def d(f):\n        f.x = x\n        return f\n    return d\n"
HELPER = "def sd():\n    return @@\n"
FUNCTIONS = "def h():\n    return @@\ndef f():\n    return h()\nT = {'a': f}\n"
L = "class L:\n    def __init__(self, a):\n        self.a = a\n    def sd(self):\n        return self.a * "

# Script and helper module; @@ is what changes, HELPER the name of the helper.
CASES = {
    "a field's default": ("SD = @@" + PART + "    sd: float = SD\n" + USE + "self.sd", ""),
    "a class attribute": ("SD = @@" + PART + "    sd = SD\n" + USE + "self.sd", ""),
    "a default of a method": ("SD = @@" + PART + "    def sd(self, s=SD):\n        return s\n" + USE + "self.sd()", ""),
    "a decorator of a function": (TIMES + "@times\ndef sd(n):\n    return n\n" + PART + USE + "sd(1)", ""),
    "a decorator of a method": (TIMES + PART + "    @times\n" + USE + "1", ""),
    "a decorator's argument": (
        BY + "SD = @@" + PART + "    @by(SD)\n" + USE + "1",
        "",
    ),
    "an import inside": (PART + USE.replace("return ", "import HELPER\n        return ") + "HELPER.sd()", HELPER),
    "a class attribute of another module": (
        "import HELPER\n" + PART + "    sd = staticmethod(HELPER.sd)\n" + USE + "self.sd()",
        HELPER,
    ),
    "a method of an object": (L + "@@\nO = L(1)\n" + PART + USE + "O.sd()", ""),
    "an attribute of an object": (L + "1\nO = L(@@)\n" + PART + USE + "O.sd()", ""),
    "a namespace": ("O = SimpleNamespace(a=@@)\n" + PART + USE + "O.a", ""),
    "an enumeration": ("class E(enum.Enum):\n    A = @@\n" + PART + USE + "E.A.value", ""),
    "functions in a dictionary": (FUNCTIONS + PART + USE + "T['a']()", ""),
    "another function of the same name": ("from math import @@ as f\n" + PART + USE + "f(1)", ""),
}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """``load(script, helper)``: the script as a module; helpers of one name may have different text."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(script, helper=""):
        number, name = next(NUMBER), "helper_of_everything"
        (tmp_path / f"{name}.py").write_text(helper)
        (tmp_path / f"everything_{number}.py").write_text(HEAD + script.replace("HELPER", name))
        monkeypatch.delitem(sys.modules, name, raising=False)
        for cached in tmp_path.rglob("*.pyc"):
            cached.unlink()
        importlib.invalidate_caches()
        return importlib.import_module(f"everything_{number}")

    return made


@pytest.mark.parametrize("case", CASES)
def test_changes_are_noticed(load, case):
    values = ("sin", "cos", "sin") if "same name" in case else ("1.5", "2.5", "1.5")
    old, new, again = (code_of(load(*(text.replace("@@", value) for text in CASES[case])).P) for value in values)
    assert old != new
    assert old == again


def test_a_module_in_a_package(tmp_path, load):
    found = []
    for value in "12":
        package = tmp_path / f"package_{next(NUMBER)}"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "sub.py").write_text(f"def sd():\n    return {value}\n")
        module = load(f"import {package.name}.sub\n{PART}{USE}{package.name}.sub.sd()")
        found.append(code_of(module.P)["sd"])
    assert found[0] != found[1]


UNCHANGED = """
import random, threading
import numpy as np, pandas as pd
from scipy.stats import norm
from jaxsim.study.digests import code_of
FRAME = pd.DataFrame({"a": ["x", "yy"], "b": pd.Categorical(["u", "v"]), "c": [1.0, 2.0]})
OBJECTS, SET, LOCK = np.array(["x", None, 2.0], object), {"a", "b", "c", ("d", 1)}, threading.Lock()
RANDOM, THING = np.random.default_rng(), object()
class P:
    def simulate(self, key):
        return FRAME, OBJECTS, SET, LOCK, RANDOM, THING, norm, key in {"p", "q", "r"}, @@
"""


def printed(text, seed):
    """What Python says to a script that it reads from its input."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(jaxsim.__file__).parents[1])}
    ran = subprocess.run(
        [sys.executable, "-"], input=text + "\nprint(code_of(P))", env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout


def test_scripts_without_source_and_values_in_another_process():
    one, same, other = (printed(UNCHANGED.replace("@@", a), s) for a, s in (("1", "1"), ("1", "2"), ("2", "1")))
    assert one == same
    assert one != other


def tenfold(function):
    @functools.wraps(function)
    def times(x):
        return 10 * function(x)

    return times


@tenfold
def decorated(x):
    return x


@functools.cache
def cached(x):
    return x


def test_a_decorated_function_is_what_its_name_stands_for():
    description = registry.encode(decorated)
    registry._DESCRIBED.clear()
    assert registry.decode(description, {}) is decorated
    assert registry.decode(registry.encode(cached), {})(2) == 2


class TestInstalled:
    """Parts of packages that are installed, under names that ours have, too."""

    @pytest.fixture
    def package(self, tmp_path, monkeypatch):
        folder, name = tmp_path / "site-packages", f"installed_{next(NUMBER)}"
        folder.mkdir()
        (folder / f"{name}.py").write_text(f"{HEAD}@dataclass(frozen=True)\nclass PooledOLS:\n    label: str = 'ols'\n")
        monkeypatch.syspath_prepend(str(folder))
        yield importlib.import_module(name)
        sys.modules.pop(name, None)

    def test_they_are_not_taken_for_ours(self, package, monkeypatch):
        description = registry.encode(package.PooledOLS("mine"))
        assert description["type"] == f"{package.__name__}:PooledOLS"
        assert registry.encode(jaxsim.PooledOLS()) == {"type": "PooledOLS"}
        registry._DESCRIBED.clear()
        monkeypatch.delitem(sys.modules, package.__name__)
        again = registry.decode(description, stored.CATALOGUE)
        assert (type(again).__module__, again.label) == (package.__name__, "mine")

    def test_another_version_is_not_here(self, package):
        description = registry.encode(package.PooledOLS())
        with pytest.raises(registry.NotHereError, match="is here with other code"):
            registry.decode({**description, "code": {INSTALLED: "other 2.0"}}, stored.CATALOGUE)
        with pytest.raises(registry.NotHereError, match=r"is not here; install the package that defines it \(other 2\.0\)"):
            registry.decode({"type": "not_installed:Thing", "code": {INSTALLED: "other 2.0"}}, stored.CATALOGUE)

    def test_the_release_is_named_where_it_is_known(self):
        assert code_of(pytest.importorskip("pandas").DataFrame)[INSTALLED].startswith("pandas ")

    def test_loading_imports_no_module_of_the_user_nor_of_python(self, tmp_path, monkeypatch):
        (tmp_path / "users_own.py").write_text("raise SystemExit")
        monkeypatch.syspath_prepend(str(tmp_path))
        for name in ("users_own:Thing", "antigravity:Thing"):
            with pytest.raises(registry.NotHereError):
                registry.decode({"type": name, "code": {INSTALLED: "1"}}, stored.CATALOGUE)
        assert "antigravity" not in sys.modules
