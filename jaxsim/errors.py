"""Errors a user can cause; each message says what was given, what is allowed and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """An argument, a dataset or a folder that jaxsim cannot use as it is."""


class NotSupportedError(InputError):
    """A model that is well defined but that this version cannot fit."""


def choose(what: str, given: object, allowed: Iterable[str]) -> str:
    """Return ``given`` if it is one of ``allowed``, else raise :class:`InputError` naming the choices."""
    options = tuple(allowed)
    if isinstance(given, str) and given in options:
        return given
    raise InputError(f"{what}={given!r} is not known; use one of {', '.join(map(repr, options))}.")
