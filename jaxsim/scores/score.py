"""What a score is: numbers of one dataset and one fit that a study stores beside the estimates, and measures of them."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import jax

from jaxsim.data.draw import Draw
from jaxsim.data.fit import Fit
from jaxsim.data.names import Names
from jaxsim.estimators.strategy import Strategy
from jaxsim.measures.addition import Addition


@dataclass(frozen=True)
class Score(abc.ABC):
    """How well a strategy did at something besides its coefficients. Subclasses are frozen dataclasses.

    Its author says what follows from ONE dataset and its fit (:meth:`of`, traceable), the engine batches it and stores the numbers
    as columns of the tables; :attr:`addition` says which measures there are of these columns. All other numbers stay what they are.
    """

    # Whether a fit must keep what the coefficients of groups follow from.
    needs_groups: ClassVar[bool] = False
    # Whether :meth:`of` is given data that the strategy has not seen, as an argument ``fresh`` (:class:`jaxsim.data.fresh.Fresh`).
    needs_fresh: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def addition(self) -> Addition:
        """Columns that :meth:`of` makes, and measures of them."""

    def at(self, conf_level: float) -> Self:
        """The score in a study whose intervals have this level: itself, where that does not matter."""
        return self

    def applies(self, strategy: Strategy, names: Names) -> bool:
        """Whether a strategy has this score: those that JAX fits, unless a subclass says otherwise."""
        return strategy.batched

    def check(self, strategies: Sequence[Strategy], names: Names, process: str) -> None:  # noqa: B027 - most can be had of any
        """Raise :class:`jaxsim.InputError` if a study of these strategies cannot have this score.

        Args:
            strategies: of the study.
            names: of its process.
            process: the name of the process's class, for the message.
        """

    @abc.abstractmethod
    def of(self, draw: Draw, estimator: Any, fit: Fit, key: jax.Array) -> dict[str, jax.Array]:
        """Numbers of one dataset: by the name of a column, ``[P]`` (one for each coefficient of the strategy) or ``[]``.

        Args:
            draw: the dataset as the strategy read it, and its truth.
            estimator: the strategy.
            fit: of the dataset; its numbers are NaN where the status says that there are none.
            key: a random key of the dataset, the same for every strategy.

        A score with :attr:`needs_fresh` has another argument, ``fresh``: data that no strategy has seen.
        """
