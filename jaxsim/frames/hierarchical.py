"""``bayes``: a Bayesian hierarchical model of a DataFrame, with one grouping factor."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxsim.bayesian.engine import Method
from jaxsim.bayesian.marginals import INTERVALS
from jaxsim.bayesian.posterior import Posterior, posterior
from jaxsim.bayesian.prior import distributions
from jaxsim.bayesian.priors import Priors, named
from jaxsim.bayesian.problem import Model
from jaxsim.data.cross_products import CrossProducts, from_rows, pad_groups
from jaxsim.data.names import INTERCEPTS
from jaxsim.data.padding import padded_groups
from jaxsim.errors import NotSupportedError, brief, check_probability, choose, whole_number
from jaxsim.estimators.hierarchical_bayes import METHODS
from jaxsim.formula.coding import Coding
from jaxsim.formula.parse import parse
from jaxsim.frames.bayes_result import BayesResult, diagnostics_table, parameter_table
from jaxsim.frames.identification import cause, of_model
from jaxsim.frames.mixed_model import MixedModel, check, prepare
from jaxsim.frames.row_values import RowValues
from jaxsim.frames.whitening import whitened
from jaxsim.seeding import analysis_key
from jaxsim.status import Status

HIDDEN = (
    "the response hardly differs within the {n} groups of {group} beyond what the predictors explain: by less than 1/100,000 of "
    "what it differs altogether, which the sums of squares that the posterior is computed from cannot tell from rounding. If it "
    "was measured once a group, analyse one row a group with ols"
)
UNRELIABLE = (
    "the posterior was not sampled reliably: its draws and their diagnostics are there to be looked at, the tables are empty"
)


def bayes(
    formula: str,
    data: Any,
    priors: str | Priors = "weak",
    seed: int = 0,
    method: str = "nuts",
    interval: str = "equal-tailed",
    conf_level: float = 0.95,
    *,
    weights: Any = None,
    frequencies: Any = None,
    offset: Any = None,
    ordered: str = "treatment",
    aliased: str = "drop",
) -> BayesResult:
    """Sample the posterior of a hierarchical model with one grouping factor.

    Args:
        formula: as for :func:`jaxsim.lmer`, such as ``"y ~ x + (x | g)"``.
        data, ordered: as for :func:`jaxsim.lmer`.
        priors: a named set (``weak``, ``flat``, ``informative``, ``rstanarm``) or :class:`jaxsim.Priors`.
        seed: of the random numbers, a non-negative whole number below 2**32.
        method: ``nuts``: four Markov chains of 500 draws, longer ones where they do not mix; ``fast``: importance sampling,
            resampled to as many draws; ``auto``: the second, and the first where it is not reliable.
        interval: of the table, ``equal-tailed`` or ``hpd``.
        conf_level: of the interval.
        frequencies, offset, aliased: as for :func:`jaxsim.lmer`. Priors are about the response less the offset.
        weights: not supported.

    Raises:
        InputError: for a formula, data or priors that could never be fitted, or without NumPyro; a posterior that could not be
            sampled reliably has a ``status`` instead.
        NotSupportedError: for weights, and for several grouping factors.
    """
    if weights is not None:
        raise NotSupportedError(
            f"weights={brief(weights)}: bayes has none, as its priors are scaled by the columns as they are; fit the model with "
            "lmer, or give frequencies= for rows that stand for several."
        )
    check_probability("conf_level", conf_level)
    choose("method", method, METHODS)
    choose("interval", interval, INTERVALS)
    number = whole_number("seed", seed, 0, 2**32 - 1)
    parse(formula).one_factor("bayes")
    model = prepare(formula, data, Coding(ordered, aliased), RowValues(None, frequencies, offset))
    return sampled(model, priors, analysis_key(number), method, interval, conf_level)


def sampled(mixed: MixedModel, priors: str | Priors, key: jax.Array, kind: str, interval: str, conf_level: float) -> BayesResult:
    """The posterior of a model that is prepared already, with this key of the analysis."""
    distributions()
    given = named(priors)
    given.check()
    plain = whitened(mixed)
    status, message = check(plain)
    data, model, centre = pose_rows(plain, given)
    if status is not Status.OK:
        return finished(mixed, given, conf_level, status, message)
    found, draws = posterior(data, key, kind, Method(model, interval), conf_level)
    status = Status(int(found.status))
    if draws is None:
        message = HIDDEN.format(n=len(mixed.labels), group=mixed.groups.name) if status is Status.ZERO_RESIDUAL else status.message
        return finished(mixed, given, conf_level, status, message)
    if not bool(found.reliable):
        status = Status.NOT_CONVERGED
    at = [i for i, name in enumerate(mixed.x.names) if name in INTERCEPTS]
    beta = draws.beta.copy()
    summary = found.summary
    shift = np.zeros(len(mixed.x.names))
    shift[at] = centre
    beta = beta + shift
    draws = draws._replace(beta=beta, effects=draws.effects[:, :, : len(mixed.labels)])
    table = pd.DataFrame(
        {
            "term": list(mixed.x.names),
            "estimate": summary.estimate + shift,
            "std_error": np.sqrt(np.diagonal(summary.vcov)),
            "median": summary.median + shift,
            "conf_low": summary.conf_low + shift,
            "conf_high": summary.conf_high + shift,
        }
    )
    positive = (beta > 0).mean((0, 1))
    # Where the model has no shift the exact probability is known; that of a shifted intercept is a share of draws.
    exact = 1 - summary.p_value / 2
    table["prob_direction"] = np.where(shift == 0, exact, np.maximum(positive, 1 - positive))
    if not status.usable:
        table.loc[:, table.columns != "term"] = np.nan
    return finished(mixed, given, conf_level, status, prior_alone(mixed) if status.usable else UNRELIABLE, table, draws)


def prior_alone(mixed: MixedModel) -> str:
    """What a user should know of variances about which the data say nothing; empty if there are none."""
    known = of_model(mixed)
    return "" if known.everything else f"{cause(known, mixed)}, and its posterior is what the priors make it"


def pose_rows(mixed: MixedModel, priors: Priors) -> tuple[CrossProducts, Model, float]:
    """Cross-products of the distinct columns, the model they are for, and what was subtracted from the response.

    The response is centred where there is an intercept to take that up, unless its prior is about the response as it is:
    cross-products of numbers far from zero lose digits.
    """
    columns = dict(zip(mixed.x.names, mixed.x.values.T, strict=True))
    for block in mixed.blocks:
        columns |= dict(zip(block.names, block.values.T, strict=True))
    fixed = mixed.x.names
    has_intercept = any(name in INTERCEPTS for name in fixed)
    if not any(name in INTERCEPTS for name in columns):
        columns[INTERCEPTS[1]] = np.ones(len(mixed.y))  # only to know the predictors' means and SDs
    names = tuple(columns)
    movable = has_intercept and (priors.intercept.autoscale or priors.intercept.flat)
    centre = float(mixed.y.mean()) if movable else 0.0
    rows = from_rows(np.column_stack(list(columns.values())), mixed.y - centre, mixed.codes, names, fixed)
    data = pad_groups(rows, padded_groups(len(mixed.labels)))
    random = tuple(names.index(name) for name in mixed.random_names)
    intercept = next(i for i, name in enumerate(names) if name in INTERCEPTS)
    return data, Model(tuple(names.index(name) for name in fixed), random, mixed.structure, priors, intercept), centre


def finished(
    mixed: MixedModel,
    priors: Priors,
    conf_level: float,
    status: Status,
    message: str,
    table: pd.DataFrame | None = None,
    draws: Posterior | None = None,
) -> BayesResult:
    """The result, with a warning for every message."""
    columns = ["term", "estimate", "std_error", "median", "conf_low", "conf_high", "prob_direction"]
    if table is None:
        table = pd.DataFrame({"term": list(mixed.x.names)}).reindex(columns=columns)
    messages = mixed.messages + ((message,) if message else ())
    for text in messages:
        warnings.warn(text, UserWarning, stacklevel=4)
    return BayesResult(
        table=table,
        parameters=parameter_table(mixed, draws if status.usable else None, conf_level),
        diagnostics=diagnostics_table(mixed, draws),
        status=status.label,
        messages=messages,
        priors=priors,
        conf_level=conf_level,
        model=mixed,
        draws=draws,
    )
