"""Likelihood-ratio tests of nested models."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from jaxsim.errors import InputError, NotSupportedError, brief, choose, truth
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_fit import estimate
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.inference import f_tail
from jaxsim.numerics.row_basis import RANK_TOLERANCE, orthonormal, residual

BOUNDARIES = ("mixture", "naive")


@dataclass(frozen=True, eq=False)
class _Compared:
    """A model with minus twice its log-likelihood, by the criterion on which all are compared."""

    fit: Fitted
    deviance: float

    @property
    def variances(self) -> int:
        """Of random effects."""
        return len(self.fit.model.random_names) if isinstance(self.fit.model, MixedModel) else 0


def anova(*fits: Fitted, refit: bool = True, boundary: str = "mixture") -> pd.DataFrame:
    """Compare nested models of the same rows by likelihood-ratio tests, as lme4's ``anova``.

    Each model is tested against the one before it, in the order of their numbers of parameters. Models that were fitted by REML are
    refitted by maximum likelihood: restricted likelihoods of different fixed effects cannot be compared.

    With a variance of zero the smaller model lies on the boundary of the larger one, where the statistic is not chi-square: it is a
    mixture of chi-squares with up to ``df`` degrees of freedom (Self & Liang 1987; Stram & Lee 1994). For one more variance that is
    half df - 1, half df; for several the weights depend on the data, and half and half is the largest p value that they allow.

    Args:
        fits: at least two results of :func:`jaxsim.lmer` or :func:`jaxsim.ols`.
        refit: whether models fitted by REML are refitted; False compares them as they are, which needs equal fixed effects.
        boundary: ``mixture``, or ``naive`` for the chi-square with ``df`` degrees of freedom everywhere (lme4's p values).

    Returns:
        A row per model: ``model`` (its formula), ``n_parameters, loglik, aic, bic, deviance, chisq, df, p_value, reference`` (the
        distribution the p value is from); if all are least squares also ``f, num_df, den_df, f_p_value`` of the exact F test.

    Raises:
        InputError: for fewer than two fits, fits without an answer, different rows or responses, models that are not nested, and
            restricted likelihoods of different fixed effects.
    """
    choose("boundary", boundary, BOUNDARIES)
    for fit in fits:
        _check(fit)
    if len(fits) < 2:
        raise InputError(f"anova compares two or more fits; {len(fits)} was given. For tests of the terms of one, use fit.anova().")
    ordered = sorted(fits, key=lambda fit: fit.n_parameters)
    for one in ordered[1:]:
        _same_rows(ordered[0], one)
    for small, large in itertools.pairwise(ordered):
        _nested(small, large)
    compared = _on_one_criterion(ordered, truth("refit", refit))
    rows = [_row(None, compared[0], boundary)]
    rows += [_row(small, large, boundary) for small, large in itertools.pairwise(compared)]
    table = pd.DataFrame(rows)
    if not any(isinstance(fit.model, MixedModel) for fit in ordered):
        table = pd.concat([table, _f_tests(ordered)], axis=1)
    return table


def _check(fit: object) -> None:
    """Raise :class:`InputError` unless it is a fit with a likelihood."""
    if not isinstance(fit, Fitted):
        raise InputError(f"anova compares results of lmer and ols; {brief(fit)} is none.")
    if fit.status not in ("ok", "singular") or fit.criterion is None:
        raise InputError(f"the fit of {fit.formula!r} has no likelihood to compare; its status is {fit.status!r}.")
    if not isinstance(fit.model, MixedModel) and fit.model.groups is not None:
        raise NotSupportedError(
            f"the fit of {fit.formula!r} has cluster-robust errors, because its rows are not independent; then least squares has "
            "no likelihood. Test the larger model's coefficients with fit.test(..) or fit.anova(), or fit both models with lmer."
        )


def _same_rows(first: Fitted, other: Fitted) -> None:
    if len(first.model.y) != len(other.model.y):
        raise InputError(
            f"{first.formula!r} was fitted to {len(first.model.y)} rows and {other.formula!r} to {len(other.model.y)}: likelihoods "
            "of different rows cannot be compared. Drop the rows in which any of their columns is missing first."
        )
    if not first.model.rows.index.equals(other.model.rows.index) or not np.array_equal(first.model.y, other.model.y):
        raise InputError(f"{first.formula!r} and {other.formula!r} were fitted to different rows or responses; take the same.")


def _nested(small: Fitted, large: Fitted) -> None:
    """Raise :class:`InputError` unless the larger model can do all that the smaller one can."""
    advice = "are not nested, so there is no likelihood-ratio test; compare their .aic or .bic."
    if small.n_parameters == large.n_parameters:
        raise InputError(f"{small.formula!r} and {large.formula!r} have equally many parameters and {advice}")
    columns, wide = zip(small.model.x.names, small.model.x.values.T, strict=True), large.model.x.values
    outside = [name for name, column in columns if not _within(column, wide)]
    if outside:
        raise InputError(f"{small.formula!r}, with {outside[0]}, and {large.formula!r}, without it, {advice}")
    if not isinstance(small.model, MixedModel):
        return
    if not isinstance(large.model, MixedModel) or not np.array_equal(small.model.codes, large.model.codes):
        raise InputError(f"{small.formula!r} and {large.formula!r} have different groups and {advice}")
    for block in small.model.blocks:
        if not any(all(_within(column, other.values) for column in block.values.T) for other in large.model.blocks):
            random = ", ".join(block.names)
            raise InputError(f"the random effects of {small.formula!r} ({random}) and of {large.formula!r} {advice}")


def _within(column: np.ndarray, columns: np.ndarray) -> bool:
    """Whether a column is a combination of others, which are independent."""
    _, rest = residual(orthonormal(columns), column)
    return bool(np.linalg.norm(rest) <= RANK_TOLERANCE * np.linalg.norm(column))


def _on_one_criterion(fits: Sequence[Fitted], refit: bool) -> list[_Compared]:
    restricted = [fit for fit in fits if "REML" in fit.method]
    if restricted and not refit:
        _same_fixed_effects(fits)
        return [_Compared(fit, float(fit.criterion or 0.0)) for fit in fits]
    return [_Compared(fit, _ml_deviance(fit)) for fit in fits]


def _same_fixed_effects(fits: Sequence[Fitted]) -> None:
    if not all("REML" in fit.method for fit in fits):
        raise InputError("refit=False cannot compare a REML criterion with a likelihood; leave it out, or fit all with reml=True.")
    names = fits[0].model.x.names
    if any(fit.model.x.names != names for fit in fits):
        raise InputError("refit=False cannot compare REML fits with different fixed effects; leave it out: ML refits can be.")


def _ml_deviance(fit: Fitted) -> float:
    if "REML" not in fit.method:
        return float(fit.criterion or 0.0)
    assert isinstance(fit.model, MixedModel)
    found = estimate(fit.model, False, "satterthwaite")
    if not found.status.usable:
        raise InputError(f"the refit of {fit.formula!r} by maximum likelihood has no answer: {found.message}.")
    return found.criterion


def _row(small: _Compared | None, large: _Compared, boundary: str) -> dict[str, object]:
    fit, count = large.fit, large.fit.n_parameters
    row: dict[str, object] = {
        "model": fit.formula,
        "n_parameters": count,
        "loglik": -large.deviance / 2,
        "aic": large.deviance + 2 * count,
        "bic": large.deviance + np.log(fit.n_rows) * count,
        "deviance": large.deviance,
    }
    if small is None:
        return row | {"chisq": np.nan, "df": np.nan, "p_value": np.nan, "reference": ""}
    chisq, df = max(small.deviance - large.deviance, 0.0), count - small.fit.n_parameters
    p_value, reference = tail(chisq, df, boundary == "mixture" and large.variances > small.variances)
    if large.variances > small.variances + 1 and boundary == "mixture":
        reference = f"at most {reference}"
    return row | {"chisq": chisq, "df": float(df), "p_value": p_value, "reference": reference}


def tail(chisq: float, df: int, mixture: bool) -> tuple[float, str]:
    """P value, and the name of the distribution: chi-square, or half one of a degree of freedom less (none: always zero)."""
    upper = float(special.chdtrc(df, chisq))
    if not mixture:
        return upper, f"chi2({df})"
    lower = float(special.chdtrc(df - 1, chisq)) if df > 1 else float(chisq <= 0)
    return (lower + upper) / 2, f"chi2({df - 1})/2 + chi2({df})/2"


def _f_tests(fits: Sequence[Fitted]) -> pd.DataFrame:
    """Of each model against the one before it, with the residual variance of the largest (as R's ``anova``)."""
    rss = [float((fit.model.y - fit.model.x.values @ fit.beta) @ (fit.model.y - fit.model.x.values @ fit.beta)) for fit in fits]
    left = [fit.n_rows - len(fit.beta) for fit in fits]
    lines: list[tuple[float, float, float, float]] = [(np.nan, np.nan, np.nan, np.nan)]
    for k in range(1, len(fits)):
        num = left[k - 1] - left[k]
        f = (rss[k - 1] - rss[k]) / num / (rss[-1] / left[-1])
        lines.append((f, num, left[-1], float(f_tail(f, num, left[-1]))))
    return pd.DataFrame(lines, columns=["f", "num_df", "den_df", "f_p_value"])
