"""pymer4 0.9: ``pymer4.models.lmer`` on polars; it has neither cluster-robust errors nor a two-stage analysis any more."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from pymer4.models import lmer

from jaxsim.errors import InputError
from jaxsim.r.task import Task


def fit_lmer(task: Task) -> tuple[Any, str]:
    """As :meth:`Generation.fit_lmer`."""
    model = lmer(task.formula, data=_polars(task.frame))
    levels = {name: task.frame[name].cat.categories.tolist() for name in task.frame.select_dtypes("category")}
    if levels:
        # Also asks for treatment contrasts: a polars Enum, the one type that keeps the order of levels, is an ordered factor in R.
        model.set_factors(levels)
    if not task.reml:
        # fit() hands its arguments to the table of coefficients, none to lmer().
        model._r_func = partial(model._r_func, REML=False)
    try:
        model.fit(verbose=False)
    except Exception as error:
        if model.r_model is None:
            raise
        return model.r_model, f"pymer4 stopped after lme4's fit: {error}"
    return model.r_model, ""


def fit_lm(task: Task) -> dict[str, np.ndarray]:
    """There is no such thing in this generation."""
    raise InputError(missing("cluster-robust standard errors (lm)"))


def fit_lm2(task: Task) -> dict[str, np.ndarray]:
    """There is no such thing in this generation."""
    raise InputError(missing("the two-stage analysis (lm2)"))


def missing(what: str) -> str:
    """Why a strategy cannot be had."""
    return f"pymer4 0.9 dropped {what}; python -m pip install pymer4==0.8.2 brings it back."


def _polars(frame: pd.DataFrame) -> pl.DataFrame:
    """Categories as text."""
    return pl.DataFrame({name: frame[name].astype(object).tolist() for name in frame.columns})
