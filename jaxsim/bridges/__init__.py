"""Fit a pandas DataFrame with lme4's formula language: a mixed model, or regressions that take the groups into account or not.

Names are imported when they are first used: the worker processes of :mod:`jaxsim.bridges.pymer4` must not load JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxsim.bridges.hierarchical import bayes
    from jaxsim.bridges.least_squares import lm, ols
    from jaxsim.bridges.mixed import lmer
    from jaxsim.bridges.posterior import BayesResult
    from jaxsim.bridges.result import FitResult
    from jaxsim.bridges.two_stage import lm2

_HOME = {
    "BayesResult": "posterior",
    "FitResult": "result",
    "bayes": "hierarchical",
    "lm": "least_squares",
    "lm2": "two_stage",
    "lmer": "mixed",
    "ols": "least_squares",
}

__all__ = ["BayesResult", "FitResult", "bayes", "lm", "lm2", "lmer", "ols"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxsim.bridges' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"jaxsim.bridges.{_HOME[name]}"), name)
    globals()[name] = value
    return value
