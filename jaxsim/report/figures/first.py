"""The first datasets of each cell, for figures of single fits: enough to see their spread, few enough to hold in memory."""

from __future__ import annotations

import pandas as pd

from jaxsim import measures
from jaxsim.results import Results

MOST_FITS = 200_000  # that a figure of single fits shows


def first(results: Results, name: str, replicates: int) -> pd.DataFrame:
    """Rows of the table ``estimates`` or ``fits`` about the first ``replicates`` datasets of each cell."""
    return results.read(name, replicates=replicates)


def shown_replicates(results: Results) -> int:
    """How many datasets of each cell a figure of single fits shows."""
    study = results.study
    return max(1, min(study.replicates, MOST_FITS // (len(study.cells) * len(study.estimators))))


def post_table(results: Results) -> pd.DataFrame:
    """One row for each of those fits, with the columns of the 2019 study; see :func:`jaxsim.measures.seed_post`."""
    count = shown_replicates(results)
    constants = {k: v for k, v in results.study.process.values.items() if k not in results.factors}
    return measures.seed_post(first(results, "estimates", count), first(results, "fits", count), constants)
