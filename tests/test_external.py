"""Strategies that other software fits: they stand in a study beside our own, on all replicates or the first few."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

import numpy as np
import pytest

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study
from jaxsim.errors import InputError
from jaxsim.estimators import Fit
from jaxsim.estimators.external import External
from jaxsim.measures.overview import overview
from jaxsim.status import Status
from jaxsim.sweep import plan as planning

PROCESS = GaussianMultilevel(n_groups=6, n_obs=4, n_predictors=1, fixed_effects=(1.0, 0.5))


class NumpySession:
    """Least squares by NumPy; it "crashes" on datasets whose mean response is negative."""

    versions = {"numpy-session": "1.2"}  # noqa: RUF012

    def fit(self, datasets):
        terms = datasets[0].names.fixed
        estimate = np.full((len(datasets), len(terms)), np.nan)
        status = np.full(len(datasets), Status.CRASHED)
        for k, rows in enumerate(data.rows for data in datasets):
            x = np.column_stack([np.ones(len(rows)), rows[list(terms[1:])]])
            if rows["DV"].mean() > 0:
                estimate[k], status[k] = np.linalg.lstsq(x, rows["DV"])[0], Status.OK
        n, p = estimate.shape
        blank, empty = np.full(n, np.nan), np.zeros((n, 0))
        fit = Fit(
            estimate=estimate, std_error=0 * estimate + 1, df=0 * estimate + 9, vcov=np.tile(np.eye(p), (n, 1, 1)), status=status,
            converged=status == Status.OK, singular=np.zeros(n, bool), criterion=blank, sigma=blank, theta=empty,
            iterations=np.ones(n), p_value=empty, conf_low=empty, conf_high=empty,
        )  # fmt: skip
        return fit, ["" if s == Status.OK else "killed by signal 9" for s in status]


@dataclass(frozen=True)
class Numpy(External):
    """Least squares by NumPy."""

    few: int | None = None
    label: str = "numpy"

    @property
    def name(self):
        return self.label

    @property
    def limit(self):
        return self.few

    def session(self):
        return contextlib.nullcontext(NumpySession())


@dataclass(frozen=True)
class Absent(Numpy):
    """Software that is not installed."""

    def session(self):
        raise InputError("R is missing; install it.")


def study(*strategies):
    return Study(PROCESS, Grid(group_sd=[0.5, 2.0]), (PooledOLS(), *strategies), replicates=20, seed=3)


def test_the_rows_are_those_of_our_own_fits(tmp_path):
    results = study(Numpy()).run(tmp_path / "out", progress=False)
    assert results.progress == (40, 40)
    wide = results.estimates.pivot(index=["cell", "replicate", "term"], columns="model", values="estimate")
    fitted = wide["numpy"].notna()
    assert 0.5 < fitted.mean() < 1  # the rest is the test of failures below
    # Rows are completed from the cross-products that were fitted: the same least squares up to rounding.
    np.testing.assert_allclose(wide["numpy"][fitted], wide["ols"][fitted], rtol=1e-9, atol=1e-9)
    assert results.provenance[0]["versions"]["numpy-session"] == "1.2"


def test_a_failure_is_a_row_with_its_reason(tmp_path):
    results = study(Numpy()).run(tmp_path / "out", progress=False)
    failed = results.fits.query("model == 'numpy' and status == 'crashed'")
    assert len(failed)
    assert set(failed["message"]) == {"killed by signal 9"}
    assert results.fits.query("model == 'ols'")["message"].isna().all()
    assert results.estimates.query("model == 'numpy' and status == 'crashed'")["estimate"].isna().all()
    measured = results.measures(by=["model"], measures=["bias"]).set_index("model")
    assert measured.loc["numpy", "n_failed"] == 2 * len(failed)  # two coefficients each


def test_only_the_first_replicates(tmp_path):
    results = study(Numpy(few=3, label="few")).run(tmp_path / "out", progress=False)
    assert results.progress == (40, 40)
    assert sorted(results.fits.query("model == 'few'")["replicate"].unique()) == [0, 1, 2]
    assert len(results.fits.query("model == 'ols'")) == 40
    # Strategies are compared on what all of them fitted.
    failed = int((results.fits.query("model == 'few'")["status"] == "crashed").sum())
    listwise = results.measures(by=["model"], measures=["bias"], policy="listwise").set_index("model")
    assert set(listwise["n_used"]) == {2 * (6 - failed)}
    (told,) = [note for note in results.study.caveats() if note.startswith("few: fitted the first 3 of 20 datasets")]
    calls = re.findall(r"results\.\w+\([^()]*\)", told)
    assert len(calls) == 2
    assert all(len(eval(call, {"results": results})) for call in calls), "what a note says can be done"
    assert "(listwise)" in overview(results.performance)
    again = study(Numpy(few=3, label="few")).run(tmp_path / "out", progress=False)
    assert again.progress == (40, 40)


def test_missing_software_is_said_before_anything_is_simulated(tmp_path):
    with pytest.raises(InputError, match="R is missing"):
        study(Absent()).run(tmp_path / "out", progress=False)
    assert not list((tmp_path / "out").glob("chunks/*"))


def test_slow_software_gets_small_chunks(monkeypatch):
    """What an interruption may cost is a chunk."""
    monkeypatch.setattr(planning, "CHUNK_EXTERNAL", 8)
    for strategies, most in [((Numpy(),), 8), ((Numpy(few=5),), 30), ((Numpy(), Numpy(label="again")), 4), ((), 40)]:
        assert max(len(chunk) for chunk in planning.plan(study(*strategies))) == most
