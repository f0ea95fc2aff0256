"""The same simulated datasets in R, live: lme4 and lmerTest for the mixed model, sandwich and clubSandwich for the others.

lme4 has no derivatives and stops early, so it is run at tight tolerances and its criterion is compared one-sided: ours may
be lower. Where both are at the same interior optimum everything else must agree.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest
from oracle import Rows, batch, covariance_of

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, UniformSizes
from jaxsim.inference import t_table

pytestmark = pytest.mark.lme4

BATCH, GROUPS = 88, 32
PREDICTORS = ["IV1", "IV2", "IV3"]
MAXIMAL = LinearMixed()
INDEPENDENT = LinearMixed(random=("Intercept", "IV1"), covariance="diagonal", reml=False)
INDEPENDENT_FORMULA = "DV ~ IV1 + IV2 + IV3 + (IV1 || Group)"


def study(replicates, levels, **conditions):
    """A study whose first ``replicates`` of every level of the between-group SD are compared."""
    return Study(GaussianMultilevel(**conditions), Grid(group_sd=levels), PooledOLS(), replicates, seed=20)


# Conditions of the 2019 study at its edges, correlated coefficients, and very unequal groups.
TIGHT = {
    "5x25": study(2, [0.1, 1.0], n_groups=5, n_obs=25),
    "10x5": study(2, [0.1, 1.0], n_groups=10, n_obs=5),
    "30x25": study(1, [0.25, 1.0], n_groups=30, n_obs=25),
    "correlated": study(2, [1.0], n_groups=20, n_obs=12, correlation=0.6),
    "unequal": study(2, [0.5, 2.0], n_groups=15, n_obs=UniformSizes(2, 40)),
}
# Few groups, far apart: the criterion may have several optima there, so lme4 gets several starts too.
BEST = {
    "5x25 far apart": study(3, [4.0], n_groups=5, n_obs=25),
    "10x5 far apart": study(3, [4.0], n_groups=10, n_obs=5),
}


def frames(studies):
    """``{name of the dataset: rows}``."""
    return {
        f"{name}, SD {cell.process.group_sd}, {replicate}": made.dataset(cell.index, replicate)
        for name, made in studies.items()
        for cell in made.cells
        for replicate in range(made.replicates)
    }


def fit_all(strategy, rows):
    """Our fit of each dataset."""
    made = [
        Rows(np.column_stack([np.ones(len(f)), f[PREDICTORS]]), f["DV"].to_numpy(), f["Group"].to_numpy() - 1)
        for f in rows.values()
    ]
    stacked = jax.device_get(strategy.fit_batch(batch(made, GROUPS, BATCH)))
    return {name: jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k, name in enumerate(rows)}


@pytest.fixture(scope="module")
def compared(ask_r):
    """``[(name, ours, theirs)]`` of every mixed model."""
    tight, best = frames(TIGHT), frames(BEST)
    some = {name: rows for name, rows in tight.items() if name.startswith(("unequal", "10x5"))}
    pairs = []
    for strategy, rows, arguments in [
        (MAXIMAL, tight, ("", "REML", "tight")),
        (MAXIMAL, best, ("", "REML", "best")),
        (INDEPENDENT, some, (INDEPENDENT_FORMULA, "ML", "tight")),
    ]:
        theirs = ask_r("fit_lme4.R", rows, *arguments)
        ours = fit_all(strategy, rows)
        pairs += [(f"{strategy.covariance} {name}", ours[name], theirs[name]) for name in rows]
    return pairs


def same_optimum(ours, theirs):
    return abs(ours.criterion - theirs["criterion"]) < 1e-6


def test_lme4_accepts_every_dataset(compared):
    assert [name for name, _, theirs in compared if "error" in theirs] == []


def test_our_criterion_is_never_higher(compared):
    """1e-6 deviance units: lme4's own optimisers differ by more among themselves."""
    assert {
        name: ours.criterion - theirs["criterion"] for name, ours, theirs in compared if ours.criterion > theirs["criterion"] + 1e-6
    } == {}
    assert all(ours.converged for _, ours, _ in compared)


def test_most_searches_end_at_one_optimum(compared):
    """Otherwise the comparisons below would be empty."""
    interior = [name for name, ours, theirs in compared if same_optimum(ours, theirs) and not ours.singular]
    assert len(interior) >= 12
    assert sum(same_optimum(ours, theirs) for _, ours, theirs in compared) >= 0.7 * len(compared)


def test_both_call_the_same_fits_singular(compared):
    """Both use 1e-4 on the diagonal of theta."""
    for name, ours, theirs in compared:
        if same_optimum(ours, theirs):
            assert bool(ours.singular) == theirs["singular"], name


def test_fits_agree(compared):
    """Singular ones too, in what is unique there: not in theta."""
    for name, ours, theirs in compared:
        if not same_optimum(ours, theirs):
            continue
        table, close = theirs["fixef"], dict(rtol=1e-6, err_msg=name)
        std_error = np.array(table["se"])
        # lme4's theta, polished by Newton on difference quotients, is good to 1e-9; an estimate is judged by its standard error.
        np.testing.assert_allclose(ours.estimate, table["estimate"], atol=1e-6 * std_error.max(), **close)
        np.testing.assert_allclose(ours.std_error, std_error, **close)
        np.testing.assert_allclose(ours.vcov, theirs["vcov_fixef"], atol=1e-6 * std_error.max() ** 2, **close)
        assert ours.sigma == pytest.approx(theirs["sigma"], rel=1e-6), name
        covariance = np.array(theirs["varcorr"]["cov"])
        size = covariance.max() + ours.singular * ours.sigma**2  # all variances may be zero
        np.testing.assert_allclose(covariance_of(ours), covariance, atol=1e-6 * size, **close)
        # lmerTest differentiates the criterion twice numerically: its error was below 1e-7 here, but may reach 1e-4 elsewhere.
        np.testing.assert_allclose(ours.df, table["df"], rtol=1e-3, err_msg=name)
        inference = t_table(ours.estimate, ours.std_error, ours.df)
        np.testing.assert_allclose(inference.statistic, table["t"], rtol=1e-5, err_msg=name)
        half = (inference.conf_high - inference.conf_low) / 2
        np.testing.assert_allclose(half, table["half_width"], rtol=1e-3, err_msg=name)


def test_least_squares_and_sandwiches_agree(ask_r):
    rows = {**frames(TIGHT), **frames(BEST)}
    theirs = ask_r("fit_robust.R", rows)
    close = dict(rtol=1e-9)  # closed forms on rows of size 10, condition below 10
    for name, ours in fit_all(PooledOLS(), rows).items():
        table = theirs[name]["ols"]
        np.testing.assert_allclose(ours.estimate, table["estimate"], **close)
        np.testing.assert_allclose(ours.std_error, table["se"], **close)
        assert ours.sigma == pytest.approx(table["sigma"], rel=1e-9)
        assert (ours.df == table["df"]).all()
        inference = t_table(ours.estimate, ours.std_error, ours.df)
        np.testing.assert_allclose(inference.p_value, table["p"], rtol=1e-7)  # t of 50 has a p value of relative condition t^2
    for convention in ("CR0", "CR1", "CR1S"):
        for name, ours in fit_all(ClusterRobust(vcov=convention), rows).items():
            table = theirs[name]["robust"][convention]
            np.testing.assert_allclose(ours.vcov, table["vcov"], rtol=1e-9, atol=1e-9 * np.max(table["vcov"]))
            np.testing.assert_allclose(ours.std_error, table["se"], **close)
            np.testing.assert_allclose(t_table(ours.estimate, ours.std_error, ours.df).p_value, table["p_g1"], rtol=1e-7)
    for strategy in (ClusterRobust("CR1p", df="satterthwaite"), ClusterRobust("CR2"), ClusterRobust("CR3")):
        for name, ours in fit_all(strategy, rows).items():
            table = theirs[name]["robust"][strategy.vcov]
            np.testing.assert_allclose(ours.vcov, table["vcov"], rtol=1e-9, atol=1e-9 * np.max(table["vcov"]), err_msg=name)
            np.testing.assert_allclose(ours.std_error, table["se"], **close)
            np.testing.assert_allclose(ours.df, table["df"], **close)
            np.testing.assert_allclose(t_table(ours.estimate, ours.std_error, ours.df).p_value, table["p"], rtol=1e-7)
