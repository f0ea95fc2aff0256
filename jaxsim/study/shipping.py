"""A study sent to another process, with the code of a user's own parts, which need not be there."""

from __future__ import annotations

import dataclasses
import functools
import pickle
import types
from collections.abc import Iterator, Mapping
from typing import Any

from jaxsim.errors import InputError
from jaxsim.study import registry
from jaxsim.study.digests import CARRIED, code_of, is_own, origin
from jaxsim.study.sources import unwrapped
from jaxsim.study.study import Study
from jaxsim.workers.by_value import dumps


def own_parts(value: Any) -> Iterator[type | types.FunctionType]:
    """Classes and functions of the user's that a study consists of."""
    if registry.is_function(value):
        yield unwrapped(value)
    elif isinstance(value, functools.partial):
        yield from own_parts([value.func, *value.args, *value.keywords.values()])
    elif isinstance(value, Mapping):
        yield from own_parts(list(value.values()))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from own_parts(one)
    elif dataclasses.is_dataclass(value):
        if is_own(type(value).__module__):
            yield type(value)
        for field in dataclasses.fields(value):
            yield from own_parts(getattr(value, field.name))


def pack(study: Study) -> bytes:
    """The study with the code of its own parts, which carry their digests: their source is not where they go.

    Raises:
        InputError: if something of it cannot be sent.
    """
    fields = {field.name: getattr(study, field.name) for field in dataclasses.fields(study)}
    own = {id(part): part for part in own_parts(list(fields.values()))}
    carried = {key: {"origin": origin(part), "code": code_of(part)} for key, part in own.items()}
    try:
        for key, part in own.items():
            setattr(part, CARRIED, carried[key])
        return dumps(fields)
    except Exception as error:
        raise InputError(
            f"the study cannot be sent to worker processes: {type(error).__name__}: {error}. What its process or strategies use "
            "(open files, locks, connections) must be made inside their functions."
        ) from error
    finally:
        for part in own.values():
            if CARRIED in vars(part):
                delattr(part, CARRIED)


def unpack(content: bytes) -> Study:
    """Undo :func:`pack`."""
    return Study(**pickle.loads(content))
