"""The mixed model whose residuals have a variance that depends on predictors."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, names_given
from jaxsim.estimators.structured_mixed import Structured, StructuredMixed, check_columns
from jaxsim.numerics import small
from jaxsim.numerics.least_squares import RANK_TOLERANCE
from jaxsim.structured.residuals import Scaled

# Changes of the log standard deviation, over one SD of the column, that the search looks at before it starts.
LOOKED_AT = (0.0, -0.7, 0.7)


@dataclass(frozen=True)
class HeteroscedasticMixed(StructuredMixed):
    """Linear mixed model whose residual standard deviation depends on columns: ``sigma exp(delta_1 x_1 + delta_2 x_2 + ..)``.

    With columns of 0 and 1, such as those of a factor, it is nlme's ``lme(.., weights = varIdent(form = ~ 1 | factor))``, of
    numbers ``varExp(form = ~ x)``. ``exp(delta)``, of a factor the ratio of two standard deviations, is the column ``sd_ratio_x``
    of the fits, and ``sigma`` the residual SD where all of the columns are 0.

    Args:
        formula: lme4's, as of :class:`jaxsim.LinearMixed`.
        variance: the columns, such as ``("drugactive",)``; they need not be in the formula.
        random, covariance, reml, df: as of :class:`jaxsim.estimators.structured_mixed.StructuredMixed`.
        label: name in the tables.
        estimand: as :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, no columns or one twice, and as :class:`jaxsim.LinearMixed`.
    """

    variance: tuple[str, ...] = ()
    label: str = "lme_var"

    def __post_init__(self) -> None:
        object.__setattr__(self, "variance", names_given("variance", self.variance))
        if not self.variance or len(set(self.variance)) != len(self.variance) or set(self.variance) & set(INTERCEPTS):
            raise InputError(
                f"variance={brief(self.variance)}: name each column that the residual SD depends on once, such as ('IV1',)."
            )
        super().__post_init__()

    def check(self, names: Names) -> None:
        check_columns(names, self.variance, self.name, "the variance's")
        super().check(names)

    def structure_of(self, data: Rows, change: jax.Array) -> Structured:
        present = data.present[:, None]
        n = jnp.maximum(data.weight.sum(), 1.0)
        given = jnp.where(present, data.x[:, data.index_of(self.variance)], 0.0)
        centre = given.sum(0) / n
        centred = jnp.where(present, given - centre, 0.0)
        unit = jnp.sqrt((centred**2).sum(0) / n)
        constant = unit**2 <= RANK_TOLERANCE * ((given**2).sum(0) / n)
        unit = jnp.where(constant, 1.0, unit)
        by = centred / unit
        _, pivots = small.cholesky(by.T @ by / n)
        values = jnp.where(present, jnp.column_stack([data.x, data.y]) @ change, 0.0)
        sizes = jax.ops.segment_sum(data.present.astype(jnp.int32), data.levels[:, 0], data.counts[0])
        candidates = jnp.array(LOOKED_AT)[:, None] * jnp.ones(len(self.variance))
        unknown = constant.any() | (pivots <= RANK_TOLERANCE).any()
        return Structured(Scaled(values, by, data.levels[:, 0], sizes), candidates, unknown, centre, unit, jnp.asarray(True))

    def reported(self, psi: jax.Array, structured: Structured) -> dict[str, jax.Array]:
        ratios = jnp.exp(psi / structured.unit)
        return {f"sd_ratio_{name}": ratios[k] for k, name in enumerate(self.variance)}

    def origin(self, psi: jax.Array, structured: Structured) -> jax.Array:
        return jnp.exp(-(psi * structured.centre / structured.unit).sum())
