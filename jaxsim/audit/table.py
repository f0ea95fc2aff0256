"""The audit as a table by cell, and in one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.audit.compare import Verdict

GAP = "lme4's gap"
# An audit that could not compare more than this share of its fits is not passed.
INCONCLUSIVE = 0.1
COLUMNS = {
    "criterion": "criterion",
    "estimate": "estimate",
    "std_error": "SE",
    "df": "df",
    "covariance": "variances",
    "sigma": "sigma",
}
LEGEND = (
    "Largest differences of a cell: the criterion, ours less lme4's (never above 1e-6, may be below); fixed effects in standard "
    "errors; SE, df and sigma relative; variance components of the scale of the data. lme4's gap: how far above its best lme4 as "
    "it comes stopped."
)


def by_cell(audited: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """One row a cell: its conditions, how many fits ended with each verdict that occurs, the largest differences.

    Args:
        audited: what :func:`jaxsim.audit.audit` returns.
        cells: the study's cells (:attr:`jaxsim.results.Results.cells`).
    """
    counts = pd.crosstab(audited["cell"], audited["verdict"])
    counts = counts.reindex(columns=[verdict.value for verdict in Verdict if verdict.value in counts])
    grouped = audited.groupby("cell")
    table = pd.DataFrame({"fits": grouped.size()}).join(counts)
    table[GAP] = grouped["gap"].max()
    for name, title in COLUMNS.items():
        table[title] = grouped[name].max()
    return cells.merge(table.reset_index(), on="cell", how="inner")


def in_words(audited: pd.DataFrame) -> str:
    """How many fits were compared, how many disagree, and whose fault it is."""
    n, bad = len(audited), int(audited["ours"].sum())
    counts = audited["verdict"].value_counts()
    listed = ", ".join(f"{counts[v.value]} {v.value}" for v in Verdict if v.value in counts)
    lacking = counts.get(Verdict.NO_LME4.value, 0)
    if bad == 0 and is_inconclusive(audited):
        return f"{n} fits again with lme4: {listed}. INCONCLUSIVE: lme4 had no answer for {lacking} of them."
    fault = "no disagreement is ours" if bad == 0 else f"{bad} DISAGREEMENT{'S' if bad > 1 else ''} OF OURS"
    gap = audited["gap"].max()
    short = f"; lme4 as it comes stopped up to {gap:.2g} deviance units above its best" if gap > 0 else ""
    return f"{n} fits again with lme4: {listed}; {fault}{short}."


def is_inconclusive(audited: pd.DataFrame) -> bool:
    """Whether lme4 had no answer for more than a tenth of the fits, so that agreement of the others says little."""
    return bool((audited["verdict"] == Verdict.NO_LME4.value).mean() > INCONCLUSIVE)


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table of :func:`by_cell` with every number as text."""

    def shown(value: object) -> str:
        """A cell as text."""
        if isinstance(value, float | np.floating):
            return "–" if np.isnan(value) else f"{value:.1e}" if value else "0"
        return str(value)

    texts = table.astype(object)
    for name in [*COLUMNS.values(), GAP]:
        texts[name] = [shown(float(value)) for value in table[name]]
    return texts.astype(str)
