"""Calls that do not fit what is called, as sentences: what was given, what there is, and what was probably meant."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from jaxsim.errors import LONGEST_QUOTE, InputError, brief, suggestion

Given = ParamSpec("Given")
Returned = TypeVar("Returned")


class CallError(InputError, TypeError):
    """Arguments that a function, or a class, does not have, or lacks."""


def spoken(such_as: str, **meant_by: str) -> Callable[[Callable[Given, Returned]], Callable[Given, Returned]]:
    """Decorate a function so that a call which does not fit its arguments raises :class:`CallError`.

    Args:
        such_as: calls that are right.
        meant_by: what to do instead, a sentence, by arguments that people give it and that it does not have.
    """

    def decorated(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
        """The function, with its wrong calls said."""
        checked: Callable[Given, Returned] = _checked(function, function.__name__, such_as, meant_by)
        return checked

    return decorated


def spoken_class(kind: type, such_as: str = "", **meant_by: str) -> None:
    """The same of a class: of its ``__init__``, which is replaced; subclasses with one of their own keep it."""
    kind.__init__ = _checked(kind.__init__, kind.__name__, such_as, meant_by, 1)  # type: ignore[misc]  # of the class itself


def _checked(function: Callable[..., Any], name: str, such_as: str, meant_by: Mapping[str, str], own: int = 0) -> Any:
    """A function whose wrong calls are said; ``own`` counts arguments that a caller does not give, such as ``self``."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def called(*args: Any, **options: Any) -> Any:
        """The same call, or the sentence."""
        try:
            return function(*args, **options)
        except TypeError as error:
            try:
                signature.bind(*args, **options)
            except TypeError as wrong:
                known = list(signature.parameters.values())[own:]
                said = _unknown(known, options, meant_by) or (_quoted(args[own:], options), f"{wrong}.")
                shown = f", such as {such_as}" if such_as else ""
                raise CallError(f"{name}({said[0]}): {said[1]} It takes {_named(known)}{shown}.") from None
            raise error  # of the function itself

    return called


def _unknown(known: Sequence[inspect.Parameter], options: Mapping[str, Any], meant_by: Mapping[str, str]) -> tuple[str, str] | None:
    """The first argument by a name that there is not, as it was given, and what is said of it; None if there is no such."""
    names = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    name = next((key for key in options if key not in names), None)
    if name is None:
        return None
    hint = f" {meant_by[name]}" if name in meant_by else suggestion(name, names)
    return f".., {name}={brief(options[name])}", f"there is no argument {name!r}.{hint}"


def _quoted(args: Sequence[Any], options: Mapping[str, Any]) -> str:
    """What was given, or dots if it is long."""
    call = ", ".join([*map(brief, args), *(f"{key}={brief(value)}" for key, value in options.items())])
    return call if len(call) <= LONGEST_QUOTE else ".."


def _named(known: Sequence[inspect.Parameter]) -> str:
    """Arguments by their names, with a star for any number of them."""
    stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(stars.get(p.kind, "") + p.name for p in known) or "nothing"
