"""Several shifts of one symmetric matrix, functions whose batch comes last, and held values, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.numerics.held import held
from jaxsim.numerics.lanes_last import lanes_last
from jaxsim.numerics.shifted import solve_shifted

SHIFTS = np.array([0.0, 1e-7, 0.5, 30.0])


def matrices(size, count=6, seed=0):
    """Positive definite ones, some hardly so, and right sides."""
    rng = np.random.default_rng(seed)
    half = rng.normal(size=(count, size, size)) * np.geomspace(1, 1e-2, size)
    return half @ half.transpose(0, 2, 1), rng.normal(size=(count, size))


@pytest.mark.parametrize("size", [1, 2, 3, 6, 10, 21])
def test_solutions(size):
    """Residuals within rounding of the products that they are made of, for every shift, batched or one by one."""
    many, right = matrices(size)
    found = jax.jit(jax.vmap(lambda a, b: solve_shifted(a, b, jnp.asarray(SHIFTS))))(many, right)
    for a, b, values, pivots in zip(many, right, *map(np.asarray, found[:2]), strict=True):
        alone = solve_shifted(jnp.asarray(a), jnp.asarray(b), jnp.asarray(SHIFTS))
        for k, shift in enumerate(SHIFTS):
            shifted = a + shift * np.eye(size)
            # Of a backward stable method: some roundings, times the size, of the largest product.
            scale = 100 * size * np.finfo(float).eps * np.linalg.norm(shifted) * np.linalg.norm(values[:, k])
            assert np.linalg.norm(shifted @ values[:, k] - b) <= scale + 1e-14
            assert (pivots[:, k] > 0).all()
            assert np.prod(pivots[:, k]) == pytest.approx(np.linalg.det(shifted), rel=1e-6)  # of a condition of 1e8 at worst
            assert np.linalg.norm(shifted @ np.asarray(alone.values[:, k]) - b) <= scale + 1e-14
    assert not np.asarray(found.bend).any()


@pytest.mark.parametrize("size", [1, 2, 5, 10])
def test_negative_curvature_is_found(size):
    """The bend's curvature is the first pivot that is not positive, of the watched shift; zero where there is none."""
    a = matrices(size)[0][0] - 2 * np.eye(size)
    for watched, shift in enumerate(SHIFTS):
        found = solve_shifted(jnp.asarray(a), jnp.ones(size), jnp.asarray(SHIFTS), watched)
        shifted, bend, pivots = a + shift * np.eye(size), np.asarray(found.bend), np.asarray(found.pivots[:, watched])
        if (pivots > 0).all():
            assert np.linalg.eigvalsh(shifted)[0] > 0
            assert not bend.any()
        else:
            assert np.linalg.eigvalsh(shifted)[0] < 0
            assert bend @ shifted @ bend == pytest.approx(pivots[pivots <= 0][0], rel=1e-8)


def test_a_diagonal_matrix():
    """Nothing beside the diagonal: no reflection has a length."""
    found = solve_shifted(jnp.diag(jnp.array([1.0, 2.0, 0.0, 4.0])), jnp.ones(4), jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(found.values[:, 1], [1 / 2, 1 / 3, 1, 1 / 5], rtol=1e-15)
    assert np.asarray(found.pivots[:, 0]).min() == 0
    np.testing.assert_array_equal(found.bend, [0, 0, 1, 0])


def test_batches_come_last():
    """The function sees its own axes first, whichever arguments are batched and however often."""
    seen = []

    @lanes_last
    def scaled(vector, factor):
        seen.append((vector.shape, factor.shape))
        return vector * factor, vector.sum(0)

    vectors, factors = jnp.arange(12.0).reshape(4, 3), jnp.arange(4.0)
    product, total = jax.vmap(scaled)(vectors, factors)
    np.testing.assert_array_equal(product, vectors * factors[:, None])
    np.testing.assert_array_equal(total, vectors.sum(1))
    np.testing.assert_array_equal(jax.vmap(scaled, in_axes=(0, None))(vectors, 2.0)[0], 2 * vectors)
    nested = jax.vmap(jax.vmap(scaled, in_axes=(None, 0)), in_axes=(0, None))(vectors, factors)[0]
    np.testing.assert_array_equal(nested, vectors[:, None] * factors[:, None])
    assert ((3, 4), (4,)) in seen
    assert all(shape[0] == 3 for shape, _ in seen)


def test_held_values_are_the_same_and_are_written_down():
    """Also where nothing is a number, by which the branch is chosen."""
    values = jnp.asarray([[np.nan, 1.0], [2.0, np.inf], [-np.inf, -0.0]])
    program = jax.jit(jax.vmap(lambda row: held(row) + 1)).lower(values).compile()
    np.testing.assert_array_equal(program(values), values + 1)
    np.testing.assert_array_equal(jax.vmap(held)(jnp.full((2, 3), np.inf)), np.full((2, 3), np.inf))
    assert ("conditional(" in program.as_text()) == (jax.default_backend() == "cpu")
    assert held(np.ones(3)).tolist() == [1, 1, 1]
