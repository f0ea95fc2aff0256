"""Strategies that other software fits, row by row and outside JAX: the slow, independent opinion in a study."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import jax
import numpy as np
import pandas as pd

from jaxsim.data.fit import Fit, withhold
from jaxsim.data.names import Names
from jaxsim.errors import whole_number
from jaxsim.estimators.strategy import Reads, Strategy
from jaxsim.status import USABLE, Status


@dataclass(frozen=True, eq=False)
class Handed:
    """One dataset as other software gets it: complete rows, names of the columns, 32-bit numbers that decide its random draws."""

    rows: pd.DataFrame
    names: Names
    conf_level: float
    seed: tuple[int, ...] = ()


class Session(Protocol):
    """Running software: fits datasets while it is open; ``versions`` names what it consists of."""

    @property
    def versions(self) -> dict[str, str]:
        """Name and version of each part."""

    def fit(self, datasets: Sequence[Handed]) -> tuple[Fit, list[str]]:
        """Fit each dataset.

        Returns:
            A batch of fits on the host (coefficients in the order of the strategy's) that passed :func:`guarded`, and what the
            software said of each, empty if nothing.
        """


_withhold = jax.jit(jax.vmap(withhold))


def guarded(fit: Fit) -> Fit:
    """A batch of fits on the host after the check that our own strategies pass.

    A NaN, an infinite value or no degrees of freedom under a usable status make it ``non_finite``; a fit whose status has no
    numbers shows none.
    """
    checked: Fit = jax.device_get(_withhold(fit))
    return checked


@dataclass(frozen=True)
class External(Strategy):
    """A strategy that fits rows with other software. Every dataset gets a row with a status, whatever happens to the software.

    It is slow, so a subclass may have a field ``first``: fit only the first so many replicates of each cell; None for all of them.
    """

    reads: ClassVar[Reads] = pd.DataFrame

    def __post_init__(self) -> None:
        super().__post_init__()
        first = getattr(self, "first", None)
        if first is not None:
            object.__setattr__(self, "first", whole_number("first", first, 1))

    @property
    def limit(self) -> int | None:
        return getattr(self, "first", None)

    @abc.abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """Start the software.

        Raises:
            InputError: if it is not there, saying what to install.
        """


def whole_fit(arrays: dict[str, np.ndarray], without: Mapping[str, np.ndarray] | None = None, **more: object) -> Fit:
    """A batch of fits on the host, guarded, from arrays with a leading axis ``n``.

    Args:
        arrays: ``estimate`` and ``std_error`` ``[n, K]`` and ``status`` ``[n]`` at least, and any other field of :class:`Fit`.
        without: for some of the arrays ``[n, K]``, which fits have no such number by design, bool ``[n]``: they stay NaN, and are
            no reason not to use the fit.
        more: fields that are no arrays, such as ``covariance``.
    """
    n, k = arrays["estimate"].shape
    nan, empty = np.full(n, np.nan), np.zeros((n, 0))
    none = {name: np.asarray(where) for name, where in (without or {}).items()}
    stand_ins = {name: np.where(where[:, None], 1.0, arrays[name]) for name, where in none.items()}
    fields: dict[str, Any] = {
        "df": np.full((n, k), np.inf), "vcov": np.full((n, k, k), np.nan), "converged": np.isin(arrays["status"], USABLE),
        "singular": arrays["status"] == Status.SINGULAR, "criterion": nan, "sigma": nan, "theta": empty,
        "iterations": np.ones(n, np.int32), "p_value": empty, "conf_low": empty, "conf_high": empty, **arrays, **stand_ins, **more,
    }  # fmt: skip
    checked = guarded(Fit(**fields))
    blank = {name: np.where(where[:, None], np.nan, getattr(checked, name)) for name, where in none.items()}
    return replace(checked, **blank)  # type: ignore[arg-type]  # NumPy arrays on the host stand for jax's
