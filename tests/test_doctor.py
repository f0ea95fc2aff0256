"""``jaxsim doctor``: it finds what is missing, says what to do in order, and never fails itself."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from jaxsim.cli import doctor
from jaxsim.cli.doctor import BROKEN, CORE, LME4, MISSING, OK, OPTIONAL, UNTRIED, Diagnosis, Finding
from jaxsim.cli.main import main
from jaxsim.r import proof, requirements
from jaxsim.r.outcome import Outcome
from jaxsim.status import Status


def ask(**environment: str) -> tuple[int, dict]:
    """Exit status and content of ``jaxsim doctor --json`` in a changed environment."""
    command = [sys.executable, "-m", "jaxsim", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **environment})
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def by_name(content: dict) -> dict[str, dict]:
    return {finding["what"]: finding for finding in content["findings"]}


def test_without_r(tmp_path):
    status, content = ask(PATH=str(tmp_path), R_HOME="")
    found = by_name(content)
    assert (status, content["core"], content["lme4"]) == (1, True, False)
    assert found["R"]["state"] == MISSING
    assert found["a fit by lme4 through pymer4"]["state"] == UNTRIED
    assert found["jax float64"]["state"] == OK
    assert content["steps"][0] == found["R"]["command"]
    assert "r-base" in content["steps"][0]


@pytest.mark.lme4
def test_with_everything(r_and_pymer4):
    status, content = ask()
    assert (status, content["core"], content["lme4"], content["steps"]) == (0, True, True, [])
    assert "lme4 1." in by_name(content)["a fit by lme4 through pymer4"]["found"]


@pytest.mark.lme4
def test_with_a_broken_pymer4(r_and_pymer4, tmp_path):
    (tmp_path / "pymer4.py").write_text('raise RuntimeError("broken on purpose")')
    status, content = ask(PYTHONPATH=os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    fit = by_name(content)["a fit by lme4 through pymer4"]
    assert (status, content["core"], content["lme4"]) == (1, True, False)
    assert fit["state"] == BROKEN
    assert "broken on purpose" in fit["found"]
    assert fit["command"] in content["steps"]


@pytest.mark.lme4
def test_without_packages_of_r(r_and_pymer4, tmp_path):
    """Debian's R finds lme4 and all that only through its site library."""
    status, content = ask(R_LIBS_SITE=str(tmp_path), R_LIBS_USER=str(tmp_path), R_LIBS=str(tmp_path))
    found = by_name(content)
    if found["R: lme4"]["state"] == OK:
        pytest.skip("this R keeps its packages elsewhere")
    assert (status, found["R"]["state"], found["R: lme4"]["state"]) == (1, OK, MISSING)
    assert found["R: lme4"]["command"] in content["steps"]
    assert "R lacks the package(s) lme4, lmerTest" in found["a fit by lme4 through pymer4"]["found"]


@pytest.fixture(scope="module")
def r_and_pymer4():
    """Skip where they are not, or fail where they are required."""
    lacking = requirements.lacking_for_lme4()
    if lacking and os.environ.get("JAXSIM_REQUIRE_R") == "1":
        pytest.fail(lacking)
    if lacking:
        pytest.skip(lacking)


def diagnosis(*states: tuple[str, str, str]) -> Diagnosis:
    return Diagnosis(tuple(Finding(f"part{i}", "1.0", needed, state, command) for i, (needed, state, command) in enumerate(states)))


def test_steps_come_in_order_and_once():
    sick = diagnosis((CORE, MISSING, "a"), (OPTIONAL, MISSING, "x"), (LME4, BROKEN, "b"), (LME4, MISSING, "a"), (LME4, UNTRIED, ""))
    assert sick.steps == ("a", "b")
    assert sick.extras == ("x",)
    assert sick.exit_status == 1
    text = doctor.as_text(sick)
    assert text.index("  1. a") < text.index("  2. b") < text.index("  - x")
    assert text.endswith("jaxsim itself does not work yet; comparing with lme4 does not work yet.")


def test_only_what_is_needed_counts():
    healthy = diagnosis((CORE, OK, ""), (LME4, OK, ""), (OPTIONAL, MISSING, "x"), (doctor.TESTS, MISSING, "y"))
    assert healthy.exit_status == 0
    assert doctor.as_text(healthy).endswith("jaxsim itself works; comparing with lme4 works.")
    assert "To do" not in doctor.as_text(healthy)


def test_long_findings_go_below_the_table():
    text = doctor.as_text(Diagnosis((Finding("R", "word " * 30, LME4, BROKEN, "install"),)))
    assert "see below" in text.splitlines()[1]
    assert f"R: {'word ' * 30}" in text


def test_a_look_that_fails_is_a_finding(monkeypatch):
    def r() -> list[Finding]:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(doctor, "r", r)
    monkeypatch.setattr(doctor, "chain", lambda: [])
    monkeypatch.setattr(doctor, "jax", lambda: [])
    (finding,) = (finding for finding in doctor.diagnose().findings if finding.what == "r")
    assert finding == Finding("r", "ZeroDivisionError: oops", LME4, BROKEN)


def test_programs_that_hang_fail_or_are_not_there():
    start = time.monotonic()
    assert doctor._run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.5) == ("", "no answer in 0.5 s")
    assert time.monotonic() - start < 30  # not 60
    assert doctor._run([sys.executable, "-c", "raise SystemExit('last words')"]) == ("", "last words")
    assert "No such file" in doctor._run(["/nowhere/R"])[1]


@pytest.mark.parametrize(
    ("interface", "r_version", "state"),
    [("3.6.5", "4.2.2", OK), ("3.6.7", "4.2.2", BROKEN), ("3.6.7", "4.5.1", OK), (None, "4.2.2", OK)],
)
def test_rpy2_and_r_that_clash(monkeypatch, interface, r_version, state):
    """Measured with R 4.2.2: rpy2-rinterface 3.6.5 works, 3.6.6 and 3.6.7 do not load. rpy2 3.5 has no such part."""

    def version(name):
        if name == "rpy2":
            return "3.5.17" if interface is None else "3.6.9"
        if interface is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return interface

    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = doctor.rpy2(r_version)
    assert finding.state == state
    assert state == OK or finding.command == requirements.RPY2_COMMAND


def test_the_proof_knows_the_answer():
    """Closed forms of a balanced design; numpy.polyfit on the same numbers as a second opinion."""
    groups = len(proof.REACTION)
    x = np.tile(proof.DAYS, groups)
    within = proof.REACTION - proof.REACTION.mean(1, keepdims=True)
    slope, rest, *_ = np.polyfit(x, within.ravel(), 1, full=True)
    right = Outcome(
        Status.OK,
        estimate=np.array([0.0, slope[0]]),
        df=np.array([5.0, 11.0]),
        sigma=float(np.sqrt(rest[0] / 11)),
        terms=("a", "b"),
    )
    assert proof.verdict(right) == ""
    for wrong in ({"sigma": right.sigma * 1.01}, {"df": np.array([5.0, 16.0])}, {"estimate": right.estimate * 1.01}):
        assert "wrong" in proof.verdict(dataclasses.replace(right, **wrong))
    assert "crashed: why" in proof.verdict(Outcome(Status.CRASHED, ("why",)))


def test_the_command(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "diagnose", lambda: diagnosis((CORE, OK, ""), (LME4, MISSING, "do this")))
    assert main(["doctor"]) == 1
    assert "1. do this" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["steps"] == ["do this"]
