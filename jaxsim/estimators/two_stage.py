"""Two-stage summary statistics: a regression per group, then inference about the mean of each coefficient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, Inference, closed_form, first_status
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.errors import InputError, brief, choose, finite
from jaxsim.estimators import wording
from jaxsim.estimators.clustered import Clustered
from jaxsim.estimators.resampled_mean import bootstrap, ordered_sample, sign_flip
from jaxsim.estimators.robust_mean import RobustMean, huber, trimmed
from jaxsim.estimators.second_stage import Mean, OwnRegressions, equal_weights, precision_weights
from jaxsim.numerics.arrays import library
from jaxsim.numerics.least_squares import solve
from jaxsim.status import Status

INFERENCES: tuple[str, ...] = ("t", "bootstrap", "bootstrap-t", "sign-flip")
WEIGHTS: tuple[str, ...] = ("equal", "precision")
MEANS: tuple[str, ...] = ("arithmetic", "precision", "huber", "trimmed")
TRIM = 0.2
# Coefficients got from cross-products carry at best 10 digits of their own size, those of a response of which a fit was subtracted
# 13 of what was: groups that differ by less than that do not differ.
OWN_DIGITS, ORIGIN_DIGITS = 1e-10, 1e-13


@dataclass(frozen=True)
class TwoStage(Clustered):
    """No pooling, then a test of the mean coefficient (pymer4's ``Lm2``; not instrumental-variables two-stage least squares).

    ``b_g = (X_g'X_g)^-1 X_g'y_g``; estimate = mean, ``SE = sd / sqrt(G)``, t with ``G - 1`` df. A group that cannot be fitted
    on its own (fewer rows than coefficients, or deficient rank) makes the whole dataset a failure, never a pseudo-inverse.

    Args:
        inference: where p values and confidence limits come from; standard errors and df are those of the t test with any.

            - ``t``: one-sample t test.
            - ``bootstrap``: percentile interval of resampled groups (pymer4's ``conf_int="boot"``). Too narrow for few groups, it
              knows neither the factor ``G / (G - 1)`` nor the quantiles of t: nominal 95% covers 83% with five normal groups, 90%
              with ten, 93% with thirty. With all groups on one side of zero the p value is the smallest there is.
            - ``bootstrap-t``: the same resamples, studentised; it covers 95% there, at the price of long intervals.
            - ``sign-flip``: permutation test by flipping the signs of groups (pymer4's ``permute``), exact for groups that are
              symmetric about the mean, and the interval of all means that it does not reject.
        weights: ``equal``, or ``precision`` for a random-effects mean with weights ``1 / (tau^2 + se_g^2)``: Paule-Mandel ``tau^2``
            and the Knapp-Hartung standard error, with t of ``G - 1`` df. ``se_g^2`` has the residual variance of all groups
            together, as a mixed model has: a group's own, from a few rows, is so variable that weights made of it favour groups
            that fit well by chance. Needs more rows than groups times coefficients.
        draws: resamples or sign patterns.
        label: name in the tables.
        mean: of the groups' coefficients: ``arithmetic``; ``precision``, another word for ``weights="precision"``, which the
            strategy then has; or one that single groups cannot pull far: ``huber`` (as ``MASS::rlm``, with its standard error) or
            ``trimmed`` (with Yuen's); see :mod:`jaxsim.estimators.robust_mean`. Of skewed groups these estimate another number than
            the mean.
        trim: the share of groups that the trimmed mean leaves out on either side.
        cluster: the factor whose groups have regressions of their own, such as ``"item"``; the process's first when None. What
            the groups of another factor share is ignored: :class:`jaxsim.Aggregated` says more of subjects and items.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, ``draws`` that is no number of draws, precision weights with resampling (each
            resample would need weights of its own), a robust mean with either, or ``trim`` without a trimmed mean.
    """

    inference: str = "t"
    weights: str = "equal"
    draws: int = 999
    label: str = "lm2"
    mean: str = "arithmetic"
    trim: float = TRIM

    guards_itself: ClassVar[bool] = True

    def in_words(self, names: Names) -> tuple[str, ...]:
        """The regression in each group, what mean of its coefficients is taken, and how that is tested."""
        means = {
            "huber": "Huber's mean of the coefficients",
            "trimmed": f"mean of the coefficients trimmed by {self.trim:g} on either side",
            "arithmetic": f"mean of the coefficients with {self.weights} weights",
        }
        how = {"bootstrap": "a percentile bootstrap of groups", "bootstrap-t": "a studentised bootstrap of groups"}
        tests = "Yuen's t test" if self.mean == "trimmed" else wording.DEGREES["G-1"]
        if self.resamples:
            tests = wording.resampled(how.get(self.inference, "flipping the signs of groups"), self.draws)
        return (f"{self.model_in_words(names)} in each {self.grouping(names)} alone", means[self.mean], tests)

    def alone(self, names: Names) -> int:
        return len(self.coefficients(names))

    def hopeless(self, names: Names) -> str | None:
        """Two coefficients that no regression of one group can tell apart."""
        factor, earlier = self.grouping(names), dict[tuple[str, ...], str]()
        for name in sorted(self.coefficients(names), key=lambda name: name not in INTERCEPTS):
            part = names.within_part(name, factor)
            if part in earlier:
                times = "" if part == () else f"{':'.join(part)!r} times "
                return (
                    f"{name!r} is {times}one number in each {factor}, so that no regression of one {factor} alone can tell its "
                    f"effect from that of {earlier[part]!r}. Use Aggregated(), which tests such effects by how the regressions of "
                    "one and another differ, or give a formula without it."
                )
            earlier[part] = name
        return None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("inference", self.inference, INFERENCES)
        choose("weights", self.weights, WEIGHTS)
        choose("mean", self.mean, MEANS)
        if self.mean == "precision":
            object.__setattr__(self, "weights", "precision")
            object.__setattr__(self, "mean", "arithmetic")
        if isinstance(self.draws, bool) or not isinstance(self.draws, int) or not 1 <= self.draws < 2**30:
            raise InputError(f"draws={brief(self.draws)} must be an integer from 1 to 2**30 - 1, such as 999.")
        if self.weights == "precision" and self.resamples:
            raise InputError(f"weights='precision' goes with inference='t' only, not {self.inference!r}; use weights='equal'.")
        self._check_mean()

    def _check_mean(self) -> None:
        if self.mean != "arithmetic" and (self.resamples or self.weights != "equal"):
            given = f"inference={self.inference!r}" if self.resamples else f"weights={self.weights!r}"
            raise InputError(f"mean={self.mean!r} has a standard error of its own and does not go with {given}; leave that out.")
        if not finite(self.trim) or not 0 <= self.trim < 0.5:
            raise InputError(f"trim={brief(self.trim)} must be a share of the groups from 0 to below 0.5, such as 0.2.")
        if self.mean != "trimmed" and self.trim != TRIM:
            raise InputError(f"trim={brief(self.trim)} is of a trimmed mean; add mean='trimmed', or leave it out.")

    @property
    def resamples(self) -> bool:
        return self.inference != "t"

    @property
    def same_when_padded(self) -> bool:
        """The plain mean; not resampling, other weights or robust means."""
        return self.inference == "t" and self.weights == "equal" and self.mean == "arithmetic"

    @property
    def closed_form(self) -> bool:
        return self.inference == "t" and self.weights == "equal" and self.mean != "huber"

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        own, status = first_stage(data)
        return self.second_stage(own, status, context)

    def second_stage(self, own: OwnRegressions, status: jax.Array, context: Context | None = None) -> Fit:
        """The fit from every group's own regression; ``status`` says whether they could all be had."""
        xp = library(own.beta)
        mean, df, settled = self.mean_of(own)
        floor = OWN_DIGITS**2 * xp.where(own.present, own.beta**2 + own.sampling, 0.0).sum(1)
        floor = floor + ORIGIN_DIGITS**2 * own.n_groups * own.origin**2
        second = first_status(
            (xp.asarray(self.weights == "precision") & (own.residual_df <= 0), Status.TOO_FEW_ROWS),
            (df < 1, Status.TOO_FEW_GROUPS),
            (((mean.deviation**2).sum(1) <= floor).any(), Status.ZERO_VARIANCE),
            (~settled, Status.NOT_CONVERGED),
        )
        nothing = xp.asarray(xp.nan)
        return closed_form(
            own.origin + mean.estimate,
            mean.vcov,
            df,
            xp.where(status == Status.OK, second, status),
            nothing,
            nothing,
            self.own_inference(own, mean, context),
        )

    def mean_of(self, own: OwnRegressions) -> RobustMean:
        """The mean of the groups' coefficients, and the degrees of freedom of its t."""
        if self.mean == "huber":
            return huber(own)
        if self.mean == "trimmed":
            return trimmed(own, self.trim)
        mean = precision_weights(own) if self.weights == "precision" else equal_weights(own)
        return RobustMean(mean, own.n_groups - 1, library(own.beta).asarray(True))

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """Each group's own least squares, whatever the weights; if one cannot be had the dataset is a failure."""
        own, _ = first_stage(data)
        return own.beta.T

    def own_inference(self, own: OwnRegressions, mean: Mean, context: Context | None) -> Inference | None:
        """Resampled p values and limits; None for the t test."""
        if not self.resamples:
            return None
        if context is None:
            raise InputError(f"{self.name} resamples: give it a Context with a key.")
        groups = ordered_sample(own.origin + mean.estimate, mean.deviation, own.present)
        if self.inference == "sign-flip":
            return sign_flip(groups, self.draws, context)
        return bootstrap(groups, self.draws, context, studentised=self.inference == "bootstrap-t")


def first_stage(data: CrossProducts) -> tuple[OwnRegressions, jax.Array]:
    """Every group's own regression, and the status of one that is missing."""
    products = data.regression()
    present, n_fixed = data.sizes > 0, len(data.fixed)
    groups = solve(products.transpose(1, 2, 0))
    status = first_status(
        (~jnp.isfinite(products).all(), Status.NON_FINITE),
        (data.n_groups < 2, Status.TOO_FEW_GROUPS),
        ((present & (data.sizes < n_fixed)).any(), Status.TOO_FEW_ROWS),
        ((present & ~groups.full_rank).any(), Status.RANK_DEFICIENT),
        (solve(products.sum(0)).exact, Status.ZERO_RESIDUAL),
    )
    own = OwnRegressions(
        origin=jnp.zeros(n_fixed),
        beta=groups.beta,
        unit=(groups.root**2).sum(1),
        rss=jnp.where(present, groups.rss, 0.0).sum(),
        residual_df=data.n_rows - n_fixed * data.n_groups,
        present=present,
    )
    return own, status
