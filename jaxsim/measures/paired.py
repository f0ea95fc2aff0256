"""Differences between strategies on the same datasets: far sharper than the difference of two summaries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures.combine import codes_of, lines_of, tabulate
from jaxsim.measures.differences import pair_rows
from jaxsim.measures.groups import kit_of
from jaxsim.measures.kit import Kit
from jaxsim.measures.own import OwnMeasure
from jaxsim.measures.part import by_line
from jaxsim.measures.policy import chosen_rows, is_counted, require
from jaxsim.measures.recipe import measure_all
from jaxsim.measures.sample import NUMBERS, numbers_of
from jaxsim.measures.summarise import STRATUM

COLUMNS = ("measure", "value", "mcse", "low", "high", "n_used", "n_failed", "policy")
KEY = ["cell", "replicate", "term"]


def paired(
    estimates: pd.DataFrame,
    by: Sequence[str],
    reference: str,
    *,
    policy: str = "listwise",
    alpha: float | None = None,
    terms: Sequence[str] | None = None,
    truth: str | None = None,
    own: Sequence[OwnMeasure] = (),
    conf_level: float = 0.95,
) -> pd.DataFrame:
    """Every strategy less the reference, on the datasets that both fitted.

    Args:
        estimates: long table of a run. Coefficients are compared that both strategies have in a cell.
        by: columns that define the lines, without ``model``; a line that spans several cells or coefficients shows the average
            of their differences.
        reference: the label of the strategy that is subtracted.
        policy: ``listwise`` counts the datasets in which the fits of all strategies are usable (status ``ok`` or ``singular``),
            ``available`` those in which the fits of the two compared are.
        alpha: level of the tests behind ``rejection``; ``1 - conf_level`` when None.
        terms, truth: rows that count, as in :func:`jaxsim.measures.summarise`.
        own: measures of your own; those that give one number per row are compared, too.
        conf_level: of the intervals in the table.

    Returns:
        One row per model, line and measure: ``model, reference, *by, measure, value, mcse, low, high, n_used, n_failed, policy``;
        ``n_failed`` counts pairs left out. Measures are the names in ``jaxsim.measures.differences.CATALOGUE``
        (and ``group_rmse``, ``group_shrinkage`` of a table with coefficients of groups).

    Raises:
        InputError: for an unknown column, policy, reference, term or truth, ``model`` in ``by``, a level outside (0, 1), a table
            with one strategy only, or one that has some fit twice.
    """
    require(estimates, [*by, *NUMBERS, *STRATUM, "replicate", "status"], "estimates")
    kit = kit_of(estimates, own, conf_level)
    level = kit.level(alpha)
    models = [str(m) for m in pd.unique(estimates["model"].astype(str))]
    check_comparison(by, reference, models)
    if estimates.duplicated([*STRATUM, "replicate"]).any():
        raise InputError("the estimates table has some estimate twice; give each cell, replicate, model and term once.")
    stratum, _ = codes_of(estimates, ["cell", "term"])
    table = estimates.assign(_counted=is_counted(estimates, policy), _stratum=stratum)[chosen_rows(estimates, terms, truth)]
    base = table[table["model"] == reference]
    parts = [_compare(kit, table[table["model"] == m], base, by, level).assign(model=m) for m in models if m != reference]
    columns = ["model", "reference", *by, *COLUMNS]
    return pd.concat(parts, ignore_index=True).assign(reference=reference, policy=policy)[columns]


def check_comparison(by: Sequence[str], reference: str, models: Sequence[str]) -> None:
    """Raise :class:`InputError` unless these lines of these models can be compared with the reference."""
    if "model" in by:
        raise InputError("by holds 'model', which a paired comparison crosses; leave it out.")
    choose("reference", reference, models)
    if len(models) < 2:
        raise InputError(f"the table has one strategy only ({reference}): there is nothing to compare it with.")


def _compare(kit: Kit, one: pd.DataFrame, base: pd.DataFrame, by: Sequence[str], alpha: float) -> pd.DataFrame:
    """All paired measures of one strategy against the reference; rows are matched by cell, replicate and term."""
    numbers = [*NUMBERS, *kit.columns]
    other = base[[*KEY, *numbers, "_counted"]]
    both = one[np.isin(one["_stratum"], base["_stratum"].unique())].merge(
        other, on=KEY, how="left", suffixes=("", "_reference"), validate="one_to_one"
    )
    counted = both["_counted"].to_numpy(bool) & both["_counted_reference"].eq(True).to_numpy(bool)
    every = lines_of(both, by, ("cell", "term"))
    lines, used = every.keep(counted), both[counted]
    own, reference = (kit.rows(numbers_of(used, kit.columns, suffix), lines.strata.code, alpha) for suffix in ("", "_reference"))
    found = measure_all(kit.paired, pair_rows(own, reference, kit.paired.means), lines.strata.count, list(kit.paired.measures))
    left_out = every.per_line(~counted)
    return by_line(lines.table, [tabulate(lines, name, m).with_more(n_failed=left_out) for name, m in found.items()])
