"""What a between-group SD means: the true coefficients of every group of one dataset."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxsim.data.padding import Bounds
from jaxsim.processes import GaussianMultilevel, Process
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.boxes import check_factors
from jaxsim.report.figures.canvas import canvas
from jaxsim.report.figures.layout import Layout
from jaxsim.report.figures.numbers import Numbers
from jaxsim.seeding import replicate_key
from jaxsim.study.study import Cell, Study
from jaxsim.style import REFERENCE

GROUP_COLOR, FIXED_COLOR = "#0072B2", "#D55E00"
HALF_WIDTH = 0.3
FACTORS = ("n_groups", "n_obs", "group_sd")


def draw(numbers: Numbers) -> Figure:
    """Group coefficients of one slope against the between-group SD; :class:`Absent` without the 2019 study's factors."""
    study = numbers.results.study
    check_factors(numbers, FACTORS)
    if not isinstance(study.process, GaussianMultilevel):
        raise Absent(f"it shows coefficients that GaussianMultilevel draws, and the process is {study.process.kind}")
    cells = illustrative_cells(study)
    levels = [dict(cell.conditions)["group_sd"] for cell in cells]
    layout = Layout("group_sd", None, None, (), {"group_sd": tuple(levels)})
    name = numbers.shown[0]
    term = study.process.terms.index(name)
    fixed = Line2D([], [], color=FIXED_COLOR, lw=2.2, label="fixed effect")
    group = Line2D([], [], color=GROUP_COLOR, marker="o", ms=4, lw=0, alpha=0.6, label="a group's coefficient")
    band = Line2D([], [], color=REFERENCE, lw=0.9, label="fixed effect ± 1.96 SD")
    figure, axes = canvas(
        layout,
        title=f"True coefficients of {name} in the groups of one dataset",
        y_label=f"coefficient of {name}",
        handles=[group, fixed, band],
        note=f"First dataset of each cell with {cells[0].process.max_groups} groups.",
    )
    truth, coefficients = first_datasets(study, cells)
    for k, level in enumerate(levels):
        sd = float(np.broadcast_to(np.asarray(level, float), truth.shape[1])[term])
        _draw_groups(axes[0, 0], k, coefficients[k, :, term], truth[k, term], sd)
    return figure


def illustrative_cells(study: Study) -> list[Cell]:
    """The first cell of each between-group SD among those with most groups."""
    most = max(cell.process.max_groups for cell in study.cells)
    chosen: dict[Any, Cell] = {}
    for cell in study.cells:
        if cell.process.max_groups == most:
            chosen.setdefault(dict(cell.conditions)["group_sd"], cell)
    return list(chosen.values())


def first_datasets(study: Study, cells: Sequence[Cell]) -> tuple[np.ndarray, np.ndarray]:
    """Fixed effects ``[cells, P]`` and coefficients of every group ``[cells, groups, P]`` of the first dataset of some cells.

    The same as ``study.dataset(cell, 0).attrs["truth"]``; cells of one program share what is compiled, and no rows are made.

    Args:
        study: the cells' study.
        cells: with equal numbers of groups.
    """
    programs: dict[Hashable, Callable[..., tuple[jax.Array, jax.Array]]] = {}
    found = []
    for cell in cells:
        process, bounds = cell.process, cell.process.bounds
        program = programs.setdefault(process.program(bounds), jax.jit(partial(_truths, process, bounds)))
        found.append(jax.device_get(program(replicate_key(study.seed, cell.words, 0), process.parameters(bounds))))
    fixed, coefficients = zip(*found, strict=True)
    return np.stack(fixed), np.stack(coefficients)


def _truths(process: Process, bounds: Bounds, key: jax.Array, parameters: Any) -> tuple[jax.Array, jax.Array]:
    """Of one dataset; what else its draw computes is left out by the compiler."""
    truth = process.draw(key, parameters, bounds).truth
    return truth.fixed, truth.groups[process.names.factors[0]]


def _draw_groups(ax: Axes, at: int, coefficients: np.ndarray, fixed: float, sd: float) -> None:
    # Multiples of the golden ratio spread the groups evenly over the width, so few points hide each other.
    golden = (np.arange(len(coefficients)) * 0.618034) % 1
    ax.plot(at + HALF_WIDTH * (2 * golden - 1) * 0.8, coefficients, "o", ms=3, color=GROUP_COLOR, alpha=0.55, mew=0)
    ax.vlines(at, fixed - 1.96 * sd, fixed + 1.96 * sd, color=REFERENCE, lw=0.9)
    ax.hlines(fixed, at - HALF_WIDTH, at + HALF_WIDTH, color=FIXED_COLOR, lw=2.2)
