"""Variances of which the fixed effects leave no trace: recognised from the design, and what does not depend on them is right."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import Mixed, Rows, make_rows

import jaxsim
from jaxsim import LinearMixed, Priors
from jaxsim.bayesian.engine import Method, prepare
from jaxsim.bayesian.priors import named
from jaxsim.bayesian.problem import Model
from jaxsim.data.cross_products import from_rows
from jaxsim.data.random_effects import consecutive
from jaxsim.frames.identification import of_model
from jaxsim.frames.mixed_model import prepare as prepare_frame
from jaxsim.status import Status

REFERENCE = Path(__file__).parent / "reference"
STORED = json.loads((REFERENCE / "identification.json").read_text())["fits"]
# Two ways to the same least squares.
SAME = dict(rtol=1e-9)
# lme4 stops within 1e-12 of its criterion: theta is then good to 1e-6, and lmerTest's numerical derivatives to 1e-4.
NEAR, NEAR_DF = dict(rel=1e-5), dict(rel=1e-3)


@pytest.fixture(scope="module")
def tanks():
    """One tank a treatment."""
    return pd.read_csv(REFERENCE / "data" / "tanks.csv")


@pytest.fixture(scope="module")
def fits(tanks):
    made = {}

    def of(formula, **options):
        key = (formula, *options.items())
        if key not in made:
            with pytest.warns(UserWarning, match="account for all that differs between the 6 groups of tank"):
                made[key] = jaxsim.lmer(formula, tanks, **options)
        return made[key]

    return of


@pytest.mark.parametrize("case", ["intercepts", "independent", "correlated"])
def test_slopes_within_groups_are_those_of_lmertest(fits, case):
    stored = STORED[case]
    fit = fits(stored["formula"])
    row = fit.table.set_index("term").loc["x"]
    assert fit.status == "unidentified"
    assert row["estimate"] == pytest.approx(stored["estimate"], **NEAR)
    assert row["std_error"] == pytest.approx(stored["se"], **NEAR)
    assert row["df"] == pytest.approx(stored["df"], **NEAR_DF)
    assert fit.sigma == pytest.approx(stored["sigma"], **NEAR)
    assert fit.criterion == pytest.approx(stored["criterion"], abs=1e-6)  # both are at the optimum
    lacking = fit.table[fit.table["term"] != "x"]
    assert lacking.drop(columns=["term", "estimate"]).isna().all(axis=None)
    # With correlated slopes the tanks' own intercepts depend on the correlation, without on nothing.
    assert lacking["estimate"].isna().all() == (case == "correlated")


def test_without_random_slopes_the_rest_is_least_squares_within_groups(fits, tanks):
    fit, plain = fits("y ~ treatment + x + (1 | tank)"), jaxsim.ols("y ~ treatment + x", tanks)
    np.testing.assert_allclose(fit.table["estimate"], plain.table["estimate"], **SAME)
    np.testing.assert_allclose(fit.fitted, plain.fitted, **SAME)
    columns = ["estimate", "std_error", "df", "p_value", "conf_low", "conf_high"]
    np.testing.assert_allclose(fit.table.iloc[-1][columns].astype(float), plain.table.iloc[-1][columns].astype(float), **SAME)
    assert fit.sigma == pytest.approx(plain.sigma, rel=1e-12)
    assert np.isnan(fit.theta).all()
    assert np.isnan(fit.varcorr["variance"][0])
    np.testing.assert_array_equal(fit.random_effects, 0.0)
    for df, expected in (("kenward-roger", 41), ("residual", 41), ("normal", np.inf)):
        assert fits("y ~ treatment + x + (1 | tank)", df=df).table["df"].iloc[-1] == expected


def test_what_is_left_of_the_random_effects_is_fitted(fits, tanks):
    plain = jaxsim.lmer("y ~ treatment + x + (0 + x | tank)", tanks)
    for formula in ("y ~ treatment + x + (x || tank)", "y ~ treatment + x + (x | tank)"):
        fit = fits(formula)
        np.testing.assert_allclose(fit.table.iloc[-1, 1:].astype(float), plain.table.iloc[-1, 1:].astype(float), rtol=1e-7)
        assert fit.covariance.loc["x", "x"] == pytest.approx(
            plain.covariance.iloc[0, 0], rel=1e-6
        )  # the criterion is flat to 1e-12
        assert fit.covariance.loc["(Intercept)"].isna().any()
        np.testing.assert_allclose(fit.random_effects["x"], plain.random_effects["x"], rtol=1e-6, atol=1e-9)
    assert fits("y ~ treatment + x + (x || tank)").theta[1] == pytest.approx(plain.theta[0], rel=1e-6)


def test_nothing_is_left_where_slopes_are_accounted_for_too(fits):
    fit = fits("y ~ treatment * x + (x | tank)")
    assert fit.status == "unidentified"
    assert fit.table[["std_error", "df"]].isna().all(axis=None)
    assert fit.table["estimate"].notna().all()
    assert "the other coefficients" not in fit.messages[0]


def test_a_combination_of_random_effects_can_be_accounted_for(tanks):
    """Fixed effects of the tanks at x = 1: neither intercepts nor slopes, but what they add up to there."""
    data = tanks.assign(away=tanks["x"] - 1)
    with pytest.warns(UserWarning, match="tank in .Intercept., x"):
        fit = jaxsim.lmer("y ~ 0 + tank:away + (x | tank)", data)
    assert fit.status == "unidentified"
    assert fit.covariance.isna().all(axis=None)


@pytest.mark.parametrize("t", [np.diag([0.0, 0.4]), np.diag([3.0, 0.4]), np.array([[2.0, 0.7], [0.7, 0.4]])])
def test_the_criterion_and_what_is_reported_do_not_depend_on_what_is_not_known(fits, tanks, t):
    """The dense marginal model, at the fitted variance of the slopes and any of the rest."""
    codes = np.unique(tanks["tank"], return_inverse=True)[1]
    indicators = (codes[:, None] == np.arange(1, 6)).astype(float)
    rows = Rows(np.column_stack([np.ones(len(codes)), indicators, tanks["x"]]), tanks["y"].to_numpy(), codes)
    fit = fits("y ~ treatment + x + (x | tank)")
    scale = fit.covariance.loc["x", "x"] / fit.sigma**2 / 0.4
    unit = np.sqrt([1.0, scale])
    at = Mixed(rows, [0, 6]).fit_at(t * np.outer(unit, unit))
    assert at.criterion == pytest.approx(fit.criterion, rel=1e-12)
    assert at.beta[-1] == pytest.approx(fit.table["estimate"].iloc[-1], rel=1e-9)
    assert np.sqrt(at.vcov[-1, -1]) == pytest.approx(fit.table["std_error"].iloc[-1], rel=1e-9)


def test_maximum_likelihood_has_an_optimum_with_a_variance_of_zero(tanks):
    with pytest.warns(UserWarning, match="Maximum likelihood makes it as small as it can.*REML says that they cannot be known"):
        fit = jaxsim.lmer("y ~ treatment + x + (1 | tank)", tanks, reml=False)
    assert (fit.status, fit.converged) == ("singular", True)
    assert fit.theta[0] < 1e-8
    assert fit.loglik == pytest.approx(jaxsim.ols("y ~ treatment + x", tanks).loglik, rel=1e-10)


def test_every_small_example_has_the_same_status():
    """Thirty pairs of tanks, one a treatment: rounding decides nothing."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(4, 15))
        data = pd.DataFrame({"tank": np.repeat([0, 1], n), "y": rng.normal(size=2 * n)})
        with pytest.warns(UserWarning, match="2 groups of tank"):
            assert jaxsim.lmer("y ~ treatment + (1 | tank)", data.assign(treatment=data["tank"])).status == "unidentified"


def test_one_contrast_among_many_groups_identifies_a_variance():
    """All but two of 200 groups have a column of their own."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(200), 3)
    data = pd.DataFrame({"g": g, "own": np.minimum(g, 198), "y": rng.normal(size=600) + rng.normal(size=200)[g]})
    model = prepare_frame("y ~ factor(own) + (1 | g)", data)
    assert of_model(model).everything
    assert not of_model(prepare_frame("y ~ factor(g) + (1 | g)", data)).random.any()


# --- in studies


def saturated_rows(seed=1):
    """Five groups with a column each, and a predictor that varies within them."""
    rows = make_rows(seed, [6, 5, 8, 7, 6], n_fixed=2)
    indicators = (rows.group[:, None] == np.arange(1, 5)).astype(float)
    x = np.column_stack([rows.x[:, 0], indicators, rows.x[:, 1]])
    return from_rows(x, rows.y, rows.group, ("Intercept", "g1", "g2", "g3", "g4", "x"))


@pytest.mark.parametrize(
    ("options", "status"),
    [
        (dict(random=("Intercept",)), Status.UNIDENTIFIED),
        (dict(random=("x",)), None),
        (dict(random=("Intercept",), reml=False), Status.SINGULAR),
    ],
)
def test_a_strategy_says_what_it_cannot_have(options, status):
    """The search is not begun: the design decides."""
    batch = jax.tree.map(lambda leaf: leaf[None], saturated_rows())
    fit = jax.tree.map(lambda leaf: leaf[0], jax.device_get(LinearMixed(**options).fit_batch(batch)))
    found = Status(int(fit.status))
    assert found.usable if status is None else found is status
    if found is Status.UNIDENTIFIED:
        assert not found.usable
        assert np.isnan(np.r_[fit.estimate, fit.std_error, fit.df, fit.criterion]).all()
        assert not fit.converged
        assert fit.iterations == 1


@pytest.mark.parametrize(("priors", "status"), [("flat", Status.UNIDENTIFIED), ("weak", Status.OK)])
def test_a_posterior_needs_a_proper_prior_of_a_variance_that_the_data_say_nothing_about(priors, status):
    data = jax.tree.map(lambda leaf: leaf[None], saturated_rows())
    given = named(priors)
    assert isinstance(given, Priors)
    model = Model(tuple(range(6)), (0,), consecutive([1]), given, 0)
    found = jax.jit(lambda one: prepare(one, 0.95, Method(model, "equal-tailed")).status)(data)
    assert Status(int(found[0])) is status
