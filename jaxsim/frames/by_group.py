"""``lm2``: a regression of a DataFrame per group, then inference about the mean coefficients."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.data.context import Context
from jaxsim.data.padding import padded_groups
from jaxsim.errors import InputError, NotSupportedError, brief, choose
from jaxsim.estimators import Fit, TwoStage
from jaxsim.estimators.second_stage import OwnRegressions
from jaxsim.estimators.two_stage import MEANS, WEIGHTS
from jaxsim.formula.coding import Coding
from jaxsim.frames.answer import Answer, nothing, report
from jaxsim.frames.linear_tests import MeanTests
from jaxsim.frames.regression import Regression, column_argument, prepare, seeded
from jaxsim.frames.result import FitResult, announce
from jaxsim.frames.row_values import RowValues
from jaxsim.frames.whitening import whitened
from jaxsim.inference import InferenceTable
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.row_basis import dependent, orthonormal, residual, verdict
from jaxsim.status import Status

# The means that lm2 has, with the weights of groups that make them.
OWN_MEANS = {"arithmetic": "equal", "precision": "precision"}
SECOND_STAGE = {
    "t": "a t test",
    "bootstrap": "a bootstrap of the groups",
    "bootstrap-t": "a studentised bootstrap of the groups",
    "sign-flip": "a sign-flip permutation test",
}


def lm2(
    formula: str,
    data: Any,
    group: Any = "Group",
    inference: str = "t",
    weights: Any = None,
    draws: int = 9999,
    seed: int = 0,
    conf_level: float = 0.95,
    *,
    mean: str | None = None,
    frequencies: Any = None,
    offset: Any = None,
    ordered: str = "treatment",
    aliased: str = "drop",
) -> FitResult:
    """Two-stage analysis: a regression per group, then a test of the mean of each coefficient (pymer4's ``Lm2``).

    Args:
        formula, data, conf_level, frequencies, offset, ordered, aliased: as for :func:`ols`.
        group: column of the groups, by its name or as a Series or array with a value for each row. A group that cannot be fitted
            alone makes the whole fit a failure.
        inference: source of p values and confidence limits: ``t``, ``bootstrap`` (percentile), ``bootstrap-t`` or ``sign-flip``.
        mean: of the groups' coefficients: ``arithmetic``, the default, or ``precision`` for a random-effects mean, as those of
            :class:`jaxsim.TwoStage`, whose robust means are for studies.
        weights: of the rows in the groups' regressions, as for :func:`ols`; or, as in earlier versions, ``precision`` or ``equal``
            for ``mean="precision"`` or ``"arithmetic"``.
        draws: resamples or sign patterns; all patterns are used where there are fewer.
        seed: of the draws; the same seed and data give the same numbers.

    Raises:
        InputError: as :func:`ols`; also for fewer than two groups, or options that are unknown or do not go together.
    """
    weights, of_groups = row_weights(weights, mean)
    estimator, values = TwoStage(inference, of_groups, draws), RowValues(weights, frequencies, offset)
    context = seeded(seed, conf_level) if estimator.resamples else None
    regression = prepare(formula, data, column_argument("group", group), conf_level, "group", Coding(ordered, aliased), values)
    found = fit(regression, estimator, context)
    return announce(report(regression, found, method(estimator, regression, seed) + values.title, conf_level))


def row_weights(weights: Any, mean: str | None) -> tuple[Any, str]:
    """The weights of the rows, and those of the groups that are meant: ``weights`` may name them."""
    if mean in MEANS and mean not in OWN_MEANS:
        raise NotSupportedError(
            f"mean={mean!r} is a mean of strategies in studies, TwoStage(mean={mean!r}); lm2 has "
            f"{' and '.join(map(repr, OWN_MEANS))}."
        )
    if mean == "equal":
        raise InputError("mean='equal' is called 'arithmetic', as in TwoStage; use mean='arithmetic', or leave it out.")
    wanted = None if mean is None else OWN_MEANS[choose("mean", mean, tuple(OWN_MEANS))]
    if not isinstance(weights, str) or weights not in WEIGHTS:
        return weights, wanted or WEIGHTS[0]
    if wanted is not None and wanted != weights:
        raise InputError(f"weights={weights!r} and mean={brief(mean)} are two means of the groups; give one.")
    return None, weights


def method(estimator: TwoStage, regression: Regression, seed: int) -> str:
    """One line that says how the means were tested."""
    line = f"Two-stage: a regression per group, then {SECOND_STAGE[estimator.inference]}"
    if estimator.weights == "precision":
        return f"{line} of the precision-weighted mean"
    if not estimator.resamples:
        return line
    assert regression.labels is not None
    if estimator.inference == "sign-flip" and complete(len(regression.labels), estimator.draws):
        return f"{line} (all sign patterns)"
    return f"{line} ({estimator.draws} draws, seed {seed})"


def complete(n_groups: int, draws: int) -> bool:
    """Whether the draws are enough for all sign patterns."""
    return 2 ** (n_groups - 1) <= draws


def fit(regression: Regression, estimator: TwoStage, context: Context | None = None) -> Answer:
    """The first stage on rows, by QR of every group's columns; the second by the estimator."""
    assert regression.codes is not None
    assert regression.labels is not None
    plain = whitened(regression)
    status, message = verdict(plain.x.values, plain.x.names, plain.y)
    if status is not Status.OK:
        return nothing(regression, status, message)
    status = own_status(regression.x.values, regression.codes)
    if status is not Status.OK:
        return nothing(regression, status, explain(status, regression))
    beta, rest = residual(orthonormal(plain.x.values), plain.y)
    own = own_regressions(plain.x.values, rest, regression.codes, beta)
    found = second_stage(estimator, own, context)
    status = Status(int(found.status))
    return Answer(
        status,
        explain(status, regression) or unbounded(found, estimator, len(regression.labels)),
        found.estimate,
        found.vcov,
        found.df,
        own=own_table(found) if estimator.resamples and status is Status.OK else None,
        coef=pd.DataFrame(beta + np.asarray(own.beta).T, index=regression.labels, columns=list(regression.x.names)),
        tests=MeanTests(np.asarray(found.vcov), len(regression.labels)),
    )


def second_stage(estimator: TwoStage, own: OwnRegressions, context: Context | None) -> Any:
    """The mean of the groups' own regressions; what resamples is compiled, for numbers of groups that are padded."""
    if not estimator.resamples:
        return on_numpy(estimator.second_stage)(own, np.int32(Status.OK), context)
    extra = padded_groups(len(own.present)) - len(own.present)
    beta, unit, present = (np.pad(a, [(0, 0)] * (np.ndim(a) - 1) + [(0, extra)]) for a in (own.beta, own.unit, own.present))
    padded = own._replace(beta=jnp.asarray(beta), unit=jnp.asarray(unit), present=jnp.asarray(present))
    return jax.device_get(_resampled(estimator, padded, context))


@partial(jax.jit, static_argnums=0)
def _resampled(estimator: TwoStage, own: OwnRegressions, context: Context | None) -> Fit:
    return estimator.second_stage(own, jnp.asarray(Status.OK, jnp.int32), context)


def own_table(found: Fit) -> InferenceTable:
    """The p values and limits that the estimator made itself."""
    return InferenceTable(
        *(np.asarray(a) for a in (found.estimate / found.std_error, found.p_value, found.conf_low, found.conf_high))
    )


def unbounded(found: Fit, estimator: TwoStage, n_groups: int) -> str:
    """What to tell the user about infinite confidence limits."""
    if not np.isinf([found.conf_low, found.conf_high]).any():
        return ""
    if estimator.inference == "sign-flip" and complete(n_groups, estimator.draws):
        return f"{n_groups} groups have {2 ** (n_groups - 1)} sign patterns: too few for a bounded interval at this conf_level"
    return (
        f"some confidence limits are infinite: {n_groups} groups with {estimator.draws} draws bound no interval at this conf_level"
    )


def explain(status: Status, regression: Regression) -> str:
    """What to tell the user about a fit that the estimator refused."""
    if status is Status.OK:
        return ""
    values, codes = regression.x.values, regression.codes
    assert regression.labels is not None
    wrong = [str(label) for g, label in enumerate(regression.labels) if dependent(values[codes == g])]
    if len(wrong) == len(regression.labels):
        return f"no group can be fitted alone: {between_groups(regression)} a two-stage analysis needs variation within groups"
    if wrong:
        listed = ", ".join(wrong[:3]) + (", .." if len(wrong) > 3 else "")
        return f"{len(wrong)} of {len(regression.labels)} groups cannot be fitted alone ({listed}); leave them out"
    if status is Status.TOO_FEW_ROWS:
        return "no row is left for the residual variance within groups that mean='precision' needs; use mean='arithmetic'"
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


def own_status(columns: np.ndarray, codes: np.ndarray) -> Status:
    """Whether every group can be fitted alone: ``columns`` ``[N, P]``, ``codes`` 0 .. G - 1 ``[N]``."""
    if (np.bincount(codes) < columns.shape[1]).any():
        return Status.TOO_FEW_ROWS
    deficient = any(dependent(columns[codes == g]) for g in range(codes.max() + 1))
    return Status.RANK_DEFICIENT if deficient else Status.OK


def own_regressions(columns: np.ndarray, rest: np.ndarray, codes: np.ndarray, origin: np.ndarray) -> OwnRegressions:
    """Every group's own regression of ``rest``, ``y - columns @ origin`` ``[N]``; all groups must have full rank.

    A basis of all rows would not do: columns that differ much between groups are nearly collinear in it within each.
    """
    n_groups, p = int(codes.max()) + 1, columns.shape[1]
    beta, unit = np.zeros((2, p, n_groups))
    rss = 0.0
    for g in range(n_groups):
        basis = orthonormal(columns[codes == g])
        beta[:, g], left = residual(basis, rest[codes == g])
        unit[:, g] = (basis.inverse**2).sum(1)
        rss += float(left @ left)
    found: Any = (origin, beta, unit, np.float64(rss), np.int64(len(rest) - n_groups * p), np.ones(n_groups, bool))
    return OwnRegressions(*found)
