"""``lmer``: a linear mixed model of a DataFrame, with one grouping factor or several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxsim.errors import InputError, brief, check_probability
from jaxsim.formula.coding import Coding
from jaxsim.frames.estimates import Estimates
from jaxsim.frames.fitted import coefficient_table, per_factor, square
from jaxsim.frames.mixed_fit import estimate
from jaxsim.frames.mixed_model import MixedModel, prepare
from jaxsim.frames.result import FitResult, announce
from jaxsim.frames.reused_labels import reused_labels
from jaxsim.frames.row_values import RowValues
from jaxsim.lmm.solution import check_df

_DF_TITLES = {
    "satterthwaite": "Satterthwaite's method",
    "residual": "N - P degrees of freedom",
    "normal": "the normal distribution",
    "kenward-roger": "Kenward and Roger's method",
    "kenward-roger-observed": "Kenward and Roger's method with the observed information",
}


def lmer(
    formula: str,
    data: Any,
    reml: bool = True,
    df: str = "satterthwaite",
    conf_level: float = 0.95,
    *,
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    ordered: str = "treatment",
    aliased: str = "drop",
) -> FitResult:
    """Fit a linear mixed model with one or several grouping factors, crossed or nested, as lme4's ``lmer`` (and lmerTest) would.

    Args:
        formula: such as ``"y ~ x * f + (x | g)"``. Terms, order and names as in R; text, boolean and categorical columns have
            treatment contrasts, or those that ``C(f, Sum)`` names (:class:`jaxsim.formula.contrasts.Contrast`). ``poly``, ``bs``,
            ``ns``, ``scale`` and ``center`` learn from the fitted rows. Random effects: ``(1 | g)``, ``(x | g)``, ``(x || g)`` for
            numeric x, ``(0 + x | g)``, several such terms, with ``a:b`` (the combinations of two columns) as a group, too, and
            ``a/b`` for nested ones, which is a term for ``b:a`` and one for ``a``: ``(x | subject) + (1 | item)``,
            ``(1 | school/class)``.
        data: a row per observation: a DataFrame, or a table of polars, modin or pyarrow (with narwhals). Rows with a missing value
            in a column that is needed are dropped, with a message.
        reml: REML if true, else maximum likelihood.
        df: of the t statistics: ``satterthwaite`` (as lmerTest), ``residual`` (N - P), ``normal`` (infinite), ``kenward-roger`` (as
            pbkrtest: expected information) or ``kenward-roger-observed`` (as SAS). The last two also adjust ``vcov`` and the
            standard errors, and need REML.
        conf_level: of the confidence limits.
        weights: a column, or a positive number for each row: its residual variance is ``sigma^2`` divided by its weight (as in
            lme4).
        frequencies: a column, or a whole number for each row: how many rows, all alike, it stands for. The result is that of the
            rows written out, so ``fitted`` has each of them.
        offset: a column, or a number for each row, that is added to the linear predictor; ``offset(x)`` in the formula does the
            same. Predictions for new rows need its columns.
        ordered: contrasts of ordered categories, ``treatment`` or ``poly`` (R's default).
        aliased: what becomes of a fixed-effects column that is a combination of those before it, as an empty cell of ``f * h``
            makes: ``drop`` leaves it out as R does, with a message; ``refuse`` gives the status ``rank_deficient``.

    Raises:
        InputError: for a formula or data that could never be fitted; a fit that fails has a ``status`` instead.
        NotSupportedError: for ``(f || g)`` with a categorical f, and for grouping factors with so many levels that what is
            computed would not fit into memory.
    """
    check_probability("conf_level", conf_level)
    if not isinstance(reml, (bool, np.bool_)):
        raise InputError(f"reml={brief(reml)} must be True (REML) or False (maximum likelihood).")
    check_df(df, bool(reml))
    values = RowValues(weights, frequencies, offset)
    model = prepare(formula, data, Coding(ordered, aliased), values)
    return announce(report(model, estimate(model, bool(reml), df), bool(reml), df, conf_level, values.title))


def report(model: MixedModel, found: Estimates, reml: bool, df: str, conf_level: float, title: str = "") -> FitResult:
    """The estimates as tables; ``title`` is what the method's line says of the rows."""
    names, entries = model.x.names, model.structure.entries
    modes = _by_factor(
        model,
        [
            pd.DataFrame(own, index=factor.labels, columns=list(model.names_of(f)))
            for f, (factor, own) in enumerate(zip(model.factors, found.modes, strict=True))
        ],
    )
    covariance = _by_factor(
        model,
        [
            square(found.covariance[np.ix_(at, at)], model.names_of(f))
            for f, at in enumerate(map(model.columns_of, range(len(model.factors))))
        ],
    )
    notes = [found.message, reused_labels(model) if model.several and found.status.usable else ""]
    kind = "REML" if reml else "maximum likelihood"
    return FitResult(
        table=coefficient_table(names, found.beta, np.sqrt(np.diagonal(found.vcov)), found.df, conf_level),
        criterion=found.criterion,
        sigma=found.sigma,
        theta=found.factor[entries[:, 0], entries[:, 1]],
        theta_names=theta_names(model),
        varcorr=variance_table(model, found.covariance, found.sigma),
        covariance=covariance,
        random_effects=modes,
        coef=_by_factor(model, [group_coefficients(names, found.beta, own) for own in per_factor(modes)]),
        vcov=square(found.vcov, names),
        status=found.status.label,
        converged=found.converged,
        singular=found.singular,
        n_rows=len(model.y),
        n_groups=_by_factor(model, [len(factor.labels) for factor in model.factors]),
        messages=model.messages + tuple(note for note in notes if note),
        model=model,
        method=f"Linear mixed model fit by {kind}{title}; t tests use {_DF_TITLES[df]}",
        conf_level=conf_level,
        tests=found.tests,
    )


def _by_factor(model: MixedModel, parts: Sequence[Any]) -> Any:
    """What there is of each grouping factor, by its name; of one factor as it is."""
    return {factor.name: part for factor, part in zip(model.factors, parts, strict=True)} if model.several else parts[0]


def theta_names(model: MixedModel) -> tuple[str, ...]:
    """As lme4 names them: ``g.x`` on the diagonal, ``g.x.(Intercept)`` below it."""
    groups, names = model.groups_of_columns, model.random_names
    return tuple(f"{groups[i]}.{names[i]}" if i == j else f"{groups[i]}.{names[i]}.{names[j]}" for i, j in model.structure.entries)


def variance_table(model: MixedModel, covariance: np.ndarray, sigma: float) -> pd.DataFrame:
    """Variances, standard deviations and, within a block, correlations with the terms before; the residual last."""
    names, variances = model.random_names, np.diagonal(covariance)
    deviations = np.sqrt(variances)
    table = pd.DataFrame(
        {
            "group": [*model.groups_of_columns, "Residual"],
            "term": [*names, ""],
            "variance": [*variances, sigma**2],
            "std_dev": [*deviations, sigma],
        }
    )
    with np.errstate(invalid="ignore"):
        correlations = covariance / np.outer(deviations, deviations)
    below = [(i, j) for i, j in model.structure.entries if i != j]
    for earlier in dict.fromkeys(names[j] for j in sorted({j for _, j in below})):
        column = np.full(len(names) + 1, np.nan)
        for i, j in below:
            if names[j] == earlier:
                column[i] = correlations[i, j]
        table[f"corr_{earlier}"] = column
    return table


def group_coefficients(names: tuple[str, ...], beta: np.ndarray, modes: pd.DataFrame) -> pd.DataFrame:
    """Fixed plus random effects of every group; a column without one of the two counts it as zero."""
    every = list(dict.fromkeys((*names, *modes.columns)))
    fixed = pd.Series(beta, index=list(names)).reindex(every, fill_value=0.0)
    return modes.reindex(columns=every, fill_value=0.0) + fixed
