"""Chi-distributed numbers: the right law for few and many degrees of freedom, whatever is drawn beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsim.processes import chi as sampler
from jaxsim.processes.chi import chi

KEYS = jax.random.split(jax.random.key(3, impl="threefry2x32"), 4000)


def one(key, df):
    """Numbers of one group, as a process draws them."""
    proposals, rest = jax.random.split(key)
    return chi(jax.random.normal(proposals, df.shape), rest, df)


many = jax.jit(jax.vmap(one, in_axes=(0, None)))


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 30, 499])
def test_law(df):
    """Kolmogorov-Smirnov against the closed form; with two degrees of freedom 200,000 numbers show a constant of 0.3 instead of 1/3
    in the acceptance rule."""
    keys = jax.random.split(jax.random.key(4, impl="threefry2x32"), 100_000)
    numbers = np.asarray(many(keys, jnp.full(2, df))).ravel()
    # Seven seeded tests at level 0.001: a right sampler would fail for one seed in 140.
    assert stats.kstest(numbers, stats.chi(df).cdf).pvalue > 0.001


def test_numbers_of_a_group_are_independent():
    """Uniform transforms of numbers with different degrees of freedom are uncorrelated, and so are their squares."""
    df = np.array([4, 3, 2, 1])
    uniform = stats.chi(df).cdf(np.asarray(many(KEYS, jnp.asarray(df))))
    for power in (1, 2):
        off = np.corrcoef((uniform - 0.5) ** power, rowvar=False)[np.triu_indices(4, 1)]
        # Correlations of 4,000 pairs have an SD of 1/sqrt(4000); twelve of them, four SDs.
        assert np.abs(off).max() < 4 / np.sqrt(len(KEYS))


def test_a_number_depends_on_its_own_key_alone():
    """Alone, among few and among many, also where two batch axes are nested."""
    df = jnp.array([4, 3, 2, 1])
    all_ = many(KEYS, df)
    np.testing.assert_array_equal(all_[:37], many(KEYS[:37], df))
    nested = jax.jit(jax.vmap(jax.vmap(one, in_axes=(0, None)), in_axes=(0, None)))(KEYS.reshape(40, 100), df)
    np.testing.assert_array_equal(all_, nested.reshape(all_.shape))
    # Compiled alone, the last bit may round otherwise.
    np.testing.assert_allclose(all_[7], jax.jit(one)(KEYS[7], df), rtol=1e-14)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_nothing_is_left_out_when_most_proposals_are_rejected(monkeypatch, levels):
    """With only one acceptance in ten, far more groups are open than are gathered at a time; the numbers have the same law."""
    accept = sampler._propose

    def reluctant(normal, uniform, df):
        value, accepted = accept(normal, uniform * 10, df)  # accepted a tenth as often, whatever the proposal
        return value, accepted & (df > 1) | (uniform < 0.1) & (df <= 1)

    monkeypatch.setattr(sampler, "_propose", reluctant)
    monkeypatch.setattr(sampler, "LEVELS", levels)
    numbers = np.asarray(jax.jit(jax.vmap(one, in_axes=(0, None)))(KEYS, jnp.array([5, 1])))
    assert stats.kstest(numbers[:, 0], stats.chi(5).cdf).pvalue > 0.001
    assert stats.kstest(numbers[:, 1], stats.chi(1).cdf).pvalue > 0.001
