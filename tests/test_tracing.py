"""Python runs what a program is made of once, however often its shapes, its code and its batches are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import batch, make_rows

from jaxsim import Estimator, Fit, Grid, PooledOLS, Prediction, RowProcess, Study
from jaxsim.data.context import Context
from jaxsim.numerics.staging import stage

RUNS: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_yet():
    RUNS.clear()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere nothing is staged")
def test_a_stage_of_a_batch():
    def function(x, y):
        RUNS.append("stage")
        return x * y + 1.0

    x, y = np.arange(6.0).reshape(3, 2), np.array([2.0, 5.0])
    found = jax.jit(jax.vmap(lambda x: stage(x.sum() >= 0, function, x, y)))(x)
    np.testing.assert_array_equal(found, x * y + 1.0)
    assert RUNS == ["stage"]


@dataclass(frozen=True)
class Drawn(Estimator):
    """A random number in place of an estimate."""

    label: str = "drawn"
    resamples = True

    def fit(self, data, context):
        RUNS.append("fit")
        return Fit(jax.random.normal(context.key, (2,)), jnp.ones(2))


def test_a_strategy_that_resamples():
    keys = jax.random.split(jax.random.key(1, impl="threefry2x32"), 3)
    data = batch([make_rows(seed, [4, 9, 6]) for seed in range(3)], 3)
    found = jax.jit(lambda data, keys: Drawn().fit_batch(data, Context(keys, 0.95)))(data, keys)
    assert len(np.unique(found.estimate)) == 6
    assert RUNS == ["fit"]


@dataclass(frozen=True)
class Noise(RowProcess):
    """Four groups of two rows, and more of them."""

    n_groups: int = 4
    sd: float = 1.0

    def simulate(self, key):
        group = jnp.repeat(jnp.arange(4), 2)
        return {"Intercept": 0.0, "sigma": self.sd}, {"Group": group, "DV": self.sd * jax.random.normal(key, group.shape)}

    def simulate_fresh(self, key, other, new_groups):
        RUNS.append("fresh")
        return self.simulate(other)


def test_fresh_rows_of_conditions_and_studies_that_differ_in_numbers():
    Study(Noise(), Grid(), PooledOLS(), 1, scores=(Prediction(),))
    assert "fresh" in RUNS
    RUNS.clear()
    Study(Noise(), Grid(), PooledOLS(), 2, seed=3, scores=(Prediction(),))
    Study(Noise(sd=2.5), Grid(), PooledOLS(), 1, scores=(Prediction(),))
    assert not RUNS
