"""The Bayesian strategy: what a user writes, and how a batch of datasets is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from jaxsim.bayesian import engine, pareto
from jaxsim.bayesian.marginals import INTERVALS
from jaxsim.bayesian.prior import distributions
from jaxsim.bayesian.priors import Decov, Priors, named
from jaxsim.bayesian.problem import INTERCEPTS, Model
from jaxsim.bayesian.queue import in_parts, retry
from jaxsim.crossproduct import CrossProducts
from jaxsim.errors import InputError, choose
from jaxsim.estimators.base import Estimator, Fit, Resampling, withhold
from jaxsim.estimators.lmm import LinearMixed
from jaxsim.status import Status

METHODS: tuple[str, ...] = ("auto", "fast", "nuts")


@dataclass(frozen=True)
class HierarchicalBayes(Estimator):
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
    """

    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"
    priors: str | Priors = "weak"
    method: str = "auto"
    interval: str = "equal-tailed"
    label: str = "bayes"

    def __post_init__(self) -> None:
        choose("method", self.method, METHODS)
        choose("interval", self.interval, INTERVALS)
        named(self.priors)
        object.__setattr__(self, "random", self._mixed.random)

    @property
    def _mixed(self) -> LinearMixed:
        """The mixed model with the same random effects: it knows the names."""
        return LinearMixed(self.random, self.covariance, label=self.label)

    @property
    def name(self) -> str:
        return self.label

    @property
    def resamples(self) -> bool:
        return True

    def random_columns(self, fixed: tuple[str, ...]) -> tuple[str, ...]:
        return self._mixed.random_columns(fixed)

    def blocks(self, fixed: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """The same names, a tuple for each block of correlated effects."""
        return self._mixed.blocks(fixed)

    def check(self, terms: tuple[str, ...]) -> None:
        self._mixed.check(terms)
        priors = named(self.priors)
        if not isinstance(priors.sd, Decov):
            priors.of_sds(len(self.random_columns(terms)))
        priors.of_coefficients(sum(name not in INTERCEPTS for name in terms))

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

    def fit(self, data: CrossProducts, resampling: Resampling | None = None) -> Fit:
        """Fit one dataset: a batch of one."""
        if resampling is None:
            raise InputError(f"{self.name} draws random numbers: give fit a Resampling with a key.")
        one = jax.tree.map(lambda leaf: leaf[None], (data, resampling.key))
        return jax.tree.map(lambda leaf: leaf[0], self.fit_batch(one[0], Resampling(one[1], resampling.conf_level)))

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """Posterior means, ``[G, P]``: averages over the draws of what each of them gives in closed form.

        Raises:
            InputError: for a fit that was made without them.
        """
        if fit.groups is None:
            raise InputError(f"{self.name}: this fit has no coefficients of groups; make it with fit_batch(..., groups=True).")
        return fit.groups

    def fit_batch(self, data: CrossProducts, resampling: Resampling | None = None, groups: bool = False) -> Fit:
        """Fit every dataset of a batch. A dataset's numbers do not depend on the others, nor on their number."""
        if resampling is None:
            raise InputError(f"{self.name} draws random numbers: give fit_batch a Resampling with a key for every dataset.")
        return _fit_batch(self, engine.Method(self.model(data), self.interval, groups), data, resampling.key, resampling.conf_level)


@partial(jax.jit, static_argnums=(0, 1))
def _fit_batch(
    estimator: HierarchicalBayes, method: engine.Method, data: CrossProducts, keys: jax.Array, level: jax.Array | float
) -> Fit:
    found = explore(estimator.method, method, data, keys, level)
    return jax.vmap(lambda one: report(one, method.model.priors))(found)


def pending(found: engine.Found) -> jax.Array:
    """Which datasets have a posterior that is not sampled reliably yet."""
    return (found.status == Status.OK) & ~found.reliable


def explore(kind: str, method: engine.Method, data: CrossProducts, keys: jax.Array, level: jax.Array | float) -> engine.Found:
    """Every dataset's posterior, by the path that ``kind`` names; those that fail are tried again (traceable)."""

    def part(places: jax.Array) -> tuple[CrossProducts, jax.Array]:
        return jax.tree.map(lambda leaf: leaf[places], (data, keys))

    found = in_parts(lambda places: engine.prepare(part(places)[0], level, method), keys.shape[0])

    if kind != "nuts":

        def quick(number: jax.Array, places: jax.Array, wanted: jax.Array, now: engine.Found) -> engine.Found:
            return engine.fast(number, *part(places), jax.tree.map(lambda leaf: leaf[places], now), level, method)[0]

        found = retry(quick, pending, found, engine.FAST_ATTEMPTS)
    if kind != "fast":

        def slow(number: jax.Array, places: jax.Array, wanted: jax.Array, now: engine.Found) -> engine.Found:
            before = jax.tree.map(lambda leaf: leaf[places], now)
            return engine.chains(number, *part(places), wanted, before, level, method)[0]

        found = retry(slow, pending, found, len(engine.WARM_UP))
    return found


def report(found: engine.Found, priors: Priors) -> Fit:
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
        covariance=summary.covariance,
        iterations=found.evaluations.astype(jnp.int32),
        p_value=summary.p_value,
        conf_low=summary.conf_low,
        conf_high=summary.conf_high,
        extra=extra,
        groups=summary.groups,
    )
    return withhold(fit)
