"""The arguments of a call in a formula: the column that comes first, and options that are written out."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from jaxsim.errors import InputError
from jaxsim.formula.contrasts import CODINGS, KINDS, Contrast

# How R and Python write what is no number.
WORDS: dict[str, Any] = {
    "TRUE": True,
    "T": True,
    "True": True,
    "FALSE": False,
    "F": False,
    "False": False,
    "NULL": None,
    "None": None,
}


def bind(
    call: ast.Call, names: Mapping[str, str], options: Mapping[str, Any], named: tuple[str, ...], label: str
) -> tuple[ast.expr, dict[str, Any]]:
    """The first argument of a call, and the values of its options in their order.

    Args:
        call: as parsed.
        names: what its placeholders stand for.
        options: that it takes, with their defaults.
        named: of these, the ones that are given by name only.
        label: of the variable, for messages.

    Raises:
        InputError: for anything else.
    """
    given = dict(options)
    free = [name for name in options if name not in named]
    many = "" if len(options) == 0 else f" and {', '.join(options)}"
    if not call.args or len(call.args) > 1 + len(free):
        raise InputError(f"{label!r} has arguments that are not known here; it takes a column{many}.")
    for name, value in zip(free, call.args[1:], strict=False):
        given[name] = literal(value, names, label)
    for keyword in call.keywords:
        name = names.get(keyword.arg or "", "")
        if name not in options:
            raise InputError(f"{label!r} has the argument {name!r}, which is not known here; it takes a column{many}.")
        given[name] = literal(keyword.value, names, label)
    return call.args[0], given


def literal(node: ast.expr, names: Mapping[str, str], label: str) -> Any:
    """A number, a text, TRUE, FALSE or NULL; or several numbers in ``c(..)``, in parentheses or in brackets, as a tuple."""
    if isinstance(node, ast.Constant):
        return float(node.value) if isinstance(node.value, (int, float)) else node.value
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and not isinstance(node.operand.value, str)
    ):
        return -literal(node.operand, names, label)
    if isinstance(node, ast.Name) and names[node.id] in WORDS:
        return WORDS[names[node.id]]
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(literal(item, names, label) for item in node.elts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and names[node.func.id] == "c" and not node.keywords:
        return tuple(literal(item, names, label) for item in node.args)
    raise InputError(f"an option in {label!r} must be written out: a number, c(1, 2), TRUE, FALSE, or a text in quotes.")


def contrast(node: ast.expr, names: Mapping[str, str], label: str) -> tuple[Contrast, bool]:
    """The contrasts that ``Sum`` or ``Treatment("mid")`` stands for, and whether the name is R's (``contr.sum``)."""
    call = node if isinstance(node, ast.Call) else None
    head = call.func if call is not None else node
    name = names[head.id] if isinstance(head, ast.Name) else ""
    if name not in CODINGS:
        raise InputError(f'the contrasts in {label!r} are not known here; use one of {", ".join(KINDS)}, or Treatment("level").')
    kind, from_r = CODINGS[name], name not in KINDS
    if call is None or not (call.args or call.keywords):
        return Contrast(kind), from_r
    values = [literal(value, names, label) for value in call.args]
    values += [literal(word.value, names, label) for word in call.keywords if names.get(word.arg or "") == "reference"]
    if name != "Treatment" or len(values) != 1 or len(call.args) + len(call.keywords) != 1 or isinstance(values[0], (tuple, bool)):
        raise InputError(f'{name!r} in {label!r} takes no such arguments here; Treatment("level") alone takes the reference level.')
    value = values[0]
    return Contrast(kind, f"{value:.15g}" if isinstance(value, float) else value), from_r
