"""What is known about the measures of a study before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator

from jaxsim.counts import counted
from jaxsim.data.names import INTERCEPTS
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.processes.designed.design import Design
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.scores.prediction import Prediction
from jaxsim.study.absent import AbsentMeasure
from jaxsim.study.left_out import left_out_in_words
from jaxsim.study.outline import Outline

# Groups up to which Satterthwaite's tests between groups are said to be liberal: from there on they reject less than 8%.
FEW_GROUPS = 10


def caveats(study: Outline) -> tuple[str, ...]:
    """What a reader of a study's tables must know, a sentence each.

    With normal predictors a group's own regression has errors of finite variance only if it has more than P + 1 rows.
    """
    return (
        *_absent_measures(study),
        *_partial_strategies(study),
        *left_out_in_words(study),
        *_infinite_variances(study),
        *_infinite_errors(study),
        *_liberal_tests(study),
    )


def _absent_measures(study: Outline) -> Iterator[str]:
    for measure in study.measures:
        if isinstance(measure, AbsentMeasure):
            yield f"{measure.name}: a measure that is left out, for its function is not here: {measure.why}"


def _partial_strategies(study: Outline) -> Iterator[str]:
    partly: dict[int, list[str]] = {}
    for e in study.estimators:
        if e.limit is not None and e.limit < study.replicates:
            partly.setdefault(e.limit, []).append(e.name)
    for limit, names in partly.items():
        them = "it" if len(names) == 1 else "them"
        others = [e.name for e in sorted(study.estimators, key=lambda e: -e.wanted(study.replicates)) if e.name not in names]
        how = (
            f"; compare {them} with others on these datasets alone, in pairs with results.compare({names[0]!r}, {others[0]!r}), or "
            'all together with results.measures(policy="listwise")'
            if others
            else ""
        )
        yield f"{', '.join(names)}: fitted the first {limit:,} of {study.replicates:,} datasets of each cell only{how}."


def _infinite_variances(study: Outline) -> Iterator[str]:
    predicts = any(isinstance(score, Prediction) for score in study.scores)
    of = ["group coefficients"] * study.group_coefficients + ["predictions"] * predicts
    groups = f" (and that of its {' and '.join(of)})" if of else ""
    shrinkage = "shrinkage, " if study.group_coefficients else ""
    cells = counted(len(study.cells), "cell")
    for size, names in _alone(study).items():
        few = _few_rows(study, 0, size + 1)
        if few:
            yield (
                f"{names}: in {few} of {cells} a group may have no more than {counted(size + 1, 'row')} for "
                f"{counted(size, 'coefficient')}. The error of its own regression then has no finite variance, so RMSE{groups}, "
                f"{shrinkage}empirical SE, model SE error, and the Monte Carlo errors of these and of the bias do not "
                "settle; the median |error|, coverage and rejection do."
            )


def _infinite_errors(study: Outline) -> Iterator[str]:
    """A squared error has a finite variance from two rows more on: t distributions have as many moments as degrees of freedom."""
    cells = counted(len(study.cells), "cell")
    for size, names in _alone(study).items():
        few = _few_rows(study, size + 1, size + 3)
        if few:
            yield (
                f"{names}: in {few} of {cells} a group may have {size + 2} or {size + 3} rows for "
                f"{counted(size, 'coefficient')}. The Monte Carlo error of RMSE does not settle there."
            )


def _liberal_tests(study: Outline) -> Iterator[str]:
    """Satterthwaite's of what groups differ in, beside random slopes; of 10,000 datasets with SDs of 1 and .5, residual SD 1."""
    for place, factor in enumerate(study.names.factors):
        few = sum(
            isinstance(cell.process, GaussianMultilevel | Design) and cell.process.bounds.levels[place] <= FEW_GROUPS
            for cell in study.cells
        )
        names = [e.name for e in study.estimators if isinstance(e, LinearMixed) and _tests_between(e, study, factor)]
        if few and names:
            yield (
                f"{', '.join(names)}: {counted(few, 'cell')} of {len(study.cells):,} with at most {FEW_GROUPS} groups ({factor}). "
                "Beside random slopes Satterthwaite's test of a predictor that is one number a group rejects too often (of ten "
                "rows a group, 12.6% with 5 groups, 9.1% with 8, 8.2% with 10, where 5% are meant; Kenward-Roger's 3.6%, 5.6%, "
                "5.5%): use df='kenward-roger'."
            )


def _tests_between(strategy: LinearMixed, study: Outline, factor: str) -> bool:
    """Whether it tests, by Satterthwaite's df and the model's covariance, a predictor that is one number a group beside slopes, and
    has the groups of this factor alone, as the models that the numbers are of."""
    parts = strategy.random_effects(study.names)
    if [part.factor for part in parts] != [factor]:
        return False
    constant = study.names.constant_in(factor)
    between = any(name in constant and name not in INTERCEPTS for name in strategy.coefficients(study.names))
    slopes = any(name not in INTERCEPTS for name in parts[0].columns)
    return between and slopes and strategy.df == "satterthwaite" and not strategy.robust


def _alone(study: Outline) -> dict[int, str]:
    """Of the strategies that fit every group alone, by how many coefficients; a mean has all its moments."""
    found: dict[int, list[str]] = {}
    for strategy in study.estimators:
        found.setdefault(strategy.alone(study.names), []).append(strategy.name)
    return {size: ", ".join(names) for size, names in found.items() if size > 1}


def _few_rows(study: Outline, more_than: int, at_most: int) -> int:
    """Cells whose smallest group has so many rows, of those with random predictors."""
    rows = [c.process.min_rows for c in study.cells if isinstance(c.process, GaussianMultilevel)]
    return sum(more_than < n <= at_most for n in rows)
