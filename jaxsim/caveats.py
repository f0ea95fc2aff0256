"""What is known about the measures of a study before anything is simulated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jaxsim.estimators import External, TwoStage
from jaxsim.processes import GaussianMultilevel

if TYPE_CHECKING:
    from jaxsim.design import Study

FEWEST_GROUPS = 4


def caveats(study: Study) -> tuple[str, ...]:
    """What a reader of this study's tables must know, a sentence each.

    With normal predictors a group's own regression has errors of finite variance only if it has more than P + 1 rows.
    """
    return (*_partial_strategies(study), *_infinite_variances(study), *_few_groups(study))


def _partial_strategies(study: Study) -> Iterator[str]:
    for e in study.estimators:
        if isinstance(e, External) and e.limit is not None and e.limit < study.replicates:
            yield (
                f"{e.name}: fitted the first {e.limit} of {study.replicates} datasets of each cell only; compare it with the "
                "others under the policy listwise, or in pairs."
            )


def _infinite_variances(study: Study) -> Iterator[str]:
    size = len(study.process.terms)
    if not isinstance(study.process, GaussianMultilevel) or size == 1:
        return
    few = [c for c in study.cells if isinstance(c.process, GaussianMultilevel) and c.process.min_rows <= size + 1]
    names = [e.name for e in study.estimators if isinstance(e, TwoStage)]
    if not few or not names:
        return
    groups = " (and that of its group coefficients)" if study.group_coefficients else ""
    yield (
        f"{', '.join(names)}: in {len(few)} of {len(study.cells)} cells a group may have no more than {size + 1} rows for "
        f"{size} coefficients. The error of its own regression then has no finite variance, so RMSE{groups}, empirical SE, model "
        "SE error, and the Monte Carlo errors of these and of the bias do not settle; the median |error|, coverage and rejection "
        "do."
    )


def _few_groups(study: Study) -> Iterator[str]:
    """The SD of G normal numbers is a multiple of chi with G - 1 df, whose reciprocal has a finite variance from three df on."""
    few = [c for c in study.cells if c.process.max_groups < FEWEST_GROUPS]
    if study.group_coefficients and few:
        yield (
            f"shrinkage: {len(few)} of {len(study.cells)} cells have fewer than {FEWEST_GROUPS} groups, whose true coefficients "
            "may be nearly equal by chance: the ratio of standard deviations then has no finite variance, and does not settle."
        )
