"""What every strategy returns for one dataset, and how results that are no answer are kept from passing for one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.numerics.arrays import library
from jaxsim.status import Status

# A field that an author left out. A None is no leaf of a pytree, so such a fit can be traced as any other.
NOT_GIVEN: Any = None


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "estimate", "std_error", "df", "vcov", "status", "converged", "singular",
        "criterion", "sigma", "theta", "covariance", "iterations", "p_value", "conf_low", "conf_high", "extra", "groups",
    ],
    meta_fields=[],
)  # fmt: skip
@dataclass(frozen=True)
class Fit:
    """What every strategy returns for one dataset (a leading ``B`` on every array for a batch).

    An author gives what a method has, such as ``Fit(estimate, std_error)``: :func:`guarded` fills in the rest.

    Attributes:
        estimate: fixed effects, ``[P]``; NaN unless the status is ok, singular or not_converged.
        std_error: their standard errors, ``[P]``.
        df: degrees of freedom of each t statistic, ``[P]``.
        vcov: covariance matrix of the fixed effects, ``[P, P]``.
        status: :class:`jaxsim.status.Status` code, ``[]`` int32.
        converged: the optimality conditions hold (always true for a closed form that could be computed).
        singular: the random-effects covariance is singular as lme4's ``isSingular`` judges it.
        criterion: minus twice the log-likelihood (REML or ML) that was minimised; NaN where a method has none.
        sigma: residual standard deviation; NaN where a method has none.
        theta: relative covariance parameters of a mixed model, ``[T]`` (``T = 0`` for other methods).
        covariance: random-effects covariance matrix of each grouping factor, ``{factor: [Q, Q]}``, in squared units of the
            response; empty for a method without variance components.
        iterations: evaluations of the criterion, int32.
        p_value, conf_low, conf_high: inference that a method makes itself (by resampling), ``[P]``; of shape ``[0]`` where it is
            that of the t distribution with ``df``. A limit may be infinite.
        extra: what only this method has, by the name of the column it is to have in the tables: ``[P]``, a number for each term,
            or ``[]``, one for the fit.
        groups: what a method's ``group_coefficients`` needs and can only be computed with the fit, ``[G, ..]``: the coefficients of
            every group, or their random effects; with several grouping factors those of all levels, ``[R]``. None where it was not
            asked for. It is not stored.
    """

    estimate: jax.Array
    std_error: jax.Array = NOT_GIVEN
    df: jax.Array = NOT_GIVEN
    vcov: jax.Array = NOT_GIVEN
    status: jax.Array = NOT_GIVEN
    converged: jax.Array = NOT_GIVEN
    singular: jax.Array = NOT_GIVEN
    criterion: jax.Array = NOT_GIVEN
    sigma: jax.Array = NOT_GIVEN
    theta: jax.Array = NOT_GIVEN
    covariance: dict[str, jax.Array] = field(default_factory=dict)
    iterations: jax.Array = NOT_GIVEN
    p_value: jax.Array = NOT_GIVEN
    conf_low: jax.Array = NOT_GIVEN
    conf_high: jax.Array = NOT_GIVEN
    extra: dict[str, jax.Array] = field(default_factory=dict)
    groups: jax.Array | None = None


class Inference(NamedTuple):
    """Two-sided p values and confidence limits that do not come from a t distribution, ``[P]`` each."""

    p_value: jax.Array
    conf_low: jax.Array
    conf_high: jax.Array


def closed_form(
    estimate: jax.Array,
    vcov: jax.Array,
    df: jax.Array,
    status: jax.Array,
    criterion: jax.Array,
    sigma: jax.Array,
    inference: Inference | None = None,
) -> Fit:
    """A :class:`Fit` for a method without variance components; ``df`` may be a scalar, ``inference`` None means t."""
    xp = library(estimate, vcov, status)
    empty = xp.zeros((0,))
    own = Inference(empty, empty, empty) if inference is None else inference
    fit = Fit(
        estimate=estimate,
        std_error=xp.sqrt(xp.diagonal(vcov)),
        df=xp.broadcast_to(xp.asarray(df, float), estimate.shape),
        vcov=vcov,
        status=status,
        converged=status == Status.OK,
        singular=xp.asarray(False),
        criterion=xp.asarray(criterion, float),
        sigma=xp.asarray(sigma, float),
        theta=empty,
        iterations=xp.asarray(1, np.int32),
        p_value=own.p_value,
        conf_low=own.conf_low,
        conf_high=own.conf_high,
    )
    return withhold(fit)


def withhold(fit: Fit) -> Fit:
    """Turn a NaN that would be called usable into ``non_finite``, and blank the numbers of a fit that has none."""
    xp = library(fit.estimate, fit.status)
    usable = (fit.status == Status.OK) | (fit.status == Status.SINGULAR)
    finite = xp.isfinite(fit.estimate).all() & xp.isfinite(fit.std_error).all() & (fit.df > 0).all()
    finite = finite & xp.isfinite(fit.p_value).all() & ~(xp.isnan(fit.conf_low) | xp.isnan(fit.conf_high)).any()
    status = xp.where(usable & ~finite, Status.NON_FINITE, fit.status).astype(np.int32)
    shown = has_numbers(status)

    def blank(value: jax.Array) -> jax.Array:
        """Numbers, NaN where none are shown."""
        return xp.where(shown, value, xp.nan)

    return replace(
        fit,
        estimate=blank(fit.estimate),
        std_error=blank(fit.std_error),
        df=blank(fit.df),
        vcov=blank(fit.vcov),
        criterion=blank(fit.criterion),
        sigma=blank(fit.sigma),
        theta=blank(fit.theta),
        covariance={factor: blank(matrix) for factor, matrix in fit.covariance.items()},
        p_value=blank(fit.p_value),
        conf_low=blank(fit.conf_low),
        conf_high=blank(fit.conf_high),
        converged=fit.converged & shown,
        singular=fit.singular & shown,
        status=status,
    )


def guarded(fit: Fit) -> Fit:
    """The fit of an author who gave some of the fields: the others filled in, and what is no answer kept from passing for one.

    Without a status it is ``ok`` if every number that was given is finite, else ``non_finite``. Without a standard error there is
    no test and no interval (NaN); without ``df`` they are normal.
    """
    shape, nan = jnp.shape(fit.estimate), jnp.asarray(jnp.nan)
    empty = jnp.zeros((0,))

    def given(value: Any, otherwise: Any) -> jax.Array:
        """What was given, else what is meant."""
        return jnp.asarray(otherwise if value is None else value)

    status = given(fit.status, jnp.int32(Status.OK)).astype(jnp.int32)
    whole = replace(
        fit,
        estimate=jnp.asarray(fit.estimate, float),
        std_error=jnp.broadcast_to(given(fit.std_error, 1.0), shape),
        df=jnp.broadcast_to(given(fit.df, jnp.inf), shape).astype(float),
        vcov=given(fit.vcov, jnp.full((*shape, *shape), jnp.nan)),
        status=status,
        converged=given(fit.converged, status == Status.OK),
        singular=given(fit.singular, status == Status.SINGULAR),
        criterion=given(fit.criterion, nan),
        sigma=given(fit.sigma, nan),
        theta=given(fit.theta, empty),
        iterations=given(fit.iterations, jnp.int32(1)),
        p_value=given(fit.p_value, empty),
        conf_low=given(fit.conf_low, empty),
        conf_high=given(fit.conf_high, empty),
    )
    checked = withhold(whole)
    return checked if fit.std_error is not None else replace(checked, std_error=jnp.full(shape, jnp.nan))


def has_numbers(status: jax.Array) -> jax.Array:
    """Whether fits with this status show their numbers, usable or not (bool, of the same shape)."""
    return (status == Status.OK) | (status == Status.SINGULAR) | (status == Status.NOT_CONVERGED)


def first_status(*cases: tuple[jax.Array, Status]) -> jax.Array:
    """Code of the first case whose condition holds, ``OK`` if none does (int32, ``[]``)."""
    xp = library(*(condition for condition, _ in cases))
    code = xp.asarray(Status.OK, np.int32)
    for condition, status in reversed(cases):
        code = xp.where(condition, np.int32(status), code)
    return code
