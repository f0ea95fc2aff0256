"""What ``lmer`` says of models with several grouping factors that the rows cannot answer, and of rows that are hard."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.frames import crossed_fit


def rows(subjects=15, items=10, seed=1, residual=1.0):
    """Subjects x items, a row each."""
    draw = np.random.default_rng(seed)
    data = pd.DataFrame([(s, i) for s in range(subjects) for i in range(items)], columns=["subject", "item"])
    data["x"] = draw.normal(size=len(data))
    groups = draw.normal(size=subjects)[data["subject"]] + draw.normal(size=items)[data["item"]]
    return data.assign(y=groups + 0.3 * data["x"] + residual * draw.normal(size=len(data)))


def failed(formula, data, status, **options):
    """The message of a fit that has this status and no numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = jaxsim.lmer(formula, data, **options)
    assert fit.status == status
    assert fit.table.drop(columns="term").isna().all(axis=None)
    assert np.isnan(fit.criterion)
    assert all(modes.isna().all(axis=None) for modes in fit.random_effects.values())
    with pytest.raises(InputError, match=status):
        fit.predict(interval="confidence")
    return fit.messages[-1]


def test_a_factor_with_one_level():
    with pytest.raises(InputError, match="'lab' has the one level"):
        jaxsim.lmer("y ~ x + (1 | subject) + (1 | lab)", rows().assign(lab=1))


@pytest.mark.parametrize("term", ["(1 | row)", "(1 | subject:item)", "(0 + x | subject:item)"])
def test_as_many_levels_as_rows(term):
    data = rows().assign(row=range(150))
    assert "150 rows cannot determine 150 random effects" in failed(f"y ~ x + (1 | subject) + {term}", data, "too_few_rows")


@pytest.mark.parametrize("reml", [True, False])
def test_factors_that_divide_the_rows_alike(reml):
    data = rows().assign(person=lambda d: d["subject"] * 7 % 15)
    message = failed("y ~ x + (1 | subject) + (1 | person) + (1 | item)", data, "unidentified", reml=reml)
    assert "cannot tell the variances of (1 | subject), (1 | person) apart" in message


def test_a_factor_that_the_fixed_effects_account_for():
    data = rows().assign(arm=lambda d: "abcde"[0] + (d["subject"] % 5).astype(str), block=lambda d: d["subject"] % 5)
    message = failed("y ~ arm + (1 | block) + (1 | item)", data, "unidentified")
    assert message.startswith("the rows cannot tell the variance of (1 | block):")
    # By maximum likelihood the variance is zero, as with one factor.
    with pytest.warns(UserWarning, match="singular"):
        fit = jaxsim.lmer("y ~ arm + (1 | block) + (1 | item)", data, reml=False)
    assert fit.covariance["block"].iloc[0, 0] == 0
    smaller = jaxsim.lmer("y ~ 1 + (1 | item)", data)
    with pytest.raises(InputError, match=r"cannot be compared with other models: .* the variance of \(1 \| block\)"):
        jaxsim.anova(smaller, fit)


def test_no_residual_is_left():
    data = rows(residual=0.0)
    assert "the levels of subject and item explain" in failed("y ~ x + (1 | subject) + (1 | item)", data, "zero_residual")


@pytest.mark.parametrize("ratio", [1e-2, 1e-3, 3e-4])
def test_residuals_that_are_small_beside_the_groups(ratio):
    """Differences between levels are 100 to 3,300 times the residuals; known ones are as good as fixed."""
    data = rows(residual=ratio)
    fit = jaxsim.lmer("y ~ x + (1 | subject) + (1 | item)", data)
    assert fit.status == "ok"
    fixed = jaxsim.ols("y ~ x + factor(subject) + factor(item)", data)
    # The share of the residual variance in that of the groups' means is ratio^2 / 10.
    assert fit.beta[1] == pytest.approx(fixed.table.set_index("term")["estimate"]["x"], abs=ratio**2)
    assert fit.sigma == pytest.approx(fixed.sigma, rel=1e-3)
    # Another unit of the response changes the criterion by a known number; rounding by what is left of 16 digits.
    again = jaxsim.lmer("y ~ x + (1 | subject) + (1 | item)", data.assign(y=1000 * data["y"]))
    assert again.criterion - fit.criterion == pytest.approx(148 * 2 * np.log(1000), abs=1e-11 / ratio**2)


def test_columns_in_bad_units_cost_nothing():
    data = rows()
    data["y"] += np.random.default_rng(2).normal(size=10)[data["item"]] * data["x"]
    plain = jaxsim.lmer("y ~ x + (x | item) + (1 | subject)", data)
    with pytest.warns(UserWarning, match="singular"):  # lme4's rule is about theta in the units given
        moved = jaxsim.lmer("y ~ x + (x | item) + (1 | subject)", data.assign(x=1e5 * (data["x"] + 3000)))
    # The column keeps 12 of its digits beside 3,000; the criterion moves with the columns' determinant alone.
    assert moved.criterion - plain.criterion == pytest.approx(2 * np.log(1e5), abs=1e-6)
    assert moved.beta[1] * 1e5 == pytest.approx(plain.beta[1], rel=1e-7)


def test_frequencies_stand_for_rows():
    data = rows()
    counts = np.arange(150) % 3 + 1
    formula = "y ~ x + (x | subject) + (1 | item)"
    short = jaxsim.lmer(formula, data, frequencies=counts, df="kenward-roger")
    long = jaxsim.lmer(formula, data.loc[data.index.repeat(counts)], df="kenward-roger")
    pd.testing.assert_frame_equal(short.table, long.table, rtol=1e-10)
    assert short.n_rows == counts.sum()


def test_an_offset_is_a_coefficient_of_one():
    data = rows()
    formula = "y ~ x + offset(2 * x) + (1 | subject) + (1 | item)"
    fit, plain = jaxsim.lmer(formula, data), jaxsim.lmer("y ~ x + (1 | subject) + (1 | item)", data)
    assert fit.beta[1] == pytest.approx(plain.beta[1] - 2, rel=1e-8)
    np.testing.assert_allclose(fit.predict(data), plain.predict(data), rtol=1e-8)


def test_two_effects_of_a_column_by_one_factor():
    with pytest.raises(InputError, match="two random effects"):
        jaxsim.lmer("y ~ x + (x | subject) + (1 | subject) + (1 | item)", rows())


def test_what_is_too_large_is_refused_with_the_size_that_would_do(monkeypatch):
    monkeypatch.setattr(crossed_fit, "MOST_NUMBERS", 300)
    with pytest.raises(NotSupportedError, match=r"25 random effects \(15 levels of subject and 10 levels of item\), 10 of them"):
        jaxsim.lmer("y ~ x + (1 | subject) + (1 | item)", rows())
