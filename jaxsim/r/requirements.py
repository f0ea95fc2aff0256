"""What fitting with lme4 needs, and the one command that installs each piece."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil

from jaxsim.errors import InputError
from jaxsim.r.generation import module_for

# What pymer4 imports without declaring it, by generation.
IMPORTS = {
    "generation08": ("rpy2", "joblib", "patsy", "sklearn", "seaborn"),
    "generation09": ("rpy2", "joblib", "polars", "sklearn", "formulae", "great_tables"),
}
DEBIAN = {
    "R": "r-base-core", "lme4": "r-cran-lme4", "lmerTest": "r-cran-lmertest", "pbkrtest": "r-cran-pbkrtest",
    "emmeans": "r-cran-emmeans", "clubSandwich": "r-cran-clubsandwich", "sandwich": "r-cran-sandwich",
    "numDeriv": "r-cran-numderiv",
}  # fmt: skip

PYTHON_COMMAND = "RPY2_CFFI_MODE=ABI python -m pip install -c constraints.txt -e '.[lme4]'   (in a clone of jaxsim)"
RPY2_COMMAND = "RPY2_CFFI_MODE=ABI python -m pip install rpy2==3.6.6 rpy2-rinterface==3.6.5 rpy2-robjects==3.6.6"
PYMER4_COMMAND = "python -m pip install pymer4==0.8.2"
SEE_DOCTOR = " `jaxsim doctor` shows every piece."


def r_command(*names: str) -> str:
    """How to install R (``"R"``) or packages of R's on this machine."""
    if shutil.which("apt-get") and all(name in DEBIAN for name in names):
        packages = " ".join(DEBIAN[name] for name in names)
        return f"{'' if os.geteuid() == 0 else 'sudo '}apt-get install -y --no-install-recommends {packages}"
    if "R" in names:
        return "conda install -c conda-forge r-base r-lme4 r-lmertest r-pbkrtest r-emmeans   (or R's own installer)"
    listed = ", ".join(f'"{name}"' for name in names)
    return f"Rscript -e 'chooseCRANmirror(ind = 1); install.packages(c({listed}))'"


def r_program() -> str | None:
    """The program ``R`` that rpy2 would take, None if it would find none."""
    home = os.environ.get("R_HOME")
    return shutil.which("R", path=os.path.join(home, "bin")) if home else shutil.which("R")


def python_lacking() -> str:
    """What Python lacks for pymer4, with the command; empty if nothing is."""
    try:
        version = importlib.metadata.version("pymer4")
    except importlib.metadata.PackageNotFoundError:
        return f"pymer4 is not installed. {PYTHON_COMMAND}"
    try:
        needed = IMPORTS[module_for(version).rpartition(".")[2]]
    except InputError as error:
        return str(error)
    lacking = [name for name in needed if importlib.util.find_spec(name) is None]
    return f"pymer4 {version} needs {', '.join(lacking)}, not installed. {PYTHON_COMMAND}" if lacking else ""


def r_lacking() -> str:
    """Whether R itself cannot be found, with the command; empty if it can."""
    return "" if r_program() else f"R is not on the PATH. {r_command('R', 'lme4', 'lmerTest', 'pbkrtest', 'emmeans')}"


def lacking_for_lme4() -> str:
    """What can be seen to be missing without starting R, in one sentence each; empty if nothing is."""
    return " ".join(filter(None, (r_lacking(), python_lacking())))


def explain(problem: str) -> str:
    """What a worker said that it lacks, with the command that helps."""
    text = " ".join(problem.split()).rstrip(".")
    packages = re.search(r"R lacks the package\(s\) ([\w.]+(?:, [\w.]+)*)|R package \"([\w.]+)\" is not installed", text)
    if packages:
        names = (packages[1] or packages[2]).split(", ")
        return f"{text}. {r_command(*names)}"
    if re.search(r"R_getVar|R_ParentEnv|undefined symbol", text):
        return f"this rpy2 needs a newer R than is installed ({text}). {RPY2_COMMAND}"
    if "No module named" in text:
        return f"pymer4 cannot be imported ({text}). {PYTHON_COMMAND}"
    if re.search(r"R_HOME|libR\.|R home", text):
        return f"rpy2 does not find R ({text}). {r_command('R')}"
    return f"lme4 cannot be reached through pymer4: {text}.{SEE_DOCTOR}"
