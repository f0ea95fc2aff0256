"""What is asked for: one dataset, one model. Checked before any worker sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.formula.columns import as_column, collect, level_name, require, sorted_codes
from jaxsim.formula.expression import response
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.formula.parse import parse
from jaxsim.r.task import Task

KINDS = ("lmer", "lm", "lm2")
DF_METHODS = ("satterthwaite", "kenward-roger")
EFFORTS = ("default", "tight", "best")

_NAME = re.compile(r"`([^`]+)`|((?:[^\W\d]|\.(?!\d))[\w.]*)")


@dataclass(frozen=True, eq=False)
class Request:
    """One dataset and the model to be fitted to it.

    Attributes:
        formula: R's; for ``lm`` and ``lm2`` without random effects, in the language of :func:`jaxsim.lm`.
        data: a row per observation. Text and categories get treatment coding, in the order of levels that :func:`jaxsim.lmer` has.
        kind: ``lmer``, a mixed model; ``lm``, least squares with pymer4 0.8's cluster-robust errors; ``lm2``, its two stages.
        reml: ``lmer``: REML if true, else maximum likelihood.
        df: ``lmer``: ``satterthwaite`` (lmerTest) or ``kenward-roger`` (pbkrtest; REML only).
        effort: ``lmer``: ``default``, lme4 as pymer4 runs it; ``tight``, two optimisers at tight tolerances and Newton steps at the
            end; ``best``, the same from several starts. The latter two call lme4 themselves: pymer4 cannot.
        group: ``lm``, ``lm2``: column of the clusters or groups.
        conf_level: of the confidence limits.
    """

    formula: str
    data: pd.DataFrame
    kind: str = "lmer"
    reml: bool = True
    df: str = "satterthwaite"
    effort: str = "default"
    group: str = "Group"
    conf_level: float = 0.95

    def __post_init__(self) -> None:
        if not isinstance(self.formula, str) or "~" not in self.formula:
            raise InputError(f"formula={self.formula!r} must be text such as 'y ~ x + (x | g)'.")
        require(self.data, [])
        choose("kind", self.kind, KINDS)
        choose("df", self.df, DF_METHODS)
        choose("effort", self.effort, EFFORTS)
        if not isinstance(self.reml, (bool, np.bool_)):
            raise InputError(f"reml={self.reml!r} must be True (REML) or False (maximum likelihood).")
        if self.df == "kenward-roger" and not self.reml:
            raise InputError("df='kenward-roger' corrects REML fits; with reml=False use df='satterthwaite'.")
        if isinstance(self.conf_level, bool) or not isinstance(self.conf_level, (int, float)) or not 0 < self.conf_level < 1:
            raise InputError(f"conf_level={self.conf_level!r} must be a number between 0 and 1, such as 0.95.")


def encode(request: Request) -> Task:
    """The request as a worker needs it; :class:`InputError` for what could never be fitted."""
    frame, formula, terms = _mixed(request) if request.kind == "lmer" else _regression(request)
    return Task(request.kind, formula, frame, terms, bool(request.reml), request.df, request.effort, float(request.conf_level))


def _mixed(request: Request) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """The columns that the formula may name, on complete rows. R reads the formula: lme4 knows more of them than jaxsim does."""
    words = {quoted or plain for quoted, plain in _NAME.findall(request.formula)}
    names = [name for name in request.data.columns if name in words]
    blank = [name for name in names if " " in name]
    if blank:
        raise InputError(f"pymer4 removes blanks from formulas and so cannot find the column {blank[0]!r}; rename it.")
    if not names:
        raise InputError(f"the formula {request.formula!r} names no column of the data; they have {list(request.data.columns)}.")
    require(request.data, names)
    kept = request.data.loc[:, names]
    kept = kept.loc[~kept.isna().any(axis=1)].reset_index(drop=True).infer_objects()
    return pd.DataFrame({name: coded(kept[name]) for name in names}), request.formula, ()


def _regression(request: Request) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Response, model matrix and groups: pymer4 0.8 would have patsy read the formula, with other names and other coding."""
    formula = parse(request.formula)
    if formula.random:
        raise InputError(f"the formula {request.formula!r} has random effects; use kind='lmer', or leave them out.")
    require(request.data, [request.group], f"group={request.group!r} names the column of the groups, so there must be")
    rows = collect(request.data, tuple(dict.fromkeys((*formula.names, request.group))), request.formula).frame
    matrix = model_matrix(formula.fixed, rows)
    if not matrix.names:
        raise InputError(f"the formula {request.formula!r} has no coefficients; write 'y ~ 1' for an intercept.")
    columns = {f"x{i}": matrix.values[:, i] for i in range(len(matrix.names))}
    frame = pd.DataFrame({"y": response(formula.response, rows), "group": groups(rows[request.group]), **columns})
    return frame, "", matrix.names


def coded(series: pd.Series) -> pd.Series:
    """A complete column as R should see it: numbers, booleans, or a factor with its levels in jaxsim's order."""
    column = as_column(series, str(series.name))
    if column.logical:
        return pd.Series(column.values.astype(bool))
    return pd.Series(column.values) if column.levels is None else groups(series)


def groups(series: pd.Series) -> pd.Series:
    """A complete column as categories named by text, without order and without levels that do not occur."""
    codes, labels = sorted_codes(series)
    return pd.Series(pd.Categorical.from_codes(codes.tolist(), pd.Index([level_name(label) for label in labels])))
