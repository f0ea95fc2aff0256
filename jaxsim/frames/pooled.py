"""``ols`` and ``lm``: pooled regressions of a DataFrame, with classical or cluster-robust standard errors."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts, of_one, pad_groups
from jaxsim.data.padding import padded_groups
from jaxsim.errors import InputError, choose
from jaxsim.estimators import ClusterRobust, Fit, PooledOLS
from jaxsim.estimators.cluster_robust import INFERENCES, Contrasts, fit_contrasts
from jaxsim.estimators.sandwich import CONVENTIONS
from jaxsim.formula.coding import Coding
from jaxsim.frames.answer import Answer, nothing, report
from jaxsim.frames.bootstrap_options import bootstrap_title, bootstrap_weights, never, refuse_unused, strategy, too_coarse
from jaxsim.frames.cluster_tests import ClusterTests
from jaxsim.frames.linear_tests import FixedDf, LinearTests
from jaxsim.frames.regression import Regression, prepare, seeded
from jaxsim.frames.result import FitResult, announce
from jaxsim.frames.row_values import RowValues
from jaxsim.frames.two_way import check_two_way, two_way, ways_argument
from jaxsim.frames.weighted_sandwich import for_weighted_rows
from jaxsim.frames.whitening import log_weights, whitened
from jaxsim.inference import InferenceTable
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.row_basis import Basis, orthonormal, residual, verdict
from jaxsim.status import Status


def ols(
    formula: str,
    data: Any,
    conf_level: float = 0.95,
    *,
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    ordered: str = "treatment",
    aliased: str = "drop",
) -> FitResult:
    """Ordinary least squares that ignores any grouping: classical standard errors, t with N - P degrees of freedom.

    Args:
        formula: such as ``"y ~ x + C(f, Sum) + poly(x, 2)"``; terms, order and names as in R, text columns in treatment coding.
        data: a row per observation: a DataFrame, or a table of polars, modin or pyarrow (with narwhals). Rows with a missing value
            in a column that is needed are dropped, with a message.
        conf_level: of the confidence limits.
        weights, frequencies, offset: as for :func:`jaxsim.lmer`: columns, or a number for each row.
        ordered: contrasts of ordered categories, ``treatment`` or ``poly`` (R's default).
        aliased: what becomes of a column that is a combination of those before it, as an empty cell of ``f * h`` makes: ``drop``
            leaves it out as R does, with a message; ``refuse`` gives the status ``rank_deficient``.

    Raises:
        InputError: for a formula or data that could never be fitted; a fit that fails has a ``status`` instead.
    """
    values = RowValues(weights, frequencies, offset)
    regression = prepare(formula, data, None, conf_level, coding=Coding(ordered, aliased), values=values)
    return announce(report(regression, pooled(regression), least_squares_title(values), conf_level))


def least_squares_title(values: RowValues) -> str:
    """What the method is called."""
    return f"{'Ordinary' if values.weights is None else 'Weighted'} least squares{values.title}"


def lm(
    formula: str,
    data: Any,
    cluster: Any = "Group",
    vcov: str = "CR1S",
    conf_level: float = 0.95,
    *,
    df: str | None = None,
    inference: str = "t",
    bootstrap: str | None = None,
    draws: int | None = None,
    seed: int = 0,
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    ordered: str = "treatment",
    aliased: str = "drop",
) -> FitResult:
    """Ordinary least squares with cluster-robust standard errors (pymer4's ``Lm``).

    Args:
        formula, data, conf_level, frequencies, offset, ordered, aliased: as for :func:`ols`.
        cluster: column of the groups within which errors may depend on each other, by its name or as a Series or array with a value
            for each row (a Series by its index); not needed for ``vcov="iid"``. Two columns allow dependence within the groups of
            either (see :func:`jaxsim.frames.two_way.two_way`); ``n_groups`` is then the smaller number.
        vcov: ``CR0``, ``CR1``, ``CR1p``, ``CR1S`` (Stata's, fixest's), ``pymer4`` (its version 0.8), ``CR2``, ``CR3``
            (clubSandwich's scale), or ``iid`` for classical errors.
        df: of the t statistics: ``satterthwaite``, ``G-1``, ``G-P`` or ``normal``. None: ``satterthwaite`` for CR2 and CR3, ``G-P``
            for pymer4, else ``G-1``.
        inference: ``t``, or ``wild`` for p values and confidence limits by the wild cluster restricted bootstrap-t.
        bootstrap, draws: its weights and their number, by default ``rademacher`` and 9999; see ``weights`` and ``draws`` of
            :class:`jaxsim.ClusterRobust`.
        seed: of the bootstrap; the same seed and data give the same numbers.
        weights: of the rows, as for :func:`ols`; or ``rademacher``, ``webb`` or ``mammen``, which are taken for ``bootstrap``. CR2
            and Satterthwaite's df take errors of one variance for granted all the same, as clubSandwich does.

    A coefficient may have no cluster-robust variance, such as those of columns that tell the clusters apart. Its standard error is
    then missing, the status ``zero_variance``, and the numbers of the other coefficients are right all the same.

    Raises:
        InputError: as :func:`ols`; also for fewer than two clusters, or options that are unknown or do not go together.
        NotSupportedError: for more than two cluster columns, or two with CR2, CR3, Satterthwaite df or the bootstrap.
    """
    weights, bootstrap = bootstrap_weights(weights, bootstrap)
    choose("inference", inference, INFERENCES)
    if choose("vcov", vcov, (*CONVENTIONS, "iid")) == "iid":
        if df is not None or inference != "t":
            raise InputError("vcov='iid' has t inference with N - P degrees of freedom; leave out df and inference.")
        refuse_unused(bootstrap, draws)
        rows: dict[str, Any] = {"weights": weights, "frequencies": frequencies, "offset": offset}
        return ols(formula, data, conf_level, **rows, ordered=ordered, aliased=aliased)
    estimator = strategy(vcov, df, inference, bootstrap, draws)
    coding, values = Coding(ordered, aliased), RowValues(weights, frequencies, offset)
    context = seeded(seed, conf_level) if estimator.resamples else None
    if len(columns := ways_argument(cluster)) > 1:
        check_two_way(estimator)
    regression = prepare(formula, data, columns, conf_level, "cluster", coding, values)
    found, detail = robust(regression, estimator, context)
    method = f"{least_squares_title(values)}, cluster-robust standard errors ({vcov}){detail}"
    return announce(report(regression, found, method, conf_level))


def robust(regression: Regression, estimator: ClusterRobust, context: Context | None) -> tuple[Answer, str]:
    """The answer for one or two grouping factors, and what the method's line says of them."""
    if len(regression.ways) > 1:
        both = " and ".join(f"{way.name} ({len(way.labels)})" for way in regression.ways)
        return two_way(regression, estimator), f", two-way: {both}"
    found = clustered(regression, estimator, context)
    if found.criterion is not None:
        found = dataclasses.replace(found, criterion=found.criterion - log_weights(regression))
    detail = f", wild cluster bootstrap ({bootstrap_title(regression, estimator)})" if estimator.resamples else ""
    return for_weighted_rows(found, regression, estimator), detail


def on_basis(regression: Regression) -> tuple[Basis, np.ndarray, CrossProducts] | Answer:
    """An orthonormal basis, the estimates ``[P]`` and the cross-products of basis and residual; or why there is no fit."""
    plain = whitened(regression)
    status, message = verdict(plain.x.values, plain.x.names, plain.y)
    if status is not Status.OK:
        return nothing(regression, status, message)
    basis = orthonormal(plain.x.values)
    beta, rest = residual(basis, plain.y)
    return basis, beta, cross_products(basis, rest, regression.codes)


def pooled(regression: Regression) -> Answer:
    """Fit on an orthonormal basis of the model matrix and carry the answer back to its columns."""
    posed = on_basis(regression)
    if isinstance(posed, Answer):
        return posed
    basis, beta, data = posed
    found = on_numpy(PooledOLS().fit)(data)
    status, back = Status(int(found.status)), basis.inverse
    vcov = back @ found.vcov @ back.T
    return Answer(
        status,
        "" if status is Status.OK else status.message,
        beta + back @ found.estimate,
        vcov,
        found.df,
        float(found.criterion) - log_weights(regression),
        float(found.sigma),
        tests=FixedDf(vcov, float(found.df[0])),
    )


def clustered(regression: Regression, estimator: ClusterRobust, context: Context | None = None) -> Answer:
    """As :func:`pooled`; df and p values belong to the user's coefficients, which are contrasts of those of the basis.

    The response is the residual, so the coefficients of the fit are zero, and a user's coefficient is zero where its contrast is
    minus the estimate.
    """
    posed = on_basis(regression)
    if isinstance(posed, Answer):
        return posed
    basis, beta, data = posed

    padded = pad_groups(data, padded_groups(len(data.sizes))) if estimator.resamples else data

    def about(which: np.ndarray) -> Fit:
        """The fit of some coefficients."""
        rows = np.resize(which, len(beta))  # repeated, so that one compiled program serves any selection
        given: Any = basis.inverse[rows], -beta[rows]
        contrasts = Contrasts(*given)
        if not estimator.resamples:
            return on_numpy(estimator.fit)(data, None, contrasts)
        return jax.device_get(fit_contrasts(estimator, padded, contrasts, context))

    every = np.arange(len(beta))
    found = about(every)
    status = Status(int(found.status))
    if status is not Status.ZERO_VARIANCE:
        message, coarse = explain(status, regression, estimator), too_coarse(regression, estimator, context)
        message = message or never(regression, estimator, np.asarray(found.p_value))
        whole = answer(beta, every, found, status, message, coarse)
        return dataclasses.replace(whole, tests=tests_of(estimator, whole, basis, data))
    # A column for each group, say, has coefficients without a variance; they should not take the others with them.
    have = np.array([j for j in every if int(about(every[[j]]).status) == Status.OK], int)
    if not len(have):
        return nothing(regression, status, status.message)
    lacking = ", ".join(name for j, name in enumerate(regression.x.names) if j not in have)
    return answer(beta, have, about(have), status, f"{lacking}: the groups say nothing about the variance of such a coefficient")


def tests_of(estimator: ClusterRobust, found: Answer, basis: Basis, data: CrossProducts) -> LinearTests:
    """The tests of combinations of coefficients that go with a convention and its degrees of freedom."""
    if estimator.degrees != "satterthwaite":
        return FixedDf(found.vcov, float(found.df[0]))
    p = len(found.estimate)
    return ClusterTests(found.vcov, basis.inverse, np.asarray(data.products)[:, :p, :p], estimator.vcov)


def answer(beta: np.ndarray, which: np.ndarray, found: Fit, status: Status, message: str, coarse: str = "") -> Answer:
    """The fit of the coefficients ``which`` (NaN for the others) in the user's coordinates; ``beta`` ``[P]`` are the estimates."""
    size, count = len(beta), len(which)

    def spread(values: jax.Array) -> np.ndarray:
        """Numbers at their places, NaN elsewhere."""
        full = np.full(size, np.nan)
        full[which] = values[:count]
        return full

    # The basis was fitted to the residual: what it adds to an estimate is rounding, or NaN where there is no fit.
    estimate = beta + spread(found.estimate) if status is not Status.ZERO_VARIANCE else beta
    vcov = np.full((size, size), np.nan)
    vcov[np.ix_(which, which)] = found.vcov[:count, :count]
    own = None
    if found.p_value.size and np.isfinite(found.p_value).all():
        limits = (beta + spread(limit) for limit in (found.conf_low, found.conf_high))
        own = InferenceTable(estimate / spread(found.std_error), spread(found.p_value), *limits)
    if np.isinf([found.conf_low, found.conf_high]).any():
        message = "some confidence limits are infinite: the bootstrap rejects no value on that side, however far from the estimate"
    elif coarse:
        message = f"{coarse}: the smallest p value stands for every level below it; use bootstrap='webb' or CR2"
    return Answer(status, message, estimate, vcov, spread(found.df), float(found.criterion), float(found.sigma), own)


def explain(status: Status, regression: Regression, estimator: ClusterRobust) -> str:
    """What to tell the user about a fit that the estimator refused."""
    if status is Status.OK:
        return ""
    if status is Status.TOO_FEW_GROUPS and regression.labels is not None:
        what = f"{estimator.vcov!r} with {estimator.degrees} degrees of freedom" if estimator.df else repr(estimator.vcov)
        return f"{len(regression.labels)} clusters leave {what} no degrees of freedom; use another convention, such as CR1S"
    return status.message


def cross_products(basis: Basis, rest: np.ndarray, codes: np.ndarray | None) -> CrossProducts:
    """Cross-products of ``[Q e]``."""
    columns = tuple(f"q{i}" for i in range(basis.q.shape[1]))
    return of_one(basis.q, rest, np.zeros(len(rest), int) if codes is None else codes, columns)
