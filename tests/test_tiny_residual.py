"""Groups that differ by much more than their residuals do: right as long as there are digits, and said where there are none."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import Mixed, Rows, make_rows

import jaxsim
from jaxsim.data.random_effects import consecutive
from jaxsim.frames import within_groups
from jaxsim.lmm import solution
from jaxsim.lmm.deviance import Spec, profile
from jaxsim.numerics.row_basis import orthonormal
from jaxsim.status import Status

# The response has 16 digits, of which a ratio r of standard deviations leaves 16 - log10 r to the residuals; means have all.
RATIOS = [1e2, 1e3, 2e3, 1e4, 1e6, 1e8]


def balanced(ratio, seed=8):
    """Ten groups of five rows, an effect of each group, x the same in every group."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(10), 5)
    intercepts, slopes, noise = rng.normal(size=10), rng.normal(size=10), rng.normal(size=50)
    x = np.tile([-2.0, -1.0, 0.0, 1.0, 2.5], 10)
    return pd.DataFrame({"g": g, "x": x, "y": intercepts[g] + noise / ratio, "z": intercepts[g] + slopes[g] * x + noise / ratio})


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_the_mean_of_balanced_groups_is_that_of_their_means(ratio, df):
    """Analysis of variance: 0.398 with 9 degrees of freedom."""
    data = balanced(ratio)
    fit, means = jaxsim.lmer("y ~ 1 + (1 | g)", data, df=df), data.groupby("g")["y"].mean()
    assert fit.status == "ok"
    row = fit.table.iloc[0]
    assert row["estimate"] == pytest.approx(means.mean(), rel=1e-9)
    assert row["std_error"] == pytest.approx(means.std() / np.sqrt(10), rel=1e-9)
    assert row["df"] == pytest.approx(9.0, rel=1e-9)
    within = (data["y"] - means[data["g"]].to_numpy()).pow(2).sum() / 40
    assert fit.sigma**2 == pytest.approx(within, rel=1e-16 * ratio + 1e-9)
    assert fit.covariance.iloc[0, 0] == pytest.approx(means.var() - within / 5, rel=1e-7)
    np.testing.assert_allclose(fit.fitted, means[data["g"]], atol=10 / ratio)
    relative = (means.var() - within / 5) / within
    criterion = 9 * np.log(1 + 5 * relative) + np.log(50) + 49 * (1 + np.log(2 * np.pi * within))
    assert fit.criterion == pytest.approx(criterion, abs=1e-6 + 50e-16 * ratio)  # 50 rows, whose residuals have lost those digits


@pytest.mark.parametrize("ratio", [1e3, 1e5, 1e7])
def test_balanced_slopes_are_the_mean_of_the_groups_own(ratio):
    data = balanced(ratio)
    fit, own = jaxsim.lmer("z ~ x + (x | g)", data), jaxsim.lm2("z ~ x", data, "g")
    assert fit.status == "ok"
    for column in ("estimate", "std_error", "df"):
        np.testing.assert_allclose(fit.table[column], own.table[column], rtol=1e-7, err_msg=column)


def test_slopes_that_hardly_differ_beside_intercepts_that_do():
    """Their variance is 1e-9 of the intercepts', and known as well as ever."""
    ratio = 1e5
    data = balanced(ratio)
    rng = np.random.default_rng(3)
    data["y"] += rng.normal(size=10)[data["g"]] * data["x"] * 3 / ratio
    fit, own = jaxsim.lmer("y ~ x + (x || g)", data), jaxsim.lm2("y ~ x", data, "g")
    assert fit.status == "ok"
    assert fit.table["std_error"][1] == pytest.approx(own.table["std_error"][1], rel=1e-4)  # x is not centred
    assert 1 / ratio < np.sqrt(fit.covariance.loc["x", "x"]) < 10 / ratio


def test_predictors_of_rows_and_of_groups_in_unequal_groups():
    """In units of the residuals: a predictor within groups is estimated as by their own regressions with one slope."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(12), rng.integers(3, 9, 12))
    data = pd.DataFrame({"g": g, "x": rng.normal(1.0, 1.0, len(g)), "w": rng.normal(size=12)[g]})
    data["y"] = 1e5 * rng.normal(size=12)[g] + data["x"] + data["w"] + rng.normal(size=len(g))
    fit = jaxsim.lmer("y ~ w + x + (1 | g)", data)
    within = jaxsim.ols("y ~ x + factor(g)", data)
    assert fit.status == "ok"
    row, alone = fit.table.iloc[2], within.table.iloc[1]
    # Between groups the residual variance is 1e10 times as large: their share of the weight is 1e-10.
    assert row["estimate"] == pytest.approx(alone["estimate"], rel=1e-7)
    assert row["std_error"] == pytest.approx(alone["std_error"], rel=1e-7)
    assert row["df"] == pytest.approx(alone["df"], rel=1e-6)
    means = data.groupby("g")[["y", "w"]].mean().reset_index()
    between = jaxsim.ols("y ~ w", means)
    np.testing.assert_allclose(fit.table["std_error"][:2], between.table["std_error"], rtol=1e-4)
    np.testing.assert_allclose(fit.table["df"][:2], between.table["df"], rtol=1e-4)


@pytest.mark.parametrize("reml", [True, False])
def test_both_ways_to_the_criterion_are_one(reml):
    """At an ordinary ratio, where cross-products have all their digits: of the dense model as well."""
    rows = make_rows(7, [4, 6, 5, 2, 9], n_fixed=3)
    data = Rows(rows.x, rows.y, rows.group)
    basis, z = orthonormal(rows.x), rows.x[:, :2]
    spec = Spec((0, 1, 2), (3, 4), consecutive([2]), reml)
    posed = within_groups.pose(basis, z, rows.y, rows.group, spec)
    t = np.array([[0.7, 0.2], [0.2, 0.4]])
    factor = np.linalg.cholesky(t) * np.asarray(posed.problem.column_scale)[3:, None]
    at = jax.jit(lambda p, f: profile(p.products, p.n_rows, f, spec, p.between))(posed.problem, jnp.asarray(factor))
    dense = Mixed(data, [0, 1], reml)
    nu = len(rows.y) - 3 if reml else len(rows.y)
    unit = 2 * nu * np.log(float(posed.problem.response_scale)) + (posed.basis.log_determinant if reml else 0.0)
    assert float(at.deviance) + unit == pytest.approx(dense.deviance(t), rel=1e-12)
    scale = float(posed.problem.response_scale)
    beta = posed.shift + posed.basis.inverse @ (np.asarray(at.beta) * scale)
    np.testing.assert_allclose(beta, dense.fit_at(t).beta, rtol=1e-10)


@pytest.mark.parametrize("size", [0.0, 1e-15])
def test_a_response_that_is_constant_within_groups_is_said_to_be(size):
    data = balanced(1e3)
    data["y"] = data.groupby("g")["y"].transform("mean") + size * data["x"]
    with pytest.warns(
        UserWarning, match="does not differ within the 10 groups of g beyond what the predictors explain.*one row a group"
    ):
        fit = jaxsim.lmer("y ~ 1 + (1 | g)", data)
    assert fit.status == "zero_residual"
    assert fit.table.drop(columns="term").isna().all(axis=None)
    assert fit.vcov.isna().all(axis=None)


def test_bayes_says_the_same():
    data = balanced(1e3)
    data["y"] = data.groupby("g")["y"].transform("mean")
    with pytest.warns(UserWarning, match="hardly differs within the 10 groups of g.*posterior.*one row a group"):
        fit = jaxsim.bayes("y ~ 1 + (1 | g)", data, method="fast")
    assert fit.status == "zero_residual"
    assert fit.table.drop(columns="term").isna().all(axis=None)


def test_where_a_search_stopped_is_no_estimate(monkeypatch):
    """Nothing is printed beside the status, and the sentence is about an optimiser."""
    whole = solution.solve

    def unfinished(*arguments):
        return whole(*arguments)._replace(optimal=np.False_)

    monkeypatch.setattr(solution, "solve", unfinished)
    with pytest.warns(UserWarning, match="the optimiser stopped at a criterion of .* where it stopped is no estimate"):
        fit = jaxsim.lmer("y ~ 1 + (1 | g)", balanced(10.0))
    assert fit.status == Status.NOT_CONVERGED.label
    assert not fit.converged
    assert fit.table.drop(columns="term").isna().all(axis=None)
    assert "posterior" not in str(fit)
