"""Where fits are singular, and where they give no usable answer."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.canvas import canvas
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import DASHES, draw_series, marker_size, offsets
from jaxsim.report.figures.style import Look

EVENTS = {"singular": "singular", "failure": "failed"}


def draw(numbers: Numbers) -> Figure:
    """Rates with Wilson intervals: singular fits of mixed models, failed fits of any strategy that has some; :class:`Absent` if no
    fit was either."""
    if not {*_ever(numbers.rates, "singular"), *_ever(numbers.rates, "failure")}:
        raise Absent("no fit failed, and none was singular")
    series = _series(numbers)
    handles = [_handle(numbers.looks[model], f"{model}: {EVENTS[event]}", event) for model, event in series]
    figure, axes = canvas(
        numbers.layout_of_fits,
        title="Singular and failed fits",
        y_label="proportion of fits",
        handles=handles,
        note=f"{numbers.datasets_in_words()}. Failed: no usable answer (not converged, rank deficient, "
        f"too few rows or groups, no finite numbers). {_silent(numbers)} {numbers.layout_of_fits.note()}",
    )
    size = marker_size(numbers.layout_of_fits, len(series))
    for (model, event), shift in zip(series, offsets(numbers.layout_of_fits, len(series)), strict=True):
        lines = numbers.rates[(numbers.rates["model"].astype(str) == model) & (numbers.rates["measure"] == event)]
        look, label, hollow = numbers.looks[model], f"{model}: {EVENTS[event]}", event == "failure"
        for i, j, panel in numbers.layout_of_fits.panels(lines):
            draw_series(axes[i, j], numbers.layout_of_fits, panel, look, label=label, shift=shift, size=size, hollow=hollow)
    axes[0, 0].set_ylim(-0.03, 1.03)
    return figure


def _series(numbers: Numbers) -> list[tuple[str, str]]:
    """Strategy and event of each series: what can be singular, and what failed at least once."""
    study = numbers.results.study
    mixed = [model for model in study.mixed if model in numbers.models]
    failed = _ever(numbers.rates, "failure")
    return [(model, "singular") for model in mixed] + [(model, "failure") for model in numbers.models if model in failed]


def _silent(numbers: Numbers) -> str:
    without = [model for model in numbers.models if model not in _ever(numbers.rates, "failure")]
    return f"No fit failed of: {', '.join(without)}." if without else ""


def _ever(rates: pd.DataFrame, event: str) -> set[str]:
    lines = rates[(rates["measure"] == event) & (rates["value"] > 0)]
    return set(lines["model"].astype(str))


def _handle(look: Look, label: str, event: str) -> Line2D:
    face, dash = ("white", DASHES) if event == "failure" else (look.color, "-")
    return Line2D([], [], color=look.color, marker=look.marker, ms=4.5, mfc=face, lw=1.2, ls=dash, label=label)
