"""What a mixed model of subjects crossed with items costs as they grow in number: CPU time and memory of a fit, jaxsim alone.

    python benchmarks/crossed_growth.py     # some minutes on two cores

CPU milliseconds of fits with Satterthwaite's df, hot, and what XLA reserves for a dataset of a tile, by the number of subjects and
by that of items; drawn beside lines of the first and the third power, between which the arithmetic of an evaluation lies: it is of
the order of ``r1 r2^2``, with ``r1`` the random effects of the factor that has more of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import pandas as pd
import table
from crossed import FORMULAS, study_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from stopwatch import megabytes, run_seconds
from tiles import Bench

from jaxsim.style import DPI, GRID, OKABE_ITO, RC

# The design and the model of each line. Intercepts where all meet all are computed as planned, whatever the predictor.
LINES = {
    "slopes on both sides": ("drawn", "slopes"),
    "intercepts, half of the pairs": ("half met", "intercepts"),
    "slopes on both sides, planned": ("planned", "slopes"),
}
STEM, PANELS = "crossed-growth", {"subjects": "items", "items": "subjects"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", nargs="+", type=int, default=[16, 32, 64, 128], help="with the last --fixed items")
    parser.add_argument("--items", nargs="+", type=int, default=[8, 16, 32, 64], help="with the first --fixed subjects")
    parser.add_argument("--fixed", nargs=2, type=int, default=[64, 16], metavar=("S", "I"), help="default: 64 subjects, 16 items")
    parser.add_argument("--batch", type=int, default=128, help="datasets of each size (default: 128)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    options = parser.parse_args(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    subjects, items = options.fixed
    sizes = dict.fromkeys([(s, items) for s in options.subjects] + [(subjects, i) for i in options.items])
    frame = pd.DataFrame([row for s, i in sizes for row in measured(s, i, options)])
    notes = [
        "One core. `KB a dataset`: arguments, results and temporaries of a tile, by XLA's own account, over the datasets in it. "
        "`effects`: random effects of the larger factor and of the other one."
    ]
    options.out.mkdir(parents=True, exist_ok=True)
    table.write(options.out, STEM, "Subjects crossed with items, as they grow in number", head, {"Fits": frame}, notes)
    draw(frame, (subjects, items), options.out / f"{STEM}-{jax.default_backend()}.png")


def measured(subjects: int, items: int, options: argparse.Namespace) -> list[dict[str, object]]:
    """A row for each line."""
    rows: list[dict[str, object]] = []
    for name, (design, model) in LINES.items():
        study = study_of(design, subjects, items, options.batch)
        bench, number = Bench(study, threads=1), list(FORMULAS).index(model)
        tiles = bench.tiles()
        draws = bench.simulate(tiles)
        taken = run_seconds(partial(bench.fit, number, tiles, draws), options.runs)
        fits = [jax.device_get(fit) for fit in bench.fit(number, tiles, draws)]
        widths = sorted((subjects, items), reverse=True)
        shape = tiles[0].shape
        rows.append(
            {"model": name, "subjects": subjects, "items": items}
            | {"effects": " + ".join(str((1 + (model == "slopes")) * count) for count in widths)}
            | {"CPU ms a fit": 1e3 * taken.cpu / (len(tiles) * shape.tile)}
            | {"evaluations": float(np.concatenate([fit.iterations for fit in fits])[: options.batch].mean())}
            | {"KB a dataset": 1e3 * megabytes(bench.programs.fit_program(shape, number)) / shape.tile}
            | {"compile CPU s": bench.compiled[shape][study.estimators[number].name][1]}
        )
        print("  ".join(f"{key}={table.shown(value)}" for key, value in rows[-1].items()), flush=True)
    return rows


def draw(frame: pd.DataFrame, fixed: tuple[int, int], path: Path) -> None:
    """Time by subjects and by items, and memory likewise."""
    held = {"subjects": fixed[1], "items": fixed[0]}
    with mpl.rc_context(RC):
        figure = Figure(figsize=(7.6, 5.6), layout="constrained")
        axes = figure.subplots(2, 2, sharex="col", sharey="row")
        for column, (varied, other) in enumerate(PANELS.items()):
            rows = frame[frame[other] == held[varied]].sort_values(varied)
            for row, what in enumerate(("CPU ms a fit", "KB a dataset")):
                _panel(axes[row, column], rows, varied, what)
                axes[row, 0].set_ylabel(what)
            axes[0, column].set_title(f"{held[varied]} {other}")
            axes[1, column].set_xlabel(varied)
        axes[0, 0].legend(loc="upper left")
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _panel(ax: Axes, rows: pd.DataFrame, varied: str, what: str) -> None:
    """One line a model, on logarithmic scales, and a dotted one of the first power."""
    for (name, own), colour, mark in zip(rows.groupby("model", sort=False), OKABE_ITO, "osD", strict=False):
        ax.plot(own[varied], own[what], color=colour, marker=mark, ms=4.5, lw=1.2, label=name)
        ax.plot(own[varied], own[what].iloc[0] * own[varied] / own[varied].iloc[0], color=colour, lw=0.8, ls=":")
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(sorted(set(rows[varied])))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.grid(color=GRID, lw=0.6)
    ax.set_axisbelow(True)


if __name__ == "__main__":
    main()
