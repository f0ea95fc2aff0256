"""Values as text that is the same for the same value in another process, and another for another value."""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import logging
import types
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxsim.study.sources import Source, bytecode, unwrapped

CONSTANTS = (int, float, complex, str, bytes, bool, type(None), np.generic)
# Of these the kind alone counts: what they hold changes as they are used.
USED_UP = (
    np.random.Generator, np.random.RandomState, np.random.BitGenerator, logging.Logger, weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary, weakref.WeakSet, types.ModuleType,
)  # fmt: skip
# Longer texts are shortened to a digest on the way.
LONG = 1000


class Shown:
    """Shows values.

    Args:
        met: told every class and function on the way.
        is_own: whether a module is the user's.
    """

    def __init__(self, met: Callable[[Any], None], is_own: Callable[[str], bool]) -> None:
        self.met, self.is_own = met, is_own
        self.known: dict[int, tuple[Any, str]] = {}  # values are held, so that no other gets their id
        self.inside: set[int] = set()

    def __call__(self, value: Any) -> str:
        """A value as text."""
        if isinstance(value, CONSTANTS) and not isinstance(value, enum.Enum):
            return repr(value.item() if isinstance(value, np.generic) else value)
        if id(value) in self.inside:
            return "..."
        if id(value) not in self.known:
            self.inside.add(id(value))
            text = self._shown(value)
            self.inside.discard(id(value))
            self.known[id(value)] = value, text if len(text) <= LONG else hashlib.sha256(text.encode()).hexdigest()
        return self.known[id(value)][1]

    def name(self, thing: Any) -> str:
        """What a class, function or module is called; with the package if it is not the user's."""
        name = str(getattr(thing, "__qualname__", None) or getattr(thing, "__name__", type(thing).__qualname__))
        module = getattr(thing, "__module__", None) or "builtins"
        return name if isinstance(thing, types.ModuleType) or self.is_own(module) else f"{module.partition('.')[0]}.{name}"

    def _shown(self, value: Any) -> str:
        value = unwrapped(value)
        if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
            return self._code(value)
        kind = type(value)
        if self.is_own(kind.__module__):
            self.met(kind)
        if isinstance(value, USED_UP):
            return self.name(kind)
        if isinstance(value, list | tuple | set | frozenset | Mapping):
            return self._container(value)
        if dataclasses.is_dataclass(value):
            return self._fields(value)
        return self._array(value) or self._object(value)

    def _code(self, thing: Any) -> str:
        """A class or function: its name, and for functions of the user's what they consist of."""
        self.met(thing)
        if not isinstance(thing, types.FunctionType) or not self.is_own(thing.__module__):
            return self.name(thing)
        cells = [content(cell) for cell in thing.__closure__ or ()]
        body = Source.of(thing).text or bytecode(thing.__code__)
        return f"{self.name(thing)}({body}, {self(cells)}, {self(thing.__defaults__)}, {self(thing.__kwdefaults__)})"

    def _container(self, value: Any) -> str:
        if isinstance(value, Mapping):
            return f"{{{', '.join(f'{self(k)}: {self(v)}' for k, v in value.items())}}}"
        parts = [self(v) for v in value]
        return f"[{', '.join(sorted(parts) if isinstance(value, set | frozenset) else parts)}]"

    def _fields(self, value: Any) -> str:
        fields = ", ".join(f"{f.name}={self(getattr(value, f.name, None))}" for f in dataclasses.fields(value))
        return f"{type(value).__qualname__}({fields})"

    def _array(self, value: Any) -> str:
        """An array or a table; empty for anything else."""
        if isinstance(value, pd.DataFrame):
            columns = [(name, value.iloc[:, i]) for i, name in enumerate(value.columns)]
            return f"DataFrame({self([*columns, value.index])})"
        if isinstance(value, pd.Series | pd.Index):
            levels = [list(value.dtype.categories), value.dtype.ordered] if isinstance(value.dtype, pd.CategoricalDtype) else []
            index = [value.index] if isinstance(value, pd.Series) else []
            return f"{type(value).__name__}({self([value.name, str(value.dtype), value.to_numpy(), levels, index])})"
        if not hasattr(value, "__array__"):
            return ""
        try:
            is_key = isinstance(value, jax.Array) and jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
            array = np.asarray(jax.random.key_data(value) if is_key else value)
        except Exception:  # whatever a class makes of it
            return ""
        text = self(array.tolist()) if array.dtype.hasobject else hashlib.sha256(array.tobytes()).hexdigest()
        return f"array({array.dtype}, {array.shape}, {text})"

    def _object(self, value: Any) -> str:
        """Anything else by what it would be pickled as; by its kind if it cannot be."""
        kind = self.name(type(value))
        if isinstance(value, enum.Enum):
            return f"{kind}.{value.name}"
        if isinstance(value, functools.partial):
            return f"{kind}({self([value.func, value.args, value.keywords])})"
        if isinstance(value, types.MethodType):
            return f"{kind}({self([value.__func__, value.__self__])})"
        try:
            parts = value.__reduce_ex__(4)
        except Exception:  # locks, open files, and whatever a class raises
            return kind
        if isinstance(parts, str):
            return f"{kind} {parts}"
        made, arguments, state, items, pairs = (*parts, None, None, None)[:5]
        state = _kept(type(value), state)
        return f"{kind}({self(made)}, {self([arguments, state, list(items or ()), list(pairs or ())])})"


def _kept(kind: type, state: Any) -> Any:
    """The state of an object without what is computed from it and kept."""
    if isinstance(state, dict):
        return {k: v for k, v in state.items() if not isinstance(getattr(kind, str(k), None), functools.cached_property)}
    return state


def content(cell: Any) -> Any:
    """What a variable of a function around another holds."""
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
