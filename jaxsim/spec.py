"""Descriptions of studies as plain JSON and back: a frozen dataclass becomes its type's name and its non-default fields.

Defaults are left out, so a field added to a class later does not change the description, nor the random numbers, of
studies that do not use it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsim.errors import InputError


def encode(value: Any) -> Any:
    """A JSON-ready description of numbers, strings, tuples and frozen dataclasses."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init and not _is_default(f, value)}
        return {"type": type(value).__name__, **{name: encode(v) for name, v in fields.items()}}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def decode(value: Any, catalogue: Mapping[str, type]) -> Any:
    """Undo :func:`encode`; ``catalogue`` maps type names to classes."""
    if isinstance(value, dict):
        name = value.get("type")
        if not isinstance(name, str) or name not in catalogue:
            raise InputError(f"unknown type {name!r} in a saved study; this version knows {', '.join(sorted(catalogue))}.")
        return catalogue[name](**{k: decode(v, catalogue) for k, v in value.items() if k != "type"})
    if isinstance(value, list):
        return tuple(decode(v, catalogue) for v in value)
    return value


def canonical(value: Any) -> str:
    """One text per content: sorted keys, no spaces, shortest exact floats, ``1`` and ``1.0`` alike."""
    return json.dumps(_plain_numbers(encode(value)), sort_keys=True, separators=(",", ":"), allow_nan=False)


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
    return field.default is not dataclasses.MISSING and type(value) is type(field.default) and value == field.default
