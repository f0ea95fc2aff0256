"""What fitting a DataFrame returns, and everything one can ask of it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pandas as pd

from jaxsim.frames.fitted import Fitted
from jaxsim.frames.layout import summarise
from jaxsim.frames.postestimation.prediction import predict


@dataclass(frozen=True, eq=False)
class FitResult(Fitted):
    """One fitted model. Its numbers are attributes, see :class:`~jaxsim.frames.fitted.Fitted`; questions about it are methods."""

    def summary(self) -> str:
        """The fit as text, in the layout of lme4."""
        return summarise(self)

    def __str__(self) -> str:
        return self.summary()

    def predict(self, data: pd.DataFrame | None = None, level: str = "group") -> pd.Series:
        """Expected responses of rows; see :func:`~jaxsim.frames.postestimation.prediction.predict`."""
        return predict(self, data, level)


def announce(fit: FitResult) -> FitResult:
    """Warn of everything in ``messages`` (dropped rows, a singular or failed fit) and return the fit."""
    for message in fit.messages:
        warnings.warn(message, UserWarning, stacklevel=3)
    return fit
