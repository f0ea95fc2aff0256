"""The summary a person reads first: one line a strategy, averaged over the grid, every number with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from jaxsim.measures.catalogue import GROUPS
from jaxsim.measures.stream import Performance

SHOWN = {
    "bias": "bias",
    "rmse": "RMSE",
    "median_absolute_error": "median |error|",
    "model_se_error": "model SE error %",
    "coverage": "coverage",
    "power": "power",
    "type_one_error": "type I error",
    "group_rmse": "group RMSE",
    "group_shrinkage": "shrinkage",
}
RATES = {"singular": "singular", "failure": "failed"}
PROPORTIONS = frozenset({*RATES, "convergence", "success", "coverage", "power", "type_one_error"})
# A Monte Carlo error is shown to one digit (two if the first is a 1), and its value to as many decimals.
LARGEST_DECIMALS = 5


def with_error(value: float, mcse: float) -> str:
    """``0.948 ± 0.003``: rounded where the Monte Carlo error begins; an en dash where there is no number."""
    if not math.isfinite(value):
        return "–"
    if not math.isfinite(mcse):
        return f"{value:.3g}"
    if mcse == 0:
        return f"{value:.3f} ± 0"
    exponent = math.floor(math.log10(mcse))
    two_digits = mcse / 10**exponent < 1.95
    decimals = min(max(0, two_digits - exponent), LARGEST_DECIMALS)
    return f"{value:.{decimals}f} ± {mcse:.{decimals}f}"


def rate_with_error(value: float, mcse: float, low: float, high: float) -> str:
    """As :func:`with_error`; a rate of 0 or 1, whose Monte Carlo error is 0, shows its Wilson limit instead."""
    if value == 0:
        return f"0 (≤ {high:.2g})"
    if value == 1:
        return f"1 (≥ {low:.4g})"
    return with_error(value, mcse)


def main_measures(performance: Performance, by: Sequence[str], policy: str = "available") -> pd.DataFrame:
    """The measures of ``SHOWN``, long. Rejections of coefficients that are zero and of those that are not are never pooled.

    As :func:`jaxsim.measures.summarise`, with measures named ``power`` and ``type_one_error``, each where it exists.
    """
    left_out = ("power", "type_one_error") if performance.groups else ("power", "type_one_error", *GROUPS)
    common = [name for name in SHOWN if name not in left_out]
    parts = [performance.measures(by, policy=policy, measures=common)]
    for name, truth in (("power", "nonzero"), ("type_one_error", "zero")):
        found = performance.measures(by, policy=policy, measures=["rejection"], truth=truth)
        if len(found):
            parts.append(found.assign(measure=name))
    return pd.concat(parts, ignore_index=True)


def headline(performance: Performance, policy: str = "available") -> pd.DataFrame:
    """Strategies as rows, measures as columns, text with Monte Carlo errors: averages of the measures of all cells and terms."""
    measured = main_measures(performance, ["model"], policy)
    rated = performance.rates(["model"])
    rated = rated[(rated["measure"] != "singular") | rated["model"].isin(performance.mixed)]
    rated = rated[rated["measure"].isin(list(RATES))]
    long = pd.concat([measured, rated], ignore_index=True)
    long["shown"] = [in_words(row) for row in long.to_dict("records")]
    wide = long.pivot(index="model", columns="measure", values="shown")
    names = SHOWN | RATES
    wide = wide.reindex(columns=[name for name in names if name in wide], index=measured["model"].drop_duplicates())
    return wide.astype(object).fillna("–").rename(columns=names)


def overview(performance: Performance, planned: int | None = None, notes: Sequence[str] = ()) -> str:
    """The headline as text for a terminal; under both policies if some fits failed.

    Args:
        performance: of a run (see :attr:`jaxsim.store.results.Results.performance`).
        planned: datasets of the whole study; fewer in the tables, and the text says first that the run is unfinished.
        notes: what a reader must know about these numbers, printed below them.
    """
    cells, terms, datasets = performance.counts
    lines = []
    if planned is not None and datasets < planned:
        lines += [
            f"UNFINISHED: {datasets:,} of {_count(planned, 'dataset')}. What follows averages over those alone; "
            "the command that began the run completes it.",
            "",
        ]
    lines += [
        f"Averaged over {_count(cells, 'cell')} and {_count(terms, 'coefficient')}, {_count(datasets, 'dataset')} "
        "(± Monte Carlo standard error):",
        "",
        _text(headline(performance)),
    ]
    rated = performance.rates(["model"]).query("measure == 'failure'")
    if rated["n_failed"].any() or rated["n_used"].nunique() > 1:
        lines += ["", "The same, only for datasets that every strategy could fit (listwise):", ""]
        lines += [_text(headline(performance, "listwise"))]
    for note in notes:
        lines += ["", note]
    return "\n".join(lines)


def in_words(row: Mapping[Hashable, Any]) -> str:
    """A line of a table of measures (``measure, value, mcse, low, high``) as text."""
    if row["measure"] in PROPORTIONS:
        return rate_with_error(row["value"], row["mcse"], row["low"], row["high"])
    return with_error(row["value"], row["mcse"])


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _text(table: pd.DataFrame) -> str:
    table = table.rename_axis(index=None, columns=None)
    return table.to_string(justify="right")
