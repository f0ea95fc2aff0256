"""Fit a pandas DataFrame with lme4's formula language: a mixed model, or regressions that take the groups into account or not.

Names are imported when they are first used: the worker processes of :mod:`jaxsim.bridges.pymer4` must not load JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxsim.bridges.hierarchical import bayes
    from jaxsim.bridges.result import FitResult
    from jaxsim.frames.bayes_result import BayesResult
    from jaxsim.frames.by_group import lm2
    from jaxsim.frames.mixed import lmer
    from jaxsim.frames.pooled import lm, ols

_HOME = {
    "BayesResult": "jaxsim.frames.bayes_result",
    "FitResult": "jaxsim.bridges.result",
    "bayes": "jaxsim.bridges.hierarchical",
    "lm": "jaxsim.frames.pooled",
    "lm2": "jaxsim.frames.by_group",
    "lmer": "jaxsim.frames.mixed",
    "ols": "jaxsim.frames.pooled",
}

__all__ = ["BayesResult", "FitResult", "bayes", "lm", "lm2", "lmer", "ols"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxsim.bridges' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
