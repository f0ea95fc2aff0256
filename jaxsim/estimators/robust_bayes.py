"""The Bayesian strategy that outlying rows do not rule: a hierarchical model with Student-t residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxsim.bayesian import engine, robust
from jaxsim.bayesian.priors import Priors, named
from jaxsim.data.context import Context
from jaxsim.data.fit import Fit, withhold
from jaxsim.data.names import Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.hierarchical_bayes import HierarchicalBayes
from jaxsim.estimators.strategy import Reads
from jaxsim.status import Status


@dataclass(frozen=True)
class RobustBayes(Formulated):
    """Bayesian hierarchical model with Student-t residuals and one grouping factor; posterior mean and SD are reported.

    As :class:`jaxsim.HierarchicalBayes`, with ``sigma t_nu`` in place of normal residuals; ``nu`` has the prior Gamma(2, 0.1) of
    Juarez & Steel (2010), cut off below 2, where t has no variance. ``sigma`` is the scale of t: the residual SD is
    ``sigma sqrt(nu / (nu - 2))``. It needs rows, so a process that draws them, and NumPyro for the priors
    (``pip install 'jaxsim-studies[bayes]'``).

    Args:
        random, covariance: which columns have random effects, and which are correlated; as for :class:`jaxsim.LinearMixed`.
        priors: as for :class:`jaxsim.HierarchicalBayes`, but fixed effects must have normal or flat ones.
        interval: ``equal-tailed`` or ``hpd`` (highest density). The p value always belongs to the equal-tailed one.
        label: name in the tables.
        formula, estimand: as for :class:`jaxsim.HierarchicalBayes`.

    Raises:
        InputError: for an unknown option, or another prior of a fixed effect.
    """

    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"
    priors: str | Priors = "weak"
    interval: str = "equal-tailed"
    label: str = "bayes_t"

    guards_itself: ClassVar[bool] = True
    reads: ClassVar[Reads] = Rows

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "random", self.gaussian.random)
        for given in named(self.priors).of_fixed_effects:
            if not given.normal:
                raise InputError(
                    f"RobustBayes: the prior {given} of a fixed effect is neither Normal nor Flat; this sampler draws fixed "
                    "effects from normal distributions. Give one of these, or use HierarchicalBayes."
                )

    @cached_property
    def gaussian(self) -> HierarchicalBayes:
        """The same model with normal residuals."""
        options = (self.random, self.covariance, self.priors)
        return HierarchicalBayes(*options, interval=self.interval, label=self.label, formula=self.formula, estimand=self.estimand)

    @property
    def takes_random(self) -> bool:
        return True

    @property
    def resamples(self) -> bool:
        return True

    def in_words(self, names: Names) -> tuple[str, ...]:
        told = ("Student-t residuals with estimated degrees of freedom", "posterior by Gibbs sampling")
        return (self.model_in_words(names), *told, *self.gaussian.posterior_in_words)

    def random_effects(self, names: Names) -> tuple[RandomEffects]:
        return self.gaussian.mixed.by_one(names)

    def check(self, names: Names) -> None:
        super().check(names)
        self.gaussian.mixed.check_by_one(names)
        self.gaussian.check_priors(names, self.random_effects(names))

    def fit(self, data: Rows, context: Context | None = None) -> Fit:
        """Fit one dataset.

        Raises:
            InputError: without a context, or NumPyro.
        """
        if context is None:
            raise InputError(f"{self.name} draws random numbers: give fit a Context with a key.")
        data = self.view(data)
        reduced = data.reduce(data.counts[0])
        method = engine.Method(self.gaussian.model(reduced), self.interval)
        found = robust.explore((data, reduced), context.key, context.conf_level, method)
        return report(found, self.random_effects(data.names)[0].factor)

    def group_coefficients(self, data: Rows, fit: Fit) -> jax.Array | None:
        """Posterior means, ``[G, P]``: averages of the means that each draw of everything else gives."""
        return fit.groups

    def _batch(self, data: Any, context: Context | None, groups: bool) -> Fit:
        fit = super()._batch(data, context, groups)
        return fit if groups else replace(fit, groups=None)


def report(found: robust.Found, factor: str) -> Fit:
    """A :class:`Fit` of one dataset. Extra columns: ``median`` and ``prob_direction`` of each term, ``nu``, the diagnostics."""
    summary = found.summary
    status = jnp.where((found.status == Status.OK) & ~found.reliable, Status.NOT_CONVERGED, found.status).astype(jnp.int32)
    shown = (status == Status.OK) | (status == Status.NOT_CONVERGED)
    fit = Fit(
        estimate=summary.estimate,
        std_error=jnp.sqrt(jnp.diagonal(summary.vcov)),
        df=jnp.full(summary.estimate.shape, jnp.inf),
        vcov=summary.vcov,
        status=status,
        converged=found.reliable,
        singular=jnp.asarray(False),
        criterion=jnp.asarray(jnp.nan),
        sigma=summary.sigma,
        theta=jnp.zeros((0,)),
        covariance={factor: summary.covariance},
        iterations=found.sweeps,
        p_value=summary.p_value,
        conf_low=summary.conf_low,
        conf_high=summary.conf_high,
        groups=summary.groups,
    )
    extra = {
        "median": jnp.where(shown, summary.median, jnp.nan),
        "prob_direction": jnp.where(shown, 1 - summary.p_value / 2, jnp.nan),
        "nu": found.nu,
        "ess": found.ess,
        "ess_tail": found.ess_tail,
        "rhat": found.rhat,
        "accept_scale": found.accept[0],
        "accept_groups": found.accept[1],
        "attempts": found.attempts,
    }
    return replace(withhold(fit), extra=extra)
