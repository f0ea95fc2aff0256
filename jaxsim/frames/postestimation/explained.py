"""Shares of variance: what fixed effects and groups explain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.errors import NotSupportedError
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.fit_components import covariance_of
from jaxsim.frames.postestimation.row_terms import weights_of


def r2(fit: Fitted) -> pd.Series:
    """Explained shares of the variance of the response.

    Of a mixed model ``marginal`` and ``conditional`` (Nakagawa & Schielzeth 2013, *Methods in Ecology and Evolution* 4, 133-142;
    with random slopes Johnson 2014, ibid. 5, 944-946)::

        marginal = F / (F + R + sigma^2),  conditional = (F + R) / (F + R + sigma^2)

    with ``F`` the variance of the rows' expectations by the fixed effects, and ``R`` the mean over rows of ``z' Sigma z`` (the sum
    over the grouping factors where there are several). Of least
    squares ``r2`` and ``adjusted``, as R's ``summary.lm``: the weighted sum of squares of the fitted values, offset included, about
    their weighted mean (about zero without an intercept) over itself and that of the residuals.

    Raises:
        NotSupportedError: for ``lm2``, whose groups have residual variances of their own.
    """
    if isinstance(fit.model, MixedModel):
        fixed, random, rest = _components(fit)
        total = fixed + random + rest
        return pd.Series({"marginal": fixed / total, "conditional": (fixed + random) / total}, name="r2")
    if fit.coef is not None:
        raise NotSupportedError("r2 is not defined for a regression per group; fit the model with lmer.")
    weights, fitted, constant = weights_of(fit.model), fit.fitted.to_numpy(), int(fit.model.formula.fixed.intercept)
    explained = (weights * (fitted - constant * np.average(fitted, weights=weights)) ** 2).sum()
    share = explained / (explained + (weights * fit.residuals.to_numpy() ** 2).sum())
    adjusted = 1 - (1 - share) * (fit.n_rows - constant) / (fit.n_rows - len(fit.beta))
    return pd.Series({"r2": share, "adjusted": adjusted}, name="r2")


def icc(fit: Fitted) -> float:
    """Intraclass correlation ``R / (R + sigma^2)``, given the fixed effects, with ``R`` as in :func:`r2`.

    With random slopes the correlation differs between rows; this is performance's adjusted ICC, from their mean variance.

    Raises:
        NotSupportedError: for a fit without random effects.
    """
    if not isinstance(fit.model, MixedModel):
        raise NotSupportedError("icc is a ratio of variance components, which only a mixed model (lmer) has.")
    _, random, rest = _components(fit)
    return random / (random + rest)


def _components(fit: Fitted) -> tuple[float, float, float]:
    """Variances of the fixed part, of the random part (mean over rows), and of the residuals."""
    assert fit.model_z is not None
    assert fit.sigma is not None
    fixed = float(np.var(fit.model.x.values @ fit.beta, ddof=1))
    random = float(np.einsum("nq,qr,nr->n", fit.model_z, covariance_of(fit), fit.model_z).mean())
    return fixed, random, fit.sigma**2
