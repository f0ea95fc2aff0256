"""lme4, lmerTest and pymer4's own strategies, run by pymer4 in worker processes: an opinion from outside.

R never runs in this process: it is single-threaded, does not survive a fork next to JAX, and may crash. :class:`Pool` fits many
datasets, and :func:`shared_pool` is one for several users; :func:`lmer`, :func:`lm` and :func:`lm2` fit one DataFrame;
:func:`check` says what is missing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxsim.bridges.pymer4.frame import lm, lm2, lmer
    from jaxsim.bridges.pymer4.pool import Pool, check
    from jaxsim.bridges.pymer4.shared import shared_pool
    from jaxsim.r.outcome import Outcome, RandomEffects
    from jaxsim.r.request import Request

_HERE = "jaxsim.bridges.pymer4"
_HOME = {
    "Outcome": "jaxsim.r.outcome",
    "Pool": f"{_HERE}.pool",
    "RandomEffects": "jaxsim.r.outcome",
    "Request": "jaxsim.r.request",
    "check": f"{_HERE}.pool",
    "lm": f"{_HERE}.frame",
    "lm2": f"{_HERE}.frame",
    "lmer": f"{_HERE}.frame",
    "shared_pool": f"{_HERE}.shared",
}

__all__ = ["Outcome", "Pool", "RandomEffects", "Request", "check", "lm", "lm2", "lmer", "shared_pool"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxsim.bridges.pymer4' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
