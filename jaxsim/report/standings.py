"""The numbers of a study that sentences are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from jaxsim.measures.evidence import Number
from jaxsim.measures.promises import COVERAGE, LEVEL, Promise, Rates, Verdict, judge

ATTRIBUTES = {LEVEL.measure: ("level", "levels"), COVERAGE.measure: ("coverage", "coverages")}
NEVER = Number(0.0, 0.0)
SIGN = {"power": 1, "rmse": -1}  # of what is better


@dataclass(frozen=True)
class Standing:
    """A strategy's averages over all cells, of one coefficient or of exchangeable ones; None where there is no number.

    ``levels`` and ``coverages`` are type I error and coverage of every cell that has ``FEWEST`` usable fits, ``lost`` counts cells
    without a usable fit, and ``model_se`` is how far standard errors are off, in percent. ``only`` is how many datasets of each
    cell it was asked to fit, where these are the first alone.
    """

    name: str
    level: Number | None = None
    coverage: Number | None = None
    power: Number | None = None
    rmse: Number | None = None
    bias: Number | None = None
    model_se: Number | None = None
    failed: Number = NEVER
    singular: Number = NEVER
    levels: tuple[Number, ...] = ()
    coverages: tuple[Number, ...] = ()
    lost: int = 0
    only: int | None = None

    @property
    def is_silent(self) -> bool:
        """Whether all of its fits failed: it gave no answer at all."""
        return self.failed.value == 1

    @property
    def of(self) -> str:
        """What its numbers are of, to stand behind them: nothing where they are of all datasets."""
        return "" if self.only is None else f", of {'the first dataset' if self.only == 1 else f'the first {self.only:,}'} alone"


@dataclass(frozen=True)
class Standings:
    """What sentences about one coefficient, or about exchangeable ones, are made of.

    Attributes:
        strategies: in the study's order.
        datasets: that are finished.
        replicates: of each cell.
        cells: of the study.
        alpha, conf_level: of tests and intervals.
        differences: paired, of a strategy less another, by measure (``power``, ``rmse``, ``level`` or ``coverage``) and the two
            names.
        policy: which fits count.
        infers: whether the strategies give tests and intervals.
        why: sentences about the strategies that gave no answer at all.
        aside: coefficients that are in no average and have a ``level`` (they are zero) or ``power`` (they are not), by these names.
        terms: the coefficients.
        zero_cells: cells in which they are zero, and that a ``level`` is of; as many as ``cells`` when None.
        lacking: strategies that have none of the coefficients, and are not among ``strategies``.
        common: the same on the first datasets of each cell alone, where not every strategy fitted all: those that all of them did.
    """

    strategies: tuple[Standing, ...]
    datasets: int
    cells: int = 1
    alpha: float = 0.05
    conf_level: float = 0.95
    differences: Mapping[tuple[str, str, str], Number] = field(default_factory=dict)
    policy: str = "available"
    infers: bool = True
    replicates: int = 0
    why: tuple[str, ...] = ()
    aside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    terms: tuple[str, ...] = ()
    zero_cells: int | None = None
    lacking: tuple[str, ...] = ()
    common: Standings | None = None

    @property
    def answering(self) -> Standings:
        """Without the strategies that gave no answer at all."""
        common = None if self.common is None else self.common.of([s.name for s in self.strategies if not s.is_silent])
        return replace(self, strategies=tuple(s for s in self.strategies if not s.is_silent), common=common)

    def of(self, names: Iterable[str]) -> Standings:
        """Of these strategies alone."""
        chosen = set(names)
        return replace(self, strategies=tuple(s for s in self.strategies if s.name in chosen))

    def datasets_of(self, strategy: Standing) -> int:
        """How many datasets a strategy was asked to fit, of those that are finished."""
        return self.datasets if strategy.only is None else min(self.datasets, self.cells * strategy.only)

    @property
    def promise(self) -> Promise:
        """What strategies are judged by: the level of their tests or, where that is not known, the coverage of their intervals."""
        return LEVEL if self.has("level") else COVERAGE

    def cells_of(self, promise: Promise) -> int:
        """How many cells have the rate that is promised."""
        return self.cells if promise is COVERAGE or self.zero_cells is None else self.zero_cells

    def nominal(self, promise: Promise) -> float:
        """What is promised."""
        return self.alpha if promise is LEVEL else self.conf_level

    def rates(self, promise: Promise) -> dict[str, Rates]:
        """Of each strategy that has a number."""
        average, by_cell = ATTRIBUTES[promise.measure]
        known = [s for s in self.strategies if getattr(s, average) is not None]
        return {s.name: Rates(getattr(s, average), getattr(s, by_cell)) for s in known}

    def verdicts(self, promise: Promise) -> dict[str, Verdict]:
        """Of each strategy that has a number; see :func:`jaxsim.measures.promises.judge`."""
        return judge(self.rates(promise), promise, self.nominal(promise), self.cells_of(promise))

    @property
    def keepers(self) -> tuple[str, ...]:
        """Strategies whose power counts: they keep the level of these coefficients, on average and in every cell in which these are
        zero; where they are nowhere zero, the coverage of their intervals."""
        return tuple(name for name, verdict in self.verdicts(self.promise).items() if verdict.is_kept)

    def has(self, measure: str) -> bool:
        """Whether some strategy has a number."""
        return any(getattr(s, measure) is not None for s in self.strategies)


def best(strategies: Iterable[Standing], measure: str) -> Standing | None:
    """The strategy with most power, or the smallest RMSE; None if none has a number."""
    known = [s for s in strategies if getattr(s, measure) is not None]
    return max(known, key=lambda s: SIGN[measure] * getattr(s, measure).value, default=None)
