"""What a design's columns are to each of its units, in the names of its datasets."""

from __future__ import annotations

import dataclasses

from jaxsim.data.names import Names
from jaxsim.processes.designed.blueprint import Blueprint


def names(found: Names, plan: Blueprint) -> Names:
    """Names of the columns, with what is constant in, and what a maximal model has by, each unit."""
    first, *others = plan.tree.names
    outer = {unit: plan.tree.line(unit)[:-1] for unit in plan.tree.names}
    return dataclasses.replace(
        found,
        constant=plan.constant[first],
        constant_by=tuple((unit, plan.constant[unit]) for unit in others if plan.constant[unit]),
        coded=plan.coded,
        maximal=plan.maximal[first],
        maximal_by=tuple((unit, plan.maximal[unit]) for unit in others),
        nested=tuple((unit, line) for unit, line in outer.items() if line),
    )
