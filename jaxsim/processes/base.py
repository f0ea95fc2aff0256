"""What a data-generating process is: a frozen description that draws ONE dataset; the engine batches it."""

from __future__ import annotations

import abc
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd

from jaxsim.crossproduct import CrossProducts


class Draw(NamedTuple):
    """One simulated dataset: ``truth`` ``[P]`` (the fixed effects it was made with) and its cross-products."""

    truth: jax.Array
    data: CrossProducts


@dataclass(frozen=True)
class Process(abc.ABC):
    """A data-generating process. Subclasses are frozen dataclasses whose fields a grid may vary.

    A process splits into what shapes the compiled program (:meth:`program`) and plain numbers (:meth:`parameters`): all
    conditions with equal programs are simulated by one compiled function.
    """

    @property
    @abc.abstractmethod
    def terms(self) -> tuple[str, ...]:
        """Names of the fixed effects, ``P`` of them, the intercept first."""

    @property
    @abc.abstractmethod
    def max_groups(self) -> int:
        """The largest number of groups a dataset can have."""

    @abc.abstractmethod
    def program(self, padded_groups: int) -> Hashable:
        """Everything that decides the compiled code and the shapes of :meth:`parameters`."""

    @abc.abstractmethod
    def parameters(self, padded_groups: int) -> dict[str, np.ndarray]:
        """The numbers of this condition, as arrays whose shapes depend on :meth:`program` alone."""

    @abc.abstractmethod
    def draw(self, key: jax.Array, parameters: Any, padded_groups: int) -> Draw:
        """Draw one dataset (traceable); ``self`` may be any process with the same program."""

    @property
    def has_group_coefficients(self) -> bool:
        """Whether the process knows :meth:`group_coefficients`."""
        return type(self).group_coefficients is not Process.group_coefficients

    def group_coefficients(self, key: jax.Array, parameters: Any, padded_groups: int) -> jax.Array | None:
        """True coefficients of every group of the dataset that :meth:`draw` draws with these arguments, ``[G, P]`` (traceable).

        What stands in padding is not looked at. None for a process whose groups have no coefficients of their own, or that does
        not tell them.
        """
        return None

    @abc.abstractmethod
    def rows(self, key: jax.Array) -> pd.DataFrame:
        """The same dataset as ordinary rows: columns ``Group``, ``DV`` and the predictors; the truth in ``attrs``."""
