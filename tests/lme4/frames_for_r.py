"""DataFrames as R reads them (``frames_for_r.R``): numbers with all their digits, factors with their levels."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas.api import types


def write_frames(folder: Path, frames: dict[str, pd.DataFrame]) -> None:
    """A CSV for each frame, and ``columns.csv``: what kind its columns are, a line for each level of a factor."""
    lines = []
    for name, frame in frames.items():
        frame.to_csv(folder / f"frame_{name}.csv", index=False, na_rep="")
        for column in frame:
            kind, levels = kind_of(frame[column])
            lines += [(name, column, kind, level) for level in levels]
    pd.DataFrame(lines, columns=["frame", "column", "kind", "level"]).to_csv(folder / "columns.csv", index=False)


def kind_of(series: pd.Series) -> tuple[str, list[str]]:
    """``number``, ``truth``, ``text``, ``factor`` or ``ordered``, and the levels of the last two."""
    if isinstance(series.dtype, pd.CategoricalDtype):
        return "ordered" if series.cat.ordered else "factor", [str(level) for level in series.cat.categories]
    known = series.dropna().infer_objects()
    if types.is_bool_dtype(known):
        return "truth", [""]
    return "number" if types.is_numeric_dtype(known) else "text", [""]
