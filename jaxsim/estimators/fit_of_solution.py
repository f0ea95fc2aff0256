"""A mixed model's solution as the fit that is reported."""

from __future__ import annotations

import jax

from jaxsim.data.fit import Fit, withhold
from jaxsim.lmm.solution import Solution
from jaxsim.numerics.arrays import library


def fit_of(found: Solution, status: jax.Array, covariance: dict[str, jax.Array], evaluations: jax.Array) -> Fit:
    """The fit with this status; its inference is by t.

    Args:
        found: in the user's units.
        status: code, ``[]``.
        covariance: of the random effects of each grouping factor.
        evaluations: of the criterion.
    """
    xp = library(found.beta, status)
    none = xp.zeros((0,))
    fit = Fit(
        estimate=found.beta,
        std_error=xp.sqrt(xp.diagonal(found.vcov)),
        df=found.df,
        vcov=found.vcov,
        status=status,
        converged=found.optimal,
        singular=found.singular,
        criterion=found.criterion,
        sigma=found.sigma,
        theta=found.theta,
        covariance=covariance,
        iterations=evaluations,
        p_value=none,
        conf_low=none,
        conf_high=none,
    )
    return withhold(fit)
