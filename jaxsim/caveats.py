"""What is known about the measures of a study before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxsim.estimators import External, TwoStage
from jaxsim.processes import GaussianMultilevel

if TYPE_CHECKING:
    from jaxsim.design import Study


def caveats(study: Study) -> tuple[str, ...]:
    """What a reader of this study's tables must know, a sentence each.

    With normal predictors a group's own regression has errors of finite variance only if it has more than P + 1 rows.
    """
    return (*_partial_strategies(study), *_infinite_variances(study), *_infinite_errors(study))


def _partial_strategies(study: Study) -> Iterator[str]:
    for e in study.estimators:
        if isinstance(e, External) and e.limit is not None and e.limit < study.replicates:
            yield (
                f"{e.name}: fitted the first {e.limit} of {study.replicates} datasets of each cell only; compare it with the "
                "others under the policy listwise, or in pairs."
            )


def _infinite_variances(study: Study) -> Iterator[str]:
    size, names = len(study.process.terms), _two_stage(study)
    few = _few_rows(study, 0, size + 1)
    if not few or not names:
        return
    groups, shrinkage = (" (and that of its group coefficients)", "shrinkage, ") if study.group_coefficients else ("", "")
    yield (
        f"{names}: in {few} of {len(study.cells)} cells a group may have no more than {size + 1} rows for {size} coefficients. The "
        f"error of its own regression then has no finite variance, so RMSE{groups}, {shrinkage}empirical SE, model SE error, and "
        "the Monte Carlo errors of these and of the bias do not settle; the median |error|, coverage and rejection do."
    )


def _infinite_errors(study: Study) -> Iterator[str]:
    """A squared error has a finite variance from two rows more on: t distributions have as many moments as degrees of freedom."""
    size, names = len(study.process.terms), _two_stage(study)
    few = _few_rows(study, size + 1, size + 3)
    if few and names:
        yield (
            f"{names}: in {few} of {len(study.cells)} cells a group may have {size + 2} or {size + 3} rows for {size} "
            "coefficients. The Monte Carlo error of RMSE does not settle there."
        )


def _two_stage(study: Study) -> str:
    return ", ".join(e.name for e in study.estimators if isinstance(e, TwoStage))


def _few_rows(study: Study, more_than: int, at_most: int) -> int:
    """Cells whose smallest group has so many rows; none where there is no predictor."""
    if len(study.process.terms) == 1:
        return 0
    rows = [c.process.min_rows for c in study.cells if isinstance(c.process, GaussianMultilevel)]
    return sum(more_than < n <= at_most for n in rows)
