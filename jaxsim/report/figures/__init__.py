"""Every figure of a report. To add one: a function in a file here, and a line in ``FIGURES``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

from jaxsim.errors import choose
from jaxsim.report.figures import (
    bias,
    coverage,
    empirical_vs_model_se,
    failures,
    group_coefficients,
    paired_rmse,
    post,
    rejection,
    style,
)
from jaxsim.report.figures.numbers import Numbers
from jaxsim.store.results import Results


@dataclass(frozen=True)
class Entry:
    """A figure of the catalogue; ``draw`` gives None where a study has not what it shows. The caption says how to read it."""

    title: str
    caption: str
    draw: Callable[[Numbers], Figure | None]


BARS = "Points are estimates, vertical bars their 95% Monte Carlo intervals"
BOXES = (
    "Boxes are quartiles with the median, whiskers reach the last fit within 1.5 interquartile ranges: the spread of fits, "
    "not Monte Carlo error."
)

FIGURES: dict[str, Entry] = {
    "group_coefficients": Entry(
        "What the between-group SD means",
        "Each point is the true coefficient of one group; strategies are asked for the fixed effect they vary around. "
        "The bar is where 95% of groups are expected.",
        group_coefficients.draw,
    ),
    "coefficient_error": Entry(
        "Coefficient error",
        f"How far the coefficients of one fit are from the truth in total; lower is better. {BOXES}",
        post.draw_coefficient_error,
    ),
    "se_sum": Entry(
        "Standard errors",
        f"The standard errors that each fit reported, in total; lower is better only if they are honest (see below). {BOXES}",
        post.draw_se_sum,
    ),
    "t_sum": Entry(
        "Test statistics",
        f"Absolute t statistics of each fit in total; large ones are a virtue only where standard errors are honest. {BOXES}",
        post.draw_t_sum,
    ),
    "failures": Entry(
        "Singular and failed fits",
        "Filled points: fits on the boundary (singular random-effects covariance), which count as answers. Open points: fits "
        "without a usable answer, which measures leave out. Bars are 95% Wilson intervals.",
        failures.draw,
    ),
    "bias": Entry(
        "Bias",
        f"{BARS}. An interval that crosses the zero line is compatible with no bias.",
        bias.draw,
    ),
    "coverage": Entry(
        "Coverage",
        f"{BARS} (Wilson). One exact point in twenty falls outside the grey band by "
        "chance. Many below it: intervals too narrow; above it: too wide.",
        coverage.draw,
    ),
    "empirical_vs_model_se": Entry(
        "Honesty of standard errors",
        f"{BARS}. Zero: standard errors match the spread of the estimates; −50%: they are half as large as they should be.",
        empirical_vs_model_se.draw,
    ),
    "power": Entry(
        "Power",
        f"{BARS} (Wilson). Power is worth comparing only between strategies whose coverage and type I error are right.",
        rejection.draw_power,
    ),
    "type_one_error": Entry(
        "Type I error",
        f"{BARS} (Wilson). One exact point in twenty falls outside the grey band by chance. "
        "Many above it: effects that are not there are found too often.",
        rejection.draw_type_one_error,
    ),
    "paired_rmse": Entry(
        "Error on the same datasets",
        f"{BARS}, from the paired differences: every strategy fitted the same datasets, so these are far sharper than a "
        "comparison of two separate errors. The line at zero is the reference.",
        paired_rmse.draw,
    ),
}


def draw(name: str, results: Results, *, policy: str = "available", terms: Sequence[str] | None = None) -> Figure | None:
    """Draw one figure of the catalogue, ready to be saved or shown; None if the study has not what it shows.

    Args:
        name: a key of ``FIGURES``.
        results: of a run.
        policy: which fits count when some have failed (``available`` or ``listwise``).
        terms: coefficients to show, their measures averaged; every one but the intercept when None.

    Raises:
        InputError: for an unknown name, policy or term.
    """
    entry = FIGURES[choose("figure", name, FIGURES)]
    with matplotlib.rc_context(style.RC):
        return entry.draw(Numbers(results, policy, tuple(terms) if terms else None))
