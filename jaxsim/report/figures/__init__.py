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
    coverage_curve,
    coverage_loop,
    coverage_map,
    empirical_vs_model_se,
    failures,
    group_coefficients,
    group_recovery,
    paired_rmse,
    post,
    power_curve,
    power_loop,
    power_map,
    prediction,
    rejection,
    type_one_error_map,
)
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.numbers import Numbers
from jaxsim.results import Results
from jaxsim.style import RC

# What can be chosen of a figure: factors that are told apart, strategies, coefficients.
CHOICES = ("by", "strategies", "terms")


@dataclass(frozen=True)
class Entry:
    """A figure of the catalogue. The caption says how to read it; ``drawn`` draws it. Where a study has not what it shows, that
    raises :class:`Absent` with the reason, or gives None."""

    title: str
    caption: str
    drawn: Callable[[Numbers], Figure | None]
    takes: tuple[str, ...] = CHOICES  # what can be chosen of it

    def draw(self, numbers: Numbers) -> Figure | None:
        """The figure; None where a study has not what it shows."""
        try:
            return self.drawn(numbers)
        except Absent:
            return None


BARS = "Points are estimates, those of one level side by side; vertical bars are their 95% Monte Carlo intervals"
RIBBONS = "Lines join estimates, ribbons are their 95% Monte Carlo intervals (Wilson)"
LOOPS = (
    "Every combination of the factors is a step, strategies over each other; the stairs below say which combination (Rücker & "
    "Schwarzer 2014): the topmost factor changes slowest, the lowest one fastest"
)
TILES = "Each tile is a combination of two factors; each panel is a strategy, and a level of a third factor or a coefficient"
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
        takes=("terms",),
    ),
    "coefficient_error": Entry(
        "Coefficient error",
        f"How far the coefficients of one fit are from the truth in total; lower is better. {BOXES}",
        post.draw_coefficient_error,
        takes=("strategies",),
    ),
    "se_sum": Entry(
        "Standard errors",
        f"The standard errors that each fit reported, in total; lower is better only if they are honest (see below). {BOXES}",
        post.draw_se_sum,
        takes=("strategies",),
    ),
    "t_sum": Entry(
        "Test statistics",
        f"Absolute t statistics of each fit in total; large ones are a virtue only where standard errors are honest. {BOXES}",
        post.draw_t_sum,
        takes=("strategies",),
    ),
    "bias": Entry(
        "Bias",
        f"{BARS}. An interval that crosses the zero line is compatible with no bias.",
        bias.draw,
    ),
    "coverage": Entry(
        "Coverage",
        f"{BARS} (Wilson). Even if intervals are exact, chance puts one point in twenty outside the grey band. "
        "Many below it: intervals too narrow; above it: too wide.",
        coverage.draw,
    ),
    "coverage_curve": Entry(
        "Coverage curves",
        f"{RIBBONS}. Where a ribbon keeps off the black line, intervals are too narrow (below) or too wide (above).",
        coverage_curve.draw,
    ),
    "coverage_loop": Entry(
        "Coverage in every combination",
        f"{LOOPS}. Even if intervals are exact, chance puts one step in twenty outside the grey band.",
        coverage_loop.draw,
    ),
    "coverage_map": Entry(
        "Coverage over the grid",
        f"{TILES}. Pale: intervals keep their level; orange to brown: too narrow; blue: too wide. The classes are multiples of the "
        "nominal rate of errors. A colour without a dot may be chance; and even if intervals are exact, chance puts a dot on one "
        "tile in twenty.",
        coverage_map.draw,
    ),
    "empirical_vs_model_se": Entry(
        "Honesty of standard errors",
        f"{BARS}. Zero: standard errors match the spread of the estimates; −50%: they are half as large as they should be.",
        empirical_vs_model_se.draw,
    ),
    "group_recovery": Entry(
        "Recovery of the groups' coefficients",
        f"{BARS}; lower is better. The mean is over the groups of a dataset, then over datasets. Own least squares of groups with "
        "few rows are far off; partial pooling is to be better than both extremes.",
        group_recovery.draw_recovery,
    ),
    "group_shrinkage": Entry(
        "Shrinkage of the groups' coefficients",
        f"{BARS}. Zero: estimated coefficients differ between groups as much as the true ones; one: not at all; below zero: "
        "more, by noise. The best predictions of coefficients are shrunk, the more so the fewer rows a group has.",
        group_recovery.draw_shrinkage,
    ),
    "prediction_known": Entry(
        "Prediction of the same groups",
        f"{BARS}; lower is better. Responses of further rows of the groups that were fitted, predicted by the group's own "
        "coefficients where a strategy has such. No prediction can be better than the residual SD.",
        prediction.draw_known,
    ),
    "prediction_new": Entry(
        "Prediction of new groups",
        f"{BARS}; lower is better. Responses in groups that were not fitted, predicted by the fixed effects: the spread of the "
        "groups stays in the error of every strategy.",
        prediction.draw_new,
    ),
    "power": Entry(
        "Power",
        f"{BARS} (Wilson). Power is worth comparing only between strategies whose coverage and type I error are right.",
        rejection.draw_power,
    ),
    "type_one_error": Entry(
        "Type I error",
        f"{BARS} (Wilson). Even if tests are exact, chance puts one point in twenty outside the grey band. "
        "Many above it: effects that are not there are found too often.",
        rejection.draw_type_one_error,
    ),
    "type_one_error_map": Entry(
        "Type I error over the grid",
        f"{TILES}. Pale: tests keep their level; orange to brown: they find effects that are not there too often; blue: too "
        "seldom. A colour without a dot may be chance; and even if tests are exact, chance puts a dot on one tile in twenty.",
        type_one_error_map.draw,
    ),
    "power_curve": Entry(
        "Power curves",
        f"{RIBBONS}. The black line is the power that is usually asked for; over sizes a tick on it is the number that is needed, "
        "with its limits. Dashed: a strategy that does not keep the level of its tests (where that is not known, the coverage of "
        "its intervals), whose power counts for nothing.",
        power_curve.draw,
    ),
    "power_loop": Entry(
        "Power in every combination",
        f"{LOOPS}. Power is worth comparing only between strategies whose coverage and type I error are right.",
        power_loop.draw,
    ),
    "power_map": Entry(
        "Power over the grid",
        f"{TILES}; the lighter, the more often a true effect is found. A dot: at least the power that is usually asked for. A "
        "cross: the strategy makes far more errors there than it says, so that its power is worth nothing.",
        power_map.draw,
    ),
    "paired_rmse": Entry(
        "Error on the same datasets",
        f"{BARS}, from the paired differences: every strategy fitted the same datasets, so these are far sharper than a "
        "comparison of two separate errors. The line at zero is the reference.",
        paired_rmse.draw,
    ),
    "failures": Entry(
        "Singular and failed fits",
        "Singular fits lie on the boundary (a random-effects covariance of less than full rank) and count as answers; failed fits "
        "gave no usable answer and are in no measure. Bars are 95% Wilson intervals.",
        failures.draw,
        takes=("by", "strategies"),
    ),
}


def draw(name: str, results: Results, *, policy: str = "available", terms: Sequence[str] | None = None) -> Figure | None:
    """Draw one figure of the catalogue, ready to be saved or shown; None if the study has not what it shows.

    Args:
        name: a key of ``FIGURES``.
        results: of a run.
        policy: which fits count when some have failed (``available`` or ``listwise``).
        terms: coefficients to show, exchangeable ones averaged, each other in a panel of its own; every one but the intercept when
            None.

    Raises:
        InputError: for an unknown name, policy or term.
    """
    entry = FIGURES[choose("figure", name, FIGURES)]
    with matplotlib.rc_context(RC):
        return entry.draw(Numbers(results, policy, tuple(terms) if terms else None))
