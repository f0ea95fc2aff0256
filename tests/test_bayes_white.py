"""The space that chains move in: its density is that of the posterior, and its gradient that of the density."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.bayesian.white import White

SDS, D = 2, 4


@pytest.fixture(scope="module")
def space():
    """One lane, and places on both sides of where the map bends."""
    rng = np.random.default_rng(0)
    root = np.tril(rng.normal(size=(D, D))) + 2 * np.eye(D)
    white = White(jnp.asarray(rng.normal(size=(D, 1))), jnp.asarray(root)[..., None])
    places = jnp.asarray(rng.normal(size=(40, D, 1)))
    below = np.asarray(jax.vmap(lambda at: white.straight(at)[:SDS, 0] < white.mean[:SDS, 0])(places))
    assert 0.2 < below.mean() < 0.8
    return white, places


def test_volumes_are_determinants(space):
    """To rounding: the log of a determinant of order one, of numbers that autodiff has to 1e-15."""
    white, places = space
    jacobian = jax.vmap(jax.jacobian(lambda at: white.vector(at[:, None], SDS)[:, 0]))(places[..., 0])
    expected = np.linalg.slogdet(np.asarray(jacobian))[1] - np.linalg.slogdet(np.asarray(white.root[..., 0]))[1]
    np.testing.assert_allclose(jax.vmap(lambda at: white.log_volume(at, SDS))(places)[:, 0], expected, atol=1e-12)


def test_slopes_are_gradients(space):
    """Of a density with every coordinate and a product of two; to rounding."""
    white, places = space

    def density(vector):
        return (jnp.sin(vector) + vector[::-1] * vector).sum() - jnp.exp(vector[0, 0] / 9)

    def whole(at):
        return density(white.vector(at, SDS)) + white.log_volume(at, SDS).sum()

    for at in places:
        slope = white.slope(at, jax.grad(density)(white.vector(at, SDS)), SDS)
        np.testing.assert_allclose(slope, jax.grad(whole)(at), rtol=1e-11, atol=1e-11)


def test_a_tail_towards_zero_becomes_short():
    """``exp(t)`` below the mean: in log SD it falls to .0001 in nine units, in this space in half as many."""
    white = White(jnp.zeros((1, 1)), jnp.ones((1, 1, 1)))
    at = jnp.array([[-4.5]])
    assert float(white.vector(at, 1)[0, 0] + white.log_volume(at, 1)[0]) < np.log(1e-4)
