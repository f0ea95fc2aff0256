"""A mixed model of a DataFrame before it is fitted: matrices, blocks of random effects, grouping factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.data.random_effects import Structure
from jaxsim.data.verdicts import too_few_rows
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.formula.coding import DEFAULT, Coding
from jaxsim.formula.columns import Rows, collect
from jaxsim.formula.expression import response
from jaxsim.formula.grouping import Grouping, grouping, two_groups
from jaxsim.formula.model_matrix import ModelMatrix, Recipe, model_matrix
from jaxsim.formula.offset import OffsetRecipe
from jaxsim.formula.parse import SUPPORTED_RANDOM, Formula, RandomTerm, parse
from jaxsim.formula.tables import as_frame
from jaxsim.formula.text_numbers import check_text
from jaxsim.frames.row_values import NO_VALUES, RowValues
from jaxsim.numerics.row_basis import dependent, verdict
from jaxsim.status import Status


@dataclass(frozen=True)
class Block:
    """Random-effects columns that are correlated with each other and with no others: ``values`` ``[N, q]`` and names; ``factor`` is
    the position of their grouping factor."""

    values: np.ndarray
    names: tuple[str, ...]
    factor: int = 0


@dataclass(frozen=True, eq=False)
class MixedModel:
    """A mixed model ready to be fitted.

    Attributes:
        formula: taken apart.
        y: response ``[N]``.
        x: fixed effects.
        blocks: of random effects, in lme4's order (:func:`in_order`).
        random: how to make the columns of each random-effects term, in the order of the formula.
        order: where in this order each column of the blocks is, ``[Q]``.
        factors: the grouping factors in the order of the blocks.
        rows: that are used.
        weights: of the rows ``[N]``, whose residual variances are ``sigma^2 / weights``; None where all are 1.
        offset: what is added to the linear predictor of each row ``[N]``; None where nothing is.
        offset_recipe: how to make that of other rows.
    """

    formula: Formula
    y: np.ndarray
    x: ModelMatrix
    blocks: tuple[Block, ...]
    random: tuple[Recipe, ...]
    order: np.ndarray
    factors: tuple[Grouping, ...]
    rows: Rows
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None
    offset_recipe: OffsetRecipe | None = None

    @property
    def several(self) -> bool:
        """Whether there are several grouping factors."""
        return len(self.factors) > 1

    @property
    def groups(self) -> Grouping:
        """The grouping factor; :class:`NotSupportedError` if there are several, for whoever does not know of that."""
        if self.several:
            names = ", ".join(factor.name for factor in self.factors)
            raise NotSupportedError(f"this is not there for models with several grouping factors ({names}).")
        return self.factors[0]

    @property
    def codes(self) -> np.ndarray:
        """Group of each row, ``[N]``, of one factor."""
        return self.groups.codes

    @property
    def labels(self) -> pd.Index:
        """Of the groups, ``[G]``, of one factor."""
        return self.groups.labels

    @property
    def levels(self) -> np.ndarray:
        """Level of each row in each of the factors, ``[N, F]``."""
        return np.column_stack([factor.codes for factor in self.factors])

    @property
    def groups_of_columns(self) -> list[str]:
        """Name of the grouping factor of each column with random effects, ``[Q]``."""
        return [self.factors[block.factor].name for block in self.blocks for _ in block.names]

    def columns_of(self, factor: int) -> np.ndarray:
        """Positions among all ``Q`` of a factor's columns with random effects."""
        return np.flatnonzero([block.factor == factor for block in self.blocks for _ in block.names])

    def names_of(self, factor: int) -> tuple[str, ...]:
        """Of a factor's columns with random effects."""
        return tuple(name for block in self.blocks if block.factor == factor for name in block.names)

    @property
    def messages(self) -> tuple[str, ...]:
        """What a user should know about the rows, the columns and their coding."""
        notes = [note for recipe in (self.x.recipe, *self.random) for note in recipe.notes]
        return self.rows.messages + self.x.messages + tuple(dict.fromkeys(notes))

    @property
    def z(self) -> np.ndarray:
        """Columns with random effects, ``[N, Q]``."""
        return np.column_stack([block.values for block in self.blocks])

    def z_on(self, frame: pd.DataFrame) -> np.ndarray:
        """The columns with random effects of other rows, ``[N, Q]``."""
        return np.column_stack([recipe.on(frame) for recipe in self.random])[:, self.order]

    @property
    def random_names(self) -> tuple[str, ...]:
        """All random-effects columns, ``Q`` of them; a name occurs once a factor."""
        return tuple(name for block in self.blocks for name in block.names)

    @property
    def structure(self) -> Structure:
        """Which entries of the relative factor are free."""
        ends = np.cumsum([len(block.names) for block in self.blocks])
        return Structure(tuple(tuple(range(end - len(block.names), end)) for end, block in zip(ends, self.blocks, strict=True)))


def prepare(text: str, data: Any, coding: Coding = DEFAULT, values: RowValues = NO_VALUES) -> MixedModel:
    """Check the input and build the matrices."""
    formula = parse(text)
    if not formula.random:
        raise InputError(f"the formula {text!r} has no random effects, such as (1 | g); fit it with ols, lm or lm2.")
    given = values.beside(as_frame(data))
    rows = given.repeated(collect(given.frame, tuple(dict.fromkeys((*formula.names, *given.names.values()))), text))
    check_text(formula, rows)
    y, x = response(formula.response, rows.frame), model_matrix(formula.fixed, rows.frame, coding)
    if not x.names:
        raise InputError(f"the formula {text!r} has no fixed effects; a model needs at least one, such as the intercept.")
    x = x.without_aliased() if coding.aliased == "drop" else x
    factors = {part.group: grouping(rows.frame, part.group) for part in formula.random}
    for factor in factors.values():
        two_groups(factor)
    matrices = [model_matrix(part.terms, rows.frame, coding) for part in formula.random]
    parts = list(zip(formula.random, matrices, strict=True))
    made = [(block, factors[part.group]) for part, matrix in parts for block in blocks_of(part, matrix, text)]
    check_once(made, text)
    check_same(x, matrices)
    recipes = tuple(matrix.recipe for matrix in matrices)
    return MixedModel(formula, y, x, *in_order(made, recipes), rows, given.weights(rows), *given.offset(rows, formula))


def in_order(
    made: Sequence[tuple[Block, Grouping]], recipes: tuple[Recipe, ...]
) -> tuple[tuple[Block, ...], tuple[Recipe, ...], np.ndarray, tuple[Grouping, ...]]:
    """Blocks, recipes, the order of their columns and the factors, with blocks in lme4's order.

    lme4 leaves terms whose factors never have more levels than those of the term before as they stand, and else sorts all of them
    by levels, most first, where of equally many the last comes first.
    """
    levels = np.array([len(factor.labels) for _, factor in made])
    order = np.argsort(levels, kind="stable")[::-1] if (np.diff(levels) > 0).any() else np.arange(len(made))
    factors = tuple(dict.fromkeys(made[i][1] for i in order))
    ends = np.cumsum([0, *(len(block.names) for block, _ in made)])
    columns = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in order])
    blocks = tuple(replace(made[i][0], factor=factors.index(made[i][1])) for i in order)
    return blocks, recipes, columns, factors


def check_once(made: Sequence[tuple[Block, Grouping]], text: str) -> None:
    """Raise :class:`InputError` if a column has two random effects by one factor."""
    names = [(factor.name, name) for block, factor in made for name in block.names]
    twice = sorted({name for factor, name in names if names.count((factor, name)) > 1})
    if twice:
        raise InputError(
            f"the formula {text!r} gives {', '.join(twice)} two random effects; each column may have one. "
            f"Write (1 | g) + (0 + x | g), or (x || g), for independent intercepts and slopes."
        )


def check_same(fixed: ModelMatrix, random: Sequence[ModelMatrix]) -> None:
    """Raise :class:`InputError` if a name stands for one column among the fixed effects and for another among the random ones."""
    known = dict(zip(fixed.names, fixed.values.T, strict=True))
    for matrix in random:
        for name, values in zip(matrix.names, matrix.values.T, strict=True):
            if name in known and not np.array_equal(known[name], values):
                raise InputError(
                    f"{name!r} is one column among the fixed effects and another among the random ones; code them alike."
                )


def blocks_of(part: RandomTerm, matrix: ModelMatrix, text: str) -> list[Block]:
    """One block for ``(x | g)``; for ``(x || g)`` a block per term."""
    if not matrix.names:
        raise InputError(f"a random-effects term of {text!r} has no columns. Supported: {SUPPORTED_RANDOM}.")
    if not part.independent:
        return [Block(matrix.values, matrix.names)]
    if matrix.categorical:
        raise NotSupportedError(
            f"{text!r} has '||' with a categorical column. lme4 does not make its effects independent either: it expands the term "
            "to (1 | g) + (0 + f | g), with correlated levels. Write that, or (f | g), or make indicator columns and use those."
        )
    terms = np.array(matrix.term_of)
    places = [np.flatnonzero(terms == term) for term in dict.fromkeys(matrix.term_of)]
    return [Block(matrix.values[:, at], tuple(matrix.names[i] for i in at)) for at in places]


def check(model: MixedModel) -> tuple[Status, str]:
    """Whether the model can be estimated from these rows, and what to tell the user if not."""
    n_rows, n_fixed = len(model.y), len(model.x.names)
    status, message = verdict(model.x.values, model.x.names, model.y)
    if status is not Status.TOO_FEW_ROWS:
        for block in sorted(model.blocks, key=lambda block: -len(block.names)):  # lme4 too looks at each term alone
            n_groups, width = len(model.factors[block.factor].labels), len(block.names)
            if too_few_rows(n_rows, n_groups, n_fixed, width):
                of = f" of {model.factors[block.factor].name}" if model.several else ""
                return Status.TOO_FEW_ROWS, (
                    f"{n_rows} rows cannot determine {n_groups * width} random effects ({width} in each of {n_groups} groups{of})"
                )
    if status is Status.OK:
        for block in model.blocks:
            collinear = ", ".join(block.names[i] for i in dependent(block.values))
            if collinear:
                return (
                    Status.RANK_DEFICIENT,
                    f"rank deficient: the random-effects columns {collinear} are combinations of those before",
                )
    return status, message
