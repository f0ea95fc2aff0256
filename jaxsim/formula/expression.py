"""Evaluate a variable of a formula (a column or a call such as ``I(x^2)`` or ``log(y)``) on complete rows.

The call is parsed as Python and walked node by node: columns, numbers, arithmetic, comparisons and known functions, no more.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief
from jaxsim.formula.call_arguments import bind, contrast
from jaxsim.formula.columns import Column, as_column, check_finite, check_size, level_name
from jaxsim.formula.functions import FACTORS, IDENTITY, NUMERIC, STATEFUL, plain
from jaxsim.formula.operators import BINARY, COMPARE
from jaxsim.formula.tokens import Token, first_argument, show


class Memory(dict[str, Any]):
    """What the calls of one variable have learned from the fitted rows, such as the mean of ``scale(x)``, by their text."""


def evaluate(tokens: Sequence[Token], frame: pd.DataFrame, memory: Memory | None = None, *, learning: bool = False) -> Column:
    """The variable on the rows of ``frame``, with R's label.

    Args:
        tokens: a column or a call.
        frame: complete rows.
        memory: what calls have learned, or will learn when ``learning``; None learns and forgets.
        learning: whether these are the fitted rows.

    Raises:
        InputError: that names what cannot be computed.
    """
    label = show(tokens)
    if len(tokens) == 1 and tokens[0].kind == "name":
        return as_column(frame[tokens[0].text], label)
    names: dict[str, str] = {}
    source = " ".join(python_token(token, names) for token in tokens)
    try:
        tree = ast.parse(source, mode="eval").body
        with np.errstate(all="ignore"):
            value = Walker(tokens, names, frame, Memory() if memory is None else memory, learning or memory is None).visit(tree)
    except InputError:
        raise
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):  # too large, or no expression at all
        raise InputError(f"{brief(label)} cannot be read as an expression; compute the column in the DataFrame first.") from None
    if isinstance(value, Column):
        return value
    values = np.asarray(value)
    values = values if values.ndim == 2 else np.broadcast_to(values, (len(frame),))
    if values.dtype.kind not in "bfiu":
        raise InputError(f"{label!r} does not give numbers.")
    if values.dtype == bool:
        return Column(label, values.astype(float), ("FALSE", "TRUE"), logical=True)
    check_finite(values, label)
    return Column(label, values.astype(float))


def python_token(token: Token, names: dict[str, str]) -> str:
    """The token in Python; every name becomes a safe one, recorded in ``names``."""
    if token.kind == "name":
        safe = f"v{len(names)}"
        names[safe] = token.text
        return safe
    return {"^": "**", "%%": "%"}.get(token.text, token.text) if token.kind == "operator" else token.text


class Walker(ast.NodeVisitor):
    """Evaluates one parsed expression; ``names`` maps its names back to columns and functions."""

    def __init__(self, tokens: Sequence[Token], names: dict[str, str], frame: pd.DataFrame, memory: Memory, learning: bool) -> None:
        self.tokens, self.label = tokens, show(tokens)
        self.names, self.frame, self.memory, self.learning = names, frame, memory, learning

    def generic_visit(self, node: ast.AST) -> Any:
        """Anything without a method of its own."""
        raise InputError(f"{self.label!r} uses what is not supported in a formula; compute the column in the DataFrame first.")

    def visit_Constant(self, node: ast.Constant) -> Any:
        """A number or a text."""
        return float(node.value) if isinstance(node.value, (int, float)) else node.value

    def visit_Name(self, node: ast.Name) -> np.ndarray:
        """A column: numbers, booleans, or level names."""
        column = as_column(self.frame[self.names[node.id]], self.names[node.id])
        if column.logical:
            return column.values.astype(bool)
        return column.values if column.levels is None else np.array(column.levels, dtype=object)[column.values.astype(int)]

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        """``-x`` or ``+x``."""
        if not isinstance(node.op, (ast.USub, ast.UAdd)):
            return self.generic_visit(node)
        value = self.number(self.visit(node.operand))
        return -value if isinstance(node.op, ast.USub) else value

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Arithmetic."""
        if type(node.op) not in BINARY:
            return self.generic_visit(node)
        return BINARY[type(node.op)](self.number(self.visit(node.left)), self.number(self.visit(node.right)))

    def visit_Compare(self, node: ast.Compare) -> Any:
        """One comparison; of level names only for equality."""
        left, right = self.visit(node.left), self.visit(node.comparators[0])
        equality = isinstance(node.ops[0], (ast.Eq, ast.NotEq))
        text = [np.asarray(value).dtype.kind in "OU" for value in (left, right)]
        if len(node.ops) > 1 or type(node.ops[0]) not in COMPARE or text[0] != text[1] or (text[0] and not equality):
            return self.generic_visit(node)
        return np.asarray(COMPARE[type(node.ops[0])](left, right), dtype=bool)

    def visit_Call(self, node: ast.Call) -> Any:
        """One of the known functions, of one argument and its options."""
        if not isinstance(node.func, ast.Name):
            return self.generic_visit(node)
        name = plain(self.names[node.func.id])
        if name in STATEFUL:
            return self.stateful(node, name)
        if name == "C" and len(node.args) == 2 and not node.keywords:
            return self.contrasts(*node.args)
        if name in FACTORS and (len(node.args) != 1 or node.keywords):
            raise InputError(
                f'{self.label!r}: {name} takes a column here, C also contrasts, as C(f, Sum) or C(f, Treatment("level")). '
                "For other levels, or another order of them, make the column a pandas.Categorical first."
            )
        if len(node.args) != 1 or node.keywords:
            raise InputError(f"{name!r} in {self.label!r} takes one argument here; compute the column in the DataFrame first.")
        if name in FACTORS:
            return self.factor(node.args[0])
        value = self.visit(node.args[0])
        return value if name == IDENTITY else NUMERIC[name](self.number(value))

    def stateful(self, node: ast.Call, name: str) -> np.ndarray:
        """A call whose value in a row depends on the fitted rows: learned there, applied everywhere."""
        function, key = STATEFUL[name], ast.unparse(node)
        inside, options = bind(node, self.names, function.options, function.named, self.label)
        x = np.broadcast_to(self.number(self.visit(inside)), (len(self.frame),))
        if not self.learning:
            return np.asarray(self.memory[key].on(x))
        check_finite(x, self.label)
        try:
            self.memory[key] = function.learn(x, *options.values())
        except InputError as error:
            raise InputError(f"{self.label!r}: {error}") from None
        return np.asarray(self.memory[key].on(x))

    def contrasts(self, inside: ast.expr, how: ast.expr) -> Column:
        """``C(f, Sum)``: the factor with these contrasts. By patsy's names it is labelled as f, by R's as R does."""
        chosen, from_r = contrast(how, self.names, self.label)
        column = self.factor(inside)
        return replace(column, label=self.label if from_r else show(first_argument(self.tokens)), contrast=chosen)

    def factor(self, node: ast.expr) -> Column:
        """Levels in sorted order, or those the column has already."""
        if isinstance(node, ast.Name):
            column = as_column(self.frame[self.names[node.id]], self.label)
            if column.levels is not None:
                return replace(column, logical=False)
        value = self.visit(node)
        if isinstance(value, Column):
            return replace(value, label=self.label)
        values = np.broadcast_to(value, (len(self.frame),))
        if values.dtype == bool:
            return Column(self.label, values.astype(float), ("FALSE", "TRUE"))
        found, codes = np.unique(values, return_inverse=True)
        names = [level_name(float(number)) for number in found]
        levels = tuple(dict.fromkeys(names))  # numbers that agree in 15 digits are one level, as in R
        return Column(self.label, np.array([float(levels.index(name)) for name in names])[codes], levels)

    def number(self, value: Any) -> Any:
        """The value as numbers."""
        if not isinstance(value, Column) and np.ndim(value) == 2:
            raise InputError(f"{self.label!r} does arithmetic with several columns at once; compute them in the DataFrame first.")
        if isinstance(value, Column) or np.asarray(value).dtype.kind not in "bfiu":
            raise InputError(f"{self.label!r} does arithmetic with text; use numbers (pandas.to_numeric converts text).")
        return np.asarray(value, dtype=float)


def response(tokens: Sequence[Token], frame: pd.DataFrame) -> np.ndarray:
    """The response, ``[N]``; :class:`InputError` unless it is numeric."""
    column = evaluate(tokens, frame)
    if column.values.ndim == 2:
        raise InputError(f"the response {column.label!r} has several columns; give one.")
    if column.levels is not None and not column.logical:
        shown = ", ".join(map(repr, column.levels[:3]))
        raise InputError(
            f"the response {column.label!r} is categorical ({shown}, ..); it must be numeric. pandas.to_numeric converts text."
        )
    check_size(column.values, column.label)
    return column.values
