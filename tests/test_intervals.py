"""Intervals of parameters and predictions: R's, a dense computation, and what a profile is by definition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fitted_references import LINEAR, MIXED, data, fitted
from scipy import optimize, stats

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation.posed import posed
from jaxsim.frames.postestimation.prediction_error import Design, conditional_deviations, spread
from jaxsim.frames.postestimation.surface import derivatives

pytestmark = pytest.mark.filterwarnings("ignore:boundary")
# Two ways to the same sums of products in float64.
SAME = dict(rtol=1e-9, atol=1e-9)


def limits(table):
    return table[["conf_low", "conf_high"]].to_numpy()


@pytest.mark.parametrize("name", MIXED)
def test_profile_limits_are_those_of_lme4(name):
    entry, found = MIXED[name]["profile"], fitted(name).confint("profile")
    kinds = [*entry["fixed"], *entry["sd"], *(entry["cor"] or [[np.nan] * 2] * found["term"].str.startswith("cor_").sum())]
    expected = np.array([*kinds, *entry["sigma"]])
    # lme4 interpolates a profile of some ten points on either side. Where it warns that it could not, as for Machines, its
    # standard deviations are good to a few units of the fourth digit and its correlations are not compared.
    width = expected[:, 1] - expected[:, 0]
    apart = np.abs(limits(found) - expected) / width[:, None]
    assert np.nanmax(apart) < 3e-4
    assert np.isfinite(limits(found)).all()


def dense_deviance(fit, covariance, sigma):
    """Minus twice the log-likelihood with fixed effects profiled out, from each group's covariance matrix of its rows."""
    model, products, determinants = fit.model, 0.0, 0.0
    for code in range(len(model.labels)):
        own = model.codes == code
        z, both = model.z[own], np.column_stack([model.x.values[own], model.y[own]])
        v = z @ covariance @ z.T + sigma**2 * np.eye(own.sum())
        products += both.T @ np.linalg.solve(v, both)
        determinants += np.linalg.slogdet(v)[1]
    rest = products[-1, -1] - products[-1, :-1] @ np.linalg.solve(products[:-1, :-1], products[:-1, -1])
    return len(model.y) * np.log(2 * np.pi) + determinants + rest


def test_profile_limits_lie_the_quantile_above_the_minimum():
    """Of Machines, where lme4's own profiles fail: minimised from several starts in other coordinates, on dense matrices."""
    fit, rng = fitted("machines"), np.random.default_rng(1)
    table = fit.confint("profile", conf_level=0.9).set_index("term")
    names = list(fit.model.random_names)

    def covariance(order, first, free):
        partial, scale = np.tanh(free[:2]), np.exp(np.clip(free[2:5], -5, 5))
        third = first * partial[0] + partial[1] * np.sqrt((1 - first**2) * (1 - partial[0] ** 2))
        correlation = np.array([[1, first, partial[0]], [first, 1, third], [partial[0], third, 1]])
        full = np.empty((3, 3))
        full[np.ix_(order, order)] = correlation * np.outer(scale, scale)
        return full

    def least(order, first):
        def deviance(free):
            r = first if first is not None else np.tanh(free[6])
            return dense_deviance(fit, covariance(order, r, free), np.exp(free[5]))

        size = 6 if first is not None else 7
        starts = rng.normal(scale=0.7, size=(5, size)) + np.array([0, 0, 1.5, 1.5, 1.5, 0, 0])[:size]
        return min(optimize.minimize(deviance, start, method="BFGS").fun for start in starts)

    bottom = least((0, 1, 2), None)
    for a, b, c in ((0, 2, 1), (1, 2, 0)):
        row = table.loc[f"cor_Worker_{names[a]}_{names[b]}"]
        for limit in (row["conf_low"], row["conf_high"]):
            # BFGS on difference quotients finds a minimum to 1e-4 or so.
            assert least((a, b, c), limit) - bottom == pytest.approx(stats.chi2.ppf(0.9, 1), abs=1e-3)


def test_surface_agrees_with_the_engine_and_with_difference_quotients():
    for name in ("sleepstudy", "sleepstudy_independent", "sleepstudy_ml"):
        fit = fitted(name)
        at = posed(fit)
        on, factor = at.surface(MIXED[name]["reml"]), at.factor
        value, gradient, _ = derivatives(on, factor, 0.0)
        value += 2 * on.nu * np.log(fit.sigma)  # of the response in units of sigma
        assert value == pytest.approx(fit.criterion, rel=1e-12)  # a sum of numbers near 1,000
        assert np.abs(gradient).max() < 1e-6  # the optimum's certificate
        rows, columns = on.structure.entries.T
        point = np.append(factor[rows, columns] * 1.2 + 0.1, 0.3)

        def along(point, on=on, rows=rows, columns=columns):
            moved = np.zeros((2, 2))
            moved[rows, columns] = point[:-1]
            return derivatives(on, moved, point[-1])

        step = 1e-4
        units = step * np.eye(len(point))
        slope = [(along(point + e)[0] - along(point - e)[0]) / (2 * step) for e in units]
        bend = [(along(point + e)[1] - along(point - e)[1]) / (2 * step) for e in units]
        # Central differences err by the square of the step times third derivatives of order 100.
        np.testing.assert_allclose(along(point)[1], slope, atol=1e-5)
        np.testing.assert_allclose(along(point)[2], bend, atol=1e-5)


def test_wald_limits_of_components_follow_from_the_curvature():
    """By difference quotients of the dense criterion in log SDs, Fisher's z and log sigma; it is quadratic in them nearby."""
    fit = fitted("sleepstudy_ml")
    table = fit.confint().set_index("term")
    parts = table.iloc[2:]["estimate"].to_numpy()
    middle = np.append(np.log(parts[[0, 1]]), [np.arctanh(parts[2]), np.log(parts[3])])

    def deviance(at):
        sd, r = np.exp(at[:2]), np.tanh(at[2])
        return dense_deviance(fit, np.array([[1, r], [r, 1]]) * np.outer(sd, sd), np.exp(at[3]))

    step = 1e-3
    hessian = np.empty((4, 4))
    for i, a in enumerate(np.eye(4) * step):
        for j, b in enumerate(np.eye(4) * step):
            corners = deviance(middle + a + b) - deviance(middle + a - b) - deviance(middle - a + b) + deviance(middle - a - b)
            hessian[i, j] = corners / (4 * step**2)
    reach = stats.norm.ppf(0.975) * np.sqrt(np.diagonal(2 * np.linalg.inv(hessian)))
    low, high = middle - reach, middle + reach
    for i, back in enumerate((np.exp, np.exp, np.tanh, np.exp)):
        # Rounding of the dense criterion, 1e-12 of 1,750, over the square of the step leaves 1e-3 of a curvature of 20.
        np.testing.assert_allclose(limits(table)[2 + i], [back(low[i]), back(high[i])], rtol=2e-3)


@pytest.mark.parametrize("unit", [1e-5, 1e5])
def test_no_unit_of_a_predictor_makes_a_boundary(unit):
    """A slope of 1e-5 a unit is no variance of zero, whatever lme4's isSingular says of it."""
    rows = data("sleepstudy")
    plain = jaxsim.lmer("Reaction ~ Days + (Days | Subject)", rows).confint().set_index("term")
    scaled = jaxsim.lmer("Reaction ~ Days + (Days | Subject)", rows.assign(Days=rows["Days"] * unit)).confint().set_index("term")
    assert plain.notna().all(axis=None)
    own = ["Days", "sd_Subject_Days"]
    scaled.loc[own] *= unit
    # The same optimum in other units: searches end within 1e-8 of it.
    np.testing.assert_allclose(scaled, plain, rtol=1e-6)


def test_wald_limits_of_fixed_effects():
    fit = jaxsim.lmer(MIXED["sleepstudy"]["formula"], data("sleepstudy"), df="normal")
    # lme4's are normal; its optimum is its default one, good to 1e-5 of a standard error.
    np.testing.assert_allclose(limits(fit.confint())[:2], MIXED["sleepstudy"]["wald"], rtol=1e-5)
    with_t = fitted("sleepstudy")
    np.testing.assert_allclose(limits(with_t.confint())[:2], limits(with_t.table), **SAME)
    assert np.isnan(limits(fitted("dyestuff2").confint())[1:]).all()  # a standard deviation of zero has no Wald interval
    assert limits(with_t.confint(conf_level=0.5))[0, 0] > limits(with_t.confint())[0, 0]


def test_bootstrap_limits_are_quantiles_of_refits():
    fit = fitted("sleepstudy")
    refits = fit.bootstrap(200, seed=4)
    found = fit.confint("bootstrap", conf_level=0.8, draws=200, seed=4).set_index("term")
    np.testing.assert_allclose(
        found.loc["sigma", ["conf_low", "conf_high"]].astype(float), refits["sigma"].quantile([0.1, 0.9]), **SAME
    )
    basic = fit.confint("bootstrap", conf_level=0.8, draws=200, seed=4, kind="basic").set_index("term")
    np.testing.assert_allclose(basic["conf_low"], 2 * found["estimate"] - found["conf_high"], **SAME)


def test_limits_of_regressions():
    rows = data("sleepstudy")
    fit = jaxsim.ols("Reaction ~ Days", rows)
    table = fit.confint(conf_level=0.9)
    assert list(table["term"]) == ["(Intercept)", "Days", "sigma"]
    nu = 178
    np.testing.assert_allclose(limits(table)[2], fit.sigma * np.sqrt(nu / stats.chi2.ppf([0.95, 0.05], nu)), **SAME)
    clustered = jaxsim.lm("Reaction ~ Days", rows, cluster="Subject")
    np.testing.assert_allclose(limits(clustered.confint())[:2], limits(clustered.table), **SAME)
    assert list(jaxsim.lm2("Reaction ~ Days", rows, group="Subject").confint()["term"]) == ["(Intercept)", "Days"]
    with pytest.raises(InputError, match="method='profile' is for lmer"):
        fit.confint("profile")
    with pytest.raises(InputError, match="which cluster-robust and two-stage analyses leave open"):
        clustered.confint("bootstrap")
    with pytest.raises(InputError, match=r"method='walt' is not known.*Did you mean 'wald'"):
        fit.confint("walt")


@pytest.mark.parametrize("entry", LINEAR, ids=lambda entry: entry["data"])
def test_intervals_of_regressions_are_those_of_predict_lm(entry):
    fit = jaxsim.ols(entry["formula"], data(entry["data"]))
    new = pd.DataFrame(entry["newdata"], index=list("abc"))
    for kind in ("confidence", "prediction"):
        found = fit.predict(new, interval=kind, conf_level=0.9)
        np.testing.assert_allclose(found[["estimate", "conf_low", "conf_high"]], entry[kind], **SAME)
        assert list(found.index) == list("abc")
    np.testing.assert_allclose(fit.predict(new, interval="confidence")["std_error"], entry["se"], **SAME)


def henderson(fit):
    """Covariance of all errors of fixed and random effects, by the mixed-model equations on dense matrices, ``Z`` with them."""
    model = fit.model
    groups = len(model.labels)
    z = (np.eye(groups)[model.codes][:, :, None] * model.z[:, None, :]).reshape(len(model.y), -1)
    both = np.hstack([model.x.values, z])
    middle = both.T @ both / fit.sigma**2
    p = model.x.values.shape[1]
    middle[p:, p:] += np.kron(np.eye(groups), np.linalg.inv(fit.covariance.to_numpy()))
    return np.linalg.inv(middle), both, p


@pytest.mark.parametrize("name", ["sleepstudy", "sleepstudy_independent", "sleepstudy_ml", "machines", "cake"])
def test_intervals_of_mixed_models_come_from_the_mixed_model_equations(name):
    fit = fitted(name)
    covariance, both, p = henderson(fit)
    variance = np.einsum("ij,jk,ik->i", both, covariance, both)
    found = fit.predict(interval="confidence")
    np.testing.assert_allclose(found["std_error"], np.sqrt(variance), rtol=1e-7)  # the dense inverse loses digits
    np.testing.assert_allclose(found["estimate"], fit.fitted, **SAME)
    new = fit.predict(interval="prediction")
    np.testing.assert_allclose(new["std_error"] ** 2, variance + fit.sigma**2, rtol=1e-7)
    population = np.einsum("ij,jk,ik->i", both[:, :p], covariance[:p, :p], both[:, :p])
    np.testing.assert_allclose(fit.predict(level="population", interval="confidence")["std_error"] ** 2, population, rtol=1e-7)
    marginal = np.einsum("ij,jk,ik->i", fit.model.z, fit.covariance, fit.model.z) + population + fit.sigma**2
    wide = fit.predict(level="population", interval="prediction")
    np.testing.assert_allclose(wide["std_error"] ** 2, marginal, rtol=1e-7)


@pytest.mark.parametrize("name", MIXED)
def test_conditional_deviations_are_those_of_lme4(name):
    # lme4's default optimum: 1e-4 of a standard deviation between groups.
    np.testing.assert_allclose(conditional_deviations(fitted(name))[0], MIXED[name]["conditional"], rtol=2e-3, atol=1e-3)


def test_degrees_of_freedom_of_predictions():
    fit = fitted("sleepstudy")
    units = Design(np.eye(2), np.zeros((2, 2)), np.array([-1, -1]))
    found = spread(fit, units, effects=False, noise=False)
    # Of a coefficient they are the engine's, which are Satterthwaite's in closed form.
    np.testing.assert_allclose(found.df, fit.table["df"], rtol=1e-6)
    # At day 0 the population's mean is the intercept.
    rows = data("sleepstudy").head(1)
    table = fit.predict(rows, level="population", interval="confidence")
    reach = stats.t.ppf(0.975, fit.table["df"][0]) * fit.table["std_error"][0]
    np.testing.assert_allclose(table["conf_high"] - table["estimate"], reach, rtol=1e-6)
    # Without random effects in the data it is N - P, of any prediction.
    flat = fitted("dyestuff2")
    zero = Design(np.ones((1, 1)), np.ones((1, 1)), np.array([0]))
    assert spread(flat, zero, effects=True, noise=True).df[0] == pytest.approx(29, rel=1e-4)  # the ridge of a flat Hessian


def test_satterthwaite_of_a_group_follows_from_numerical_derivatives():
    """``2 v^2 / g' W g`` with ``v`` and its gradient by refactoring the dense equations at moved variances."""
    fit = fitted("sleepstudy")
    at = posed(fit)
    on, entries = at.surface(True), fit.model.structure.entries
    row = Design(np.array([[1.0, 5.0]]), np.array([[1.0, 5.0]]), np.array([3]))
    z = row.z[0] @ at.back
    _, _, hessian = derivatives(on, at.factor, 0.0)

    def variance(point):
        moved = np.zeros((2, 2))
        moved[tuple(entries.T)] = point[:-1]
        place = on.at(moved @ moved.T * np.exp(-point[-1]))
        k = place.relative @ place.r[3]
        a = row.x[0] @ on.basis.inverse - on.zx[3].T @ k @ z
        return np.exp(point[-1]) * (a @ place.c @ a + z @ k @ z)

    point = np.append(at.factor[tuple(entries.T)], 0.0)
    slope = np.array([(variance(point + e) - variance(point - e)) / 2e-4 for e in 1e-4 * np.eye(4)])
    expected = variance(point) ** 2 / (slope @ np.linalg.solve(hessian, slope))
    found = spread(fit, row, effects=False, noise=False)
    assert found.variance[0] == pytest.approx(variance(point) * fit.sigma**2, rel=1e-9)
    assert found.df[0] == pytest.approx(expected, rel=1e-5)  # central differences


def test_intervals_do_not_depend_on_where_a_predictor_has_its_zero():
    """A year: 2020 with a standard deviation of 3 in place of its standardised values; predictions are the same."""
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"g": np.repeat(np.arange(6), 11), "x": rng.normal(size=66)})
    effects = rng.normal(size=(6, 2)) * 2
    rows["y"] = rows["x"] + effects[rows["g"], 0] + effects[rows["g"], 1] * rows["x"] + rng.normal(size=66)
    rows["year"] = 2020 + 3 * rows["x"]
    plain, far = jaxsim.lmer("y ~ x + (x | g)", rows), jaxsim.lmer("y ~ year + (year | g)", rows)
    # The intercept at year 0 loses (2020 / 3)^2 of 1e16 digits, and the search 1e-9 of the deviance.
    close = dict(rtol=1e-6)
    for level in ("group", "population"):
        for interval in ("confidence", "prediction"):
            one, other = (fit.predict(level=level, interval=interval) for fit in (plain, far))
            np.testing.assert_allclose(one["std_error"], other["std_error"], **close)
            np.testing.assert_allclose(one["conf_high"] - one["estimate"], other["conf_high"] - other["estimate"], **close)
    for method in ("wald", "profile"):
        one, other = (fit.confint(method).set_index("term").loc[["sigma"], ["conf_low", "conf_high"]] for fit in (plain, far))
        np.testing.assert_allclose(one, other, **close)
        slope, scaled = (limits(fit.confint(method))[3] for fit in (plain, far))
        np.testing.assert_allclose(slope / 3, scaled, **close)


@pytest.mark.parametrize(
    "fitter",
    [
        lambda rows: jaxsim.lmer("Reaction ~ Days + (Days | Subject)", rows, df="kenward-roger"),
        lambda rows: jaxsim.lmer("Reaction ~ Days + (Days | Subject)", rows, df="residual"),
        lambda rows: jaxsim.lm("Reaction ~ Days", rows, cluster="Subject", vcov="CR2"),
        lambda rows: jaxsim.lm2("Reaction ~ Days", rows, group="Subject"),
    ],
)
def test_the_mean_at_zero_has_the_limits_of_the_intercept(fitter):
    """With the degrees of freedom of whatever method the fit has."""
    fit = fitter(data("sleepstudy"))
    found = fit.predict(pd.DataFrame({"Days": [0.0]}), level="population", interval="confidence")
    expected = fit.table[["estimate", "std_error", "conf_low", "conf_high"]].iloc[0]
    np.testing.assert_allclose(found.iloc[0], expected, rtol=1e-7)  # df by two routes to one closed form


def test_new_groups_and_what_has_no_interval():
    fit, rows = fitted("sleepstudy"), data("sleepstudy").head(3)
    new, population = (fit.predict(rows.assign(Subject=1), interval=kind) for kind in ("confidence", "prediction"))
    pd.testing.assert_frame_equal(new, fit.predict(rows, level="population", interval="confidence"))
    pd.testing.assert_frame_equal(population, fit.predict(rows.drop(columns="Subject"), level="population", interval="prediction"))
    known = fit.predict(rows, interval="prediction")
    assert (known["std_error"] < population["std_error"]).all()
    stages = jaxsim.lm2("Reaction ~ Days", data("sleepstudy"), group="Subject")
    with pytest.raises(InputError, match="use level='population'"):
        stages.predict(rows, interval="confidence")
    with pytest.raises(InputError, match="use interval='confidence'"):
        stages.predict(rows, level="population", interval="prediction")
    assert stages.predict(rows, level="population", interval="confidence")["std_error"].gt(0).all()
    with pytest.raises(InputError, match="interval='tolerance' is not known; use one of 'confidence', 'prediction'"):
        fit.predict(rows, interval="tolerance")
