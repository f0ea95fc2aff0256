"""What the text of a saved study must be like, checked before anything is made of it: one sentence for whatever is wrong."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn

from jaxsim.errors import InputError, brief

Check = Callable[[Any], bool]
AGAIN = "give the text that Study.to_json wrote"


class NotJSONError(InputError, json.JSONDecodeError):
    """A text that is no JSON at all: the rest of a file, or another one."""


def read(text: str) -> dict[str, Any]:
    """The members of a study in such a text, those of its facts checked, too.

    Raises:
        InputError: for anything else; :class:`NotJSONError` for a text that is no JSON.
    """
    try:
        body = json.loads(text, parse_constant=_no_number, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise NotJSONError(f"a saved study is no JSON ({error.msg}); {AGAIN}", text, error.pos) from None
    except RecursionError:
        raise InputError(f"a saved study has lists in lists without end; {AGAIN}.") from None
    except InputError:
        raise
    except ValueError:  # more digits than Python reads
        raise InputError(f"a saved study has a number of too many digits; {AGAIN}.") from None
    members("its outermost object", body, STUDY, REQUIRED)
    facts = body.get("facts")
    if facts is not None:
        members("the facts of its process", facts["process"], PROCESS, tuple(name for name in PROCESS if name != "coded"))
        for fact in facts["estimators"]:
            members("the facts of an estimator", fact, ESTIMATOR)
        if len(facts["estimators"]) != len(body["estimators"]):
            _refuse(f"has {len(body['estimators'])} estimators and facts of {len(facts['estimators'])}")
    return dict(body)


# Whether a study is being made of a text.
_READING: ContextVar[bool] = ContextVar("reading", default=False)


def reading() -> bool:
    """Whether a study is being made of a text, and not by a person."""
    return _READING.get()


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """Whatever goes wrong while a study is made of a text, as an :class:`InputError`."""
    begun = _READING.set(True)
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"a saved study cannot be made again ({type(error).__name__}: {brief(str(error))}); {AGAIN}.") from error
    finally:
        _READING.reset(begun)


def members(what: str, given: Any, known: Mapping[str, Check], required: tuple[str, ...] | None = None) -> None:
    """Raise :class:`InputError` unless ``given`` is an object with these members: all of them, or those ``required`` at least."""
    if not isinstance(given, dict):
        _refuse(f"has {brief(given)} where {what} should be, which is an object")
    for name in given:
        if name not in known:
            _refuse(f"has the unknown key {brief(name)} in {what}; this version knows {', '.join(known)}")
    for name in known if required is None else required:
        if name not in given:
            _refuse(f"lacks the key {name!r} in {what}")
    for name, value in given.items():
        if not known[name](value):
            _refuse(f"has {name!r}: {brief(value)} in {what}, which is none of the values that key can have")


def _refuse(what: str) -> NoReturn:
    raise InputError(f"a saved study {what}; {AGAIN}, or read it with the version that wrote it.")


def _no_number(text: str) -> NoReturn:
    raise InputError(f"a saved study has the number {text}; numbers are finite; {AGAIN}.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the text, whose keys must differ."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, _ in pairs if [other for other, _ in pairs].count(name) > 1)
        _refuse(f"has the key {brief(twice)} twice in one object")
    return found


def _anything(value: Any) -> bool:
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list_of(inner: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(inner, value))


def _pairs_of(first: Check, second: Check) -> Check:
    return _list_of(lambda pair: isinstance(pair, list) and len(pair) == 2 and first(pair[0]) and second(pair[1]))


def _facts(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"process", "estimators"} and isinstance(value["estimators"], list)


_names = _list_of(_text)
STUDY: dict[str, Check] = {
    "type": lambda value: value == "Study", "process": _object, "grid": _pairs_of(_text, _list_of(_anything)),
    "estimators": _list_of(_object), "replicates": _whole, "seed": _whole, "conf_level": lambda value: isinstance(value, float),
    "dtype": _text, "until": _object, "group_coefficients": _flag, "scores": _list_of(_object), "measures": _list_of(_object),
    "links": _pairs_of(_whole, _pairs_of(_text, _anything)), "facts": _facts,
}  # fmt: skip
REQUIRED = ("type", "process", "grid", "estimators", "replicates")
PROCESS: dict[str, Check] = {
    "fixed": _names, "columns": _names, "factors": _names, "response": _text, "constant": _names,
    "random": _pairs_of(_text, _names), "components": _pairs_of(_text, _names), "estimands": _names,
    "values": _object, "defaults": _object,
    "coded": _list_of(lambda one: isinstance(one, list) and len(one) == 3 and _text(one[0]) and all(map(_names, one[1:]))),
}  # fmt: skip
ESTIMATOR: dict[str, Check] = {
    "label": _text, "coefficients": _names, "random": _pairs_of(_text, _list_of(_names)),
    "limit": lambda value: value is None or _whole(value), "has_group_coefficients": _flag,
}  # fmt: skip
