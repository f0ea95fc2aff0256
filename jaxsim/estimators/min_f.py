"""Min F': a bound of the test over subjects and items at once, from an analysis by each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.fit import Fit, Inference
from jaxsim.estimators.subjects_and_items import SubjectsAndItems, p_values
from jaxsim.numerics.student import two_sided


@dataclass(frozen=True)
class MinF(SubjectsAndItems):
    """Min F' (Clark 1973, *Journal of Verbal Learning and Verbal Behavior* 12, 335-359).

    ``min F' = F1 F2 / (F1 + F2)`` with 1 and ``(F1 + F2)^2 / (F1^2 / n2 + F2^2 / n1)`` df, from the analyses by subjects
    (``F1``, with ``n1`` df of its error) and by items (``F2``, ``n2``); a lower bound of the quasi-F ratio F'. The p value is its.
    Both analyses of a balanced design have the same estimate b, and min F' is the square of ``b / sqrt(v1 + v2)``, with their
    variances and Satterthwaite's df of the sum. So the estimate is the mean of both, and standard error, df and confidence limits
    are of ``v1 + v2``; in an unbalanced design, where the estimates differ, an interval may disagree with the p value at its edge.

    Args:
        label: name in the tables.
        by: the units of the two analyses, such as ``("subject", "item")``; the process's first two factors when None.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: unless ``by`` names two different factors, neither of which lies in the other.
    """

    label: str = "min_f"

    joining: ClassVar[str] = "joined in min F'"

    def joined(self, first: Fit, second: Fit, f1: jax.Array, f2: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, Inference]:
        v1, v2 = first.std_error**2, second.std_error**2
        df = (v1 + v2) ** 2 / (v1**2 / first.df + v2**2 / second.df)
        return (first.estimate + second.estimate) / 2, first.vcov + second.vcov, df, p_values(min_f(f1, f2, first.df, second.df))


def min_f(f1: jax.Array, f2: jax.Array, n1: jax.Array, n2: jax.Array) -> jax.Array:
    """The p value of Clark's min F' from two F ratios of one degree of freedom, and those of their errors, elementwise."""
    both = jnp.where(f1 + f2 > 0, f1 + f2, 1.0)
    share = f1 / both
    df = 1 / (share**2 / n2 + (1 - share) ** 2 / n1)
    return two_sided(jnp.sqrt(f1 * f2 / both), df)
