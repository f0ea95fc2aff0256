"""What the columns of a study's datasets are called: all that is known of them before anything is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxsim.errors import InputError, advised

INTERCEPT = "Intercept"
# What the intercept is called: by the processes, and by R's formula language.
INTERCEPTS = (INTERCEPT, "(Intercept)")
GROUP, RESPONSE = "Group", "DV"
# What data know of their names besides those of their columns.
CARRIED = ("factors", "response", "constant", "constant_by", "coded", "maximal", "maximal_by", "nested", "planned")


@dataclass(frozen=True)
class Coded:
    """A variable of a formula that stands for columns, as a factor does.

    Attributes:
        variable: its name, or the call, as R writes it.
        contrasts: columns that it is coded by beside an intercept.
        levels: of a factor, the columns of all its levels, by which it is coded without an intercept; empty for numbers.
    """

    variable: str
    contrasts: tuple[str, ...]
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """Names of a process's terms, columns and grouping factors.

    Attributes:
        fixed: terms that have a true fixed effect, in the order of the tables; ``Intercept`` is the column of ones.
        columns: every predictor column, the terms among them; those when empty.
        factors: the grouping factors, the first of which strategies with one factor use by default.
        response: the column that strategies explain, unless their formula names another.
        constant: columns that are one number a group of the first factor: their effects cannot differ between its groups.
        random: for each factor whose groups' own coefficients are told, the terms that these are of.
        components: for each factor whose true covariance of these is told, its terms.
        estimands: names of other true values, which a strategy's coefficients may be compared with.
        constant_by: columns that are one number a group of each of the other factors, where there are any.
        coded: variables that formulas may name besides the columns.
        maximal: fixed effects to which a maximal model gives random effects by the first factor; those that vary within its
            groups when empty.
        maximal_by: the same by each of the other factors; those that vary within their groups where one is not named.
        nested: for each factor whose groups lie in those of others, these factors, the outermost first.
        planned: of several factors all of whose groups meet, columns whose rows are the same in every combination of groups.
        balanced: columns that have the same values equally often in every group of every factor.
    """

    fixed: tuple[str, ...]
    columns: tuple[str, ...] = ()
    factors: tuple[str, ...] = (GROUP,)
    response: str = RESPONSE
    constant: tuple[str, ...] = ()
    random: tuple[tuple[str, tuple[str, ...]], ...] = ()
    components: tuple[tuple[str, tuple[str, ...]], ...] = ()
    estimands: tuple[str, ...] = ()
    constant_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    coded: tuple[Coded, ...] = ()
    maximal: tuple[str, ...] = ()
    maximal_by: tuple[tuple[str, tuple[str, ...]], ...] = ()
    nested: tuple[tuple[str, tuple[str, ...]], ...] = ()
    planned: tuple[str, ...] = ()
    balanced: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.columns:
            object.__setattr__(self, "columns", self.fixed)

    @property
    def varying(self) -> tuple[str, ...]:
        """Fixed effects that can differ between groups of the first factor: what a maximal model gives random effects."""
        return self.varying_in(self.factors[0])

    def varying_in(self, factor: str) -> tuple[str, ...]:
        """Fixed effects to which a maximal model gives random effects by a factor."""
        return tuple(name for name in self.fixed if self.may_vary(name, factor))

    def may_vary(self, name: str, factor: str | None = None) -> bool:
        """Whether a maximal model gives a column random effects by a factor (the first when None)."""
        factor = self.factors[0] if factor is None else factor
        maximal = self.maximal_in(factor)
        return name not in self.constant_in(factor) and (not maximal or name in maximal)

    def maximal_in(self, factor: str) -> tuple[str, ...]:
        """As :attr:`maximal`, by a factor."""
        return self.maximal if factor == self.factors[0] else dict(self.maximal_by).get(factor, ())

    def factor_of(self, group: tuple[str, ...]) -> str | None:
        """The factor whose groups are the combinations of these factors that occur: itself, or one that lies in the others; None if
        there is none."""
        nested = dict(self.nested)
        return innermost(group, {name: (*nested.get(name, ()), name) for name in self.factors})

    def carried(self) -> dict[str, Any]:
        """What data know of them besides their columns, as arguments of :class:`jaxsim.data.rows.Rows`."""
        return {name: getattr(self, name) for name in CARRIED}

    def grouped(self, factor: str) -> Names:
        """The same of one factor alone."""
        alone: Any = {"constant_by": (), "maximal_by": (), "nested": (), "planned": ()}
        return replace(self, factors=(factor,), constant=self.constant_in(factor), maximal=self.maximal_in(factor), **alone)

    def constant_in(self, factor: str) -> tuple[str, ...]:
        """Columns that are one number in every group of a factor."""
        return self.constant if factor == self.factors[0] else dict(self.constant_by).get(factor, ())

    def within_part(self, name: str, factor: str) -> tuple[str, ...]:
        """What a column is a multiple of in every group of a factor: of an interaction those of its parts that are not one number a
        group; nothing of the intercept and of what is one number itself."""
        constant = (*INTERCEPTS, *self.constant_in(factor))
        return () if name in constant else tuple(sorted(part for part in name.split(":") if part not in constant))

    def between_part(self, name: str, factor: str) -> tuple[str, ...] | None:
        """What the group means of a column are a multiple of: of an interaction those of its parts that are one number a group;
        None for a column whose means may differ otherwise."""
        within = self.within_part(name, factor)
        same = bool(within) and all(part in self.balanced for part in within)
        return tuple(sorted(set(name.split(":")) - set(within))) if same else None

    def require(self, name: str, what: str, also: tuple[str, ...] = ()) -> str:
        """The name of a column; :class:`InputError` says what is there if it is none, and what else may be named in its place."""
        if name in self.columns:
            return name
        there = dict.fromkeys((*self.columns, *also))
        raise InputError(advised(f"{what} {name!r} is not a column of the process", name, there, f"it has {', '.join(there)}"))


def innermost(group: tuple[str, ...], lines: Mapping[str, tuple[str, ...]]) -> str | None:
    """Which factor the combinations of some are, of which each lies in the one before it: ``school:class`` is ``class``.

    Args:
        group: their names, in any order.
        lines: of each factor those that it lies in, and itself.

    Returns:
        The name; None if they do not lie in each other.
    """
    return next((name for name in group if name in lines and set(group) <= set(lines[name])), None)
