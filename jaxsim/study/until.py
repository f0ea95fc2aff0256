"""When a cell has enough replicates: a rule on Monte Carlo errors, fixed before anything is seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from jaxsim.counts import counted
from jaxsim.errors import InputError, brief, choose, finite, whole_number
from jaxsim.measures.catalogue import GROUPS
from jaxsim.measures.prediction import PREDICTION

# Names for rejection rates of coefficients that are not zero, and of those that are.
POOLED = ("power", "type_one_error")


@dataclass(frozen=True, init=False)
class Until:
    """Stop a cell once the Monte Carlo error of every named measure is small enough, for every strategy and coefficient.

    A cell is judged when it has ``minimum`` replicates, and each time it has twice as many as the last time, up to the study's
    ``replicates``. The rule looks at Monte Carlo errors alone, never at whether anything is significant; it depends on finished
    replicates and on nothing about how they were computed. (An error of a rate is here half the width of its 95% Wilson interval
    over 1.96, so that a rate of zero or one after few replicates is not taken for a precise one.) Stopping is not quite free: the
    error of a rate follows from the rate, and of a spread from the spread, so a cell that is low by chance stops a little
    earlier. In simulations of one power that made a bias towards 0 or 1 of a tenth to a quarter of the target error, with the
    same sign in every cell; a larger ``minimum`` makes it smaller. A strategy that fits only the first replicates is judged while
    it still gets more.

    Args:
        targets: largest Monte Carlo standard error of each measure, such as ``power=0.005, bias=0.002``: names of
            ``jaxsim.measures.CATALOGUE``, ``power`` or ``type_one_error``, and ``jaxsim.measures.GROUPS`` in a study that asks
            for coefficients of groups, or ``jaxsim.measures.PREDICTION`` in one that asks for predictions.
        minimum: replicates of every cell before it is judged the first time.

    Raises:
        InputError: for no target, an unknown measure, a target that is not a positive number, or a minimum below 2.
    """

    targets: tuple[tuple[str, float], ...]
    minimum: int = 200

    def __init__(
        self, targets: Mapping[str, float] | tuple[tuple[str, float], ...] = (), minimum: int = 200, **named: float
    ) -> None:
        first = targets.items() if isinstance(targets, Mapping) else targets
        if not isinstance(first, Iterable) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in first):
            raise InputError(f"Until({brief(targets)}): name a measure and its Monte Carlo error, such as Until(power=0.005).")
        given = [*first, *named.items()]
        if not given:
            raise InputError("Until() needs a target: name a measure and its Monte Carlo error, such as Until(power=0.005).")
        for name, target in given:
            if not (finite(target) and target > 0):
                raise InputError(f"Until({name}={brief(target)}): give a positive Monte Carlo error, such as 0.005.")
        if len({name for name, _ in given}) < len(given):
            raise InputError(f"Until() names a measure twice: {', '.join(name for name, _ in given)}.")
        object.__setattr__(self, "targets", tuple((name, float(target)) for name, target in given))
        object.__setattr__(self, "minimum", whole_number("minimum", minimum, 2, 2**32))

    @classmethod
    def parse(cls, text: str, minimum: int = 200) -> Until:
        """Read ``power:0.005,bias:0.002``."""
        found = []
        for part in text.split(","):
            name, colon, number = part.partition(":")
            try:
                found.append((name.strip(), float(number)))
            except ValueError:
                colon = ""
            if not colon:
                raise InputError(f"--until {text!r}: give MEASURE:ERROR, several with commas, such as power:0.005,bias:0.002.")
        return cls(tuple(found), minimum)

    def check(self, replicates: int, known: Iterable[str]) -> None:
        """Raise :class:`InputError` if there is nothing between the minimum and a study's replicates, or a measure is not among the
        ``known`` ones of the study."""
        names = (*known, *POOLED)
        for name, _ in self.targets:
            if name in GROUPS and name not in names:
                raise InputError(f"until: {name} is measured by studies with group_coefficients=True; set it, or name another.")
            if name in PREDICTION and name not in names:
                raise InputError(f"until: {name} is measured by studies with scores=(Prediction(),); add it, or name another.")
            choose("measure of Until", name, names)
        if self.minimum > replicates:
            raise InputError(
                f"until: a cell is judged at {self.minimum} replicates (minimum), but the study ends at {replicates}; raise the "
                "replicates (the most that a cell may get) or lower the minimum."
            )

    def rounds(self, replicates: int) -> Iterator[int]:
        """How many replicates the cells that go on have at the end of each round, the study's last."""
        count = self.minimum
        while count < replicates:
            yield count
            count *= 2
        yield replicates

    def in_words(self) -> str:
        """One phrase: ``power to 0.005 and bias to 0.002, from 200 replicates on``."""
        goals = " and ".join(f"{name} to {target:g}" for name, target in self.targets)
        return f"Monte Carlo error of {goals}, judged from {counted(self.minimum, 'replicate')} on"
