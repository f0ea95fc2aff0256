"""A mixed model evaluated at given variances by its definition: plain matrices of rows, no code shared with the estimator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd


class Columns(NamedTuple):
    """Names of a model's columns: the response, X (``Intercept`` among them), of each grouping factor those of Z and its own."""

    response: str
    fixed: tuple[str, ...]
    random: tuple[tuple[tuple[str, ...], str], ...]


class Evaluated(NamedTuple):
    """Criterion (minus twice the log-likelihood), generalised least squares ``[P]`` and its standard errors ``[P]``."""

    criterion: float
    estimate: np.ndarray
    std_error: np.ndarray


def evaluate(rows: pd.DataFrame, model: Columns, covariance: Sequence[np.ndarray], sigma: float, reml: bool) -> Evaluated:
    """The Gaussian likelihood of ``y ~ N(X beta, sum Z Sigma Z' + sigma^2 I)``, beta at its optimum: group by group with one
    grouping factor, with all rows at once with several.

    Args:
        rows: a simulated dataset.
        model: names of its columns.
        covariance: Sigma of each grouping factor, ``[Q, Q]``.
        sigma: residual standard deviation.
        reml: the restricted likelihood, as lme4 defines it, else the likelihood.
    """
    table, terms = rows.assign(Intercept=1.0), model.fixed
    information, right = np.zeros((len(terms), len(terms))), np.zeros(len(terms))
    square = determinant = 0.0
    for part in [table] if len(model.random) > 1 else [group for _, group in table.groupby(model.random[0][1])]:
        x, y = part[list(terms)].to_numpy(float), part[model.response].to_numpy(float)
        variance = sigma**2 * np.eye(len(y))
        for (columns, factor), own in zip(model.random, covariance, strict=True):
            z, codes = part[list(columns)].to_numpy(float), part[factor].to_numpy()
            variance += z @ own @ z.T * (codes[:, None] == codes)
        solved = np.linalg.solve(variance, np.column_stack([x, y]))
        information += x.T @ solved[:, :-1]
        right += x.T @ solved[:, -1]
        square += float(y @ solved[:, -1])
        determinant += float(np.linalg.slogdet(variance)[1])
    estimate = np.linalg.solve(information, right)
    n = len(table) - len(terms) if reml else len(table)
    criterion = determinant + square - right @ estimate + n * np.log(2 * np.pi)
    if reml:
        criterion += np.linalg.slogdet(information)[1]
    return Evaluated(float(criterion), estimate, np.sqrt(np.diagonal(np.linalg.inv(information))))
