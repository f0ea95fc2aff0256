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
    from jaxsim.bridges.pymer4.outcome import Outcome, RandomEffects
    from jaxsim.bridges.pymer4.pool import Pool, check
    from jaxsim.bridges.pymer4.request import Request
    from jaxsim.bridges.pymer4.shared import shared_pool

_HOME = {
    "Outcome": "outcome", "Pool": "pool", "RandomEffects": "outcome", "Request": "request", "check": "pool",
    "lm": "frame", "lm2": "frame", "lmer": "frame", "shared_pool": "shared",
}  # fmt: skip

__all__ = ["Outcome", "Pool", "RandomEffects", "Request", "check", "lm", "lm2", "lmer", "shared_pool"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'jaxsim.bridges.pymer4' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"jaxsim.bridges.pymer4.{_HOME[name]}"), name)
    globals()[name] = value
    return value
