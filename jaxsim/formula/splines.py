"""B-splines and natural cubic splines as R's package splines has them, with the knots learned from the fitted rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsim.errors import InputError, brief, finite
from jaxsim.formula.bases import whole

CUBIC = 3


@dataclass(frozen=True, eq=False)
class Spline:
    """B-splines on some knots, or natural cubic ones, which are linear beyond the boundary.

    Attributes:
        knots: all of them, those of the boundary ``degree + 1`` times.
        degree: of the pieces.
        drop: columns of the B-splines that are left out, 0 or 1.
        natural: turns B-splines into natural ones, ``[B, k]``; None for B-splines.
    """

    knots: np.ndarray
    degree: int
    drop: int
    natural: np.ndarray | None = None

    def on(self, x: np.ndarray) -> np.ndarray:
        """``[N, k]``, or ``[N]`` for one. Beyond the boundary the outer pieces of B-splines go on, as in R's ``predict``."""
        if self.natural is None:
            return _narrow(self.splines(x))
        low, high = self.knots[0], self.knots[-1]
        inside = np.clip(x, low, high)
        slopes = np.stack([self.splines(np.array([end]), 1)[0] for end in (low, high)])
        beyond = np.where((x < low)[:, None], slopes[0], slopes[1]) * (x - inside)[:, None]
        return _narrow((self.splines(inside) + beyond) @ self.natural)

    def splines(self, x: np.ndarray, derivative: int = 0) -> np.ndarray:
        """The B-splines that are kept, or a derivative of them, ``[N, B]``."""
        from scipy.interpolate import BSpline  # noqa: PLC0415 - half a second that most formulas do not need

        count = len(self.knots) - self.degree - 1
        spline = BSpline(self.knots, np.eye(count), self.degree, extrapolate=True)
        return np.asarray(spline(x, nu=derivative))[:, self.drop :]


def _narrow(columns: np.ndarray) -> np.ndarray:
    return columns[:, 0] if columns.shape[1] == 1 else columns


def learn_bs(x: np.ndarray, df: Any, knots: Any, degree: Any, intercept: Any, boundary: Any) -> Spline:
    """R's ``bs``: knots inside at the quantiles of the fitted rows that leave ``df`` columns, or as given."""
    order = whole("degree", degree, 1) + 1
    drop = 0 if _truth("intercept", intercept) else 1
    ends = _boundary(boundary, x)
    inner = _inner(x, ends, df, knots, order - drop)
    return Spline(np.sort([*np.repeat(ends, order), *inner]), order - 1, drop)


def learn_ns(x: np.ndarray, df: Any, knots: Any, intercept: Any, boundary: Any) -> Spline:
    """R's ``ns``: cubic splines whose second derivatives vanish at the boundary, by a QR decomposition of these two conditions."""
    drop = 0 if _truth("intercept", intercept) else 1
    ends = _boundary(boundary, x)
    inner = _inner(x, ends, df, knots, 2 - drop)
    spline = Spline(np.sort([*np.repeat(ends, CUBIC + 1), *inner]), CUBIC, drop)
    curvature = spline.splines(ends, 2)
    q, _ = np.linalg.qr(curvature.T, mode="complete")
    return Spline(spline.knots, CUBIC, drop, q[:, 2:])


def _inner(x: np.ndarray, ends: np.ndarray, df: Any, knots: Any, least: int) -> np.ndarray:
    """The knots inside: as given, or so many that there are ``df`` columns; ``least`` is their number without any."""
    if knots is not None:
        given = _numbers("knots", knots)
        if not ((given > ends[0]) & (given < ends[1])).all():
            raise InputError(f"knots={brief(knots)}: give numbers inside the boundary, {ends[0]:.6g} to {ends[1]:.6g}.")
        return given
    if df is None:
        return np.zeros(0)
    count = whole("df", df, max(least, 1)) - least
    return np.quantile(x[(x >= ends[0]) & (x <= ends[1])], np.linspace(0, 1, count + 2)[1:-1])


def _boundary(given: Any, x: np.ndarray) -> np.ndarray:
    """Both ends, ``[2]``: the range of the fitted rows unless given."""
    ends = np.array([x.min(), x.max()]) if given is None else np.sort(_numbers("Boundary.knots", given))
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise InputError(f"a spline needs two different ends; there are {', '.join(f'{end:.6g}' for end in ends)}.")
    if not ((x >= ends[0]) & (x <= ends[1])).any():
        raise InputError(f"no row lies between the ends {ends[0]:.6g} and {ends[1]:.6g} of a spline.")
    return ends


def _numbers(name: str, given: Any) -> np.ndarray:
    values = given if isinstance(given, tuple) else (given,)
    if not all(finite(value) for value in values) or not values:
        raise InputError(f"{name}={brief(given)}: give a number, or several as c(1, 2).")
    return np.array(values, dtype=float)


def _truth(name: str, given: Any) -> bool:
    if isinstance(given, bool):
        return given
    raise InputError(f"{name}={brief(given)}: give TRUE or FALSE.")
