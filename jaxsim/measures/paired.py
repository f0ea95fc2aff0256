"""Differences between strategies on the same datasets: far sharper than the difference of two summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, choose
from jaxsim.measures import accuracy
from jaxsim.measures.grouping import group_codes, groups_of
from jaxsim.measures.policy import POLICIES, is_counted, is_usable, require
from jaxsim.measures.sample import Groups, Measured, Sample
from jaxsim.measures.summarise import NUMBERS, tabulate

Pair = tuple[Sample, Sample]


def _difference(of: Callable[[Sample], np.ndarray]) -> Callable[[Pair], Measured]:
    """Mean of per-row differences; error ``sd(d) / sqrt(n)``."""

    def measure(pair: Pair) -> Measured:
        d = of(pair[0]) - of(pair[1])
        return Measured(pair[0].groups.mean(d), pair[0].groups.error_of_mean(d))

    return measure


def rmse(pair: Pair) -> Measured:
    """Difference of the root mean squared errors; error by the delta method on the paired squared errors."""
    groups = pair[0].groups
    values = [accuracy.rmse(sample).value for sample in pair]
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = [sample.error**2 / (2 * value)[groups.code] for sample, value in zip(pair, values, strict=True)]
    return Measured(values[0] - values[1], groups.error_of_mean(parts[0] - parts[1]))


def relative_precision(pair: Pair) -> Measured:
    """``100 ((EmpSE_reference / EmpSE_model)^2 - 1)``, the percentage of datasets the reference would have to have more.

    Error ``200 (ratio)^2 sqrt((1 - rho^2) / (n - 1))`` with ``rho`` the correlation of the two errors (White 2010); where a group
    pools cells or terms it is the delta method's.
    """
    model, reference = pair
    groups = model.groups
    centred = [sample.error - groups.mean(sample.error)[groups.code] for sample in pair]
    var_m, var_r = groups.variance(model.error), groups.variance(reference.error)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = var_r / var_m
        n = groups.size
        rho2 = (groups.mean(centred[0] * centred[1]) * n / (n - 1)) ** 2 / (var_m * var_r)
        plain = 200 * ratio * np.sqrt(np.maximum(1 - rho2, 0) / (n - 1))
        influence = ratio[groups.code] * (centred[1] ** 2 / var_r[groups.code] - centred[0] ** 2 / var_m[groups.code])
    pooled = 100 * groups.error_of_mean(influence)
    return Measured(100 * (ratio - 1), np.where(groups.is_plain, plain, pooled))


def _covers(sample: Sample) -> np.ndarray:
    return ((sample.conf_low <= sample.truth) & (sample.truth <= sample.conf_high)).astype(float)


CATALOGUE: dict[str, Callable[[Pair], Measured]] = {
    "bias": _difference(lambda sample: sample.error),
    "absolute_error": _difference(lambda sample: np.abs(sample.error)),
    "mse": _difference(lambda sample: sample.error**2),
    "rmse": rmse,
    "relative_precision": relative_precision,
    "std_error": _difference(lambda sample: sample.std_error),
    "coverage": _difference(_covers),
    "rejection": _difference(lambda sample: (sample.p_value < sample.alpha).astype(float)),
}


def paired(
    estimates: pd.DataFrame, by: Sequence[str], reference: str, *, policy: str = "listwise", alpha: float = 0.05
) -> pd.DataFrame:
    """Every strategy less the reference, on the datasets that both fitted.

    Args:
        estimates: long table of a run.
        by: columns that define the groups, without ``model``.
        reference: the label of the strategy that is subtracted.
        policy: ``listwise`` uses datasets that every strategy could fit, ``available`` those that the two compared could.
        alpha: level of the tests behind ``rejection``.

    Returns:
        One row per model, group and measure: ``model, reference, *by, measure, value, mcse, low, high, n_used, n_failed, policy``;
        ``n_failed`` counts pairs left out. Measures are the names in ``CATALOGUE`` of this module.

    Raises:
        InputError: for an unknown column, policy or reference, ``model`` in ``by``, or a table with one strategy only.
    """
    require(estimates, [*by, *NUMBERS, "cell", "replicate", "model", "term", "status"], "estimates")
    choose("policy", policy, POLICIES)
    if "model" in by:
        raise InputError("by holds 'model', which a paired comparison crosses; leave it out.")
    models = [str(m) for m in pd.unique(estimates["model"].astype(str))]
    choose("reference", reference, models)
    if len(models) < 2:
        raise InputError(f"the table has one strategy only ({reference}): there is nothing to compare it with.")
    counted = is_counted(estimates, "listwise") if policy == "listwise" else is_usable(estimates)
    table = estimates.assign(_counted=counted).sort_values(["cell", "replicate", "term"], kind="stable")
    by_model = {name: part.reset_index(drop=True) for name, part in table.groupby("model", observed=True)}
    base = by_model[reference]
    parts = [_compare(by_model[m], base, by, alpha).assign(model=m) for m in models if m != reference]
    columns = ["model", "reference", *by, "measure", "value", "mcse", "low", "high", "n_used", "n_failed", "policy"]
    return pd.concat(parts, ignore_index=True).assign(reference=reference, policy=policy)[columns]


def _compare(one: pd.DataFrame, base: pd.DataFrame, by: Sequence[str], alpha: float) -> pd.DataFrame:
    """All paired measures of one strategy against the reference."""
    both = one["_counted"].to_numpy() & base["_counted"].to_numpy()
    code, lines = group_codes(one, by)
    groups = groups_of(one[both], code[both], len(lines))
    pair = (_sample(one[both], groups, alpha), _sample(base[both], groups, alpha))
    left_out = np.bincount(code[~both], minlength=len(lines))
    rows = [
        tabulate(lines, name, measure(pair), groups).assign(n_failed=left_out, _order=np.arange(len(lines)))
        for name, measure in CATALOGUE.items()
    ]
    return pd.concat(rows, ignore_index=True).sort_values("_order", kind="stable", ignore_index=True).drop(columns="_order")


def _sample(table: pd.DataFrame, groups: Groups, alpha: float) -> Sample:
    return Sample(groups=groups, alpha=alpha, **{name: table[name].to_numpy(float) for name in NUMBERS})
