"""Tests that join an analysis by subjects and one by items."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, Inference, closed_form
from jaxsim.data.names import Names
from jaxsim.errors import InputError
from jaxsim.estimators.aggregated import Aggregated, require_own_intercept
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.multiway import require_factors, several_given
from jaxsim.status import Status


@dataclass(frozen=True)
class SubjectsAndItems(Formulated):
    """What such tests share: both analyses are :class:`jaxsim.Aggregated`, and their F are ``f1`` and ``f2`` of the estimates.

    Args:
        by: the units of the first and of the second analysis, such as ``("subject", "item")``; the process's first two factors when
            None.
    """

    by: Sequence[str] | None = field(default=None, kw_only=True)

    guards_itself: ClassVar[bool] = True
    joining: ClassVar[str]  # in words

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by is not None:
            object.__setattr__(self, "by", several_given("by", self.by, 2))

    def in_words(self, names: Names) -> tuple[str, ...]:
        first, second = self.by or names.factors[:2]
        return (self.model_in_words(names), f"analyses of the means and slopes of each {first} and of each {second}", self.joining)

    def check(self, names: Names) -> None:
        """Raises :class:`InputError` unless there are two crossed grouping factors and an intercept."""
        require_factors(names, self.by, self.name, "by", "Aggregated()")
        first, second = self.by or names.factors[:2]
        _require_crossed(names, first, second, self.name)
        super().check(names)
        require_own_intercept(self.coefficients(names), self.name)

    def view(self, data: Any) -> Any:
        """By the cells of all factors, with the formula's columns."""
        return self.with_formula(data)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        first, second = (Aggregated(cluster=factor).fit(data) for factor in self.by or data.factors[:2])
        status = jnp.where(first.status == Status.OK, second.status, first.status)
        f1, f2 = ((fit.estimate / fit.std_error) ** 2 for fit in (first, second))
        estimate, vcov, df, own = self.joined(first, second, f1, f2)
        nothing = jnp.asarray(jnp.nan)
        fit = closed_form(estimate, vcov, df, status, nothing, nothing, own)
        shown = jnp.isfinite(fit.estimate)
        return replace(fit, extra={"f1": jnp.where(shown, f1, jnp.nan), "f2": jnp.where(shown, f2, jnp.nan)})

    @abc.abstractmethod
    def joined(self, first: Fit, second: Fit, f1: jax.Array, f2: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, Inference]:
        """Estimates ``[P]``, covariance ``[P, P]``, df ``[P]`` and p values of both analyses together."""


def _require_crossed(names: Names, first: str, second: str, owner: str) -> None:
    """Raise :class:`InputError` where one of two factors lies in the other: both analyses are then of the same differences."""
    for inner, outer in ((first, second), (second, first)):
        if outer in dict(names.nested).get(inner, ()):
            raise InputError(
                f"strategy {owner!r} joins analyses by crossed factors, such as subjects and items, and {inner!r} lies in "
                f"{outer!r}. Name two that are crossed in by=(.., ..), or use Aggregated(cluster={outer!r}) or LinearMixed()."
            )


def p_values(p_value: jax.Array) -> Inference:
    """P values of their own, with the limits that belong to standard errors and df."""
    empty = jnp.zeros((0,))
    return Inference(p_value, empty, empty)
