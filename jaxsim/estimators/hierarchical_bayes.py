"""The Bayesian strategy: what a user writes, and how a batch of datasets is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.bayesian import engine, pareto
from jaxsim.bayesian.attempts import METHODS, explore
from jaxsim.bayesian.marginals import INTERVALS
from jaxsim.bayesian.prior import distributions
from jaxsim.bayesian.priors import Decov, Priors, named
from jaxsim.bayesian.problem import Model
from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, withhold
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, choose
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.status import Status


@dataclass(frozen=True)
class HierarchicalBayes(Formulated):
    """Bayesian hierarchical model with one grouping factor; the posterior mean is the estimate, its SD the standard error.

    Needs NumPyro (``pip install 'jaxsim-studies[bayes]'``).

    Args:
        random, covariance: which columns have random effects, and which are correlated; as for :class:`jaxsim.LinearMixed`.
        priors: a named set, ``weak`` (autoscaled, as rstanarm and brms do), ``flat``, ``informative`` or ``rstanarm``, or
            :class:`Priors`.
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
        object.__setattr__(self, "random", self._mixed.random)

    @property
    def takes_random(self) -> bool:
        return True

    @cached_property
    def _mixed(self) -> LinearMixed:
        """The mixed model with the same random effects: it knows the names."""
        return LinearMixed(self.formula, self.random, self.covariance, label=self.label)

    @property
    def resamples(self) -> bool:
        return True

    def random_effects(self, names: Names) -> tuple[RandomEffects]:
        return self._mixed.by_one(names)

    def check(self, names: Names) -> None:
        super().check(names)
        self._mixed.check_by_one(names)
        priors = named(self.priors)
        if not isinstance(priors.sd, Decov):
            priors.of_sds(len(self.random_effects(names)[0].columns))
        priors.of_coefficients(sum(name not in INTERCEPTS for name in self.coefficients(names)))

    def model(self, data: CrossProducts) -> Model:
        """Positions, structure and priors for the kernels.

        Raises:
            InputError: for a prior that cannot be used, or without NumPyro.
        """
        distributions()
        spec, priors = self._mixed.spec(data), named(self.priors)
        priors.check()
        found = [i for i, name in enumerate(data.columns) if name in INTERCEPTS]
        return Model(spec.fixed, spec.random, spec.structure, priors, found[0] if found else None)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset: a batch of one."""
        if context is None:
            raise InputError(f"{self.name} draws random numbers: give fit a Context with a key.")
        one = jax.tree.map(lambda leaf: leaf[None], (data, context.key))
        return jax.tree.map(lambda leaf: leaf[0], self.fit_batch(one[0], Context(one[1], context.conf_level)))

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """Posterior means, ``[G, P]``: averages over the draws of what each of them gives in closed form.

        Raises:
            InputError: for a fit that was made without them.
        """
        if fit.groups is None:
            raise InputError(f"{self.name}: this fit has no coefficients of groups; make it with fit_batch(..., groups=True).")
        return fit.groups

    def _batch(self, data: CrossProducts, context: Context | None, groups: bool) -> Fit:
        """A dataset's numbers do not depend on the others, nor on their number."""
        assert context is not None
        factor = self.random_effects(data.names)[0].factor
        method = engine.Method(self.model(data), self.interval, groups)
        return _fit_batch(self, (method, factor), data, context.key, context.conf_level)


@partial(jax.jit, static_argnums=(0, 1))
def _fit_batch(
    estimator: HierarchicalBayes, how: tuple[engine.Method, str], data: CrossProducts, keys: jax.Array, level: jax.Array | float
) -> Fit:
    method, factor = how
    found = explore(estimator.method, method, data, keys, level)
    return jax.vmap(lambda one: report(one, method.model.priors, factor))(found)


def report(found: engine.Found, priors: Priors, factor: str) -> Fit:
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
        covariance={factor: summary.covariance},
        iterations=found.evaluations.astype(jnp.int32),
        p_value=summary.p_value,
        conf_low=summary.conf_low,
        conf_high=summary.conf_high,
        extra=extra,
        groups=summary.groups,
    )
    return withhold(fit)
