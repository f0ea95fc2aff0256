"""The mixed model whose residuals have a variance that depends on predictors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp

from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, names_given
from jaxsim.estimators.structured_mixed import Judgement, Structured, StructuredMixed, check_columns
from jaxsim.numerics import small
from jaxsim.numerics.least_squares import RANK_TOLERANCE
from jaxsim.structured import search
from jaxsim.structured.curvature import of_structure
from jaxsim.structured.identification import confounded, determined
from jaxsim.structured.residuals import Scaled

# Changes of the log standard deviation, over one SD of the column, that the search looks at before it starts.
LOOKED_AT = (0.0, -0.7, 0.7)
# The criterion is flat if its curvature is less than this part of what independent rows would have. Searches that run towards a
# limit end below 1e-6 / N of it; of 80 fits with levels of 2 to 5 rows in 40 the others had 5e-3 or more.
FLAT = 1e-6
# Ratios of the SDs at the ends of a column beyond which (or its inverse) a flat criterion is on its way to a limit.
LARGEST_RATIO = 1e3


@dataclass(frozen=True)
class HeteroscedasticMixed(StructuredMixed):
    """Linear mixed model whose residual standard deviation depends on columns: ``sigma exp(delta_1 x_1 + delta_2 x_2 + ..)``.

    With columns of 0 and 1, such as those of a factor, it is nlme's ``lme(.., weights = varIdent(form = ~ 1 | factor))``, of
    numbers ``varExp(form = ~ x)``. ``exp(delta)``, of a factor the ratio of two standard deviations, is the column ``sd_ratio_x``
    of the fits, and ``sigma`` the residual SD where all of the columns are 0.

    What the data cannot tell has the status ``unidentified``: the SD of a level whose rows the fixed effects alone determine (one
    row and a coefficient of its own, by REML or ML); one that enters only as a sum with a variance of random effects (a random
    effect of an arm with one row a group); any other along which the criterion is flat. Where it falls towards a ratio of 0 or
    infinity and has no optimum (a rare level whose rows the random effects can reproduce) the status is ``not_converged``: the
    criterion is flat, and the SDs at the ends of the column have a ratio beyond 1e3, or under 1e-3.

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

    @property
    def residuals_in_words(self) -> str:
        return f"a residual SD that depends on {', '.join(self.variance)}"

    def structure_of(self, data: Rows, change: jax.Array) -> Structured:
        """The standardised rows with the predictors of their spread, which of these cannot be told, and where searches begin."""
        spec, present, groups = self.spec(data), data.present, data.counts[0]
        values = jnp.where(present[:, None], jnp.column_stack([data.x, data.y]) @ change, 0.0)
        given = jnp.where(present[:, None], data.x[:, data.index_of(self.variance)], 0.0)
        spread = _spread(given, present)
        by = jnp.where(present[:, None], given - spread.centre, 0.0) / spread.unit
        code = data.levels[:, 0]
        sizes = jax.ops.segment_sum(present.astype(jnp.int32), code, groups)
        candidates = jnp.array(LOOKED_AT)[:, None] * jnp.ones(len(self.variance))
        told = _spread(given, present & ~determined(values[:, jnp.array(spec.fixed)], present))
        unknown = told.dependent | confounded(by, values[:, jnp.array(spec.random)], code, present, groups, spec.structure)
        return Structured(Scaled(values, by, code, sizes), candidates, unknown, spread.centre, spread.unit, jnp.asarray(True))

    def judged(self, best: search.Found, structured: Structured, n_rows: jax.Array) -> Judgement:
        """Independent rows of one variance have the curvature ``4 N`` in a column of unit mean square."""
        k, by = len(self.variance), cast(Scaled, structured.residuals).by
        share = of_structure(best.point, k) / (4 * n_rows)
        _, pivots = small.cholesky(share - FLAT * jnp.eye(k))
        flat = ~(pivots > 0).all()
        far = (jnp.abs(best.psi) * (by.max(0) - by.min(0)) > math.log(LARGEST_RATIO)).any()
        return Judgement(~(flat & far), flat, jnp.asarray(False))

    def reported(self, psi: jax.Array, structured: Structured) -> dict[str, jax.Array]:
        ratios = jnp.exp(psi / structured.unit)
        return {f"sd_ratio_{name}": ratios[k] for k, name in enumerate(self.variance)}

    def origin(self, psi: jax.Array, structured: Structured) -> jax.Array:
        return jnp.exp(-(psi * structured.centre / structured.unit).sum())


class _Spread(NamedTuple):
    """Of columns over some rows: means ``centre`` and standard deviations ``unit`` ``[K]``, and whether they are ``dependent``."""

    centre: jax.Array
    unit: jax.Array
    dependent: jax.Array


def _spread(given: jax.Array, rows: jax.Array) -> _Spread:
    """Of the columns ``given`` ``[N, K]`` over the ``rows`` bool ``[N]``."""
    n = jnp.maximum(rows.sum(), 1)
    given = jnp.where(rows[:, None], given, 0.0)
    centre = given.sum(0) / n
    centred = jnp.where(rows[:, None], given - centre, 0.0)
    unit = jnp.sqrt((centred**2).sum(0) / n)
    constant = unit**2 <= RANK_TOLERANCE * ((given**2).sum(0) / n)
    unit = jnp.where(constant, 1.0, unit)
    _, pivots = small.cholesky((centred / unit).T @ (centred / unit) / n)
    return _Spread(centre, unit, constant.any() | (pivots <= RANK_TOLERANCE).any())
