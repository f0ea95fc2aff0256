"""What a posterior says of single rows: likelihoods, LOO, WAIC, fitted values, predictions of the population."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fitted_references import data
from scipy import stats

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation.predictive_accuracy import waic

SAME = dict(rtol=1e-9, atol=1e-9)  # sums in two orders


@pytest.fixture(scope="module")
def fit():
    return jaxsim.bayes("Reaction ~ Days + (Days | Subject)", data("sleepstudy"), method="fast", seed=1)


@pytest.fixture(scope="module")
def tree(fit):
    return fit.to_datatree()


def test_log_likelihoods_are_those_of_rows_given_their_groups(fit, tree):
    draws, model = fit.draws, fit.model
    found = tree.log_likelihood["y"].to_numpy()
    assert found.shape == (4, 500, 180)
    for row in (0, 77, 179):
        z, code = np.array([1.0, model.x.values[row, 1]]), model.codes[row]
        mean = draws.beta @ z + draws.effects[:, :, code] @ z
        np.testing.assert_allclose(found[..., row], stats.norm(mean, draws.sigma).logpdf(model.y[row]), **SAME)


def test_loo_and_waic_agree_with_arviz_and_with_each_other(fit, tree):
    arviz_stats = pytest.importorskip("arviz_stats")
    loo, own = fit.loo(), fit.waic()
    assert float(loo.elpd) == pytest.approx(float(arviz_stats.loo(tree, pointwise=True).elpd))
    # Two estimates of one number: sleepstudy has outliers, for which WAIC is the more optimistic by a few units of 860.
    assert own.elpd == pytest.approx(float(loo.elpd), abs=8)
    assert own.p == pytest.approx(float(loo.p), rel=0.25)
    assert own.warning
    assert "use loo" in str(own)
    assert own.elpd_i.sum() == pytest.approx(own.elpd)
    assert own.elpd_i.index.equals(fit.model.rows.index)


def test_waic_of_a_normal_mean_is_known():
    """With a flat prior and known variance the penalty is 1 a parameter in the mean, and the density that of the predictive."""
    rng = np.random.default_rng(3)
    y, n, size = rng.normal(size=40), 40, 20_000
    means = y.mean() + rng.normal(size=size) / np.sqrt(n)
    found = waic(stats.norm(means[:, None], 1).logpdf(y), pd.RangeIndex(n))
    predictive = stats.norm(y.mean(), np.sqrt(1 + 1 / n)).logpdf(y)
    off = y - y.mean()
    penalty = off**2 / n + 1 / (2 * n**2)
    # Monte Carlo: relative errors of variances of 20,000 draws are 1 %.
    assert found.p == pytest.approx(penalty.sum(), rel=0.03)
    np.testing.assert_allclose(found.elpd_i, predictive - penalty, atol=0.01)
    assert not found.warning


def test_predictive_draws_and_fitted_values(fit, tree):
    mean = fit.predict(noise=False)
    np.testing.assert_allclose(fit.fitted, mean.mean(0), **SAME)
    np.testing.assert_allclose(fit.fitted + fit.residuals, fit.model.y, **SAME)
    np.testing.assert_allclose(mean, fit.predict(data("sleepstudy"), noise=False), **SAME)
    drawn = tree.posterior_predictive["y"].to_numpy().reshape(2000, 180)
    # Residual draws of SD sigma, 360,000 of them: four standard errors of their mean square.
    noise = (drawn - mean) / fit.draws.sigma.reshape(-1, 1)
    assert (noise**2).mean() == pytest.approx(1, abs=4 * np.sqrt(2 / noise.size))
    assert np.array_equal(fit.to_datatree(seed=1).posterior["beta"], tree.posterior["beta"])
    assert not np.array_equal(fit.to_datatree(seed=1).posterior_predictive["y"], tree.posterior_predictive["y"])


def test_predictions_of_the_population(fit):
    new = pd.DataFrame({"Days": [0.0, 5.0]})
    found = fit.predict(new, noise=False, level="population")
    np.testing.assert_allclose(found, fit.draws.beta.reshape(-1, 2) @ [[1, 1], [0, 5]], **SAME)
    wide, unseen = fit.predict(new, level="population"), fit.predict(new.assign(Subject=[1, 2]), seed=1)
    # Both are responses of new groups: standard deviations of 2,000 draws agree to four standard errors.
    np.testing.assert_allclose(wide.std(0), unseen.std(0), rtol=4 * np.sqrt(2 / (2 * 2000)))
    with pytest.raises(InputError, match="level='all' is not known; use one of 'group', 'population'"):
        fit.predict(new, level="all")
