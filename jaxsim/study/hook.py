"""The one place where a study reaches up to what computes it: ``Study.run`` is sugar for :func:`jaxsim.sweep.run.run`."""

from __future__ import annotations

import importlib
from typing import Any

RUN = "jaxsim.sweep.run"


def start(study: Any, out: Any, **options: Any) -> Any:
    """Run a study; the engine, with JAX's compilers, is loaded when it is first asked for."""
    return importlib.import_module(RUN).run(study, out, **options)
