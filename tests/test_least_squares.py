"""Least squares from cross-products: how many digits they keep, and that what has lost them is not called an answer."""

import jax
import numpy as np
import pytest

from jaxsim import PooledOLS, Status
from jaxsim.data.cross_products import from_rows

ROWS, GROUPS = 60, 6


@pytest.fixture(scope="module")
def fit():
    estimator = PooledOLS()
    return jax.jit(estimator.fit)


def dataset(mean):
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(ROWS), rng.normal(size=ROWS)])
    y = rng.normal(size=ROWS)
    return x, y, from_rows(x, y + mean, np.repeat(np.arange(GROUPS), ROWS // GROUPS), ("Intercept", "IV1"))


@pytest.mark.parametrize("mean", [0.0, 1e2, 1e4])
def test_a_large_mean_costs_digits_but_not_the_answer(fit, mean):
    x, y, data = dataset(mean)
    got = fit(data)
    beta, (rss,), *_ = np.linalg.lstsq(x, y, rcond=None)
    assert got.status == Status.OK
    # Cross-products of size mean^2 keep 1e-16 mean^2 of the residual sum of squares, with a factor for the sums.
    tolerance = 1e-12 + 1e-14 * mean**2
    np.testing.assert_allclose(got.sigma, np.sqrt(rss / (ROWS - 2)), rtol=tolerance)
    np.testing.assert_allclose(np.asarray(got.estimate) - [mean, 0], beta, atol=tolerance)


def test_what_rounding_hides_is_not_an_answer(fit):
    """At a mean of 1e6 residual SDs four digits would be left."""
    got = fit(dataset(1e6)[2])
    assert got.status == Status.ZERO_RESIDUAL
    assert np.isnan(got.estimate).all()
