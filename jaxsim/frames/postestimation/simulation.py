"""Responses simulated from a fitted model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.errors import truth, whole_number
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.fit_components import require_law
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of


def simulate(fit: Fitted, n: int = 1, seed: int = 0, conditional: bool = False) -> pd.DataFrame:
    """Responses simulated from the fitted model at its own rows.

    Args:
        fit: the model, from ``lmer`` or ``ols``.
        n: number of simulated responses.
        seed: of the random numbers, a non-negative whole number below 2**32; the first of ``n`` responses are those of a smaller
            ``n``.
        conditional: keep the conditional modes of the groups that were fitted, instead of drawing new random effects (of all
            grouping factors) as lme4's ``simulate`` does.

    Returns:
        ``sim_1, sim_2, ..`` (as R names them), a row for each row used, with its label in the data.

    Raises:
        InputError: for a fit without an answer, or of a method that does not say how rows of a group depend on each other.
    """
    whole_number("n", n, 1)
    draws = responses(fit, n, seed, conditional)
    return pd.DataFrame(draws.T, index=fit.model.rows.index, columns=[f"sim_{i + 1}" for i in range(n)])


def responses(fit: Fitted, n: int, seed: int, conditional: bool = False) -> np.ndarray:
    """``n`` responses of the model's rows, ``[n, N]``; arguments as :func:`simulate`."""
    require_law(fit, "simulating")
    rng = np.random.default_rng(whole_number("seed", seed, 0, 2**32 - 1))
    model, grouped = fit.model, truth("conditional", conditional)
    mean = model.x.values @ fit.beta + offset_of(model)
    if grouped and isinstance(model, MixedModel):
        mean = mean + fit.of_group(model.x.values, model.z, model.levels if model.several else model.codes)
    assert fit.sigma is not None
    noise = fit.sigma / np.sqrt(weights_of(model))
    found = np.empty((n, len(model.y)))
    parts = parts_of(fit) if isinstance(model, MixedModel) and not grouped else []
    for i in range(n):
        found[i] = mean + noise * rng.normal(size=len(mean))
        for z, codes, factor in parts:
            effects = rng.normal(size=(int(codes.max()) + 1, len(factor))) @ factor.T
            found[i] += np.einsum("nq,nq->n", z, effects[codes])
    return found


def parts_of(fit: Fitted) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each grouping factor its columns ``[N, q]``, the level of each row ``[N]`` and a factor of its covariance ``[q, q]``."""
    model, factor, z = fit.model, factor_of(fit), fit.model_z
    assert isinstance(model, MixedModel)
    assert z is not None
    columns = [model.columns_of(f) for f in range(len(model.factors))]
    return [(z[:, at], own.codes, factor[np.ix_(at, at)]) for at, own in zip(columns, model.factors, strict=True)]


def factor_of(fit: Fitted) -> np.ndarray:
    """A factor of the covariance of the random effects, ``[Q, Q]``, in units of the response."""
    assert isinstance(fit.model, MixedModel)
    assert fit.theta is not None
    assert fit.sigma is not None
    rows, columns = fit.model.structure.entries.T
    factor = np.zeros((fit.model.structure.size,) * 2)
    factor[rows, columns] = fit.sigma * fit.theta
    return factor
