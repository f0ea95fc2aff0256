"""lme4 as a strategy of a study: its rows beside ours, datasets it refuses, a process that dies, one pool for all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxsim import Design, GaussianMultilevel, Grid, LinearMixed, Study, within
from jaxsim.data.names import Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError
from jaxsim.estimators import Lme4
from jaxsim.estimators.external import guarded
from jaxsim.estimators.lme4 import fit_of
from jaxsim.r import outcome as r
from jaxsim.r.outcome import Outcome
from jaxsim.r.request import Request
from jaxsim.status import Status

TERMS = ("Intercept", "IV1")
EFFECTS = RandomEffects("Group", (("Intercept",),))
RANDOM_INTERCEPT = "DV ~ IV1 + (1 | Group)"


def outcome(**changes):
    """A fit by lme4 of a random intercept."""
    effects = r.RandomEffects("Group", ("1",), ("(Intercept)",), np.eye(1), np.zeros((1, 1)), np.ones((1, 1, 1)))
    made = Outcome(
        Status.OK, converged=True, criterion=10.0, sigma=1.0, terms=("(Intercept)", "IV1"), estimate=np.array([1.0, 2.0]),
        std_error=np.array([0.1, 0.2]), df=np.array([5.0, 6.0]), vcov=np.diag([0.01, 0.04]), theta=np.ones(1), random=(effects,),
        iterations=7.0,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


class TestRows:
    """What R said as a batch of fits."""

    def test_a_fit(self):
        swapped = dict(terms=("IV1", "(Intercept)"), estimate=np.array([2.0, 1.0]), vcov=np.diag([0.04, 0.01]))
        swapped |= dict(std_error=np.array([0.2, 0.1]), df=np.array([6.0, 5.0]))
        fit = fit_of([outcome(), outcome(**swapped)], TERMS, [EFFECTS])
        for k in range(2):
            np.testing.assert_array_equal(fit.estimate[k], [1, 2])
            np.testing.assert_array_equal(fit.std_error[k], [0.1, 0.2])
            np.testing.assert_array_equal(fit.df[k], [5, 6])
            np.testing.assert_array_equal(fit.vcov[k], np.diag([0.01, 0.04]))
        np.testing.assert_array_equal(fit.status, Status.OK)
        np.testing.assert_array_equal(fit.converged, True)
        np.testing.assert_array_equal(fit.iterations, 7)
        assert fit.p_value.shape == (2, 0)

    @pytest.mark.parametrize(
        "bad", [dict(std_error=np.array([0.1, np.nan])), dict(estimate=np.array([np.inf, 2.0])), dict(df=np.array([5.0, 0.0]))]
    )
    def test_a_number_that_is_none_is_never_called_usable(self, bad):
        """The guard of our own strategies; the other fits of the batch keep their numbers."""
        fit = fit_of([outcome(), outcome(**bad)], TERMS, [EFFECTS])
        np.testing.assert_array_equal(fit.status, [Status.OK, Status.NON_FINITE])
        np.testing.assert_array_equal(fit.converged, [True, False])
        numbers = {name: getattr(fit, name) for name in ("estimate", "std_error", "df", "vcov", "theta", "criterion", "sigma")}
        for name, values in {**numbers, "covariance": fit.covariance["Group"]}.items():
            assert np.isnan(values[1]).all(), name
            assert np.isfinite(values[0]).all(), name

    def test_what_has_no_numbers_shows_none(self):
        """lme4 dropped a column, say: what it did estimate is another model."""
        fit = fit_of([outcome(status=Status.RANK_DEFICIENT, singular=True), Outcome(Status.CRASHED)], TERMS, [EFFECTS])
        np.testing.assert_array_equal(fit.status, [Status.RANK_DEFICIENT, Status.CRASHED])
        assert np.isnan([fit.criterion, fit.sigma]).all()
        assert np.isnan(fit.estimate).all()
        assert not fit.singular.any()
        assert not fit.converged.any()

    def test_several_factors_are_in_the_order_of_the_process(self):
        """R has the factor with most levels first and calls classes in schools by both names."""
        effects = [RandomEffects("school", (("Intercept",),)), RandomEffects("class", (("Intercept", "IV1"),))]
        names = Names(TERMS, factors=("class", "school"), nested=(("class", ("school",)),))
        theirs = (
            r.RandomEffects("class:school", (), ("(Intercept)", "IV1"), np.diag([4.0, 9.0]), np.zeros((0, 2)), np.zeros((0, 2, 2))),
            r.RandomEffects("school", (), ("(Intercept)",), np.full((1, 1), 25.0), np.zeros((0, 1)), np.zeros((0, 1, 1))),
        )
        theta_names = ("class:school.(Intercept)", "class:school.IV1.(Intercept)", "class:school.IV1", "school.(Intercept)")
        made = outcome(random=theirs, theta=np.array([2.0, 0.0, 3.0, 5.0]), theta_names=theta_names)
        fit = fit_of([made, Outcome(Status.CRASHED)], TERMS, effects, names)
        np.testing.assert_array_equal(fit.theta[0], [5, 2, 0, 3])
        assert {factor: own[0].tolist() for factor, own in fit.covariance.items()} == {"school": [[25]], "class": [[4, 0], [0, 9]]}
        assert np.isnan(fit.theta[1]).all()

    def test_the_guard_changes_nothing_else(self):
        fit = fit_of([outcome(), outcome(status=Status.NOT_CONVERGED, converged=False)], TERMS, [EFFECTS])
        again = guarded(fit)
        jax.tree.map(np.testing.assert_array_equal, again, fit)
        assert np.isfinite(fit.estimate[1]).all(), "an optimiser that stopped early has numbers to show"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(formula="y ~ IV1 + (1 | Group)"), "the response 'y' is not a column of the process; it has Intercept, IV1"),
        (dict(formula="DV ~ IV1"), "needs random effects, such as"),
        (dict(formula="DV ~ IV1 + (1 | School)"), "'School' is not a grouping factor of the process; use Group"),
        (dict(formula="DV ~ I(IV1^2) + (1 | Group)"), "the terms of a strategy's formula are columns of the process"),
        (dict(formula="DV ~ IV1 + (IV9 | Group)"), "the random effect 'IV9' is not a column of the process"),
        (dict(formula="DV ~ IV1 + (1 | Group) + (IV1 | Group)"), "two random effects"),
        (dict(df="residual"), "'satterthwaite', 'kenward-roger'"),
        (dict(df="kenward-roger", reml=False), "needs REML"),
        (dict(effort="tigth"), "Did you mean 'tight'"),
        (dict(first=0), "first"),
    ],
)
def test_what_lme4_cannot_be_asked(options, words):
    with pytest.raises(InputError, match=words):
        Lme4(**options).check(Names(TERMS))


# --- with R


class Sabotaged(Lme4):
    """The formula ends R on datasets whose mean response is negative. (A call in a formula is evaluated by R.)"""

    def request(self, data):
        bad = data.rows["DV"].mean() < 0
        return Request("DV ~ I(IV1 + quit(status = 7)) + (1 | Group)" if bad else RANDOM_INTERCEPT, data.rows)


def study(*strategies, **conditions):
    conditions = {"n_groups": 8, "n_obs": 6, **conditions}
    process = GaussianMultilevel(n_predictors=1, fixed_effects=(0.0, 0.5), group_sd=1.0, **conditions)
    return Study(process, Grid(), (LinearMixed(label="lmer"), *strategies), replicates=6, seed=4)


@pytest.mark.lme4
@pytest.mark.usefixtures("pymer4_ready")
class TestStudy:
    def test_rows_beside_ours(self, tmp_path):
        made = study(
            Lme4(effort="tight"),
            Lme4(df="kenward-roger", effort="tight", label="lme4_kr"),
            Lme4(RANDOM_INTERCEPT, first=2, label="lme4_ri"),
            LinearMixed(df="kenward-roger", label="lmer_kr"),
        )
        results = made.run(tmp_path / "out", progress=False)
        tables = {model: table.set_index(["replicate", "term"]) for model, table in results.estimates.groupby("model")}
        for theirs, ours in (("lme4", "lmer"), ("lme4_kr", "lmer_kr")):
            np.testing.assert_array_equal(tables[theirs]["status"], tables[ours]["status"])
            for name in ("estimate", "std_error"):
                # lme4's theta at tight tolerances is good to 1e-9 where it is interior, to 1e-5 where it is near zero.
                np.testing.assert_allclose(tables[theirs][name], tables[ours][name], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(tables[theirs]["df"], tables[ours]["df"], rtol=1e-3)  # lmerTest's numerical derivatives
        assert set(tables["lme4_ri"].index.get_level_values("replicate")) == {0, 1}
        assert "lme4" in results.provenance[0]["versions"]

    @pytest.mark.usefixtures("running_workers")
    def test_r_that_dies_and_a_dataset_that_lme4_refuses(self, tmp_path):
        """Each is a row with its reason, and the study goes on; the maximal model has as many random effects as rows here."""
        results = study(Lme4(), Sabotaged(RANDOM_INTERCEPT, label="sabotaged"), n_obs=2).run(tmp_path / "out", progress=False)
        assert results.progress == (6, 6)
        fits = results.fits.set_index(["model", "replicate"])
        assert (fits.loc["lme4", "status"] == "too_few_rows").all()
        assert fits.loc["lme4", "message"].str.contains("number of random effects").all()
        dead = fits.loc["sabotaged", "status"] == "crashed"
        assert 0 < dead.sum() < 6
        assert fits.loc["sabotaged", "message"][dead].str.contains("exit status 7").all()
        assert fits.loc["sabotaged", "status"][~dead].isin(["ok", "singular", "not_converged"]).all()
        rows = results.estimates.set_index(["model", "replicate"]).loc["sabotaged"]
        assert rows.loc[dead[dead].index, "estimate"].isna().all()
        assert rows.loc[dead[~dead].index, "estimate"].notna().all()

    def test_strategies_share_their_processes(self):
        with Lme4().session() as one, Lme4(RANDOM_INTERCEPT, label="ri").session() as other:
            assert one.pool is other.pool
            pids = one.pool.pids
            assert pids
        assert one.pool.closed
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)

    @pytest.mark.usefixtures("running_workers")
    def test_several_factors_beside_ours(self, tmp_path):
        reading = Design(
            "rt ~ x + (1 + x | subject) + (1 | item)",
            units={"subject": 12, "item": 8},
            variables={"x": within(-1, 1)},
            effects={"x": 0.5},
            sd={"subject": {"Intercept": 1, "x": 0.7}, "item": 1},
        )
        strategies = (
            LinearMixed(formula=reading.formula, label="lmer"),
            Lme4("rt ~ x + (1 | item) + (x | subject)", effort="tight", label="own"),
        )
        results = Study(reading, Grid(), strategies, replicates=3, seed=4).run(tmp_path / "out", progress=False)
        fits, estimates = (
            {model: table.set_index(["replicate", *more]).sort_index() for model, table in frame.groupby("model", observed=True)}
            for frame, more in ((results.fits, []), (results.estimates, ["term"]))
        )
        components = ["sd_subject_Intercept", "sd_subject_x", "sd_item_Intercept", "sigma"]
        for name in ("estimate", "std_error"):
            # As above.
            np.testing.assert_allclose(estimates["own"][name], estimates["lmer"][name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(fits["own"][components], fits["lmer"][components], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(fits["own"]["criterion"], fits["lmer"]["criterion"], atol=1e-6)
