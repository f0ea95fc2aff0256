"""``jaxsim doctor``: what is installed, what is missing, and what to do about it, in order."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import jaxsim
from jaxsim import cache
from jaxsim.r import requirements

CORE, LME4, TESTS, OPTIONAL = "core", "lme4", "tests against R", "optional"
OK, MISSING, BROKEN, UNTRIED = "ok", "missing", "BROKEN", "not tried"

CORE_PACKAGES = (
    "numpy", "pandas", "pyarrow", "scipy", "matplotlib", "jinja2", "tqdm", "fsspec", "psutil", "platformdirs", "cloudpickle",
)  # fmt: skip
OPTIONAL_PACKAGES = ("nbformat", "ipykernel")
R_PACKAGES = {
    "lme4": LME4, "lmerTest": LME4, "numDeriv": LME4, "pbkrtest": LME4, "emmeans": LME4, "clubSandwich": TESTS, "sandwich": TESTS,
}  # fmt: skip
# rpy2-rinterface 3.6.6 and later call R_getVar and R_ParentEnv, which came with R 4.5: with R 4.2.2 neither way of building works.
LAST_FOR_OLD_R, NEW_R = (3, 6, 5), (4, 5)

CORE_COMMAND = "python -m pip install -c constraints.txt -e .   (in a clone of jaxsim)"
WIDEST = 44  # cell of the table
PROGRAM_TIMEOUT_S, CHAIN_TIMEOUT_S = 20.0, 60.0


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``command`` is what to run unless ``state`` is ok."""

    what: str
    found: str
    needed_for: str
    state: str
    command: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which things are to be installed."""

    findings: tuple[Finding, ...]

    def works(self, what: str) -> bool:
        """Whether everything that ``what`` (core, lme4) needs is there."""
        return all(finding.state == OK for finding in self.findings if finding.needed_for == what)

    @property
    def steps(self) -> tuple[str, ...]:
        """Commands for what is needed, in order."""
        needed = (f for f in self.findings if f.state != OK and f.needed_for in (CORE, LME4))
        return tuple(dict.fromkeys(finding.command for finding in needed if finding.command))

    @property
    def extras(self) -> tuple[str, ...]:
        """Commands for what can be done without."""
        others = (f for f in self.findings if f.state != OK and f.needed_for not in (CORE, LME4))
        return tuple(dict.fromkeys(finding.command for finding in others if finding.command))

    @property
    def exit_status(self) -> int:
        """0 if the core and the comparison with lme4 work."""
        return 0 if self.works(CORE) and self.works(LME4) else 1


def diagnose() -> Diagnosis:
    """Look at everything; never raises. The slow looks (JAX, R, a fit through pymer4) run side by side."""
    looks: list[Callable[[], list[Finding]]] = [python, jax, r, chain]
    with ThreadPoolExecutor(len(looks)) as threads:
        parts = list(threads.map(_safely, looks))
    return Diagnosis(tuple(finding for part in parts for finding in part))


def _safely(look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except Exception as error:
        needed = CORE if look in (python, jax) else LME4
        return [Finding(look.__name__, f"{type(error).__name__}: {error}", needed, BROKEN)]


def python() -> list[Finding]:
    """jaxsim, Python and its packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    state = OK if sys.version_info >= (3, 11) else BROKEN
    findings = [Finding("jaxsim", jaxsim.__version__, CORE, OK)]
    findings += [Finding("Python", version, CORE, state, "" if state == OK else "make PYTHON=python3.12 study")]
    findings += [_package(name, CORE, CORE_COMMAND) for name in CORE_PACKAGES]
    findings += [_package(name, OPTIONAL, f"python -m pip install {name}") for name in OPTIONAL_PACKAGES]
    return [*findings, programs()]


def programs() -> Finding:
    """Where compiled programs are kept."""
    refused, place = cache.refused(), cache.folder()
    found = refused or ("not kept (JAXSIM_CACHE)" if place is None else str(place))
    return Finding("compiled programs", found, OPTIONAL, BROKEN if refused else OK, "export JAXSIM_CACHE=FOLDER" if refused else "")


def _package(name: str, needed_for: str, command: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name), needed_for, OK)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "", needed_for, MISSING, command)


_JAX = """
import json, jaxsim, jax
import jax.numpy as jnp
kinds = sorted({device.device_kind for device in jax.devices()})
print(json.dumps([jax.__version__, kinds, len(jax.devices()), str(jnp.zeros(1).dtype)]))
"""


def jax() -> list[Finding]:
    """JAX, its devices, and whether it computes in float64; in a process of its own, since a broken driver can hang or crash."""
    found, problem = _run([sys.executable, "-c", _JAX])
    if problem:
        state = MISSING if "No module named 'jax'" in problem else BROKEN
        return [Finding("jax", "" if state == MISSING else problem, CORE, state, CORE_COMMAND)]
    version, kinds, count, dtype = json.loads(found.splitlines()[-1])
    devices = Finding("jax devices", f"{count} x {', '.join(kinds)}", CORE, OK)
    exact = Finding("jax float64", dtype, CORE, OK if dtype == "float64" else BROKEN, "unset JAX_ENABLE_X64")
    return [Finding("jax", version, CORE, OK), devices, exact]


_R = (
    "cat(R.version$major, R.version$minor, sep = '.'); cat('\\n'); for (p in commandArgs(TRUE)) cat(p, if "
    "(suppressMessages(requireNamespace(p, quietly = TRUE))) format(packageVersion(p)) else '', '\\n', sep = '\\t')"
)


def r() -> list[Finding]:
    """R and its packages."""
    install = requirements.r_command("R", *(name for name, needed in R_PACKAGES.items() if needed == LME4))
    program = requirements.r_program()
    if program is None:
        return [Finding("R", "", LME4, MISSING, install)]
    found, problem = _run([program, "--no-save", "-s", "-e", _R, "--args", *R_PACKAGES])
    if problem:
        return [Finding("R", problem, LME4, BROKEN, install)]
    first, *lines = found.splitlines()
    versions = dict(line.split("\t")[:2] for line in lines if "\t" in line)
    findings = [Finding("R", first, LME4, OK)]
    for name, needed_for in R_PACKAGES.items():
        version = versions.get(name, "")
        lacking = [other for other, needed in R_PACKAGES.items() if needed == needed_for and not versions.get(other)]
        command = "" if version else requirements.r_command(*lacking)
        findings.append(Finding(f"R: {name}", version, needed_for, OK if version else MISSING, command))
    return [*findings, rpy2(first)]


def rpy2(r_version: str) -> Finding:
    """rpy2, and whether it goes with this R."""
    finding = _package("rpy2", LME4, requirements.PYTHON_COMMAND)
    if finding.state != OK:
        return finding
    try:
        interface = importlib.metadata.version("rpy2-rinterface")
    except importlib.metadata.PackageNotFoundError:
        interface = finding.found
    if _numbers(interface) > LAST_FOR_OLD_R and _numbers(r_version) < NEW_R:
        found = f"{interface} needs R 4.5; this is {r_version}"
        return Finding("rpy2", found, LME4, BROKEN, requirements.RPY2_COMMAND)
    return finding


def chain() -> list[Finding]:
    """pymer4, really imported in a worker, and a model fitted by lme4 whose answer is known."""
    pymer4 = _package("pymer4", LME4, requirements.PYTHON_COMMAND)
    what = "a fit by lme4 through pymer4"
    lacking = requirements.lacking_for_lme4()
    if lacking:
        if pymer4.state == OK and requirements.python_lacking():
            pymer4 = dataclasses.replace(pymer4, state=BROKEN, command=requirements.PYTHON_COMMAND)
        return [pymer4, Finding(what, "", LME4, UNTRIED)]
    found, problem = _run([sys.executable, "-P", "-m", "jaxsim.r.proof"], CHAIN_TIMEOUT_S)
    if problem:
        known = (requirements.RPY2_COMMAND, requirements.PYTHON_COMMAND, requirements.PYMER4_COMMAND)
        # What R lacks has a line and a command of its own.
        otherwise = "" if "R lacks" in problem else requirements.PYTHON_COMMAND
        command = next((line for line in known if line in problem), otherwise)
        return [pymer4, Finding(what, problem.removesuffix(requirements.SEE_DOCTOR), LME4, BROKEN, command)]
    return [pymer4, Finding(what, found.strip(), LME4, OK)]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _run(command: list[str], timeout: float = PROGRAM_TIMEOUT_S) -> tuple[str, str]:
    """Standard output, and what went wrong (empty if nothing)."""
    environment = {**os.environ, "LANGUAGE": "en"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return "", f"no answer in {timeout:g} s"
    except OSError as error:
        return "", str(error)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return "", lines[-1] if lines else f"exit status {done.returncode}"
    return done.stdout, ""


def as_text(diagnosis: Diagnosis) -> str:
    """The table, the steps, and the verdict."""
    header = ("", "found", "needed for", "state")
    long = [f for f in diagnosis.findings if len(f.found) > WIDEST]
    rows = [header, *((f.what, "see below" if f in long else f.found, f.needed_for, f.state) for f in diagnosis.findings)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)).rstrip() for row in rows]
    for finding in long:
        lines += ["", f"{finding.what}: {finding.found}"]
    if diagnosis.steps:
        lines += ["", "To do, in this order:", *(f"  {i}. {step}" for i, step in enumerate(diagnosis.steps, start=1))]
    if diagnosis.extras:
        lines += ["", "Only if you want them:", *(f"  - {command}" for command in diagnosis.extras)]
    core = "jaxsim itself works" if diagnosis.works(CORE) else "jaxsim itself does not work yet"
    lme4 = "comparing with lme4 works" if diagnosis.works(LME4) else "comparing with lme4 does not work yet"
    return "\n".join([*lines, "", f"{core}; {lme4}."])


def as_json(diagnosis: Diagnosis) -> str:
    """The same for programs."""
    content = {
        "core": diagnosis.works(CORE),
        "lme4": diagnosis.works(LME4),
        "findings": [dataclasses.asdict(finding) for finding in diagnosis.findings],
        "steps": list(diagnosis.steps),
        "extras": list(diagnosis.extras),
    }
    return json.dumps(content, indent=2)


def main(as_program: bool = False) -> int:
    """Print the diagnosis (as JSON for a program); the exit status."""
    diagnosis = diagnose()
    print(as_json(diagnosis) if as_program else as_text(diagnosis))
    return diagnosis.exit_status
