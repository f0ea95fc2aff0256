"""Strategies with a model formula of their own: which column they explain, by which, and with which random effects."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jaxsim.data.names import INTERCEPT, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError
from jaxsim.estimators.estimator import Estimator

if TYPE_CHECKING:
    from jaxsim.formula.parse import Formula, Terms


# Names that a formula may have without backquotes.
SYNTACTIC = re.compile(r"(?:[^\W\d]|\.(?!\d))[\w.]*")


@dataclass(frozen=True)
class PlainFormula:
    """A formula on the columns of a study: every term is a column (an interaction ``a:b`` is the column of that name).

    Attributes:
        text: as given.
        response: the column that is explained.
        fixed: columns with fixed effects, the intercept first.
        random: random effects, one entry a grouping factor, in the order in which the formula names them.
    """

    text: str
    response: str
    fixed: tuple[str, ...]
    random: tuple[RandomEffects, ...]

    def check(self, names: Names, owner: str) -> None:
        """Raise :class:`InputError` unless the process has these columns and factors."""
        where = f"estimator {owner!r}: in {self.text!r},"
        if self.response != names.response:
            names.require(self.response, f"{where} the response")
        for name in self.fixed:
            names.require(name, f"{where}")
        for part in self.random:
            if part.factor not in names.factors:
                raise InputError(
                    f"{where} {part.factor!r} is not a grouping factor of the process; use {', '.join(names.factors)}."
                )
            for name in part.columns:
                names.require(name, f"{where} the random effect")


def read(text: str) -> PlainFormula:
    """Take a formula apart.

    Raises:
        InputError: for a formula that cannot be read, or a term that is not a plain column.
    """
    from jaxsim.formula.parse import parse  # noqa: PLC0415 - loads a parser that most studies do not need

    formula: Formula = parse(text)
    if len(formula.response) != 1:
        raise InputError(f"the response of {text!r} must be a column, such as DV.")
    blocks: dict[str, list[tuple[str, ...]]] = {}
    for term in formula.random:
        names = columns_of(term.terms, text)
        own = [(name,) for name in names] if term.independent else [names]
        blocks.setdefault(":".join(term.group), []).extend(own)
    random = tuple(RandomEffects(factor, tuple(own)) for factor, own in blocks.items())
    for part in random:
        twice = [name for name in part.columns if part.columns.count(name) > 1]
        if twice:
            raise InputError(f"{twice[0]!r} has two random effects by {part.factor} in {text!r}; each column may have one.")
    fixed = columns_of(formula.fixed, text)
    if not fixed:
        raise InputError(f"the formula {text!r} has no fixed effects; a model needs at least one, such as the intercept.")
    return PlainFormula(text, formula.response[0].text, fixed, random)


def columns_of(terms: Terms, text: str) -> tuple[str, ...]:
    """Names of the columns of some terms: plain columns, and interactions of them by the name ``a:b``."""
    names = [INTERCEPT] if terms.intercept else []
    for member in terms.members:
        parts = []
        for position in member:
            tokens = terms.variables[position]
            if len(tokens) != 1 or tokens[0].kind != "name":
                shown = "".join(token.text for token in tokens)
                raise InputError(
                    f"{shown!r} in {text!r}: the terms of a strategy's formula are columns of the process, such as IV1; have the "
                    "process make the column."
                )
            parts.append(tokens[0].text)
        names.append(":".join(parts))
    return tuple(names)


def formula_text(response: str, fixed: tuple[str, ...], random: RandomEffects) -> str:
    """The formula with these columns as fixed effects, and a random-effects term for each block."""

    def quoted(name: str) -> str:
        return name if SYNTACTIC.fullmatch(name) else f"`{name}`"

    def side(columns: tuple[str, ...]) -> str:
        rest = [quoted(name) for name in columns if name != INTERCEPT]
        return " + ".join(["1" if INTERCEPT in columns else "0", *rest])

    groups = [f"({side(block)} | {quoted(random.factor)})" for block in random.blocks]
    return " + ".join([f"{quoted(response)} ~ {side(fixed)}", *groups])


@dataclass(frozen=True)
class Formulated(Estimator):
    """A strategy on cross-products that may have a formula of its own.

    Args:
        formula: such as ``"DV ~ IV1"``: a subset of the process's columns, or another response; None takes all fixed effects.
    """

    formula: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.formula is not None and self.plain.random and not self.takes_random:
            raise InputError(f"{type(self).__name__}(formula={self.formula!r}) has no random effects; leave them out.")

    @property
    def takes_random(self) -> bool:
        """Whether the formula may have random effects."""
        return False

    @cached_property
    def plain(self) -> PlainFormula:
        """The formula taken apart; only where there is one."""
        assert self.formula is not None
        return read(self.formula)

    def response(self, names: Names) -> str:
        """The column that it explains."""
        return names.response if self.formula is None else self.plain.response

    def coefficients(self, names: Names) -> tuple[str, ...]:
        return names.fixed if self.formula is None else self.plain.fixed

    def check(self, names: Names) -> None:
        if self.formula is not None:
            self.plain.check(names, self.name)
        super().check(names)

    def view(self, data: Any) -> Any:
        """By the formula's grouping factor and with its columns."""
        if self.formula is None:
            return data.grouped()
        random = self.plain.random
        grouped = data.grouped(random[0].factor if random else None)
        return grouped.select(self.plain.response, self.plain.fixed)
