"""Fit a pandas DataFrame with lme4's formula language: a mixed model, or regressions that take the groups into account or not."""

from jaxsim.bridges.least_squares import lm, lm2, ols
from jaxsim.bridges.mixed import lmer
from jaxsim.bridges.result import FitResult

__all__ = ["FitResult", "lm", "lm2", "lmer", "ols"]
