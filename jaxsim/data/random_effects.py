"""Random effects: of which columns, by which factor, and which entries of their covariance are free."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import jax
import numpy as np

from jaxsim.numerics.arrays import library, put

Array = jax.Array


@dataclass(frozen=True)
class RandomEffects:
    """Random effects of one grouping factor.

    Args:
        factor: its name.
        blocks: names of the columns, a tuple for each block of correlated effects: ``(x | g)`` is one block of intercept and x,
            ``(x || g)`` a block for each.
    """

    factor: str
    blocks: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All of the columns, ``Q`` of them, in the order of :attr:`jaxsim.Fit.covariance`."""
        return tuple(name for block in self.blocks for name in block)

    @property
    def structure(self) -> Structure:
        """Which entries of the covariance are free."""
        return consecutive(len(block) for block in self.blocks)


@dataclass(frozen=True)
class Structure:
    """Random effects whose covariance is block diagonal: full within a block, zero between blocks.

    ``(x | g)`` is one block of all columns, ``(x || g)`` a block per column, ``(1 | g) + (0 + x + z | g)`` two blocks.
    The relative covariance is ``T = L L'`` (in units of the residual variance) with ``L`` lower triangular; ``theta`` lists
    the free entries of ``L`` block by block, column-major within a block, as lme4 does.

    Args:
        blocks: positions (0 .. Q - 1) of the random-effects columns, a tuple per block.
    """

    blocks: tuple[tuple[int, ...], ...]

    @cached_property
    def size(self) -> int:
        """Q."""
        return sum(len(block) for block in self.blocks)

    @cached_property
    def entries(self) -> np.ndarray:
        """Row and column in ``L`` of each entry of theta, ``[T, 2]``."""
        pairs = [(i, j) for block in self.blocks for a, j in enumerate(block) for i in block[a:]]
        return np.array(pairs, dtype=int).reshape(-1, 2)

    @cached_property
    def is_diagonal(self) -> np.ndarray:
        """Which entries of theta lie on the diagonal, ``[T]`` bool."""
        return self.entries[:, 0] == self.entries[:, 1]

    @cached_property
    def mask(self) -> np.ndarray:
        """1 where ``T`` may differ from zero, ``[Q, Q]``."""
        mask = np.zeros((self.size, self.size))
        for block in self.blocks:
            mask[np.ix_(block, block)] = 1.0
        return mask

    @cached_property
    def basis(self) -> np.ndarray:
        """A symmetric matrix of zeros and ones for each free entry of ``T``, ``[T, Q, Q]``; they span what ``T`` may be."""
        rows, columns = self.entries.T
        basis = np.zeros((len(rows), self.size, self.size))
        basis[np.arange(len(rows)), rows, columns] = basis[np.arange(len(rows)), columns, rows] = 1.0
        return basis

    @cached_property
    def same_column(self) -> np.ndarray:
        """1 for pairs of entries in one column of ``L``, ``[T, T]``."""
        column = self.entries[:, 1]
        return (column[:, None] == column[None, :]).astype(float)

    def factor(self, theta: Array) -> Array:
        """``L`` from theta, ``[Q, Q]``."""
        rows, columns = self.entries.T
        return put(library(theta).zeros((self.size, self.size), theta.dtype), (rows, columns), theta)

    def theta(self, factor: Array) -> Array:
        """Free entries of ``L``, ``[T]``."""
        rows, columns = self.entries.T
        return factor[rows, columns]


def consecutive(sizes: Iterable[int]) -> Structure:
    """Blocks of these sizes, one after the other."""
    ends = list(itertools.accumulate(sizes, initial=0))
    return Structure(tuple(tuple(range(begin, end)) for begin, end in itertools.pairwise(ends)))
