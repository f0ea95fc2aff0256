"""The numbers of a study that sentences are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from jaxsim.report.evidence import Number

FEWEST = 20  # datasets, of all cells or of one, below which Monte Carlo errors are too uncertain themselves
NEVER = Number(0.0, 0.0)
SIGN = {"power": 1, "rmse": -1}  # of what is better


@dataclass(frozen=True)
class Standing:
    """A strategy's averages over all cells and coefficients, None where there is no number.

    ``levels`` and ``coverages`` are type I error and coverage of every cell that has ``FEWEST`` usable fits, ``lost`` counts cells
    without a usable fit, and ``model_se`` is how far standard errors are off, in percent. ``only`` is how many datasets of each
    cell it was asked to fit, where these are the first alone.
    """

    name: str
    level: Number | None = None
    coverage: Number | None = None
    power: Number | None = None
    rmse: Number | None = None
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
    """What sentences are made of.

    Attributes:
        strategies: in the study's order.
        datasets: that are finished.
        replicates: of each cell.
        cells: of the study.
        alpha, conf_level: of tests and intervals.
        differences: paired, of a strategy less another, by measure (``power`` or ``rmse``) and the two names.
        policy: which fits count.
        infers: whether the strategies give tests and intervals.
        why: sentences about the strategies that gave no answer at all.
        aside: coefficients that are in no average and have a ``level`` (they are zero) or ``power`` (they are not), by these names.
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

    @property
    def answering(self) -> Standings:
        """Without the strategies that gave no answer at all."""
        return replace(self, strategies=tuple(s for s in self.strategies if not s.is_silent))

    def has(self, measure: str) -> bool:
        """Whether some strategy has a number."""
        return any(getattr(s, measure) is not None for s in self.strategies)


def best(strategies: Iterable[Standing], measure: str) -> Standing | None:
    """The strategy with most power, or the smallest RMSE; None if none has a number."""
    known = [s for s in strategies if getattr(s, measure) is not None]
    return max(known, key=lambda s: SIGN[measure] * getattr(s, measure).value, default=None)
