"""A fit as text, laid out as lme4 and lmerTest print it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.frames.fitted import Fitted


def summarise(fit: Fitted) -> str:
    """Header, criterion, random effects, sizes, fixed effects, messages."""
    parts = [f"{fit.method}\nFormula: {fit.formula}"]
    if fit.varcorr is not None and fit.criterion is not None:
        parts += [criterion(fit), f"Random effects:\n{align(random_effects(fit.varcorr), left=2)}\n{sizes(fit)}"]
        parts.append(f"Fixed effects:\n{align(fixed_effects(fit), left=1)}")
    else:
        parts.append(f"Coefficients:\n{align(fixed_effects(fit), left=1)}\n\n{residual(fit)}".rstrip() + f"\n{sizes(fit)}")
    if fit.status != "ok":
        parts.append(f"Status: {fit.status}")
    if fit.messages:
        parts.append("\n".join(fit.messages))
    return "\n\n".join(parts)


def criterion(fit: Fitted) -> str:
    """What was minimised, and how small it became; empty where nothing was."""
    if fit.criterion is None:
        return ""
    name = "REML criterion at convergence" if "REML" in fit.method else "-2 log-likelihood at convergence"
    return f"{name}: {fit.criterion:.4f}"


def residual(fit: Fitted) -> str:
    """The residual standard error; empty for a fit that has none."""
    return "" if fit.sigma is None else f"Residual standard error: {fit.sigma:.5g}"


def sizes(fit: Fitted) -> str:
    """Rows and groups."""
    if fit.n_groups is None:
        return f"Number of obs: {fit.n_rows}"
    if isinstance(fit.n_groups, dict):
        return f"Number of obs: {fit.n_rows}, groups:  " + "; ".join(f"{name}, {count}" for name, count in fit.n_groups.items())
    name = "" if fit.varcorr is None else f"  {fit.varcorr['group'].iloc[0]},"
    return f"Number of obs: {fit.n_rows}, groups:{name} {fit.n_groups}"


def random_effects(varcorr: pd.DataFrame) -> list[list[str]]:
    """Rows of text, the first one names: variances and standard deviations; the correlations with earlier terms to the right."""
    correlations = list(varcorr.columns[4:])
    header = ["Groups", "Name", "Variance", "Std.Dev.", *["Corr", *[""] * len(correlations)][: len(correlations)]]
    groups = varcorr["group"].where(varcorr["group"] != varcorr["group"].shift(), "")
    columns = [groups.tolist(), varcorr["term"].tolist(), digits(varcorr["variance"]), digits(varcorr["std_dev"])]
    columns += [["" if np.isnan(value) else f"{value:.2f}" for value in varcorr[name]] for name in correlations]
    return [header, *map(list, zip(*columns, strict=True))]


def fixed_effects(fit: Fitted) -> list[list[str]]:
    """Rows of text, the first one names: estimates with their tests and confidence limits; without df and t where resamples stand
    in their place."""
    table, tail = fit.table, 50 * (1 - fit.conf_level)
    shown = {"": table["term"].tolist(), "Estimate": digits(table["estimate"]), "Std. Error": digits(table["std_error"])}
    if not fit.resampled:
        shown |= {"df": digits(table["df"]), "t value": [f"{value:.3f}" for value in table["statistic"]]}
    shown["p (resampled)" if fit.resampled else "Pr(>|t|)"] = [f"{value:.3g}" for value in table["p_value"]]
    shown |= {f"{tail:.6g} %": digits(table["conf_low"]), f"{100 - tail:.6g} %": digits(table["conf_high"])}
    return [list(shown), *map(list, zip(*shown.values(), strict=True))]


def digits(values: pd.Series) -> list[str]:
    """Numbers with as many decimals as give the smallest of them four significant digits, but no more than six."""
    sizes = values.abs()
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    decimals = int(np.clip(3 - np.floor(np.log10(sizes.min())), 0, 6)) if len(sizes) else 0
    return [f"{value:.{decimals}f}" for value in values]


def align(rows: list[list[str]], left: int) -> str:
    """Columns padded to a width; the first ``left`` of them to the left."""
    count = max(map(len, rows))
    filled = [row + [""] * (count - len(row)) for row in rows]
    widths = [max(len(row[i]) for row in filled) for i in range(count)]
    lines = []
    for row in filled:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(" " + "  ".join(cells).rstrip())
    return "\n".join(lines)
