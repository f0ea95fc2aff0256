"""What an estimator is: a frozen description that fits ONE dataset; the base class batches it."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.errors import InputError
from jaxsim.status import Status

# Datasets resampled at a time. One on CPU: each holds an array of draws by groups, which must stay in cache, and loops over several
# datasets are cut into vectors at places that depend on a dataset's place, which shows in the last bit.
RESAMPLED_TOGETHER = {"cpu": 1, "gpu": 256}


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
        p_value, conf_low, conf_high: inference that a method makes itself (by resampling), ``[P]``; of shape ``[0]`` where it is
            that of the t distribution with ``df``. A limit may be infinite.
        extra: what only this method has, by the name of the column it is to have in the tables: ``[P]``, a number for each term,
            or ``[]``, one for the fit.
        groups: coefficients of every group, ``[G, P]``, of a method that can only compute them with the fit and was asked to; else
            None. They are not stored.
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
    p_value: jax.Array
    conf_low: jax.Array
    conf_high: jax.Array
    extra: dict[str, jax.Array] = field(default_factory=dict)
    groups: jax.Array | None = None


class Inference(NamedTuple):
    """Two-sided p values and confidence limits that do not come from a t distribution, ``[P]`` each."""

    p_value: jax.Array
    conf_low: jax.Array
    conf_high: jax.Array


class Resampling(NamedTuple):
    """What a method that resamples needs besides the data: ``key`` of the dataset's analysis stream, ``conf_level`` ``[]``.

    Strategies get the same key for the same dataset, so those with equal draws use the same ones.
    """

    key: jax.Array
    conf_level: jax.Array | float


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
    empty = jnp.zeros((0,))
    own = Inference(empty, empty, empty) if inference is None else inference
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
        p_value=own.p_value,
        conf_low=own.conf_low,
        conf_high=own.conf_high,
    )
    return withhold(fit)


def withhold(fit: Fit) -> Fit:
    """Turn a NaN that would be called usable into ``non_finite``, and blank the numbers of a fit that has none."""
    usable = (fit.status == Status.OK) | (fit.status == Status.SINGULAR)
    finite = jnp.isfinite(fit.estimate).all() & jnp.isfinite(fit.std_error).all() & (fit.df > 0).all()
    finite = finite & jnp.isfinite(fit.p_value).all() & ~(jnp.isnan(fit.conf_low) | jnp.isnan(fit.conf_high)).any()
    status = jnp.where(usable & ~finite, Status.NON_FINITE, fit.status).astype(jnp.int32)
    shown = has_numbers(status)

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
        p_value=blank(fit.p_value),
        conf_low=blank(fit.conf_low),
        conf_high=blank(fit.conf_high),
        converged=fit.converged & shown,
        singular=fit.singular & shown,
        status=status,
    )


def has_numbers(status: jax.Array) -> jax.Array:
    """Whether fits with this status show their numbers, usable or not (bool, of the same shape)."""
    return (status == Status.OK) | (status == Status.SINGULAR) | (status == Status.NOT_CONVERGED)


def first_status(*cases: tuple[jax.Array, Status]) -> jax.Array:
    """Code of the first case whose condition holds, ``OK`` if none does (int32, ``[]``)."""
    code = jnp.asarray(Status.OK, jnp.int32)
    for condition, status in reversed(cases):
        code = jnp.where(condition, jnp.int32(status), code)
    return code


@dataclass(frozen=True)
class Strategy(abc.ABC):
    """One analysis strategy. Subclasses are frozen dataclasses, so they are hashable, comparable and printable."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The label of this strategy in every table."""

    def random_columns(self, fixed: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the columns with random effects given those with fixed ones; empty for a method without variance components."""
        return ()

    def wanted(self, replicates: int) -> int:
        """How many of a cell's first so many replicates are fitted: all of them, unless the strategy says otherwise."""
        return replicates

    def check(self, terms: tuple[str, ...]) -> None:  # noqa: B027 - most strategies can analyse any
        """Raise :class:`InputError` if the strategy cannot analyse data with these terms (intercept first)."""


@dataclass(frozen=True)
class Estimator(Strategy):
    """A strategy on cross-products: the author fits ONE dataset, this class batches it."""

    @property
    def resamples(self) -> bool:
        """Whether the fit draws random numbers, and so needs a :class:`Resampling`."""
        return False

    @property
    def closed_form(self) -> bool:
        """Whether the fit is a formula without iterations, which float32 can carry for screening."""
        return False

    @abc.abstractmethod
    def fit(self, data: CrossProducts, resampling: Resampling | None = None) -> Fit:
        """Fit one dataset (unbatched, traceable). Methods that do not resample ignore ``resampling``."""

    @property
    def has_group_coefficients(self) -> bool:
        """Whether the strategy knows :meth:`group_coefficients`."""
        return type(self).group_coefficients is not Estimator.group_coefficients

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array | None:
        """Coefficients of every group of one dataset by this strategy, ``[G, P]`` (traceable); None for one that has none.

        What stands in padding, or in a fit without numbers, is not looked at.

        Args:
            data: the dataset.
            fit: of it; made by ``fit_batch(..., groups=True)``.
        """
        return None

    def fit_batch(self, data: CrossProducts, resampling: Resampling | None = None, groups: bool = False) -> Fit:
        """Fit every dataset of a batch; each array of ``data`` has a leading axis ``B``, and ``resampling.key`` has ``[B]`` keys.

        Args:
            data, resampling: of the datasets.
            groups: keep what :meth:`group_coefficients` needs and cannot compute afterwards (``Fit.groups``).

        Raises:
            InputError: if the method resamples and gets no keys.
        """
        if not self.resamples:
            return _fit_batch(self, data)
        if resampling is None:
            raise InputError(f"{self.name} resamples: give fit_batch a Resampling with a key for every dataset.")
        return _resample_batch(self, data, resampling)


@partial(jax.jit, static_argnums=0)
def _fit_batch(estimator: Estimator, data: CrossProducts) -> Fit:
    return jax.vmap(estimator.fit)(data)


@partial(jax.jit, static_argnums=0)
def _resample_batch(estimator: Estimator, data: CrossProducts, resampling: Resampling) -> Fit:
    def one(data: CrossProducts, key: jax.Array) -> Fit:
        return estimator.fit(data, Resampling(key, resampling.conf_level))

    def fitted(data: CrossProducts, keys: jax.Array) -> Fit:
        return jax.vmap(one)(data, keys)

    def together(places: jax.Array) -> Fit:
        """Some datasets; nothing is done if all of them are empty, as the ones that fill a batch are."""
        some = jax.tree.map(lambda leaf: leaf[places], (data, resampling.key))
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(fitted, *some))
        return jax.lax.cond((some[0].sizes > 0).any(), lambda: fitted(*some), lambda: blank)

    # By hand: the batch_size of lax.map cannot join arrays of size 0, such as theta. The last part is filled with the last dataset.
    count = resampling.key.shape[0]
    size = min(count, RESAMPLED_TOGETHER["cpu" if jax.default_backend() == "cpu" else "gpu"])
    places = jnp.minimum(jnp.arange(-(-count // size) * size), count - 1).reshape(-1, size)
    parts = jax.lax.map(together, places)
    return jax.tree.map(lambda leaf: leaf.reshape(places.size, *leaf.shape[2:])[:count], parts)
