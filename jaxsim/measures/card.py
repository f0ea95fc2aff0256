"""The overview of a run as a notebook shows it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from jaxsim import markup
from jaxsim.errors import InputError
from jaxsim.measures.overview import Overview


def run_card(where: str, size: str, overview: Callable[[], Overview]) -> str:
    """Where results lie, how many there are to be, and their overview; or why there is none."""
    try:
        found = overview_card(overview())
    except InputError as error:  # nothing is finished yet, or a chunk cannot be read
        found = markup.line(str(error))
    return markup.card(markup.title("Results", where), markup.line(size), found)


def overview_card(overview: Overview) -> str:
    """What is unfinished, the tables with the line above each, and the notes."""
    tables = [table_card(table, above) for above, table in overview.tables]
    return markup.line(overview.unfinished) + "".join(tables) + markup.lines(overview.notes)


def table_card(table: pd.DataFrame, caption: str) -> str:
    """A table of text whose index has the labels of the lines."""
    flat = table.reset_index() if table.index.nlevels > 1 else table.rename_axis(index="").reset_index()
    rows = [[str(value) for value in row] for row in flat.itertuples(index=False)]
    return markup.table([str(name) for name in flat.columns], rows, table.index.nlevels, caption)
