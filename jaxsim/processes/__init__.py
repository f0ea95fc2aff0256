"""Data-generating processes. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.processes.base import Draw, Process
from jaxsim.processes.distributions import Normal, PoissonSizes, Uniform, UniformSizes
from jaxsim.processes.gaussian import GaussianMultilevel

CATALOGUE: dict[str, type] = {"GaussianMultilevel": GaussianMultilevel}

__all__ = ["CATALOGUE", "Draw", "GaussianMultilevel", "Normal", "PoissonSizes", "Process", "Uniform", "UniformSizes"]
