"""What a between-group SD means: the true coefficients of every group of one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxsim.design import Cell, Study
from jaxsim.processes import GaussianMultilevel
from jaxsim.report.figures.canvas import canvas
from jaxsim.report.figures.layout import Layout
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.style import REFERENCE
from jaxsim.seeding import Stream, group_keys, replicate_key, stream_key

GROUP_COLOR, FIXED_COLOR = "#0072B2", "#D55E00"
HALF_WIDTH = 0.3
FACTORS = ("n_groups", "n_obs", "group_sd")


def draw(numbers: Numbers) -> Figure | None:
    """Group coefficients of one slope against the between-group SD; None if the study has not the 2019 study's factors."""
    study = numbers.results.study
    if not set(FACTORS) <= set(study.grid.names) or not isinstance(study.process, GaussianMultilevel):
        return None
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
    truth = _first_truths(numbers, cells)
    coefficients = group_coefficients(study, cells, truth)
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


def group_coefficients(study: Study, cells: Sequence[Cell], fixed_effects: np.ndarray) -> np.ndarray:
    """Coefficients of every group in the first dataset of some cells, ``[cells, groups, P]``, without drawing the datasets.

    The same as ``study.dataset(cell, 0).attrs["truth"]["group_coefficients"]``: a group's standard normal effects are the
    first numbers of its own stream. One program for all cells compiles in a fraction of the time that a dataset takes.

    Args:
        study: the cells' study.
        cells: with equal numbers of groups.
        fixed_effects: of those datasets, ``[cells, P]``.
    """
    n_groups = cells[0].process.max_groups
    size = len(study.process.terms)

    def effects(seed: jax.Array, words: jax.Array) -> jax.Array:
        stream = stream_key(replicate_key(seed, words, 0), Stream.GROUPS)
        return jax.vmap(lambda key: jax.random.normal(key, (size,)))(group_keys(stream, n_groups))

    standard = jax.jit(jax.vmap(effects, (None, 0)))(np.uint32(study.seed), np.stack([cell.words for cell in cells]))
    roots = np.stack([cell.process.parameters(n_groups)["root"] for cell in cells])
    return fixed_effects[:, None, :] + np.asarray(standard) @ roots


def _first_truths(numbers: Numbers, cells: Sequence[Cell]) -> np.ndarray:
    """Fixed effects of the first dataset of each cell, ``[cells, P]``, NaN if it is not there yet; nothing else is read."""
    columns, places = ["cell", "replicate", "model", "term", "truth"], [cell.index for cell in cells]
    parts = list(numbers.results.frames("estimates", columns, replicates=1, cells=places))
    if not parts:
        return np.full((len(cells), len(numbers.results.study.process.terms)), np.nan)
    table = pd.concat(parts)
    wide = table[table["model"].astype(str) == numbers.models[0]].pivot(index="cell", columns="term", values="truth")
    return wide.reindex(index=places, columns=list(numbers.results.study.process.terms)).to_numpy(float)


def _draw_groups(ax: Axes, at: int, coefficients: np.ndarray, fixed: float, sd: float) -> None:
    # Multiples of the golden ratio spread the groups evenly over the width, so few points hide each other.
    golden = (np.arange(len(coefficients)) * 0.618034) % 1
    ax.plot(at + HALF_WIDTH * (2 * golden - 1) * 0.8, coefficients, "o", ms=3, color=GROUP_COLOR, alpha=0.55, mew=0)
    ax.vlines(at, fixed - 1.96 * sd, fixed + 1.96 * sd, color=REFERENCE, lw=0.9)
    ax.hlines(fixed, at - HALF_WIDTH, at + HALF_WIDTH, color=FIXED_COLOR, lw=2.2)
