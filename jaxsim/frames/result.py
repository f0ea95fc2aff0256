"""What fitting a DataFrame returns, and everything one can ask of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.layout import summarise
from jaxsim.frames.postestimation import bootstrap, intervals, simulation
from jaxsim.frames.postestimation.pictures import Pictures
from jaxsim.frames.postestimation.prediction import predict


@dataclass(frozen=True, eq=False)
class FitResult(Fitted):
    """One fitted model. Its numbers are attributes, see :class:`~jaxsim.frames.fitted.Fitted`; questions about it are methods."""

    def summary(self) -> str:
        """The fit as text, in the layout of lme4."""
        return summarise(self)

    def __str__(self) -> str:
        return self.summary()

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


def announce(fit: FitResult) -> FitResult:
    """Warn of everything in ``messages`` (dropped rows, a singular or failed fit) and return the fit."""
    for message in fit.messages:
        warnings.warn(message, UserWarning, stacklevel=3)
    return fit
