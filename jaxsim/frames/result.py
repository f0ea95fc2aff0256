"""What fitting a DataFrame returns, and its summary as text, laid out as lme4 and lmerTest print it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief
from jaxsim.inference import InferenceTable, t_table


@dataclass(frozen=True, eq=False)
class FitResult:
    """One fitted model. What a method does not have is None; what could not be computed is NaN, and ``status`` says why.

    Attributes:
        table: ``term, estimate, std_error, statistic, df, p_value, conf_low, conf_high``, a row per fixed effect, in R's order.
        criterion: minus twice the log-likelihood that was minimised (REML or ML, lme4's definition).
        sigma: residual standard deviation.
        theta: relative covariance parameters in lme4's order, ``[T]``; ``theta_names`` names them as lme4 does.
        varcorr: ``group, term, variance, std_dev`` and correlations with the earlier terms; the last row is the residual.
        covariance: covariance matrix of the random effects, ``Q x Q``.
        random_effects: conditional modes (lme4's ``ranef``), groups x random-effects columns.
        coef: coefficients of each group: fixed plus random effects (lme4's ``coef``), or the group's own regression (``lm2``).
        vcov: covariance matrix of the fixed effects, ``P x P``.
        status: label of a :class:`jaxsim.status.Status`.
        converged, singular: whether the optimality conditions hold, and lme4's ``isSingular``.
        n_rows, n_groups: rows used, and groups among them (None where there is no grouping).
        messages: what a user should know: dropped rows, a boundary fit, why a fit failed.
        formula: as given.
        method: one line that says how the model was fitted.
        conf_level: of ``conf_low`` and ``conf_high``.
        resampled: whether p values and limits come from resamples (a bootstrap or a permutation test) and not from t with ``df``.
    """

    table: pd.DataFrame
    criterion: float | None
    sigma: float | None
    theta: np.ndarray | None
    theta_names: tuple[str, ...] | None
    varcorr: pd.DataFrame | None
    covariance: pd.DataFrame | None
    random_effects: pd.DataFrame | None
    coef: pd.DataFrame | None
    vcov: pd.DataFrame
    status: str
    converged: bool
    singular: bool
    n_rows: int
    n_groups: int | None
    messages: tuple[str, ...]
    formula: str
    method: str
    conf_level: float
    resampled: bool = False

    def summary(self) -> str:
        """The fit as text, in the layout of lme4."""
        return summarise(self)

    def __str__(self) -> str:
        return self.summary()


def coefficient_table(
    names: tuple[str, ...],
    estimate: np.ndarray,
    std_error: np.ndarray,
    df: np.ndarray,
    conf_level: float,
    own: InferenceTable | None = None,
) -> pd.DataFrame:
    """The ``table`` of a :class:`FitResult` from arrays of one shape ``[P]``; ``own`` replaces inference by the t distribution."""
    inference = t_table(estimate, std_error, df, conf_level) if own is None else own
    return pd.DataFrame(
        {
            "term": list(names),
            "estimate": estimate,
            "std_error": std_error,
            "statistic": inference.statistic,
            "df": df,
            "p_value": inference.p_value,
            "conf_low": inference.conf_low,
            "conf_high": inference.conf_high,
        }
    )


def square(matrix: np.ndarray, names: tuple[str, ...]) -> pd.DataFrame:
    """A matrix with its names on both sides."""
    return pd.DataFrame(matrix, index=list(names), columns=list(names))


def check_level(conf_level: float) -> None:
    """Raise :class:`InputError` unless the level lies between 0 and 1."""
    if isinstance(conf_level, bool) or not isinstance(conf_level, (int, float)) or not 0 < conf_level < 1:
        raise InputError(f"conf_level={brief(conf_level)} must be a number between 0 and 1, such as 0.95.")


def announce(fit: FitResult) -> FitResult:
    """Warn of everything in ``messages`` (dropped rows, a singular or failed fit) and return the fit."""
    for message in fit.messages:
        warnings.warn(message, UserWarning, stacklevel=3)
    return fit


def summarise(fit: FitResult) -> str:
    """Header, criterion, random effects, sizes, fixed effects, messages."""
    parts = [f"{fit.method}\nFormula: {fit.formula}"]
    if fit.varcorr is not None and fit.criterion is not None:
        name = "REML criterion at convergence" if "REML" in fit.method else "-2 log-likelihood at convergence"
        parts += [f"{name}: {fit.criterion:.4f}", f"Random effects:\n{random_effects(fit.varcorr)}\n{sizes(fit)}"]
        parts.append(f"Fixed effects:\n{fixed_effects(fit)}")
    else:
        residual = "" if fit.sigma is None else f"\nResidual standard error: {fit.sigma:.5g}"
        parts.append(f"Coefficients:\n{fixed_effects(fit)}\n{residual}".rstrip() + f"\n{sizes(fit)}")
    if fit.status != "ok":
        parts.append(f"Status: {fit.status}")
    if fit.messages:
        parts.append("\n".join(fit.messages))
    return "\n\n".join(parts)


def sizes(fit: FitResult) -> str:
    """Rows and groups."""
    if fit.n_groups is None:
        return f"Number of obs: {fit.n_rows}"
    name = "" if fit.varcorr is None else f"  {fit.varcorr['group'].iloc[0]},"
    return f"Number of obs: {fit.n_rows}, groups:{name} {fit.n_groups}"


def random_effects(varcorr: pd.DataFrame) -> str:
    """Variances and standard deviations; the correlations with earlier terms stand to the right."""
    correlations = list(varcorr.columns[4:])
    header = ["Groups", "Name", "Variance", "Std.Dev.", *["Corr", *[""] * len(correlations)][: len(correlations)]]
    groups = varcorr["group"].where(varcorr["group"] != varcorr["group"].shift(), "")
    columns = [groups.tolist(), varcorr["term"].tolist(), digits(varcorr["variance"]), digits(varcorr["std_dev"])]
    columns += [["" if np.isnan(value) else f"{value:.2f}" for value in varcorr[name]] for name in correlations]
    return align([header, *map(list, zip(*columns, strict=True))], left=2)


def fixed_effects(fit: FitResult) -> str:
    """Estimates with their tests and confidence limits; without df and t where resamples stand in their place."""
    table, tail = fit.table, 50 * (1 - fit.conf_level)
    shown = {"": table["term"].tolist(), "Estimate": digits(table["estimate"]), "Std. Error": digits(table["std_error"])}
    if not fit.resampled:
        shown |= {"df": digits(table["df"]), "t value": [f"{value:.3f}" for value in table["statistic"]]}
    shown["p (resampled)" if fit.resampled else "Pr(>|t|)"] = [f"{value:.3g}" for value in table["p_value"]]
    shown |= {f"{tail:.6g} %": digits(table["conf_low"]), f"{100 - tail:.6g} %": digits(table["conf_high"])}
    return align([list(shown), *map(list, zip(*shown.values(), strict=True))], left=1)


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
