"""Likelihood-ratio tests of nested models."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import special

from jaxsim.errors import InputError, choose, truth, whole_number
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_fit import estimate
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.bootstrap import likelihood_ratio_draws
from jaxsim.frames.postestimation.nesting import check_likelihood, check_nested, check_restricted, check_rows
from jaxsim.frames.postestimation.row_terms import weights_of
from jaxsim.inference import f_tail

BOUNDARIES = ("mixture", "naive")


def anova(
    *fits: Fitted, refit: bool = True, boundary: str = "mixture", bootstrap: int | None = None, seed: int = 0
) -> pd.DataFrame:
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
        bootstrap: so many responses simulated from each smaller model, to which both models are fitted: p values are then shares of
            their statistics. None takes chi-squares.
        seed: of the simulation.

    Returns:
        A row per model: ``model`` (its formula), ``n_parameters, loglik, aic, bic, deviance, chisq, df, p_value, reference`` (the
        distribution the p value is from); if all are least squares also ``f, num_df, den_df, f_p_value`` of the exact F test.

    Raises:
        InputError: for fewer than two fits, fits without an answer, different rows, responses or weights, models that are not
            nested (different offsets among them), and restricted likelihoods of different fixed effects.
    """
    choose("boundary", boundary, BOUNDARIES)
    for fit in fits:
        check_likelihood(fit)
    if len(fits) < 2:
        raise InputError(f"anova compares two or more fits; {len(fits)} was given. For tests of the terms of one, use fit.anova().")
    ordered = sorted(fits, key=lambda fit: fit.n_parameters)
    for one in ordered[1:]:
        check_rows(ordered[0], one)
    for small, large in itertools.pairwise(ordered):
        check_nested(small, large)
    refitted = truth("refit", refit) or not any("REML" in fit.method for fit in ordered)
    if not refitted:
        check_restricted(ordered)
    compared = [_by_likelihood(fit) for fit in ordered] if refitted else ordered
    draws = None if bootstrap is None else whole_number("bootstrap", bootstrap, 1)
    if draws is not None and not refitted:
        raise InputError("bootstrap= compares likelihoods, refit=False restricted ones; leave one of them out.")
    rows = [_criteria(compared[0]) | {"chisq": np.nan, "df": np.nan, "p_value": np.nan, "reference": ""}]
    for small, large in itertools.pairwise(compared):
        rows.append(_criteria(large) | _comparison(small, large, boundary, draws, seed))
    table = pd.DataFrame(rows)
    if not any(isinstance(fit.model, MixedModel) for fit in ordered):
        table = pd.concat([table, _f_tests(ordered)], axis=1)
    return table


def _by_likelihood(fit: Fitted) -> Fitted:
    """The model fitted by maximum likelihood: estimates, variances and criterion, no tests."""
    if "REML" not in fit.method:
        return fit
    assert isinstance(fit.model, MixedModel)
    found = estimate(fit.model, False, "satterthwaite")
    if not found.status.usable:
        raise InputError(f"the refit of {fit.formula!r} by maximum likelihood has no answer: {found.message}.")
    rows, columns = fit.model.structure.entries.T
    return replace(
        fit,
        table=fit.table.assign(estimate=found.beta),
        criterion=found.criterion,
        sigma=found.sigma,
        theta=found.factor[rows, columns],
        method=fit.method.replace("REML", "maximum likelihood"),
        tests=None,
    )


def _criteria(fit: Fitted) -> dict[str, object]:
    return {
        "model": fit.formula,
        "n_parameters": fit.n_parameters,
        "loglik": fit.loglik,
        "aic": fit.aic,
        "bic": fit.bic,
        "deviance": fit.criterion,
    }


def _comparison(small: Fitted, large: Fitted, boundary: str, draws: int | None, seed: int) -> dict[str, object]:
    assert small.criterion is not None
    assert large.criterion is not None
    chisq, df = max(small.criterion - large.criterion, 0.0), large.n_parameters - small.n_parameters
    added = _variances(large) - _variances(small)
    if draws is None:
        p_value, reference = tail(chisq, df, boundary == "mixture" and added > 0)
        reference = f"at most {reference}" if added > 1 and boundary == "mixture" else reference
    else:
        made = likelihood_ratio_draws(small, large, draws, seed)
        made = made[~np.isnan(made)]
        p_value, reference = (1 + int((made >= chisq).sum())) / (1 + len(made)), f"bootstrap ({len(made)} refits)"
    return {"chisq": chisq, "df": float(df), "p_value": p_value, "reference": reference}


def _variances(fit: Fitted) -> int:
    """How many of random effects."""
    return len(fit.model.random_names) if isinstance(fit.model, MixedModel) else 0


def tail(chisq: float, df: int, mixture: bool) -> tuple[float, str]:
    """P value, and the name of the distribution: chi-square, or half one of a degree of freedom less (none: always zero)."""
    upper = float(special.chdtrc(df, chisq))
    if not mixture:
        return upper, f"chi2({df})"
    lower = float(special.chdtrc(df - 1, chisq)) if df > 1 else float(chisq <= 0)
    return (lower + upper) / 2, f"chi2({df - 1})/2 + chi2({df})/2"


def _f_tests(fits: Sequence[Fitted]) -> pd.DataFrame:
    """Of each model against the one before it, with the residual variance of the largest (as R's ``anova``)."""
    rss = [float((weights_of(fit.model) * fit.residuals.to_numpy() ** 2).sum()) for fit in fits]
    left = [fit.n_rows - len(fit.beta) for fit in fits]
    lines: list[tuple[float, float, float, float]] = [(np.nan, np.nan, np.nan, np.nan)]
    for k in range(1, len(fits)):
        num = left[k - 1] - left[k]
        f = (rss[k - 1] - rss[k]) / num / (rss[-1] / left[-1])
        lines.append((f, num, left[-1], float(f_tail(f, num, left[-1]))))
    return pd.DataFrame(lines, columns=["f", "num_df", "den_df", "f_p_value"])
