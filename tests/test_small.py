"""``small.eigh`` against LAPACK, on matrices that make Jacobi rotations slow or inaccurate."""

import jax
import numpy as np
import pytest

from jaxsim.numerics import small

COUNT = 32


def with_eigenvalues(values, seed=0):
    """``[n, n, COUNT]`` symmetric matrices."""
    n = len(values)
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(COUNT, n, n)))[0]
    made = basis @ (np.asarray(values, float)[:, None] * basis.swapaxes(1, 2))
    return np.moveaxis((made + made.swapaxes(1, 2)) / 2, 0, -1)


def spectra(n):
    return {
        "spread": np.linspace(-1.0, 2.0, n),
        "graded": 10.0 ** -np.arange(0.0, 2 * n, 2),
        "rank one": np.eye(n)[0],
        "two values": np.where(np.arange(n) < n // 2, 1.0, 0.25),
        "nearly equal": 1 - 1e-13 * np.arange(n),
        "zero": np.zeros(n),
    }


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 12])
def test_eigh(n):
    made = {name: with_eigenvalues(values, n) for name, values in spectra(n).items()}
    made["diagonal"] = np.repeat(np.diag(np.arange(n) - 1.0)[:, :, None], COUNT, -1)
    matrix = np.stack(list(made.values()), -1)
    values, vectors = map(np.asarray, jax.jit(small.eigh)(matrix))
    assert (np.diff(values, axis=0) <= 1e-15).all()
    size = np.abs(matrix).max((0, 1)) + 1e-300
    # Errors of a backward stable method are a few rounding errors for each rotation of a row, relative to the largest entry.
    few = 4e-15 * n
    expected = np.moveaxis(np.linalg.eigvalsh(np.moveaxis(matrix, (0, 1), (-2, -1))), -1, 0)[::-1]
    assert (np.abs(values - expected) / size).max() < few
    again = np.einsum("ik...,k...,jk...->ij...", vectors, values, vectors)
    assert (np.abs(again - matrix) / size).max() < few
    inner = np.einsum("ki...,kj...->ij...", vectors, vectors)
    assert np.abs(inner - np.eye(n)[:, :, None, None]).max() < few


def test_eigh_does_not_wait_for_what_is_not_a_number():
    matrix = with_eigenvalues([1.0, 2.0, 3.0])
    matrix[:, :, 3] = np.nan
    values = np.asarray(jax.jit(small.eigh)(matrix)[0])
    assert np.isnan(values[:, 3]).all()
    np.testing.assert_allclose(np.delete(values, 3, axis=1), np.array([[3.0], [2.0], [1.0]]) + np.zeros(COUNT - 1), rtol=1e-14)
