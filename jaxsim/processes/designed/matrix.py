"""The model matrix of a design: named as R names it, and each column a product of coded variables."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsim.data.names import INTERCEPT
from jaxsim.errors import InputError
from jaxsim.formula.algebra import Terms
from jaxsim.formula.columns import Column
from jaxsim.formula.contrasts import TREATMENT
from jaxsim.formula.functions import column_names
from jaxsim.formula.model_matrix import contrast_coded
from jaxsim.formula.tokens import Token
from jaxsim.formula.variable import Variable
from jaxsim.processes.designed.traced import values_of

# By column: a number a unit ``[U]``, and a pattern over combinations ``[C]``.
Apart = dict[str, tuple[Any, np.ndarray]]
# Of a coded variable: which one, whether it is coded by contrasts, and which of its columns.
Piece = tuple[tuple[Token, ...], bool, int]


@dataclass(frozen=True, eq=False)
class Coding:
    """How a variable of the formula is coded.

    Attributes:
        variable: as learned; its levels are all that the design has.
        width: columns of a variable of numbers (several for ``poly``).
        base: columns of a data frame that it is made of.
        fixed: its values in all rows, if they are the same in every dataset; else None.
    """

    variable: Variable
    width: int
    base: tuple[str, ...]
    fixed: np.ndarray | None

    @functools.cached_property
    def _matrices(self) -> dict[bool, tuple[np.ndarray, list[str]]]:
        levels = self.variable.levels
        assert levels is not None
        contrasts = (self.variable.contrast or TREATMENT).columns(self.variable.label, levels)
        return {True: contrasts, False: (np.eye(len(levels)), list(levels))}

    def names(self, contrasts: bool) -> tuple[str, ...]:
        """Of its columns."""
        label = self.variable.label
        if self.variable.levels is not None:
            return tuple(f"{label}{name}" for name in self._matrices[contrasts][1])
        return (label,) if self.width == 1 else tuple(f"{label}{i + 1}" for i in range(self.width))

    def columns(self, values: Any, contrasts: bool) -> list[Any]:
        """Its columns, ``[N]`` each, of numbers or positions of levels."""
        if self.variable.levels is not None:
            codes = values.astype(int)
            matrix = self._matrices[contrasts][0]
            return [(column if isinstance(codes, np.ndarray) else jnp.asarray(column))[codes] for column in matrix.T]
        return [values] if values.ndim == 1 else list(values.T)


@dataclass(frozen=True, eq=False)
class Side:
    """The columns of one side of a formula.

    Attributes:
        names: as R names them, the intercept ``Intercept``.
        pieces: what each is the product of; nothing for the intercept.
        terms: the columns of each term, by the term's name.
    """

    names: tuple[str, ...]
    pieces: tuple[tuple[Piece, ...], ...]
    terms: Mapping[str, tuple[str, ...]]


def side(terms: Terms, codings: Mapping[tuple[Token, ...], Coding]) -> Side:
    """Names and products by R's rules, as :class:`jaxsim.formula.model_matrix.Recipe` has them."""
    own = [codings[tokens] for tokens in terms.variables]
    by_contrasts = contrast_coded(terms, [Column(one.variable.label, np.zeros(0), one.variable.levels) for one in own])
    names: list[str] = [INTERCEPT] if terms.intercept else []
    pieces: list[tuple[Piece, ...]] = [()] if terms.intercept else []
    found: dict[str, tuple[str, ...]] = {INTERCEPT: (INTERCEPT,)} if terms.intercept else {}
    for number, member in enumerate(terms.members):
        labels, products = [""], [()]
        for i in member:
            how = (number, i) in by_contrasts
            parts = own[i].names(how)
            products = [(*product, (terms.variables[i], how, j)) for j in range(len(parts)) for product in products]  # type: ignore[misc]
            labels = [f"{label}:{part}" if label else part for part in parts for label in labels]
        found[":".join(own[i].variable.label for i in member)] = tuple(labels)
        names += labels
        pieces += products
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"two columns of the model would be named {twice!r}: a variable and a level of another. Rename one of them."
        )
    return Side(tuple(names), tuple(pieces), found)


@dataclass(frozen=True, eq=False)
class Matrix:
    """Every column that datasets have, by name.

    Attributes:
        codings: of the variables of the formula, and of all described ones.
        pieces: what each column is the product of.
        levels: of the described variables; None for numbers.
    """

    codings: Mapping[tuple[Token, ...], Coding]
    pieces: Mapping[str, tuple[Piece, ...]]
    levels: Mapping[str, tuple[str, ...] | None]

    def base(self, name: str) -> set[str]:
        """The described variables that a column is made of."""
        return {own for tokens, _, _ in self.pieces[name] for own in self.codings[tokens].base}

    def columns(self, drawn: Mapping[str, Any], rows: int) -> dict[str, Any]:
        """Values of all columns, ``[N]`` each; NumPy's where they are the same in every dataset.

        Args:
            drawn: numbers, or positions of levels, of the described variables, ``[N]`` each.
            rows: ``N``.
        """
        values = {
            tokens: coding.fixed if coding.fixed is not None else values_of(coding.variable, drawn, self.levels)
            for tokens, coding in self.codings.items()
        }
        coded: dict[tuple[tuple[Token, ...], bool], list[Any]] = {}
        for product in self.pieces.values():
            for tokens, how, _ in product:
                if (tokens, how) not in coded:
                    coded[tokens, how] = self.codings[tokens].columns(values[tokens], how)
        return {
            name: functools.reduce(operator.mul, (coded[tokens, how][j] for tokens, how, j in product))
            if product
            else np.ones(rows)
            for name, product in self.pieces.items()
        }


def apart(matrix: Matrix, of_units: Mapping[str, Any], within: Mapping[str, Any], shape: tuple[int, int, int]) -> Apart:
    """Every column as the product of a number a unit and a pattern over the combinations that all units meet.

    Args:
        matrix: of the design.
        of_units: numbers, or positions of levels, of the variables that are one value a unit, ``[U]``.
        within: the same of those whose levels every unit meets, by combination, ``[C]``.
        shape: units, combinations and repeats of a block.

    Raises:
        InputError: for a column of the formula that is made of both at once, as ``log(age + day)`` is.
    """
    units, combinations, repeats = shape
    coded: dict[tuple[tuple[Token, ...], bool], tuple[bool, list[Any]]] = {}
    for product in matrix.pieces.values():
        for tokens, how, _ in product:
            coding = matrix.codings[tokens]
            by_unit = all(name in of_units for name in coding.base)
            if not by_unit and any(name in of_units for name in coding.base):
                raise InputError(f"{coding.variable.label!r} mixes what units have with what they meet")
            if coding.fixed is not None:
                blocks = coding.fixed.reshape(units, combinations, repeats, *coding.fixed.shape[1:])
                values: Any = blocks[:, 0, 0] if by_unit else blocks[0, :, 0]
            else:
                values = values_of(coding.variable, of_units if by_unit else within, matrix.levels)
            coded[tokens, how] = by_unit, coding.columns(values, how)
    found = {}
    for name, product in matrix.pieces.items():
        parts = [(coded[tokens, how][0], coded[tokens, how][1][j]) for tokens, how, j in product]
        unit, pattern = (functools.reduce(operator.mul, [v for side, v in parts if side == own], one)
                         for own, one in ((True, np.ones(units)), (False, np.ones(combinations))))  # fmt: skip
        found[name] = unit, np.asarray(pattern)
    return found


def base_of(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Columns of a data frame that a variable is made of."""
    return tuple(dict.fromkeys(column_names(tokens)))
