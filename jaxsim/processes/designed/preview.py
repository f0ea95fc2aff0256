"""A look at a design before anything runs: who sees what when, and who meets whom."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPT
from jaxsim.processes.designed import meetings
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.variables import Between, Counterbalanced, Covariate, Variable, Within

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Combinations of levels, and panels, that are shown at most.
MOST_COMBINATIONS, MOST_PANELS = 24, 6


@dataclass(frozen=True, eq=False, repr=False)
class Preview:
    """One dataset's design: its text is what :func:`print` shows.

    Attributes:
        rows: of the dataset.
        plan: of the design.
        text: units by combination of levels, the schedule, rows, and which terms vary within units.
    """

    rows: pd.DataFrame
    plan: Blueprint
    text: str

    def __repr__(self) -> str:
        return self.text

    def figure(self) -> Figure:
        """Every unit's rows over the schedule, or over the second of several units, coloured by what they are given; a panel for
        each combination of conditions."""
        from jaxsim.picture import Picture  # noqa: PLC0415 - only where something is drawn

        variables = self.plan.variables
        conditions = [name for name, v in variables.items() if isinstance(v, Within) and v.names is not None]
        panels = list(self.rows.groupby(conditions, observed=True)) if conditions else [((), self.rows)]
        panels = panels if len(panels) <= MOST_PANELS else [((), self.rows)]
        drawn = Picture(figsize=(1.5 + 3.2 * len(panels), 4.5), layout="constrained")
        axes = drawn.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for ax, (levels, rows) in zip(axes, panels, strict=True):
            self._panel(ax, rows)
            ax.set_title(", ".join(map(str, levels)), fontsize="medium")
        axes[0].set_ylabel(self.plan.unit)
        if self._given:
            drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
        return drawn

    @property
    def _given(self) -> list[str]:
        """Variables by which rows are coloured."""
        return [name for name, v in self.plan.variables.items() if isinstance(v, Between | Counterbalanced)]

    def _panel(self, ax: Axes, rows: pd.DataFrame) -> None:
        """Units by time: the first numbers of the schedule, or the number of the row within its unit; or by the second unit."""
        variables, (unit, *others) = self.plan.variables, self.plan.tree.names
        times = [name for name, v in variables.items() if isinstance(v, Within) and v.names is None]
        across = others[0] if others else times[0] if times else "row"
        x: Any = rows.groupby(unit).cumcount() + 1 if across == "row" else rows[across]
        kinds = list(rows.groupby(self._given, observed=True)) if self._given else [((), rows)]
        for levels, own in kinds:
            label = ", ".join(map(str, levels))
            ax.scatter(x[own.index], own[unit], s=12, label=label, marker="s" if others else "o")
        ax.set_xlabel(across)
        for axis in (ax.xaxis, ax.yaxis) if others else ():
            axis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]  # matplotlib's own, of numbers


def preview(
    rows: pd.DataFrame,
    plan: Blueprint,
    effects: Mapping[str, Any],
    spreads: Mapping[str, Any],
    world: str = "",
    standard: Sequence[str] = (),
) -> Preview:
    """Look at a dataset.

    Args:
        rows: of the dataset, as written.
        plan: of the design.
        effects: by term.
        spreads: standard deviations and correlations by what they are called.
        world: what is not as in an ideal one.
        standard: lines about effects in standard units.
    """
    lines = [
        plan.formula.text,
        *meetings.told(rows, plan),
        *(f"  {name}: {_described(name, variable, rows, plan)}" for name, variable in plan.variables.items()),
        *(line for unit in plan.tree.names for line in _combinations(rows, plan, unit)),
        *(_varying(plan, unit) for unit in plan.tree.names),
        f"Effects: {', '.join(f'{name} {_level(value)}' for name, value in effects.items())}",
        f"Spreads: {', '.join(f'{name} {_level(value)}' for name, value in spreads.items())}",
        *standard,
        *([f"World: {world}"] if world else []),
    ]
    return Preview(rows, plan, "\n".join(lines))


def _varying(plan: Blueprint, unit: str) -> str:
    varying = [name for name in plan.fixed.names if name not in (INTERCEPT, *plan.constant[unit])]
    constant = [name for name in plan.fixed.names if name in plan.constant[unit]]
    return f"Vary within {unit}: {', '.join(varying) or 'no term'}; one number each: {', '.join(constant) or 'no term'}"


def _described(name: str, variable: Variable, rows: pd.DataFrame, plan: Blueprint) -> str:
    """A variable in words, with what one dataset has of it."""
    seen = ""
    if isinstance(variable, Counterbalanced):
        seen = _equal(name, variable, rows)
    elif isinstance(variable, Covariate) and variable.names is None:
        seen = f"; here from {np.min(rows[name]):.4g} to {np.max(rows[name]):.4g}"
    return described(variable, plan) + seen


def described(variable: Variable, plan: Blueprint) -> str:
    """A variable in words: who has, or meets, what of it."""
    if isinstance(variable, Within):
        shift = f", each shifted by up to {variable.jitter:g}" if variable.jitter else ""
        who = f"every {plan.unit}" if len(plan.tree.names) == 1 else f"every combination of {' and '.join(plan.tree.names)}"
        return f"{who} meets {', '.join(map(_level, variable.levels))}{shift}"
    if isinstance(variable, Between):
        return f"each {variable.unit} has one of {', '.join(map(_level, variable.levels))}{', at random' * variable.randomised}"
    if isinstance(variable, Counterbalanced):
        return f"each {' and '.join(variable.over)} have one of {', '.join(map(_level, variable.levels))}, in turn"
    return f"each {variable.level} has one from {variable.distribution}"


def _equal(name: str, variable: Counterbalanced, rows: pd.DataFrame) -> str:
    """How many rows of each level a unit's levels have."""
    found = []
    for unit in variable.over:
        counts = pd.crosstab(rows[unit], rows[name]).reindex(columns=variable.levels, fill_value=0)
        found.append(f"{meetings.span(pd.Series(counts.to_numpy().reshape(-1)))} rows of each for every {unit}")
    return f": {', '.join(found)}"


def _combinations(rows: pd.DataFrame, plan: Blueprint, unit: str) -> list[str]:
    """How many levels of a unit have each combination of the levels that are given to it."""
    given = [name for name, v in plan.variables.items() if isinstance(v, Between) and v.unit == unit]
    if not given:
        return []
    first = rows.drop_duplicates(unit)
    counts = {levels: len(own) for levels, own in first.groupby(given, observed=True)}
    shown = [f"{', '.join(map(_level, levels))}: {count}" for levels, count in itertools.islice(counts.items(), MOST_COMBINATIONS)]
    what = "Units" if len(plan.tree.names) == 1 else unit.capitalize()
    return [f"{what} by {' and '.join(given)}: {'; '.join(shown)}{'; ..' if len(counts) > MOST_COMBINATIONS else ''}"]


def _level(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)
