"""The summary a person reads first: a line for each strategy and coefficient (exchangeable ones together), averaged over the grid,
every number with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim.counts import counted
from jaxsim.measures.absence import check_absences
from jaxsim.measures.apart import TERM, averaged_terms, families_of, measures_apart, measures_of_fits
from jaxsim.measures.asked import measure_of
from jaxsim.measures.averaged import what_of
from jaxsim.measures.catalogue import CATALOGUE, OF_SCORES, REJECTIONS
from jaxsim.measures.prediction import PREDICTION
from jaxsim.measures.rates import EVENTS
from jaxsim.measures.stream import Performance

SHOWN = {
    "coverage": "coverage",
    "type_one_error": "type I error",
    "power": "power",
    "bias": "bias",
    "rmse": "RMSE",
    "model_se_error": "model SE error %",
    "median_absolute_error": "median |error|",
    "group_rmse": "group RMSE",
    "group_shrinkage": "shrinkage",
    "prediction_rmse_known": "predict known",
    "prediction_rmse_new": "predict new",
    "prediction_coverage_known": "PI known",
    "prediction_coverage_new": "PI new",
}
LEFT_OUT = ("median_absolute_error",)  # of the first table, which is to be read at one sight
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
    """Measures, long; neither rejections of coefficients that are zero and of those that are not are pooled, nor coefficients that
    are not exchangeable: see :func:`jaxsim.measures.apart.measures_apart`.

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
    return measures_apart(performance, by, policy=policy, measures=measures, **options)


def headline(performance: Performance, policy: str = "available", by: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """Strategies as rows, measures as columns, text with Monte Carlo errors: averages of the measures of all cells. Coefficients
    that are not exchangeable have rows of their own, first by ``term``.

    Args:
        performance, policy: as for :func:`main_measures`.
        by: what lines are divided by beyond the model; there is a row for each combination. Of a coefficient there are no rates
            of fits and no predictions (see :func:`of_fits`); nor are there rates in a table of some datasets alone (``listwise``),
            since they are of all fits.
        options: ``measures``, ``terms`` (those that compare strategies when None) and ``alpha``, as there.
    """
    several = len(families_of(performance, by, options.get("terms"))) > 1
    measured, asked = main_measures(performance, ["model", *by], policy, **options), options.get("measures")
    lines = [*([TERM] if several else []), "model", *by]
    there = set(measured["measure"])
    usual = [name for name in SHOWN if name not in LEFT_OUT and not (several and name in PREDICTION)]
    own = [name for name in measured["measure"] if name not in SHOWN]
    names = list(dict.fromkeys(name for name in (asked or (*usual, *own)) if name in there))
    found = _texts(measured, lines)
    if not several and TERM not in by and policy == "available":
        rated = _rates(performance, lines, asked)
        for key, texts in _texts(rated, lines).items():
            found.get(key, {}).update(texts)
        names += [name for name in RATES if any(name in texts for texts in found.values())]
    return _as_table(found, lines, names)


def of_fits(performance: Performance, by: Sequence[str] = (), **options: Any) -> pd.DataFrame:
    """The table of what is of whole fits and not of a coefficient, where :func:`headline` has rows for these: predictions, and
    rates of singular and failed fits. The arguments are its."""
    lines, asked = ["model", *by], options.get("measures")
    known = [name for name in SHOWN if name in PREDICTION and name in performance.kit.measures and name in (asked or SHOWN)]
    found = _texts(_rates(performance, lines, asked), lines)
    if known:
        families = families_of(performance, by, options.get("terms"))
        for key, texts in _texts(measures_of_fits(performance, lines, known, families), lines).items():
            found.setdefault(key, {}).update(texts)
    names = [name for name in (*known, *RATES) if any(name in texts for texts in found.values())]
    return _as_table(found, lines, names)


def _rates(performance: Performance, lines: Sequence[str], asked: Sequence[str] | None) -> pd.DataFrame:
    """How many fits of mixed models were singular, and how many of all failed; where measures are asked for, failures alone, if
    there are any."""
    found = performance.rates(lines)
    found = found[found["measure"].isin(list(RATES))]
    if asked is None:
        return found[(found["measure"] != "singular") | found["model"].isin(performance.mixed)]
    found = found[found["measure"] == "failure"]
    return found if (found["value"] > 0).any() else found.iloc[:0]


def _texts(long: pd.DataFrame, lines: Sequence[str]) -> dict[tuple[Any, ...], dict[str, str]]:
    """Texts by line and measure."""
    found: dict[tuple[Any, ...], dict[str, str]] = {}
    for row in long.to_dict("records"):
        found.setdefault(tuple(row[name] for name in lines), {})[row["measure"]] = in_words(row)
    return found


def _as_table(found: Mapping[tuple[Any, ...], Mapping[str, str]], lines: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    several = len(lines) > 1
    index = pd.MultiIndex.from_tuples(list(found), names=list(lines)) if several else pd.Index([k for (k,) in found], name=lines[0])
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
        terms: coefficients that count; those of :attr:`jaxsim.measures.stream.Performance.compared` when None. Those that are not
            exchangeable have rows of their own.
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
    if len(families_of(performance, by, terms)) > 1:
        whole = of_fits(performance, by, terms=terms, measures=measures)
        tables += [("Of whole fits", whole)] if len(whole.columns) else []
    if differ_in_datasets(performance, terms):
        same = headline(performance, "listwise", **options)
        if has_numbers(same):
            tables.append(("The same, only for datasets that every strategy fitted (listwise)", same))
        else:
            notes = (NONE_TOGETHER, *notes)
    return Overview(unfinished, tuple(tables), (*lacking, *notes))


def _named(table: pd.DataFrame, measures: Sequence[str] | None) -> list[str]:
    """Those of some measures that a table of :func:`headline` has."""
    return [name for name in measures or () if SHOWN.get(name, name) in table.columns]


def differ_in_datasets(performance: Performance, terms: Sequence[str] | None = None) -> bool:
    """Whether averages of strategies are of different datasets: some fits failed, or some strategies fitted the first alone. Of
    those that estimate any of some coefficients, all when None."""
    rated = performance.rates(["model"]).query("measure == 'failure'")
    if terms is not None:
        rated = rated[rated["model"].astype(str).isin(performance.estimating(terms))]
    return bool(rated["n_failed"].any() or rated["n_used"].nunique() > 1)


def has_numbers(table: pd.DataFrame) -> bool:
    """Whether a table of :func:`headline` has any."""
    return bool((table != NO_NUMBER).to_numpy().any())


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
