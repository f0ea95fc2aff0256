"""OLS with cluster-robust standard errors, under named small-sample conventions, with t or wild bootstrap inference."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, Inference, closed_form, first_status
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, choose
from jaxsim.estimators import wording
from jaxsim.estimators.clustered import Clustered
from jaxsim.estimators.prediction import PredictionError, of_least_squares
from jaxsim.estimators.sandwich import (
    CONVENTIONS,
    DEGREES,
    POWERS,
    Groups,
    adjust,
    adjusted_scores,
    default_degrees,
    sandwich,
    satterthwaite,
    standardise,
)
from jaxsim.estimators.wild import WEIGHTS, draw, wild_bootstrap
from jaxsim.numerics.arrays import library
from jaxsim.numerics.least_squares import gaussian_deviance, solve
from jaxsim.status import Status

# Squared rounding errors of scores relative to the classical variance are about 1e-30; nothing real is as small as this.
ZERO_VARIANCE = 1e-20
INFERENCES: tuple[str, ...] = ("t", "wild")
DRAWS = 999


class Contrasts(NamedTuple):
    """Combinations ``weights @ beta`` ``[R, P]`` of the coefficients, and the ``null`` value of each that is tested, ``[R]``."""

    weights: jax.Array
    null: jax.Array


@dataclass(frozen=True)
class ClusterRobust(Clustered):
    """Pooled OLS whose standard errors allow any dependence within a group (Liang & Zeger 1986).

    ``V = m A [sum_g s_g s_g'] A`` with bread ``A = (X'X)^-1`` and scores ``s_g = X_g'e_g``, adjusted in CR2 and CR3.

    Args:
        vcov: convention, one of ``CR0``, ``CR1``, ``CR1p``, ``CR1S``, ``pymer4`` (which differ by the factor ``m``: see
            :func:`jaxsim.estimators.sandwich.scale`), ``CR2`` (unbiased if errors are independent: Bell & McCaffrey 2002) or
            ``CR3`` (the jackknife, as clubSandwich scales it).
        label: name in the tables.
        df: degrees of freedom of t: ``satterthwaite`` (Bell & McCaffrey's, for independent errors; they differ between
            coefficients), ``G-1``, ``G-P`` or ``normal``. None takes those of the convention: ``satterthwaite`` for CR2 and CR3,
            ``G-P`` for pymer4, else ``G-1``.
        inference: ``t``, or ``wild`` for p values and confidence limits by the wild cluster restricted bootstrap-t; see
            :func:`jaxsim.estimators.wild.wild_bootstrap`. Standard errors and df stay those of ``vcov`` and ``df``.
        weights: of the bootstrap: ``rademacher``, ``webb`` (for fewer than about ten groups) or ``mammen``.
        draws: of the bootstrap. Rademacher weights are enumerated where there are fewer patterns than that. With alpha times
            ``draws + 1`` a whole number the test has the level alpha exactly where t is pivotal (Davidson & MacKinnon 2000).
        cluster: the grouping factor of the clusters, such as ``"item"``; the process's first when None. Dependence within the
            groups of other factors is ignored: :class:`jaxsim.MultiwayCluster` allows for it.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, ``draws`` that is no positive integer, the bootstrap with CR2 or CR3, or options of the
            bootstrap without it.
    """

    vcov: str = "CR1S"
    label: str = "lm"
    df: str | None = None
    inference: str = "t"
    weights: str = "rademacher"
    draws: int = DRAWS

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("vcov", self.vcov, CONVENTIONS)
        if self.df is not None:
            choose("df", self.df, DEGREES)
        choose("inference", self.inference, INFERENCES)
        choose("weights", self.weights, WEIGHTS)
        if isinstance(self.draws, bool) or not isinstance(self.draws, int) or not 1 <= self.draws < 2**30:
            raise InputError(f"draws={brief(self.draws)} must be a positive integer, such as 999.")
        if not self.resamples and self.weights != WEIGHTS[0]:
            raise InputError(bootstrap_only(f"weights={self.weights!r}"))
        if not self.resamples and self.draws != DRAWS:
            raise InputError(bootstrap_only(f"draws={brief(self.draws)}"))
        if self.resamples and self.vcov in POWERS:
            raise InputError(f"inference='wild' studentises by unadjusted scores, so vcov={self.vcov!r} does not fit; use 'CR1S'.")

    @property
    def resamples(self) -> bool:
        return self.inference == "wild"

    @property
    def degrees(self) -> str:
        """The kind of degrees of freedom that is used."""
        return self.df or default_degrees(self.vcov)

    def in_words(self, names: Names) -> tuple[str, ...]:
        told = (self.model_in_words(names), "least squares", wording.errors(self.vcov, f"the groups of {self.grouping(names)}"))
        if self.resamples:
            return (*told, wording.resampled(f"the wild cluster bootstrap with {self.weights} weights", self.draws))
        return (*told, wording.ROBUST[self.degrees])

    @property
    def same_when_padded(self) -> bool:
        """All conventions; not the wild bootstrap."""
        return self.inference == "t"

    @property
    def closed_form(self) -> bool:
        return self.inference == "t" and self.vcov != "CR2"

    def fit(self, data: CrossProducts, context: Context | None = None, contrasts: Contrasts | None = None) -> Fit:
        """Fit one dataset; with ``contrasts`` everything in the result is about these instead of the coefficients.

        Raises:
            InputError: if the bootstrap gets no ``context``.
        """
        if self.resamples and context is None:
            raise InputError(f"{self.name} resamples: give it a Context with a key.")
        data = self.view(data)
        products = data.regression()
        xp, total = library(products), products.sum(0)
        ls = solve(total)
        groups = standardise(products, ls)
        directions = ls.root if contrasts is None else contrasts.weights @ ls.root
        estimate = ls.beta if contrasts is None else contrasts.weights @ ls.beta
        n_rows, n_groups, n_fixed = data.n_rows, data.n_groups, len(data.fixed)
        half, df, expected = self._variance(groups, directions, n_groups, n_fixed)
        vcov = sandwich(self.vcov, half, n_groups, n_rows, n_fixed)
        unit = (directions**2).sum(1)
        variance = ls.rss / (n_rows - n_fixed)
        none = xp.maximum(ZERO_VARIANCE, groups.rounding**2)
        status = first_status(
            (~xp.isfinite(total).all(), Status.NON_FINITE),
            (n_rows <= n_fixed, Status.TOO_FEW_ROWS),
            ((n_groups < 2) | (n_groups <= self._groups_used(n_fixed)), Status.TOO_FEW_GROUPS),
            (~ls.full_rank, Status.RANK_DEFICIENT),
            (ls.exact, Status.ZERO_RESIDUAL),
            # A coefficient whose scores are zero in every cluster (one per cluster, say) has a variance of rounding errors,
            # and no variance is expected of it either.
            ((xp.diagonal(vcov) <= none * variance * unit).any(), Status.ZERO_VARIANCE),
            ((expected <= groups.rounding * unit).any(), Status.ZERO_VARIANCE),
        )
        null = xp.zeros(len(directions)) if contrasts is None else contrasts.null
        own = self._own_inference(groups, directions, estimate, null, data.sizes > 0, context)
        return closed_form(estimate, vcov, df, status, gaussian_deviance(ls.rss, n_rows), xp.sqrt(variance), own)

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """The same for all groups: those of pooled least squares."""
        return jnp.broadcast_to(fit.estimate, (len(data.sizes), len(data.fixed)))

    def prediction_error(self, data: CrossProducts, fit: Fit, new: Rows) -> PredictionError | None:
        """``s^2 + x'Vx`` with the robust ``V``, as :func:`jaxsim.lm` predicts; None where each combination of coefficients has
        degrees of freedom of its own."""
        if self.degrees == "satterthwaite":
            return None
        return of_least_squares(data, new, fit.vcov, fit.sigma, fit.df[0])

    def _variance(
        self, groups: Groups, directions: jax.Array, n_groups: jax.Array, n_fixed: int
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Factor of the sandwich ``[R, G]``, df ``[R]`` or ``[]``, expected variance relative to the residual's ``[R]``."""
        xp = library(groups.scores, directions)
        scores, expected = groups.scores, xp.ones(len(directions)) * xp.inf
        df = {"G-1": n_groups - 1, "G-P": n_groups - n_fixed}.get(self.degrees, xp.asarray(xp.inf))
        if self.vcov in POWERS or self.degrees == "satterthwaite":
            adjustment = adjust(self.vcov, groups)
            scores = adjusted_scores(adjustment, groups)
            if self.degrees == "satterthwaite":
                df, expected = satterthwaite(adjustment, directions)
        return directions @ scores, df, expected

    def _groups_used(self, n_fixed: int) -> int:
        """Groups that leave no degree of freedom, or no finite scale."""
        return n_fixed if self.degrees == "G-P" or self.vcov == "CR1p" else 1

    def _own_inference(
        self,
        groups: Groups,
        directions: jax.Array,
        estimate: jax.Array,
        null: jax.Array,
        present: jax.Array,
        context: Context | None,
    ) -> Inference | None:
        """The bootstrap's p values and limits; None for the t distribution's."""
        if not self.resamples or context is None:
            return None
        draws = draw(self.weights, context.key, present, self.draws)
        found = wild_bootstrap(groups, directions, estimate - null, draws, 1 - context.conf_level)
        return Inference(found.p_value, estimate + found.conf_low, estimate + found.conf_high)


def bootstrap_only(given: str) -> str:
    """What to tell a user of an option of the bootstrap who did not ask for one."""
    return f"{given} is an option of the bootstrap, which inference='t' does not use; add inference='wild', or leave it out."


@partial(jax.jit, static_argnums=0)
def fit_contrasts(estimator: ClusterRobust, data: CrossProducts, contrasts: Contrasts, context: Context | None = None) -> Fit:
    """:meth:`ClusterRobust.fit` of one dataset, compiled."""
    return estimator.fit(data, context, contrasts)
