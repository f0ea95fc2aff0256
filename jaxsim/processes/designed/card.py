"""A design as a notebook shows it: units and who meets whom, variables, effects and spreads; nothing is drawn for it."""

from __future__ import annotations

from typing import Any

from jaxsim import markup
from jaxsim.errors import brief
from jaxsim.processes.designed import dotted, trouble
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.meets import ALL, Meets, Sampled
from jaxsim.processes.designed.preview import described
from jaxsim.processes.designed.units import Nested, Tree


def design_card(design: Any) -> str:
    """Of a :class:`jaxsim.Design`."""
    plan, leaves = design.plan, design.leaves
    units = [(name, _number(plan.tree, name), met(plan.tree, design.meets, name)) for name in plan.tree.names]
    variables = [(name, described(variable, plan)) for name, variable in plan.variables.items()]
    effects = [(name.removeprefix("effects."), _text(value)) for name, value in leaves.items() if name.startswith("effects.")]
    spreads = [(name, _text(value)) for name, value in dotted.spreads(design).items()]
    return markup.card(
        markup.title(design.formula, f"{design.kind}, {_rows(plan)}"),
        markup.table(["unit", "number", "who meets whom"], units, 3, "Units"),
        markup.table(["variable", "what it is"], variables, 2, "Variables") if variables else "",
        markup.table(["term", "effect"], effects, 1, "Effects"),
        markup.table(["spread", "value"], [*spreads, ("residual_sd", _text(design.residual_sd))], 1, "Spreads"),
        markup.line(f"World: {world}" if (world := trouble.told(design)) else ""),
    )


def met(tree: Tree, meets: Meets, name: str) -> str:
    """Which levels of other units a unit's levels lie in, have, and meet."""
    numbers = dict(tree.numbers)
    found = [f"in {tree.parent(name)}"] if tree.parent(name) is not None else []
    for other in tree.names:
        number = numbers[other]
        if isinstance(number, Nested) and number.unit == name:
            given = isinstance(number.number, tuple)
            found.append(f"they have {brief(number.number)} {other}" if given else f"each has {number.number} {other}")
    crossed = [other for other in tree.names if other not in tree.line(name) and name not in tree.line(other)]
    if meets == ALL:
        return "; ".join([*found, *(f"each meets every {other}" for other in crossed)])
    if name == tree.first and isinstance(meets, Sampled):
        found += [f"each meets {meets.number} {other}, drawn anew in every dataset" for other in crossed]
    elif name == tree.first:
        found += [f"each meets one of {meets.number} lists of {other}" for other in crossed]  # type: ignore[union-attr]
    return "; ".join(found)


def _number(tree: Tree, name: str) -> str:
    return f"{'up to ' * any(map(tree.is_random, tree.line(name)))}{int(tree.there(name).sum()):,}"


def _rows(plan: Blueprint) -> str:
    """Rows of a dataset, before any is lost."""
    rows = plan.schedule
    return f"{'up to ' * rows.is_random}{rows.rows if rows.is_random else int(rows.keep.sum()):,} rows a dataset"


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
