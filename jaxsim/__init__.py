"""jaxsim: simulation studies of clustered data, every analysis strategy fitted to the same datasets.

Public names are imported when they are first used, so ``import jaxsim`` costs nothing. JAX is set to float64: REML needs it, and
keeps its compiled programs in the user's cache folder (see :mod:`jaxsim.cache`).
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from jaxsim import cache
from jaxsim.version import VERSION

if "jax" in sys.modules:
    sys.modules["jax"].config.update("jax_enable_x64", True)
else:
    os.environ["JAX_ENABLE_X64"] = "1"

# Without LLVM's unrolling of loops programs compile in three quarters of the time, and run at most some per cent slower. XLA takes
# this from its own environment variable alone, which it reads when it first compiles.
_flags = os.environ.get("XLA_FLAGS", "")
if "xla_backend_extra_options" not in _flags:
    os.environ["XLA_FLAGS"] = f"{_flags} --xla_backend_extra_options=xla_cpu_disable_loop_unrolling".strip()

cache.enable()

# What editors and type checkers see; `_HOMES` is what happens. A test holds the two together.
if TYPE_CHECKING:
    from jaxsim.bayesian.prior import Prior as Prior
    from jaxsim.bayesian.prior import prior as prior
    from jaxsim.bayesian.priors import Decov as Decov
    from jaxsim.bayesian.priors import Priors as Priors
    from jaxsim.calibration import sbc as sbc
    from jaxsim.data.cross_products import CrossProducts as CrossProducts
    from jaxsim.data.names import Names as Names
    from jaxsim.data.rows import Rows as Rows
    from jaxsim.errors import InputError as InputError
    from jaxsim.errors import NotSupportedError as NotSupportedError
    from jaxsim.estimators import F1F2 as F1F2
    from jaxsim.estimators import GEE as GEE
    from jaxsim.estimators import Aggregated as Aggregated
    from jaxsim.estimators import AutoregressiveMixed as AutoregressiveMixed
    from jaxsim.estimators import BetweenWithin as BetweenWithin
    from jaxsim.estimators import ClusterRobust as ClusterRobust
    from jaxsim.estimators import Context as Context
    from jaxsim.estimators import Estimator as Estimator
    from jaxsim.estimators import Fit as Fit
    from jaxsim.estimators import FrameStrategy as FrameStrategy
    from jaxsim.estimators import FunctionEstimator as FunctionEstimator
    from jaxsim.estimators import HeteroscedasticMixed as HeteroscedasticMixed
    from jaxsim.estimators import LinearMixed as LinearMixed
    from jaxsim.estimators import Lme4 as Lme4
    from jaxsim.estimators import MinF as MinF
    from jaxsim.estimators import MultiwayCluster as MultiwayCluster
    from jaxsim.estimators import PooledOLS as PooledOLS
    from jaxsim.estimators import Resampling as Resampling
    from jaxsim.estimators import RobustBayes as RobustBayes
    from jaxsim.estimators import RStrategy as RStrategy
    from jaxsim.estimators import SelectedMixed as SelectedMixed
    from jaxsim.estimators import Strategy as Strategy
    from jaxsim.estimators import TwoStage as TwoStage
    from jaxsim.estimators import WithinRegression as WithinRegression
    from jaxsim.estimators.hierarchical_bayes import HierarchicalBayes as HierarchicalBayes
    from jaxsim.frames.by_group import lm2 as lm2
    from jaxsim.frames.hierarchical import bayes as bayes
    from jaxsim.frames.mixed import lmer as lmer
    from jaxsim.frames.pooled import lm as lm
    from jaxsim.frames.pooled import ols as ols
    from jaxsim.frames.postestimation.comparison import anova as anova
    from jaxsim.measures.addition import Addition as Addition
    from jaxsim.measures.own import OwnMeasure as OwnMeasure
    from jaxsim.processes import AR1 as AR1
    from jaxsim.processes import ICC as ICC
    from jaxsim.processes import MAR as MAR
    from jaxsim.processes import MCAR as MCAR
    from jaxsim.processes import MNAR as MNAR
    from jaxsim.processes import Bernoulli as Bernoulli
    from jaxsim.processes import Categorical as Categorical
    from jaxsim.processes import Contaminated as Contaminated
    from jaxsim.processes import Design as Design
    from jaxsim.processes import Distribution as Distribution
    from jaxsim.processes import Draw as Draw
    from jaxsim.processes import Dropout as Dropout
    from jaxsim.processes import Empirical as Empirical
    from jaxsim.processes import FrameProcess as FrameProcess
    from jaxsim.processes import FunctionProcess as FunctionProcess
    from jaxsim.processes import Gamma as Gamma
    from jaxsim.processes import GaussianMultilevel as GaussianMultilevel
    from jaxsim.processes import Limited as Limited
    from jaxsim.processes import LogNormal as LogNormal
    from jaxsim.processes import LogNormalSizes as LogNormalSizes
    from jaxsim.processes import LostGroups as LostGroups
    from jaxsim.processes import LostOccasions as LostOccasions
    from jaxsim.processes import Messy as Messy
    from jaxsim.processes import Mirrored as Mirrored
    from jaxsim.processes import MovingAverage as MovingAverage
    from jaxsim.processes import Normal as Normal
    from jaxsim.processes import Ordinal as Ordinal
    from jaxsim.processes import Outliers as Outliers
    from jaxsim.processes import PoissonSizes as PoissonSizes
    from jaxsim.processes import Process as Process
    from jaxsim.processes import Rounded as Rounded
    from jaxsim.processes import RowProcess as RowProcess
    from jaxsim.processes import Scenario as Scenario
    from jaxsim.processes import Sized as Sized
    from jaxsim.processes import SkewNormal as SkewNormal
    from jaxsim.processes import StudentT as StudentT
    from jaxsim.processes import Truth as Truth
    from jaxsim.processes import TwoKinds as TwoKinds
    from jaxsim.processes import Uniform as Uniform
    from jaxsim.processes import UniformSizes as UniformSizes
    from jaxsim.processes import VarianceBetween as VarianceBetween
    from jaxsim.processes import VarianceBy as VarianceBy
    from jaxsim.processes import VarianceByMean as VarianceByMean
    from jaxsim.processes import between as between
    from jaxsim.processes import counterbalanced as counterbalanced
    from jaxsim.processes import covariate as covariate
    from jaxsim.processes import lists as lists
    from jaxsim.processes import nested as nested
    from jaxsim.processes import sampled as sampled
    from jaxsim.processes import within as within
    from jaxsim.results import Results as Results
    from jaxsim.results import load as load
    from jaxsim.scores import GroupRecovery as GroupRecovery
    from jaxsim.scores import Prediction as Prediction
    from jaxsim.scores import Score as Score
    from jaxsim.status import Status as Status
    from jaxsim.study.cell import Cell as Cell
    from jaxsim.study.grid import Grid as Grid
    from jaxsim.study.study import Study as Study
    from jaxsim.study.until import Until as Until
    from jaxsim.sweep.executors import Dask as Dask
    from jaxsim.sweep.executors import Local as Local

_HOMES = {
    "jaxsim.study.study": ("Study",),
    "jaxsim.study.cell": ("Cell",),
    "jaxsim.study.grid": ("Grid",),
    "jaxsim.study.until": ("Until",),
    "jaxsim.processes": (
        "AR1", "Bernoulli", "Categorical", "Contaminated", "Design", "Distribution", "Draw", "Dropout", "Empirical",
        "FrameProcess", "FunctionProcess", "Gamma", "GaussianMultilevel", "ICC", "Limited", "LogNormal", "LogNormalSizes",
        "LostGroups", "LostOccasions", "MAR", "MCAR", "MNAR", "Messy", "Mirrored", "MovingAverage", "Normal", "Ordinal", "Outliers",
        "PoissonSizes", "Process", "Rounded", "RowProcess", "Scenario", "Sized", "SkewNormal", "StudentT", "Truth", "TwoKinds",
        "Uniform", "UniformSizes", "VarianceBetween", "VarianceBy", "VarianceByMean", "between", "counterbalanced", "covariate",
        "lists", "nested", "sampled", "within",
    ),
    "jaxsim.estimators": (
        "F1F2", "GEE", "Aggregated", "AutoregressiveMixed", "BetweenWithin", "ClusterRobust", "Context", "Estimator", "Fit",
        "FrameStrategy", "FunctionEstimator", "HeteroscedasticMixed", "LinearMixed", "Lme4", "MinF", "MultiwayCluster",
        "PooledOLS", "RStrategy", "Resampling", "RobustBayes", "SelectedMixed", "Strategy", "TwoStage", "WithinRegression",
    ),
    "jaxsim.estimators.hierarchical_bayes": ("HierarchicalBayes",),
    "jaxsim.scores": ("GroupRecovery", "Prediction", "Score"),
    "jaxsim.measures.addition": ("Addition",),
    "jaxsim.measures.own": ("OwnMeasure",),
    "jaxsim.bayesian.prior": ("Prior", "prior"),
    "jaxsim.bayesian.priors": ("Decov", "Priors"),
    "jaxsim.calibration": ("sbc",),
    "jaxsim.data.cross_products": ("CrossProducts",),
    "jaxsim.data.rows": ("Rows",),
    "jaxsim.data.names": ("Names",),
    "jaxsim.status": ("Status",),
    "jaxsim.errors": ("InputError", "NotSupportedError"),
    "jaxsim.results": ("Results", "load"),
    "jaxsim.sweep.executors": ("Dask", "Local"),
    "jaxsim.frames.hierarchical": ("bayes",),
    "jaxsim.frames.pooled": ("lm", "ols"),
    "jaxsim.frames.by_group": ("lm2",),
    "jaxsim.frames.mixed": ("lmer",),
    "jaxsim.frames.postestimation.comparison": ("anova",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return VERSION
    if name not in _HOME:
        raise AttributeError(f"module 'jaxsim' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
