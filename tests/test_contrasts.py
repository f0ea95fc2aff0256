"""Contrasts: their weights, their families, and the adjustments for them."""

from __future__ import annotations

import numpy as np
import pytest
from documented import unequal
from scipy import stats

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation.adjust import Family, adjusted, multiplier
from jaxsim.frames.postestimation.contrast import polynomials


def test_levels_are_named_so_that_a_difference_can_be_read():
    data = unequal().assign(c=lambda d: d["a"].map({"r": "a-b", "p": "c", "q": "d"}).astype(str))
    fit = jaxsim.ols("y ~ c + factor(b) + old", data)
    assert list(fit.contrasts("c", method="reference")["contrast"]) == ["c - (a-b)", "d - (a-b)"]
    assert list(fit.contrasts("b", method="consec")["contrast"]) == ["b7 - b3", "b20 - b7"]
    assert list(fit.contrasts("old")["contrast"]) == ["FALSE - TRUE"]
    assert list(fit.contrasts("old:b", method={"first": [1] + [0] * 5})["contrast"]) == ["first"]


def test_families_are_those_of_by():
    fit = jaxsim.ols("y ~ a * old", unequal())
    table = fit.contrasts("a", "bonferroni", by="old")
    plain = fit.contrasts("a", "none", by="old")
    np.testing.assert_allclose(table["p_value"], np.minimum(1, 3 * plain["p_value"]), rtol=1e-12)
    stepwise = fit.contrasts("a", "holm", by="old")["p_value"]
    for old in (False, True):
        np.testing.assert_allclose(stepwise[table["old"] == old].min(), 3 * plain["p_value"][table["old"] == old].min(), rtol=1e-12)


def test_adjustments_by_hand():
    p, t, df = np.array([0.01, 0.04, 0.03]), np.array([2.9, 2.2, 2.4]), np.array([20.0, 20, np.inf])
    family = Family(3, 3, 2)
    expected = {
        "none": p,
        "bonferroni": [0.03, 0.12, 0.09],
        "holm": [0.03, 0.06, 0.06],
        "fdr": [0.03, 0.04, 0.04],
        "sidak": 1 - (1 - p) ** 3,
        "scheffe": [stats.f.sf(2.9**2 / 2, 2, 20), stats.f.sf(2.2**2 / 2, 2, 20), stats.chi2.sf(2.4**2, 2)],
        # Three comparisons are the pairs of three means.
        "dunnettx": [
            stats.studentized_range.sf(np.sqrt(2) * value, 3, d) * 2 / 3 + (1 - (1 - 2 * stats.t.sf(value, d)) ** 3) / 3
            for value, d in zip(t, df, strict=True)
        ],
        "tukey": [stats.studentized_range.sf(np.sqrt(2) * value, 3, d) for value, d in zip(t, df, strict=True)],
    }
    for method, values in expected.items():
        np.testing.assert_allclose(adjusted(p, t, df, family, method), values, rtol=1e-10)
    # A limit lies where the adjusted p value is one less the level.
    for method in ("none", "bonferroni", "sidak", "scheffe", "tukey", "dunnettx"):
        limit = multiplier(0.95, df, family, method)
        plain = 2 * stats.t.sf(limit, df)
        # The studentised range is integrated numerically.
        np.testing.assert_allclose(adjusted(plain, limit, df, family, method), 0.05, rtol=1e-6)


def test_polynomials_are_the_textbooks():
    assert {name: list(weights) for name, weights in polynomials(5).items()} == {
        "linear": [-2, -1, 0, 1, 2],
        "quadratic": [2, -1, -2, -1, 2],
        "cubic": [-1, 2, 0, -2, 1],
        "quartic": [1, -4, 6, -4, 1],
    }
    assert list(polynomials(7)["degree 5"]) == [-1, 4, -5, 0, 5, -4, 1]


def test_effects_are_differences_from_the_mean_of_all_or_of_the_others():
    fit = jaxsim.ols("y ~ a * old", unequal())
    means = fit.emmeans("a", by="old")["mean"].to_numpy().reshape(2, 3)
    effects, others = fit.contrasts("a", method="effects", by="old"), fit.contrasts("a", method="others", by="old")
    expected = means - means.mean(1, keepdims=True)
    np.testing.assert_allclose(effects["estimate"], expected.ravel(), rtol=1e-9)
    # The mean of all is a third the level itself.
    np.testing.assert_allclose(others["estimate"], 1.5 * expected.ravel(), rtol=1e-9)
    np.testing.assert_allclose(others["p_value"], effects["p_value"], rtol=1e-9)


def test_slopes_are_compared_as_means_are():
    fit = jaxsim.ols("y ~ a * x * old + log(x)", unequal())
    slopes = fit.trends("x", by=["a", "old"])
    table = fit.contrasts("a", "bonferroni", by="old", slope="x")
    for old in (False, True):
        own = slopes[slopes["old"] == old].set_index("a")["trend"]
        found = table[table["old"] == old]
        # The curve of the logarithm is in each of them.
        np.testing.assert_allclose(found["estimate"], [own["r"] - own["p"], own["r"] - own["q"], own["p"] - own["q"]], rtol=1e-7)
    test = fit.test("ap:x = 0").iloc[0]
    np.testing.assert_allclose(table["std_error"].iloc[0], test["std_error"], rtol=1e-7)
    np.testing.assert_allclose(table["p_value"].iloc[0], min(1, 3 * test["p_value"]), rtol=1e-6)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda fit: fit.contrasts("x"), "there is one mean"),
        (lambda fit: fit.contrasts("a", method="pairs"), "Did you mean 'pairwise'"),
        (lambda fit: fit.contrasts("a", "tukey", "poly"), "with other contrasts use 'sidak' or 'holm'"),
        (lambda fit: fit.contrasts("a", "dunnettx"), "is for differences from a reference; with other contrasts use"),
        (lambda fit: fit.contrasts("a", slope="b:a"), "'b:a' is not a column with fixed effects"),
        (lambda fit: fit.contrasts("x", slope="x"), "'x' is not a column with fixed effects"),
        (lambda fit: fit.contrasts("a", by="a", slope="x"), "names nothing beside by='a'"),
        (lambda fit: fit.contrasts("a", slope="old"), "'old' does not hold numbers"),
        (lambda fit: fit.contrasts("a", method={"one": [1, -1]}), "give a number for each of the 3 means"),
        (lambda fit: fit.contrasts("a", method={}), "has no contrast in it"),
    ],
)
def test_what_cannot_be_compared_is_said(ask, words):
    fit = jaxsim.ols("y ~ a + factor(b) + old + x", unequal())
    with pytest.raises(InputError, match=words):
        ask(fit)
