"""Data-generating processes. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.calls import spoken_class
from jaxsim.data.draw import Draw, Truth
from jaxsim.processes.designed.design import Design
from jaxsim.processes.designed.meets import Lists, Sampled, lists, sampled
from jaxsim.processes.designed.sizes import ICC, Sized
from jaxsim.processes.designed.units import Nested, nested
from jaxsim.processes.designed.variables import (
    Between,
    Counterbalanced,
    Covariate,
    Within,
    between,
    counterbalanced,
    covariate,
    within,
)
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.distributions import LogNormalSizes, Normal, PoissonSizes, Uniform, UniformSizes
from jaxsim.processes.frame_process import FrameProcess
from jaxsim.processes.function_process import FunctionProcess
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.processes.messy.missing import MAR, MCAR, MNAR, Dropout, LostGroups, LostOccasions
from jaxsim.processes.messy.recording import Limited, Ordinal, Outliers, Rounded
from jaxsim.processes.messy.scenario import Scenario
from jaxsim.processes.messy.serial import AR1, MovingAverage
from jaxsim.processes.messy.variance import VarianceBetween, VarianceBy, VarianceByMean
from jaxsim.processes.messy.world import Messy
from jaxsim.processes.mixtures import Contaminated, TwoKinds
from jaxsim.processes.predictors import Bernoulli, Categorical, Empirical, Gamma
from jaxsim.processes.process import Process
from jaxsim.processes.row_process import RowProcess
from jaxsim.processes.shapes import LogNormal, Mirrored, SkewNormal, StudentT

# Values that make data messy, and shapes of distributions; any process may use them.
MESSY = (
    StudentT, SkewNormal, LogNormal, Contaminated, TwoKinds, Mirrored, VarianceBy, VarianceBetween, VarianceByMean, AR1,
    MovingAverage, Rounded, Limited, Ordinal, Outliers, MCAR, MAR, MNAR, Dropout, LostOccasions, LostGroups, Scenario,
)  # fmt: skip

CATALOGUE: dict[str, type] = {
    "GaussianMultilevel": GaussianMultilevel,
    "FunctionProcess": FunctionProcess,
    "FrameProcess": FrameProcess,
    "Design": Design,
    **{kind.__name__: kind for kind in (Counterbalanced, Nested, Sampled, Lists)},
    **{kind.__name__: kind for kind in (Between, Within, Covariate, Bernoulli, Gamma, Categorical, Empirical, Sized, ICC, *MESSY)},
}

for _kind in (*CATALOGUE.values(), Normal, Uniform, UniformSizes, PoissonSizes, LogNormalSizes):
    spoken_class(_kind)

__all__ = [
    "AR1",
    "CATALOGUE",
    "ICC",
    "MAR",
    "MCAR",
    "MNAR",
    "Bernoulli",
    "Categorical",
    "Contaminated",
    "Design",
    "Distribution",
    "Draw",
    "Dropout",
    "Empirical",
    "FrameProcess",
    "FunctionProcess",
    "Gamma",
    "GaussianMultilevel",
    "Limited",
    "LogNormal",
    "LogNormalSizes",
    "LostGroups",
    "LostOccasions",
    "Messy",
    "Mirrored",
    "MovingAverage",
    "Normal",
    "Ordinal",
    "Outliers",
    "PoissonSizes",
    "Process",
    "Rounded",
    "RowProcess",
    "Scenario",
    "Sized",
    "SkewNormal",
    "StudentT",
    "Truth",
    "TwoKinds",
    "Uniform",
    "UniformSizes",
    "VarianceBetween",
    "VarianceBy",
    "VarianceByMean",
    "between",
    "counterbalanced",
    "covariate",
    "lists",
    "nested",
    "sampled",
    "within",
]  # fmt: skip
