"""The text of a class or function without comments, docstrings and layout, and what that text names."""

from __future__ import annotations

import ast
import dis
import hashlib
import importlib.util
import inspect
import sys
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from jaxsim.workers.by_value import CACHED, is_users

# Of digests in descriptions, hexadecimal digits: enough that no two versions of a function are taken for each other.
DIGITS = 12


def digest(text: str | bytes) -> str:
    """A digest of some text or file, as descriptions have it."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()[:DIGITS]


def unwrapped(thing: Any) -> Any:
    """The function inside ``jax.jit`` and ``functools.cache``, which do not change what it gives."""
    while isinstance(thing, CACHED) or type(thing).__module__.partition(".")[0] == "jaxlib":
        inner = getattr(thing, "__wrapped__", None)
        if inner is None:
            break
        thing = inner
    return thing


@dataclass(frozen=True)
class Source:
    """Where a class or function is defined.

    Args:
        tree: without docstrings; None where there is no source.
        file: its path, or empty.
        lines: of the file.
    """

    tree: ast.AST | None = None
    file: str = ""
    lines: range = range(0)

    @classmethod
    def of(cls, thing: type | types.FunctionType) -> Source:
        """A thing's; of a decorated function, that of what the decorator returned."""
        try:
            if isinstance(thing, types.FunctionType) and thing.__code__.co_name == "<lambda>":
                return cls(_lambda(thing.__code__))
            place = thing if isinstance(thing, type) else thing.__code__
            lines, first = inspect.getsourcelines(place)
            tree = without_docstrings(ast.parse(textwrap.dedent("".join(lines))))
            return cls(tree, inspect.getsourcefile(place) or "", range(first, first + len(lines)))
        except (OSError, TypeError, SyntaxError, ValueError):
            return cls()

    @property
    def text(self) -> str:
        """Without comments, docstrings and layout; empty where there is none."""
        return "" if self.tree is None else ast.unparse(self.tree)

    @property
    def decorators(self) -> Iterator[types.CodeType]:
        """Code of the decorators in it."""
        for node in ast.walk(self.tree or ast.Module([], [])):
            for decorator in getattr(node, "decorator_list", ()):
                yield compile(ast.Expression(decorator), "<decorator>", "eval")

    def has(self, code: types.CodeType) -> bool:
        """Whether a function is defined in it; the path of a script is as it was typed."""
        return Path(code.co_filename).name == Path(self.file).name and code.co_firstlineno in self.lines


def without_docstrings(tree: ast.AST) -> ast.AST:
    """The tree, changed in place."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body and _is_text(body[0]):
            node.body = body[1:] or [ast.Pass()]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _lambda(code: types.CodeType) -> ast.AST | None:
    """One lambda: the node that begins in its line and holds its first instruction."""
    lines, _ = inspect.findsource(code)
    places = [(line, column) for line, _, column, _ in code.co_positions() if line is not None and column is not None]
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.Lambda) and node.body.lineno == places[-1][0]:
            end = node.body.end_col_offset or 0
            inside = any(line == node.body.lineno and node.body.col_offset <= at < end for line, at in places)
            if inside and node.lineno >= code.co_firstlineno:
                return node
    return None


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Some code and that of the functions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def names_in(code: types.CodeType) -> set[str]:
    """Globals and attributes that some code names."""
    return {name for one in codes(code) for name in one.co_names}


def bytecode(code: types.CodeType) -> str:
    """What a function without source does; of one version of Python."""
    return repr((code.co_code, [_constant(c) for c in code.co_consts], code.co_names, code.co_varnames, code.co_freevars))


def _constant(value: Any) -> str:
    if isinstance(value, types.CodeType):
        return bytecode(value)
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def imported(code: types.CodeType, package: str) -> Iterator[str]:
    """Modules that some code imports when it runs, with the packages that they are in."""
    for one in codes(code):
        numbers, module = [0], ""
        for step in dis.get_instructions(one):
            if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
                numbers = [*numbers, step.argval][-2:]
            elif step.opname == "IMPORT_NAME":
                level = numbers[0] if isinstance(numbers[0], int) else 0
                module = _absolute(str(step.argval), level, package)
                parts = module.split(".")
                yield from (".".join(parts[: i + 1]) for i in range(len(parts)))
            elif step.opname == "IMPORT_FROM":
                yield f"{module}.{step.argval}"


def _absolute(name: str, level: int, package: str) -> str:
    try:
        return importlib.util.resolve_name("." * level + name, package) if level else name
    except ImportError:
        return name


def own_file(name: str) -> tuple[Path, str] | None:
    """The file of a user's own module, found without importing it, and the package that it is in."""
    path, spec, so_far = None, None, ""
    for part in name.split("."):
        so_far = f"{so_far}.{part}".strip(".")
        spec = PathFinder.find_spec(so_far, path)
        if spec is None:
            break
        path = spec.submodule_search_locations
    found = spec.origin if spec is not None else getattr(sys.modules.get(name), "__file__", None)
    if found is None or not found.endswith(".py") or not is_users(found):
        return None
    return Path(found), name if found.endswith("__init__.py") else name.rpartition(".")[0]
