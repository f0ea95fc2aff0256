"""Tables of the page as plain text, every number with its Monte Carlo standard error."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jaxsim import measures
from jaxsim.audit import table as audit_summary
from jaxsim.counts import counted, listed
from jaxsim.levels import in_a_row, shown
from jaxsim.measures.overview import RATES as OF_FITS
from jaxsim.measures.overview import SHOWN, differ_in_datasets, has_numbers, headline, in_words, main_measures, of_fits
from jaxsim.measures.prediction import PREDICTION
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.style import factor_label, level_label
from jaxsim.report.filters import LONGEST, MODEL, TERM, key_of, level_texts
from jaxsim.results import Results
from jaxsim.study import card
from jaxsim.study.outline import Outline
from jaxsim.study.study import Study

RATES = {"convergence": "converged", "singular": "singular", "failure": "failed", "success": "converged, not singular"}
COMPONENTS = {"bias": "bias", "rmse": "RMSE", "empirical_se": "empirical SE", "median_absolute_error": "median |error|"}
FEW = 4  # values of a field that follows from the factors
POLICY_TEXT = {
    "available": "every usable fit counts (“available”)",
    "listwise": "only datasets that every strategy fitted count (“listwise”)",
}


@dataclass(frozen=True)
class Table:
    """A heading, column names and rows of text; the first ``labels`` columns are names, the others numbers.

    ``keys`` say what the first columns can be narrowed to (see :mod:`jaxsim.report.filters`); an empty key for nothing.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1
    keys: Sequence[str] = ()


def facts(results: Results) -> list[tuple[str, str]]:
    """The size of the study."""
    study = results.study
    done, planned = results.progress
    datasets = f"{done:,}" if done == planned else f"{done:,} of {planned:,} planned: the run is not complete"
    return [
        ("cells", f"{len(study.cells):,}"),
        ("datasets per cell", f"{study.replicates:,}"),
        ("datasets", datasets),
        ("fits", f"{results.rates([])['n_used'].iloc[0]:,}"),
        ("seed", str(study.seed)),
        ("confidence level", f"{study.conf_level:g}"),
        ("level of tests", f"{study.kit.alpha:g}"),
    ]


def size(study: Outline) -> str:
    """Datasets and who fits them: ``4 cells × 300 datasets, each fitted by ols; the first 200 of each cell also by lmer.``"""
    datasets, found = study.replicates, dict[int, list[str]]()
    for strategy in study.estimators:
        found.setdefault(strategy.wanted(datasets), []).append(strategy.name)
    told: list[str] = []
    each = "each " if len(study.cells) * datasets > 1 else ""
    for count, names in sorted(found.items(), reverse=True):
        some = "the first" if count == 1 else f"the first {count:,}"
        which = f"{each}fitted" if count == datasets else f"{some} of each cell also" if told else f"{some} of each cell fitted"
        told.append(f"{which} by {listed(names)}")
    return f"{counted(len(study.cells), 'cell')} × {counted(datasets, 'dataset')}, {'; '.join(told)}."


def factors(results: Results) -> list[tuple[str, str]]:
    """Each factor of the grid with its levels."""
    return [
        (
            f"{factor_label(name)} ({name})" if factor_label(name) != name else name,
            in_a_row([level_label(shown(level), LONGEST) for level in levels]),
        )
        for name, levels in results.study.grid.factors
    ]


def process(study: Study) -> list[tuple[str, str]]:
    """The data-generating process: its kind, and its fields that say something and that no factor sets, each once.

    A field that is made of parts by dotted names is told by those; nothing is said of what there is none of, or no dataset depends
    on. Of one that follows from the factors, its values.
    """
    kind = f"{study.process.kind}: {study.process.about}" if study.process.about else study.process.kind
    facts = [("process", kind)]
    known = study.process.values
    for field in (name for name in known if name not in study.grid.names and not any(n.startswith(f"{name}.") for n in known)):
        if field in study.process.idle and all(field in cell.process.idle for cell in study.cells):
            continue
        found = {repr(value): value for value in (cell.process.values[field] for cell in study.cells)}
        if all(value is None or (isinstance(value, Sized) and not len(value)) for value in found.values()):
            continue
        values = [value if value is None else shown(value) for value in found.values()]
        ends = values if len(values) <= FEW else [*values[:2], "…", values[-1]]
        facts.append((field, " | ".join(map(_value, ends)) + (f" ({len(values)} values, by cell)" if len(values) > 1 else "")))
    return facts


def strategies(study: Outline) -> Table:
    """Label, kind and options of each strategy."""
    return Table("", card.STRATEGIES, card.strategies(study), 4, [MODEL])


def headlines(numbers: Numbers) -> list[Table]:
    """Main measures of each strategy and coefficient (exchangeable ones together) over all cells; under both policies where
    averages are of different datasets, if the other has a number. Predictions, which are of whole fits, in a table of their own
    where there are several coefficients."""
    results = numbers.results
    both = differ_in_datasets(results.performance, numbers.shown)
    chosen = [numbers.policy, *(p for p in measures.POLICIES if p != numbers.policy)] if both else [numbers.policy]
    found = []
    for policy in chosen:
        table = headline(results.performance, policy, terms=numbers.in_order)
        if policy != numbers.policy and not has_numbers(table):
            continue
        if len(numbers.families) > 1:  # no room on a desk: it is in the table of each coefficient
            table = table.drop(columns=SHOWN["model_se_error"], errors="ignore")
        found.append(_of_lines(table, POLICY_TEXT[policy] if both else ""))
    if len(numbers.families) > 1:
        whole = of_fits(results.performance, terms=numbers.in_order)
        whole = whole[whole.index.isin(numbers.models)]
        found += [_of_lines(whole, "Predictions, and fits")] if len(whole.columns) > len(OF_FITS) else []
    return found


def _of_lines(table: pd.DataFrame, caption: str) -> Table:
    """A table of :func:`jaxsim.measures.overview.headline`, whose index may have coefficients, or sets of them, too."""
    texts = table.reset_index()
    rows = [[str(value) for value in row] for row in texts.itertuples(index=False)]
    each = TERM in texts and not texts[TERM].str.contains(", ").any()
    names = {TERM: ("coefficient", TERM if each else ""), "model": ("strategy", MODEL)}
    labels = [names[str(name)] for name in table.index.names]
    return Table(caption, [*(name for name, _ in labels), *map(str, table.columns)], rows, len(labels), [key for _, key in labels])


def by_term(numbers: Numbers) -> Table:
    """The same for each coefficient."""
    results = numbers.results
    long = main_measures(results.performance, ["term", "model"], numbers.policy, terms=numbers.terms)
    measured = set(long["measure"])
    of_terms = [name for name in SHOWN if name not in PREDICTION]  # a prediction is of a fit, not of a coefficient
    shown = [name for name in (*of_terms, *results.study.kit.own_names) if name in measured]
    rows = wide(long, ["term", "model"], shown)
    order = {term: i for i, term in enumerate(numbers.terms or results.study.terms)}
    rows.sort(key=lambda row: order.get(row[0], len(order)))
    columns = ["coefficient", "strategy", *(SHOWN.get(name, name) for name in shown), "estimates used"]
    return Table("", columns, rows, 2, [TERM, MODEL])


def variance_components(numbers: Numbers) -> Table | None:
    """How well standard deviations, correlations and the residual SD were estimated; None where their true values are not told."""
    results = numbers.results
    if not results.components_told:
        return None
    long = results.components(["term", "model"], policy=numbers.policy, measures=list(COMPONENTS))
    rows = wide(long, ["term", "model"], list(COMPONENTS))
    return Table("", ["component", "strategy", *COMPONENTS.values(), "estimates used"], rows, 2, ["", MODEL])


def rates(numbers: Numbers) -> Table:
    """How often fits of each strategy converged, were singular (mixed models only) or failed."""
    mixed = numbers.results.study.mixed
    long = numbers.only(numbers.results.rates(["model"]))
    rows = wide(long[(long["measure"] != "singular") | long["model"].isin(mixed)], ["model"], list(RATES))
    return Table("", ["strategy", *RATES.values(), "fits"], rows, 1, [MODEL])


def reasons(numbers: Numbers) -> Table | None:
    """Fits that did not simply converge, by status; None if there are none."""
    table = numbers.only(numbers.results.reasons(["model"]))
    table = table[table["status"].astype(str) != "ok"]
    if table.empty:
        return None
    rows = [(str(r.model), str(r.status), f"{r.n:,}", str(r.message)) for r in table.itertuples()]
    return Table("", ("strategy", "status", "fits", "meaning"), rows, 4, [MODEL])


def audit(results: Results) -> Table | None:
    """What the last audit by lme4 found, by cell; None if there was none."""
    found = results.audit
    if found is None:
        return None
    by_cell = audit_summary.by_cell(found, results.cells)
    texts = audit_summary.as_text(by_cell)
    for factor in results.factors:
        texts[factor] = by_cell[factor].map(level_texts(results, factor))
    rows = [list(map(str, row)) for row in texts.to_numpy()]
    keys = ["", *map(key_of, results.factors)]
    return Table(audit_summary.in_words(found), [str(name) for name in texts.columns], rows, len(keys), keys)


def audit_note(results: Results) -> str:
    """When, with what and on which sample the audit was made; empty if there was none."""
    found = results.audit
    if found is None:
        return ""
    about = found.attrs["about"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    sample = f"{counted(about['per_cell'], 'fit')} of each mixed model from each cell, drawn with seed {about['seed']}"
    sample += f" on {about['date']}"
    return f"{sample}. {versions}."


def provenance(results: Results) -> list[list[tuple[str, str]]]:
    """One list of facts per session that computed results, oldest first."""
    records = [{**record, **({"until": record["until"]["rule"]} if "until" in record else {})} for record in results.provenance]  # type: ignore[index]
    return [[(str(name), _value(value)) for name, value in record.items()] for record in records]


def stopping(results: Results) -> Table | None:
    """Where the study's rule stopped each cell, and the Monte Carlo errors that it was judged by; None without a rule."""
    found = results.reached
    if found is None or results.study.until is None:
        return None
    names = [name for name, _ in results.study.until.targets]
    texts = {factor: level_texts(results, factor) for factor in results.factors}
    rows = [
        (
            *(texts[factor][row[factor]] for factor in results.factors),
            f"{row['replicates']:,}",
            *(f"{row[name]:.2g}" if name in row else "–" for name in names),
        )
        for row in found.to_dict("records")
    ]
    columns = [*results.factors, "replicates", *(f"error of {name}" for name in names)]
    most = f"at most {counted(results.study.replicates, 'replicate')}"
    caption = f"{results.study.until.in_words()}; {most}."
    return Table(caption, columns, rows, len(results.factors), [*map(key_of, results.factors)])


def wide(long: pd.DataFrame, by: Sequence[str], shown: Sequence[str]) -> list[list[str]]:
    """One row per group in order of appearance: its names, a text per measure, and how many rows were counted."""
    found: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
    for line in long.to_dict("records"):
        _, texts = found.setdefault(tuple(str(line[name]) for name in by), (int(line["n_used"]), {}))
        texts[line["measure"]] = in_words(line)
    return [[*key, *(texts.get(name, "–") for name in shown), f"{count:,}"] for key, (count, texts) in found.items()]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(v)}" for name, v in value.items())
    return level_label(value) if isinstance(value, float) else str(value)
