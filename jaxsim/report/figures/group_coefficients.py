"""What a between-group SD means: the true coefficients of every group of one dataset."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxsim.data.draw import Truth
from jaxsim.processes import GaussianMultilevel
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.boxes import check_factors
from jaxsim.report.figures.canvas import canvas
from jaxsim.report.figures.layout import Layout
from jaxsim.report.figures.numbers import Numbers
from jaxsim.study.study import Cell, Study
from jaxsim.style import REFERENCE
from jaxsim.sweep.compile import precision
from jaxsim.sweep.functions import truths
from jaxsim.sweep.recipe import program

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
    alike: dict[Hashable, list[int]] = {}
    for place, cell in enumerate(cells):
        alike.setdefault((cell.process.program(cell.process.bounds), cell.process.bounds), []).append(place)
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for places in alike.values():
        truth = _truths(study, [cells[place] for place in places])
        groups = truth.groups[study.process.names.factors[0]]
        found |= {place: (np.asarray(truth.fixed[k]), np.asarray(groups[k])) for k, place in enumerate(places)}
    fixed, coefficients = zip(*(found[place] for place in range(len(cells))), strict=True)
    return np.stack(fixed), np.stack(coefficients)


def _truths(study: Study, cells: Sequence[Cell]) -> Truth:
    """What the first datasets of cells of one program were made with, by a program that the next report finds on disk."""
    process, bounds = cells[0].process, cells[0].process.bounds
    values = [cell.process.parameters(bounds) for cell in cells]
    parameters = {name: np.stack([one[name] for one in values]) for name in values[0]}
    words, first = np.stack([cell.words for cell in cells]), np.zeros(len(cells), np.uint32)
    arguments = (np.uint32(study.seed), words, first, (parameters, np.ones(len(cells), bool)))
    draw_them = program(truths(process, bounds), arguments, jax.local_devices()[0], study.dtype)
    with precision(study.dtype):
        found: Truth = jax.device_get(draw_them(*arguments))
    return found


def _draw_groups(ax: Axes, at: int, coefficients: np.ndarray, fixed: float, sd: float) -> None:
    # Multiples of the golden ratio spread the groups evenly over the width, so few points hide each other.
    golden = (np.arange(len(coefficients)) * 0.618034) % 1
    ax.plot(at + HALF_WIDTH * (2 * golden - 1) * 0.8, coefficients, "o", ms=3, color=GROUP_COLOR, alpha=0.55, mew=0)
    ax.vlines(at, fixed - 1.96 * sd, fixed + 1.96 * sd, color=REFERENCE, lw=0.9)
    ax.hlines(fixed, at - HALF_WIDTH, at + HALF_WIDTH, color=FIXED_COLOR, lw=2.2)
