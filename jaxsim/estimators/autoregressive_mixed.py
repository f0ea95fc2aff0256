"""The mixed model whose residuals follow each other: a first-order autoregression within groups."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxsim.data.rows import Rows
from jaxsim.data.serial import in_order, serial_products
from jaxsim.estimators.structured_mixed import Structured, StructuredMixed
from jaxsim.structured.residuals import Serial

# Correlations that the search looks at before it starts: with random intercepts the criterion may have several optima.
LOOKED_AT = (-0.4, 0.05, 0.4, 0.7, 0.9)
# Closer to 1 than this a correlation is on its way there, and the criterion has no optimum.
LIMIT = 1e-6


@dataclass(frozen=True)
class AutoregressiveMixed(StructuredMixed):
    """Linear mixed model with AR(1) residuals, as nlme's ``lme(.., correlation = corAR1())``.

    Residuals of a group that are ``k`` rows apart have the correlation ``rho^k``, ``-1 < rho < 1``: rows are in order of time, one
    step after the other, missing rows left out (corAR1 without a time covariate). Random effects and ``rho`` are found together by
    REML or ML; ``rho`` is the column ``autocorrelation`` of the fits. It needs rows, and a group of three or more.

    Args:
        formula: lme4's, as of :class:`jaxsim.LinearMixed`.
        random, covariance, reml, df: as of :class:`jaxsim.estimators.structured_mixed.StructuredMixed`.
        label: name in the tables.
        estimand: as :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, and as :class:`jaxsim.LinearMixed`.
    """

    label: str = "lme_ar1"

    @property
    def reads_order(self) -> bool:
        return True

    def structure_of(self, data: Rows, change: jax.Array) -> Structured:
        rows = in_order(data)
        found = serial_products(rows._replace(values=rows.values @ change), data.counts[0])
        own, neighbours, inner = (jnp.moveaxis(part, 0, -1) for part in (found.own, found.neighbours, found.inner))
        candidates = jnp.arctanh(jnp.array(LOOKED_AT))[:, None]
        none, one = jnp.zeros(1), jnp.ones(1)
        return Structured(Serial(own, neighbours, inner, found.sizes), candidates, found.sizes.max() < 3, none, one)

    def reported(self, psi: jax.Array, structured: Structured) -> dict[str, jax.Array]:
        return {"autocorrelation": jnp.tanh(psi[0])}

    def inside(self, psi: jax.Array) -> jax.Array:
        return 1 - jnp.abs(jnp.tanh(psi[0])) > LIMIT
