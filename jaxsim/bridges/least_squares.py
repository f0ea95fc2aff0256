"""``ols``, ``lm`` and ``lm2``: regressions of a DataFrame without variance components."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np
import pandas as pd

from jaxsim.bridges.basis import Basis, dependent, orthonormal, residual, verdict
from jaxsim.bridges.expression import response
from jaxsim.bridges.formula import Formula, parse
from jaxsim.bridges.frame import collect, grouping, require, two_groups
from jaxsim.bridges.model_matrix import ModelMatrix, model_matrix
from jaxsim.bridges.result import FitResult, announce, check_level, coefficient_table, square
from jaxsim.bridges.two_stage import own_coefficients, own_status, second_stage
from jaxsim.crossproduct import CrossProducts, from_rows, pad_groups
from jaxsim.errors import InputError, choose
from jaxsim.estimators import ClusterRobust, Estimator, PooledOLS, TwoStage
from jaxsim.estimators.cluster_robust import CONVENTIONS
from jaxsim.status import Status
from jaxsim.sweep.plan import padded_groups


@dataclass(frozen=True)
class Regression:
    """A regression ready to be fitted: response ``y`` ``[N]``, model matrix, groups (None without), what was dropped."""

    formula: Formula
    y: np.ndarray
    x: ModelMatrix
    codes: np.ndarray | None
    labels: pd.Index | None
    messages: tuple[str, ...]


def ols(formula: str, data: pd.DataFrame, conf_level: float = 0.95) -> FitResult:
    """Ordinary least squares that ignores any grouping: classical standard errors, t with N - P degrees of freedom.

    Args:
        formula: such as ``"y ~ x + f + I(x^2)"``; terms, order and names as in R, text columns in treatment coding.
        data: a row per observation. Rows with a missing value in a column that is needed are dropped, with a message.
        conf_level: of the confidence limits.

    Raises:
        InputError: for a formula or data that could never be fitted; a fit that fails has a ``status`` instead.
    """
    return announce(fit(prepare(formula, data, None, conf_level), PooledOLS(), "Ordinary least squares", conf_level))


def lm(formula: str, data: pd.DataFrame, cluster: str = "Group", vcov: str = "CR1S", conf_level: float = 0.95) -> FitResult:
    """Ordinary least squares with cluster-robust standard errors (pymer4's ``Lm``).

    Args:
        formula, data, conf_level: as for :func:`ols`.
        cluster: column of the groups within which errors may depend on each other; not needed for ``vcov="iid"``.
        vcov: ``CR0``, ``CR1``, ``CR1S`` (Stata's, fixest's), ``pymer4`` (its version 0.8), or ``iid`` for classical errors. See
            :func:`jaxsim.estimators.cluster_robust.correction` for scales and degrees of freedom.

    Raises:
        InputError: as :func:`ols`; also for fewer than two clusters.
    """
    if choose("vcov", vcov, (*CONVENTIONS, "iid")) == "iid":
        return ols(formula, data, conf_level)
    regression = prepare(formula, data, column_argument("cluster", cluster), conf_level, "cluster")
    method = f"Ordinary least squares, cluster-robust standard errors ({vcov})"
    return announce(fit(regression, ClusterRobust(vcov), method, conf_level))


def lm2(formula: str, data: pd.DataFrame, group: str = "Group", conf_level: float = 0.95) -> FitResult:
    """Two-stage analysis: a regression per group, then a one-sample t test of each coefficient (pymer4's ``Lm2``).

    Args:
        formula, data, conf_level: as for :func:`ols`.
        group: column of the groups. A group that cannot be fitted alone makes the whole fit a failure.

    Raises:
        InputError: as :func:`ols`; also for fewer than two groups.
    """
    regression = prepare(formula, data, column_argument("group", group), conf_level, "group")
    return announce(fit(regression, TwoStage(), "Two-stage: a regression per group, then a t test", conf_level))


def column_argument(argument: str, value: str) -> str:
    """``value`` if it can be the name of a column, else :class:`InputError`."""
    if not isinstance(value, str):
        raise InputError(f"{argument}={value!r} must be the name of the column that holds the groups.")
    return value


def prepare(text: str, data: pd.DataFrame, group: str | None, conf_level: float, argument: str = "") -> Regression:
    """Check the input and build the model matrix."""
    check_level(conf_level)
    formula = parse(text)
    if formula.random:
        raise InputError(f"the formula {text!r} has random effects; fit it with lmer, or leave them out.")
    names = formula.names
    if group is not None:
        require(data, [group], f"{argument}={group!r} names the column of the groups, so there must be")
        names = tuple(dict.fromkeys((*names, group)))
    rows = collect(data, names, text)
    y, x = response(formula.response, rows.frame), model_matrix(formula.fixed, rows.frame)
    if not x.names:
        raise InputError(f"the formula {text!r} has no coefficients; write 'y ~ 1' for an intercept.")
    codes, labels = grouping(rows.frame, [group]) if group is not None else (None, None)
    if labels is not None:
        two_groups(labels)
    return Regression(formula, y, x, codes, labels, rows.messages)


def fit(regression: Regression, estimator: Estimator, method: str, conf_level: float) -> FitResult:
    """Fit on an orthonormal basis of the model matrix and carry the result back to its columns."""
    names, two_stage = regression.x.names, isinstance(estimator, TwoStage)
    status, message = verdict(regression.x.values, names, regression.y)
    n, p = regression.x.values.shape
    estimate, variance, df = np.full(p, np.nan), np.full((p, p), np.nan), np.full(p, np.nan)
    criterion = sigma = np.nan
    coef = None
    if status is Status.OK and two_stage and regression.codes is not None:
        status = own_status(regression.x.values, regression.codes)
        message = explain(status, regression, estimator)
    if status is Status.OK:
        basis = orthonormal(regression.x.values)
        beta, rest = residual(basis, regression.y)
        back = basis.inverse
        if two_stage and regression.codes is not None:
            own, back = own_coefficients(regression.x.values, rest, regression.codes), np.eye(p)
            data = second_stage(own)
            coef = pd.DataFrame(beta + own, index=regression.labels, columns=list(names))
        else:
            data = cross_products(basis, rest, regression.codes)
        found = jax.tree.map(lambda leaf: np.asarray(leaf[0]), estimator.fit_batch(jax.tree.map(lambda leaf: leaf[None], data)))
        status = Status(int(found.status))
        message = explain(status, regression, estimator)
        estimate, df, variance = beta + back @ found.estimate, found.df, back @ found.vcov @ back.T
        criterion, sigma = float(found.criterion), float(found.sigma)
    return FitResult(
        table=coefficient_table(names, estimate, np.sqrt(np.diagonal(variance)), df, conf_level),
        criterion=None if two_stage else criterion,
        sigma=None if two_stage else sigma,
        theta=None,
        theta_names=None,
        varcorr=None,
        covariance=None,
        random_effects=None,
        coef=coef,
        vcov=square(variance, names),
        status=status.label,
        converged=status is Status.OK,
        singular=False,
        n_rows=n,
        n_groups=None if regression.labels is None else len(regression.labels),
        messages=regression.messages + ((message,) if message else ()),
        formula=regression.formula.text,
        method=method,
        conf_level=conf_level,
    )


def explain(status: Status, regression: Regression, estimator: Estimator) -> str:
    """What to tell the user about a fit that the estimator refused."""
    if status is Status.OK:
        return ""
    if status is Status.TOO_FEW_GROUPS and regression.labels is not None:
        convention = getattr(estimator, "vcov", "")
        return f"{len(regression.labels)} clusters leave {convention!r} no degrees of freedom; use another convention, such as CR1S"
    if isinstance(estimator, TwoStage) and regression.labels is not None:
        values, codes = regression.x.values, regression.codes
        wrong = [str(label) for g, label in enumerate(regression.labels) if dependent(values[codes == g])]
        if len(wrong) == len(regression.labels):
            return f"no group can be fitted alone: {between_groups(regression)} a two-stage analysis needs variation within groups"
        if wrong:
            listed = ", ".join(wrong[:3]) + (", .." if len(wrong) > 3 else "")
            return f"{len(wrong)} of {len(regression.labels)} groups cannot be fitted alone ({listed}); leave them out"
    return status.message


def between_groups(regression: Regression) -> str:
    """Which coefficients' columns do not vary within any group, as the beginning of a sentence."""
    values, codes = regression.x.values, regression.codes
    assert regression.labels is not None
    varies = np.zeros(values.shape[1], bool)
    for g in range(len(regression.labels)):
        varies |= np.ptp(values[codes == g], axis=0) > 0
    names = [name for name, v in zip(regression.x.names, varies, strict=True) if not v and name != "(Intercept)"]
    return f"{', '.join(names)} does not vary within groups;" if names else "too few rows in each;"


def cross_products(basis: Basis, rest: np.ndarray, codes: np.ndarray | None) -> CrossProducts:
    """Cross-products of ``[Q e]``, padded so that data of a similar size share a compiled program."""
    columns = tuple(f"q{i}" for i in range(basis.q.shape[1]))
    data = from_rows(basis.q, rest, np.zeros(len(rest), int) if codes is None else codes, columns)
    return data if codes is None else pad_groups(data, padded_groups(data.sizes.shape[0]))
