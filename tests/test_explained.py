"""Shares of variance, as performance has them."""

from __future__ import annotations

import numpy as np
import pytest
from documented import CLOSE, answers, example, rows

import jaxsim
from jaxsim.errors import NotSupportedError


@pytest.mark.parametrize("name", ["cake", "orthodont", "machines", "chickweight"])
def test_mixed_models_have_nakagawas_r2_and_the_adjusted_icc(name):
    fit, stored = example(name), answers()["examples"][name]
    np.testing.assert_allclose([fit.r2.marginal, fit.r2["conditional"]], [stored["r2"][k] for k in fit.r2.index], **CLOSE)
    np.testing.assert_allclose(fit.icc, stored["icc"], **CLOSE)


def test_independent_slopes_count_too():
    """Johnson's mean over rows, by the textbook; performance 0.10.2 leaves the slopes of ``||`` out."""
    fit, days = example("sleepstudy"), rows("sleepstudy")["Days"]
    intercept, slope, residual = fit.varcorr["variance"]
    random, fixed = intercept + slope * (days**2).mean(), np.var(fit.predict(level="population"), ddof=1)
    total = fixed + random + residual
    np.testing.assert_allclose(fit.r2, [fixed / total, (fixed + random) / total], rtol=1e-12)
    np.testing.assert_allclose(fit.icc, random / (random + residual), rtol=1e-12)


def test_with_intercepts_the_icc_is_the_ratio_of_two_variances():
    fit = example("cake")
    between, within = fit.varcorr["variance"]
    np.testing.assert_allclose(fit.icc, between / (between + within), rtol=1e-12)


def test_least_squares_has_that_of_its_summary():
    stored = answers()["least_squares"]
    fit = jaxsim.ols("angle ~ recipe * temp", rows("cake"))
    np.testing.assert_allclose([fit.r2.r2, fit.r2.adjusted], [stored["r2"], stored["adjusted"]], **CLOSE)
    # The same columns without an intercept: about the mean of zero, as summary.lm has it.
    y = rows("cake")["angle"]
    through = jaxsim.ols("angle ~ 0 + temp", rows("cake"))
    np.testing.assert_allclose(through.r2.r2, 1 - (through.residuals**2).sum() / (y**2).sum(), rtol=1e-12)


def test_where_they_are_not_defined_they_are_refused():
    sleepstudy = rows("sleepstudy")
    two_stages = jaxsim.lm2("Reaction ~ Days", sleepstudy, group="Subject")
    with pytest.raises(NotSupportedError, match="a regression per group"):
        _ = two_stages.r2
    with pytest.raises(NotSupportedError, match="only a mixed model"):
        _ = two_stages.icc


def test_weights_and_an_offset_count_as_in_summary_lm():
    """Its definition (R 4.2): weighted sums of squares of fitted values, the offset in them, and of residuals."""
    rng, cake = np.random.default_rng(1), rows("cake")
    cake = cake.assign(w=rng.uniform(0.2, 3, len(cake)), o=rng.normal(size=len(cake)))
    fit = jaxsim.ols("angle ~ temp", cake, weights="w", offset="o")
    mine = fit.beta[0] + fit.beta[1] * cake["temp"] + cake["o"]
    explained = (cake.w * (mine - (cake.w * mine).sum() / cake.w.sum()) ** 2).sum()
    left = (cake.w * (cake.angle - mine) ** 2).sum()
    np.testing.assert_allclose(fit.r2.r2, explained / (explained + left), rtol=1e-10)
    first = jaxsim.ols("angle ~ recipe + temp", cake, weights="w").anova(1)["sum_sq"]
    rss = [
        (cake.w * jaxsim.ols(f"angle ~ {text}", cake, weights="w").residuals ** 2).sum()
        for text in ("1", "recipe", "recipe + temp")
    ]
    np.testing.assert_allclose(first, [rss[0] - rss[1], rss[1] - rss[2]], rtol=1e-8)
