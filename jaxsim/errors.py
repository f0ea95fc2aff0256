"""Errors a user can cause; each message says what was given, what is allowed and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from numbers import Integral


class InputError(ValueError):
    """An argument, a dataset or a folder that jaxsim cannot use as it is."""


class NotSupportedError(InputError):
    """A model that is well defined but that this version cannot fit."""


def choose(what: str, given: object, allowed: Iterable[str]) -> str:
    """Return ``given`` if it is one of ``allowed``, else an :class:`InputError` names the choices and what may be meant."""
    options = tuple(allowed)
    if isinstance(given, str) and given in options:
        return given
    near = meant(given, options)
    hint = f" Did you mean {near!r}?" if near is not None else ""
    raise InputError(f"{what}={given!r} is not known; use one of {', '.join(map(repr, options))}.{hint}")


def whole_number(name: str, value: object, minimum: int) -> int:
    """A whole number of at least ``minimum``, Python's or NumPy's."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise InputError(f"{name}={value!r}: give a whole number of at least {minimum}.")
    return int(value)


def meant(given: object, options: Iterable[str]) -> str | None:
    """The option that ``given`` resembles most, whatever its case; None if it resembles none or is no text."""
    if not isinstance(given, str):
        return None
    lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(given.lower(), lower, n=1)
    return lower[close[0]] if close else None


def first_line(documentation: str | None) -> str:
    """The first line of a docstring; empty for none, and for the signature that a dataclass without one gets."""
    line = (documentation or "").strip().partition("\n")[0].replace("``", "").rstrip(".")
    return "" if re.match(r"\w+\(", line) else line
