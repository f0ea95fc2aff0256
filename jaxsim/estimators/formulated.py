"""Strategies with a model formula of their own: which column they explain, by which, and with which random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsim.data.names import INTERCEPT, Coded, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, advised
from jaxsim.estimators import wording
from jaxsim.estimators.estimator import Estimator
from jaxsim.estimators.notation import formula_in_words

if TYPE_CHECKING:
    from jaxsim.formula.algebra import Terms
    from jaxsim.formula.parse import Formula, RandomTerm
    from jaxsim.formula.tokens import Token


@dataclass(frozen=True)
class PlainFormula:
    """A formula on the columns of a study: every variable is a column, or stands for columns as the factors of a process do.

    Attributes:
        text: as given.
        response: the column that is explained.
        terms: with fixed effects.
        groups: random effects: for each grouping factor, in the order in which the formula names them, its terms.
    """

    text: str
    response: str
    terms: Terms
    groups: tuple[tuple[str, tuple[RandomTerm, ...]], ...]

    def fixed(self, names: Names) -> tuple[str, ...]:
        """Columns with fixed effects, the intercept first; :class:`InputError` for a variable that the process does not have."""
        return columns_of(self.terms, names, self.text)

    def random(self, names: Names) -> tuple[RandomEffects, ...]:
        """Random effects, one entry a grouping factor; :class:`InputError` as :meth:`fixed`, or a column that is there twice."""
        found = []
        for factor, (_, terms) in zip(self.factors(names), self.groups, strict=True):
            blocks: list[tuple[str, ...]] = []
            for term in terms:
                columns = columns_of(term.terms, names, self.text)
                blocks += [(name,) for name in columns] if term.independent else [columns]
            found.append(RandomEffects(factor, tuple(blocks)))
            _once(found[-1].columns, factor, self.text)
        return tuple(found)

    def factors(self, names: Names) -> tuple[str, ...]:
        """The grouping factors as the process calls them: of ``school/class``, where classes lie in schools, ``class`` is the
        factor whose groups are the combinations of both; :class:`InputError` for one that is named in two ways."""
        found = tuple(names.factor_of(tuple(factor.split(":"))) or factor for factor, _ in self.groups)
        twice = [(own, factor) for own, (factor, _) in zip(found, self.groups, strict=True) if found.count(own) > 1]
        if twice:
            raise InputError(
                f"{self.text!r} names the groups of {twice[0][0]!r} in two ways, {' and '.join(factor for _, factor in twice)}; "
                "keep one of them."
            )
        return found

    def check(self, names: Names, owner: str) -> None:
        """Raise :class:`InputError` unless the process has these columns and factors."""
        where = f"strategy {owner!r}: in {self.text!r},"
        variables = tuple(one.variable for one in names.coded)
        if self.response != names.response:
            names.require(self.response, f"{where} the response", (names.response,))
        for name in self.fixed(names):
            names.require(name, f"{where}", variables)
        for part in self.random(names):
            if part.factor not in names.factors:
                said = f"{where} {part.factor!r} is not a grouping factor of the process"
                raise InputError(advised(said, part.factor, names.factors, f"use {', '.join(names.factors)}"))
            for name in part.columns:
                names.require(name, f"{where} the random effect", variables)


def read(text: str) -> PlainFormula:
    """Take a formula apart.

    Raises:
        InputError: for a formula that cannot be read, that has no fixed effects, or one random effect twice.
    """
    from jaxsim.formula.parse import parse  # noqa: PLC0415 - loads a parser that most studies do not need

    formula: Formula = parse(text)
    if len(formula.response) != 1:
        raise InputError(f"the response of {text!r} must be a column, such as DV.")
    groups: dict[str, list[RandomTerm]] = {}
    for term in formula.random:
        groups.setdefault(":".join(term.group), []).append(term)
    for factor, terms in groups.items():
        _once([name for term in terms for name in _labels(term.terms)], factor, text)
    if not _labels(formula.fixed):
        raise InputError(f"the formula {text!r} has no fixed effects; a model needs at least one, such as the intercept.")
    return PlainFormula(text, formula.response[0].text, formula.fixed, tuple((f, tuple(terms)) for f, terms in groups.items()))


def _once(columns: Sequence[str], factor: str, text: str) -> None:
    """Raise :class:`InputError` for a column that is among the random effects twice."""
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise InputError(f"{twice[0]!r} has two random effects by {factor} in {text!r}; each column may have one.")


def _labels(terms: Terms) -> list[str]:
    """The terms as a formula names them."""
    shown = ["".join(token.text for token in tokens) for tokens in terms.variables]
    return [INTERCEPT] * terms.intercept + [":".join(shown[i] for i in member) for member in terms.members]


def columns_of(terms: Terms, names: Names, text: str) -> tuple[str, ...]:
    """Names of the columns that some terms stand for in a process, named and ordered as R does.

    An interaction is the column of that name, in whatever order the process names its parts.
    """
    from jaxsim.formula.columns import Column  # noqa: PLC0415 - as in read
    from jaxsim.formula.model_matrix import contrast_coded  # noqa: PLC0415

    coded = [_coded(tokens, names, text) for tokens in terms.variables]
    columns = [Column(one.variable, np.zeros(0), one.levels or None) for one in coded]
    by_contrasts = contrast_coded(terms, columns)
    known = {tuple(sorted(name.split(":"))): name for name in names.columns}
    found = [INTERCEPT] if terms.intercept else []
    for number, member in enumerate(terms.members):
        labels = [""]
        for i in member:
            full = coded[i].levels and (number, i) not in by_contrasts
            parts = coded[i].levels if full else coded[i].contrasts
            labels = [f"{label}:{part}" if label else part for part in parts for label in labels]
        found += [label if label in names.columns else known.get(tuple(sorted(label.split(":"))), label) for label in labels]
    return tuple(found)


def _coded(tokens: Sequence[Token], names: Names, text: str) -> Coded:
    """The columns that a variable stands for: itself, unless the process says otherwise."""
    from jaxsim.formula.tokens import show  # noqa: PLC0415 - as in read

    single = len(tokens) == 1 and tokens[0].kind == "name"
    shown = tokens[0].text if single else show(tokens)
    for one in names.coded:
        if shown == one.variable:
            return one
    if single or shown in names.columns:
        return Coded(shown, (shown,))
    raise InputError(
        f"{''.join(token.text for token in tokens)!r} in {text!r}: the terms of a strategy's formula are columns of the process, "
        "such as IV1; have the process make the column."
    )


@dataclass(frozen=True)
class Formulated(Estimator):
    """A strategy on cross-products that may have a formula of its own.

    Args:
        formula: such as ``"DV ~ IV1"``: a subset of the process's columns, or another response; None takes all fixed effects.
    """

    formula: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.formula is not None and self.plain.groups and not self.takes_random:
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
        return names.fixed if self.formula is None else self.plain.fixed(names)

    def model_in_words(self, names: Names) -> str:
        """The formula as it was given, or with all columns where it was not, or not with its random effects."""
        random = self.random_effects(names)
        if self.formula is not None and (self.plain.groups or not random):
            return wording.short(self.formula)
        return wording.short(formula_in_words(self.response(names), self.coefficients(names), random, names))

    def check(self, names: Names) -> None:
        if self.formula is not None:
            self.plain.check(names, self.name)
        super().check(names)

    def view(self, data: Any) -> Any:
        """By the formula's grouping factor and with its columns."""
        factors = self.plain.factors(data.names) if self.formula is not None else ()
        return self.with_formula(data.grouped(factors[0] if factors else None))

    def with_formula(self, data: Any) -> Any:
        """The same rows with the formula's response and columns."""
        return data if self.formula is None else data.select(self.plain.response, self.plain.fixed(data.names))
