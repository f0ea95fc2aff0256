"""``lmer``, ``lm`` and ``lm2`` of a DataFrame by pymer4, with the result that jaxsim's own functions have."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pandas as pd

from jaxsim.errors import NotSupportedError
from jaxsim.formula.coding import REFUSING
from jaxsim.formula.columns import level_name
from jaxsim.formula.tables import as_frame
from jaxsim.frames.answer import Answer
from jaxsim.frames.answer import nothing as no_answer
from jaxsim.frames.answer import report as report_regression
from jaxsim.frames.estimates import Estimates
from jaxsim.frames.estimates import nothing as no_estimates
from jaxsim.frames.mixed import report as report_mixed
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.mixed_model import prepare as prepare_mixed
from jaxsim.frames.regression import Regression, column_argument
from jaxsim.frames.regression import prepare as prepare_regression
from jaxsim.frames.result import FitResult, announce
from jaxsim.r.outcome import Outcome
from jaxsim.r.pool import Pool
from jaxsim.r.request import Request
from jaxsim.status import Status

_lock = threading.Lock()
_shared: list[Pool] = []


def lmer(
    formula: str,
    data: pd.DataFrame,
    reml: bool = True,
    df: str = "satterthwaite",
    conf_level: float = 0.95,
    effort: str = "default",
) -> FitResult:
    """Fit a linear mixed model with lme4, through pymer4; otherwise as :func:`jaxsim.lmer`.

    The first call starts a process with R (some seconds), which the next ones use.

    Args:
        formula, data, reml, conf_level: as for :func:`jaxsim.lmer`.
        df: ``satterthwaite`` (lmerTest) or ``kenward-roger`` (pbkrtest; REML only).
        effort: ``default``, ``tight`` or ``best``, see :class:`Request`.

    Raises:
        InputError: as :func:`jaxsim.lmer`; also if pymer4, R or one of its packages is missing.
        NotSupportedError: as :func:`jaxsim.lmer`.
    """
    data = as_frame(data)
    request = Request(formula, data, reml=reml, df=df, conf_level=conf_level, effort=effort)
    try:
        model = prepare_mixed(formula, data, REFUSING)
    except NotSupportedError as error:
        advice = "lme4 may still fit it: jaxsim.r.pool.Pool().fit(Request(formula, data)) returns its numbers as they are."
        raise NotSupportedError(f"{error} {advice}") from None
    outcome = pool().fit(request)
    fit = report_mixed(model, _estimates(model, outcome), bool(reml), df, conf_level)
    lme4 = f" with lme4 {outcome.versions.get('lme4', '')}{_through(outcome)};"
    return announce(dataclasses.replace(fit, method=fit.method.replace(";", lme4, 1)))


def lm(formula: str, data: pd.DataFrame, cluster: str = "Group", conf_level: float = 0.95) -> FitResult:
    """Least squares with cluster-robust standard errors by pymer4 0.8's ``Lm``; its ``vcov`` has NaN off the diagonal.

    The same as :func:`jaxsim.lm` with ``vcov="pymer4"``: G / (G - 1) * N / (N - P), and G - P degrees of freedom.

    Args:
        formula, data, cluster, conf_level: as for :func:`jaxsim.lm`.

    Raises:
        InputError: as :func:`jaxsim.lm`; also if pymer4 0.8 or R is missing.
    """
    data = as_frame(data)
    regression = prepare_regression(formula, data, column_argument("cluster", cluster), conf_level, "cluster", REFUSING)
    outcome = pool().fit(Request(formula, data, kind="lm", group=cluster, conf_level=conf_level))
    method = f"Ordinary least squares, cluster-robust standard errors{_through(outcome)}"
    return announce(report_regression(regression, _answer(regression, outcome), method, conf_level))


def lm2(formula: str, data: pd.DataFrame, group: str = "Group", conf_level: float = 0.95) -> FitResult:
    """Two-stage analysis by pymer4 0.8's ``Lm2``; otherwise as :func:`jaxsim.lm2`.

    Args:
        formula, data, group, conf_level: as for :func:`jaxsim.lm2`.

    Raises:
        InputError: as :func:`jaxsim.lm2`; also if pymer4 0.8 or R is missing.
    """
    data = as_frame(data)
    regression = prepare_regression(formula, data, column_argument("group", group), conf_level, "group", REFUSING)
    outcome = pool().fit(Request(formula, data, kind="lm2", group=group, conf_level=conf_level))
    method = f"Two-stage: a regression per group, then a t test{_through(outcome)}"
    return announce(report_regression(regression, _answer(regression, outcome), method, conf_level))


def pool() -> Pool:
    """The one process that these functions share, started when it is first needed."""
    with _lock:
        if not _shared or _shared[0].closed:
            _shared[:] = [Pool(1)]
        return _shared[0]


def _through(outcome: Outcome) -> str:
    return f" through pymer4 {outcome.versions.get('pymer4', '')}".rstrip()


def _estimates(model: MixedModel, outcome: Outcome) -> Estimates:
    """lme4's numbers in the order of ``model``."""
    if not outcome.status.has_numbers or outcome.terms != model.x.names:
        return no_estimates(model, outcome.status, outcome.message)
    by_name = {":".join(effects.columns): effects for effects in outcome.random}
    modes = []
    for f, factor in enumerate(model.factors):
        effects = by_name[factor.name]
        columns = [effects.terms.index(name) for name in model.names_of(f)]
        groups = [effects.labels.index(level_name(label)) for label in factor.labels]
        modes.append(effects.modes[np.ix_(groups, columns)])
    relative = np.zeros((model.structure.size,) * 2)
    relative[model.structure.entries[:, 0], model.structure.entries[:, 1]] = outcome.theta
    return Estimates(
        status=outcome.status,
        message=outcome.message,
        beta=outcome.estimate,
        vcov=outcome.vcov,
        df=outcome.df,
        criterion=outcome.criterion,
        sigma=outcome.sigma,
        factor=relative,
        modes=tuple(modes),
        converged=outcome.converged,
        singular=outcome.singular,
    )


def _answer(regression: Regression, outcome: Outcome) -> Answer:
    """pymer4's numbers; both have the groups in the order of ``regression``."""
    if outcome.status is not Status.OK:
        return no_answer(regression, outcome.status, outcome.message)
    coef = pd.DataFrame(outcome.own, index=regression.labels, columns=list(outcome.terms)) if len(outcome.own) else None
    return Answer(outcome.status, outcome.message, outcome.estimate, outcome.vcov, outcome.df, coef=coef)
