"""Marginal means and their contrasts from draws of a posterior: the same combinations of coefficients, draw by draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.contrast import mean_labels, weights_of
from jaxsim.frames.postestimation.marginal_means import means, typical_offset


def posterior_means(
    model: MixedModel,
    beta: np.ndarray,
    conf_level: float,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Marginal means (see :func:`~jaxsim.frames.postestimation.marginal_means.emmeans`) of draws ``beta`` ``[S, P]``.

    Returns:
        A column for each factor, then ``mean`` (of the posterior), ``std_error`` (its SD), ``median, conf_low, conf_high``
        (equal-tailed).
    """
    asked = means(model, specs, by, at)
    return asked.levels.assign(**_summary(_draws(model, beta, asked.rows) + typical_offset(model), conf_level, "mean"))


def posterior_contrasts(
    model: MixedModel,
    beta: np.ndarray,
    conf_level: float,
    specs: str | Sequence[str],
    method: str | Mapping[str, Sequence[float]] = "pairwise",
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Contrasts of marginal means (see :func:`~jaxsim.frames.postestimation.contrast.contrasts`) of draws ``beta`` ``[S, P]``.

    Returns:
        ``contrast``, a column for each name in ``by``, ``estimate, std_error, median, conf_low, conf_high, prob_direction`` (the
        larger of the probabilities to be positive and negative).
    """
    asked = means(model, specs, by, at)
    weights = weights_of(method, mean_labels(asked))
    matrix = np.array(list(weights.values()))
    tables = []
    for block in asked.within:
        draws = _draws(model, beta, matrix @ asked.rows[block])
        table = pd.DataFrame({"contrast": list(weights)})
        for name in asked.by:
            table[name] = asked.levels[name].iloc[block[0]]
        positive = (draws > 0).mean(0)
        summary = _summary(draws, conf_level, "estimate")
        tables.append(table.assign(**summary, prob_direction=np.maximum(positive, 1 - positive)))
    return pd.concat(tables, ignore_index=True)


def _draws(model: MixedModel, beta: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of combinations of all columns ``[K, R]``, ``[S, K]``."""
    if model.x.aliased:
        raise InputError(f"means of a posterior need every cell of the factors; {', '.join(model.x.aliased)} was dropped.")
    return beta @ rows.T


def _summary(draws: np.ndarray, conf_level: float, name: str) -> dict[str, np.ndarray]:
    low, middle, high = np.quantile(draws, [(1 - conf_level) / 2, 0.5, (1 + conf_level) / 2], axis=0)
    return {name: draws.mean(0), "std_error": draws.std(0, ddof=1), "median": middle, "conf_low": low, "conf_high": high}
