"""Error of each strategy less the reference's, on the same datasets."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.points import interval_figure


def draw(numbers: Numbers) -> Figure:
    """Paired difference of the root mean squared error; :class:`Absent` for a single strategy, or if all errors are identical."""
    if len(numbers.models) < 2:
        raise Absent(f"it compares strategies, and there is one, {numbers.models[0]!r}")
    reference, table = numbers.reference, numbers.paired("rmse")
    same = _identical(numbers, table)
    looks = {name: look for name, look in numbers.looks_of(table).items() if name not in (reference, *same)}
    if not looks:
        raise Absent(f"the errors of {', '.join(same)} are those of {reference} in every dataset: no difference is left to show")
    silent = [name for name in numbers.models if name not in (reference, *same, *looks)]
    alike = f" Identical to {reference} in every dataset: {', '.join(same)}." if same else ""
    alike += f" Without a number: {', '.join(silent)}." if silent else ""
    figure, _ = interval_figure(
        numbers,
        table,
        line=0.0,
        line_color=numbers.looks[reference].color,
        looks=looks,
        title=f"Error on the same datasets: RMSE less that of {reference}",
        y_label="difference of RMSE (units of the coefficient)",
        note=f"{numbers.note()} Above zero: larger errors than the reference's.{alike}",
        shared_y="none",
    )
    return figure


def _identical(numbers: Numbers, table: pd.DataFrame) -> list[str]:
    """Strategies that differ from the reference in no dataset of any line that has a number."""
    known = table[np.isfinite(table["value"].to_numpy(float))]
    zero = (known["value"] == 0) & (known["mcse"] == 0)
    by_model = zero.groupby(known["model"].astype(str)).all()
    return [name for name in numbers.models if by_model.get(name, False)]
