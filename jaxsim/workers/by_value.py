"""Pickles that carry a user's own code with them: what a script and the files beside it define need not be importable elsewhere."""

from __future__ import annotations

import functools
import io
import os
import sys
import sysconfig
import threading
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

_LIBRARY = tuple(os.path.realpath(sysconfig.get_paths()[name]) + os.sep for name in ("stdlib", "platstdlib"))
_JAXSIM = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep
_INSTALLED = {"site-packages", "dist-packages"}
_TYPED = ("<stdin>", "<ipython-input")
# What functools.cache and functools.lru_cache put around a function.
CACHED = type(functools.lru_cache(len))
# cloudpickle has one list of modules for the whole process; it is changed while something is pickled, and put back.
_lock = threading.RLock()


@functools.cache
def is_users(file: str) -> bool:
    """Whether a file of Python code is a user's own: not the standard library's, not jaxsim's, not installed in site-packages."""
    if file.startswith("<"):  # code without a file: typed in, or made by a library
        return file.startswith(_TYPED)
    place = os.path.realpath(file)
    return not (place.startswith((*_LIBRARY, _JAXSIM)) or _INSTALLED & set(place.split(os.sep)))


def users_module(name: str | None) -> ModuleType | None:
    """The imported module of this name if it is a user's own; None for ``__main__``, which is never importable elsewhere."""
    module = sys.modules.get(name or "")
    if name == "__main__" or not isinstance(module, ModuleType):
        return None
    # A folder without __init__.py has no file.
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return module if isinstance(file, str) and is_users(file) else None


def is_users_thing(thing: Any) -> bool:
    """Whether a function or a class was defined in code of a user's."""
    name = getattr(thing, "__module__", None)
    return name == "__main__" or users_module(name) is not None


def dumps(thing: Any) -> bytes:
    """The pickle of a thing, with functions, classes and modules of a user's by value; ``pickle.loads`` reads it.

    Raises:
        Exception: whatever the thing's parts raise when they are pickled.
    """
    buffer = io.BytesIO()
    with _lock:
        pickler = _Pickler(buffer)
        try:
            pickler.dump(thing)
        finally:
            for module in pickler.registered:
                cloudpickle.unregister_pickle_by_value(module)
    return buffer.getvalue()


class _Pickler(cloudpickle.Pickler):
    """Registers each module of a user's when it meets something from it."""

    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer)
        self.registered: list[ModuleType] = []

    def reducer_override(self, obj: Any) -> Any:
        """What goes by value is noted on the way; functions with a cache are taken without it."""
        if isinstance(obj, ModuleType):
            self._register(users_module(obj.__name__))
        elif isinstance(obj, (FunctionType, type)):
            self._register(users_module(getattr(obj, "__module__", None)))
        elif isinstance(obj, CACHED) and is_users_thing(obj):
            return _cached, (obj.__wrapped__, obj.cache_parameters())
        return super().reducer_override(obj)

    def _register(self, module: ModuleType | None) -> None:
        if module is not None and module.__name__ not in cloudpickle.list_registry_pickle_by_value():
            cloudpickle.register_pickle_by_value(module)
            self.registered.append(module)


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    """``functools.lru_cache`` around a function, with nothing in it yet; pickle knows such a thing by its name only."""
    return functools.lru_cache(**parameters)(function)
