"""The measures that a table is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxsim.errors import InputError, choose, names_given
from jaxsim.measures.catalogue import REJECTIONS
from jaxsim.measures.kit import Kit
from jaxsim.measures.policy import TRUTHS


@dataclass(frozen=True)
class Asked:
    """Names of measures in the order they are shown, some of which are about true values of one kind alone.

    Attributes:
        names: of measures, and ``power`` or ``type_one_error``.
        truth: the rows that all of them are about: ``zero``, ``nonzero``, or any (None).
    """

    names: tuple[str, ...]
    truth: str | None = None

    @property
    def measures(self) -> tuple[str, ...]:
        """Of the kit, that these names stand for."""
        return tuple(dict.fromkeys(map(measure_of, self.names)))

    def by_truth(self) -> Iterator[tuple[str | None, tuple[str, ...]]]:
        """The names that are about the same rows, with their kind of truth (None: as :attr:`truth` says)."""
        kinds = [None if self.truth is not None else REJECTIONS.get(name) for name in self.names]
        for kind in dict.fromkeys(kinds):
            yield kind, tuple(name for name, other in zip(self.names, kinds, strict=True) if other == kind)


def ask(kit: Kit, measures: Sequence[str] | None, truth: str | None) -> Asked:
    """What is asked for: all measures of the kit when None.

    Raises:
        InputError: for no measure, one that is not known, or one about other true values than ``truth`` says.
    """
    names = tuple(dict.fromkeys(map(kit.known, kit.measures if measures is None else names_given("measures", measures))))
    if not names:
        raise InputError("measures=[] names no measure; name some, or leave it out for all of them.")
    if truth is not None:
        choose("truth", truth, TRUTHS)
    for name in names:
        kind = REJECTIONS.get(name, truth)
        if truth is not None and kind != truth:
            raise InputError(f"measures have {name!r}, the rejection of coefficients whose truth is {kind}, but truth={truth!r}.")
    return Asked(names, truth)


def measure_of(name: str) -> str:
    """The measure that a name stands for."""
    return "rejection" if name in REJECTIONS else name
