"""The table of every cell, which readers narrow to what they want to see."""

from __future__ import annotations

from jaxsim.measures.overview import SHOWN, main_measures
from jaxsim.measures.prediction import PREDICTION
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.filters import MODEL, TERM, key_of, level_texts
from jaxsim.report.tables import Table, wide

MOST_ROWS = 2000  # of a table in a page: a browser sorts and narrows as many at once


def by_cell(numbers: Numbers) -> Table | None:
    """The main measures of each cell, strategy and coefficient; exchangeable coefficients are averaged where there would be more
    than ``MOST_ROWS`` rows. None with one cell, which other tables are about, or where there are still more rows."""
    results, families = numbers.results, numbers.families
    rows = len(results.cells) * len(numbers.models)
    if len(results.cells) == 1 or rows * len(families) > MOST_ROWS:
        return None
    terms = numbers.terms or results.study.terms
    apart = [TERM] if rows * len(terms) <= MOST_ROWS else []
    long = main_measures(
        results.performance, ["cell", *apart, MODEL], numbers.policy, terms=numbers.terms if apart else numbers.shown
    )
    apart = apart or [TERM] * (len(families) > 1)
    by = ["cell", *apart, MODEL]
    measured = set(long["measure"])
    names = [name for name in SHOWN if name not in PREDICTION or not apart]  # a prediction is of a fit, not of a coefficient
    shown = [name for name in (*names, *results.study.kit.own_names) if name in measured]
    texts = [level_texts(results, factor) for factor in results.factors]
    levels = {
        str(cell): [text[level] for text, level in zip(texts, row, strict=True)]
        for cell, *row in results.cells[["cell", *results.factors]].itertuples(index=False)
    }
    found = [[*levels[cell], *rest] for cell, *rest in wide(long, by, shown)]
    together = max(map(len, families)) > 1 and len(terms) * rows > MOST_ROWS
    caption = "Coefficients that are alike are averaged: each by itself would be too many rows." * together
    columns = [*results.factors, *(["coefficient"] if apart else []), "strategy"]
    keys = [*map(key_of, results.factors), *apart, MODEL]
    return Table(caption, [*columns, *(SHOWN.get(name, name) for name in shown), "estimates used"], found, len(columns), keys)
