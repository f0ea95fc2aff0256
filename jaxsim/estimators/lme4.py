"""lme4 itself as a strategy of a study, through pymer4 in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from jaxsim.data.fit import Fit
from jaxsim.data.names import INTERCEPT, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, choose, truth
from jaxsim.estimators import wording
from jaxsim.estimators.external import External, Handed, Session, whole_fit
from jaxsim.estimators.formulated import PlainFormula, read
from jaxsim.estimators.notation import formula_in_words, formula_text

if TYPE_CHECKING:
    from jaxsim.r.outcome import Outcome
    from jaxsim.r.outcome import RandomEffects as Theirs
    from jaxsim.r.pool import Pool
    from jaxsim.r.request import Request

DF_METHODS: tuple[str, ...] = ("satterthwaite", "kenward-roger")
EFFORTS: tuple[str, ...] = ("default", "tight", "best")


@dataclass(frozen=True)
class Lme4(External):
    """Linear mixed model fitted by R's lme4 and lmerTest, through pymer4: about a second a dataset.

    Args:
        formula: R's, on the process's columns (``DV``, the predictors ``IV1, IV2, ..`` and ``Group``) and grouping factors; it may
            leave some out. None is the maximal model, by every grouping factor.
        reml: REML if true, else maximum likelihood.
        df: ``satterthwaite`` (lmerTest) or ``kenward-roger`` (pbkrtest; REML only).
        first: fit only the first so many replicates of each cell; None for all of them.
        effort: ``default`` is lme4 as it comes; a fit that it warns about has the status ``not_converged`` and is not counted by
            measures, which are then conditional on no warning. ``tight``: two optimisers at tight tolerances, polished by Newton
            steps; ``best``: the same from several starts.
        label: name in the tables.

    Raises:
        InputError: for a formula that cannot be read or has no random effects, or an unknown option.
    """

    formula: str | None = None
    reml: bool = True
    df: str = "satterthwaite"
    first: int | None = None
    effort: str = "default"
    label: str = "lme4"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "reml", truth("reml", self.reml))
        choose("df", self.df, DF_METHODS)
        choose("effort", self.effort, EFFORTS)
        if self.df == "kenward-roger" and not self.reml:
            raise InputError("df='kenward-roger' needs REML: leave reml=True, or take df='satterthwaite'.")
        if self.formula is not None:
            _parse(self.formula)  # now, so that what is wrong with it is said at once

    @cached_property
    def plain(self) -> PlainFormula:
        """The formula taken apart; only where there is one."""
        assert self.formula is not None
        return _parse(self.formula)

    def coefficients(self, names: Names) -> tuple[str, ...]:
        """The formula's fixed effects that the process has too, in the process's order; then the others."""
        if self.formula is None:
            return names.fixed
        own = self.plain.fixed(names)
        return (*(name for name in names.fixed if name in own), *(name for name in own if name not in names.fixed))

    def random_effects(self, names: Names) -> tuple[RandomEffects, ...]:
        if self.formula is None:
            return tuple(RandomEffects(factor, (names.varying_in(factor),)) for factor in names.factors)
        return self.plain.random(names)

    def in_words(self, names: Names) -> tuple[str, ...]:
        """The formula, criterion, standard errors, degrees of freedom, and lme4's optimisers."""
        formula = wording.short(self.formula or formula_in_words(names.response, names.fixed, self.random_effects(names), names))
        efforts = {
            "default": "as lme4 comes",
            "tight": "two optimisers at tight tolerances",
            "best": "several optimisers and starts",
        }
        told = (formula, wording.criterion(self.reml), wording.errors("model"), wording.DEGREES[self.df])
        return (*told, efforts[self.effort])

    def check(self, names: Names) -> None:
        """Raise :class:`InputError` unless the process has the formula's columns, and each random effect is there once."""
        if self.formula is not None:
            self.plain.check(names, self.name)
        super().check(names)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Worker processes with R in them, the same for all such strategies; :class:`InputError` says what is missing."""
        from jaxsim.r.shared import shared_pool  # noqa: PLC0415 - only where R is asked for

        with shared_pool() as pool:
            yield _Session(self, pool)

    def request(self, data: Handed) -> Request:
        """What a worker is asked to fit."""
        from jaxsim.r.request import Request  # noqa: PLC0415 - as above

        formula = self.formula or formula_text(data.names.response, data.names.fixed, self.random_effects(data.names))
        return Request(formula, data.rows, reml=self.reml, df=self.df, effort=self.effort, conf_level=data.conf_level)


def _parse(text: str) -> PlainFormula:
    """The formula taken apart; :class:`InputError` unless it has random effects."""
    plain = read(text)
    if not plain.groups:
        raise InputError(f"the formula {text!r} needs random effects, such as (1 | Group).")
    return plain


@dataclass(frozen=True)
class _Session:
    """Open worker processes and the strategy they fit."""

    strategy: Lme4
    pool: Pool

    @property
    def versions(self) -> dict[str, str]:
        """Of R, lme4, lmerTest, pymer4 and so on."""
        return self.pool.versions

    def fit(self, datasets: Sequence[Handed]) -> tuple[Fit, list[str]]:
        """The fits and what lme4 said of each dataset; one that it refuses, or on which R dies, is a row with its reason."""
        names = datasets[0].names
        outcomes = list(self.pool.map([self.strategy.request(data) for data in datasets]))
        effects = self.strategy.random_effects(names)
        fits = fit_of(outcomes, self.strategy.coefficients(names), effects, names)
        return fits, [outcome.message for outcome in outcomes]


def fit_of(
    outcomes: Sequence[Outcome], terms: tuple[str, ...], effects: Sequence[RandomEffects], names: Names | None = None
) -> Fit:
    """Outcomes of one model as a batch of fits on the host, guarded as our own are; a fit without an answer has NaN.

    Args:
        outcomes: what R said.
        terms: fixed effects.
        effects: random effects of each grouping factor, in the order in which the fit has them.
        names: of the process, which may call the combinations of two columns one factor; None where it has what R has.
    """
    n, p, t = len(outcomes), len(terms), sum(len(part.structure.entries) for part in effects)
    shapes = {"estimate": (p,), "std_error": (p,), "df": (p,), "vcov": (p, p), "theta": (t,)}
    arrays = {name: np.full((n, *shape), np.nan) for name, shape in shapes.items()}
    covariance = {part.factor: np.full((n, len(part.columns), len(part.columns)), np.nan) for part in effects}
    for k, outcome in enumerate(outcomes):
        if not outcome.status.has_numbers:
            continue
        fixed = [_position(outcome.terms, term) for term in terms]
        for name in ("estimate", "std_error", "df"):
            arrays[name][k] = getattr(outcome, name)[fixed]
        arrays["vcov"][k] = outcome.vcov[np.ix_(fixed, fixed)]
        by_factor = {_factor(random, names): random for random in outcome.random}
        for part in effects:
            random = by_factor[part.factor]
            columns = [_position(random.terms, name) for name in part.columns]
            covariance[part.factor][k] = random.covariance[np.ix_(columns, columns)]
        arrays["theta"][k] = _theta(outcome, [(part, by_factor[part.factor]) for part in effects])
    arrays |= {
        "status": np.array([o.status for o in outcomes], np.int32),
        "converged": np.array([o.converged for o in outcomes]),
        "singular": np.array([o.singular for o in outcomes]),
        "criterion": np.array([o.criterion for o in outcomes]),
        "sigma": np.array([o.sigma for o in outcomes]),
        "iterations": np.nan_to_num([o.iterations for o in outcomes]).astype(np.int32),
    }
    return whole_fit(arrays, covariance=covariance)


def _factor(random: Theirs, names: Names | None) -> str:
    """What the process calls R's grouping factor, such as ``class:school``."""
    return (None if names is None else names.factor_of(random.columns)) or random.group


def _theta(outcome: Outcome, effects: Sequence[tuple[RandomEffects, Theirs]]) -> np.ndarray:
    """In the order of the effects, ``[T]``; R has the factors with most levels first."""
    if len(effects) == 1:
        return outcome.theta
    by_name = dict(zip(outcome.theta_names, outcome.theta, strict=True))
    found = []
    for part, random in effects:
        own = [random.terms[_position(random.terms, name)] for name in part.columns]
        pairs = part.structure.entries
        found += [by_name[".".join([random.group, own[i], *([own[j]] if i != j else [])])] for i, j in pairs]
    return np.array(found)


def _position(names: Sequence[str], term: str) -> int:
    """Where R has a column: in backquotes if it is no name by its rules, the parts of an interaction in the formula's order."""
    plain = [name.replace("`", "") for name in names]
    wanted = "(Intercept)" if term == INTERCEPT else term
    if wanted in plain:
        return plain.index(wanted)
    return [sorted(name.split(":")) for name in plain].index(sorted(wanted.split(":")))
