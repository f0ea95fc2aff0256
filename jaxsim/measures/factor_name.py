"""Names of factors as people give them: in full, or by their last part where it belongs to one factor alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from jaxsim.errors import InputError

Given = TypeVar("Given")


def in_full(given: Given, known: Iterable[str]) -> Given | str:
    """The name that is meant: ``units.person`` where ``person`` is given, and no other name that is known ends with ``.person``.

    Args:
        given: a name; what is known by itself, or ends no known name, stays as it is, for the caller to judge.
        known: names in full.

    Raises:
        InputError: for the last part of several names.
    """
    names = tuple(known)
    if not isinstance(given, str) or given in names:
        return given
    ends = [name for name in names if name.endswith(f".{given}")]
    if len(ends) > 1:
        raise InputError(f"{given!r} may be any of {', '.join(map(repr, ends))}; give the whole name of one.")
    return ends[0] if ends else given


def all_in_full(given: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The same of several names, each once."""
    names = tuple(known)
    return tuple(dict.fromkeys(in_full(name, names) for name in given))
