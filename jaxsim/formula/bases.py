"""Columns that a variable is expanded to, with what they learn from the fitted rows: ``scale``, ``center``, ``poly``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from jaxsim.errors import InputError, brief, finite


class Basis(Protocol):
    """What a call has learned from the fitted rows."""

    def on(self, x: np.ndarray) -> np.ndarray:
        """The columns of any rows: ``[N]``, or ``[N, k]`` for several."""


@dataclass(frozen=True)
class Linear:
    """``(x - center) / scale``."""

    center: float
    scale: float

    def on(self, x: np.ndarray) -> np.ndarray:
        """``[N]``."""
        return (x - self.center) / self.scale


def learn_center(x: np.ndarray) -> Linear:
    """``x - mean(x)``."""
    return Linear(float(np.mean(x)), 1.0)


def learn_scale(x: np.ndarray, center: Any, scale: Any) -> Linear:
    """R's ``scale``: by the mean and the standard deviation, or by numbers; without a center by the root mean square (N - 1)."""
    shift = _chosen("center", center, float(np.mean(x)), 0.0)
    rest = x - shift
    spread = float(np.sqrt(np.sum(rest**2) / max(1, len(x) - 1)))
    divisor = _chosen("scale", scale, spread, 1.0)
    if not divisor > 0:
        raise InputError("the scale is 0, as all rows have the same value; leave it out.")
    return Linear(shift, divisor)


def _chosen(name: str, given: Any, learned: float, none: float) -> float:
    if isinstance(given, bool):
        return learned if given else none
    if not finite(given):
        raise InputError(f"{name}={brief(given)}: give TRUE, FALSE or a number.")
    return float(given)


@dataclass(frozen=True)
class Powers:
    """``x, x^2, ..``."""

    degree: int

    def on(self, x: np.ndarray) -> np.ndarray:
        """``[N, degree]``, or ``[N]`` for one."""
        return x if self.degree == 1 else x[:, None] ** np.arange(1.0, self.degree + 1)


@dataclass(frozen=True, eq=False)
class Orthogonal:
    """Orthonormal polynomials by their three-term recurrence (Kennedy and Gentle 1980, section 12.4), as R's ``poly``.

    Attributes:
        alpha: centres, ``[degree]``.
        norm2: squared norms of the polynomials 0, 1, .., degree with leading coefficient one, ``[degree + 1]``.
    """

    alpha: np.ndarray
    norm2: np.ndarray

    def on(self, x: np.ndarray) -> np.ndarray:
        """``[N, degree]``, or ``[N]`` for one."""
        before, now = np.zeros(len(x)), np.ones(len(x))
        found = []
        for k, center in enumerate(self.alpha):
            lag = self.norm2[k] / self.norm2[k - 1] if k else 0.0
            before, now = now, (x - center) * now - lag * before
            found.append(now / np.sqrt(self.norm2[k + 1]))
        return found[0] if len(found) == 1 else np.column_stack(found)


def learn_poly(x: np.ndarray, degree: Any, raw: Any) -> Basis:
    """R's ``poly(x, degree)``: orthonormal polynomials of the fitted rows, or powers if ``raw``."""
    distinct = len(np.unique(x))
    number = whole("degree", degree, 1)
    if raw not in (True, False):
        raise InputError(f"raw={brief(raw)}: give TRUE or FALSE.")
    if raw:
        return Powers(number)
    if number >= distinct:
        raise InputError(f"a polynomial of degree {number} needs more than {number} different values; the rows have {distinct}.")
    alpha, norm2, before, now = [], [float(len(x))], np.zeros(len(x)), np.ones(len(x))
    for k in range(number):
        alpha.append(float(np.sum(x * now**2) / norm2[k]))
        lag = norm2[k] / norm2[k - 1] if k else 0.0
        before, now = now, (x - alpha[k]) * now - lag * before
        norm2.append(float(np.sum(now**2)))
    return Orthogonal(np.array(alpha), np.array(norm2))


def orthogonal(x: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal polynomials of different numbers, ``[N, degree]``, orthogonal to 16 digits; leading coefficients are positive."""
    basis = [np.full(len(x), len(x) ** -0.5)]
    half = np.abs(x - x.mean()).max()
    for _ in range(degree):
        now = (x - x.mean()) / half * basis[-1]
        for _ in range(2):  # once leaves the rounding of a nearly dependent column
            now = now - np.column_stack(basis) @ (np.array(basis) @ now)
        basis.append(now / np.linalg.norm(now))
    return np.column_stack(basis[1:]) if degree else np.zeros((len(x), 0))


def whole(name: str, value: Any, least: int) -> int:
    """A whole number, written as ``3`` or ``3.0``, of at least ``least`` and below 100."""
    if not finite(value) or value != int(value) or not least <= value < 100:
        shown = brief(int(value) if finite(value) and value == int(value) else value)
        raise InputError(f"{name}={shown}: give a whole number from {least} to 99.")
    return int(value)
