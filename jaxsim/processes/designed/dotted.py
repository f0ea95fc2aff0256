"""A design's parts by dotted names: ``effects.drugactive:day``, ``sd.subject.day``, ``missing.share``."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from jaxsim.errors import InputError, advised
from jaxsim.processes.designed.scale import amounts
from jaxsim.processes.designed.units import Nested
from jaxsim.processes.messy import parts
from jaxsim.processes.messy.scenario import KINDS
from jaxsim.processes.messy.world import with_parts

# Fields that are dictionaries by name, and those fields whose numbers programs are not compiled for.
NESTED = ("units", "variables", "effects", "sd", "correlation", "measurement_error", "endogenous")
SPREADS = ("sd.", "correlation.")
TRACED = ("effects", "sd", "correlation", "residual_sd", "measurement_error", "sd_noise", *KINDS)


def leaves(design: Any) -> dict[str, Any]:
    """Every number and variable by its dotted name, and the fields that have no parts."""
    made, (effects, sd) = design.plan, amounts(design)
    named: dict[str, Mapping[str, Any]] = {
        "units": design.units,
        "variables": design.variables,
        "effects": {term: effects.get(term, 0.0) for term in made.fixed.names},
        "measurement_error": design.measurement_error,
        "endogenous": design.endogenous,
    }
    found = {name: getattr(design, name) for name in ("formula", "repeats", "correlations", "residual_sd", "sampler")}
    found |= {f"{name}.{part}": value for name, own in named.items() for part, value in own.items()}
    if len(design.units) > 1:
        found["meets"] = design.meets
    for unit, random in made.random.items():
        found |= {f"sd.{unit}.{term}": sd.get(unit, {}).get(term, 0.0) for term in random.columns}
    found |= {f"correlation.{unit}": design.correlation.get(unit, 0.0) for unit in made.random}
    found["measurement_error"] = tuple(design.measurement_error)  # which of them there are is compiled for, how much is not
    for name, value in design.world.items():
        found |= parts.leaves(name, value)
    return found


def idle(design: Any) -> frozenset[str]:
    """The correlations that there are not: of a single random effect, or of independent ones."""
    alone = (unit for unit, random in design.plan.random.items() if max(map(len, random.blocks)) < 2)
    return frozenset(f"correlation.{unit}" for unit in alone)


def spreads(design: Any) -> dict[str, Any]:
    """Standard deviations and correlations by dotted names, as far as there are any."""
    alone, every = idle(design), leaves(design)
    return {name: every[name] for name in every if name.startswith(SPREADS) and name not in alone}


def traced(name: str, value: Any) -> bool:
    """Whether a leaf is a number, or a shape, that programs are not compiled for."""
    if name.partition(".")[0] not in TRACED:
        return False
    return isinstance(value, float) or (name in KINDS and parts.traced(value))


def merged(design: Any, changes: Mapping[str, Any], checked: bool = True) -> dict[str, Any]:
    """Fields with some of their parts changed, whole fields first.

    Args:
        design: to change.
        changes: by name, or dotted name.
        checked: validate what is changed; not of numbers that JAX traces.

    Raises:
        InputError: for what is no part of a design.
    """
    every = {f.name for f in dataclasses.fields(design)}
    found = {name: value for name, value in changes.items() if name in every}
    found |= with_parts(design, changes, checked)
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        if name in every or (rest and head in KINDS):
            continue
        if not rest or head not in NESTED:
            there = f"it has {', '.join(every)}, and parts such as 'effects.day'"
            raise InputError(advised(f"{name!r} is no part of a Design", name, design.values, there))
        found[head] = _with_entry(design, dict(found.get(head, getattr(design, head))), head, rest, value)
    return found


def _with_entry(design: Any, whole: dict[str, Any], head: str, rest: str, value: Any) -> dict[str, Any]:
    if head == "units" and isinstance(whole.get(rest), Nested) and not isinstance(value, Nested):
        value = Nested(whole[rest].unit, value)
    unit = next((u for u in design.units if rest.startswith(f"{u}.")), None) if head == "sd" else None
    if unit is None:
        return {**whole, rest: value}
    return {**whole, unit: {**whole.get(unit, {}), rest[len(unit) + 1 :]: value}}


def holding(design: Any, values: Mapping[str, Any]) -> Any:
    """The same design with numbers that JAX traces in some parts: no validation, which would look at them."""
    held = copy.copy(design)
    for name, value in merged(design, values, checked=False).items():
        object.__setattr__(held, name, value)
    return held
