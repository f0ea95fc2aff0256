"""Contrasts of estimated marginal means or slopes: pairwise differences, differences from a reference or the mean, or one's own."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief, choose, finite, several
from jaxsim.formula.columns import level_name
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation.adjust import ADJUSTMENTS, Family, adjusted, multiplier
from jaxsim.frames.postestimation.estimability import estimates
from jaxsim.frames.postestimation.marginal_means import Means, means
from jaxsim.frames.postestimation.reference_grid import is_number
from jaxsim.frames.postestimation.tested import level_of, linear_tests_of
from jaxsim.frames.postestimation.trends import slopes
from jaxsim.inference import t_table

METHODS: tuple[str, ...] = ("pairwise", "reference", "consecutive", "poly", "effects", "others")
_ALIASES = {
    "trt.vs.ctrl": "reference",
    "consec": "consecutive",
    "revpairwise": "pairwise",
    "eff": "effects",
    "del.eff": "others",
}
_DEFAULTS = {"pairwise": "tukey", "reference": "sidak", "consecutive": "sidak", "effects": "fdr", "others": "fdr"}
_DEGREES = ("linear", "quadratic", "cubic", "quartic")
# A level with such a sign is put in parentheses, so that its name cannot be read as a difference.
_SIGNS = re.compile(r"[-+*/]")

Weights = dict[str, np.ndarray]


def contrasts(
    fit: Fitted,
    specs: str | Sequence[str],
    adjust: str | None = None,
    method: str | Mapping[str, Sequence[float]] = "pairwise",
    by: str | Sequence[str] | None = None,
    *,
    slope: str | None = None,
    at: Mapping[str, Any] | None = None,
    df: str | None = None,
    conf_level: float | None = None,
) -> pd.DataFrame:
    """Contrasts of estimated marginal means, as R's emmeans (see :func:`~jaxsim.frames.postestimation.marginal_means.emmeans`).

    Args:
        fit: the model.
        specs, by, at, df, conf_level: of the means; each combination of the levels of ``by`` is a family of comparisons.
        adjust: of p values and intervals for the family: ``tukey`` (for pairwise differences), ``dunnettx`` (for reference:
            emmeans' approximation to Dunnett's test), ``bonferroni``, ``holm``, ``sidak``, ``scheffe``, ``fdr`` or ``none``. None:
            ``tukey`` for pairwise, ``sidak`` for reference and consecutive, ``fdr`` for effects and others, else ``none``.
        method: ``pairwise``; ``reference``, each less the first (that of ``at``, where it names levels); ``consecutive``, each less
            the one before; ``effects``, each less the mean of all; ``others``, each less the mean of the others; ``poly``,
            orthogonal polynomials of equally spaced levels; or weights by name, such as ``{"a against others": [1, -.5, -.5]}``.
        slope: a column of numbers, to compare the slopes in it instead of the means (emmeans' ``pairs(emtrends(..))``); see
            :func:`~jaxsim.frames.postestimation.trends.trends`.

    Returns:
        ``contrast``, a column for each name in ``by``, ``estimate, std_error, df, statistic, p_value, conf_low, conf_high``.

    Raises:
        InputError: as ``emmeans``; also for options that are unknown or do not go together, and fewer than two means.
    """
    tests, level = linear_tests_of(fit, df), level_of(fit, conf_level)
    asked = means(fit.model, specs, by, at) if slope is None else slopes(fit.model, slope, specs, by, at)
    labels = mean_labels(asked)
    weights = weights_of(method, labels)
    kind = _adjustment(adjust, method)
    matrix = np.array(list(weights.values()))
    tables = []
    for block in asked.within:
        rows = matrix @ asked.rows[block]
        estimate, error, degrees = estimates(fit, tests, rows, "contrasts")
        estimate = estimate + matrix @ asked.offset[block]
        found = t_table(estimate, error, degrees)
        family = Family(len(rows), len(block), int(np.linalg.matrix_rank(rows)))
        half = multiplier(level, degrees, family, kind) * error
        columns = {"estimate": estimate, "std_error": error, "df": degrees, "statistic": found.statistic}
        columns["p_value"] = adjusted(found.p_value, found.statistic, degrees, family, kind)
        names = {name: asked.levels[name].iloc[block[0]] for name in asked.by}
        table = pd.DataFrame({"contrast": list(weights)}).assign(**names, **columns)
        tables.append(table.assign(conf_low=estimate - half, conf_high=estimate + half))
    return pd.concat(tables, ignore_index=True)


def _adjustment(adjust: str | None, method: str | Mapping[str, Sequence[float]]) -> str:
    name = method if isinstance(method, str) else "own"
    name = _ALIASES.get(name, name)
    if adjust is None:
        return _DEFAULTS.get(name, "none")
    choose("adjust", adjust, ADJUSTMENTS)
    if adjust == "dunnettx" and name != "reference":
        raise InputError("adjust='dunnettx' is for differences from a reference; with other contrasts use 'sidak' or 'holm'.")
    if adjust == "tukey" and name != "pairwise":
        raise InputError("adjust='tukey' is for all pairwise differences; with other contrasts use 'sidak' or 'holm'.")
    return adjust


def mean_labels(asked: Means) -> list[str]:
    """Names of the means of one family, as emmeans writes them: ``B``, ``B late``; numbers after the name of their factor."""
    wanted = [name for name in asked.levels if name not in asked.by]
    first = asked.levels.iloc[asked.within[0]]
    parts = [[f"{name if is_number(first[name]) else ''}{_level(value)}" for value in first[name]] for name in wanted]
    joined = [" ".join(labels) for labels in zip(*parts, strict=True)]
    return [f"({label})" if _SIGNS.search(label) else label for label in joined]


def _level(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).upper()
    return level_name(float(value)) if isinstance(value, float | np.floating) else str(value)


def weights_of(method: str | Mapping[str, Sequence[float]], labels: Sequence[str]) -> Weights:
    """``{name: weights [K]}`` of contrasts of ``K`` means."""
    if isinstance(method, Mapping):
        return {str(name): _own(name, values, len(labels)) for name, values in method.items()} or _nothing(method)
    name = choose("method", _ALIASES.get(method, method) if isinstance(method, str) else method, METHODS)
    size = len(labels)
    if size < 2:
        raise InputError(f"there is one mean ({labels[0]}), with nothing to be compared to; name a factor, or values with at=.")
    if name == "poly":
        return polynomials(size)
    if name in ("effects", "others"):
        others = np.full((size, size), 1 / size) if name == "effects" else (1 - np.eye(size)) / (size - 1)
        return {f"{label} effect": own for label, own in zip(labels, np.eye(size) - others, strict=True)}
    if name == "pairwise":
        pairs = list(itertools.combinations(range(size), 2))
        pairs = [(j, i) for i, j in pairs] if method == "revpairwise" else pairs
    else:
        pairs = [(i, 0 if name == "reference" else i - 1) for i in range(1, size)]
    return {f"{labels[i]} - {labels[j]}": np.eye(size)[i] - np.eye(size)[j] for i, j in pairs}


def _nothing(method: object) -> Weights:
    raise InputError(f"method={brief(method)} has no contrast in it.")


def _own(name: object, values: object, size: int) -> np.ndarray:
    given = several(values, 10_000) or ()
    if len(given) != size or not all(finite(value.item() if isinstance(value, np.generic) else value) for value in given):
        raise InputError(f"the contrast {brief(name)} has the weights {brief(values)}; give a number for each of the {size} means.")
    return np.array(given, float)


def polynomials(size: int) -> Weights:
    """Orthogonal polynomials of equally spaced levels, in the smallest whole numbers, the last weight positive."""
    found: list[list[Fraction]] = [[Fraction(1)] * size]
    for degree in range(1, size):
        column = [Fraction(i) ** degree for i in range(size)]
        for earlier in found:
            share = _inner(column, earlier) / _inner(earlier, earlier)
            column = [a - share * b for a, b in zip(column, earlier, strict=True)]
        found.append(column)
    weights = {}
    for degree, column in enumerate(found[1:], start=1):
        shared = math.lcm(*(value.denominator for value in column))
        whole = [int(value * shared) for value in column]
        name = _DEGREES[degree - 1] if degree <= len(_DEGREES) else f"degree {degree}"
        weights[name] = np.array(whole, float) / math.gcd(*whole)
    return weights


def _inner(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
