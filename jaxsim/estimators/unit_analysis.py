"""Analysis of units' own summaries, as analyses of variance by subjects and by items have it: every effect has an error of its own.

In a unit (a subject, an item) a column of the model is one number, or varies, or is a multiple of one that varies (an interaction
of a predictor between units with one within them). Each unit has a regression of its own on the intercept and what varies; its
coefficients are explained by what is one number a unit::

    b_uk = sum_j L_uj gamma_j + e_uk   over the columns j whose effects coefficient k shows

An effect within units with no other beside it is the mean of the units' slopes (a one-sample t test); an effect between units that
of a regression of their means (a two-sample t test); an interaction of both that of a regression of the slopes. Each is tested by
the squares left in its own regression over the units: the F test by strata of one degree of freedom, which needs no sphericity
(Boik 1981, *Psychometrika* 46, 241-255).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.numerics.arrays import fori_loop
from jaxsim.numerics.least_squares import RANK_TOLERANCE, solve

# Own coefficients from cross-products carry at best 10 digits of their size, and 13 of the response: units that differ by less
# than that do not differ.
OWN_DIGITS, RESPONSE_DIGITS = 1e-10, 1e-13

# Cross-products of what is left, which columns vary, their pivots, and whether all units have those.
Elimination = tuple[jax.Array, jax.Array, jax.Array, jax.Array]


class OwnRegressions(NamedTuple):
    """Every unit's regression on the columns that vary within units, the intercept among them.

    ``varies`` ``[P]``, which these are; ``beta`` ``[P, U]``, the coefficients, 0 of other columns; ``loading`` ``[P, P, U]``, how
    much of column k a unit of column j is; ``precision`` ``[P, U]``, rounding error of each coefficient's square; ``full_rank``
    ``[]``, whether all units have all coefficients.
    """

    varies: jax.Array
    beta: jax.Array
    loading: jax.Array
    precision: jax.Array
    full_rank: jax.Array


def own_regressions(products: jax.Array, present: jax.Array) -> OwnRegressions:
    """The regressions of all units, by elimination: a column varies if it has a residual on those before it in some unit.

    Args:
        products: of ``[X y]``, the intercept first, ``[U, P + 1, P + 1]``.
        present: where there is a unit, ``[U]``.
    """
    work = jnp.moveaxis(products, 0, -1)
    p = len(work) - 1
    squares = jnp.stack([work[k, k] for k in range(p + 1)])

    def eliminate(j: int | jax.Array, carry: Elimination) -> Elimination:
        """Column j swept out of all units' cross-products, if it varies."""
        work, varies, pivots, full_rank = carry
        pivot = work[j, j]
        residual = pivot > RANK_TOLERANCE * squares[j]
        opens = jnp.where(present, pivot, 0.0).sum() > RANK_TOLERANCE * jnp.where(present, squares[j], 0.0).sum()
        row = work[j] / jnp.where(residual, pivot, 1.0)
        swept = (work - work[:, j][:, None] * row[None]).at[j].set(row)
        return (
            jnp.where(opens, swept, work),
            varies.at[j].set(opens),
            pivots.at[j].set(jnp.where(residual, pivot, 1.0)),
            full_rank & (~opens | residual | ~present).all(),
        )

    begin = (work, jnp.zeros(p, bool), jnp.ones((p, work.shape[-1])), jnp.asarray(True))
    work, varies, pivots, full_rank = fori_loop(p, eliminate, begin)
    own = varies[:, None] & present
    eye = jnp.eye(p)[:, :, None]
    loading = jnp.where(varies[None, :, None], eye, work[:-1, :-1]) * own[:, None]
    beta = jnp.where(own, work[:-1, -1], 0.0)
    return OwnRegressions(varies, beta, loading, jnp.where(own, squares[-1] / pivots, 0.0) * RESPONSE_DIGITS**2, full_rank)


class UnitAnalysis(NamedTuple):
    """``estimate`` and ``df`` ``[P]``, ``vcov`` ``[P, P]``; ``full_rank`` ``[]``, whether the units tell the effects apart;
    ``apart`` ``[]``, whether every column is of one of the kinds; ``none`` ``[]``: an effect does not differ between units."""

    estimate: jax.Array
    vcov: jax.Array
    df: jax.Array
    full_rank: jax.Array
    apart: jax.Array
    none: jax.Array


def analyse(own: OwnRegressions, squares: jax.Array, middle: jax.Array, present: jax.Array) -> UnitAnalysis:
    """Every effect by its regression over the units.

    Effects between units are those of the units' means: of their own fit at the ``middle`` of the columns that vary within them.
    Where such a column has an effect that depends on what is between units, it stays at zero instead, which is what a coefficient
    beside an interaction means.

    Args:
        own: every unit's regression.
        squares: sums of squares of the columns within each unit, ``[P, U]``.
        middle: means of the columns, ``[P]``.
        present: where there is a unit, ``[U]``.
    """
    total = jnp.where(present, squares, 0.0).sum(1)
    shown = (own.loading**2 * squares[:, None]).sum(-1) > RANK_TOLERANCE * total
    home = jnp.argmax(shown, 0)
    same = home[:, None] == home
    design = own.loading[home, jnp.arange(len(home))].T
    gram = jnp.where(same, design.T @ design, 0.0)
    ls = solve(jnp.pad(gram, ((0, 1), (0, 1))))
    alone = own.varies & (same.sum(1) == 1) & (jnp.arange(len(home)) > 0)
    means = own.beta[0] + jnp.where(alone, middle, 0.0) @ own.beta
    between = (home == 0) & (jnp.arange(len(home)) > 0)
    response = jnp.where(between, means[:, None], own.beta[home].T) * present[:, None]
    inside = jnp.where(same, ls.bread, 0.0)
    fitted = jnp.where(same, inside @ (design.T @ response), 0.0)
    rest = jnp.where(present[:, None], response - design @ fitted, 0.0)
    weights = design @ inside
    df = present.sum() - same.sum(0)
    scaled = rest / jnp.sqrt(jnp.maximum(df, 1))
    floor = OWN_DIGITS**2 * (response**2).sum(0) + own.precision.sum(1)[home]
    return UnitAnalysis(
        estimate=jnp.diagonal(fitted),
        vcov=(weights.T @ weights) * (scaled.T @ scaled),
        df=df,
        full_rank=ls.full_rank,
        apart=(shown.sum(0) <= 1).all(),
        none=((rest**2).sum(0) <= floor).any(),
    )
