"""Variables of a formula computed from numbers that JAX traces: the same language as :mod:`jaxsim.formula.expression`, less what
has to look at whole columns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsim.errors import InputError
from jaxsim.formula.expression import python_token
from jaxsim.formula.functions import FACTORS, IDENTITY, NUMERIC, STATEFUL, plain
from jaxsim.formula.operators import BINARY, COMPARE
from jaxsim.formula.variable import Variable

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {name: getattr(jnp, name) for name in NUMERIC}


@dataclass(frozen=True)
class Factor:
    """A factor's values: positions of its levels, ``[N]``."""

    codes: Any
    levels: tuple[str, ...]


def values_of(variable: Variable, columns: Mapping[str, Any], levels: Mapping[str, tuple[str, ...] | None]) -> Any:
    """What a variable is in every row, ``[N]``: numbers, or positions in its levels.

    Args:
        variable: as learned.
        columns: numbers, or positions of levels, of the columns that it is made of, by name, ``[N]`` each.
        levels: of these columns, None for numbers.

    Raises:
        InputError: for a call that learns from all rows, and for what has no number.
    """
    names: dict[str, str] = {}
    source = " ".join(python_token(token, names) for token in variable.tokens)
    value = _Walker(variable.label, names, columns, levels).visit(ast.parse(source, mode="eval").body)
    if variable.levels is None:
        return jnp.asarray(value, float)
    if isinstance(value, Factor):
        return value.codes
    if variable.logical or variable.levels == ("FALSE", "TRUE"):
        return jnp.asarray(value, float)
    numbers = np.array([float(level) for level in variable.levels])
    return jnp.abs(jnp.asarray(value)[:, None] - numbers).argmin(axis=1)


class _Walker(ast.NodeVisitor):
    def __init__(
        self, label: str, names: Mapping[str, str], columns: Mapping[str, Any], levels: Mapping[str, tuple[str, ...] | None]
    ) -> None:
        self.label, self.names, self.columns, self.levels = label, names, columns, levels

    def generic_visit(self, node: ast.AST) -> Any:
        raise InputError(f"{self.label!r} cannot be computed of what is drawn anew in every dataset; describe it as a variable.")

    def visit_Constant(self, node: ast.Constant) -> Any:
        return float(node.value) if isinstance(node.value, int | float) else node.value

    def visit_Name(self, node: ast.Name) -> Any:
        name = self.names[node.id]
        levels = self.levels[name]
        return self.columns[name] if levels is None else Factor(self.columns[name], levels)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.number(node.operand)
        return -value if isinstance(node.op, ast.USub) else value

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        return BINARY[type(node.op)](self.number(node.left), self.number(node.right))

    def visit_Compare(self, node: ast.Compare) -> Any:
        """Two sides of a comparison; levels of a factor by their place among them, others by none."""
        sides = [self.visit(node.left), self.visit(node.comparators[0])]
        factor = next((side for side in sides if isinstance(side, Factor)), None)
        if factor is not None:
            sides = [factor.levels.index(s) if isinstance(s, str) and s in factor.levels else s for s in sides]
            sides = [s.codes if isinstance(s, Factor) else -1 if isinstance(s, str) else s for s in sides]
        return COMPARE[type(node.ops[0])](*map(jnp.asarray, sides))

    def visit_Call(self, node: ast.Call) -> Any:
        """A function of one argument; raises :class:`InputError` for one that learns from all rows."""
        name = plain(self.names[node.func.id]) if isinstance(node.func, ast.Name) else ""
        if name in STATEFUL:
            raise InputError(
                f"{self.label!r} learns from all rows, and what it is made of is drawn anew in every dataset: a true effect of it "
                f"would be another in each. Describe the variable as it enters the model instead."
            )
        value = self.visit(node.args[0])
        return value if name == IDENTITY or name in FACTORS else _FUNCTIONS[name](value)

    def number(self, node: ast.expr) -> Any:
        value = self.visit(node)
        return jnp.asarray(value, float) if not isinstance(value, float) else value
