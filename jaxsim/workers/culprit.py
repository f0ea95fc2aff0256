"""What keeps a function from being sent to a worker process, in words: found by trying its parts one by one."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from jaxsim.workers.by_value import dumps, is_users_thing


def name_of(thing: Any) -> str:
    """What a user calls a function, a class, a module, or an object that can be called."""
    if isinstance(thing, functools.partial):
        return name_of(thing.func)
    return getattr(thing, "__name__", None) or type(thing).__name__


def type_of(thing: Any) -> str:
    """The name of its type, with the module unless that is ``builtins``."""
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def refusal(thing: Any) -> str | None:
    """Why it cannot be pickled, in pickle's words; None if it can."""
    try:
        dumps(thing)
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    return None


def culprit(function: Any) -> str:
    """The part of a function that cannot be pickled: ``gee uses a global 'lock' of type _thread.lock``."""
    found = _search(function, set())
    return found or f"{name_of(function)} is of type {type_of(function)}"


def _search(thing: Any, seen: set[int]) -> str | None:
    seen.add(id(thing))
    for relation, part in _parts(thing):
        words = None if id(part) in seen else refusal(part)
        if words is None:
            continue
        inside = _search(part, seen)
        if inside is None:
            detail = "" if type(part).__name__ in words else f" ({words})"
            inside = f"{name_of(thing)} {relation} of type {type_of(part)}{detail}"
        return inside
    return None


def _parts(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a function, a module, a class of a user's or an object of one brings along, each with how; nothing for other things."""
    if isinstance(thing, functools.partial):
        yield "is a function", thing.func
        for k, value in enumerate(thing.args):
            yield f"is given the argument {k + 1}", value
        for name, value in thing.keywords.items():
            yield f"is given the argument {name!r}", value
    elif isinstance(thing, MethodType):
        yield "is a method of an object", thing.__self__
        yield "is a function", thing.__func__
    elif isinstance(thing, FunctionType):
        yield from _of_function(thing)
    elif isinstance(thing, (type, ModuleType)):
        yield from ((f"has a global {name!r}" if isinstance(thing, ModuleType) else f"has {name!r}", value)
                    for name, value in vars(thing).items() if name not in ("__builtins__", "__dict__", "__weakref__"))  # fmt: skip
    elif hasattr(thing, "__wrapped__"):
        yield "wraps a function", thing.__wrapped__
    elif is_users_thing(type(thing)):
        yield from ((f"has an attribute {name!r}", value) for name, value in getattr(thing, "__dict__", {}).items())


def _of_function(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for name in sorted(_globals(function.__code__) & function.__globals__.keys()):
        yield f"uses a global {name!r}", function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"uses {name!r}, a variable of the function around it,", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for value in function.__defaults__ or ():
        yield "has a default", value
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f"has a default for {name!r}", value


def _globals(code: CodeType) -> set[str]:
    """Names of the globals that a function and the functions inside it read."""
    names = {one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return names.union(*(_globals(inside) for inside in code.co_consts if isinstance(inside, CodeType)))
