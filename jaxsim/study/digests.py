"""What code a user's own class or function consists of: one digest for each thing that its numbers follow from.

Covered are the source of the class or function, of its decorators, of the user's own base classes, functions and modules that it
names or imports, and the values of constants, objects, defaults and class attributes. Comments, docstrings and layout do not count;
nor does what installed packages do, but for a part that is of one: its version. A class or function with an attribute ``version``
is not looked into: its author says when it has changed.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import inspect
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxsim.study.installed import release
from jaxsim.study.sources import DIGITS, Source, bytecode, digest, imported, names_in, own_file, unwrapped, without_docstrings
from jaxsim.study.values import CONSTANTS, Shown
from jaxsim.study.values import content as _content
from jaxsim.workers.by_value import users_module

# Names of a script's module: run by Python, or by ``jaxsim run``.
SCRIPTS = ("__main__", "jaxsim_experiment")
# A part that was sent to another process carries its origin and digests, since its source may not be there.
CARRIED = "__jaxsim_carried__"
# What the code of a part of an installed package is called: no name of a thing has a space.
INSTALLED = "installed package"


def is_own(module_name: str) -> bool:
    """Whether a module is the user's: not jaxsim's, not of an installed package and not of the standard library.

    A module that is not loaded is that of a class which was sent here.
    """
    return module_name in SCRIPTS or module_name not in sys.modules or users_module(module_name) is not None


def is_ours(kind: type) -> bool:
    """Whether a class is jaxsim's own, which its name alone describes."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return kind.__module__.partition(".")[0] == "jaxsim" and found is kind


def origin(thing: Any) -> str:
    """Where a class or function comes from, as ``module:name``; a script's module is called as its file is."""
    thing = unwrapped(thing)
    carried = vars(thing).get(CARRIED)
    if carried is not None:
        return str(carried["origin"])
    module = sys.modules.get(thing.__module__)
    file = getattr(module, "__file__", None)
    name = Path(file).stem if thing.__module__ in SCRIPTS and file else thing.__module__
    return f"{name}:{thing.__qualname__}"


def code_of(thing: Any) -> dict[str, str]:
    """Digests by name of everything that a class or function consists of; of an installed one its package's version."""
    thing = unwrapped(thing)
    carried = vars(thing).get(CARRIED)
    if carried is not None:
        return dict(carried["code"])
    if not is_own(thing.__module__):
        return {} if thing.__module__.partition(".")[0] == "jaxsim" else {INSTALLED: release(thing.__module__)}
    version = vars(thing).get("version")
    if isinstance(version, str):
        return {"version": version}
    collector = _Collector()
    collector.add(thing)
    return dict(sorted(collector.found.items()))


class _Collector:
    """Walks from one thing to everything that it names."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.seen: dict[int, Any] = {}  # held, so that no other gets their id
        self.seen_modules: set[str] = set()
        self.shown = Shown(self._met, is_own)

    def add(self, thing: Any, name: str = "") -> None:
        """Take up a thing that some code names ``name``."""
        thing = unwrapped(thing)
        if id(thing) in self.seen and not isinstance(thing, CONSTANTS):
            return
        self.seen[id(thing)] = thing
        if isinstance(thing, type | types.FunctionType | types.BuiltinFunctionType | types.ModuleType):
            self._code(thing, name)
        elif isinstance(thing, functools.partial | functools.partialmethod):
            self.add(thing.func)
            self._value(name or "partial", (thing.args, sorted(thing.keywords.items())))
        elif functions := _inside(thing):
            for function in functions:
                self.add(function, name)
        else:
            self._value(name, thing)

    def _code(self, thing: Any, name: str) -> None:
        if isinstance(thing, type) and is_own(thing.__module__):
            self._class(thing)
        elif isinstance(thing, types.FunctionType) and is_own(thing.__module__):
            self._function(thing)
        elif name and not self.shown.name(thing).endswith(name) and not _is_own_module(thing):
            self._put(name, self.shown.name(thing))  # of a package, under another name

    def _met(self, thing: Any) -> None:
        """Take up a class or function inside a value."""
        if isinstance(thing, type | types.FunctionType):
            self.add(thing)

    def _class(self, cls: type) -> None:
        source = Source.of(cls)
        self._put(cls.__qualname__, digest(source.text or repr(sorted(vars(cls)))))
        for base in (type(cls), *cls.__bases__):
            self.add(base)
        around = vars(sys.modules.get(cls.__module__, cls))
        for code in source.decorators:
            self._named(code, around)
        for name, member in vars(cls).items():
            for function in map(unwrapped, _inside(member) or [member]):
                if isinstance(function, types.FunctionType):
                    self._method(cls, function, source)
                elif _is_value(cls, name, function):
                    self.add(function, f"{cls.__qualname__}.{name}")
        self._defaults(cls)

    def _method(self, cls: type, function: types.FunctionType, source: Source) -> None:
        """A function of a class, whose source may be in the class's."""
        code = function.__code__
        inner: Any = inspect.unwrap(function)
        made = isinstance(inner, types.FunctionType) and inner.__code__.co_filename == "<string>"
        if made and dataclasses.is_dataclass(cls) and function.__name__.startswith("__"):
            return  # made by dataclasses
        if function.__module__ == cls.__module__ and source.has(code):
            self._parts(function)
        else:
            self.add(function)

    def _defaults(self, cls: type) -> None:
        """Defaults of the fields that a dataclass adds, by value."""
        for field in vars(cls).get("__dataclass_fields__", {}).values():
            if field.name in vars(cls).get("__annotations__", {}):
                for default in (field.default, field.default_factory):
                    if default is not dataclasses.MISSING and not isinstance(vars(cls).get(field.name), CONSTANTS):
                        self.add(default, f"{cls.__qualname__}.{field.name}")

    def _function(self, function: types.FunctionType) -> None:
        if is_own(function.__globals__.get("__name__") or ""):
            source = Source.of(function)
            self._put(function.__qualname__, digest(source.text or bytecode(function.__code__)))
            for code in source.decorators:
                self._named(code, function.__globals__)
            self._parts(function)
            return
        for cell in function.__closure__ or ():  # what a package put around a function
            content = _content(cell)
            if isinstance(content, (*CONSTANTS, tuple, types.FunctionType)):
                self.add(content, f"{function.__qualname__} around")
        self.add(getattr(function, "__wrapped__", None), f"{function.__qualname__} inside")

    def _parts(self, function: types.FunctionType) -> None:
        """What a function names, the variables of functions around it, and its defaults."""
        self._named(function.__code__, function.__globals__)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if name != "__class__":
                self.add(_content(cell), name)
        for default in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.add(default, f"{function.__qualname__} default")
        if hasattr(function, "__wrapped__"):
            self.add(function.__wrapped__)

    def _named(self, code: types.CodeType, around: Mapping[str, Any]) -> None:
        """Globals that some code names, attributes of the user's modules, and modules that it imports."""
        names = names_in(code)
        for name in sorted(names & around.keys()):
            if _is_own_module(around[name]):
                self._attributes(name, around[name], names, set())
            else:
                self.add(around[name], name)
        self._imports(code, str(around.get("__package__") or ""))

    def _attributes(self, path: str, module: types.ModuleType, names: set[str], before: set[str]) -> None:
        for name in sorted(names & vars(module).keys()):
            value = vars(module)[name]
            if not isinstance(value, types.ModuleType):
                self.add(value, f"{path}.{name}")
            elif is_own(value.__name__) and value.__name__ not in before:
                self._attributes(f"{path}.{name}", value, names, before | {module.__name__, value.__name__})

    def _imports(self, code: types.CodeType, package: str) -> None:
        """The user's modules that are imported inside a function: they may not be loaded yet, so their whole text counts."""
        for name in imported(code, package):
            place = own_file(name)
            if place is not None and name not in self.seen_modules:
                self.seen_modules.add(name)
                try:
                    tree = ast.parse(place[0].read_bytes())
                    inner = compile(tree, str(place[0]), "exec")
                except (OSError, SyntaxError, ValueError):
                    continue
                self._put(name, digest(ast.unparse(without_docstrings(tree))))
                self._imports(inner, place[1])

    def _value(self, name: str, value: Any) -> None:
        try:
            text = self.shown(value)
        except RecursionError:
            text = self.shown.name(type(value))
        self._put(name or type(value).__qualname__, text if len(text) <= DIGITS else digest(text))

    def _put(self, name: str, shown: str) -> None:
        """Take down a thing; two of one name, from two modules, are taken down together."""
        before = self.found.get(name, shown)
        self.found[name] = shown if before == shown else digest(f"{before} {shown}")


def _inside(thing: Any) -> list[Any]:
    """Functions inside methods, properties, and what a package put around a function; none of anything else."""
    if isinstance(thing, staticmethod | classmethod):
        return [thing.__func__]
    if isinstance(thing, property):
        return [one for one in (thing.fget, thing.fset, thing.fdel) if one is not None]
    if isinstance(thing, functools.cached_property):
        return [thing.func]
    of_a_package = callable(thing) and not isinstance(thing, type | types.FunctionType) and not is_own(type(thing).__module__)
    if of_a_package and "__wrapped__" in getattr(thing, "__dict__", {}):
        return [vars(thing)["__wrapped__"], *(one for one in vars(thing).values() if isinstance(one, types.FunctionType))]
    return []


def _is_own_module(thing: Any) -> bool:
    return isinstance(thing, types.ModuleType) and is_own(thing.__name__)


def _is_value(cls: type, name: str, member: Any) -> bool:
    """Whether an attribute of a class is the user's, not one that Python makes."""
    made = (name.startswith("__") and name.endswith("__")) or name == "_abc_impl" or (issubclass(cls, enum.Enum) and name[0] == "_")
    return not made and not isinstance(member, types.MemberDescriptorType | types.GetSetDescriptorType | enum.property)
