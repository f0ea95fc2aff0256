"""A look at a design before anything runs: who sees what when."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPT
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.variables import Between, Covariate, Variable, Within

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
        """Every unit's rows over the schedule, coloured by what the unit is given; a panel for each combination of conditions."""
        from matplotlib.figure import Figure  # noqa: PLC0415 - only where something is drawn

        variables = self.plan.variables
        conditions = [name for name, v in variables.items() if isinstance(v, Within) and v.names is not None]
        panels = list(self.rows.groupby(conditions, observed=True)) if conditions else [((), self.rows)]
        panels = panels if len(panels) <= MOST_PANELS else [((), self.rows)]
        drawn = Figure(figsize=(1.5 + 3.2 * len(panels), 4.5), layout="constrained")
        axes = drawn.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for ax, (levels, rows) in zip(axes, panels, strict=True):
            self._panel(ax, rows)
            ax.set_title(", ".join(map(str, levels)), fontsize="medium")
        axes[0].set_ylabel(self.plan.unit)
        if any(isinstance(v, Between) for v in variables.values()):
            drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
        return drawn

    def _panel(self, ax: Axes, rows: pd.DataFrame) -> None:
        """Units by time: the first numbers of the schedule, or the number of the row within its unit."""
        variables, unit = self.plan.variables, self.plan.unit
        times = [name for name, v in variables.items() if isinstance(v, Within) and v.names is None]
        x: Any = rows[times[0]] if times else rows.groupby(unit).cumcount() + 1
        given = [name for name, v in variables.items() if isinstance(v, Between)]
        kinds = list(rows.groupby(given, observed=True)) if given else [((), rows)]
        for levels, own in kinds:
            ax.scatter(x[own.index], own[unit], s=12, label=", ".join(map(str, levels)))
        ax.set_xlabel(times[0] if times else "row")


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
    unit, sizes = plan.unit, rows.groupby(plan.unit).size()
    each = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
    varying = [name for name in plan.fixed.names if name not in (INTERCEPT, *plan.constant)]
    constant = [name for name in plan.fixed.names if name in plan.constant]
    lines = [
        plan.formula.text,
        f"{len(sizes)} units ({unit}), {len(rows)} rows: {each} each",
        *(f"  {name}: {_described(variable, rows[name], plan)}" for name, variable in plan.variables.items()),
        *_combinations(rows, plan),
        f"Vary within {unit}: {', '.join(varying) or 'no term'}; one number each: {', '.join(constant) or 'no term'}",
        f"Effects: {', '.join(f'{name} {_level(value)}' for name, value in effects.items())}",
        f"Spreads: {', '.join(f'{name} {_level(value)}' for name, value in spreads.items())}",
        *standard,
        *([f"World: {world}"] if world else []),
    ]
    return Preview(rows, plan, "\n".join(lines))


def _described(variable: Variable, column: pd.Series[Any], plan: Blueprint) -> str:
    if isinstance(variable, Within):
        shift = f", each shifted by up to {variable.jitter:g}" if variable.jitter else ""
        return f"every {plan.unit} meets {', '.join(map(_level, variable.levels))}{shift}"
    if isinstance(variable, Between):
        return f"each {plan.unit} has one of {', '.join(map(_level, variable.levels))}{', at random' * variable.randomised}"
    assert isinstance(variable, Covariate)
    seen = "" if variable.names is not None else f"; here from {np.min(column):.4g} to {np.max(column):.4g}"
    return f"each {variable.level} has one from {variable.distribution}{seen}"


def _combinations(rows: pd.DataFrame, plan: Blueprint) -> list[str]:
    """How many units have each combination of the levels that are given to units."""
    given = [name for name, v in plan.variables.items() if isinstance(v, Between)]
    if not given:
        return []
    first = rows.drop_duplicates(plan.unit)
    counts = {levels: len(own) for levels, own in first.groupby(given, observed=True)}
    shown = [f"{', '.join(map(_level, levels))}: {count}" for levels, count in itertools.islice(counts.items(), MOST_COMBINATIONS)]
    return [f"Units by {' and '.join(given)}: {'; '.join(shown)}{'; ..' if len(counts) > MOST_COMBINATIONS else ''}"]


def _level(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)
