"""What an analysis strategy is: what it reads, which coefficients it estimates, and what these are compared with."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from jaxsim.counts import counted
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.names import Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, first_line
from jaxsim.estimators import wording

Reads = type[CrossProducts] | type[Rows] | type[pd.DataFrame]


@dataclass(frozen=True)
class Strategy(abc.ABC):  # noqa: B024 - Estimator and External have the abstract methods
    """One analysis strategy. Subclasses are frozen dataclasses, so they are hashable, comparable and printable.

    Args:
        estimand: for coefficients that are not to be compared with the process's fixed effect of their name, the name of the true
            value that they are (one of the process's estimands or fixed effects), such as ``{"treat": "marginal effect"}``.
    """

    estimand: Mapping[str, str] | tuple[tuple[str, str], ...] | None = field(default=None, kw_only=True)

    # What one dataset is to this strategy; the engine makes it once a tile for all strategies that read the same.
    reads: ClassVar[Reads] = CrossProducts
    # Whether JAX fits many datasets at once; else other software fits one after the other, in a session.
    batched: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check the fields, and keep them as they are meant; subclasses that do so call this one, too."""
        object.__setattr__(self, "estimand", tuple(self.compared.items()) or None)  # a strategy with a dictionary has no hash

    @property
    def name(self) -> str:
        """The label of this strategy in every table: its field ``label``, or the name of its class."""
        return str(getattr(self, "label", type(self).__name__))

    @property
    def kind(self) -> str:
        """What it is, besides its label: its class."""
        return type(self).__name__

    @property
    def about(self) -> str:
        """The first line of its documentation; empty if it has none."""
        return first_line(type(self).__doc__)

    @property
    def compared(self) -> dict[str, str]:
        """The estimand as a dictionary."""
        given: Any = self.estimand if self.estimand is not None else {}
        pairs = list(given.items()) if isinstance(given, Mapping) else given
        if not isinstance(pairs, list | tuple) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            raise InputError(f"estimand={brief(given)}: give a dictionary of coefficients and true values, {{'x': 'effect'}}.")
        if not all(isinstance(name, str) for pair in pairs for name in pair):
            raise InputError(f"estimand={brief(given)}: its keys and values are names, {{'x': 'effect'}}.")
        return dict(pairs)

    def coefficients(self, names: Names) -> tuple[str, ...]:
        """Names of the coefficients that it estimates, in order: the process's fixed effects, unless it says otherwise."""
        return names.fixed

    def in_words(self, names: Names) -> tuple[str, ...]:
        """Its settings in phrases that say what it does, for reports: those that are defaults, too. Every field with its value,
        unless it says more."""
        return wording.settings(self)

    def told(self, names: Names) -> str:
        """What it does, with all of its settings (:meth:`in_words`), which datasets it fits, and what its coefficients are compared
        with; empty for a strategy that has nothing to set."""
        limit = () if self.limit is None else (f"only the first {counted(self.limit, 'dataset')} of each cell",)
        compared = tuple(f"{term} is compared with the true {estimand}" for term, estimand in self.compared.items())
        return "; ".join((*self.in_words(names), *limit, *compared))

    def random_effects(self, names: Names) -> tuple[RandomEffects, ...]:
        """Its random effects, one entry a grouping factor; empty for a method without variance components."""
        return ()

    def alone(self, names: Names) -> int:
        """Coefficients of the regression that it fits in every group alone; 0 for a strategy that fits none."""
        return 0

    @property
    def limit(self) -> int | None:
        """Only the first so many replicates of each cell are fitted; None for all."""
        return None

    def wanted(self, replicates: int) -> int:
        """How many of a cell's first so many replicates are fitted."""
        return replicates if self.limit is None else min(replicates, self.limit)

    def chosen(self, replicates: np.ndarray) -> np.ndarray:
        """Which of these replicates are fitted, bool."""
        return np.ones(len(replicates), bool) if self.limit is None else replicates < self.limit

    def check(self, names: Names) -> None:
        """Raise :class:`InputError` if the strategy cannot analyse data with these columns."""
        known = (*names.estimands, *names.fixed)
        for term, estimand in self.compared.items():
            if term not in self.coefficients(names):
                raise InputError(
                    f"strategy {self.name!r}: its estimand is about {term!r}, which it does not estimate; it estimates "
                    f"{', '.join(self.coefficients(names))}."
                )
            if estimand not in known:
                raise InputError(
                    f"strategy {self.name!r}: the process has no true value {estimand!r} to compare {term!r} with; it has "
                    f"{', '.join(known)}."
                )

    def hopeless(self, names: Names) -> str | None:
        """Why no dataset with these columns can be fitted, and what to do instead; None unless that is known."""
        return None

    @property
    def resamples(self) -> bool:
        """Whether the fit draws random numbers, and so needs a key."""
        return False

    @property
    def reads_order(self) -> bool:
        """Whether the order of a group's rows means something to it, as that of occasions does."""
        return False

    @property
    def closed_form(self) -> bool:
        """Whether float32 can carry the fit for screening: a formula without iterations, or what other software fits."""
        return not self.batched

    @property
    def same_when_padded(self) -> bool:
        """Whether its fits are known to be the same to the last bit, on CPU, however many empty groups follow a dataset's."""
        return False

    @property
    def has_group_coefficients(self) -> bool:
        """Whether it can tell the coefficients of groups."""
        return False

    def predicts(self, names: Names) -> bool:
        """Whether it can predict responses of rows that it was not fitted to."""
        return False

    def session(self) -> AbstractContextManager[Any]:
        """What must be running while it fits; nothing for a strategy in batches."""
        return nullcontext()
