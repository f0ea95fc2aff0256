"""The mixed model whose residuals follow each other: a first-order autoregression within groups."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.data.serial import in_order, serial_products
from jaxsim.errors import InputError, brief
from jaxsim.estimators.structured_mixed import Judgement, Structured, StructuredMixed, check_columns
from jaxsim.structured import search
from jaxsim.structured.residuals import Continuous, Serial

# Correlations that the search looks at before it starts: with random intercepts the criterion may have several optima.
LOOKED_AT = (-0.4, 0.05, 0.4, 0.7, 0.9)
# The same of rows that are as far apart in time as neighbours are on average; such a correlation is never negative.
LOOKED_AT_IN_TIME = (0.02, 0.2, 0.5, 0.7, 0.9)
# Closer to 1 than this a correlation is on its way there, and the criterion has no optimum.
LIMIT = 1e-6
# Where even the rows closest in time are correlated less than this, they are not: a criterion changes by about as much.
NONE = 1e-6


@dataclass(frozen=True)
class AutoregressiveMixed(StructuredMixed):
    """Linear mixed model with AR(1) residuals, as nlme's ``lme(.., correlation = corAR1())``, or ``corCAR1(form = ~ time | g)``.

    Residuals of a group that are ``k`` rows apart have the correlation ``rho^k``, ``-1 < rho < 1``: rows are in order of time, one
    step after the other, missing rows left out (corAR1 without a time covariate). Random effects and ``rho`` are found together by
    REML or ML; ``rho`` is the column ``autocorrelation`` of the fits. It needs rows, and a group of three or more.

    Args:
        formula: lme4's, as of :class:`jaxsim.LinearMixed`.
        time: a column with the times of the rows, equally spaced or not: residuals then have the correlation ``rho^|t_s - t_t|``,
            ``0 < rho < 1`` (corCAR1), and the order of the rows does not matter. Two rows of a group at one time have no such
            correlation: the status is ``non_finite``. Residuals that are independent, or negatively correlated, have their
            optimum at the boundary, as a variance of zero: where the rows closest in time would be correlated by less than 1e-6 the
            status is ``singular``, ``autocorrelation`` is 0, and all else is as with independent residuals.
        random, covariance, reml, df: as of :class:`jaxsim.estimators.structured_mixed.StructuredMixed`.
        label: name in the tables.
        estimand: as :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, and as :class:`jaxsim.LinearMixed`.
    """

    time: str | None = None
    label: str = "lme_ar1"

    def __post_init__(self) -> None:
        if self.time is not None and not isinstance(self.time, str):
            raise InputError(
                f"time={brief(self.time)}: give the name of a column, such as 'day', or None for the order of the rows."
            )
        super().__post_init__()

    @property
    def reads_order(self) -> bool:
        return self.time is None

    def check(self, names: Names) -> None:
        check_columns(names, () if self.time is None else (self.time,), self.name, "the time")
        super().check(names)

    def hopeless(self, names: Names) -> str | None:
        """A time that is one number in each group, or that several rows of a group share."""
        if self.time is None:
            return None
        factor = self.random_effects(names)[0].factor
        beside = [other for other in names.factors if other != factor and other not in dict(names.nested).get(factor, ())]
        if self.time in names.constant_in(factor):
            return f"the time {self.time!r} is one number in each {factor}. Name the column that says when its rows were observed."
        if beside and self.time in names.balanced:
            return (
                f"each {factor} has several rows at the same {self.time!r}, one for each {beside[0]}. Name the unit that is "
                f"observed once at each time by the random effects of a formula, such as (1 | {beside[0]})."
            )
        return None

    @property
    def residuals_in_words(self) -> str:
        return "AR(1) residuals " + ("in the order of rows" if self.time is None else f"at the times {self.time}")

    def structure_of(self, data: Rows, change: jax.Array) -> Structured:
        return self._in_steps(data, change) if self.time is None else self._in_time(data, change)

    def _in_time(self, data: Rows, change: jax.Array) -> Structured:
        place = int(data.index_of((str(self.time),))[0])
        rows = in_order(data, place)
        time, n = rows.values[:, place], jnp.maximum(rows.follows.sum(), 1)
        gap = jnp.where(rows.follows, time - jnp.roll(time, 1), 0.0)
        unit = gap.sum() / n
        together = (rows.follows & (gap <= 0)).any()
        unit = jnp.where(unit > 0, unit, 1.0)
        values = rows.values @ change
        sizes = jax.ops.segment_sum(jnp.ones(len(gap), jnp.int32), rows.code, data.counts[0])
        residuals = Continuous(values, jnp.roll(values, 1, axis=0), gap / unit, rows.follows, rows.code, sizes)
        candidates = jnp.log(-jnp.log(jnp.array(LOOKED_AT_IN_TIME)))[:, None]
        return Structured(residuals, candidates, sizes.max() < 3, jnp.zeros(1), unit[None], ~together)

    def _in_steps(self, data: Rows, change: jax.Array) -> Structured:
        rows = in_order(data)
        found = serial_products(rows._replace(values=rows.values @ change), data.counts[0])
        own, neighbours, inner = (jnp.moveaxis(part, 0, -1) for part in (found.own, found.neighbours, found.inner))
        candidates = jnp.arctanh(jnp.array(LOOKED_AT))[:, None]
        few, plain = found.sizes.max() < 3, (jnp.zeros(1), jnp.ones(1), jnp.asarray(True))
        return Structured(Serial(own, neighbours, inner, found.sizes), candidates, few, *plain)

    def reported(self, psi: jax.Array, structured: Structured) -> dict[str, jax.Array]:
        if self.time is None:
            return {"autocorrelation": jnp.tanh(psi[0])}
        rho = jnp.exp(-jnp.exp(psi[0]) / structured.unit[0])
        return {"autocorrelation": jnp.where(_is_null(psi, structured), 0.0, rho)}

    def judged(self, best: search.Found, structured: Structured, n_rows: jax.Array) -> Judgement:
        near = jnp.abs(jnp.tanh(best.psi[0])) if self.time is None else jnp.exp(-jnp.exp(best.psi[0]))
        return Judgement(1 - near > LIMIT, jnp.asarray(False), _is_null(best.psi, structured))


def _is_null(psi: jax.Array, structured: Structured) -> jax.Array:
    """Whether rows at unequal times are not correlated at all, bool ``[]``; by the order of rows zero is no boundary."""
    residuals = structured.residuals
    return residuals.nearest(psi) < NONE if isinstance(residuals, Continuous) else jnp.asarray(False)
