"""What a data-generating process is: a frozen description that draws ONE dataset; the engine batches it."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import jax
import numpy as np
import pandas as pd

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.names import Names
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.errors import first_line


class Expected(NamedTuple):
    """Expected cross-products of rows, ``products``, and the same with their expected responses, ``means``."""

    products: CrossProducts
    means: CrossProducts


@dataclass(frozen=True)
class Process(abc.ABC):
    """A data-generating process. Subclasses are frozen dataclasses whose fields a grid may vary.

    A process splits into what shapes the compiled program (:meth:`program`) and plain numbers (:meth:`parameters`): all
    conditions with equal programs are simulated by one compiled function. Most own processes are easier written on rows: see
    :class:`jaxsim.RowProcess`.
    """

    # Whether JAX draws many datasets at once; else Python code draws one after the other, in worker processes.
    batched: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def terms(self) -> tuple[str, ...]:
        """Names of the fixed effects, ``P`` of them, the intercept first."""

    @property
    def names(self) -> Names:
        """Names of everything in a dataset; the terms alone, by ``Group``, unless a subclass says more."""
        return Names(tuple(self.terms))

    @property
    def columns(self) -> tuple[str, ...]:
        """Every predictor column: what of the names is known without a look at a dataset."""
        return self.names.columns

    @property
    def linear(self) -> bool:
        """Whether expected responses are the columns that strategies see, times the coefficients that the truth tells."""
        return True

    @property
    @abc.abstractmethod
    def max_groups(self) -> int:
        """The largest number of groups a dataset can have."""

    @property
    def draws(self) -> type[CrossProducts] | type[Rows]:
        """What kind of data :meth:`draw` draws."""
        return CrossProducts

    @property
    def same_when_padded(self) -> bool:
        """Whether its datasets are known to be the same to the last bit, on CPU, however many empty groups follow theirs."""
        return False

    @property
    def bounds(self) -> Bounds:
        """The largest sizes that a dataset can have."""
        return Bounds.of_groups(self.max_groups)

    @abc.abstractmethod
    def program(self, bounds: Bounds) -> Hashable:
        """Everything that decides the compiled code and the shapes of :meth:`parameters`."""

    @abc.abstractmethod
    def parameters(self, bounds: Bounds) -> dict[str, np.ndarray]:
        """The numbers of this condition, as arrays whose shapes depend on :meth:`program` alone."""

    @abc.abstractmethod
    def draw(self, key: jax.Array, parameters: Any, bounds: Bounds) -> Draw:
        """Draw one dataset (traceable), padded to ``bounds``; ``self`` may be any process with the same program."""

    def new_rows(self, key: jax.Array, drawn: Draw, parameters: Any, bounds: Bounds, new_groups: bool) -> Draw | None:
        """Further rows for a dataset (traceable), and what they were made with; None for a process that does not say how they come
        about.

        Args:
            key: of the dataset, from which that of the rows is derived: the stream ``FRESH``.
            drawn: the dataset.
            parameters, bounds: as for :meth:`draw`.
            new_groups: of groups that the dataset does not have, with its fixed effects; else of its own groups, as many of each,
                with their coefficients and whatever is one number a group, other predictors and other noise.
        """
        return None

    def expected(self, drawn: Draw, parameters: Any, new_groups: bool) -> Expected | None:
        """What the cross-products of such rows are expected to be, where it has a closed form; None where they must be drawn.

        Args:
            drawn, parameters, new_groups: as for :meth:`new_rows`.
        """
        return None

    @abc.abstractmethod
    def rows(self, key: jax.Array) -> pd.DataFrame:
        """The same dataset as ordinary rows: columns ``Group``, ``DV`` and the predictors; the truth in ``attrs``."""

    @property
    def values(self) -> dict[str, Any]:
        """The fields that a grid may vary, with what they are."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.init}

    @property
    def idle(self) -> frozenset[str]:
        """Names among :attr:`values` that no dataset depends on, which reports leave out; none, unless a subclass says so."""
        return frozenset()

    def having(self, **changes: Any) -> Self:
        """The same process with other values of some fields."""
        return dataclasses.replace(self, **changes)

    @property
    def kind(self) -> str:
        """What it is called where there are no labels: its class."""
        return type(self).__name__

    @property
    def about(self) -> str:
        """The first line of its documentation; empty if it has none."""
        return first_line(type(self).__doc__)

    def hint(self, field: str) -> str:
        """What to say, besides which fields there are, to somebody who wants to vary one that is none; empty if nothing."""
        return ""
