"""What a report takes before it is drawn: done while a run waits for its own programs, so that nobody waits for it afterwards."""

from __future__ import annotations

from jaxsim.processes import GaussianMultilevel
from jaxsim.report.figures.group_coefficients import FACTORS, first_datasets, illustrative_cells
from jaxsim.study.study import Study


def prepare(study: Study) -> None:
    """Compile what a figure computes. That this module is there at all means that everything else that draws is imported.

    Args:
        study: that is being run; nothing of its results needs to be there.
    """
    if isinstance(study.process, GaussianMultilevel) and set(FACTORS) <= set(dict(study.grid.factors)):
        first_datasets(study, illustrative_cells(study))
