"""Mixed models of the named conditions against lme4, lmerTest and pbkrtest: stored values, and R itself where it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from asking import STORED
from comparison import (
    ENGINE,
    TARGETS,
    beyond,
    bridge,
    bridge_differences,
    engine,
    engine_differences,
    expected,
    rows_of,
    worst,
)
from conditions import CONDITIONS, MIXED
from oracle import Mixed

from jaxsim.data.random_effects import consecutive

# lmerTest's steps are a tenth of each theta, and one of these is 1e-4, where rounding of the criterion is 1% of the second
# difference (test_degrees_of_freedom_where_lmertest_loses_digits has the exact ones).
LIMITS = {"binary predictor": {"df, Satterthwaite": 1e-3}}
# Of lme4 on badly scaled rows, whose optimum is good to fewer digits (measured: 7e-7, df 3e-6).
ROUGHLY = {what: 1e-5 for what in TARGETS if not what.startswith("criterion")} | {"df, Satterthwaite": 1e-4}


@pytest.fixture(scope="module", params=["stored", pytest.param("live", marks=pytest.mark.lme4)])
def results(request):
    """What R says about every condition."""
    if request.param == "stored":
        return json.loads(STORED.read_text())["results"]
    return request.getfixturevalue("ask_r")("fit_conditions.R", {name: CONDITIONS[name].for_r() for name in MIXED})


def test_the_rows_are_those_that_r_fitted():
    """Otherwise: python tests/lme4/measure.py --store."""
    entries = json.loads(STORED.read_text())["results"]
    assert {name: entry["checksum"] for name, entry in entries.items()} == {n: c.checksum() for n, c in CONDITIONS.items()}


@pytest.mark.parametrize("name", MIXED)
def test_lmer(results, name):
    assert bridge(name).singular == expected(CONDITIONS[name], results)["singular"]
    assert beyond(bridge_differences(name, results), LIMITS.get(name)) == {}


@pytest.mark.parametrize("name", ENGINE)
def test_engine(results, name):
    """The estimator of the studies, on cross-products of the rows as they are."""
    assert engine()[name].singular == results[name]["mixed"]["singular"]
    assert beyond(engine_differences(name, results), LIMITS.get(name)) == {}


@pytest.mark.parametrize("name", [name for name in MIXED if CONDITIONS[name].twin])
def test_rows_in_other_units(results, name):
    """Against R's fit of these very rows, without Kenward-Roger: pbkrtest fails at 1e4 and has wrong df at 1e-4."""
    assert beyond(bridge_differences(name, results, own=True), ROUGHLY) == {}


def test_conditions_are_what_they_are_called(results):
    theirs = {name: results[name]["mixed"] for name in MIXED}
    assert all(theirs[name]["singular"] for name in MIXED if "singular" in name)
    assert not any(theirs[name]["singular"] for name in MIXED if "interior" in name)
    assert 10 <= sum(entry["singular"] for entry in theirs.values()) <= len(MIXED) - 20
    for name, sign in (("correlation .98", 1), ("correlation -.98", -1)):
        covariance = np.array(theirs[name]["varcorr"]["cov"])
        assert 0.95 < sign * covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) < 0.99
    sizes = CONDITIONS["unbalanced"].frame()["Group"].value_counts()
    assert (sizes.min(), sizes.max()) == (2, 40)


def test_degrees_of_freedom_where_lmertest_loses_digits():
    """Against exact derivatives of the dense model; their difference quotient, extrapolated once, is good to 1e-8."""
    name = "binary predictor"
    mixed, ours = Mixed(rows_of(CONDITIONS[name]), [0, 1]), bridge(name)
    entries = consecutive([2]).entries
    factor = np.linalg.cholesky(ours.covariance) / ours.sigma
    expected_df = mixed.satterthwaite(factor[tuple(entries.T)], entries)
    np.testing.assert_allclose(ours.table.df, expected_df, rtol=1e-7)


def test_largest_differences(results):
    """A table for the reader, with ``pytest -s``; measure.py prints the same and more."""
    found = worst((name, bridge_differences(name, results)) for name in MIXED)
    for what, (value, name) in found.items():
        print(f"\n{what:<26}{value:>8.0e}{TARGETS[what]:>8.0e}  {name}", end="")
    assert found.keys() == {what for what in TARGETS if "robust" not in what and "squares" not in what}
