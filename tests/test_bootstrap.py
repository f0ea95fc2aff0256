"""Refits in batches are the fits of single responses; null distributions of likelihood ratios are those of their theory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted_references import MIXED, data, fitted
from scipy import stats

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation import refits as engine
from jaxsim.frames.postestimation.bootstrap import likelihood_ratio_draws
from jaxsim.frames.postestimation.fit_components import parameter_values
from jaxsim.frames.postestimation.refits import refit
from jaxsim.status import Status

pytestmark = pytest.mark.filterwarnings("ignore:boundary")


@pytest.mark.parametrize("name", ["sleepstudy", "sleepstudy_ml", "dyestuff2"])
def test_refits_are_the_fits_of_single_responses(name):
    fit, entry = fitted(name), MIXED[name]
    found, draws = fit.bootstrap(40, seed=3), fit.simulate(40, seed=3)
    rows, statuses = data(entry["data"]), []
    for i in range(8):
        own = jaxsim.lmer(entry["formula"], rows.assign(**{entry["formula"].split()[0]: draws[f"sim_{i + 1}"]}), reml=entry["reml"])
        statuses.append(own.status)
        assert found["status"][i] == own.status
        assert found["criterion"][i] == pytest.approx(own.criterion, rel=1e-11)
        values = found.drop(columns=["criterion", "status"]).loc[i].to_numpy(float)
        # Two searches end at one optimum to what their last step promises; SDs of zero are exact to the root of that.
        np.testing.assert_allclose(values, parameter_values(own), rtol=1e-5, atol=1e-3 * own.sigma if own.singular else 0)
    assert "ok" in statuses
    assert name != "dyestuff2" or "singular" in statuses


def test_names_and_rows_of_refits():
    found = fitted("sleepstudy").bootstrap(5, seed=1)
    names = ["(Intercept)", "Days", "sd_Subject_(Intercept)", "sd_Subject_Days", "cor_Subject_(Intercept)_Days", "sigma"]
    assert list(found.columns) == [*names, "criterion", "status"]
    pd.testing.assert_frame_equal(found, fitted("sleepstudy").bootstrap(5, seed=1))
    pd.testing.assert_frame_equal(found, fitted("sleepstudy").bootstrap(9, seed=1).head(5))


def test_refits_have_the_moments_of_the_estimates():
    fit = fitted("sleepstudy")
    found = fit.bootstrap(1000, seed=5)
    # The standard deviation of 1,000 refits has a standard error of 1/sqrt(2000); that of the mean is 1/sqrt(1000) of one.
    np.testing.assert_allclose(found[["(Intercept)", "Days"]].std(), fit.table["std_error"], rtol=4 / np.sqrt(2000))
    off = (found[["(Intercept)", "Days"]].mean().to_numpy() - fit.beta) / fit.table["std_error"]
    assert np.abs(off).max() < 4 / np.sqrt(1000)
    narrow = fit.bootstrap(1000, seed=5, kind="conditional")
    assert (narrow["Days"].std() < 0.6 * found["Days"].std()).all()  # the slopes' own spread is most of it


def test_many_tiles_are_one(monkeypatch):
    fit = fitted("dyestuff2")
    whole = fit.bootstrap(20, seed=2)
    monkeypatch.setattr(engine, "MOST", 8)
    pd.testing.assert_frame_equal(fit.bootstrap(20, seed=2), whole, rtol=1e-10)  # another program for another size of tile


def test_weights_and_offset_are_those_of_the_fit():
    """By the dense deviance of weighted rows, at the refit and beside it."""
    fit = fitted("dyestuff2")
    rng = np.random.default_rng(2)
    weights, offset = rng.uniform(0.5, 3, 30), rng.normal(size=30)
    model = replace(fit.model, weights=weights, offset=offset)
    y = fit.simulate(6, seed=1).to_numpy().T
    found = refit(model, y + offset, reml=True)
    for i in range(3):

        def deviance(sd, sigma, i=i):
            v = sigma**2 * np.diag(1 / weights) + sd**2 * (model.codes[:, None] == model.codes)
            inverse, one = np.linalg.inv(v), np.ones(30)
            beta = one @ inverse @ y[i] / (one @ inverse @ one)
            rest = y[i] - beta
            log = np.linalg.slogdet(v)[1] + np.log(one @ inverse @ one)
            return 29 * np.log(2 * np.pi) + log + rest @ inverse @ rest, beta

        sd, sigma = np.sqrt(found.covariance[i, 0, 0]), found.sigma[i]
        value, beta = deviance(sd, sigma)
        assert found.criterion[i] == pytest.approx(value, rel=1e-10)
        assert found.beta[i, 0] == pytest.approx(beta, rel=1e-8)
        around = [deviance(sd + a, sigma + b)[0] for a, b in ((0.01, 0), (0, 0.01), (0, -0.01))]
        assert min(around) > value


def test_least_squares_is_refitted_too():
    rows = data("sleepstudy")
    fit = jaxsim.ols("Reaction ~ Days", rows)
    found, draws = fit.bootstrap(3, seed=1), fit.simulate(3, seed=1)
    own = jaxsim.ols("Reaction ~ Days", rows.assign(Reaction=draws["sim_2"]))
    np.testing.assert_allclose(
        found.loc[1, ["(Intercept)", "Days", "sigma", "criterion"]].astype(float), [*own.beta, own.sigma, own.criterion], rtol=1e-12
    )


@pytest.mark.parametrize("ratio", [1e-5, 1e-9])
def test_tiny_residuals_are_refitted(ratio):
    """Sums of squares of a batch do not hold them; each such refit is fitted alone, on rows split within groups."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"g": np.repeat(np.arange(6), 5)})
    rows["y"] = rng.normal(size=6)[rows["g"]] + ratio * rng.normal(size=30)
    fit = jaxsim.lmer("y ~ 1 + (1 | g)", rows)
    found = fit.bootstrap(30, seed=1)
    assert (found["status"] == "ok").all()
    # Four standard errors of the mean of 30 residual variances of 24 df.
    assert (found["sigma"] ** 2).mean() == pytest.approx(fit.sigma**2, rel=4 * np.sqrt(2 / 24 / 30))
    if ratio < 1e-8:
        with pytest.raises(InputError, match="the groups differ by so much more than the residuals"):
            fit.confint("profile")
    else:
        low, high = fit.confint("profile")[["conf_low", "conf_high"]].to_numpy().T[:, 2]
        assert low < fit.sigma < high


def test_failed_refits_are_rows():
    fit = fitted("dyestuff2")
    y = fit.simulate(3, seed=1).to_numpy().T.copy()
    y[1] = 5.0  # the mean reproduces it exactly
    found = refit(fit.model, y, reml=True)
    assert found.status[1] == Status.ZERO_RESIDUAL
    assert np.isnan([found.sigma[1], found.criterion[1], found.beta[1, 0], found.covariance[1, 0, 0]]).all()
    assert np.isfinite(found.criterion[[0, 2]]).all()


def test_likelihood_ratios_under_the_null():
    """Of a balanced one-way layout, where both optima are known; and of a fixed effect, nearly chi-square."""
    rows = data("dyestuff").assign(x=np.tile(np.arange(5.0), 6))
    flat, null = jaxsim.ols("Yield ~ 1", rows), fitted("dyestuff_ml")
    draws, y = likelihood_ratio_draws(flat, null, 200, seed=1), flat.simulate(200, seed=1).to_numpy().T.reshape(200, 6, 5)
    between = 5 * ((y.mean(2) - y.mean((1, 2))[:, None]) ** 2).sum(1)
    within = ((y - y.mean(2)[..., None]) ** 2).sum((1, 2))
    ratio = 30 * np.log((between + within) / 30) - 6 * np.log(between / 6) - 24 * np.log(within / 24)
    expected = np.where(between / 6 > within / 24, ratio, 0.0)
    np.testing.assert_allclose(draws, expected, atol=1e-8)  # the search promises 1e-9
    assert 0.5 < (expected == 0).mean() < 0.8
    alternative = jaxsim.lmer("Yield ~ x + (1 | Batch)", rows, reml=False)
    draws = likelihood_ratio_draws(null, alternative, 1000, seed=1)
    # The test of x within groups has 23 rows to spare, and the chi-square is too small by about 1 + 2/24.
    assert stats.kstest(draws / (1 + 2 / 24), stats.chi2(1).cdf).pvalue > 1e-3


def test_likelihood_ratios_of_other_responses_are_refused():
    rows = data("dyestuff")
    with pytest.raises(InputError, match="likelihoods of different rows cannot be compared"):
        likelihood_ratio_draws(jaxsim.ols("Yield ~ 1", rows), jaxsim.ols("Yield ~ 1", rows.head(20)), 10)
    with pytest.raises(InputError, match="kind='case' is not known; use one of 'parametric', 'conditional'"):
        fitted("dyestuff").bootstrap(kind="case")
