"""Differences between strategies on the same datasets: far sharper than the difference of two summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures import accuracy
from jaxsim.measures.combine import lines_of, tabulate
from jaxsim.measures.inference import covers, rejects
from jaxsim.measures.policy import is_counted, require
from jaxsim.measures.sample import Measured, Sample, Strata, mean_of
from jaxsim.measures.summarise import NUMBERS, STRATUM

Pair = tuple[Sample, Sample]


def _difference(of: Callable[[Sample], np.ndarray]) -> Callable[[Pair], Measured]:
    """Mean of per-dataset differences; error ``sd(d) / sqrt(n)``."""
    return lambda pair: mean_of(pair[0].strata, of(pair[0]) - of(pair[1]))


def rmse(pair: Pair) -> Measured:
    """Difference of the root mean squared errors; error by the delta method on the paired squared errors."""
    model, reference = (accuracy.rmse(sample) for sample in pair)
    influence = model.influence - reference.influence
    return Measured(model.value - reference.value, pair[0].strata.error_of_mean(influence), influence)


def relative_precision(pair: Pair) -> Measured:
    """``100 ((EmpSE_reference / EmpSE_model)^2 - 1)``, the percentage by which the model is more precise than the reference.

    Error ``200 (ratio)^2 sqrt((1 - rho^2) / (n - 1))`` with ``rho`` the correlation of the two errors (White 2010).
    """
    strata = pair[0].strata
    errors = [strata.centred(sample.error) for sample in pair]
    var_m, var_r = (strata.sd(sample.error) ** 2 for sample in pair)
    n = strata.size
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = 100 * var_r / var_m
        rho2 = (strata.mean(errors[0] * errors[1]) * n / (n - 1)) ** 2 / (var_m * var_r)
        mcse = 2 * ratio * np.sqrt(np.maximum(1 - rho2, 0) / (n - 1))
        relative = errors[1] ** 2 / var_r[strata.code] - errors[0] ** 2 / var_m[strata.code]
    return Measured(ratio - 100, mcse, strata.centred(ratio[strata.code] * relative))


CATALOGUE: dict[str, Callable[[Pair], Measured]] = {
    "bias": _difference(lambda sample: sample.error),
    "absolute_error": _difference(lambda sample: np.abs(sample.error)),
    "mse": _difference(lambda sample: sample.error**2),
    "rmse": rmse,
    "relative_precision": relative_precision,
    "std_error": _difference(lambda sample: sample.std_error),
    "coverage": _difference(lambda sample: covers(sample, sample.truth).astype(float)),
    "rejection": _difference(lambda sample: rejects(sample).astype(float)),
}


def paired(
    estimates: pd.DataFrame, by: Sequence[str], reference: str, *, policy: str = "listwise", alpha: float = 0.05
) -> pd.DataFrame:
    """Every strategy less the reference, on the datasets that both fitted.

    Args:
        estimates: long table of a run.
        by: columns that define the lines, without ``model``; a line that spans several cells or coefficients shows the average
            of their differences.
        reference: the label of the strategy that is subtracted.
        policy: ``listwise`` uses datasets that every strategy could fit, ``available`` those that the two compared could.
        alpha: level of the tests behind ``rejection``.

    Returns:
        One row per model, line and measure: ``model, reference, *by, measure, value, mcse, low, high, n_used, n_failed, policy``;
        ``n_failed`` counts pairs left out. Measures are the names in ``CATALOGUE`` of this module.

    Raises:
        InputError: for an unknown column, policy or reference, ``model`` in ``by``, a table with one strategy only, or one that
            has some fit twice.
    """
    require(estimates, [*by, *NUMBERS, *STRATUM, "replicate", "status"], "estimates")
    if "model" in by:
        raise InputError("by holds 'model', which a paired comparison crosses; leave it out.")
    models = [str(m) for m in pd.unique(estimates["model"].astype(str))]
    choose("reference", reference, models)
    if len(models) < 2:
        raise InputError(f"the table has one strategy only ({reference}): there is nothing to compare it with.")
    if estimates.duplicated([*STRATUM, "replicate"]).any():
        raise InputError("the estimates table has some estimate twice; give each cell, replicate, model and term once.")
    table = estimates.assign(_counted=is_counted(estimates, policy))
    base = table[table["model"] == reference]
    parts = [_compare(table[table["model"] == m], base, by, alpha).assign(model=m) for m in models if m != reference]
    columns = ["model", "reference", *by, "measure", "value", "mcse", "low", "high", "n_used", "n_failed", "policy"]
    return pd.concat(parts, ignore_index=True).assign(reference=reference, policy=policy)[columns]


def _compare(one: pd.DataFrame, base: pd.DataFrame, by: Sequence[str], alpha: float) -> pd.DataFrame:
    """All paired measures of one strategy against the reference; rows are matched by cell, replicate and term."""
    key = ["cell", "replicate", "term"]
    other = base[[*key, *NUMBERS, "_counted"]]
    both = one.merge(other, on=key, how="left", suffixes=("", "_reference"), validate="one_to_one")
    counted = both["_counted"].to_numpy() & both["_counted_reference"].eq(True).to_numpy()
    every = lines_of(both, by, ("cell", "term"))
    lines, used = every.keep(counted), both[counted]
    pair = (_sample(used, "", lines.strata, alpha), _sample(used, "_reference", lines.strata, alpha))
    left_out = every.per_line(~counted)
    rows = [
        tabulate(lines, name, measure(pair)).assign(n_failed=left_out, _order=np.arange(lines.count))
        for name, measure in CATALOGUE.items()
    ]
    return pd.concat(rows, ignore_index=True).sort_values("_order", kind="stable", ignore_index=True).drop(columns="_order")


def _sample(table: pd.DataFrame, suffix: str, strata: Strata, alpha: float) -> Sample:
    return Sample(strata=strata, alpha=alpha, **{name: table[name + suffix].to_numpy(float) for name in NUMBERS})
