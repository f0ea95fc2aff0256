"""Parts of a study that an installed package defines: which release of it is here, and how they are found."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.metadata
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from jaxsim.study.sources import digest, without_docstrings
from jaxsim.workers.by_value import is_users


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def release(module: str) -> str:
    """Name and version of the distribution that a module is of, or a digest of the module's file when there is none."""
    top = module.partition(".")[0]
    names = sorted(set(_distributions().get(top, ())))
    if names:
        return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    try:
        content: str | bytes = Path(file).read_bytes()
    except OSError:
        return f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    with contextlib.suppress(SyntaxError, ValueError):  # a module in C
        content = ast.unparse(without_docstrings(ast.parse(content)))
    return digest(content)


def found(name: str) -> Any:
    """What ``module:name`` stands for in an installed package, which is imported; None if it is not here.

    A user's own module is never imported, nor one of the standard library.
    """
    module, _, path = name.partition(":")
    if module not in sys.modules:
        top = module.partition(".")[0]
        spec = PathFinder.find_spec(top)
        places = [] if spec is None else [spec.origin, *(spec.submodule_search_locations or ())]
        files = [place for place in places if place is not None]
        if not files or any(map(is_users, files)) or top in sys.stdlib_module_names:
            return None
    try:
        thing: Any = importlib.import_module(module)
    except Exception:  # whatever a package does when it is imported
        return None
    for part in path.split("."):
        thing = getattr(thing, part, None)
    return thing
