"""Pictures of a fit: residuals, their quantiles, the groups' effects, the effect of a predictor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from jaxsim.errors import InputError, choose
from jaxsim.frames.fitted import Fitted, per_factor
from jaxsim.frames.postestimation.effects_grid import grid, levels_of
from jaxsim.frames.postestimation.fit_components import require_usable
from jaxsim.frames.postestimation.new_rows import new_rows
from jaxsim.frames.postestimation.prediction import with_interval
from jaxsim.frames.postestimation.prediction_error import conditional_deviations
from jaxsim.frames.postestimation.reference_grid import offset_at
from jaxsim.frames.postestimation.row_terms import weights_of
from jaxsim.frames.postestimation.smoothing import local_line
from jaxsim.style import DPI, GRID, OKABE_ITO, RC, REFERENCE

WIDTH, HEIGHT = 5.6, 3.8
# Groups whose names still fit beside their intervals, and the height of each in inches.
MOST_NAMES, LINE, TALLEST = 60, 0.17, 10.0
CONFIDENCE = 0.95


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures of a fit; each method returns a matplotlib figure, to show or to save with its ``savefig``."""

    fit: Fitted

    def residuals(self) -> Any:
        """Residuals (times the root of the rows' weights) against fitted values, with a local linear smooth of them."""
        require_usable(self.fit, "a picture")
        rest, fitted = pearson(self.fit), self.fit.fitted.to_numpy()

        def draw(axes: Any) -> None:
            """Onto these axes."""
            axes.axhline(0, color=REFERENCE, lw=0.8)
            axes.plot(fitted, rest, **points(len(rest)))
            at, smooth = local_line(fitted, rest)
            axes.plot(at, smooth, color=OKABE_ITO[1], lw=1.6, label="local mean")
            axes.legend(loc="upper right", bbox_to_anchor=(1, 1.1), handlelength=1.4)
            axes.set(xlabel="fitted value", ylabel="residual")
            axes.set_title("Residuals and fitted values", loc="left")

        return _figure(draw)

    def qq(self) -> Any:
        """Quantiles of the standardised residuals against normal ones, with the band that holds each of them in 95% of samples."""
        require_usable(self.fit, "a picture")
        rest = np.sort(pearson(self.fit))
        n = len(rest)
        order = np.arange(1, n + 1)
        expected = special.ndtri((order - 0.5) / n)
        middle, scale = rest.mean(), rest.std(ddof=1)
        limits = [special.ndtri(special.betaincinv(order, n + 1 - order, p)) for p in (0.025, 0.975)]

        def draw(axes: Any) -> None:
            """Onto these axes."""
            axes.fill_between(expected, *limits, color=OKABE_ITO[0], alpha=0.14, lw=0, label="95% of normal samples, each point")
            axes.plot(expected, expected, color=REFERENCE, lw=0.8)
            axes.plot(expected, (rest - middle) / scale, **points(n))
            axes.legend(loc="upper left", handlelength=1.4)
            axes.set(xlabel="normal quantile", ylabel="standardised residual")
            axes.set_title("Residuals and the normal distribution", loc="left")

        return _figure(draw)

    def random_effects(self, factor: str | None = None) -> Any:
        """Conditional modes of every group with 95% limits by their conditional standard deviations (lme4's ``condVar``).

        A panel for each column; groups are in the order of the first.

        Args:
            factor: which grouping factor's, of a fit with several; the first when None.
        """
        require_usable(self.fit, "a picture")
        if self.fit.random_effects is None:
            raise InputError("a picture of random effects needs a fit that has them; fit lmer.")
        factors = self.fit.factors or tuple(modes.index.name for modes in per_factor(self.fit.random_effects))
        place = 0 if factor is None else factors.index(choose("factor", factor, factors))
        modes, deviations = per_factor(self.fit.random_effects)[place], conditional_deviations(self.fit)[place]
        order = np.argsort(modes.to_numpy()[:, 0], kind="stable")
        names = [str(modes.index[i]) for i in order]
        height = min(TALLEST, max(HEIGHT, 1.0 + LINE * len(names)))

        def draw(axes: Any) -> None:
            """Onto these axes."""
            for panel, (name, own, spread) in zip(
                np.atleast_1d(axes), zip(modes, modes.to_numpy().T, deviations.T, strict=True), strict=True
            ):
                reach = special.ndtri((1 + CONFIDENCE) / 2) * spread[order]
                panel.axvline(0, color=REFERENCE, lw=0.8)
                panel.errorbar(own[order], np.arange(len(order)), xerr=reach, fmt="o", ms=3.4, lw=1.0, color=OKABE_ITO[0])
                panel.set(xlabel=name, ylim=(-0.8, len(order) - 0.2))
            first = np.atleast_1d(axes)[0]
            first.set_yticks(
                np.arange(len(order)) if len(order) <= MOST_NAMES else [], labels=names if len(order) <= MOST_NAMES else []
            )
            first.set_ylabel(str(modes.index.name))
            first.figure.suptitle(
                "Conditional modes of the groups, with 95% limits", x=0.01, ha="left", fontsize=RC["axes.labelsize"]
            )

        return _figure(draw, columns=modes.shape[1], height=height)

    def effects(self, predictor: str, by: str | None = None) -> Any:
        """Expected responses of the population over the values of a predictor, with 95% confidence limits.

        Args:
            predictor: a column of the fixed effects.
            by: another, for each of whose levels (or 10%, 50% and 90% quantiles) there is a curve.

        Other numbers are at their mean, and so is the offset; other factors are at their reference level.

        Raises:
            InputError: for a column that is no predictor of the model.
        """
        rows = grid(self.fit, predictor, by)
        require_usable(self.fit, "a picture of effects")
        offset = offset_at(self.fit.model, rows, [name for name in (predictor, by) if name is not None])
        placed = new_rows(self.fit.model, rows, grouped=False, offset=offset)
        found = with_interval(self.fit, placed, grouped=False, new=False, conf_level=CONFIDENCE)
        curves = [("", found.assign(at=rows[predictor]))]
        if by is not None:
            parts = found.assign(at=rows[predictor]).groupby(rows[by], sort=False)
            curves = [(f"{by} = {value:.3g}" if isinstance(value, float) else f"{by} = {value}", part) for value, part in parts]
        others = [name for name in rows if name not in (predictor, by)]
        categorical = predictor in levels_of(self.fit)

        def draw(axes: Any) -> None:
            """Onto these axes."""
            for i, (label, part) in enumerate(curves):
                color, shift = OKABE_ITO[i % len(OKABE_ITO)], 0.12 * (i - (len(curves) - 1) / 2)
                _levels(axes, part, label, color, shift) if categorical else _curve(axes, part, label, color)
            if by is not None:
                axes.legend(loc="upper left", bbox_to_anchor=(1, 1), handlelength=1.4)
            held = f"\nat {', '.join(_held(name, rows[name].iloc[0]) for name in others)}" if others else ""
            response = self.fit.formula.partition("~")[0].strip()
            axes.set(xlabel=predictor, ylabel=response)
            axes.set_title(f"Expected {response} with 95% confidence limits{held}", loc="left")

        return _figure(draw)


def pearson(fit: Fitted) -> np.ndarray:
    """Residuals of one variance: times the root of the weights, ``[N]``."""
    return fit.residuals.to_numpy() * np.sqrt(weights_of(fit.model))


def points(n: int) -> dict[str, Any]:
    """How ``n`` rows are drawn: fainter, the more there are."""
    return {"ls": "", "marker": "o", "ms": 3.4, "mew": 0, "alpha": float(np.clip(60 / n, 0.12, 0.6)), "color": OKABE_ITO[0]}


def _curve(axes: Any, part: pd.DataFrame, label: str, color: str) -> None:
    axes.fill_between(part["at"], part["conf_low"], part["conf_high"], color=color, alpha=0.18, lw=0)
    axes.plot(part["at"], part["estimate"], color=color, lw=1.6, label=label)


def _levels(axes: Any, part: pd.DataFrame, label: str, color: str, shift: float) -> None:
    at = np.arange(len(part))
    reach = [part["estimate"] - part["conf_low"], part["conf_high"] - part["estimate"]]
    axes.errorbar(at + shift, part["estimate"], yerr=reach, fmt="o", ms=4.5, lw=1.2, capsize=0, color=color, label=label)
    axes.set_xticks(at, labels=[str(value) for value in part["at"]])
    axes.set_xlim(-0.5, len(part) - 0.5)


def _held(name: Any, value: Any) -> str:
    return f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"


def _figure(draw: Callable[[Any], None], columns: int = 1, height: float = HEIGHT) -> Any:
    import matplotlib as mpl  # noqa: PLC0415 - a second that only pictures cost

    from jaxsim.picture import Picture  # noqa: PLC0415 - as above

    with mpl.rc_context(RC):
        figure = Picture(figsize=(max(WIDTH, 1.4 + 2.6 * columns), height), dpi=DPI, layout="constrained")
        axes = figure.subplots(1, columns, sharey=True)
        for one in np.atleast_1d(axes):
            one.grid(color=GRID, lw=0.6)
            one.set_axisbelow(True)
        draw(axes)
    return figure
