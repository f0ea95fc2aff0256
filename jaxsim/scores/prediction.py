"""How well a strategy predicts responses that it has not seen, of the groups of its dataset and of new ones.

Linear predictions ``x'c`` of rows with cross-products ``K = [X y]'[X y]`` have the squared errors ``K_yy - 2 c'K_xy + c'K_xx c``.
Where a process says what the cross-products of further rows are expected to be (:meth:`jaxsim.Process.expected`), these are the
exact conditional expectations given the dataset, without a draw; elsewhere they are those of rows that are drawn. Optimism is the
error for further rows of the same groups less that for the rows that were fitted (Efron 2004, *JASA* 99, 619-632).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.fit import Fit, has_numbers
from jaxsim.data.fresh import Fresh
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, check_probability
from jaxsim.estimators.prediction import Coefficients, as_viewed, predicted
from jaxsim.estimators.strategy import Strategy
from jaxsim.measures.addition import Addition
from jaxsim.measures.prediction import FITTED, KINDS, POPULATIONS, PREDICTION_ADDITION, column
from jaxsim.numerics.student import reach
from jaxsim.scores.score import Score


@dataclass(frozen=True)
class Prediction(Score):
    """How well a strategy predicts fresh rows: of the groups of its dataset, and of new groups with the same fixed effects.

    Of strategies that JAX fits: those of coefficients of columns, and those with a ``predict`` of their own. Rows of known groups
    are predicted by the group's coefficients where a strategy has such (:meth:`jaxsim.Estimator.group_coefficients`), rows of new
    groups by the fixed effects. Columns of the estimates, the same in the rows of all terms of a fit, with ``known`` or ``new``:

    - ``prediction_mse_known``: mean squared error of predicted responses; ``prediction_mean_mse_known``: of predicted
      expectations of responses.
    - ``prediction_variance_known``: of the responses that are predicted.
    - ``prediction_covered_known``: share of fresh responses in their prediction intervals; ``prediction_log_density_known``: mean
      log density of fresh responses by a normal with the prediction's variance. Of strategies with a ``prediction_error``.
    - ``prediction_mse_fitted``: mean squared error of the rows that were fitted.

    A process that does not say how further rows of its groups come about (:meth:`jaxsim.RowProcess.simulate_fresh`) has blanks in
    the columns of the known groups; its new groups are those of another dataset.

    Args:
        level: of the prediction intervals; that of the study's intervals when None.

    Raises:
        InputError: for a level outside (0, 1).
    """

    level: float | None = None

    needs_groups: ClassVar[bool] = True
    needs_fresh: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.level is not None:
            check_probability("level", self.level)

    @property
    def addition(self) -> Addition:
        return PREDICTION_ADDITION

    def at(self, conf_level: float) -> Self:
        return replace(self, level=conf_level) if self.level is None else self

    def applies(self, strategy: Strategy, names: Names) -> bool:
        return strategy.batched and strategy.predicts(names)

    def check(self, strategies: Sequence[Strategy], names: Names, process: str) -> None:
        """Raises :class:`InputError` if none of the strategies predicts."""
        if not any(self.applies(strategy, names) for strategy in strategies):
            listed = ", ".join(strategy.name for strategy in strategies)
            raise InputError(
                f"Prediction(): none of the strategies predicts ({listed}); add one that JAX fits and whose coefficients are those "
                "of columns, such as LinearMixed(), or that has a method predict."
            )

    def of(self, draw: Draw, estimator: Any, fit: Fit, key: jax.Array, fresh: Fresh | None = None) -> dict[str, jax.Array]:
        """Numbers of one dataset, each the same for all coefficients; NaN where the fit has none."""
        assert fresh is not None
        data, shown = draw.data, has_numbers(fit.status)
        coefficients = None if estimator.predicts_itself else estimator.prediction_coefficients(data, fit)
        found = {column(kind, where): jnp.asarray(jnp.nan) for where in POPULATIONS for kind in KINDS}
        found |= {FITTED: _fitted(data, estimator, fit, coefficients), **self._by_rows(data, estimator, fit, coefficients, fresh)}
        for where, unseen in fresh._asdict().items():
            if unseen is not None and _explains(data, unseen.products):
                found[column("variance", where)] = unseen.variance
            if unseen is None or coefficients is None:
                continue
            own = getattr(coefficients, where)
            found[column("mse", where)] = squared_error(estimator.view(unseen.products), own)
            if unseen.means is not None and _explains(data, unseen.means):
                found[column("mean_mse", where)] = squared_error(estimator.view(unseen.means), own)
        return {name: jnp.broadcast_to(jnp.where(shown, value, jnp.nan), fit.estimate.shape) for name, value in found.items()}

    def _by_rows(
        self, data: Any, estimator: Any, fit: Fit, coefficients: Coefficients | None, fresh: Fresh
    ) -> dict[str, jax.Array]:
        """What is judged row by row: intervals, densities, and errors of predictions that are not linear."""
        parts = {where: one.rows for where, one in fresh._asdict().items() if one is not None and one.rows is not None}
        if not parts:
            return {}
        rows = _together([_of_new_groups(part) if where == "new" else part for where, part in parts.items()])
        expected = estimator.predict(data, fit, rows) if coefficients is None else predicted(data, coefficients, rows)
        error, spread = as_viewed(data, rows).y - expected, estimator.prediction_error(data, fit, rows)
        by_row = {"mse": error**2} if coefficients is None else {}
        if spread is not None:
            assert self.level is not None
            half = reach(self.level, spread.df) * jnp.sqrt(spread.variance)
            by_row["covered"] = jnp.where(jnp.isnan(half) | jnp.isnan(error), jnp.nan, jnp.abs(error) <= half)
            by_row["log_density"] = -(jnp.log(2 * jnp.pi * spread.variance) + error**2 / spread.variance) / 2
        ends = np.cumsum([0, *(len(part.y) for part in parts.values())])
        places = dict(zip(parts, itertools.starmap(slice, itertools.pairwise(ends)), strict=True))
        return {
            column(kind, where): _mean(values[place], rows.weight[place])
            for kind, values in by_row.items()
            for where, place in places.items()
        }


def squared_error(products: CrossProducts, coefficients: jax.Array) -> jax.Array:
    """Mean over rows of ``(y - x'c)^2``, ``[]``, with ``c`` ``[G, K]`` of the group, or ``[K]`` of all groups."""
    own = products.products
    xx, xy, yy = own[:, :-1, :-1], own[:, :-1, -1], own[:, -1, -1]
    every = jnp.where((products.sizes > 0)[:, None], jnp.broadcast_to(coefficients, xy.shape), 0.0)
    pulled = (xx * every[:, None]).sum(2)
    return (yy + (every * (pulled - 2 * xy)).sum(1)).sum() / products.sizes.sum()


def _explains(data: Any, products: CrossProducts) -> bool:
    """Whether a strategy explains the response of the process, and no other column."""
    return bool(data.response == products.response)


def _fitted(data: Any, estimator: Any, fit: Fit, coefficients: Coefficients | None) -> jax.Array:
    """Mean squared error of the rows that were fitted, ``[]``; NaN where they are not there to be predicted one by one."""
    if isinstance(data, Rows):
        expected = estimator.predict(data, fit, data) if coefficients is None else predicted(data, coefficients, data)
        return _mean((data.y - expected) ** 2, data.weight)
    return jnp.asarray(jnp.nan) if coefficients is None else squared_error(data, coefficients.known)


def _of_new_groups(rows: Rows) -> Rows:
    """The rows, said to be of none of a dataset's groups."""
    return replace(rows, levels=jnp.full_like(rows.levels, -1))


def _together(parts: list[Rows]) -> Rows:
    """All rows of some tables of the same columns."""
    arrays: Any = {name: jnp.concatenate([getattr(part, name) for part in parts]) for name in ("x", "y", "levels", "weight")}
    return replace(parts[0], **arrays, block=0, cell=0)


def _mean(values: jax.Array, weight: jax.Array) -> jax.Array:
    """Of the rows that count."""
    return jnp.where(weight > 0, weight * values, 0.0).sum() / weight.sum()
