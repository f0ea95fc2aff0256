"""Which generation of pymer4 is installed, and what every generation must offer."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any, Protocol, cast

import numpy as np

from jaxsim.errors import InputError
from jaxsim.r.task import Task

GENERATIONS = {"0.8": "generation08", "0.9": "generation09"}


class Generation(Protocol):
    """An adapter: a module with these functions, imported in a worker only (it starts R)."""

    def fit_lmer(self, task: Task) -> tuple[Any, str]:
        """Fit with pymer4; the R object (a ``lmerModLmerTest``), and what pymer4 stumbled over after the fit, if it did."""

    def fit_lm(self, task: Task) -> dict[str, np.ndarray]:
        """Cluster-robust least squares: ``estimate, std_error, df``, each ``[P]``."""

    def fit_lm2(self, task: Task) -> dict[str, np.ndarray]:
        """Two stages: ``estimate, std_error, df``, each ``[P]``, and ``own``, every group's coefficients in order of appearance."""


def module_for(version: str) -> str:
    """The adapter's module; :class:`InputError` for a version that none is for."""
    name = GENERATIONS.get(".".join(version.split(".")[:2]))
    if name is None:
        supported = " and ".join(f"{generation}.x" for generation in GENERATIONS)
        raise InputError(f"pymer4 {version} is not supported; versions {supported} are. python -m pip install pymer4==0.8.2")
    return f"jaxsim.r.{name}"


def load() -> Generation:
    """The adapter for the installed pymer4, with R started; raises whatever keeps it from being imported."""
    return cast(Generation, importlib.import_module(module_for(importlib.metadata.version("pymer4"))))
