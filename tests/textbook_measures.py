"""Performance measures once more, one stratum and one line at a time, as Morris, White & Crowther (2019) print them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

Z = stats.norm.ppf(0.975)


def of_stratum(rows: pd.DataFrame) -> dict[str, tuple[float, float, np.ndarray]]:
    """Value, error and the influence of each row, of usable rows of one coefficient, strategy and cell."""
    n = len(rows)
    columns = ["estimate", "truth", "std_error", "conf_low", "conf_high", "p_value"]
    estimate, truth, se, low, high, p = (rows[c].to_numpy() for c in columns)
    e = estimate - truth
    variance, size, ratio = se**2, np.sort(abs(e)), e.mean() / (truth.mean() or np.nan)
    emp, mod, rmse = e.std(ddof=1) if n > 1 else np.nan, np.sqrt(variance.mean()), np.sqrt((e**2).mean())
    emp_influence = centred(centred(e) ** 2) / (2 * emp)
    mod_influence = centred(variance) / (2 * mod)
    c = max(int(np.round((n + 1) / 2 - Z * np.sqrt(n / 4))), 1)
    median_error = (size[n - c] - size[c - 1]) / (2 * Z) if n > 1 else np.nan
    accuracy = 100 * mod / emp
    # What an interval costs that misses: 2 / 0.05 for every unit.
    score = np.array([b - a + 40 * max(a - t, 0) + 40 * max(t - b, 0) for a, b, t in zip(low, high, truth, strict=True)])
    found = np.array([q <= 0.05 and t != 0 for q, t in zip(p, truth, strict=True)], float)
    wrong = found * (estimate * truth < 0)
    relative = np.sqrt((mean_error(variance) / (2 * mod**2)) ** 2 + 1 / (2 * (n - 1))) if n > 1 else np.nan
    return {
        "bias": (e.mean(), mean_error(e), centred(e)),
        "relative_bias": (ratio, mean_error(e - ratio * truth) / abs(truth.mean()), centred(e - ratio * truth) / truth.mean()),
        "empirical_se": (emp, emp / np.sqrt(2 * (n - 1)) if n > 1 else np.nan, emp_influence),
        "mse": (rmse**2, mean_error(e**2), centred(e**2)),
        "rmse": (rmse, mean_error(e**2) / (2 * rmse), centred(e**2) / (2 * rmse)),
        "median_absolute_error": (
            np.median(size), median_error, centred(np.sign(abs(e) - np.median(size))) * median_error * np.sqrt(n),
        ),
        "model_se": (mod, mean_error(variance) / (2 * mod), mod_influence),
        "model_se_error": (accuracy - 100, accuracy * relative, accuracy * (mod_influence / mod - emp_influence / emp)),
        "mean_width": ((high - low).mean(), mean_error(high - low), centred(high - low)),
        "interval_score": (score.mean(), mean_error(score), centred(score)),
        "coverage": proportion((low <= truth) & (truth <= high)),
        "bias_eliminated_coverage": proportion((low <= truth + e.mean()) & (truth + e.mean() <= high)),
        "rejection": proportion(p <= 0.05),
        "type_s": ratio_of(wrong, found),
        "exaggeration": ratio_of(found * abs(estimate), found * abs(truth), unknown=found.sum() == 1),
    }  # fmt: skip


def of_line(strata: list[pd.DataFrame], measure: str) -> tuple[float, float]:
    """Average of the strata that have a value, and its error: shares of each dataset first, then datasets, then cells."""
    found = [(rows, *of_stratum(rows)[measure]) for rows in strata if len(rows)]
    found = [(rows, value, error, influence) for rows, value, error, influence in found if not np.isnan(value)]
    if not found:
        return np.nan, np.nan
    if len(found) == 1:
        return found[0][1], found[0][2]
    shares = [rows[["cell", "replicate"]].assign(share=influence / len(rows) / len(found)) for rows, _, _, influence in found]
    variance = 0.0
    for _, part in pd.concat(shares).groupby("cell"):
        per_dataset = part.groupby("replicate")["share"].sum(min_count=1, skipna=False)
        n = len(per_dataset)
        variance += (per_dataset**2).sum(skipna=False) * n / (n - 1) if n > 1 else np.nan
    return float(np.mean([value for _, value, _, _ in found])), float(np.sqrt(variance))


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean()


def mean_error(x: np.ndarray) -> float:
    return x.std(ddof=1) / np.sqrt(len(x)) if len(x) > 1 else np.nan


def proportion(event: np.ndarray) -> tuple[float, float, np.ndarray]:
    rate = event.mean()
    return rate, np.sqrt(rate * (1 - rate) / len(event)), centred(event.astype(float))


def ratio_of(a: np.ndarray, b: np.ndarray, unknown: bool = False) -> tuple[float, float, np.ndarray]:
    """Ratio of two sums; its error is that of the mean of ``a - r b``, in units of the mean of ``b``, or ``unknown``."""
    ratio = a.sum() / (b.sum() or np.nan)
    rest = (a - ratio * b) / b.mean() * (np.nan if unknown else 1)
    return ratio, mean_error(rest), centred(rest)
