"""Data-generating processes. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.data.draw import Draw, Truth
from jaxsim.processes.designed.design import Design
from jaxsim.processes.designed.variables import Between, Covariate, Within, between, covariate, within
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.distributions import Normal, PoissonSizes, Uniform, UniformSizes
from jaxsim.processes.frame_process import FrameProcess
from jaxsim.processes.function_process import FunctionProcess
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.processes.predictors import Bernoulli, Categorical, Empirical, Gamma
from jaxsim.processes.process import Process
from jaxsim.processes.row_process import RowProcess

CATALOGUE: dict[str, type] = {
    "GaussianMultilevel": GaussianMultilevel,
    "FunctionProcess": FunctionProcess,
    "FrameProcess": FrameProcess,
    "Design": Design,
    **{kind.__name__: kind for kind in (Between, Within, Covariate, Bernoulli, Gamma, Categorical, Empirical)},
}

__all__ = [
    "CATALOGUE", "Bernoulli", "Categorical", "Design", "Distribution", "Draw", "Empirical", "FrameProcess", "FunctionProcess",
    "Gamma", "GaussianMultilevel", "Normal", "PoissonSizes", "Process", "RowProcess", "Truth", "Uniform", "UniformSizes", "between",
    "covariate", "within",
]  # fmt: skip
