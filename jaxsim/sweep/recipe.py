"""What programs are compiled from, and those that this process has compiled: a second study of the same parts begins at once.

A program is kept by what its function follows from, if all of that is jaxsim's: classes and values that their names and fields
describe. What a user's own code does may have changed since, so its programs are compiled anew for every run.
"""

from __future__ import annotations

import dataclasses
import enum
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsim import cache
from jaxsim.study.digests import is_ours
from jaxsim.sweep import shelf
from jaxsim.sweep.compile import Compiled, compile_program, on, precision

# Programs kept, those that were used last: each takes some megabytes, and a process may map only so many pieces of memory.
MOST_KEPT = 64
PLAIN = (type(None), bool, int, float, complex, str, bytes, np.generic, enum.Enum)


class Recipe(NamedTuple):
    """A function of a batch of datasets, and what it follows from: functions of equal keys are the same. Without a key it is known
    to be the same as no other."""

    function: Callable[..., Any]
    key: Hashable = None


def recipe(function: Callable[..., Any], parts: tuple[Any, ...], *settings: Hashable) -> Recipe:
    """A function's recipe.

    Args:
        function: of a batch.
        parts: what it is made of: processes, strategies, scores.
        settings: what else it follows from, the name of its kind and the parts themselves as far as they matter.
    """
    return Recipe(function, settings if all(map(made_of_ours, parts)) else None)


def made_of_ours(value: Any) -> bool:
    """Whether a value, and all that is in its fields, is plain or of jaxsim's own classes."""
    if isinstance(value, PLAIN):
        return True
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(made_of_ours, value))
    if isinstance(value, Mapping):
        return all(made_of_ours(one) for item in value.items() for one in item)
    if isinstance(value, type):
        return is_ours(value)
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else None
    return fields is not None and is_ours(type(value)) and all(made_of_ours(getattr(value, one.name)) for one in fields)


class _Kept:
    """What was found by key, the least recently used forgotten first."""

    def __init__(self, most: int) -> None:
        self.most, self.found, self.lock = most, OrderedDict[Hashable, Any](), threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What belongs to a key; made if it is not there, outside of the lock: what two threads want at once is made twice."""
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
                return self.found[key]
        value = make()
        with self.lock:
            self.found[key] = value
            while len(self.found) > self.most:
                self.found.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self.lock:
            self.found.clear()


_PROGRAMS, _RESULTS = _Kept(MOST_KEPT), _Kept(16 * MOST_KEPT)


def forget() -> None:
    """Keep no program and no shape of a result any longer."""
    _PROGRAMS.clear()
    _RESULTS.clear()


def program(recipe: Recipe, arguments: tuple[Any, ...], device: jax.Device, dtype: str, alone: bool = False) -> Compiled:
    """The compiled program of a recipe for arguments of these shapes on a device; ``alone`` as of :func:`compile_program`."""

    def make() -> Compiled:
        """Compiled now."""
        with precision(dtype):
            return compile_program(recipe.function, *on(device, arguments), alone=alone)

    def find() -> Compiled:
        """Found on disk, or made and kept there."""
        name = shelf.name_of("program", key, device)
        found = shelf.load_program(name, device)
        if found is None:
            began = time.perf_counter()
            with shelf.compiling() as compiled:
                found = make()
            if all(compiled) and time.perf_counter() - began > float(cache.WORTH_KEEPING):
                shelf.save_program(name, found)
        return found

    if recipe.key is None:
        return make()
    key = _key(recipe, arguments, dtype)
    return _PROGRAMS.get((device, *key), find)


def result(recipe: Recipe, arguments: tuple[Any, ...], dtype: str) -> Any:
    """Shapes of what it gives for arguments of these shapes."""

    def make() -> Any:
        """Traced now."""
        with precision(dtype):
            return jax.eval_shape(recipe.function, *arguments)

    def find() -> Any:
        """Found on disk, or made and kept there."""
        name = shelf.name_of("shapes", key)
        found = shelf.load(name)
        if found is None:
            found = make()
            shelf.save(name, found)
        return found

    if recipe.key is None:
        return make()
    key = _key(recipe, arguments, dtype)
    return _RESULTS.get(key, find)


def _key(recipe: Recipe, arguments: tuple[Any, ...], dtype: str) -> tuple[Hashable, ...]:
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(leaf), str(leaf.dtype)) for leaf in leaves)
    settings: Any = jax.config
    return (recipe.key, structure, shapes, dtype, str(settings.jax_default_matmul_precision))
