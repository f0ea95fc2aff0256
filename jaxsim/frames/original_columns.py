"""From orthonormal bases of random-effects columns back to the columns themselves: relative factors and conditional modes."""

from __future__ import annotations

import numpy as np

from jaxsim.data.random_effects import Structure
from jaxsim.lmm import newton
from jaxsim.lmm.solution import Posed
from jaxsim.numerics.row_basis import Basis


def theta_at(structure: Structure, problem: Posed, point: newton.Point) -> np.ndarray:
    """Free entries of the lower factor on the bases of the random effects, ``[T]``, block by block: variances may be far apart."""
    z_scale = np.asarray(problem.column_scale)[-structure.size :]
    root = np.asarray(point.chart.factor) / z_scale[:, None]
    factor = np.zeros_like(root)
    for at in structure.blocks:
        factor[np.ix_(at, at)] = triangular(root[list(at)])
    return factor[structure.entries[:, 0], structure.entries[:, 1]]


def original_factor(structure: Structure, blocks: list[Basis], theta: np.ndarray) -> np.ndarray:
    """Relative factor ``[Q, Q]`` for the columns themselves, with a non-negative diagonal.

    ``Z = Q R`` in a block, so ``b = R^-1 b~`` and ``T = M M'`` with ``M = R^-1 L~``; triangular by the QR of ``M'``, which keeps
    the digits that a Cholesky factor of ``T`` would lose.
    """
    factor = np.zeros((structure.size, structure.size))
    factor[structure.entries[:, 0], structure.entries[:, 1]] = theta
    for at, block in zip(structure.blocks, blocks, strict=True):
        square = np.ix_(at, at)
        factor[square] = triangular(block.inverse @ factor[square])
    return factor


def triangular(root: np.ndarray) -> np.ndarray:
    """The lower factor of ``root root'`` with a non-negative diagonal."""
    _, upper = np.linalg.qr(root.T)
    return np.tril(np.where(np.diagonal(upper) < 0, -1.0, 1.0) * upper.T)


def original_modes(structure: Structure, blocks: list[Basis], own: np.ndarray) -> np.ndarray:
    """Conditional modes for the columns themselves, ``[G, Q]``, from those for their bases."""
    return np.column_stack([own[:, list(at)] @ block.inverse.T for at, block in zip(structure.blocks, blocks, strict=True)])
