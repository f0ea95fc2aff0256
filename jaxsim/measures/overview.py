"""The summary a person reads first: one line a strategy, averaged over the grid, every number with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim.counts import counted
from jaxsim.data.names import INTERCEPTS
from jaxsim.measures.absence import check_absences
from jaxsim.measures.asked import measure_of
from jaxsim.measures.catalogue import CATALOGUE, OF_SCORES, REJECTIONS
from jaxsim.measures.rates import EVENTS
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
    "prediction_rmse_known": "predict known",
    "prediction_rmse_new": "predict new",
    "prediction_coverage_known": "PI known",
    "prediction_coverage_new": "PI new",
}
RATES = {"singular": "singular", "failure": "failed"}
PROPORTIONS = frozenset({*EVENTS, *REJECTIONS, *(name for name, measure in CATALOGUE.items() if measure.is_rate)})
# A Monte Carlo error is shown to one digit (two if the first is a 1), and its value to as many decimals.
LARGEST_DECIMALS = 5
NO_NUMBER = "–"
NONE_TOGETHER = "No dataset was fitted by every strategy: there is no table of those alone (listwise)."


def with_error(value: float, mcse: float) -> str:
    """``0.948 ± 0.003``: rounded where the Monte Carlo error begins; an en dash where there is no number."""
    if not math.isfinite(value):
        return NO_NUMBER
    if not math.isfinite(mcse):
        return f"{value:.3g}"
    if mcse == 0:
        return f"{value:.3f} ± 0"
    exponent = math.floor(math.log10(mcse))
    two_digits = mcse / 10**exponent < 1.95
    decimals = min(max(0, two_digits - exponent), LARGEST_DECIMALS)
    text = f"{value:.{decimals}f}"
    return f"{text if float(text) else text.lstrip('-')} ± {mcse:.{decimals}f}"


def rate_with_error(value: float, mcse: float, low: float, high: float) -> str:
    """As :func:`with_error`; a rate of 0 or 1, whose Monte Carlo error is 0, shows its Wilson limit instead."""
    if value == 0:
        return f"0 (≤ {high:.2g})"
    if value == 1:
        return f"1 (≥ {low:.4g})"
    return with_error(value, mcse)


def main_measures(
    performance: Performance, by: Sequence[str], policy: str = "available", measures: Sequence[str] | None = None, **options: Any
) -> pd.DataFrame:
    """Measures, long; rejections of coefficients that are zero and of those that are not are never pooled.

    Args:
        performance: of a run.
        by: columns that define the lines.
        policy: which fits count where some have failed.
        measures: their names; those of ``SHOWN`` that the results have, and the study's own, when None.
        options: ``terms`` and ``alpha``, as for :meth:`jaxsim.measures.stream.Performance.measures`.
    """
    known = performance.kit.measures
    if measures is None:
        shown = [name for name in SHOWN if measure_of(name) in known]
        measures = [*shown, *(name for name in known if name not in (*CATALOGUE, *OF_SCORES) and name not in shown)]
    return performance.measures(by, policy=policy, measures=measures, **options)


def headline(performance: Performance, policy: str = "available", by: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """Strategies as rows, measures as columns, text with Monte Carlo errors: averages of the measures of all cells and terms.

    Args:
        performance, policy: as for :func:`main_measures`.
        by: what lines are divided by beyond the model; there is a row for each combination. Of a coefficient there are no rates
            of fits; nor are there in a table of some datasets alone (``listwise``), since rates are of all fits.
        options: ``measures``, ``terms`` and ``alpha``, as there.
    """
    lines = ["model", *by]
    measured = main_measures(performance, lines, policy, **options)
    order = [name for name in SHOWN if name in set(measured["measure"])] if options.get("measures") is None else []
    names = [*dict.fromkeys((*order, *measured["measure"]))]
    found: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in measured.to_dict("records"):
        found.setdefault(tuple(row[name] for name in lines), {})[row["measure"]] = in_words(row)
    if "term" not in by and policy == "available":
        rated = performance.rates(lines)
        rated = rated[(rated["measure"] != "singular") | rated["model"].isin(performance.mixed)]
        for row in rated[rated["measure"].isin(list(RATES))].to_dict("records"):
            found.get(tuple(row[name] for name in lines), {})[row["measure"]] = in_words(row)
        names += [name for name in RATES if any(name in texts for texts in found.values())]
    index = pd.MultiIndex.from_tuples(list(found), names=lines) if by else pd.Index([model for (model,) in found], name="model")
    cells = [[texts.get(name, NO_NUMBER) for name in names] for texts in found.values()]
    return pd.DataFrame(cells, index, [(SHOWN | RATES).get(name, name) for name in names], dtype=object)


@dataclass(frozen=True)
class Overview:
    """What a person reads first of a run: ``unfinished`` (empty if all is there), tables with a line above each, and notes."""

    unfinished: str
    tables: tuple[tuple[str, pd.DataFrame], ...]
    notes: tuple[str, ...]


def overview(performance: Performance, planned: int | None = None, notes: Sequence[str] = (), **options: Any) -> str:
    """:func:`overviewed` as text for a terminal; the arguments are its."""
    found = overviewed(performance, planned, notes, **options)
    parts = [found.unfinished] if found.unfinished else []
    for above, table in found.tables:
        parts += [f"{above}:", _text(table)]
    return "\n\n".join([*parts, *found.notes])


def overviewed(
    performance: Performance,
    planned: int | None = None,
    notes: Sequence[str] = (),
    *,
    by: Sequence[str] | None = None,
    terms: Sequence[str] | None = None,
    alpha: float | None = None,
    measures: Sequence[str] | None = None,
) -> Overview:
    """The headline, under both policies if some fits failed.

    Args:
        performance: of a run (see :attr:`jaxsim.results.Results.performance`).
        planned: datasets of the whole study; fewer in the tables, and the text says first that the run is unfinished.
        notes: what a reader must know about these numbers, printed below them.
        by: what lines are divided by beyond the model, such as ``["n_groups"]``: a row for each combination.
        terms: coefficients that are averaged; those of :attr:`jaxsim.measures.stream.Performance.compared` when None.
        alpha, measures: as for :meth:`jaxsim.measures.stream.Performance.measures`; some measures when None.

    Raises:
        InputError: as there; and where no coefficient has any of the measures.
    """
    by = tuple(name for name in performance.named_in_full(by or ()) if name != "model")
    asked, terms = terms, averaged_terms(performance, by, terms)
    options: dict[str, Any] = {"by": by, "terms": terms, "alpha": alpha, "measures": measures}
    tables = [(f"{what_of(performance, by, asked)} ({_how(performance, alpha)})", headline(performance, **options))]
    lacking = check_absences(measures, _named(tables[0][1], measures), terms or performance.present)
    datasets, unfinished = performance.counts[2], ""
    if planned is not None and datasets < planned:
        unfinished = (
            f"UNFINISHED: {datasets:,} of {counted(planned, 'dataset')}. What follows averages over those alone; "
            "the command that began the run completes it."
        )
    rated = performance.rates(["model"]).query("measure == 'failure'")
    if rated["n_failed"].any() or rated["n_used"].nunique() > 1:
        same = headline(performance, "listwise", **options)
        if has_numbers(same):
            tables.append(("The same, only for datasets that every strategy fitted (listwise)", same))
        else:
            notes = (NONE_TOGETHER, *notes)
    return Overview(unfinished, tuple(tables), (*lacking, *notes))


def _named(table: pd.DataFrame, measures: Sequence[str] | None) -> list[str]:
    """Those of some measures that a table of :func:`headline` has."""
    return [name for name in measures or () if SHOWN.get(name, name) in table.columns]


def has_numbers(table: pd.DataFrame) -> bool:
    """Whether a table of :func:`headline` has any."""
    return bool((table != NO_NUMBER).to_numpy().any())


def averaged_terms(performance: Performance, by: Sequence[str], terms: Sequence[str] | None) -> tuple[str, ...] | None:
    """The coefficients that lines are averages of: those that were asked for, or else those that compare strategies; None where
    each has a line of its own, and of results without estimates."""
    if terms is not None:
        return tuple(dict.fromkeys(terms))
    return None if "term" in by else performance.compared or None


def what_of(performance: Performance, by: Sequence[str], terms: Sequence[str] | None) -> str:
    """What the numbers average over; the arguments are those of :func:`averaged_terms`."""
    cells, _, datasets = performance.counts
    present = averaged_terms(performance, by, terms) or performance.present
    start = f"By {' and '.join(by)}, averages of" if by else "Averaged over" if cells > 1 or len(present) > 1 else "Of"
    several = f"{counted(len(present), 'coefficient')}{_which(performance, by, terms, present)}"
    one = f"the coefficient {present[0]}{_only(performance, terms, present)}" if len(present) == 1 else several
    averaged = f"{counted(cells, 'cell')} and {one}"
    return f"{start} {averaged}, {counted(datasets, 'dataset')}"


def _only(performance: Performance, terms: Sequence[str] | None, present: Sequence[str]) -> str:
    """Why there is one coefficient, where there are others besides the intercept."""
    others = set(performance.present) - {*present, *INTERCEPTS}
    return ", the only one that every strategy has" if terms is None and others else ""


def _which(performance: Performance, by: Sequence[str], terms: Sequence[str] | None, present: Sequence[str]) -> str:
    """Which coefficients these are, where it is not all that there are."""
    if terms is not None:
        pooled = len(present) > 1 and "term" not in by and set(INTERCEPTS) & set(present)
        return f" ({', '.join(present)}){', the intercept among them' if pooled else ''}"
    left_out = set(performance.present) - set(present)
    if left_out - set(INTERCEPTS):
        return f" that every strategy has ({', '.join(present)})"
    return ", without the intercept" if left_out else ""


def _how(performance: Performance, alpha: float | None) -> str:
    """What the numbers depend on."""
    kit, error = performance.kit, "± Monte Carlo standard error"
    if not kit.has_inference:
        return error
    return f"{error}; {100 * kit.conf_level:g}% intervals, tests at alpha = {kit.level(alpha):g}"


def in_words(row: Mapping[Hashable, Any]) -> str:
    """A line of a table of measures (``measure, value, mcse, low, high``) as text."""
    if row["measure"] in PROPORTIONS:
        return rate_with_error(row["value"], row["mcse"], row["low"], row["high"])
    return with_error(row["value"], row["mcse"])


def _text(table: pd.DataFrame) -> str:
    if table.index.nlevels > 1:
        return table.reset_index().to_string(justify="right", index=False)
    return table.rename_axis(index=None).to_string(justify="right")
