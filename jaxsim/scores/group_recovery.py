"""How well the coefficients of the groups were recovered, and how much they were shrunk together: three numbers a coefficient.

Every group's own least squares spread the coefficients more than they are spread; the means of a posterior, and best linear
unbiased predictions, spread them less (over- and underdispersion: Louis 1984, Journal of the American Statistical Association 79,
393-398; Ghosh 1992, ibid. 87, 533-540). What both wrote of are expected variances, so the variances are kept, not their ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.draw import Draw
from jaxsim.data.fit import Fit, has_numbers
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError
from jaxsim.estimators.strategy import Strategy
from jaxsim.measures.addition import Addition
from jaxsim.measures.groups import GROUPS_ADDITION
from jaxsim.scores.score import Score

# True coefficients that differ by no more than so many rounding errors of their size are the same in all groups.
SAME = 64


@dataclass(frozen=True)
class GroupRecovery(Score):
    """How well a strategy recovers the coefficients of the groups, and how much it shrinks them together.

    Of strategies that have such coefficients, in studies of a process that tells the true ones.
    """

    needs_groups: ClassVar[bool] = True

    @property
    def addition(self) -> Addition:
        return GROUPS_ADDITION

    def applies(self, strategy: Strategy, names: Names) -> bool:
        return strategy.batched and strategy.has_group_coefficients

    def check(self, strategies: Sequence[Strategy], names: Names, process: str) -> None:
        """Raises :class:`InputError` if the process or all strategies have no coefficients of groups."""
        if not names.random:
            raise InputError(f"group_coefficients=True: {process} does not tell the coefficients of its groups.")
        if not any(strategy.has_group_coefficients for strategy in strategies):
            listed = ", ".join(strategy.name for strategy in strategies)
            raise InputError(
                f"group_coefficients=True: none of the strategies has coefficients of groups ({listed}); add one that has, such as "
                "LinearMixed(), or leave it out."
            )

    def of(self, draw: Draw, estimator: Any, fit: Fit, key: jax.Array) -> dict[str, jax.Array]:
        """:func:`recovery` of one dataset; NaN where the fit has no numbers, or the process does not tell a coefficient."""
        data: Any = draw.data
        estimated = jnp.where(has_numbers(fit.status), estimator.group_coefficients(data, fit), jnp.nan)
        factor = data.factors[0]
        told = dict(draw.truth.random).get(factor, ())
        columns = np.array([told.index(name) if name in told else len(told) for name in data.fixed])
        every = draw.truth.groups[factor] if told else jnp.zeros((0, 0))  # of another factor than the process tells of
        sizes = _sizes(data)
        every = jnp.pad(every, ((0, len(sizes) - len(every)), (0, 0)))  # processes by rows tell those of the groups alone
        unknown = jnp.full((len(every), 1), jnp.nan)
        true = every if told == data.fixed else jnp.concatenate([every, unknown], axis=1)[:, columns]
        return recovery(estimated, true, sizes > 0)


def _sizes(data: Any) -> jax.Array:
    """Rows of each group of the first factor, ``[G]``."""
    if isinstance(data, Rows):
        own = data.grouped()
        return own.reduce(own.counts[0]).sizes
    return data.grouped().sizes


def recovery(estimated: jax.Array, true: jax.Array, present: jax.Array) -> dict[str, jax.Array]:
    """Of one dataset, in the columns of the estimates table that :data:`jaxsim.measures.groups.GROUP_NUMBERS` names.

    Args:
        estimated: coefficients of the groups by some strategy, ``[G, P]``; NaN where it has none.
        true: those that the data were made with, ``[G, P]``, in the same units.
        present: where there is a group and not padding, bool ``[G]``.

    Returns:
        ``group_mse`` ``[P]``, the mean over groups of (estimated - true)^2; ``group_variance`` and ``group_true_variance`` ``[P]``,
        the variance over groups (divided by G - 1) of the estimated coefficients and of the true ones: NaN where these are the
        same in all groups.
    """
    groups = present[:, None]
    error = jnp.where(groups, estimated - true, 0.0)
    squares, own = _squares(estimated, present), _squares(true, present)
    size = jnp.where(groups, true**2, 0.0).sum(0).max()
    varies = own > (SAME * jnp.finfo(true.dtype).eps) ** 2 * size
    return {
        "group_mse": (error**2).sum(0) / present.sum(),
        "group_variance": jnp.where(varies, squares / (present.sum() - 1), jnp.nan),
        "group_true_variance": jnp.where(varies & jnp.isfinite(squares), own / (present.sum() - 1), jnp.nan),
    }


def _squares(values: jax.Array, present: jax.Array) -> jax.Array:
    """Summed squares around the mean over groups, ``[P]``; exactly 0 where all are equal."""
    groups = present[:, None]
    centred = jnp.where(groups, values - values[jnp.argmax(present)], 0.0)
    centred = jnp.where(groups, centred - centred.sum(0) / present.sum(), 0.0)
    return (centred**2).sum(0)
