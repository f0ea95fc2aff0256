"""Compiled programs are kept between processes, where the user's cache is and nowhere else."""

from __future__ import annotations

import importlib.metadata
import os
import stat
import subprocess
import sys

import pytest

from jaxsim import cache
from jaxsim.cli import doctor

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


def test_the_folder_is_its_users_alone(tmp_path):
    for umask in (0o000, 0o077):
        before = os.umask(umask)
        try:
            folder = run(JAXSIM_CACHE=str(tmp_path / f"{umask:o}" / "cache"))
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(folder).st_mode) == stat.S_IMODE(os.stat(os.path.dirname(folder)).st_mode) == 0o700


def test_each_version_has_its_own(monkeypatch, tmp_path):
    assert importlib.metadata.version("jaxsim-studies") == cache.VERSION
    monkeypatch.setenv("JAXSIM_CACHE", str(tmp_path))
    assert cache.folder().name.startswith(f"programs-{cache.VERSION}-")


def given(folder, change):
    """A cache folder, and the one above it, the way somebody else left one of them: its owner, its mode, or a link."""
    folder.mkdir(mode=0o700)
    place = folder / cache._wanted().name
    if change == "a link of another user":
        (folder / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(folder / "elsewhere")
        os.lchown(place, 12345, -1)
        return place
    place.mkdir(mode=0o700)
    which, what = (folder if "above" in change else place), change.split()[0]
    if what == "owner":
        os.chown(which, 12345, -1)
    else:
        which.chmod(int(what, 8))
    return which


REFUSED = ["owner", "770", "702", "1777", "owner above", "770 above", "777 above", "a link of another user"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize("change", REFUSED)
def test_a_folder_of_others_is_not_used(monkeypatch, capsys, tmp_path, change):
    """It holds machine code that this process would run."""
    which = given(tmp_path / "cache", change)
    monkeypatch.setenv("JAXSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv(cache.TOLD, "")
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    for _ in range(2):
        cache.enable()
        assert cache.folder() is None
        assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    (line,) = capsys.readouterr().err.splitlines()
    assert str(which) in line
    assert "JAXSIM_CACHE" in line
    assert (doctor.programs().state, doctor.programs().found) == (doctor.BROKEN, line.removeprefix("jaxsim: "))


def test_a_folder_of_this_user_in_tmp_is_used(monkeypatch, tmp_path):
    place = given(tmp_path / "cache", "1777 above")
    monkeypatch.setenv("JAXSIM_CACHE", str(place))
    assert cache.folder().parent == place
    assert (doctor.programs().state, doctor.programs().found) == (doctor.OK, str(cache.folder()))
    (tmp_path / "link").symlink_to(place)
    monkeypatch.setenv("JAXSIM_CACHE", str(tmp_path / "link"))
    assert cache.folder().parent == tmp_path / "link"


def test_the_processes_of_a_run_do_not_say_it_again(tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)
    code = "import subprocess, sys, jaxsim; subprocess.run([sys.executable, '-c', 'import jaxsim'], check=True)"
    env = {k: v for k, v in os.environ.items() if k not in ("JAX_COMPILATION_CACHE_DIR", cache.TOLD)}
    env["JAXSIM_CACHE"] = str(tmp_path / "cache")
    done = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    assert done.stderr.startswith(f"jaxsim: others may write to {tmp_path / 'cache'}, so compiled programs are not kept there")
    assert done.stderr.count("\n") == 1


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


def test_a_study_and_its_report_wait_for_no_module_that_they_do_not_need():
    """scipy.stats alone takes half a second."""
    code = "import sys\nfrom jaxsim import *\nimport jaxsim.report, jaxsim.sweep.run\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    imported = set(done.stdout.split())
    assert {"jax", "jaxsim.report", "jaxsim.sweep.run"} <= imported
    assert not imported & {"scipy.stats", "scipy.optimize", "numpyro", "arviz", "rpy2"}
