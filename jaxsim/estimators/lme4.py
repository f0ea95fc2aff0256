"""lme4 itself as a strategy of a study, through pymer4 in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.estimators.base import Fit
from jaxsim.estimators.external import External, Session, guarded
from jaxsim.estimators.lmm.structure import consecutive
from jaxsim.processes.checks import whole_number

if TYPE_CHECKING:
    from jaxsim.bridges.pymer4 import Outcome, Pool, Request
    from jaxsim.formula.parse import Formula, Terms

DF_METHODS: tuple[str, ...] = ("satterthwaite", "kenward-roger")
EFFORTS: tuple[str, ...] = ("default", "tight", "best")
Blocks = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lme4(External):
    """Linear mixed model fitted by R's lme4 and lmerTest, through pymer4: about a second a dataset.

    Args:
        formula: R's, on ``DV``, the predictors ``IV1, IV2, ..`` and ``Group``; all of the process's terms must be fixed effects.
            None is the maximal model.
        reml: REML if true, else maximum likelihood.
        df: ``satterthwaite`` (lmerTest) or ``kenward-roger`` (pbkrtest; REML only).
        first: fit only the first so many replicates of each cell; None for all of them.
        effort: ``default`` is lme4 as it comes; a fit that it warns about has the status ``not_converged`` and is not counted by
            measures, which are then conditional on no warning. ``tight``: two optimisers at tight tolerances, polished by Newton
            steps; ``best``: the same from several starts.
        label: name in the tables.

    Raises:
        InputError: for a formula that cannot be read or has no random effects on ``Group``, or an unknown option.
    """

    formula: str | None = None
    reml: bool = True
    df: str = "satterthwaite"
    first: int | None = None
    effort: str = "default"
    label: str = "lme4"

    def __post_init__(self) -> None:
        choose("df", self.df, DF_METHODS)
        choose("effort", self.effort, EFFORTS)
        if self.df == "kenward-roger" and not self.reml:
            raise InputError("df='kenward-roger' needs REML: leave reml=True, or take df='satterthwaite'.")
        if self.first is not None:
            object.__setattr__(self, "first", whole_number("first", self.first, 1))
        if self.formula is not None:
            _parse(self.formula)

    @property
    def name(self) -> str:
        return self.label

    @property
    def limit(self) -> int | None:
        return self.first

    def random_columns(self, fixed: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for block in self.blocks(fixed) for name in block)

    def blocks(self, terms: tuple[str, ...]) -> Blocks:
        """Names of the random-effects columns, a tuple for each block of correlated effects."""
        if self.formula is None:
            return (terms,)
        parts = [(part.independent, _columns(part.terms)) for part in _parse(self.formula).random]
        return tuple(block for alone, names in parts for block in ([(name,) for name in names] if alone else [names]))

    def check(self, terms: tuple[str, ...]) -> None:
        """Raise :class:`InputError` unless these are the formula's fixed effects, and its random effects among them, each once."""
        if self.formula is None:
            return
        fixed = set(_columns(_parse(self.formula).fixed))
        if fixed != set(terms):
            wrong = ", ".join(sorted(fixed ^ set(terms)))
            raise InputError(
                f"estimator {self.name!r}: the fixed effects of {self.formula!r} are not the terms of the process "
                f"({', '.join(terms)}); look at {wrong}."
            )
        random = self.random_columns(terms)
        twice = [name for name in random if random.count(name) > 1]
        if twice:
            raise InputError(
                f"estimator {self.name!r}: {twice[0]!r} has two random effects in {self.formula!r}; each may have one."
            )
        unknown = [name for name in random if name not in terms]
        if unknown:
            raise InputError(f"estimator {self.name!r}: random effect {unknown[0]!r} is not a term of the process.")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Worker processes with R in them, the same for all such strategies; :class:`InputError` says what is missing."""
        from jaxsim.bridges import pymer4  # noqa: PLC0415 - the core does not depend on a bridge

        with pymer4.shared_pool() as pool:
            yield _Session(self, pool)

    def request(self, rows: pd.DataFrame, terms: tuple[str, ...], conf_level: float) -> Request:
        """What a worker is asked to fit."""
        from jaxsim.bridges.pymer4 import Request  # noqa: PLC0415 - as above

        formula = self.formula or formula_text(terms, (terms,))
        return Request(formula, rows, reml=self.reml, df=self.df, effort=self.effort, conf_level=conf_level)


def formula_text(terms: tuple[str, ...], blocks: Blocks) -> str:
    """An R formula: all terms as fixed effects, and a random-effects term for each block."""

    def side(names: Sequence[str]) -> str:
        rest = [name for name in names if name != "Intercept"]
        return " + ".join(["1" if "Intercept" in names else "0", *rest])

    return " + ".join([f"DV ~ {side(terms)}", *(f"({side(block)} | Group)" for block in blocks)])


def _parse(text: str) -> Formula:
    """The formula taken apart; :class:`InputError` unless it is one of simulated data: ``DV`` and plain terms by ``Group``."""
    from jaxsim.formula.parse import parse  # noqa: PLC0415 - as above

    formula = parse(text)
    if [token.text for token in formula.response] != ["DV"]:
        raise InputError(f"the response of {text!r} must be DV, as in simulated data.")
    if not formula.random or any(part.group != ("Group",) for part in formula.random):
        raise InputError(f"the formula {text!r} needs random effects by Group, such as (1 | Group), and by nothing else.")
    return formula


def _columns(terms: Terms) -> tuple[str, ...]:
    """Names of the columns of some terms, all of which must be plain variables."""
    names = ["Intercept"] if terms.intercept else []
    for member in terms.members:
        tokens = [token for position in member for token in terms.variables[position]]
        if len(tokens) != 1:
            raise InputError(
                f"{''.join(t.text for t in tokens)!r}: the terms of a study's formula are plain predictors, such as IV1."
            )
        names.append(tokens[0].text)
    return tuple(names)


@dataclass(frozen=True)
class _Session:
    """Open worker processes and the strategy they fit."""

    strategy: Lme4
    pool: Pool

    @property
    def versions(self) -> dict[str, str]:
        """Of R, lme4, lmerTest, pymer4 and so on."""
        return self.pool.versions

    def fit(self, datasets: Sequence[pd.DataFrame], terms: tuple[str, ...], conf_level: float) -> tuple[Fit, list[str]]:
        requests = [self.strategy.request(rows, terms, conf_level) for rows in datasets]
        outcomes = list(self.pool.map(requests))
        return fit_of(outcomes, terms, self.strategy.blocks(terms)), [outcome.message for outcome in outcomes]


def fit_of(outcomes: Sequence[Outcome], terms: tuple[str, ...], blocks: Blocks) -> Fit:
    """Outcomes of one model as a batch of fits on the host, guarded as our own are; a fit without an answer has NaN."""
    names = [name for block in blocks for name in block]
    structure = consecutive(len(block) for block in blocks)
    n, p, q, t = len(outcomes), len(terms), len(names), len(structure.entries)
    shapes = {"estimate": (p,), "std_error": (p,), "df": (p,), "vcov": (p, p), "theta": (t,), "covariance": (q, q)}
    arrays = {name: np.full((n, *shape), np.nan) for name, shape in shapes.items()}
    for k, outcome in enumerate(outcomes):
        if not outcome.status.has_numbers:
            continue
        fixed = [_position(outcome.terms, term) for term in terms]
        (random,) = outcome.random
        columns = [_position(random.terms, name) for name in names]
        for name in ("estimate", "std_error", "df"):
            arrays[name][k] = getattr(outcome, name)[fixed]
        arrays["vcov"][k] = outcome.vcov[np.ix_(fixed, fixed)]
        arrays["covariance"][k] = random.covariance[np.ix_(columns, columns)]
        arrays["theta"][k] = outcome.theta
    empty = np.zeros((n, 0))
    fit = Fit(
        **arrays,  # type: ignore[arg-type]  # NumPy arrays on the host stand for jax's
        status=np.array([o.status for o in outcomes], np.int32),  # type: ignore[arg-type]
        converged=np.array([o.converged for o in outcomes]),  # type: ignore[arg-type]
        singular=np.array([o.singular for o in outcomes]),  # type: ignore[arg-type]
        criterion=np.array([o.criterion for o in outcomes]),  # type: ignore[arg-type]
        sigma=np.array([o.sigma for o in outcomes]),  # type: ignore[arg-type]
        iterations=np.nan_to_num([o.iterations for o in outcomes]).astype(np.int32),  # type: ignore[arg-type]
        p_value=empty,  # type: ignore[arg-type]
        conf_low=empty,  # type: ignore[arg-type]
        conf_high=empty,  # type: ignore[arg-type]
    )
    return guarded(fit)


def _position(names: Sequence[str], term: str) -> int:
    return list(names).index("(Intercept)" if term == "Intercept" else term)
