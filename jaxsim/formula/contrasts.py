"""Contrasts: the columns by which a factor of a formula is coded, as R's ``contr.*`` make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from jaxsim.errors import InputError
from jaxsim.formula.bases import orthogonal

# R makes no polynomial contrasts of more levels.
MOST_POLYNOMIAL = 95


@dataclass(frozen=True)
class Contrast:
    """One kind of contrasts, named as in patsy; numbers and names of columns are those of R's ``model.matrix`` with contrasts.arg.

    Attributes:
        kind: ``Treatment`` (contr.treatment; columns ``fb, fc``): each level less the reference. ``Sum`` (contr.sum; ``f1, f2``):
            each level but the last less the mean of all. ``Helmert`` (contr.helmert; ``f1, f2``): each level but the first less
            the mean of those before, divided by the number of these and itself. ``Poly`` (contr.poly; ``f.L, f.Q, f.C, f^4``):
            orthonormal polynomials of equally spaced levels. ``Diff`` (contr.sdif of MASS; ``f2-1, f3-2``): each level less the
            one before.
        reference: level that a treatment is compared with; None for the first.
    """

    kind: str = "Treatment"
    reference: str | None = None

    def columns(self, label: str, levels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """The matrix ``[L, k]`` with a row for each level, and what R appends to the label for each of its columns.

        Args:
            label: of the factor, for messages.
            levels: those that the fitted rows have.

        Raises:
            InputError: for a reference that is no level, and for more than 95 levels of ``Poly``.
        """
        if self.kind == "Treatment":
            base = self._base(label, levels)
            return np.delete(np.eye(len(levels)), base, axis=1), [level for i, level in enumerate(levels) if i != base]
        if self.kind == "Poly" and len(levels) > MOST_POLYNOMIAL:
            raise InputError(f"{label!r} has {len(levels)} levels: polynomial contrasts have at most {MOST_POLYNOMIAL}.")
        return _MATRICES[self.kind](len(levels))

    def _base(self, label: str, levels: Sequence[str]) -> int:
        if self.reference is None:
            return 0
        if self.reference not in levels:
            listed = ", ".join(map(repr, levels[:8])) + (", .." if len(levels) > 8 else "")
            raise InputError(f"{label!r} has no level {self.reference!r} to be the reference; there are {listed}.")
        return list(levels).index(self.reference)


def _sum(n: int) -> tuple[np.ndarray, list[str]]:
    """``contr.sum``: each level but the last against the mean of all."""
    return np.vstack([np.eye(n - 1), -np.ones(n - 1)]), _numbers(n)


def _helmert(n: int) -> tuple[np.ndarray, list[str]]:
    """``contr.helmert``: each level but the first against the mean of those before."""
    row, column = np.indices((n, n - 1))
    return np.where(row <= column, -1.0, np.where(row == column + 1, column + 1.0, 0.0)), _numbers(n)


def _diff(n: int) -> tuple[np.ndarray, list[str]]:
    """``contr.sdif`` of MASS: each level but the first less the one before."""
    row, column = np.indices((n, n - 1))
    return np.where(row <= column, (column + 1.0) / n - 1.0, (column + 1.0) / n), [f"{i + 1}-{i}" for i in range(1, n)]


def _poly(n: int) -> tuple[np.ndarray, list[str]]:
    """``contr.poly``: orthonormal polynomials of equally spaced levels."""
    return orthogonal(np.arange(n, dtype=float), n - 1), [".L", ".Q", ".C", *(f"^{i}" for i in range(4, n))][: n - 1]


def _numbers(n: int) -> list[str]:
    return [str(i) for i in range(1, n)]


_MATRICES: dict[str, Callable[[int], tuple[np.ndarray, list[str]]]] = {
    "Sum": _sum, "Helmert": _helmert, "Poly": _poly, "Diff": _diff,
}  # fmt: skip
TREATMENT, POLYNOMIAL = Contrast(), Contrast("Poly")
# patsy's names, and R's for the same.
KINDS = ("Treatment", *_MATRICES)
CODINGS: dict[str, str] = {
    **{kind: kind for kind in KINDS},
    "contr.treatment": "Treatment", "contr.sum": "Sum", "contr.helmert": "Helmert", "contr.poly": "Poly", "contr.sdif": "Diff",
}  # fmt: skip
