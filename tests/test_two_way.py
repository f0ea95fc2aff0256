"""Two-way clustered standard errors against R's sandwich (stored), an N x N computation, and closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.errors import InputError, NotSupportedError

FOLDER = Path(__file__).parent / "reference"
STORED = json.loads((FOLDER / "two_way.json").read_text())["two_way"]
REPAIRED = "the two-way variance was not positive semi-definite; its negative eigenvalues were set to zero"


def rows(name: str) -> pd.DataFrame:
    """A reference data set."""
    return pd.read_csv(next((FOLDER / "data").glob(f"{name}.csv*")))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR1S"])
@pytest.mark.parametrize("name", STORED)
def test_sandwich(name, vcov):
    entry = STORED[name]
    expected = np.array(entry["robust"][vcov]["vcov"])
    fit = jaxsim.lm(entry["formula"], rows(entry["data"]), cluster=entry["cluster"], vcov=vcov)
    assert (fit.status, fit.n_rows, fit.n_groups) == ("ok", entry["n_rows"], min(entry["n_groups"]))
    assert list(fit.table["term"]) == entry["names"]
    assert (fit.table["df"] == fit.n_groups - 1).all()
    assert (REPAIRED in fit.messages) == (entry["robust"][vcov]["smallest_eigenvalue"] < 0)
    error = np.sqrt(np.diagonal(expected))
    # Closed forms on rows; what is left of an eigenvalue far below the largest has lost their ratio, 1e4 here.
    np.testing.assert_allclose(fit.vcov / np.outer(error, error), expected / np.outer(error, error), atol=1e-10)
    np.testing.assert_allclose(fit.table["std_error"], error, rtol=1e-10)


def test_published():
    """Petersen's firms and years, as printed in the output of sandwich's own tests (three significant digits)."""
    fit = jaxsim.lm("y ~ x", rows("petersen"), cluster=["firm", "year"])
    expected = np.array([[0.00423, -2.85e-5], [-2.85e-5, 0.00287]])
    assert (np.abs(fit.vcov.to_numpy() - expected) <= [[5e-6, 5e-8], [5e-8, 5e-6]]).all()


def simulated(seed=0, n=80):
    """Rows in 9 firms and 7 years, some of them missing, with effects of both."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"firm": rng.integers(9, size=n), "year": rng.integers(7, size=n), "x": rng.normal(size=n)})
    effects = rng.normal(size=9)[data["firm"]] * data["x"] + rng.normal(size=7)[data["year"]]
    return data.assign(y=data["x"] + effects + rng.normal(size=n))


def test_rows_that_share_either_group():
    """CR0: the products of residuals of rows that share a firm or a year, in the N x N matrix."""
    data = simulated()
    fit = jaxsim.lm("y ~ x", data, cluster=("firm", "year"), vcov="CR0")
    x = np.column_stack([np.ones(len(data)), data["x"]])
    half = np.linalg.pinv(x)
    residual = data["y"].to_numpy() - x @ (half @ data["y"])
    firm, year = (data[name].to_numpy() for name in ("firm", "year"))
    share = (firm[:, None] == firm) | (year[:, None] == year)
    np.testing.assert_allclose(fit.vcov, half @ (np.outer(residual, residual) * share) @ half.T, rtol=1e-10)
    np.testing.assert_allclose(fit.table["estimate"], half @ data["y"], rtol=1e-12)
    assert fit.sigma == pytest.approx(np.sqrt(residual @ residual / (len(data) - 2)), rel=1e-12)
    pooled = jaxsim.ols("y ~ x", data)
    assert fit.criterion == pytest.approx(pooled.criterion, rel=1e-12)


def test_nested_groups_are_clustered_by_the_larger_ones():
    data = simulated()
    data["region"] = data["firm"] % 4
    for vcov in ("CR0", "CR1", "CR1S"):
        both = jaxsim.lm("y ~ x", data, cluster=["firm", "region"], vcov=vcov)
        one = jaxsim.lm("y ~ x", data, cluster="region", vcov=vcov)
        pd.testing.assert_frame_equal(both.table, one.table, rtol=1e-10)
    for single in (["region"], ("region",)):
        pd.testing.assert_frame_equal(jaxsim.lm("y ~ x", data, cluster=single).table, one.table)


def test_degrees_of_freedom():
    data = simulated()
    for degrees, expected in ((None, 6), ("G-1", 6), ("G-P", 5), ("normal", np.inf)):
        fit = jaxsim.lm("y ~ x", data, cluster=["firm", "year"], df=degrees)
        assert (fit.table["df"] == expected).all()
    assert "two-way: firm (9) and year (7)" in fit.method
    assert "groups: 7" in fit.summary()


def test_rows_without_one_of_the_groups_are_dropped():
    data = simulated()
    missing = data.assign(firm=data["firm"].where(data.index != 3), year=data["year"].where(data.index != 5))
    with pytest.warns(UserWarning, match="2 rows with missing values were dropped"):
        fit = jaxsim.lm("y ~ x", missing, cluster=["firm", "year"])
    expected = jaxsim.lm("y ~ x", data.drop(index=[3, 5]), cluster=["firm", "year"])
    pd.testing.assert_frame_equal(fit.table, expected.table)


def test_a_variance_that_is_not_positive():
    """Residuals whose sums over rows and over columns of the table are zero: both variances are, their intersection's is not."""
    firm, year = (grid.ravel() for grid in np.meshgrid(np.arange(4), np.arange(6), indexing="ij"))
    noise = np.random.default_rng(0).normal(size=(4, 6))
    noise += noise.mean() - noise.mean(0) - noise.mean(1)[:, None]
    data = pd.DataFrame({"y": 3.0 + noise.ravel(), "firm": firm, "year": year})
    with pytest.warns(UserWarning, match="a standard error is zero"):
        fit = jaxsim.lm("y ~ 1", data, cluster=["firm", "year"])
    assert fit.status == "zero_variance"
    assert not fit.converged
    assert fit.table["std_error"].isna().all()


def test_rounding_is_not_a_variance():
    """Firms within years whose residuals add to zero: two equal variances, summed in another order, cancel to either sign."""
    data = simulated().assign(firm=lambda rows: (rows["year"] * 10 + rows["firm"] % 3) * 7919 % 1009)
    data["y"] = 3.0 + data["y"] - data.groupby("year")["y"].transform("mean")
    with pytest.warns(UserWarning, match="a standard error is zero"):
        assert jaxsim.lm("y ~ 1", data, cluster=["year", "firm"]).status == "zero_variance"


def test_failures_are_a_status():
    data = simulated(n=40).assign(z=lambda rows: rows["x"])
    with pytest.warns(UserWarning, match="rank deficient: z"):
        assert jaxsim.lm("y ~ x + z", data, cluster=["firm", "year"], aliased="refuse").status == "rank_deficient"
    data["half"] = data["firm"] % 2
    with pytest.warns(UserWarning, match="2 clusters leave no degrees of freedom"):
        assert jaxsim.lm("y ~ x", data, cluster=["half", "year"], df="G-P").status == "too_few_groups"


@pytest.mark.parametrize(
    ("cluster", "options", "error", "message"),
    [
        (["firm", "firm"], {}, InputError, "two different ones"),
        ([], {}, InputError, "must name one column"),
        (["firm", 3], {}, InputError, "there must be a column '3'"),
        (["firm", None], {}, InputError, "must be the name of the column"),
        (["firm", "years"], {}, InputError, "Did you mean 'year'"),
        (["firm", "constant"], {}, InputError, "at least two groups are needed"),
        (["firm", "year", "x"], {}, NotSupportedError, "at most two"),
        (["firm", "year"], dict(vcov="CR2"), NotSupportedError, "CR0, CR1, CR1S"),
        (["firm", "year"], dict(vcov="CR3"), NotSupportedError, "CR0, CR1, CR1S"),
        (["firm", "year"], dict(vcov="pymer4"), NotSupportedError, "CR0, CR1, CR1S"),
        (["firm", "year"], dict(df="satterthwaite"), NotSupportedError, "one cluster column only"),
        (["firm", "year"], dict(inference="wild"), NotSupportedError, "one cluster column only"),
    ],
)
def test_bad_arguments(cluster, options, error, message):
    with pytest.raises(error, match=message):
        jaxsim.lm("y ~ x", simulated().assign(constant=1), cluster=cluster, **options)
