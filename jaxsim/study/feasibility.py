"""Strategies that could not fit a single dataset of a study, as is known before anything is simulated."""

from __future__ import annotations

from jaxsim.counts import counted
from jaxsim.data.names import INTERCEPTS
from jaxsim.errors import InputError
from jaxsim.estimators.between_within import BetweenWithin
from jaxsim.estimators.hierarchical_bayes import HierarchicalBayes
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.estimators.lme4 import Lme4
from jaxsim.estimators.strategy import Strategy
from jaxsim.estimators.structured_mixed import StructuredMixed
from jaxsim.estimators.two_stage import TwoStage
from jaxsim.processes.designed.design import Design
from jaxsim.study.outline import Outline

# Those that follow lme4's rule: more rows than a term has random effects.
MIXED = (LinearMixed, BetweenWithin, StructuredMixed, HierarchicalBayes, Lme4)


def feasible(study: Outline) -> None:
    """Raise :class:`InputError` for a strategy by which every fit of the study would fail."""
    for strategy in study.estimators:
        why = _hopeless(strategy, study) or _too_few_rows(strategy, study)
        if why is not None:
            raise InputError(f"strategy {strategy.name!r} could not fit a single dataset of this study: {why}")


def _hopeless(strategy: Strategy, study: Outline) -> str | None:
    """Why columns are such that it cannot be fitted in any cell; None where it can be in some."""
    why = strategy.hopeless(study.names)
    return why if why is not None and all(strategy.hopeless(cell.process.names) for cell in study.cells) else None


def _too_few_rows(strategy: Strategy, study: Outline) -> str | None:
    """Why groups have too few rows in every cell; None where they have not, or where it is not known how many there are."""
    names = study.names
    if isinstance(strategy, TwoStage):
        factor, own = strategy.grouping(names), strategy.alone(names)
        most = _rows(study, factor)
        if most is not None and most < own:
            return (
                f"each {factor} has at most {counted(most, 'row')}, too few for {counted(own, 'coefficient')} of its own "
                f"({', '.join(strategy.coefficients(names))}). Give more rows (repeats, or a longer schedule), or a formula with "
                "fewer coefficients."
            )
    for part in strategy.random_effects(names) if isinstance(strategy, MIXED) else ():
        most, widest = _rows(study, part.factor), max(map(len, part.blocks))
        if most is not None and most <= widest:
            return (
                f"each {part.factor} has at most {counted(most, 'row')}, and {counted(widest, 'random effect')} "
                f"({', '.join(part.columns)}), which could not be told from the residuals. Give a formula without random effects "
                f"by {part.factor}{_without(part.factor, strategy, study)}, or more rows (repeats, or a longer schedule)."
            )
    return None


def _without(factor: str, strategy: Strategy, study: Outline) -> str:
    """An example of the same model without the random effects of a factor; empty where it would have none."""
    others = [part for part in strategy.random_effects(study.names) if part.factor != factor]
    if not others:
        return ""
    terms = ["1" if name in INTERCEPTS else name for name in strategy.coefficients(study.names)]
    random = [f"({' + '.join('1' if name in INTERCEPTS else name for name in one.columns)} | {one.factor})" for one in others]
    return f", such as '{study.names.response} ~ {' + '.join([*terms, *random])}'"


def _rows(study: Outline, factor: str) -> int | None:
    """Rows of a level of a unit at most, in any cell; None of processes that do not say it."""
    plans = [cell.process.plan for cell in study.cells if isinstance(cell.process, Design)]
    if len(plans) < len(study.cells) or factor not in study.names.factors:
        return None
    return max(plan.schedule.crossing.most_cells(factor) * plan.schedule.cell for plan in plans)
