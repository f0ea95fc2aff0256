"""What is not as in an ideal world in a design: checked, and told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsim.data.names import INTERCEPT
from jaxsim.errors import InputError, brief, finite
from jaxsim.processes.designed import magnitudes
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.variables import ROW, Covariate, Within
from jaxsim.processes.messy.missing import EARLIER, MAR, Dropout


def checked(design: Any) -> dict[str, Any]:
    """Fields of a design about its world, as they are kept.

    Raises:
        InputError: for one that holds something else, or speaks of what the design does not have.
    """
    plan: Blueprint = design.plan
    times = [name for name, v in plan.variables.items() if isinstance(v, Within) and v.names is None]
    design.check_world([name for name in plan.matrix.pieces if name != INTERCEPT], times)
    _check_earlier(design.world["missing"], plan)
    return {
        "measurement_error": _reliabilities(design.measurement_error, plan),
        "endogenous": _endogenous(design.endogenous, plan, design.correlations),
    }


def _check_earlier(missing: Any, plan: Blueprint) -> None:
    """Raise :class:`InputError` for what depends on the rows before it where there are none: nothing would go missing."""
    for way in missing if isinstance(missing, tuple) else (missing,):
        if plan.schedule.block == 1 and (isinstance(way, Dropout) or (isinstance(way, MAR) and way.by == EARLIER)):
            raise InputError(
                f"missing={brief(way)} depends on earlier rows of a {plan.unit}, and each has one row, which is never missing. "
                "Give repeats or a within variable, or use MCAR(share), MNAR(share) or MAR(share, by=a column)."
            )


def told(design: Any) -> str:
    """The world of a design in a line; empty for an ideal one."""
    everything = {**design.world, "measurement_error": design.measurement_error, "endogenous": design.endogenous}
    return ", ".join(f"{name} {value}" for name, value in everything.items() if value is not None and value != {})


def _named(what: str, given: object, plan: Blueprint, example: str) -> dict[str, Any]:
    """Numbers by covariate."""
    named = magnitudes.by_name(what, given, example)
    for name in named:
        variable = plan.variables.get(name)
        if not isinstance(variable, Covariate) or variable.names is not None:
            having = [n for n, v in plan.variables.items() if isinstance(v, Covariate) and v.names is None]
            raise InputError(f"{what}: {brief(name)} is no covariate of numbers; these are: {', '.join(having) or 'none'}.")
    return named


def _reliabilities(given: object, plan: Blueprint) -> dict[str, float]:
    named = _named("measurement_error", given, plan, "{'age': .8}")
    for name, value in named.items():
        if not finite(value) or not 0 < value <= 1:
            raise InputError(
                f"measurement_error: {name!r} is {brief(value)}; give its reliability, the true share of its variance, above 0 and "
                "up to 1."
            )
    return {name: float(value) for name, value in named.items() if value != 1}


def _endogenous(given: object, plan: Blueprint, correlations: Mapping[tuple[str, str], float]) -> dict[str, float]:
    named = _named("endogenous", given, plan, "{'age': .3}")
    for name, value in named.items():
        variable: Any = plan.variables[name]
        if not finite(value) or not abs(value) < 1:
            raise InputError(f"endogenous: {name!r} is {brief(value)}; give a correlation between -1 and 1.")
        unit = plan.unit if variable.level == ROW else variable.level
        if INTERCEPT not in plan.random_terms(unit):
            of = f" by {unit!r}" if len(plan.tree.names) > 1 else ""
            raise InputError(f"endogenous: {plan.formula.text!r} has no random intercepts{of} to correlate {name!r} with.")
        if variable.level == ROW and not variable.icc:
            raise InputError(
                f"endogenous: {name!r} is drawn for each row, without a part of its {plan.unit}; give it one, such as "
                f"covariate('row', .., icc=.3)."
            )
    found = {name: float(value) for name, value in named.items() if value}
    for level in (*plan.tree.names, ROW):
        own = [name for name, v in plan.variables.items() if isinstance(v, Covariate) and v.level == level]
        r = np.array([found.get(name, 0.0) for name in own])
        rest = magnitudes.latent(own, correlations) - np.outer(r, r)
        if own and np.linalg.eigvalsh(rest)[0] < -magnitudes.SEMIDEFINITE_TOLERANCE:
            raise InputError(
                f"endogenous={brief(found)} and the correlations of {', '.join(own)}: nothing can be correlated so; make them "
                "smaller, or consistent with each other."
            )
    return found
