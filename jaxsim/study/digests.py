"""What code a user's own class or function consists of: one digest for each thing that its numbers follow from.

Covered are the source of the class or function, of the user's own base classes and functions that it names, and the values of
constants that it names. Comments, docstrings and layout do not count; nor does what installed packages do. A class or function with
an attribute ``version`` is not looked into: its author says when it has changed.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import inspect
import sys
import textwrap
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxsim.workers.by_value import users_module

# Of digests in descriptions, hexadecimal digits: enough that no two versions of a function are taken for each other.
DIGITS = 12
# Names of a script's module: run by Python, or by ``jaxsim run``.
SCRIPTS = ("__main__", "jaxsim_experiment")
# A part that was sent to another process carries its origin and digests, since its source may not be there.
CARRIED = "__jaxsim_carried__"
CONSTANTS = (int, float, complex, str, bytes, bool, type(None), np.generic)


def is_own(module_name: str) -> bool:
    """Whether a module is the user's: not jaxsim's, not of an installed package and not of the standard library.

    A module that is not loaded is that of a class which was sent here.
    """
    return module_name in SCRIPTS or module_name not in sys.modules or users_module(module_name) is not None


def origin(thing: Any) -> str:
    """Where a class or function comes from, as ``module:name``; a script's module is called as its file is."""
    carried = vars(thing).get(CARRIED)
    if carried is not None:
        return str(carried["origin"])
    module = sys.modules.get(thing.__module__)
    file = getattr(module, "__file__", None)
    name = Path(file).stem if thing.__module__ in SCRIPTS and file else thing.__module__
    return f"{name}:{thing.__qualname__}"


def code_of(thing: type | types.FunctionType) -> dict[str, str]:
    """Digests by name of everything that a class or function consists of."""
    carried = vars(thing).get(CARRIED)
    if carried is not None:
        return dict(carried["code"])
    version = vars(thing).get("version")
    if isinstance(version, str):
        return {"version": version}
    found: dict[str, str] = {}
    _Collector(found).add(thing)
    return dict(sorted(found.items()))


class _Collector:
    """Walks from one thing to everything that it names."""

    def __init__(self, found: dict[str, str]) -> None:
        self.found = found
        self.seen: set[int] = set()

    def add(self, thing: Any, name: str = "") -> None:
        """Take up a thing that some code names ``name``."""
        thing = _unwrapped(thing)
        if id(thing) in self.seen and not isinstance(thing, CONSTANTS):
            return
        self.seen.add(id(thing))
        if isinstance(thing, type):
            self._class(thing)
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, functools.partial):
            self.add(thing.func)
            self._value(name or "partial", (thing.args, sorted(thing.keywords.items())))
        elif not isinstance(thing, types.ModuleType | types.BuiltinFunctionType):
            self._value(name, thing)

    def _class(self, cls: type) -> None:
        if not is_own(cls.__module__):
            return
        self._put(cls.__qualname__, _digest(_source(cls) or repr(sorted(vars(cls)))))
        for base in cls.__bases__:
            self.add(base)
        for member in vars(cls).values():
            function = _unwrapped(getattr(member, "fget", None) or getattr(member, "func", None) or member)
            if isinstance(function, types.FunctionType) and function.__module__ == cls.__module__:
                self._named_in(function)

    def _function(self, function: types.FunctionType) -> None:
        if not is_own(function.__module__):
            return
        self._put(function.__qualname__, _digest(_source(function) or _bytecode(function.__code__)))
        self._named_in(function)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.add(default, f"{function.__qualname__} default")

    def _named_in(self, function: types.FunctionType) -> None:
        """Everything that a function names: globals, attributes of the user's modules, variables of functions around it."""
        names = set(_names(function.__code__))
        for name in sorted(names & function.__globals__.keys()):
            value = function.__globals__[name]
            if isinstance(value, types.ModuleType) and is_own(value.__name__):
                for attribute in sorted(names & vars(value).keys()):
                    self.add(vars(value)[attribute], f"{name}.{attribute}")
            else:
                self.add(value, name)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                self.add(cell.cell_contents, name)
            except ValueError:  # not assigned yet
                continue

    def _value(self, name: str, value: Any) -> None:
        text = _shown(value)
        self._put(name or type(value).__qualname__, text if len(text) <= DIGITS else _digest(text))

    def _put(self, name: str, shown: str) -> None:
        """Take down a thing; two of one name, from two modules, are taken down together."""
        before = self.found.get(name, shown)
        self.found[name] = shown if before == shown else _digest(f"{before} {shown}")


def _unwrapped(thing: Any) -> Any:
    """The function inside static and class methods, bound methods and what JAX or functools put around it."""
    for _ in range(8):
        inner = getattr(thing, "__func__", None) or (None if isinstance(thing, type) else getattr(thing, "__wrapped__", None))
        if inner is None:
            break
        thing = inner
    return thing


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _source(thing: type | types.FunctionType) -> str:
    """Source without comments, docstrings and layout; empty where there is none."""
    try:
        if isinstance(thing, types.FunctionType) and thing.__name__ == "<lambda>":
            return _lambda(thing)
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _lambda(function: types.FunctionType) -> str:
    """Source of one lambda: the node that begins in its line and holds its first instruction."""
    lines, _ = inspect.findsource(function)
    found = function.__code__.co_positions()
    places = [(line, column) for line, _, column, _ in found if line is not None and column is not None]
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.Lambda) and node.body.lineno == places[-1][0]:
            end = node.body.end_col_offset or 0
            inside = any(line == node.body.lineno and node.body.col_offset <= at < end for line, at in places)
            if inside and node.lineno >= function.__code__.co_firstlineno:
                return ast.unparse(node)
    return ""


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _bytecode(code: types.CodeType) -> str:
    """What a function without source does; of one version of Python."""
    constants = [_bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return repr((code.co_code, constants, code.co_names, code.co_varnames))


def _shown(value: Any) -> str:
    """A value as text that is the same for the same value in another process."""
    if isinstance(value, CONSTANTS):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, list | tuple | set | frozenset):
        parts = list(map(_shown, value))
        return f"[{', '.join(sorted(parts) if isinstance(value, set | frozenset) else parts)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_shown(k)}: {_shown(v)}' for k, v in value.items())}}}"
    if dataclasses.is_dataclass(value):
        fields = ", ".join(f"{f.name}={_shown(getattr(value, f.name))}" for f in dataclasses.fields(value))
        return f"{type(value).__qualname__}({fields})"
    return _shown_object(value)


def _shown_object(value: Any) -> str:
    """The same of arrays, functions, and things whose kind alone can be told."""
    if isinstance(value, types.FunctionType):
        return _source(value) or _bytecode(value.__code__)
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        return f"array({array.dtype}, {array.shape}, {hashlib.sha256(array.tobytes()).hexdigest()})"
    return type(value).__qualname__


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
