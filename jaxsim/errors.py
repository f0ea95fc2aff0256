"""Errors a user can cause; each message says what was given, what is allowed and what to do."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import Any

# Counts are 32-bit numbers in compiled programs: rows, groups, sizes.
LARGEST = 2**31 - 1
# Characters of a name, which is to fit into tables and figures; and of a value that a message quotes.
LONGEST_NAME, LONGEST_QUOTE = 200, 100
# Characters of what somebody else's error says.
LONGEST_SAID = 300
# Letters of a name's beginning by which it is known.
FEWEST_LETTERS = 3


class InputError(ValueError):
    """An argument, a dataset or a folder that jaxsim cannot use as it is."""


class NotSupportedError(InputError):
    """A model that is well defined but that this version cannot fit."""


def choose(what: str, given: object, allowed: Iterable[str]) -> str:
    """Return ``given`` if it is one of ``allowed``, else an :class:`InputError` names the choices and what may be meant."""
    options = tuple(allowed)
    if isinstance(given, str) and given in options:
        return given
    raise InputError(advised(f"{what}={brief(given)} is not known", given, options, f"use one of {', '.join(map(repr, options))}"))


def brief(value: object) -> str:
    """A value as a message quotes it: on one line, printable and short, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a number of more digits than Python writes, lists in lists in lists, somebody's own __repr__
        return f"<{type(value).__name__}>"
    shown = text if text.isprintable() else text.encode("ascii", "backslashreplace").decode()
    shown = "".join(c if c.isprintable() else "?" for c in shown)
    return shown if len(shown) <= LONGEST_QUOTE else f"{shown[: LONGEST_QUOTE - 3]}..."


def in_brief(error: BaseException) -> str:
    """What an error says, on one line, after its kind."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST_SAID]}"


def whole_number(name: str, value: object, minimum: int, most: int = LARGEST) -> int:
    """A whole number from ``minimum`` to ``most``, Python's or NumPy's."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    number = int(value) if isinstance(value, Integral) else 0
    if not whole or number < minimum:
        raise InputError(f"{name}={brief(value)}: give a whole number of at least {minimum}.")
    if number > most:
        raise InputError(f"{name}={brief(value)}: give a whole number of at most {most}.")
    return number


def truth(name: str, value: object) -> bool:
    """True or False, Python's or NumPy's."""
    if type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise InputError(f"{name}={brief(value)}: give True or False.")


def finite(value: object) -> bool:
    """Whether it is a finite number: no text, no truth value, and not so large that a float cannot hold it."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def printable(what: str, value: object) -> str:
    """A name that tables, files and terminals can show as it is; :class:`InputError` for anything else."""
    if isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= LONGEST_NAME:
        return value
    raise InputError(f"{what} {brief(value)}: give printable text on one line, of 1 to {LONGEST_NAME} characters.")


def meant(given: object, options: Iterable[str]) -> str | None:
    """The option that ``given`` resembles most; None if it resembles none or is no text.

    Whatever its case: of a dotted name those that begin as it does (``units.patient`` for ``units.patients``); the last part of a
    dotted name, or all but it (``subject`` of ``units.subject``); the beginning of a name, with numbers in digits or words
    (``type1`` of ``type_one_error``); one with other letters.
    """
    if not isinstance(given, str):
        return None
    known = list(options)
    beside = siblings(given, known)
    if beside:
        start = beside[0].rpartition(".")[0] + "."
        rests = [option[len(start) :] for option in beside]
        own = given[len(start) :]
        turned = [rest for rest in rests if sorted(rest.split(":")) == sorted(own.split(":"))]
        near = turned[0] if turned else meant(own, [rest for rest in rests if "." not in rest])
        return None if near is None else start + near
    parts = [option for option in known if given.lower() in option.lower().split(".") or option.lower() in given.lower().split(".")]
    asked = _plain(given)
    begun = [option for option in known if len(asked) >= FEWEST_LETTERS and _plain(option).startswith(asked)]
    for found in (parts, begun):
        if found:
            return min(found, key=len)
    lower = {option.lower(): option for option in known}
    close = difflib.get_close_matches(given.lower(), lower, n=1)
    return lower[close[0]] if close else None


def siblings(given: object, options: Iterable[str]) -> list[str]:
    """The options that have the beginning of a dotted name, as ``effects.x`` and ``effects.x:z`` have of ``effects.y``; the longest
    beginning that some have."""
    start = given.rpartition(".")[0] if isinstance(given, str) else ""
    known = list(options)
    while start:
        found = [option for option in known if option.rpartition(".")[0] == start]
        if found:
            return found
        start = start.rpartition(".")[0]
    return []


def suggestion(given: object, options: Iterable[str]) -> str:
    """`` Did you mean 'x'?``, to stand before a list of what there is, which may be long; empty if nothing resembles it."""
    near = meant(given, options)
    return f" Did you mean {near!r}?" if near is not None else ""


def advised(said: str, given: object, options: Iterable[str], there: str) -> str:
    """What is wrong, what was probably meant, and what there is: in this order, because the list may be long."""
    hint = suggestion(given, options)
    return f"{said}.{hint} {there[0].upper()}{there[1:]}." if hint else f"{said}; {there}."


def _plain(name: str) -> str:
    """A name's letters alone, with 1 as ``one``."""
    return re.sub(r"[\W_]", "", name.lower().replace("1", "one").replace("2", "two"))


def several(value: object, most: int) -> tuple[Any, ...] | None:
    """The members of a list or of anything like it, no more than one beyond ``most`` of them; None for what has no members."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        return None
    try:
        return tuple(itertools.islice(value, most + 1))
    except TypeError:  # an array of no dimension
        return None


def names_given(what: str, value: object) -> tuple[str, ...]:
    """Several names, such as those of terms, as a tuple; :class:`InputError` for anything else."""
    given = several(value, 10_000)
    if given is not None and all(isinstance(name, str) for name in given):
        return given
    raise InputError(f"{what}={brief(value)}: give a tuple of names, such as ('Intercept', 'x').")


def check_options(value: object) -> None:
    """Raise :class:`InputError` for anything but arguments by name."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"options={brief(value)}: give a dictionary of arguments by name.")


def check_probability(name: str, value: object, such_as: float = 0.95) -> None:
    """Raise :class:`InputError` unless a level, of confidence or of a test, lies between 0 and 1."""
    if not finite(value) or not 0 < value < 1:  # type: ignore[operator]  # a number, since it is finite
        raise InputError(f"{name}={brief(value)} must be a number between 0 and 1, such as {such_as}.")


def check_seconds(name: str, value: object) -> None:
    """Raise :class:`InputError` for anything but a positive number of seconds."""
    if not finite(value) or not value > 0:  # type: ignore[operator]  # a number, since it is finite
        raise InputError(f"{name}={brief(value)}: give a positive number of seconds.")


def first_line(documentation: str | None) -> str:
    """The first line of a docstring; empty for none, and for the signature that a dataclass without one gets."""
    line = (documentation or "").strip().partition("\n")[0].replace("``", "").rstrip(".")
    return "" if re.match(r"\w+\(", line) else line
