"""Differences between strategies on the same datasets: far sharper than the difference of two summaries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures.combine import by_line, lines_of, tabulate
from jaxsim.measures.differences import GROUP_RECIPE, RECIPE, pair_rows
from jaxsim.measures.measure import measure_all
from jaxsim.measures.policy import chosen_rows, is_counted, require
from jaxsim.measures.sample import GROUP_NUMBERS, NUMBERS, Array, Rows, estimate_rows, has_groups
from jaxsim.measures.summarise import STRATUM, check_options

COLUMNS = ("measure", "value", "mcse", "low", "high", "n_used", "n_failed", "policy")


def paired(
    estimates: pd.DataFrame,
    by: Sequence[str],
    reference: str,
    *,
    policy: str = "listwise",
    alpha: float = 0.05,
    terms: Sequence[str] | None = None,
    truth: str | None = None,
) -> pd.DataFrame:
    """Every strategy less the reference, on the datasets that both fitted.

    Args:
        estimates: long table of a run.
        by: columns that define the lines, without ``model``; a line that spans several cells or coefficients shows the average
            of their differences.
        reference: the label of the strategy that is subtracted.
        policy: ``listwise`` uses datasets that every strategy could fit, ``available`` those that the two compared could.
        alpha: level of the tests behind ``rejection``.
        terms, truth: rows that count, as in :func:`jaxsim.measures.summarise`.

    Returns:
        One row per model, line and measure: ``model, reference, *by, measure, value, mcse, low, high, n_used, n_failed, policy``;
        ``n_failed`` counts pairs left out. Measures are the names in ``jaxsim.measures.differences.CATALOGUE``
        (and ``group_rmse``, ``group_shrinkage`` of a table with coefficients of groups).

    Raises:
        InputError: for an unknown column, policy, reference, term or truth, ``model`` in ``by``, a level outside (0, 1), a table
            with one strategy only, or one that has some fit twice.
    """
    require(estimates, [*by, *NUMBERS, *STRATUM, "replicate", "status"], "estimates")
    check_options(alpha, None)
    models = [str(m) for m in pd.unique(estimates["model"].astype(str))]
    check_comparison(by, reference, models)
    if estimates.duplicated([*STRATUM, "replicate"]).any():
        raise InputError("the estimates table has some estimate twice; give each cell, replicate, model and term once.")
    table = estimates.assign(_counted=is_counted(estimates, policy))[chosen_rows(estimates, terms, truth)]
    base = table[table["model"] == reference]
    parts = [_compare(table[table["model"] == m], base, by, alpha).assign(model=m) for m in models if m != reference]
    columns = ["model", "reference", *by, *COLUMNS]
    return pd.concat(parts, ignore_index=True).assign(reference=reference, policy=policy)[columns]


def check_comparison(by: Sequence[str], reference: str, models: Sequence[str]) -> None:
    """Raise :class:`InputError` unless these lines of these models can be compared with the reference."""
    if "model" in by:
        raise InputError("by holds 'model', which a paired comparison crosses; leave it out.")
    choose("reference", reference, models)
    if len(models) < 2:
        raise InputError(f"the table has one strategy only ({reference}): there is nothing to compare it with.")


def _compare(one: pd.DataFrame, base: pd.DataFrame, by: Sequence[str], alpha: float) -> pd.DataFrame:
    """All paired measures of one strategy against the reference; rows are matched by cell, replicate and term."""
    key = ["cell", "replicate", "term"]
    names, recipe = ((*NUMBERS, *GROUP_NUMBERS), GROUP_RECIPE) if has_groups(one) else (NUMBERS, RECIPE)
    other = base[[*key, *names, "_counted"]]
    both = one.merge(other, on=key, how="left", suffixes=("", "_reference"), validate="one_to_one")
    counted = both["_counted"].to_numpy(bool) & both["_counted_reference"].eq(True).to_numpy(bool)
    every = lines_of(both, by, ("cell", "term"))
    lines, used = every.keep(counted), both[counted]
    pair = pair_rows(*(_rows(used, names, suffix, lines.strata.code, alpha) for suffix in ("", "_reference")))
    found = measure_all(recipe, pair, lines.strata.count, list(recipe.measures))
    left_out = every.per_line(~counted)
    return by_line([tabulate(lines, name, measured).assign(n_failed=left_out) for name, measured in found.items()])


def _rows(table: pd.DataFrame, names: Sequence[str], suffix: str, code: Array, alpha: float) -> Rows:
    return estimate_rows({name: table[name + suffix].to_numpy(np.float64) for name in names}, code, alpha)
