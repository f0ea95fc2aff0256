"""The parametric bootstrap of a fit: simulate from it, refit, and look at what the refits say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.errors import choose, whole_number
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation.fit_components import component_values, is_reml, parameter_names, random_components, require_law
from jaxsim.frames.postestimation.nesting import check_offsets, check_rows
from jaxsim.frames.postestimation.refits import Refits, refit
from jaxsim.frames.postestimation.simulation import responses
from jaxsim.status import LABELS

KINDS = ("parametric", "conditional")


def bootstrap(fit: Fitted, n: int = 1000, seed: int = 0, kind: str = "parametric") -> pd.DataFrame:
    """The estimates of ``n`` refits to responses simulated from the fit, by its own criterion (REML or ML).

    Args:
        fit: the model, from ``lmer`` or ``ols``.
        n: number of refits.
        seed: of the random numbers, a non-negative whole number below 2**32.
        kind: ``parametric``: new random effects in every response, as lme4's ``bootMer``; ``conditional``: the conditional modes of
            the fitted groups (``use.u = TRUE`` there).

    Returns:
        A row for each refit: fixed effects by their terms, ``sd_<group>_<term>``, ``cor_<group>_<term>_<term>``, ``sigma``,
        ``criterion``, and ``status``. A refit that failed is a row of NaN with its status; a correlation is NaN where a standard
        deviation is zero.

    Raises:
        InputError: for a fit without an answer, or of a method that does not say how rows of a group depend on each other.
    """
    whole_number("n", n, 1)
    choose("kind", kind, KINDS)
    require_law(fit, "the bootstrap")
    draws = responses(fit, n, seed, kind == "conditional")
    return table(fit, refit(fit.model, draws, is_reml(fit)))


def table(fit: Fitted, found: Refits) -> pd.DataFrame:
    """Refits as :func:`bootstrap` returns them."""
    own = component_values(random_components(fit.model), found.covariance)
    values = np.column_stack([found.beta, own, found.sigma])
    frame = pd.DataFrame(values, columns=list(parameter_names(fit.model)), index=pd.RangeIndex(len(values), name="refit"))
    status = [LABELS[code] for code in found.status]
    return frame.assign(criterion=found.criterion, status=status)


def likelihood_ratio_draws(null: Fitted, alternative: Fitted, n: int = 1000, seed: int = 0) -> np.ndarray:
    """The likelihood-ratio statistic of two nested models under the first, ``[n]``, NaN where a refit failed.

    Responses are simulated from ``null``, which should have been fitted by maximum likelihood, and both models are fitted to each
    by maximum likelihood; either may be without random effects. The p value of an observed statistic ``t`` is
    ``(1 + sum(draws >= t)) / (1 + n)`` over the draws that are numbers (Davison & Hinkley 1997, section 4.2.3).

    Raises:
        InputError: for fits to different responses, with different weights or offsets, without an answer, or that do not say how
            responses arise.
    """
    whole_number("n", n, 1)
    check_rows(null, alternative)
    check_offsets(null, alternative)
    for fit in (null, alternative):
        require_law(fit, "the bootstrap of a likelihood ratio")
    draws = responses(null, n, seed)
    smaller, larger = (refit(fit.model, draws, reml=False).criterion for fit in (null, alternative))
    # The larger model contains the smaller one: a negative difference is rounding.
    return np.maximum(smaller - larger, 0.0)
