"""What a design's columns are to each of its units, in the names of its datasets."""

from __future__ import annotations

import dataclasses

from jaxsim.data.names import INTERCEPT, Names
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.meets import ALL
from jaxsim.processes.designed.variables import Within


def names(found: Names, plan: Blueprint, complete: bool) -> Names:
    """Names of the columns, with what is constant in, and what a maximal model has by, each unit.

    Args:
        found: names of the columns and factors.
        plan: of the design.
        complete: whether every row that is planned is there, and as it is planned.
    """
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
        planned=_planned(plan) if complete and others else (),
        balanced=_balanced(plan) if complete else (),
    )


def _balanced(plan: Blueprint) -> tuple[str, ...]:
    """Columns of what is varied within every combination of units that there is, in the same way."""
    within = {name for name, variable in plan.variables.items() if isinstance(variable, Within) and not variable.jitter}
    return tuple(name for name in plan.matrix.pieces if name != INTERCEPT and set(plan.matrix.base(name)) <= within)


def _planned(plan: Blueprint) -> tuple[str, ...]:
    """Columns of what is varied within every combination of units that are crossed, in the same way."""
    rows = plan.schedule
    nested = any(len(plan.tree.line(unit)) > 1 for unit in plan.tree.names)
    if nested or rows.crossing.meets != ALL or rows.crossing.is_random or rows.sizes is not None or not rows.keep.all():
        return ()
    return tuple(name for name in plan.matrix.pieces if name == INTERCEPT or name in _balanced(plan))
