"""jaxsim: simulation studies of clustered data, every analysis strategy fitted to the same datasets.

Public names are imported when they are first used, so ``import jaxsim`` costs nothing. JAX is set to float64: REML needs it, and
keeps its compiled programs in the user's cache folder (see :mod:`jaxsim.cache`).
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from jaxsim import cache

if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)
else:
    os.environ["JAX_ENABLE_X64"] = "1"

cache.enable()

_HOMES = {
    "jaxsim.design": ("Cell", "Grid", "Study"),
    "jaxsim.until": ("Until",),
    "jaxsim.processes": ("GaussianMultilevel", "Normal", "PoissonSizes", "Process", "Uniform", "UniformSizes"),
    "jaxsim.estimators": ("ClusterRobust", "Estimator", "Fit", "LinearMixed", "Lme4", "PooledOLS", "Resampling", "TwoStage"),
    "jaxsim.estimators.bayes.estimator": ("HierarchicalBayes",),
    "jaxsim.bayesian.prior": ("Prior", "prior"),
    "jaxsim.bayesian.priors": ("Decov", "Priors"),
    "jaxsim.calibration": ("sbc",),
    "jaxsim.crossproduct": ("CrossProducts",),
    "jaxsim.status": ("Status",),
    "jaxsim.errors": ("InputError", "NotSupportedError"),
    "jaxsim.store.results": ("Results", "load"),
    "jaxsim.sweep.executors": ("Dask", "Local"),
    "jaxsim.bridges": ("bayes", "lm", "lm2", "lmer", "ols"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("jaxsim-studies")
    if name not in _HOME:
        raise AttributeError(f"module 'jaxsim' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
