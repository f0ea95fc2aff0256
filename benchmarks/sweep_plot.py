"""The picture of a sweep's speed, in the look of the reports."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxsim.report.figures.style import FIXED
from jaxsim.style import DPI, GRID, RC

NAMES = {"batch": "datasets of a chunk", "groups": "groups", "columns": "columns p", "threads": "threads", "devices": "devices"}
NAMES |= {"workers": "Dask workers"}
CPU, WALL, PUBLISHED = FIXED["lmer"], FIXED["lmer_mis"], "#7F7F7F"
WIDTH = 9.2


def draw(tables: Mapping[str, pd.DataFrame], head: Mapping[str, str], out: Path) -> None:
    """Write ``sweep-DEVICE.png`` with a row of panels for the whole runs and one for the refits, as far as there are tables."""
    runs, refits = tables.get("Whole runs"), tables.get("Refits: seconds for 10,000 fits")
    if runs is None or refits is None:
        return
    with mpl.rc_context(RC):
        figure = Figure(figsize=(WIDTH, 5.8))
        rows = figure.add_gridspec(2, 1, left=0.08, right=0.97, top=0.86, bottom=0.18, hspace=0.42, height_ratios=[1.0, 1.05])
        varied = list(dict.fromkeys(runs["varied"]))
        columns = rows[0].subgridspec(1, len(varied), wspace=0.12)
        first: Axes | None = None
        for i, name in enumerate(varied):
            ax = figure.add_subplot(columns[i], sharey=first)
            first = first or ax
            _panel(ax, runs[runs["varied"] == name], name, labelled=i == 0)
            ax.set_ylim(0, 1.08 * runs[["datasets/s", "datasets/CPU s"]].max(axis=None))
        _refits(figure.add_subplot(rows[1].subgridspec(1, 2, width_ratios=[0.33, 1.0], wspace=0)[1]), refits)
        _surround(figure, head)
        figure.savefig(out / f"sweep-{jax.default_backend()}.png", dpi=DPI, metadata={"Software": None})


def _panel(ax: Axes, rows: pd.DataFrame, name: str, *, labelled: bool) -> None:
    """Datasets per second of whole runs by one thing that is varied."""
    x = range(len(rows))
    ax.plot(x, rows["datasets/CPU s"], color=CPU, marker="o", ms=4.5, lw=1.2, label="per CPU second")
    ax.plot(x, rows["datasets/s"], color=WALL, marker="s", ms=4.5, lw=1.2, label="per second on the clock, machine busy")
    ax.set_xticks(x, [f"{level:g}" for level in rows["level"]])
    ax.set_xlim(-0.4, len(rows) - 0.6)
    ax.set_title(NAMES[name])
    ax.grid(axis="y", color=GRID, lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=2.5, width=0.6, labelleft=labelled)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    if labelled:
        ax.set_ylabel("datasets per second")


def _refits(ax: Axes, rows: pd.DataFrame) -> None:
    """Seconds of 10,000 refits on a logarithmic scale, one line a way of fitting."""
    for place, row in enumerate(rows.to_dict("records")):
        measured = "published" not in row["software"]
        for column, colour, mark in (("CPU s", CPU, "o"), ("wall s", WALL if measured else PUBLISHED, "s" if measured else "D")):
            if pd.notna(row.get(column)):
                ax.plot(row[column], place, color=colour, marker=mark, ms=5.5, ls="none")
        at = min(value for value in (row.get("CPU s"), row["wall s"]) if pd.notna(value))
        ax.annotate(f"{at:.2g} s" if at < 100 else f"{at:,.0f} s", (at, place), (-7, 0), **_TEXT, ha="right")
    ax.set_xscale("log")
    ax.set_xlim(0.1, 2000)
    ax.axvline(1.0, color="#333333", lw=0.8, ls=(0, (4, 3)))
    ax.annotate("target: 1 s", (1.0, 1.0), (3, 2), xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=7.5)
    ax.set_yticks(range(len(rows)), [_name(row) for row in rows.to_dict("records")])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="x", color=GRID, lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(length=2.5, width=0.6)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.set_xlabel("seconds for 10,000 fits of (Days | Subject): 18 subjects x 10 days")


_TEXT: Any = dict(textcoords="offset points", va="center", fontsize=7.5)


def _name(row: Mapping[str, Any]) -> str:
    if "published" in row["software"]:
        return "MixedModels.jl, published (PR #288)"
    cores = f", {row['cores']} thread{'s' if row['cores'] > 1 else ''}" if row["software"] == "jaxsim" else ""
    with_df = " with df" if "Satterthwaite" in row["fit"] else ""
    return f"{row['software']}{with_df}{cores}"


def _surround(figure: Figure, head: Mapping[str, str]) -> None:
    """Title, legend and notes."""
    figure.text(
        0.012, 0.985, "Speed of a sweep: whole runs, and refits beside other software", va="top", fontsize=11, weight="bold"
    )
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.008, 0.955), ncols=2, columnspacing=1.4)
    where = "; ".join(head[name].strip() for name in ("device", "versions", "R", "date"))
    note = (
        f"{where}; load {head['load'].split()[0]} at the start, {head['load at the end']} at the end. Whole runs simulate, fit and "
        "write; one thing is varied at a time. lme4's seconds are scaled from fewer refits of the same responses; the "
        "MixedModels.jl mark (ML, threads, its authors' machine) was not measured here."
    )
    figure.text(0.012, 0.01, "\n".join(textwrap.wrap(note, 172)), va="bottom", fontsize=7.5, color="#444444", linespacing=1.35)
