"""What a worker is sent: one dataset, and what is to be fitted to it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, eq=False)
class Task:
    """A model of pymer4's or lme4's.

    Attributes:
        kind: ``lmer``, ``lm`` or ``lm2``.
        formula: R's, for ``lmer``; empty otherwise.
        frame: complete rows; numbers, booleans and unordered categories. For ``lm`` and ``lm2`` the columns ``y``, ``group`` and
            ``x0 .. xK``, the model matrix; ``terms`` are R's names of those.
        terms: see ``frame``; empty for ``lmer``.
    """

    kind: str
    formula: str
    frame: pd.DataFrame
    terms: tuple[str, ...]
    reml: bool
    df: str
    effort: str
    conf_level: float


@dataclass(frozen=True, eq=False)
class CodeTask:
    """An R function of a user's.

    Attributes:
        code: R code whose last value is the function.
        frame: as it gets them: numbers, booleans and categories, missing values included; None if the code is only to be read.
    """

    code: str
    frame: pd.DataFrame | None
