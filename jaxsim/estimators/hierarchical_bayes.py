"""The Bayesian strategy: what a user writes, and how a batch of datasets is fitted."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian import engine, pareto
from jaxsim.bayesian.attempts import METHODS, explore
from jaxsim.bayesian.marginals import INTERVALS
from jaxsim.bayesian.prior import distributions
from jaxsim.bayesian.priors import Decov, Priors, named
from jaxsim.bayesian.problem import Model
from jaxsim.crossed.bayesian_model import SeveralFactors
from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, withhold
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.data.random_effects import RandomEffects, consecutive
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, choose
from jaxsim.estimators import crossed_mixed, wording
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.estimators.prediction import Coefficients, as_viewed, of_groups
from jaxsim.status import Status


@dataclass(frozen=True)
class HierarchicalBayes(Formulated):
    """Bayesian hierarchical model with one grouping factor or several, crossed or nested; the posterior mean is the estimate, its
    SD the standard error.

    The effects of all levels of all factors are integrated out exactly, and the fixed effects with them where their priors are
    normal or flat. Needs NumPyro (``pip install 'jaxsim-studies[bayes]'``).

    Args:
        random, covariance: which columns have random effects, by which factors, and which are correlated; as for
            :class:`jaxsim.LinearMixed`.
        priors: a named set, ``weak`` (autoscaled, as rstanarm and brms do), ``flat``, ``informative`` or ``rstanarm``, or
            :class:`Priors`. A prior for each group SD names those of all factors, one factor after the other in the order of the
            formula, where ``school/class`` is class, then school; ``Decov`` is of each factor by itself.
        method: ``fast``: importance sampling of the collapsed posterior; ``nuts``: Markov chains; ``auto``: the first, and the
            second for datasets for which it is not reliable.
        interval: ``equal-tailed`` or ``hpd`` (highest density). The p value always belongs to the equal-tailed one.
        label: name in the tables.
        formula: as for :class:`jaxsim.LinearMixed`; ``estimand``: as :class:`jaxsim.estimators.strategy.Strategy`.
    """

    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"
    priors: str | Priors = "weak"
    method: str = "auto"
    interval: str = "equal-tailed"
    label: str = "bayes"

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("method", self.method, METHODS)
        choose("interval", self.interval, INTERVALS)
        named(self.priors)
        object.__setattr__(self, "random", self.mixed.random)

    @property
    def takes_random(self) -> bool:
        return True

    @cached_property
    def mixed(self) -> LinearMixed:
        """The mixed model with the same random effects: it knows the names."""
        return LinearMixed(self.formula, self.random, self.covariance, label=self.label)

    @property
    def resamples(self) -> bool:
        return True

    def in_words(self, names: Names) -> tuple[str, ...]:
        """The model, how its posterior is found, and by which priors."""
        methods = {
            "fast": "by importance sampling",
            "nuts": "by NUTS (Markov chains)",
            "auto": "by importance sampling, by NUTS where that is not reliable",
        }
        return (self.model_in_words(names), f"posterior {methods[self.method]}", *self.posterior_in_words)

    @property
    def posterior_in_words(self) -> tuple[str, ...]:
        """Priors and intervals."""
        return (f"{wording.written(self.priors)} priors", f"{self.interval} intervals")

    def random_effects(self, names: Names) -> tuple[RandomEffects, ...]:
        return self.mixed.random_effects(names)

    def view(self, data: Any) -> Any:
        """As the mixed model has it."""
        return self.mixed.view(data)

    def check(self, names: Names) -> None:
        super().check(names)
        self.mixed.check(names)
        self.check_priors(names, self.random_effects(names))

    def check_priors(self, names: Names, effects: tuple[RandomEffects, ...]) -> None:
        """Raise :class:`InputError` if so many parameters have no priors."""
        priors = named(self.priors)
        if not isinstance(priors.sd, Decov):
            priors.of_sds(sum(len(one.columns) for one in effects))
        priors.of_coefficients(sum(name not in INTERCEPTS for name in self.coefficients(names)))

    def model(self, data: CrossProducts) -> Model:
        """Positions, structure and priors for the kernels.

        Raises:
            InputError: for a prior that cannot be used, or without NumPyro.
        """
        distributions()
        priors, effects = named(self.priors), self.random_effects(data.names)
        priors.check()
        intercept = next((i for i, name in enumerate(data.columns) if name in INTERCEPTS), None)
        if len(effects) == 1:
            spec = self.mixed.spec(data)
            return Model(spec.fixed, spec.random, spec.structure, priors, intercept)
        random = tuple(int(i) for one in effects for i in data.index_of(one.columns))
        structure = consecutive(len(block) for one in effects for block in one.blocks)
        design = crossed_mixed.model_for(data, effects, reml=True)
        return SeveralFactors(design.spec.fixed, random, structure, priors, intercept, design)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset: a batch of one."""
        if context is None:
            raise InputError(f"{self.name} draws random numbers: give fit a Context with a key.")
        one = jax.tree.map(lambda leaf: leaf[None], (data, context.key))
        return jax.tree.map(lambda leaf: leaf[0], self.fit_batch(one[0], Context(one[1], context.conf_level)))

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """Posterior means, ``[G, P]``: averages over the draws of what each of them gives in closed form. With several grouping
        factors those of the first.

        Raises:
            InputError: for a fit that was made without them.
        """
        data = self.view(data)
        if not self.mixed.several(data.names):
            return self._kept(fit)
        found, first = self.effects_by_factor(data, fit), data.factors[0]
        if first not in found:
            return jnp.broadcast_to(fit.estimate, (data.counts[0], len(data.fixed)))
        own = next(one for one in self.random_effects(data.names) if one.factor == first)
        return of_groups(data, own, fit.estimate, found[first])

    def _kept(self, fit: Fit) -> jax.Array:
        if fit.groups is None:
            raise InputError(f"{self.name}: this fit has no coefficients of groups; make it with fit_batch(..., groups=True).")
        return fit.groups

    def effects_by_factor(self, data: CrossProducts, fit: Fit) -> dict[str, jax.Array]:
        """Posterior means of the random effects of all levels of several grouping factors, ``[G, q]`` of each.

        Raises:
            InputError: for a fit that was made without them.
        """
        effects, kept = self.random_effects(data.names), self._kept(fit)
        shapes = [(data.counts[data.factors.index(one.factor)], len(one.columns)) for one in effects]
        parts = jnp.split(kept, np.cumsum([count * width for count, width in shapes])[:-1])
        return {one.factor: part.reshape(shape) for one, part, shape in zip(effects, parts, shapes, strict=True)}

    @property
    def predicts_itself(self) -> bool:
        """No: what it predicts is made of its coefficients and effects."""
        return False

    def prediction_coefficients(self, data: CrossProducts, fit: Fit) -> Coefficients | None:
        """None with several grouping factors, whose effects are not of a row's group alone."""
        return None if self.mixed.several(data.names) else super().prediction_coefficients(data, fit)

    def predict(self, data: CrossProducts, fit: Fit, new: Rows) -> jax.Array:
        """As of any strategy; with several grouping factors by the posterior means of all levels' effects."""
        if not self.mixed.several(data.names):
            return super().predict(data, fit, new)
        data = self.view(data)
        effects = self.random_effects(data.names)
        return crossed_mixed.with_effects(data, fit, self.effects_by_factor(data, fit), effects, as_viewed(data, new))

    def _batch(self, data: CrossProducts, context: Context | None, groups: bool) -> Fit:
        """A dataset's numbers do not depend on the others, nor on their number."""
        assert context is not None
        method = engine.Method(self.model(data), self.interval, groups)
        return _fit_batch(self, (method, self.random_effects(data.names)), data, context.key, context.conf_level)


@partial(jax.jit, static_argnums=(0, 1))
def _fit_batch(
    estimator: HierarchicalBayes,
    how: tuple[engine.Method, tuple[RandomEffects, ...]],
    data: CrossProducts,
    keys: jax.Array,
    level: jax.Array | float,
) -> Fit:
    method, effects = how
    found = explore(estimator.method, method, data, keys, level)
    return jax.vmap(lambda one: report(one, method.model.priors, effects))(found)


def covariance_of(matrix: jax.Array, effects: tuple[RandomEffects, ...]) -> dict[str, jax.Array]:
    """Of each factor, from that of all effects ``[Q, Q]``."""
    ends = [0, *itertools.accumulate(len(one.columns) for one in effects)]
    return {one.factor: matrix[a:b, a:b] for one, (a, b) in zip(effects, itertools.pairwise(ends), strict=True)}


def report(found: engine.Found, priors: Priors, effects: tuple[RandomEffects, ...]) -> Fit:
    """A :class:`Fit` of one dataset. Extra columns: ``median`` and ``prob_direction`` of each term, the diagnostics of the fit."""
    summary = found.summary
    status = jnp.where((found.status == Status.OK) & ~found.reliable, Status.NOT_CONVERGED, found.status).astype(jnp.int32)
    shown = (status == Status.OK) | (status == Status.NOT_CONVERGED)
    criterion = -2 * found.log_evidence
    extra = {
        "median": jnp.where(shown, summary.median, jnp.nan),
        "prob_direction": jnp.where(shown, 1 - summary.p_value / 2, jnp.nan),
        "nuts": found.chains,
        **{name: getattr(found, name) for name in ("pareto_k", "ess", "ess_tail", "rhat", "divergences", "saturated", "e_bfmi")},
        "attempts": found.attempts,
        "leapfrog_needed": found.steps,
        "leapfrog_warm": found.warm,
        "leapfrog_executed": found.executed,
    }
    fit = Fit(
        estimate=summary.estimate,
        std_error=jnp.sqrt(jnp.diagonal(summary.vcov)),
        df=jnp.full(summary.estimate.shape, jnp.inf),
        vcov=summary.vcov,
        status=status,
        converged=found.reliable,
        singular=jnp.asarray(False),
        criterion=jnp.where(priors.improper | ~(found.pareto_k < pareto.UNRELIABLE), jnp.nan, criterion),
        sigma=summary.sigma,
        theta=jnp.zeros((0,)),
        covariance=covariance_of(summary.covariance, effects),
        iterations=found.evaluations.astype(jnp.int32),
        p_value=summary.p_value,
        conf_low=summary.conf_low,
        conf_high=summary.conf_high,
        extra=extra,
        groups=summary.groups,
    )
    return withhold(fit)
