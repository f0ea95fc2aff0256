"""What an estimator is: a frozen description that fits ONE dataset; the base class batches it."""

from __future__ import annotations

import abc
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.status import Status


@partial(
    jax.tree_util.register_dataclass,
    data_fields=[
        "estimate", "std_error", "df", "vcov", "status", "converged", "singular",
        "criterion", "sigma", "theta", "covariance", "iterations",
    ],
    meta_fields=[],
)  # fmt: skip
@dataclass(frozen=True)
class Fit:
    """What every strategy returns for one dataset (a leading ``B`` on every array for a batch).

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
        covariance: random-effects covariance matrix, ``[Q, Q]``, in squared units of the response.
        iterations: evaluations of the criterion, int32.
    """

    estimate: jax.Array
    std_error: jax.Array
    df: jax.Array
    vcov: jax.Array
    status: jax.Array
    converged: jax.Array
    singular: jax.Array
    criterion: jax.Array
    sigma: jax.Array
    theta: jax.Array
    covariance: jax.Array
    iterations: jax.Array


def closed_form(
    estimate: jax.Array, vcov: jax.Array, df: jax.Array, status: jax.Array, criterion: jax.Array, sigma: jax.Array
) -> Fit:
    """A :class:`Fit` for a method without variance components; ``df`` may be a scalar."""
    empty = jnp.zeros((0,))
    fit = Fit(
        estimate=estimate,
        std_error=jnp.sqrt(jnp.diagonal(vcov)),
        df=jnp.broadcast_to(jnp.asarray(df, float), estimate.shape),
        vcov=vcov,
        status=status,
        converged=status == Status.OK,
        singular=jnp.asarray(False),
        criterion=jnp.asarray(criterion, float),
        sigma=jnp.asarray(sigma, float),
        theta=empty,
        covariance=jnp.zeros((0, 0)),
        iterations=jnp.asarray(1, jnp.int32),
    )
    return withhold(fit)


def withhold(fit: Fit) -> Fit:
    """Turn a NaN that would be called usable into ``non_finite``, and blank the numbers of a fit that has none."""
    usable = (fit.status == Status.OK) | (fit.status == Status.SINGULAR)
    finite = jnp.isfinite(fit.estimate).all() & jnp.isfinite(fit.std_error).all() & (fit.df > 0).all()
    status = jnp.where(usable & ~finite, Status.NON_FINITE, fit.status).astype(jnp.int32)
    shown = (status == Status.OK) | (status == Status.SINGULAR) | (status == Status.NOT_CONVERGED)

    def blank(value: jax.Array) -> jax.Array:
        return jnp.where(shown, value, jnp.nan)

    return replace(
        fit,
        estimate=blank(fit.estimate),
        std_error=blank(fit.std_error),
        df=blank(fit.df),
        vcov=blank(fit.vcov),
        criterion=blank(fit.criterion),
        sigma=blank(fit.sigma),
        theta=blank(fit.theta),
        covariance=blank(fit.covariance),
        converged=fit.converged & shown,
        singular=fit.singular & shown,
        status=status,
    )


def first_status(*cases: tuple[jax.Array, Status]) -> jax.Array:
    """Code of the first case whose condition holds, ``OK`` if none does (int32, ``[]``)."""
    code = jnp.asarray(Status.OK, jnp.int32)
    for condition, status in reversed(cases):
        code = jnp.where(condition, jnp.int32(status), code)
    return code


@dataclass(frozen=True)
class Estimator(abc.ABC):
    """One analysis strategy. Subclasses are frozen dataclasses, so they are hashable, comparable and printable."""

    default_label: ClassVar[str]

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The label of this strategy in every table."""

    @abc.abstractmethod
    def fit(self, data: CrossProducts) -> Fit:
        """Fit one dataset (unbatched, traceable)."""

    def fit_batch(self, data: CrossProducts) -> Fit:
        """Fit every dataset of a batch; each array of ``data`` has a leading axis ``B``."""
        return _fit_batch(self, data)


@partial(jax.jit, static_argnums=0)
def _fit_batch(estimator: Estimator, data: CrossProducts) -> Fit:
    return jax.vmap(estimator.fit)(data)
