"""R, for the tests that compare with it live."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from asking import ask
from outside import absent

PACKAGES = "lme4, lmerTest, pbkrtest, nlme, numDeriv, sandwich, clubSandwich, emmeans, geepack, plm"


@pytest.fixture(scope="session")
def r_script():
    """The path of Rscript; without R and its packages the tests are skipped, or fail where R is required."""
    program = shutil.which("Rscript")
    if program:
        check = f"for (p in strsplit('{PACKAGES}', ', ')[[1]]) loadNamespace(p)"
        found = subprocess.run([program, "-e", check], capture_output=True, text=True, timeout=120, check=False)
        reason = found.stderr.strip() if found.returncode else ""
    else:
        reason = "Rscript is not on the PATH"
    if reason:
        absent(f"needs R with {PACKAGES}: {reason} (scripts/install_r.sh installs them)")
    return program


@pytest.fixture(scope="session")
def ask_r(r_script, tmp_path_factory):
    """``(script, rows by dataset, arguments) -> results by dataset``."""

    def results(script, rows, *arguments):
        return ask(r_script, tmp_path_factory.mktemp("r"), script, rows, *arguments)["results"]

    return results
