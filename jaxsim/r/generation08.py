"""pymer4 0.8: ``Lmer``, ``Lm`` and ``Lm2`` on pandas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jaxsim.r.task import Task

if not hasattr(pd.DataFrame, "applymap"):
    # pandas 3 dropped the old name of DataFrame.map, which pymer4 0.8 still calls.
    pd.DataFrame.applymap = pd.DataFrame.map  # type: ignore[attr-defined]

from pymer4 import Lm, Lm2, Lmer


def fit_lmer(task: Task) -> tuple[Any, str]:
    """As :meth:`Generation.fit_lmer`."""
    model = Lmer(task.formula, data=task.frame)
    try:
        model.fit(REML=task.reml, summarize=False, no_warnings=True)
    except Exception as error:
        if model.model_obj is None:
            raise
        return model.model_obj, f"pymer4 stopped after lme4's fit: {error}"
    return model.model_obj, ""


def fit_lm(task: Task) -> dict[str, np.ndarray]:
    """As :meth:`Generation.fit_lm`."""
    model = Lm(_design(task), data=task.frame)
    model.fit(robust="cluster", cluster="group", summarize=False)
    return _table(model.coefs)


def fit_lm2(task: Task) -> dict[str, np.ndarray]:
    """As :meth:`Generation.fit_lm2`."""
    model = Lm2(_design(task), group="group", data=task.frame)
    model.fit(summarize=False)
    return {**_table(model.coefs), "own": model.fixef.to_numpy(float)}


def _design(task: Task) -> str:
    return "y ~ 0 + " + " + ".join(f"x{i}" for i in range(len(task.terms)))


def _table(coefs: pd.DataFrame) -> dict[str, np.ndarray]:
    columns = {"estimate": "Estimate", "std_error": "SE", "df": "DF"}
    return {name: coefs[column].to_numpy(float) for name, column in columns.items()}
