"""A regression of a DataFrame made ready (formula, model matrix, groups), and its answer as tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.data.context import Context
from jaxsim.errors import InputError, brief
from jaxsim.formula.columns import collect, grouping, require, two_groups
from jaxsim.formula.expression import response
from jaxsim.formula.model_matrix import ModelMatrix, model_matrix
from jaxsim.formula.parse import Formula, parse
from jaxsim.frames.result import FitResult, check_level, coefficient_table, square
from jaxsim.inference import InferenceTable
from jaxsim.seeding import analysis_key
from jaxsim.status import Status


@dataclass(frozen=True)
class Regression:
    """A regression ready to be fitted: response ``y`` ``[N]``, model matrix, groups (None without), what was dropped.

    ``ways`` has codes and labels of every grouping factor; ``codes`` and ``labels`` are those of the one with the fewest groups.
    """

    formula: Formula
    y: np.ndarray
    x: ModelMatrix
    codes: np.ndarray | None
    labels: pd.Index | None
    messages: tuple[str, ...]
    ways: tuple[tuple[np.ndarray, pd.Index], ...] = ()


def prepare(
    text: str, data: pd.DataFrame, group: str | tuple[str, ...] | None, conf_level: float, argument: str = ""
) -> Regression:
    """Check the input and build the model matrix; several grouping factors are kept apart."""
    check_level(conf_level)
    formula = parse(text)
    if formula.random:
        raise InputError(f"the formula {text!r} has random effects; fit it with lmer, or leave them out.")
    factors = (group,) if isinstance(group, str) else group or ()
    for name in factors:
        require(data, [name], f"{argument}={brief(name)} names the column of the groups, so there must be")
    names = tuple(dict.fromkeys((*formula.names, *factors)))
    rows = collect(data, names, text)
    y, x = response(formula.response, rows.frame), model_matrix(formula.fixed, rows.frame)
    if not x.names:
        raise InputError(f"the formula {text!r} has no coefficients; write 'y ~ 1' for an intercept.")
    ways = tuple(grouping(rows.frame, [name]) for name in factors)
    for _, labels in ways:
        two_groups(labels)
    if not ways:
        return Regression(formula, y, x, None, None, rows.messages)
    codes, labels = min(ways, key=lambda way: len(way[1]))
    return Regression(formula, y, x, codes, labels, rows.messages, ways)


def column_argument(argument: str, value: str) -> str:
    """``value`` if it can be the name of a column, else :class:`InputError`."""
    if not isinstance(value, str):
        raise InputError(f"{argument}={brief(value)} must be the name of the column that holds the groups.")
    return value


def seeded(seed: int, conf_level: float) -> Context:
    """What a method that resamples needs, from the user's seed."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed={brief(seed)} must be an integer from 0 to 2**32 - 1.")
    return Context(analysis_key(seed), conf_level)


@dataclass(frozen=True)
class Answer:
    """What a strategy found for a regression, in the user's columns; arrays are NaN where there is no answer.

    ``estimate``, ``df`` ``[P]``; ``vcov`` ``[P, P]``; ``own`` holds p values and confidence limits ``[P]`` that do not come
    from the t distribution (None where they do); ``coef`` every group's own coefficients.
    """

    status: Status
    message: str
    estimate: np.ndarray
    vcov: np.ndarray
    df: np.ndarray
    criterion: float | None = None
    sigma: float | None = None
    own: InferenceTable | None = None
    coef: pd.DataFrame | None = None


def nothing(regression: Regression, status: Status, message: str) -> Answer:
    """The answer of a regression that could not be fitted."""
    p = regression.x.values.shape[1]
    return Answer(status, message, np.full(p, np.nan), np.full((p, p), np.nan), np.full(p, np.nan))


def report(regression: Regression, found: Answer, method: str, conf_level: float) -> FitResult:
    """The answer as tables."""
    names = regression.x.names
    table = coefficient_table(names, found.estimate, np.sqrt(np.diagonal(found.vcov)), found.df, conf_level, found.own)
    return FitResult(
        table=table,
        criterion=found.criterion,
        sigma=found.sigma,
        theta=None,
        theta_names=None,
        varcorr=None,
        covariance=None,
        random_effects=None,
        coef=found.coef,
        vcov=square(found.vcov, names),
        status=found.status.label,
        converged=found.status is Status.OK,
        singular=False,
        n_rows=len(regression.y),
        n_groups=None if regression.labels is None else len(regression.labels),
        messages=regression.messages + ((found.message,) if found.message else ()),
        formula=regression.formula.text,
        method=method,
        conf_level=conf_level,
        resampled=found.own is not None,
    )
