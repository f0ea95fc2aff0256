"""A mixed model's deviance in coordinates in which one parameter has a given value, and its minimum there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from jaxsim.frames.original_columns import triangular
from jaxsim.frames.postestimation.descent import minimise
from jaxsim.frames.postestimation.posed import Posed
from jaxsim.frames.postestimation.surface import Surface, derivatives


class Coordinates(NamedTuple):
    """Entries of the factor and log residual variance, ``[T + 1]``, as ``matrix @ free + fixed``."""

    matrix: np.ndarray
    fixed: np.ndarray


def entries_of(on: Surface, factor: np.ndarray, log_variance: float) -> np.ndarray:
    """The free entries of a factor and the log residual variance, ``[T + 1]``."""
    rows, columns = on.structure.entries.T
    return np.append(factor[rows, columns], log_variance)


def factor_at(on: Surface, entries: np.ndarray) -> np.ndarray:
    """The factor ``[Q, Q]`` with these entries."""
    rows, columns = on.structure.entries.T
    factor = np.zeros((on.structure.size,) * 2)
    factor[rows, columns] = entries[:-1]
    return factor


def least(on: Surface, coordinates: Coordinates, start: np.ndarray) -> tuple[float, np.ndarray]:
    """The least deviance in some coordinates, and all entries ``[T + 1]`` where it is; from entries nearby."""
    matrix, fixed = coordinates

    def function(free: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """The deviance with its derivatives, in the free coordinates."""
        entries = matrix @ free + fixed
        try:
            value, gradient, hessian = derivatives(on, factor_at(on, entries), entries[-1])
        except np.linalg.LinAlgError:  # so far away that nothing is left of the residual
            return np.inf, free, np.eye(len(free))
        return value, matrix.T @ gradient, matrix.T @ hessian @ matrix

    value, free = minimise(function, matrix.T @ (start - fixed))
    return value, matrix @ free + fixed


def optimum(problem: Posed, on: Surface) -> tuple[np.ndarray, float]:
    """Entries at the maximum of the likelihood and the deviance there: the best that is found from the fit and from two others."""
    own = problem.factor
    size = len(on.structure.entries) + 1
    everything = Coordinates(np.eye(size), np.zeros(size))
    starts = [entries_of(on, factor, 0.0) for factor in (own, np.eye(len(own)), 0.3 * np.eye(len(own)))]
    value, place = min((least(on, everything, start) for start in starts), key=lambda found: found[0])
    return place, value


def turned_to(on: Surface, place: np.ndarray, block: tuple[int, ...], ahead: np.ndarray) -> tuple[Surface, np.ndarray, np.ndarray]:
    """The same surface and place for orthogonal combinations of the effects of a block: the first is along the first of the vectors
    ``ahead`` ``[Q, k]``, the second along what is left of the next; and the combinations, ``[Q, Q]``."""
    at = list(block)
    combined, upper = np.linalg.qr(np.column_stack([ahead[at], np.eye(len(at))]))
    signs = np.ones(len(at))
    signs[: ahead.shape[1]] = np.where(np.diagonal(upper)[: ahead.shape[1]] < 0, -1.0, 1.0)
    turn = np.eye(on.structure.size)
    turn[np.ix_(at, at)] = combined * signs
    moved = replace(on, zz=turn.T @ on.zz @ turn, zx=turn.T @ on.zx, zy=on.zy @ turn)
    return moved, entries_of(moved, triangular(turn.T @ factor_at(on, place)), place[-1]), turn


def least_correlated(
    on: Surface, places: list[int], shares: tuple[float, float], value: float, near: np.ndarray
) -> tuple[float, np.ndarray]:
    """The least deviance with a correlation between two effects, whose three entries of the factor are at ``places``.

    ``shares`` are alpha and beta of :mod:`jaxsim.frames.postestimation.profile`. Both standard deviations must have one sign; where
    they would not, the least is where one is zero.
    """
    size, (alpha, beta), rest = len(near), shares, np.sqrt(max(1 - value**2, 0.0))
    constraint = np.array([alpha * rest, beta * rest, -value * beta])
    others = np.delete(np.eye(size), places, axis=1)

    def within(*constraints: np.ndarray) -> tuple[float, np.ndarray]:
        """The least deviance on a subspace."""
        _, _, axes = np.linalg.svd(np.array(constraints))
        free = np.zeros((size, 3 - len(constraints)))
        free[places] = axes[len(constraints) :].T
        return least(on, Coordinates(np.column_stack([others, free]), np.zeros(size)), near)

    found, place = within(constraint)
    first, below, beside = place[places]
    second = value * (alpha * first + beta * below) + rest * beta * beside
    if first * second >= 0:
        return found, place
    ends = (np.array([1.0, 0, 0]), np.array([value * alpha, value * beta, rest * beta]))
    return min((within(constraint, end) for end in ends), key=lambda pair: pair[0])
