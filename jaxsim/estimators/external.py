"""Strategies that other software fits, row by row and outside JAX: the slow, independent opinion in a study."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import jax
import numpy as np
import pandas as pd

from jaxsim.estimators.base import Fit, Strategy, withhold


class Session(Protocol):
    """Running software: fits datasets while it is open; ``versions`` names what it consists of."""

    @property
    def versions(self) -> dict[str, str]:
        """Name and version of each part."""

    def fit(self, datasets: Sequence[pd.DataFrame], terms: tuple[str, ...], conf_level: float) -> tuple[Fit, list[str]]:
        """Fit each dataset (columns ``Group, DV`` and the predictors).

        Returns:
            A batch of fits on the host (coefficients in the order of ``terms``) that passed :func:`guarded`, and what the software
            said of each, empty if nothing.
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
    """A strategy that fits rows with other software. Every dataset gets a row with a status, whatever happens to the software."""

    @property
    @abc.abstractmethod
    def limit(self) -> int | None:
        """Only the first so many replicates of each cell are fitted; None for all."""

    @abc.abstractmethod
    def session(self) -> AbstractContextManager[Session]:
        """Start the software.

        Raises:
            InputError: if it is not there, saying what to install.
        """

    def wanted(self, replicates: int) -> int:
        """How many of a cell's first so many replicates are fitted."""
        return replicates if self.limit is None else min(replicates, self.limit)

    def chosen(self, replicates: np.ndarray) -> np.ndarray:
        """Which of these replicates are fitted, bool."""
        return np.ones(len(replicates), bool) if self.limit is None else replicates < self.limit
