"""Coefficients of single groups from their rows, by dense textbook computations."""

from __future__ import annotations

import numpy as np


def groups_of(frame, columns=("IV1",)):
    """``X_g`` with an intercept, and ``y_g``, of every group."""
    return [(np.column_stack([np.ones(len(g)), g[list(columns)]]), g["DV"].to_numpy()) for _, g in frame.groupby("Group")]


def own(groups):
    """Each group's own least squares, ``[G, P]``."""
    return np.array([np.linalg.lstsq(x, y, rcond=None)[0] for x, y in groups])


def dense_blups(groups, covariance, sigma):
    """Generalised least squares and ``beta + Sigma Z'V^-1 (y - X beta)``, from every group's covariance matrix of rows."""
    inverse = [np.linalg.inv(sigma**2 * np.eye(len(y)) + x @ covariance @ x.T) for x, y in groups]
    left = sum(x.T @ v @ x for (x, _), v in zip(groups, inverse, strict=True))
    right = sum(x.T @ v @ y for (x, y), v in zip(groups, inverse, strict=True))
    beta = np.linalg.solve(left, right)
    return np.array([beta + covariance @ x.T @ v @ (y - x @ beta) for (x, y), v in zip(groups, inverse, strict=True)])


def covariance_of(fit, terms=("Intercept", "IV1")):
    """Of the random effects of these terms, from the stored standard deviations and correlations; 0 for terms without one."""
    sd = np.array([fit.get(f"sd_Group_{term}", np.nan) for term in terms])
    correlation = np.eye(len(terms))
    for i, a in enumerate(terms):
        for j, b in enumerate(terms):
            value = fit.get(f"cor_Group_{a}_{b}", np.nan)
            if i != j and np.isfinite(value):
                correlation[i, j] = correlation[j, i] = value
    return np.nan_to_num(correlation * np.outer(sd, sd))
