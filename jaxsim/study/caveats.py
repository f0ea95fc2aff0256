"""What is known about the measures of a study before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator

from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.scores.prediction import Prediction
from jaxsim.study.absent import AbsentMeasure
from jaxsim.study.outline import Outline


def caveats(study: Outline) -> tuple[str, ...]:
    """What a reader of a study's tables must know, a sentence each.

    With normal predictors a group's own regression has errors of finite variance only if it has more than P + 1 rows.
    """
    return (*_absent_measures(study), *_partial_strategies(study), *_infinite_variances(study), *_infinite_errors(study))


def _absent_measures(study: Outline) -> Iterator[str]:
    for measure in study.measures:
        if isinstance(measure, AbsentMeasure):
            yield f"{measure.name}: a measure that is left out, for its function is not here: {measure.why}"


def _partial_strategies(study: Outline) -> Iterator[str]:
    for e in study.estimators:
        if e.limit is not None and e.limit < study.replicates:
            yield (
                f"{e.name}: fitted the first {e.limit} of {study.replicates} datasets of each cell only; compare it with the "
                "others under the policy listwise, or in pairs."
            )


def _infinite_variances(study: Outline) -> Iterator[str]:
    predicts = any(isinstance(score, Prediction) for score in study.scores)
    of = ["group coefficients"] * study.group_coefficients + ["predictions"] * predicts
    groups = f" (and that of its {' and '.join(of)})" if of else ""
    shrinkage = "shrinkage, " if study.group_coefficients else ""
    for size, names in _alone(study).items():
        few = _few_rows(study, 0, size + 1)
        if few:
            yield (
                f"{names}: in {few} of {len(study.cells)} cells a group may have no more than {size + 1} rows for {size} "
                f"coefficients. The error of its own regression then has no finite variance, so RMSE{groups}, {shrinkage}empirical "
                "SE, model SE error, and the Monte Carlo errors of these and of the bias do not settle; the median |error|, "
                "coverage and rejection do."
            )


def _infinite_errors(study: Outline) -> Iterator[str]:
    """A squared error has a finite variance from two rows more on: t distributions have as many moments as degrees of freedom."""
    for size, names in _alone(study).items():
        few = _few_rows(study, size + 1, size + 3)
        if few:
            yield (
                f"{names}: in {few} of {len(study.cells)} cells a group may have {size + 2} or {size + 3} rows for {size} "
                "coefficients. The Monte Carlo error of RMSE does not settle there."
            )


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
