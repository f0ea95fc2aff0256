"""What fitting a DataFrame returns, and everything one can ask of it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim.frames.fit_card import fit_card
from jaxsim.frames.fit_text import summarise
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.postestimation import (
    anova_tables,
    bootstrap,
    contrast,
    explained,
    hypotheses,
    intervals,
    marginal_means,
    simulation,
    trends,
)
from jaxsim.frames.postestimation.pictures import Pictures
from jaxsim.frames.postestimation.prediction import predict


@dataclass(frozen=True, eq=False, repr=False)
class FitResult(Fitted):
    """One fitted model. Its numbers are attributes, see :class:`~jaxsim.frames.fitted.Fitted`; questions about it are methods.

    As in R it prints as its summary; notebooks show that as tables.
    """

    def summary(self) -> str:
        """The fit as text, in the layout of lme4."""
        return summarise(self)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return fit_card(self)

    def predict(
        self,
        data: pd.DataFrame | None = None,
        level: str = "group",
        interval: str | None = None,
        conf_level: float | None = None,
    ) -> pd.Series | pd.DataFrame:
        """Expected responses of rows and intervals; see :func:`~jaxsim.frames.postestimation.prediction.predict`."""
        return predict(self, data, level, interval, conf_level)

    def confint(
        self,
        method: str = "wald",
        conf_level: float | None = None,
        draws: int = 1000,
        seed: int = 0,
        kind: str = "percentile",
    ) -> pd.DataFrame:
        """Intervals of all parameters; see :func:`~jaxsim.frames.postestimation.intervals.confint`."""
        return intervals.confint(self, method, conf_level, draws, seed, kind)

    def simulate(self, n: int = 1, seed: int = 0, conditional: bool = False) -> pd.DataFrame:
        """Simulated responses; see :func:`~jaxsim.frames.postestimation.simulation.simulate`."""
        return simulation.simulate(self, n, seed, conditional)

    def bootstrap(self, n: int = 1000, seed: int = 0, kind: str = "parametric") -> pd.DataFrame:
        """Refits to simulated responses; see :func:`~jaxsim.frames.postestimation.bootstrap.bootstrap`."""
        return bootstrap.bootstrap(self, n, seed, kind)

    @property
    def plot(self) -> Pictures:
        """Pictures: ``residuals()``, ``qq()``, ``random_effects()``, ``effects("day")``; each is a matplotlib figure."""
        return Pictures(self)

    def anova(self, type: int | str = 3, df: str | None = None) -> pd.DataFrame:
        """F tests of the terms; see :func:`~jaxsim.frames.postestimation.anova_tables.anova`."""
        return anova_tables.anova(self, type, df)

    def test(self, hypothesis: str, df: str | None = None) -> pd.DataFrame:
        """Tests of linear hypotheses; see :func:`~jaxsim.frames.postestimation.hypotheses.hypotheses`."""
        return hypotheses.hypotheses(self, hypothesis, df)

    def emmeans(
        self, specs: str | Sequence[str], by: str | Sequence[str] | None = None, adjust: str | None = None, **options: Any
    ) -> pd.DataFrame:
        """Estimated marginal means; see :func:`~jaxsim.frames.postestimation.marginal_means.emmeans`."""
        return marginal_means.emmeans(self, specs, by, adjust, **options)

    def contrasts(
        self, specs: str | Sequence[str], adjust: str | None = None, method: Any = "pairwise", by: Any = None, **options: Any
    ) -> pd.DataFrame:
        """Differences and other contrasts of these means; see :func:`~jaxsim.frames.postestimation.contrast.contrasts`."""
        return contrast.contrasts(self, specs, adjust, method, by, **options)

    def trends(self, variable: str, by: Any = None, adjust: str | None = None, **options: Any) -> pd.DataFrame:
        """Slopes of a number at the levels of factors; see :func:`~jaxsim.frames.postestimation.trends.trends`."""
        return trends.trends(self, variable, by, adjust, **options)

    @property
    def r2(self) -> pd.Series:
        """Explained shares of variance; see :func:`~jaxsim.frames.postestimation.explained.r2`."""
        return explained.r2(self)

    @property
    def icc(self) -> float:
        """Intraclass correlation; see :func:`~jaxsim.frames.postestimation.explained.icc`."""
        return explained.icc(self)


def announce(fit: FitResult) -> FitResult:
    """Warn of everything in ``messages`` (dropped rows, a singular or failed fit) and return the fit."""
    for message in fit.messages:
        warnings.warn(message, UserWarning, stacklevel=3)
    return fit
