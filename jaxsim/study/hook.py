"""The one place from which something reaches up to what lies above it: ``Study.run`` is sugar for :func:`jaxsim.sweep.run.run`, and
``Results.plot`` for :class:`jaxsim.report.plots.Plots`."""

from __future__ import annotations

import importlib
from typing import Any

RUN = "jaxsim.sweep.run"
PLOTS = "jaxsim.report.plots"


def start(study: Any, out: Any, **options: Any) -> Any:
    """Run a study; the engine, with JAX's compilers, is loaded when it is first asked for."""
    return importlib.import_module(RUN).run(study, out, **options)


def plots(results: Any) -> Any:
    """The figures of some results; matplotlib is loaded when they are first asked for."""
    return importlib.import_module(PLOTS).Plots(results)
