"""Data-generating processes. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.data.draw import Draw, Truth
from jaxsim.processes.distributions import Normal, PoissonSizes, Uniform, UniformSizes
from jaxsim.processes.frame_process import FrameProcess
from jaxsim.processes.function_process import FunctionProcess
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.processes.process import Process
from jaxsim.processes.row_process import RowProcess

CATALOGUE: dict[str, type] = {
    "GaussianMultilevel": GaussianMultilevel,
    "FunctionProcess": FunctionProcess,
    "FrameProcess": FrameProcess,
}

__all__ = [
    "CATALOGUE", "Draw", "FrameProcess", "FunctionProcess", "GaussianMultilevel", "Normal", "PoissonSizes", "Process", "RowProcess",
    "Truth", "Uniform", "UniformSizes",
]  # fmt: skip
