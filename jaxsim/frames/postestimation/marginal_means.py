"""Estimated marginal means: expected responses at the levels of some factors, with equal weights over those of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief, choose, several
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.adjust import ADJUSTMENTS, Family, multiplier
from jaxsim.frames.postestimation.estimability import estimates
from jaxsim.frames.postestimation.reference_grid import known_predictor, reference_grid
from jaxsim.frames.postestimation.tested import level_of, linear_tests_of
from jaxsim.frames.regression import Regression


@dataclass(frozen=True, eq=False)
class Means:
    """Which means are asked for.

    Attributes:
        levels: a column for each of the factors, then those of ``by``, ``K`` rows.
        rows: combinations of all columns of the model, ``[K, R]``.
        offset: what is added to them, ``[K]``.
        within: rows that belong together: one array of positions for each combination of the levels of ``by``.
        by: the names that divide them.
    """

    levels: pd.DataFrame
    rows: np.ndarray
    offset: np.ndarray
    within: tuple[np.ndarray, ...]
    by: tuple[str, ...]


def means(
    model: MixedModel | Regression, specs: str | Sequence[str], by: str | Sequence[str] | None, at: Mapping[str, Any] | None
) -> Means:
    """The means at the levels of ``specs``, within those of ``by``."""
    grid = reference_grid(model, at)
    wanted, divided = wanted_names(specs, by, grid.names)
    levels, rows, offset = grid.over([*wanted, *divided])
    return Means(levels, rows, offset, families(levels, divided), divided)


def wanted_names(
    specs: str | Sequence[str], by: str | Sequence[str] | None, known: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns to compare, and those within whose levels that is done."""
    wanted, divided = names_of("specs", specs, known), () if by is None else names_of("by", by, known)
    wanted = tuple(name for name in wanted if name not in divided)
    if not wanted:
        raise InputError(f"specs={brief(specs)} names nothing beside by={brief(by)}; name a factor to compare.")
    return wanted, divided


def families(levels: pd.DataFrame, by: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Positions of the rows that share the levels of ``by``, the last columns of ``levels``, which vary slowest."""
    size = len(levels) // len(levels[list(by)].drop_duplicates()) if by else len(levels)
    return tuple(np.arange(start, start + size) for start in range(0, len(levels), size))


def names_of(argument: str, given: Any, known: Sequence[str]) -> tuple[str, ...]:
    """Columns: one, several joined by colons, or a list of them."""
    if isinstance(given, str):
        listed = (given,) if given in known else tuple(part.strip() for part in given.split(":"))
    else:
        listed = several(given, len(known)) or (given,)
    for name in listed:
        if not isinstance(name, str):
            raise InputError(f"{argument}={brief(given)} must name a factor, several as 'a:b', or a list of them.")
        known_predictor(name, known)
    return tuple(dict.fromkeys(listed))


def emmeans(
    fit: Fitted,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    adjust: str | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    df: str | None = None,
    conf_level: float | None = None,
) -> pd.DataFrame:
    """Estimated marginal means, as R's emmeans: with an offset they are those at its mean, or where ``at`` puts its columns.

    Args:
        fit: the model.
        specs: a factor, several as ``"a:b"``, or a list of them; a number has its mean (or the values of ``at``).
        by: factors within whose levels families of intervals are made.
        adjust: of the intervals of each family: ``none`` (None), ``bonferroni``, ``sidak`` or ``scheffe``.
        at: values of columns, such as ``{"day": [0, 9]}``; see :func:`~jaxsim.frames.postestimation.reference_grid.reference_grid`.
        df: degrees of freedom as for :func:`jaxsim.lmer`; None for those of the fit.
        conf_level: of the intervals; None for that of the fit.

    Returns:
        A column for each factor, then ``mean, std_error, df, conf_low, conf_high``.

    Raises:
        InputError: for names that are no predictors, values that cannot be, and a fit without tests.
    """
    method = interval_method(adjust)
    tests, level, asked = linear_tests_of(fit, df), level_of(fit, conf_level), means(fit.model, specs, by, at)
    mean, error, degrees = estimates(fit, tests, asked.rows, "means")
    mean = mean + asked.offset
    half = np.full(len(mean), np.nan)
    for block in asked.within:
        family = Family(len(block), len(block), int(np.linalg.matrix_rank(asked.rows[block])))
        half[block] = multiplier(level, degrees[block], family, method) * error[block]
    return asked.levels.assign(mean=mean, std_error=error, df=degrees, conf_low=mean - half, conf_high=mean + half)


def interval_method(adjust: str | None) -> str:
    """How intervals of means are adjusted."""
    of_differences = {"tukey": "all pairwise differences", "dunnettx": "differences from a reference"}
    if isinstance(adjust, str) and adjust in of_differences:
        raise InputError(
            f"adjust={adjust!r} is for {of_differences[adjust]}, see contrasts; for means use 'sidak' or 'bonferroni'."
        )
    return "none" if adjust is None else choose("adjust", adjust, [name for name in ADJUSTMENTS if name not in of_differences])
