"""Compiled programs are kept between processes, where the user's cache is and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from jaxsim import cache

CODE = """
import sys, time
from jaxsim import GaussianMultilevel, Grid, Study, TwoStage
import jax
print(jax.config.jax_compilation_cache_dir)
if len(sys.argv) > 1:
    Study(GaussianMultilevel(n_groups=5, n_obs=4, n_predictors=1), Grid(), TwoStage(), 2).run(sys.argv[1], progress=False)
"""


def run(*arguments, **variables):
    env = {
        k: v for k, v in os.environ.items() if k not in ("JAXSIM_CACHE", "JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME")
    } | variables
    command = [sys.executable, "-P", "-c", CODE, *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=240).stdout.strip()


def test_programs_are_kept_in_the_users_cache(tmp_path):
    folder = run(tmp_path / "out", XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert folder.startswith(str(tmp_path / "cache" / "jaxsim" / "programs-"))
    kept = {name for name in os.listdir(folder) if name.endswith("-cache")}
    assert kept, "a program that took a second to compile"
    assert run(tmp_path / "again", JAXSIM_CACHE=str(tmp_path / "cache" / "jaxsim")) == folder
    assert {name for name in os.listdir(folder) if name.endswith("-cache")} == kept, "nothing was compiled a second time"


def test_a_user_decides(tmp_path):
    assert run(JAXSIM_CACHE="off") == "None"
    assert run(JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own")) == str(tmp_path / "own")
    (tmp_path / "file").write_text("")
    assert run(JAXSIM_CACHE=str(tmp_path / "file")) == "None", "a folder that cannot be made is no reason to stop"


@pytest.mark.parametrize("word", ["0", "OFF", "no", "False"])
def test_off_has_many_names(monkeypatch, word):
    monkeypatch.setenv("JAXSIM_CACHE", word)
    assert cache.folder() is None


def test_help_imports_no_jax():
    code = (
        "import sys; sys.argv = ['jaxsim', '--help']\nfrom jaxsim.cli import main\ntry:\n    main()\nexcept SystemExit:\n    ...\n"
    )
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True, timeout=120)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "jaxsim.cli.main" in imported
    assert not imported & {"jax", "numpy", "pandas", "pyarrow", "matplotlib", "scipy"}
