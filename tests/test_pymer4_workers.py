"""lme4 and pymer4 in worker processes: every status, workers that die, a machine without R."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from r_workers import ASLEEP, ENDED, FOLDER, NOISY, SLEEP, generation_installed, rows, simulated

from jaxsim.errors import InputError
from jaxsim.r import generation, requirements
from jaxsim.r.pool import Pool, check
from jaxsim.r.request import Request, encode
from jaxsim.r.verdict import cleaned, stopped
from jaxsim.status import Status


def provocations() -> dict[str, tuple[Status, str, Request]]:
    """A dataset for every status, and a word of the message."""
    data = simulated()
    poor = simulated(spread=0.0)
    return {
        "ok": (Status.OK, "", Request("y ~ x + (x | g)", data)),
        "singular": (Status.SINGULAR, "singular", Request("y ~ x + (x | g)", poor)),
        "gradient": (Status.NOT_CONVERGED, "max|grad|", Request("y ~ x + (x | g)", data.assign(x=data["x"] * 1e3))),
        "eigenvalues": (Status.NOT_CONVERGED, "eigenvalue", Request("y ~ x + (x | g)", data.assign(x=data["x"] / 1e3))),
        "dropped column": (Status.RANK_DEFICIENT, "w", Request("y ~ x + w + (1 | g)", data.assign(w=2 * data["x"]))),
        "rows for effects": (Status.TOO_FEW_ROWS, "number of random effects", Request("y ~ x + (x | g)", simulated(12, 2))),
        "rows for groups": (Status.TOO_FEW_ROWS, "number of levels", Request("y ~ x + (1 | g)", simulated(12, 1))),
        "one group": (Status.TOO_FEW_GROUPS, "1 sampled level", Request("y ~ x + (1 | g)", simulated(1, 9))),
        "exact": (Status.ZERO_RESIDUAL, "exactly", Request("y ~ x + (1 | g)", data.assign(y=1 + 2 * data["x"]))),
        "infinite": (
            Status.NON_FINITE,
            "Inf",
            Request("y ~ x + (1 | g)", data.assign(y=np.where(data.index == 3, np.inf, data["y"]))),
        ),
        "unknown column": (Status.REFUSED, "nobody", Request("y ~ x + nobody + (1 | g)", data)),
        "unreadable": (Status.REFUSED, "unexpected", Request("y ~ x + (1 | g", data)),
        "ended": (Status.CRASHED, "exit status 7", Request(ENDED, rows("sleepstudy"))),
    }


@pytest.mark.lme4
class TestStatus:
    @pytest.fixture(scope="class")
    def outcomes(self, pool):
        """All in one go: what kills a worker must leave the others alone."""
        asked = provocations()
        return dict(zip(asked, pool.map(request for _, _, request in asked.values()), strict=True))

    @pytest.mark.parametrize("name", provocations())
    def test_status(self, outcomes, name):
        status, words, _ = provocations()[name]
        assert outcomes[name].status is status, outcomes[name].message
        assert words in outcomes[name].message
        assert status is Status.OK or outcomes[name].message
        if status.usable:
            assert np.isfinite(outcomes[name].estimate).all()
            assert (outcomes[name].df > 0).all()

    def test_a_predictor_that_pymer4_trips_over(self, pool):
        """pymer4 0.8 takes the coefficient of ``signal`` for a variance parameter, and raises; lme4 has fitted by then."""
        data = simulated().rename(columns={"x": "signal"})
        outcome = pool.fit(Request("y ~ signal + (signal | g)", data))
        plain = pool.fit(Request("y ~ x + (x | g)", simulated()))
        assert outcome.status is Status.OK
        np.testing.assert_allclose(outcome.estimate, plain.estimate, rtol=1e-12)  # another name for one column
        assert ("pymer4 stopped" in outcome.message) == (generation_installed() == "0.8")


@pytest.mark.lme4
class TestWorkers:
    def test_noise_does_not_get_into_the_answers(self, pool, capfd):
        outcome = pool.fit(Request(NOISY, rows("sleepstudy")))
        assert outcome.n_rows == 180
        said = capfd.readouterr()
        assert (said.out, said.err) == ("", "")

    def test_killed_from_outside(self, pool):
        """One of two workers dies in the middle of a fit: its dataset is marked, the rest is right and in order."""
        before = set(pool.pids)
        data = rows("sleepstudy")
        victim: list[int] = []

        def kill() -> None:
            while not victim:  # until the fit is under way
                time.sleep(0.1)
                victim.extend(pid for pid in before if _child_sleeps(pid))
            os.kill(victim[0], signal.SIGKILL)

        asleep = Request('Reaction ~ I(Days + {system("sleep\t50"); 0}) + (1 | Subject)', data)
        requests = [Request("Reaction ~ Days + (1 | Subject)", data[data["Days"] < days]) for days in (3, 5, 7, 9)]
        threading.Thread(target=kill).start()
        first, crashed, *others = pool.map([requests[0], asleep, *requests[1:]])
        assert crashed.status is Status.CRASHED
        assert "signal 9 (SIGKILL)" in crashed.message
        assert [outcome.n_rows for outcome in (first, *others)] == [18 * days for days in (3, 5, 7, 9)]
        assert all(outcome.status is Status.OK for outcome in (first, *others))
        assert not Path(f"/proc/{victim[0]}").exists(), "no zombie"
        again = list(pool.map(requests))
        assert [outcome.status for outcome in again] == [Status.OK] * 4

    def test_time_limit_and_closing(self, pool):
        data = rows("sleepstudy")
        with Pool(1, timeout=1.0) as impatient:
            (pid,) = impatient.pids
            slow = impatient.fit(Request(ASLEEP, data))
        assert slow.status is Status.CRASHED
        assert "1 s, the time limit" in slow.message
        assert not Path(f"/proc/{pid}").exists()
        assert impatient.pids == ()
        with pytest.raises(InputError, match="closed"):
            impatient.fit(Request(SLEEP, data))

    def test_workers_do_not_load_jax(self, pool):
        for pid in pool.pids:
            maps = Path(f"/proc/{pid}/maps").read_text()
            assert "libR.so" in maps
            assert "jaxlib" not in maps

    def test_requests_are_read_as_they_are_needed(self, pool):
        read = []

        def endless():
            while True:
                read.append(len(read))
                yield Request("y ~ x + (1 | g)", simulated())

        outcomes = pool.map(endless())
        next(outcomes)
        assert 1 < len(read) <= 2 * 4
        outcomes.close()

    def test_a_bad_request_is_refused_in_its_turn(self, pool):
        outcomes = pool.map([Request("y ~ x + (1 | g)", simulated()), "y ~ x"])
        assert next(outcomes).status.usable
        with pytest.raises(InputError, match="a str was given"):
            next(outcomes)

    def test_workers_end_with_their_parent(self, pool):
        """Whether it is interrupted (Ctrl-C) or killed."""
        program = f"""
import signal
import pandas as pd
from jaxsim.r.pool import Pool
from jaxsim.r.request import Request
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with Ctrl-C ignored
with Pool(1) as pool:
    print(*pool.pids, flush=True)
    pool.fit(Request({ASLEEP!r}, pd.read_csv({str(FOLDER / "data" / "sleepstudy.csv")!r})))
"""
        command = [sys.executable, "-c", program]
        parents = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
        workers = [Path(f"/proc/{int(parent.stdout.readline())}") for parent in parents]
        time.sleep(0.5)
        for parent, how in zip(parents, (signal.SIGINT, signal.SIGKILL), strict=True):
            parent.send_signal(how)
            parent.communicate(timeout=120)
        deadline = time.monotonic() + 20
        while any(map(Path.exists, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not any(map(Path.exists, workers))


def _child_sleeps(pid: int) -> bool:
    """Whether the process runs the command ``sleep``, directly or through a shell."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return any(b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)


class TestWithoutR:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"kind": "glmer"}, "'lmer', 'lm', 'lm2'"),
            ({"df": "residual"}, "satterthwaite"),
            ({"effort": "high"}, "tight"),
            ({"reml": "yes"}, "True"),
            ({"reml": False, "df": "kenward-roger"}, "REML"),
            ({"conf_level": 95}, "between 0 and 1"),
            ({"formula": "y"}, "y ~ x"),
            ({"data": [1, 2]}, "DataFrame"),
        ],
    )
    def test_requests_are_checked(self, change, words):
        with pytest.raises(InputError, match=words.replace("(", r"\(")):
            Request(**{"formula": "y ~ x + (1 | g)", "data": simulated(), **change})

    def test_what_could_never_be_fitted(self):
        with pytest.raises(InputError, match="rename"):
            encode(Request("y ~ `two words` + (1 | g)", simulated().rename(columns={"x": "two words"})))
        with pytest.raises(InputError, match="names no column"):
            encode(Request("a ~ b + (1 | c)", simulated()))
        with pytest.raises(InputError, match="random effects"):
            encode(Request("y ~ x + (1 | g)", simulated(), kind="lm", group="g"))
        with pytest.raises(InputError, match="group='Group'"):
            encode(Request("y ~ x", simulated(), kind="lm"))

    def test_least_squares_are_sent_as_a_model_matrix(self):
        data = simulated().assign(f=lambda d: np.where(d["x"] > 0, "b", "a"))
        task = encode(Request("log(y^2) ~ f * z", data, kind="lm", group="g"))
        assert task.terms == ("(Intercept)", "fb", "z", "fb:z")
        np.testing.assert_array_equal(task.frame["x3"], (data["x"] > 0) * data["z"])
        np.testing.assert_allclose(task.frame["y"], np.log(data["y"] ** 2), rtol=1e-15)  # one operation, two orders

    def test_words_of_r(self):
        assert cleaned("Error in initializePtr() : \n  Downdated VtV") == "Downdated VtV"
        assert cleaned("Error: grouping\n") == "grouping"
        assert stopped("Error: grouping factors must have > 1 sampled level\n")[0] is Status.TOO_FEW_GROUPS
        assert stopped("Error in f(x) : something else")[0] is Status.REFUSED

    def test_generations(self):
        assert generation.module_for("0.8.1").endswith("generation08")
        assert generation.module_for("0.9.2").endswith("generation09")
        with pytest.raises(InputError, match=r"1\.0\.0 is not supported; versions 0\.8\.x and 0\.9\.x"):
            generation.module_for("1.0.0")

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ("R lacks the package(s) lme4, lmerTest", "lmer"),
            ('PackageNotInstalledError: The R package "report" is not installed.', "report"),
            ("OSError: undefined symbol: R_getVar", "rpy2-rinterface==3.6.5"),
            ("ModuleNotFoundError: No module named 'seaborn'", "lme4"),
            ("ValueError: R_HOME is not set", "R"),
            ("SomethingNew: nobody has seen this", "jaxsim doctor"),
        ],
    )
    def test_what_to_do_about_a_problem(self, said, words):
        advice = requirements.explain(said)
        assert words in advice
        assert "install" in advice or "doctor" in advice
        assert said.rstrip(".") in advice

    def test_r_that_is_not_there(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("R_HOME", raising=False)
        with pytest.raises(InputError, match="R is not on the PATH") as caught:
            check()
        assert "install" in str(caught.value)

    def test_pymer4_that_is_not_there(self, monkeypatch):
        def version(name):
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "version", version)
        with pytest.raises(InputError, match="pymer4 is not installed"):
            check()

    def test_bad_pools(self):
        for arguments in ({"workers": 0}, {"workers": 1.5}, {"timeout": 0}, {"timeout": "long"}):
            with pytest.raises(InputError, match=next(iter(arguments))):
                Pool(**arguments)

    def test_the_parts_of_a_worker_do_not_import_jax(self):
        modules = ("outcome", "verdict", "request", "pool", "shared", "code_request", "generation", "requirements", "proof")
        program = "".join(f"import jaxsim.r.{name}\n" for name in modules)
        program += "import sys; assert not {'jax', 'rpy2', 'pymer4'} & sys.modules.keys()"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
