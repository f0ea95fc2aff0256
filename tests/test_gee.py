"""Generalised estimating equations: what they are in special cases, what they recover, what is refused."""

import dataclasses

import jax
import numpy as np
import pytest
from oracle import Rows, batch, cross_products, make_rows, row_arrays
from programs import fit as fit_of

from jaxsim import GEE, ClusterRobust, GaussianMultilevel, Grid, InputError, Names, Study
from jaxsim.status import Status
from jaxsim.testing import check_estimator

ROWS = make_rows(0, [5, 9, 4, 12, 6, 7, 8, 5], 4, group_sd=1.0)


@pytest.mark.parametrize(("correction", "vcov"), [("none", "CR0"), ("kauermann-carroll", "CR2"), ("mancl-derouen", "CR3")])
def test_independence_is_least_squares_with_a_sandwich(correction, vcov):
    gee = GEE("independence", correction, df="satterthwaite").fit_batch(batch([ROWS], 10))
    ols = ClusterRobust(vcov, df="satterthwaite").fit_batch(batch([ROWS], 10))
    for name in ("estimate", "vcov", "df"):
        np.testing.assert_allclose(getattr(gee, name), getattr(ols, name), rtol=1e-10)  # the same sums in another order


def correlated(working, rho, groups, size, seed):
    """Rows whose errors have the working correlation."""
    rng = np.random.default_rng(seed)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    root = np.linalg.cholesky(rho ** (apart if working == "ar1" else np.minimum(apart, 1)))
    x = np.column_stack([np.ones(groups * size), rng.normal(size=groups * size)])
    return Rows(x, x @ [1.0, 0.5] + (rng.normal(size=(groups, size)) @ root.T).ravel(), np.repeat(np.arange(groups), size))


@pytest.mark.parametrize("working", ["exchangeable", "ar1"])
def test_a_true_working_correlation_is_found_and_gives_the_variance(working):
    made = [correlated(working, 0.6, 40, 5, seed) for seed in range(200)]
    if working == "ar1":
        data = jax.tree.map(lambda *leaves: np.stack(leaves), *(row_arrays(rows, 40, 200) for rows in made))
    else:
        data = batch(made, 40)
    fit = jax.device_get(GEE(working).fit_batch(data))
    alpha, estimate = fit.extra["working_correlation"], fit.estimate
    # Five standard errors, and what the moments are off by with 40 groups: less than .02.
    assert abs(alpha.mean() - 0.6) < 0.02 + 5 * alpha.std() / np.sqrt(200)
    assert (np.abs(estimate.mean(0) - [1.0, 0.5]) < 5 * estimate.std(0) / np.sqrt(200)).all()
    # A standard deviation of 200 numbers is known to 5%; the uncorrected variance is 3 to 5% too small.
    np.testing.assert_allclose(np.sqrt((fit.std_error**2).mean(0)), estimate.std(0), rtol=0.2)


def test_a_correlation_that_is_none_is_not_converged():
    """Groups whose rows repel each other more than those of a correlation matrix can, because one group is larger."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(9), [2] * 8 + [12])
    y = np.where(group < 8, np.tile([3.0, -3.0], 14)[: len(group)], rng.normal(size=len(group)) * 0.1)
    fit = GEE("exchangeable").fit_batch(batch([Rows(np.ones((len(y), 1)), y + 0.01 * rng.normal(size=len(y)), group)], 16))
    assert Status(int(fit.status[0])) is Status.NOT_CONVERGED


def test_rows_in_blocks_are_the_same():
    """Groups of one size, as a process may announce: fewer lags to look at."""
    rows = correlated("ar1", 0.4, 10, 6, 3)
    plain = row_arrays(rows, 10, 60)
    fits = [
        GEE("ar1").fit_batch(jax.tree.map(lambda leaf: leaf[None], dataclasses.replace(plain, block=block))) for block in (0, 6)
    ]
    for name in ("estimate", "std_error"):
        np.testing.assert_allclose(getattr(fits[1], name), getattr(fits[0], name), rtol=1e-10)  # the same sums


def test_default_degrees_of_freedom():
    data = cross_products(ROWS, 10)
    assert np.isinf(fit_of(GEE(), data).df).all()
    assert (fit_of(GEE(correction="mancl-derouen"), data).df == 4).all()


@pytest.mark.parametrize("working", ["exchangeable", "ar1"])
def test_promises(working):
    check_estimator(GEE(working))


def test_the_order_of_rows_needs_rows():
    with pytest.raises(InputError, match="rows"):
        Study(GaussianMultilevel(), Grid(), (GEE("ar1"),), 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(working="unstructured"), "'independence', 'exchangeable', 'ar1'"),
        (dict(correction="CR3"), "'none', 'kauermann-carroll', 'mancl-derouen'"),
        (dict(df="residual"), "'satterthwaite', 'G-1', 'G-P', 'normal'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        GEE(**options)


def test_an_exchangeable_correlation_needs_a_column_of_ones():
    with pytest.raises(InputError, match="needs the sums of every group's rows"):
        GEE().check(Names(("x", "z")))
    GEE("independence").check(Names(("x", "z")))
