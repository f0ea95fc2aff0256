"""R inside a worker: the functions of describe.R, tight.R and code.R, data frames to R, lists back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rpy2.robjects as ro
from rpy2 import rinterface
from rpy2.robjects import pandas2ri
from rpy2.robjects.conversion import localconverter

PACKAGES = ("lme4", "lmerTest", "pbkrtest", "emmeans", "Matrix", "numDeriv")
_FOLDER = Path(__file__).parent


class R:
    """The R of this process, with the functions of describe.R, tight.R and code.R."""

    def __init__(self) -> None:
        self._home = ro.r("new.env()")
        for name in ("describe.R", "tight.R", "code.R"):
            ro.r["sys.source"](str(_FOLDER / name), self._home)

    def describe(self, fit: Any, df: str) -> dict[str, Any]:
        """Everything about a fitted mixed model, as describe.R lists it."""
        return to_python(self._home["describe"](fit, df))

    def fit_tight(self, formula: str, frame: pd.DataFrame, reml: bool, effort: str) -> Any:
        """The fit of tight.R."""
        return self._home["fit_tight"](formula, to_r(frame), reml, effort)

    def define(self, code: str) -> Any:
        """The function of a user's that R code gives."""
        return self._home["define"](code)

    def run(self, function: Any, frame: pd.DataFrame) -> dict[str, Any]:
        """What such a function finds, as code.R lists it."""
        return to_python(self._home["run"](function, to_r(frame)))


def versions() -> dict[str, str]:
    """Of R and of the packages that it has."""
    found = {"R": ".".join(ro.r("c(R.version$major, R.version$minor)"))}
    present = ro.r("function(p) if (requireNamespace(p, quietly = TRUE)) format(packageVersion(p)) else ''")
    for name in PACKAGES:
        version = str(present(name)[0])
        if version:
            found[name] = version
    return found


def to_r(frame: pd.DataFrame) -> Any:
    """A data frame; categories become factors."""
    with localconverter(ro.default_converter + pandas2ri.converter):
        return ro.conversion.get_conversion().py2rpy(frame)


def to_python(value: Any) -> Any:
    """Named lists as dicts, other lists as lists, text as lists, numbers as arrays (matrices as such), NULL as None."""
    if isinstance(value, rinterface.NULLType):
        return None
    if isinstance(value, rinterface.ListSexpVector):
        names: Any = value.names
        items = [to_python(item) for item in value]
        return items if isinstance(names, rinterface.NULLType) else dict(zip(map(str, names), items, strict=True))
    if isinstance(value, rinterface.StrSexpVector):
        return [str(text) for text in value]
    array = np.array(list(value), bool if isinstance(value, rinterface.BoolSexpVector) else float)
    shape = value.do_slot("dim") if "dim" in list(value.list_attrs()) else array.shape
    return array.reshape(tuple(shape), order="F")
