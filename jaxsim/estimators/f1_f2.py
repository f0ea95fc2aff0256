"""The F1 and F2 criterion: significant by subjects and by items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.fit import Fit, Inference
from jaxsim.estimators.subjects_and_items import SubjectsAndItems, p_values
from jaxsim.numerics.student import two_sided


@dataclass(frozen=True)
class F1F2(SubjectsAndItems):
    """Significant by subjects and by items: the p value is the larger of both.

    What journals asked for after Clark (1973), though it is no test over subjects and items at once (Raaijmakers, Schrijnemakers &
    Gremmen 1999, *Journal of Memory and Language* 41, 416-426), and can reject true hypotheses too often where effects vary between
    both (Barr, Levy, Scheepers & Tily 2013, *Journal of Memory and Language* 68, 255-278, with a predictor between items).

    Estimate, standard error and df are those of the analysis with the larger standard error, coefficient by coefficient; in a
    balanced design both have the same estimate. Their interval may disagree with the p value where the df differ.

    Args:
        label: name in the tables.
        by: the units of the two analyses, such as ``("subject", "item")``; the process's first two factors when None.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: unless ``by`` names two different factors, neither of which lies in the other.
    """

    label: str = "f1_f2"

    joining: ClassVar[str] = "with the larger p value of both"

    def joined(self, first: Fit, second: Fit, f1: jax.Array, f2: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, Inference]:
        """Of each coefficient the numbers of the analysis with the larger standard error, and the larger of the two p values."""
        by_second = second.std_error > first.std_error
        same = by_second[:, None] == by_second
        vcov = jnp.where(same, jnp.where(by_second, second.vcov, first.vcov), 0.0)
        p_value = jnp.maximum(two_sided(jnp.sqrt(f1), first.df), two_sided(jnp.sqrt(f2), second.df))
        estimate, df = (jnp.where(by_second, getattr(second, name), getattr(first, name)) for name in ("estimate", "df"))
        return estimate, vcov, df, p_values(p_value)
