"""Analysis of variance by units: of subjects' means and slopes (F1), or of items' (F2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, closed_form, first_status
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.errors import InputError
from jaxsim.estimators.clustered import Clustered
from jaxsim.estimators.unit_analysis import analyse, own_regressions
from jaxsim.numerics.least_squares import solve
from jaxsim.status import Status


@dataclass(frozen=True)
class Aggregated(Clustered):
    """Analysis of the units' own means and slopes, as F1 (by subjects) and F2 (by items) are in psycholinguistics.

    A coefficient is tested by how much it differs between units. Of a predictor that varies within units it is the mean of the
    units' own slopes, with a one-sample t test; of one that is one number a unit, such as a condition between items in the
    analysis by items, that of the least squares of the units' means, with N units less coefficients df; of an interaction of both
    that of the least squares of the slopes. With contrasts that sum to zero these are the F tests of an analysis of variance of
    the units' means by condition, with ``Error(unit / within)``; t squared is F.

    A unit that cannot be fitted on its own (a condition is missing) makes the whole dataset a failure, as in
    :class:`jaxsim.TwoStage`; a predictor that varies within units, but the same way as others do, has no test here.

    Args:
        label: name in the tables.
        cluster: the units, such as ``"item"``; those of the process's first factor when None.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.
            Interactions stand after what they are made of, as formulas have them.
    """

    label: str = "aggregated"

    guards_itself: ClassVar[bool] = True

    def in_words(self, names: Names) -> tuple[str, ...]:
        return (self.model_in_words(names), f"t tests of the means and slopes of each {self.grouping(names)}")

    def check(self, names: Names) -> None:
        super().check(names)
        require_own_intercept(self.coefficients(names), self.name)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        first = intercept_place(data.fixed)
        order = np.array([first, *(k for k in range(len(data.fixed)) if k != first)])
        back = np.argsort(order)
        products = data.regression()[:, np.append(order, len(order))[:, None], np.append(order, len(order))]
        total, present = products.sum(0), data.sizes > 0
        own = own_regressions(products, present)
        squares = jnp.stack([products[:, k, k] for k in range(len(order))])
        found = analyse(own, squares, total[0, :-1] / data.n_rows, present)
        short = (present & (data.sizes < len(order))).any()
        pooled = solve(total)
        status = first_status(
            (~jnp.isfinite(products).all(), Status.NON_FINITE),
            (data.n_rows <= len(order), Status.TOO_FEW_ROWS),
            (data.n_groups < 2, Status.TOO_FEW_GROUPS),
            (~pooled.full_rank, Status.RANK_DEFICIENT),
            (short & ~(own.full_rank & found.apart), Status.TOO_FEW_ROWS),
            (~(own.full_rank & found.apart & found.full_rank), Status.RANK_DEFICIENT),
            (pooled.exact, Status.ZERO_RESIDUAL),
            ((found.df < 1).any(), Status.TOO_FEW_GROUPS),
            (found.none, Status.ZERO_VARIANCE),
        )
        nothing = jnp.asarray(jnp.nan)
        return closed_form(found.estimate[back], found.vcov[back][:, back], found.df[back], status, nothing, nothing)


def intercept_place(names: tuple[str, ...]) -> int:
    """Where the column of ones is among some columns."""
    return next(k for k, name in enumerate(names) if name in INTERCEPTS)


def require_own_intercept(coefficients: tuple[str, ...], owner: str) -> None:
    """Raise :class:`InputError` unless the intercept is among the coefficients."""
    if not any(name in INTERCEPTS for name in coefficients):
        raise InputError(
            f"strategy {owner!r}: an analysis of means has an intercept; the coefficients are {', '.join(coefficients)}. Leave "
            "'0 +' or '- 1' out of the formula, or let the process have an Intercept."
        )
