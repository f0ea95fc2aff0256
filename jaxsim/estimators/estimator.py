"""What an estimator is: a frozen description that fits ONE dataset; the base class batches it."""

from __future__ import annotations

import abc
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts, pad_groups
from jaxsim.data.fit import Fit, guarded
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError
from jaxsim.estimators.prediction import Coefficients, PredictionError, predicted
from jaxsim.estimators.strategy import Strategy
from jaxsim.numerics.lanes import in_parts

# Datasets resampled at a time. One on CPU: each holds an array of draws by groups, which must stay in cache, and loops over several
# datasets are cut into vectors at places that depend on a dataset's place, which shows in the last bit.
RESAMPLED_TOGETHER = {"cpu": 1, "gpu": 256}
# Datasets fitted together on CPU where their bits must not depend on how many there are in a batch.
PART = 64
# Groups of such a dataset at least, with padding: loops over fewer are written out by the compiler, and rounded differently.
ROOM = 16


@dataclass(frozen=True)
class Estimator(Strategy):
    """A strategy in JAX: the author fits ONE dataset, this class batches it.

    A subclass is a frozen dataclass with a method ``fit(self, data) -> Fit``, or ``fit(self, data, context) -> Fit`` to be given a
    random key and the level of intervals. ``data`` is what ``reads`` names: :class:`jaxsim.CrossProducts` (from every process) or
    :class:`jaxsim.Rows` (from processes that draw rows). A fit needs only what the method has: ``Fit(estimate, std_error)``.
    """

    batched: ClassVar[bool] = True
    # Ours see to it themselves that a NaN is no answer, in their compiled programs; the base class does for everybody else.
    guards_itself: ClassVar[bool] = False

    @property
    def resamples(self) -> bool:
        """Whether ``fit`` must be given a :class:`jaxsim.data.context.Context`: it has a second argument without a default."""
        given = [p for p in inspect.signature(type(self).fit).parameters.values() if p.default is p.empty]
        return len(given) > 2

    @property
    def closed_form(self) -> bool:
        return False

    @abc.abstractmethod
    def fit(self, data: Any, context: Context | None = None) -> Fit:
        """Fit one dataset (unbatched, traceable). Methods that do not resample ignore ``context``."""

    @property
    def has_group_coefficients(self) -> bool:
        return type(self).group_coefficients is not Estimator.group_coefficients

    def group_coefficients(self, data: Any, fit: Fit) -> jax.Array | None:
        """Coefficients of every group of one dataset by this strategy, ``[G, P]`` (traceable); None for one that has none.

        What stands in padding, or in a fit without numbers, is not looked at.

        Args:
            data: the dataset, as :meth:`view` gives it.
            fit: of it; made by ``fit_batch(..., groups=True)``.
        """
        return None

    def predicts(self, names: Names) -> bool:
        """Whether it can predict responses: a linear strategy whose coefficients are those of columns, or one with a
        :meth:`predict` of its own."""
        return self.predicts_itself or set(self.coefficients(names)) <= {*names.columns, names.response}

    @property
    def predicts_itself(self) -> bool:
        """Whether its predictions are its own, and not ``x'c`` with :meth:`prediction_coefficients`."""
        return type(self).predict is not Estimator.predict

    def prediction_coefficients(self, data: Any, fit: Fit) -> Coefficients | None:
        """What predictions of one dataset's fit are made with (traceable): of known groups :meth:`group_coefficients`, of new ones,
        and where there are none, the fixed effects. None where a row's group alone does not decide: :meth:`predict` then does.

        Args:
            data, fit: as for :meth:`group_coefficients`.
        """
        fixed = [data.columns.index(name) for name in data.fixed]
        own = self.group_coefficients(data, fit)
        groups = data.counts[0] if isinstance(data, Rows) else len(data.sizes)
        known = jnp.broadcast_to(fit.estimate, (groups, len(fixed))) if own is None else own
        nothing = jnp.zeros((groups + 1, len(data.columns)))
        every = nothing.at[:, jnp.array(fixed, int)].set(jnp.concatenate([known, fit.estimate[None]]))
        return Coefficients(every[:-1], every[-1])

    def predict(self, data: Any, fit: Fit, new: Rows) -> jax.Array:
        """Expected responses of rows that were not fitted, ``[N]`` (traceable).

        Args:
            data: the dataset, as :meth:`view` gives it.
            fit: of it; made by ``fit_batch(..., groups=True)``.
            new: the rows, as the process draws them; with a negative level where the dataset does not have a row's group.
        """
        coefficients = self.prediction_coefficients(data, fit)
        assert coefficients is not None
        return predicted(data, coefficients, new)

    def prediction_error(self, data: Any, fit: Fit, new: Rows) -> PredictionError | None:
        """How far responses may lie from :meth:`predict`; None for a strategy that does not say it. Arguments as there."""
        return None

    def view(self, data: Any) -> Any:
        """One dataset as this strategy reads it: by its grouping factor, with its response and fixed effects (traceable)."""
        return data.grouped() if isinstance(data, CrossProducts) else data

    def fit_batch(self, data: Any, context: Context | None = None, groups: bool = False) -> Fit:
        """Fit every dataset of a batch; each array of ``data`` has a leading axis ``B``, and ``context.key`` has ``[B]`` keys.

        Args:
            data, context: of the datasets.
            groups: keep what :meth:`group_coefficients` needs and cannot compute afterwards (``Fit.groups``).

        Raises:
            InputError: if the method resamples and gets no keys.
        """
        if self.resamples and context is None:
            raise InputError(f"{self.name} resamples: give fit_batch a Context with a key for every dataset.")
        return self._batch(jax.vmap(self.view)(data), context, groups)

    def _batch(self, data: Any, context: Context | None, groups: bool) -> Fit:
        """:meth:`fit_batch` of what :meth:`view` gives."""
        if context is None or not self.resamples:
            return _compiled(_fit_batch, self)(self, data)
        return _compiled(_resample_batch, self)(self, data, context)

    def _guarded(self, *arguments: Any) -> Fit:
        fit = self.fit(*arguments)
        return fit if self.guards_itself else guarded(fit)


def in_batches(strategies: Iterable[Strategy]) -> dict[int, Estimator]:
    """Those that JAX fits in batches, by their number in the list."""
    return {number: strategy for number, strategy in enumerate(strategies) if isinstance(strategy, Estimator)}


def _compiled(function: Any, estimator: Estimator) -> Any:
    """The function compiled for an estimator; as it is for one that cannot be told apart from others (a dict among its fields)."""
    try:
        hash(estimator)
    except TypeError:
        return function
    return {_fit_batch: _fit_batch_compiled, _resample_batch: _resample_batch_compiled}[function]


def _fit_batch(estimator: Estimator, data: Any) -> Fit:
    if not estimator.same_when_padded or jax.default_backend() != "cpu":
        return jax.vmap(estimator._guarded)(data)

    def fitted(data: CrossProducts) -> Fit:
        """One dataset's fit, with room for some groups."""
        few = data.levels is None and len(data.sizes) < ROOM
        return estimator._guarded(pad_groups(data, ROOM) if few else data)

    return in_parts(jax.vmap(fitted), data, PART)


def _resample_batch(estimator: Estimator, data: Any, context: Context) -> Fit:
    def one(data: Any, key: jax.Array) -> Fit:
        """One dataset's fit, guarded."""
        return estimator._guarded(data, Context(key, context.conf_level))

    @partial(jax.jit, inline=True)  # traced once, for its shapes and its code
    def fitted(data: Any, keys: jax.Array) -> Fit:
        """The fits of a batch."""
        return jax.vmap(one)(data, keys)

    def together(places: jax.Array) -> Fit:
        """Some datasets; nothing is done if all of them are empty, as the ones that fill a batch are."""
        some = jax.tree.map(lambda leaf: leaf[places], (data, context.key))
        blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(fitted, *some))
        there = some[0].sizes > 0 if isinstance(some[0], CrossProducts) else some[0].weight > 0
        return jax.lax.cond(there.any(), lambda: fitted(*some), lambda: blank)

    # By hand: the batch_size of lax.map cannot join arrays of size 0, such as theta. The last part is filled with the last dataset.
    count = context.key.shape[0]
    size = min(count, RESAMPLED_TOGETHER["cpu" if jax.default_backend() == "cpu" else "gpu"])
    places = jnp.minimum(jnp.arange(-(-count // size) * size), count - 1).reshape(-1, size)
    parts = jax.lax.map(together, places)
    return jax.tree.map(lambda leaf: leaf.reshape(places.size, *leaf.shape[2:])[:count], parts)


_fit_batch_compiled = partial(jax.jit, static_argnums=0)(_fit_batch)
_resample_batch_compiled = partial(jax.jit, static_argnums=0)(_resample_batch)
