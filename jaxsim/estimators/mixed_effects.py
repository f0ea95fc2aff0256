"""Strategies with random effects: of which columns, by which grouping factors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jaxsim.data.names import Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, NotSupportedError, brief, choose, names_given
from jaxsim.estimators.formulated import Formulated

COVARIANCES: tuple[str, ...] = ("full", "diagonal")


@dataclass(frozen=True)
class MixedEffects(Formulated):
    """A strategy whose random effects are those of a formula, or of columns by every grouping factor of the process.

    Args:
        formula, random, covariance: as of :class:`jaxsim.LinearMixed`.
    """

    formula: str | None = field(default=None, kw_only=False)
    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("covariance", self.covariance, COVARIANCES)
        if self.random is not None:
            object.__setattr__(self, "random", _blocks(self.random))
            names = self.random_names()
            if len(set(names)) != len(names):
                raise InputError(f"random={brief(self.random)} names a column twice; each may have one random effect.")
        if self.formula is not None and self.plain.groups and (self.random is not None or self.covariance != "full"):
            raise InputError(f"the formula {self.formula!r} has random effects; leave out random= and covariance=.")

    @property
    def takes_random(self) -> bool:
        return True

    def random_names(self) -> tuple[str, ...]:
        """Names in ``random``, flat; empty when it is None."""
        return tuple(n for block in self.random or () for n in ((block,) if isinstance(block, str) else block))

    def random_effects(self, names: Names) -> tuple[RandomEffects, ...]:
        """One entry a grouping factor: those of the formula, else every factor of the process."""
        if self.formula is not None and self.plain.groups:
            return self.plain.random(names)
        return tuple(self._by(factor, names) for factor in names.factors)

    def by_one(self, names: Names) -> tuple[RandomEffects]:
        """Those of one grouping factor: the formula's, else the first of the process."""
        if self.formula is None or not self.plain.groups:
            return (self._by(names.factors[0], names),)
        random = self.plain.random(names)
        if len(random) > 1:
            raise NotSupportedError(
                f"{self.formula!r} has several grouping factors ({', '.join(one.factor for one in random)}), and this strategy "
                "takes one; LinearMixed and HierarchicalBayes take several."
            )
        return (random[0],)

    def _by(self, factor: str, names: Names) -> RandomEffects:
        """Those of a factor, without a formula that says so."""
        if self.random is not None and not isinstance(self.random[0], str):
            return RandomEffects(factor, tuple(tuple(block) for block in self.random))
        own = self.coefficients(names)
        columns = tuple(name for name in own if names.may_vary(name, factor)) if self.random is None else self.random_names()
        return RandomEffects(factor, (columns,) if self.covariance == "full" else tuple((name,) for name in columns))

    def several(self, names: Names) -> bool:
        """Whether there are several grouping factors."""
        return len(self.random_effects(names)) > 1

    def view(self, data: Any) -> Any:
        """With the formula's columns, by its grouping factor, or by all factors of the data if it has several."""
        if not self.several(data.names):
            return super().view(data)
        names = data.names
        return data.select(self.response(names), self.coefficients(names))

    def check(self, names: Names) -> None:
        self._check(self.random_effects(names), names)

    def check_by_one(self, names: Names) -> None:
        """:meth:`check` of a model with the effects of one grouping factor."""
        self._check(self.by_one(names), names)

    def _check(self, effects: tuple[RandomEffects, ...], names: Names) -> None:
        super().check(names)
        for random in effects:
            self._check_effects(random, names)

    def _check_effects(self, random: RandomEffects, names: Names) -> None:
        """Raise :class:`InputError` for effects of a factor that the data do not have or say nothing about."""
        unknown = [name for name in random.columns if name not in names.columns]
        if unknown:
            allowed = ", ".join(names.columns)
            raise InputError(f"strategy {self.name!r}: random effect {unknown[0]!r} is not a term of the process; use {allowed}.")
        constant = names.constant_in(random.factor)
        fixed = [name for name in random.columns if name in constant]
        if fixed:
            varying = tuple(name for name in names.fixed if name not in constant)
            raise InputError(
                f"strategy {self.name!r}: {fixed[0]!r} is one number a group of {random.factor}, so its effect cannot differ "
                "between groups: the data say nothing about a random effect of it. Leave it out: "
                f"random={varying!r}, or in a formula."
            )
        if not random.columns:
            raise InputError(
                f"strategy {self.name!r}: no column varies within groups of {random.factor}; name the random effects, "
                "('Intercept',)."
            )


def _blocks(random: Any) -> tuple[Any, ...]:
    """What ``random`` was given as: names, or blocks of names."""
    given = random if isinstance(random, list | tuple) else ()
    if given and all(isinstance(name, str) for name in given):
        return tuple(given)
    if not given or not all(isinstance(block, list | tuple) and block for block in given):
        raise InputError(f"random={brief(random)} must be a tuple of column names, such as ('Intercept',), or of tuples of them.")
    return tuple(names_given("random", block) for block in given)
