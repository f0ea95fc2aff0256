"""Random effects that are chosen by looking at the data, as people do it: fit the maximal model, then simplify."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaincc

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, brief, check_probability, choose, names_given
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.estimators.notation import formula_in_words, formula_text
from jaxsim.lmm.solution import check_df
from jaxsim.status import Status

RULES: tuple[str, ...] = ("backward", "singular", "aic")


@dataclass(frozen=True)
class SelectedMixed(Formulated):
    """A mixed model whose random effects are selected from several candidates for every dataset, and then tested as if they had
    been known: what is reported is the selected candidate's, and ``selected``, its number from 0, is in the tables.

    - ``backward``: from the first candidate on, each is compared with the next by a likelihood-ratio test (chi-square with as many
      degrees of freedom as it has parameters more, of two fits with the same fixed effects, by the same criterion); the simpler is
      taken unless it is significantly worse at ``alpha`` (Matuschek, Kliegl, Vasishth, Baayen & Bates 2017, *Journal of Memory and
      Language* 94, 305-315, whose level is .2).
    - ``singular``: the first candidate whose fit is not singular, the simplest that has an answer if there is none (Barr, Levy,
      Scheepers & Tily 2013, *ibid.* 68, 255-278, on models that do not converge; Bates, Kliegl, Vasishth & Baayen 2015,
      arXiv:1506.04967).
    - ``aic``: the one with the smallest AIC.

    A candidate without an answer is passed over; if none has one, the last is reported.

    Args:
        candidates: formulas with the same fixed effects, each with fewer random effects than the one before it; None makes them of
            the process's columns: maximal, without correlations (``||``), without the slopes of the last factor, .., of the first,
            so that intercepts are left.
        rule: ``backward``, ``singular`` or ``aic``.
        alpha: level of the likelihood-ratio tests.
        reml: or maximum likelihood.
        df: as :class:`jaxsim.LinearMixed`.
        label: name in the tables.

    Raises:
        InputError: for an unknown option, or candidates that are not two or more formulas with the same fixed effects.
    """

    candidates: Sequence[str] | None = field(default=None, kw_only=False)
    rule: str = "backward"
    alpha: float = 0.2
    reml: bool = True
    df: str = "satterthwaite"
    label: str = "selected"

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.formula is not None:
            raise InputError("SelectedMixed(formula=..): give its models in candidates=(formula, simpler formula, ..).")
        super().__post_init__()
        choose("rule", self.rule, RULES)
        check_probability("alpha", self.alpha)
        check_df(self.df, self.reml)
        if self.candidates is None:
            return
        given = names_given("candidates", self.candidates)
        if len(set(given)) < max(len(given), 2):
            raise InputError(f"candidates={brief(given)}: give at least two different formulas, the most complex first.")
        object.__setattr__(self, "candidates", given)
        for model in self._given:
            if not model.plain.groups:
                raise InputError(f"candidates: {model.formula!r} has no random effects; each candidate is a mixed model.")
            first = self._given[0].plain
            if (model.plain.response, model.plain.terms) != (first.response, first.terms):
                raise InputError(
                    f"candidates={brief(self.candidates)}: {model.formula!r} has other fixed effects, or another response, than "
                    "the first; likelihood-ratio tests of random effects need the same."
                )

    @cached_property
    def _given(self) -> tuple[LinearMixed, ...]:
        return tuple(LinearMixed(text, reml=self.reml, df=self.df) for text in self.candidates or ())

    def models(self, names: Names) -> tuple[LinearMixed, ...]:
        """The candidates, the most complex first."""
        if self.candidates is not None:
            return self._given
        return tuple(LinearMixed(text, reml=self.reml, df=self.df) for text in ladder(names))

    def response(self, names: Names) -> str:
        return self.models(names)[0].response(names)

    def in_words(self, names: Names) -> tuple[str, ...]:
        """The candidates, the rule that chooses among them, and what they have in common."""
        rules = {
            "backward": f"the simpler unless a likelihood-ratio test rejects it at {self.alpha:g}",
            "singular": "the first whose fit is not singular",
            "aic": "the one with the smallest AIC",
        }
        models = self.models(names)
        given = self.candidates is not None
        told = [model.model_in_words(names) if given else _as_written(model, names) for model in models]
        return (" or ".join(told), f"of these {rules[self.rule]}", *models[0].in_words(names)[1:])

    def coefficients(self, names: Names) -> tuple[str, ...]:
        return self.models(names)[0].coefficients(names)

    def check(self, names: Names) -> None:
        """Raises :class:`InputError` for fewer than two candidates, and if those of the backward rule do not become simpler."""
        models = self.models(names)
        if len(models) < 2:
            raise InputError(
                f"strategy {self.name!r}: the maximal model has random intercepts alone, so there is nothing to select; give "
                "candidates, or use LinearMixed."
            )
        for model in models:
            replace(model, label=self.name).check(names)
        sizes = [sum(len(part.structure.entries) for part in model.random_effects(names)) for model in models]
        if self.rule == "backward" and not all(more > fewer for more, fewer in itertools.pairwise(sizes)):
            raise InputError(
                f"strategy {self.name!r}: its candidates have {', '.join(map(str, sizes))} variances and covariances; "
                "rule='backward' compares each with a simpler one, so give the most complex first and fewer in each that follows."
            )

    def view(self, data: Any) -> Any:
        """All of it: each candidate takes what it needs."""
        return data

    def predicts(self, names: Names) -> bool:
        """No: which groups' effects there are is another thing in every dataset."""
        return False

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        return self._selected(data.names, lambda model: model.fit(data))

    def _batch(self, data: CrossProducts, context: Context | None, groups: bool) -> Fit:
        one = jax.eval_shape(lambda batch: jax.tree.map(lambda leaf: leaf[0], batch), data)
        return self._selected(one.names, lambda model: model.fit_batch(data))

    def _selected(self, names: Names, fitted: Callable[[LinearMixed], Fit]) -> Fit:
        """The fit that the rule takes, of those of all candidates (of one dataset, or of a batch)."""
        fits = [fitted(model) for model in self.models(names)]
        stacked = jnp.stack
        parameters = [fit.theta.shape[-1] for fit in fits]
        choice = self.choice(stacked([fit.status for fit in fits]), stacked([fit.criterion for fit in fits]), parameters)
        kept = [replace(fit, theta=fit.theta[..., :0], covariance={}) for fit in fits]

        def pick(*leaves: jax.Array) -> jax.Array:
            """The chosen candidate's array, of those of all candidates."""
            every = stacked(leaves)
            place = choice.reshape(1, *choice.shape, *(1,) * (every.ndim - 1 - choice.ndim))
            return jnp.take_along_axis(every, place, axis=0)[0]

        found = jax.tree.map(pick, *kept)
        work = sum((fit.iterations for fit in fits), jnp.zeros_like(fits[0].iterations))
        return replace(found, iterations=work, extra={"selected": choice.astype(float)})

    def choice(self, status: jax.Array, criterion: jax.Array, parameters: Sequence[int]) -> jax.Array:
        """Number of the candidate, int ``[..]``.

        Args:
            status, criterion: of the candidates' fits, ``[C, ..]``.
            parameters: of the candidates' covariances.
        """
        answers = (status == Status.OK) | (status == Status.SINGULAR)
        last = len(parameters) - 1
        none = ~answers.any(0)
        if self.rule == "singular":
            regular = status == Status.OK
            simplest = last - jnp.argmax(answers[::-1], axis=0)
            return jnp.where(regular.any(0), jnp.argmax(regular, axis=0), jnp.where(none, last, simplest))
        if self.rule == "aic":
            penalty = 2.0 * jnp.asarray(parameters).reshape(-1, *(1,) * (criterion.ndim - 1))
            return jnp.where(none, last, jnp.argmin(jnp.where(answers, criterion + penalty, jnp.inf), axis=0))
        now = jnp.where(none, last, jnp.argmax(answers, axis=0))
        stopped = none
        for k in range(1, last + 1):
            had = jnp.take_along_axis(criterion, now[None], axis=0)[0]
            more = jnp.asarray(parameters)[now] - parameters[k]
            worse = gammaincc(jnp.maximum(more, 1) / 2, jnp.maximum(criterion[k] - had, 0.0) / 2) < self.alpha
            ahead = (k > now) & answers[k] & ~stopped
            stopped = stopped | (ahead & worse)
            now = jnp.where(ahead & ~worse, k, now)
        return now


def ladder(names: Names) -> list[str]:
    """Formulas from the maximal model down to random intercepts, each simpler than the one before it."""
    maximal = LinearMixed().random_effects(names)
    apart = [RandomEffects(one.factor, tuple((name,) for name in one.columns)) for one in maximal]
    steps = [list(maximal), apart]
    for k in reversed(range(len(maximal))):
        steps.append([intercepts(one) if place >= k else one for place, one in enumerate(apart)])
    texts = [formula_text(names.response, names.fixed, step) for step in steps]
    return list(dict.fromkeys(texts))


def _as_written(model: LinearMixed, names: Names) -> str:
    """The formula of a model that was made of columns, as people write it."""
    return formula_in_words(model.response(names), model.coefficients(names), model.random_effects(names), names)


def intercepts(effects: RandomEffects) -> RandomEffects:
    """Those of the intercept alone; all that there are without one."""
    own = tuple(name for name in effects.columns if name in INTERCEPTS)
    return RandomEffects(effects.factor, (own,)) if own else effects
