"""Least squares on rows, so that the cross-products lose no digits: an orthonormal basis and the response's residual.

A cross-product of columns with mean m and standard deviation s keeps the variation to (m / s)^2 rounding errors only. The
estimates are equivariant, so the estimators are given ``[Q e]`` with ``X = Q R`` and ``e = y - X b``; what they return is carried
back through ``R`` and ``b``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsim.status import Status

# R's lm and lme4: a column whose length falls below this fraction of its own once the columns before it are projected out.
RANK_TOLERANCE = 1e-7
# Rounding a response of length |y| leaves a residual of about 1e-16 |y|; below this nothing can be told from rounding.
ZERO_RESIDUAL = 1e-13


@dataclass(frozen=True)
class Basis:
    """``columns = q @ r`` with orthonormal ``q`` ``[N, P]``, and ``inverse`` of ``r`` ``[P, P]``."""

    q: np.ndarray
    r: np.ndarray
    inverse: np.ndarray

    @property
    def log_determinant(self) -> float:
        """``log |columns' columns|``."""
        return 2 * float(np.linalg.slogdet(self.r)[1])


def orthonormal(columns: np.ndarray) -> Basis:
    """The basis of linearly independent columns ``[N, P]``."""
    q, r = np.linalg.qr(columns)
    return Basis(q, r, np.linalg.inv(r))


def dependent(columns: np.ndarray) -> list[int]:
    """Positions of the columns that are combinations of the columns before them (Gram-Schmidt, projected twice)."""
    basis = np.zeros((len(columns), 0))
    found = []
    for i, column in enumerate(columns.T):
        length = np.linalg.norm(column)
        rest = column / length if length > 0 else column
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) <= RANK_TOLERANCE:
            found.append(i)
        else:
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return found


def residual(basis: Basis, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients ``[P]`` and residual ``[N]`` of the least-squares fit; projected twice, so the residual is orthogonal."""
    first = basis.q.T @ y
    rest = y - basis.q @ first
    second = basis.q.T @ rest
    return basis.inverse @ (first + second), rest - basis.q @ second


def verdict(columns: np.ndarray, names: tuple[str, ...], y: np.ndarray) -> tuple[Status, str]:
    """Whether the regression of ``y`` on the columns can be computed, and what to tell the user if not."""
    n_rows, n_columns = columns.shape
    if n_rows <= n_columns:
        return Status.TOO_FEW_ROWS, f"{n_rows} rows cannot determine {n_columns} coefficients and a residual variance"
    collinear = dependent(columns)
    if collinear:
        listed = ", ".join(names[i] for i in collinear)
        return (
            Status.RANK_DEFICIENT,
            f"rank deficient: {listed} is a combination of the columns before it; aliased='drop' leaves it out",
        )
    _, rest = residual(orthonormal(columns), y)
    if np.linalg.norm(rest) <= ZERO_RESIDUAL * np.linalg.norm(y):
        return Status.ZERO_RESIDUAL, Status.ZERO_RESIDUAL.message
    return Status.OK, ""
