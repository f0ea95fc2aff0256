"""Random designs with empty cells in R, live: the same columns dropped, the same inference on the others."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.frames.regression import prepare

pytestmark = pytest.mark.lme4

# The first five leave 7 to 9 columns, so that few programs are compiled; of the others the columns alone are compared.
FITTED = ["y ~ a * b", "y ~ x + a * b", "y ~ 0 + a * b", "y ~ a + total + b + a:b", "y ~ b * a + x"]
FORMULAS = [*FITTED, "y ~ a * x * b", "y ~ 0 + c:b + a * b * c", "y ~ b + a:x + total * c + a:b"]
DESIGNS = 40
# lme4 stops within 1e-12 of its criterion, which leaves theta to about 1e-6: standard errors and estimates follow it.
NEAR = dict(rtol=1e-5)
# lmerTest differentiates numerically.
NEAR_DF = dict(rtol=1e-3)
# Closed forms: two ways to the same least squares, conditions below 1e3.
SAME = dict(rtol=1e-8)


def design(seed):
    """Eight groups and three factors of which some combinations do not occur."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 120))
    levels = {"a": "pqr", "b": ["lo", "mid", "up"], "c": ["u", "v"]}
    data = pd.DataFrame({name: rng.choice(list(some), n) for name, some in levels.items()})
    data["x"] = rng.normal(size=n).round(3)
    data["Group"] = rng.integers(8, size=n)
    data["total"] = (data["a"] == "p") + 2.0 * (data["b"] == "mid")
    data["y"] = rng.normal(size=n) + rng.normal(size=8)[data["Group"]] + data["x"]
    empty = data[["a", "b"]].drop_duplicates().sample(int(rng.integers(1, 3)), random_state=seed)
    for a, b in empty.itertuples(index=False):
        data = data[~((data["a"] == a) & (data["b"] == b))]
    return data.assign(formula=FORMULAS[seed % len(FORMULAS)]).reset_index(drop=True)


@pytest.fixture(scope="module")
def compared(ask_r):
    rows = {f"design {seed}": design(seed) for seed in range(DESIGNS)}
    found = ask_r("fit_aliased.R", rows)
    return [(name, rows[name], theirs) for name, theirs in found.items()]


@pytest.fixture(scope="module")
def fitted(compared):
    return [one for one in compared if one[1]["formula"][0] in FITTED]


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return function(*arguments, **options)


def test_most_designs_have_aliased_columns(compared):
    assert [theirs["error"] for _, _, theirs in compared if "error" in theirs] == []
    assert sum(len(theirs["aliased"]) > 0 for _, _, theirs in compared) > 25


def test_the_same_columns_are_dropped(compared):
    for name, data, theirs in compared:
        x = prepare(data["formula"][0], data, "Group", 0.95).x
        assert list(x.names) == theirs["names"] == theirs["mixed_names"], name
        assert list(x.aliased) == theirs["aliased"], name


def test_least_squares_and_clusters(fitted):
    for _, data, theirs in fitted:
        text = data["formula"][0]
        fit = quietly(jaxsim.ols, text, data)
        np.testing.assert_allclose(fit.table["estimate"], theirs["ols"]["estimate"], atol=1e-10, **SAME)
        np.testing.assert_allclose(fit.table["std_error"], theirs["ols"]["se"], **SAME)
        assert fit.loglik == pytest.approx(theirs["ols"]["loglik"], rel=1e-10)
        robust = quietly(jaxsim.lm, text, data, "Group", vcov="CR2")
        np.testing.assert_allclose(robust.table["std_error"], theirs["CR2"]["se"], **SAME)
        np.testing.assert_allclose(robust.table["df"], theirs["CR2"]["df"], **SAME)


def test_mixed_models(fitted):
    for name, data, theirs in fitted:
        text = data["formula"][0] + " + (1 | Group)"
        fit = quietly(jaxsim.lmer, text, data)
        assert fit.criterion == pytest.approx(theirs["criterion"], abs=1e-6), name
        np.testing.assert_allclose(fit.table["estimate"], theirs["satterthwaite"]["estimate"], atol=1e-5, **NEAR)
        np.testing.assert_allclose(fit.table["std_error"], theirs["satterthwaite"]["se"], **NEAR)
        if fit.singular:
            continue  # lmerTest's second derivatives at the boundary are of either side
        np.testing.assert_allclose(fit.table["df"], theirs["satterthwaite"]["df"], err_msg=name, **NEAR_DF)
        adjusted = quietly(jaxsim.lmer, text, data, df="kenward-roger")
        np.testing.assert_allclose(adjusted.table["std_error"], theirs["kenward_roger"]["se"], **NEAR)
        np.testing.assert_allclose(adjusted.table["df"], theirs["kenward_roger"]["df"], **NEAR_DF)
