"""Descriptions of studies as plain JSON and back: a frozen dataclass becomes its type's name and its non-default fields.

Defaults are left out, so a field added to a class later does not change the description, nor the random numbers, of studies that do
not use it. A class or function of the user's own is described by where it comes from (``module:name``) and by digests of its code
(:mod:`jaxsim.study.digests`): both enter the keys of cells and strategies, so that changed code never passes for finished work.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import functools
import json
import math
import sys
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jaxsim.errors import InputError, brief
from jaxsim.study import installed
from jaxsim.study.digests import INSTALLED, code_of, is_ours, is_own, origin
from jaxsim.study.sources import DIGITS

# Keys of a description that no field may have.
TYPE, CODE = "type", "code"
DICT, FUNCTION = "dict", "function"
# Of these: the keys that a description must have, and those that it may have.
_SPECIAL = {
    DICT: ({TYPE, "items"}, {TYPE, "items"}),
    FUNCTION: ({TYPE, "name", CODE}, {TYPE, "name", CODE, "arguments"}),
}
# Classes and functions that were described in this process, by where they come from and what their code is: a lambda, or a function
# inside another, cannot be found by its name. The same key is the same code, so it does not matter which of several it finds.
_DESCRIBED: weakref.WeakValueDictionary[tuple[str, tuple[tuple[str, str], ...]], Any] = weakref.WeakValueDictionary()
# Digests of what was met in the look that is being taken, with what they are of, so that no other gets its id.
_look: contextvars.ContextVar[dict[int, tuple[Any, dict[str, str]]] | None] = contextvars.ContextVar("look", default=None)


class NotHereError(InputError):
    """A part of a study whose code this process does not have, or has in another version."""


def encode(value: Any, where: str = "") -> Any:
    """A JSON-ready description of numbers, text, tuples, dictionaries, functions and frozen dataclasses.

    Args:
        value: to describe.
        where: what it is, for the message if it cannot be described.

    Raises:
        InputError: for anything else, with what would do.
    """
    if hasattr(value, "described"):  # a part that is not here describes itself as it was found
        return value.described()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _encode_fields(value)
    if isinstance(value, Mapping):
        return {TYPE: DICT, "items": [[encode(k, where), encode(v, where)] for k, v in value.items()]}
    if isinstance(value, list | tuple) or hasattr(value, "__array__"):
        items = value if isinstance(value, list | tuple) else np.asarray(value).tolist()
        return [encode(v, where) for v in items] if isinstance(items, list | tuple) else encode(items, where)
    if is_function(value) or isinstance(value, functools.partial):
        return _encode_function(value, where)
    return _plain(value, where)


def is_function(value: Any) -> bool:
    """Whether something is a function, or what a decorator put around one: that is taken as it is."""
    return isinstance(value, types.FunctionType) or (callable(value) and hasattr(value, "__wrapped__"))


def _plain(value: Any, where: str) -> Any:
    """A number, a text or nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where or 'a field'} is {value}: give a finite number.")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise InputError(f"{where or 'a field'} is {brief(value)}: give a number of 64 bits.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"{where or 'a field'} holds a {type(value).__name__}, which cannot be stored with the results; give numbers, text, lists, "
        "tuples, dictionaries, functions, or frozen dataclasses."
    )


def _encode_fields(value: Any) -> dict[str, Any]:
    kind = type(value)
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init and not _is_default(f, value)}
    for name in (TYPE, CODE):
        if name in fields:
            raise InputError(f"{kind.__name__} has a field {name!r}, a name that descriptions need; call it something else.")
    head = {TYPE: kind.__name__} if is_ours(kind) else {TYPE: origin(kind), CODE: _code_of(kind)}
    return head | {name: encode(v, f"{kind.__name__}.{name}") for name, v in fields.items()}


def _encode_function(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, functools.partial):
        body = encode(value.func, where)
        return body | {"arguments": encode([list(value.args), value.keywords], where)}
    if not isinstance(getattr(value, "__qualname__", None), str) or not isinstance(getattr(value, "__module__", None), str):
        raise InputError(f"{where or 'a field'} holds {value!r}; give a plain Python function.")
    return {TYPE: FUNCTION, "name": origin(value), CODE: _code_of(value)}


@contextlib.contextmanager
def one_look() -> Iterator[None]:
    """Take the code of each class or function once while many parts are described, such as the cells of a study."""
    before = _look.set({})
    try:
        yield
    finally:
        _look.reset(before)


def _code_of(thing: Any) -> dict[str, str]:
    """Digests of the code of a class or function, which :func:`decode` can find from now on."""
    seen = _look.get()
    if seen is not None and id(thing) in seen:
        return seen[id(thing)][1]
    code = code_of(thing)
    if seen is not None:
        seen[id(thing)] = thing, code
    with contextlib.suppress(TypeError):  # what cannot be referred to weakly is found by its name
        _DESCRIBED[origin(thing), tuple(sorted(code.items()))] = thing
    return code


def decode(value: Any, catalogue: Mapping[str, type]) -> Any:
    """Undo :func:`encode`.

    Args:
        value: a description.
        catalogue: jaxsim's own classes by name. Classes of the user's own are looked for among the modules that are loaded: reading
            results never imports code.

    Raises:
        NotHereError: if a class or function is not there, or has other code than was described.
        InputError: for something that is no description.
    """
    if isinstance(value, list):
        return tuple(decode(v, catalogue) for v in value)
    if not isinstance(value, dict):
        return value
    name = value.get(TYPE)
    if not isinstance(name, str):
        raise InputError(f"a saved study describes something of the type {brief(name)}; a type is a name.")
    if name in _SPECIAL and not _SPECIAL[name][0] <= value.keys() <= _SPECIAL[name][1]:
        raise InputError(f"a saved study describes a {name} by {', '.join(value)}; give {', '.join(sorted(_SPECIAL[name][1]))}.")
    if name == DICT:
        return {decode(k, catalogue): decode(v, catalogue) for k, v in value["items"]}
    if name == FUNCTION:
        function = _located(value["name"], value[CODE])
        if "arguments" in value:
            arguments, keywords = decode(value["arguments"], catalogue)
            return functools.partial(function, *arguments, **keywords)
        return function
    if ":" in name:
        kind = _located(name, value.get(CODE, {}))
    elif name in catalogue:
        kind = catalogue[name]
    else:
        raise NotHereError(f"unknown type {brief(name)} in a saved study; this version knows {', '.join(sorted(catalogue))}.")
    return _made(kind, {k: decode(v, catalogue) for k, v in value.items() if k != TYPE and not (k == CODE and ":" in name)})


def _made(kind: Any, fields: dict[str, Any]) -> Any:
    """The instance of a class with these fields."""
    for name in fields.keys() - {f.name for f in dataclasses.fields(kind) if f.init}:
        raise InputError(f"a saved study gives {kind.__name__} the field {brief(name)}, which it does not have in this version.")
    try:
        return kind(**fields)
    except InputError:
        raise
    except Exception as error:  # whatever a class makes of a value of another type than it expects
        why = f"{type(error).__name__}: {brief(str(error))}"
        raise InputError(f"a saved study gives {kind.__name__} fields that it cannot have ({why}).") from error


def _located(name: str, code: Mapping[str, str]) -> Any:
    """The class or function of this origin, if a loaded module has it with the same code."""
    if not isinstance(name, str) or not isinstance(code, dict) or not all(isinstance(c, str) for c in code.values()):
        raise InputError(f"a saved study describes the code of {brief(name)} by {brief(code)}; it is digests by name.")
    described = _DESCRIBED.get((name, tuple(sorted(code.items()))))
    if described is not None:
        return described
    if code.keys() == {INSTALLED}:
        return _checked(name, code, installed.found(name))
    _, _, path = name.partition(":")
    for module in [m for key, m in sys.modules.items() if m is not None and is_own(key)]:
        found: Any = module
        for part in path.split("."):
            found = getattr(found, part, None)
        if (isinstance(found, type) or is_function(found)) and origin(found) == name:
            return _checked(name, code, found)
    raise NotHereError(f"{name} is not here; load the script or module that defines it first.")


def _checked(name: str, code: Mapping[str, str], found: Any) -> Any:
    """What was found, if its code is what was described."""
    if not (isinstance(found, type) or is_function(found)):
        raise NotHereError(f"{name} is not here; install the package that defines it ({code[INSTALLED]}).")
    here = code_of(found)
    if here != dict(code):
        raise NotHereError(f"{name} is here with other code than the results were computed with ({changed(code, here)}).")
    return found


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Which things differ between two versions of some code: ``draw, SCALE (2.0 there, 3.0 here)``."""
    found = []
    for name in {**old, **new}:
        one, other = old.get(name), new.get(name)
        if one == other:
            continue
        if one is None or other is None:
            found.append(f"{name} ({'new' if one is None else 'gone'})")
        else:
            short = max(len(one), len(other)) < DIGITS
            found.append(f"{name} ({one} there, {other} here)" if short else name)
    return ", ".join(found) or "nothing"


def canonical(value: Any) -> str:
    """One text per content: sorted keys, no spaces, shortest exact floats, ``1`` and ``1.0`` alike."""
    return text_of(encode(value))


def text_of(description: Any) -> str:
    """The same of a description."""
    return json.dumps(_plain_numbers(description), sort_keys=True, separators=(",", ":"), allow_nan=False)


def without_code(description: Any) -> Any:
    """A description without digests of code: what random numbers follow from, so that an edit does not change them all."""
    if isinstance(description, dict):
        return {k: without_code(v) for k, v in description.items() if k != CODE}
    return [without_code(v) for v in description] if isinstance(description, list) else description


def _plain_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(v) for v in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _is_default(field: dataclasses.Field[Any], owner: Any) -> bool:
    value = getattr(owner, field.name)
    return field.default is not dataclasses.MISSING and type(value) is type(field.default) and bool(value == field.default)
