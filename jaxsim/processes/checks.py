"""Validation of what a process is given: each returns the normalised value or raises an :class:`InputError`."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np

from jaxsim.errors import LARGEST, InputError, brief, whole_number
from jaxsim.processes.distributions import GroupSizes

# A correlation matrix typed to a few digits may miss semi-definiteness by its rounding; beyond this it is a mistake.
SEMIDEFINITE_TOLERANCE = 1e-8
# The largest number that a process is given: of squares, which datasets are reduced to, products must be numbers, too.
HUGE = 1e70
# Numbers that a field may have at most.
MOST = 2**20


def group_sizes(n_obs: object, n_groups: int) -> int | tuple[int, ...] | GroupSizes:
    """One number, one per group, or a distribution."""
    if isinstance(n_obs, GroupSizes):
        return n_obs
    if isinstance(n_obs, list | tuple) or (isinstance(n_obs, np.ndarray) and n_obs.ndim):
        if len(n_obs) != n_groups:
            raise InputError(f"n_obs has {len(n_obs)} sizes for n_groups={n_groups}; give one per group.")
        return tuple(whole_number("n_obs", n, 1) for n in n_obs)
    return whole_number("n_obs", n_obs, 1)


def count_of_groups(kind: str, count: object, remedy: str) -> int:
    """The largest number of groups that an own process says its datasets have; ``remedy`` is how it can say it."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(f"{kind} does not say how many groups a dataset can have: give it {remedy}.")
    return count


def numbers(value: object) -> np.ndarray:
    """What was given as floats; one NaN for anything that is none."""
    try:
        if isinstance(value, str) or (isinstance(value, Sized) and len(value) > MOST):
            return np.array(np.nan)
        return np.asarray(value, float)
    except (TypeError, ValueError, OverflowError, RecursionError, MemoryError):
        return np.array(np.nan)


def all_rows(n_groups: int, largest: int) -> None:
    """Raise :class:`InputError` for datasets that may have more rows than can be counted.

    Args:
        n_groups, largest: groups of a dataset, and rows of one of them, at most.
    """
    if n_groups * largest > LARGEST:
        raise InputError(
            f"{n_groups:,} groups (n_groups) of up to {largest:,} rows (n_obs) are {n_groups * largest:,} rows; give at most "
            f"{LARGEST:,} in all."
        )


def standard_deviations(name: str, value: object, size: int) -> float | tuple[float, ...]:
    """One non-negative SD, or one per term."""
    array = numbers(value)
    if not (array >= 0).all() or not (array <= HUGE).all():
        raise InputError(f"{name}={brief(value)}: a standard deviation is a finite number of at least 0 (and at most {HUGE:g}).")
    if array.ndim == 0:
        return float(array)
    if array.shape != (size,):
        raise InputError(f"{name}={brief(value)}: give one number, or one per term ({size}, the intercept first).")
    return tuple(float(v) for v in array)


def correlation_matrix(value: object, size: int) -> tuple[tuple[float, ...], ...] | None:
    """None, or a positive semi-definite correlation matrix ``[P, P]``; a single number is every pair's correlation."""
    if value is None:
        return None
    array = numbers(value)
    if array.ndim == 0 and not np.isfinite(array):
        raise InputError(f"correlation={brief(value)}: give a matrix of finite numbers, one number, or None.")
    if array.ndim == 0:
        array = np.full((size, size), float(array))
        np.fill_diagonal(array, 1.0)
    if array.shape != (size, size):
        raise InputError(f"correlation has shape {array.shape}; give {size} x {size}, one row per term, the intercept first.")
    if not np.isfinite(array).all() or not np.allclose(array, array.T, atol=1e-12) or not np.allclose(np.diagonal(array), 1.0):
        raise InputError("correlation: give a symmetric matrix of finite numbers with ones on its diagonal.")
    lowest = np.linalg.eigvalsh(array)[0]
    if lowest < -SEMIDEFINITE_TOLERANCE:
        raise InputError(
            f"correlation is not positive semi-definite (smallest eigenvalue {lowest:.3g}): no random effects can have it; "
            "make the correlations smaller or consistent with each other."
        )
    return tuple(tuple(float(v) for v in row) for row in array)
