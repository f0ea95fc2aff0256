"""Which levels of crossed units meet: all, a random sample, or lists."""

from __future__ import annotations

from dataclasses import dataclass

from jaxsim.calls import spoken
from jaxsim.errors import InputError, NotSupportedError, brief, whole_number
from jaxsim.processes.designed.units import Tree

ALL = "all"


@dataclass(frozen=True)
class Sampled:
    """Each level of the first unit meets some of the second, drawn anew in every dataset; see :func:`sampled`."""

    number: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", whole_number("sampled(k): k", self.number, 1))

    def __str__(self) -> str:
        return f"sampled({self.number})"


@dataclass(frozen=True)
class Lists:
    """The second unit is divided into lists, of which each level of the first meets one; see :func:`lists`."""

    number: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", whole_number("lists(n): n", self.number, 1))

    def __str__(self) -> str:
        return f"lists({self.number})"


Meets = str | Sampled | Lists


@spoken("sampled(5)")
def sampled(k: int) -> Sampled:
    """For ``meets`` of a design: each subject (the first unit) meets ``k`` of the items (the second), without replacement, drawn
    anew in every dataset and independently for every subject.

    Raises:
        InputError: unless ``k`` is a whole number of at least 1.
    """
    return Sampled(k)


@spoken("lists(2)")
def lists(n: int) -> Lists:
    """For ``meets`` of a design: the items (the second unit) are divided into ``n`` lists, and the subjects (the first) get the
    lists in turn; each meets the items of its list.

    Items of each level of the variables that are balanced over them are divided equally, as far as their numbers allow, and so are
    subjects.

    Raises:
        InputError: unless ``n`` is a whole number of at least 1.
    """
    return Lists(n)


def checked_meets(given: object, tree: Tree) -> Meets:
    """Who meets whom.

    Raises:
        InputError: for anything else, and for more than there are.
        NotSupportedError: for units that are not two crossed ones.
    """
    if isinstance(given, str) and given == ALL:
        return ALL
    if not isinstance(given, Sampled | Lists):
        raise InputError(f"meets={brief(given)}: give 'all', sampled(10) or lists(2).")
    first, others = tree.first, tree.others()
    if len(others) != 1 or tree.parent(others[0]) is not None:
        beside = ", ".join(map(repr, others)) or "none"
        raise NotSupportedError(
            f"meets={given}: only two crossed units can meet in part, the first ({first!r}, which may lie in others) and a second; "
            f"besides it units has {beside}. Leave out meets, or give one that is not nested."
        )
    (second,) = others
    have = tree.count(second)
    if given.number > have:
        what = f"each {first} would meet {given.number:,}" if isinstance(given, Sampled) else f"for {given.number:,} lists"
        raise InputError(f"meets={given}: there are {have:,} of {second!r}, and {what}; give at most {have:,}.")
    if isinstance(given, Lists) and given.number > tree.count(first):
        raise InputError(
            f"meets={given}: there are {tree.count(first):,} of {first!r}, so that some lists would be met by none; give at most "
            "as many lists."
        )
    return given
