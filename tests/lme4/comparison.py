"""How far our fit of a condition is from R's, in the units that the targets are given in."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np
from conditions import CONDITIONS, MAIN, Condition
from oracle import Rows, covariance_of, cross_products
from scipy import stats

import jaxsim
from jaxsim import LinearMixed
from jaxsim.data.padding import padded_groups
from jaxsim.frames.result import FitResult
from jaxsim.inference import t_table

Results = dict[str, Any]
Differences = dict[str, float]

CONVENTIONS = ("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
# Conditions whose rows the engine takes as they are, in one batch: it works with cross-products, which bad scaling spoils.
ENGINE = [
    name
    for name, condition in CONDITIONS.items()
    if (condition.formula, condition.method, condition.twin) == (MAIN, "REML", "")
    and 8 < condition.frame()["Group"].nunique() <= 32
]

# The largest differences allowed. R's optimum is good to 1e-9 once polished (largest difference on all conditions: 3e-10).
# Estimates are measured in units of the larger of estimate and standard error; standard errors and df relatively; variance
# components and modes in SDs of the random effects; p values as they are.
TARGETS = {
    "criterion, ours higher": 1e-6,
    "criterion, R's higher": 1e-6,  # no promise: but where R's best start ends elsewhere, nothing else can be compared
    "fixed effects": 1e-7,
    "SE": 1e-7,
    "sigma": 1e-7,
    "df, Satterthwaite": 1e-4,  # lmerTest differentiates numerically
    "p, Satterthwaite": 1e-5,  # a relative error of df moves no p value by more than a tenth of it
    "SE, Kenward-Roger": 1e-7,
    "df, Kenward-Roger": 1e-7,
    "p, Kenward-Roger": 1e-7,
    "variance components": 1e-7,
    "conditional modes": 1e-7,
    "fixed effects, least squares": 1e-9,  # closed forms, whose condition numbers are below 1e3
    "SE, cluster-robust": 1e-9,
    "df, cluster-robust": 1e-9,
    "p, cluster-robust": 1e-9,
}


class Table(NamedTuple):
    """Inference about the fixed effects, ``[P]`` each."""

    estimate: np.ndarray
    std_error: np.ndarray
    df: np.ndarray
    p_value: np.ndarray


class Ours(NamedTuple):
    """A mixed model by us: ``covariance`` ``[Q, Q]``, ``modes`` ``[G, Q]`` in the order of the sorted group labels."""

    table: Table
    criterion: float
    sigma: float
    covariance: np.ndarray
    modes: np.ndarray
    singular: bool


def table_of(fit: FitResult) -> Table:
    """The table of a result as arrays."""
    return Table(*(fit.table[column].to_numpy() for column in Table._fields))


@cache
def bridge(name: str, df: str = "satterthwaite") -> Ours:
    """``jaxsim.lmer`` on the rows; compiled once for all conditions of a shape."""
    condition = CONDITIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a singular fit
        fit = jaxsim.lmer(condition.formula, condition.frame(), reml=condition.method == "REML", df=df)
    assert fit.converged, (name, fit.messages)
    return Ours(
        table_of(fit), fit.criterion, fit.sigma, fit.covariance.to_numpy(), fit.random_effects.sort_index().to_numpy(), fit.singular
    )


@cache
def engine(df: str = "satterthwaite") -> dict[str, Ours]:
    """``LinearMixed`` on the cross-products of all :data:`ENGINE` conditions, in one batch."""
    strategy = LinearMixed(random=("Intercept", "IV1"), df=df)
    data = [cross_products(rows_of(CONDITIONS[name]), padded_groups(20)) for name in ENGINE]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *data)
    fits = jax.device_get(strategy.fit_batch(stacked))
    modes = np.asarray(jax.jit(jax.vmap(strategy.modes))(stacked, fits.theta)[0])
    found = {}
    for k, name in enumerate(ENGINE):
        fit = jax.tree.map(lambda leaf, k=k: leaf[k], fits)
        assert fit.converged, name
        p_value = t_table(fit.estimate, fit.std_error, fit.df).p_value
        table = Table(fit.estimate, fit.std_error, fit.df, np.asarray(p_value))
        own = modes[k][: CONDITIONS[name].frame()["Group"].nunique()]
        found[name] = Ours(table, float(fit.criterion), float(fit.sigma), covariance_of(fit), own, bool(fit.singular))
    return found


def rows_of(condition: Condition) -> Rows:
    """Matrices of a condition with two predictors."""
    frame = condition.frame()
    codes = np.unique(frame["Group"], return_inverse=True)[1]
    return Rows(np.column_stack([np.ones(len(frame)), frame[["IV1", "IV2"]]]), frame["DV"].to_numpy(), codes)


@cache
def regression(name: str, convention: str) -> FitResult:
    """``jaxsim.lm``, with Satterthwaite's (Bell and McCaffrey's) df for every convention, as clubSandwich gives them."""
    condition = CONDITIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a convention that does not exist for so few clusters
        df = None if convention == "iid" else "satterthwaite"
        return jaxsim.lm(condition.fixed, condition.frame(), cluster="Group", vcov=convention, df=df)


def expected(condition: Condition, results: Results) -> Results:
    """R's mixed model of a condition; of one in other units that of its twin, carried over to them.

    On badly scaled rows lme4 stops earlier, lmerTest differentiates over unsuitable steps, and pbkrtest fails or turns to a
    generalised inverse; the twin's numbers are those of exact arithmetic. The verdict on theta belongs to the units of the rows.
    """
    theirs = results[condition.name]["mixed"]
    if not condition.twin:
        return theirs
    return in_other_units(condition, results[condition.twin]["mixed"]) | {"singular": theirs["singular"]}


def in_other_units(condition: Condition, twin: Results) -> Results:
    """The twin's results for a predictor ``units`` times as large and a response that is larger by ``shift``."""
    theirs, (fixed, varcorr) = copy.deepcopy(twin), (twin["fixef"], twin["varcorr"])
    theirs["fixef"] = table_in_other_units(condition, fixed, fixed["names"])
    adjusted = twin["kenward_roger"] | {"estimate": fixed["estimate"]}
    theirs["kenward_roger"] = table_in_other_units(condition, adjusted, fixed["names"])
    scale = np.where(np.array(varcorr["names"]) == "IV1", condition.units, 1.0)
    theirs["varcorr"]["cov"] = np.array(varcorr["cov"], float) / np.outer(scale, scale)
    theirs["modes"]["values"] = {g: np.array(own, float) / scale for g, own in twin["modes"]["values"].items()}
    theirs["criterion"] += 2 * np.log(condition.units)  # log |X'V^-1 X|
    return theirs


def table_in_other_units(condition: Condition, twin: Results, names: list[str]) -> Results:
    """The same for a table of fixed effects: IV1 in other units, a larger intercept."""
    scale = np.where(np.array(names) == "IV1", condition.units, 1.0)
    shift = np.where(np.array(names) == "(Intercept)", condition.shift, 0.0)
    estimate, se = np.array(twin["estimate"]) / scale + shift, np.array(twin["se"]) / scale
    p_value = 2 * stats.t.sf(np.abs(estimate / se), np.array(twin["df"], float))
    return twin | {"estimate": estimate, "se": se, "p": p_value}


def mixed_differences(condition: Condition, ours: Ours, adjusted: Ours | None, theirs: Results) -> Differences:
    """``{what: difference}`` of a mixed model; ``adjusted`` is the one with Kenward-Roger inference, if there is any."""
    higher = ours.criterion - theirs["criterion"]
    scale = spread(condition, theirs)
    covariance = np.array(theirs["varcorr"]["cov"], float)
    modes = np.array([theirs["modes"]["values"][label] for label in sorted(theirs["modes"]["values"])], float)
    found = {
        "criterion, ours higher": higher,
        "criterion, R's higher": -higher,
        "sigma": abs(ours.sigma / theirs["sigma"] - 1),
        "variance components": largest((ours.covariance - covariance) / np.outer(scale, scale)),
        "conditional modes": largest((ours.modes - modes) / scale),
    }
    table = table_differences(ours.table, theirs["fixef"], ", Satterthwaite")
    found |= {("SE" if what == "SE, Satterthwaite" else what): value for what, value in table.items()}
    if adjusted is not None:
        found |= table_differences(adjusted.table, theirs["kenward_roger"], ", Kenward-Roger")
    return found


def spread(condition: Condition, theirs: Results) -> np.ndarray:
    """SDs of the random effects, ``[Q]``. At a singular fit, where one may be zero, the SD that would add up to sigma is added."""
    variances = np.diagonal(np.array(theirs["varcorr"]["cov"], float))
    if not theirs["singular"]:
        return np.sqrt(variances)
    frame = condition.frame().assign(**{"(Intercept)": 1.0})
    sizes = np.array([np.mean(frame[name] ** 2) for name in theirs["varcorr"]["names"]])
    return np.sqrt(variances + theirs["sigma"] ** 2 / sizes)


def table_differences(ours: Table, theirs: Results, kind: str) -> Differences:
    """Of the fixed effects, where R's table has them, and of standard errors, df and p values."""
    error = np.array(theirs["se"], float)
    found = {
        "SE" + kind: largest(ours.std_error / error - 1),
        "df" + kind: largest(ours.df / np.array(theirs["df"], float) - 1),
        "p" + kind: largest(ours.p_value - np.array(theirs["p"], float)),
    }
    if "estimate" in theirs:
        estimate = np.array(theirs["estimate"], float)
        found["fixed effects"] = largest((ours.estimate - estimate) / np.maximum(np.abs(estimate), error))
    return found


def bridge_differences(name: str, results: Results, own: bool = False) -> Differences:
    """``jaxsim.lmer`` against R; ``own`` takes R's fit of the rows themselves where the condition has a twin."""
    condition = CONDITIONS[name]
    adjusted = bridge(name, "kenward-roger") if condition.adjusted and not own else None
    theirs = results[name]["mixed"] if own else expected(condition, results)
    return mixed_differences(condition, bridge(name), adjusted, theirs)


def engine_differences(name: str, results: Results) -> Differences:
    """``LinearMixed`` against R."""
    return mixed_differences(CONDITIONS[name], engine()[name], engine("kenward-roger")[name], results[name]["mixed"])


def exists(theirs: Results) -> bool:
    """Whether clubSandwich has this variance: CR1p needs more clusters than coefficients, its CR3 regular blocks."""
    return "error" not in theirs and None not in theirs["se"]


def conventions(condition: Condition) -> tuple[str, ...]:
    """What is compared: all where many conditions share a compiled program; elsewhere those that are more than a factor."""
    groups, predictors = condition.frame()["Group"].nunique(), condition.fixed.count("IV")
    return ("iid", *CONVENTIONS) if predictors == 2 and 8 < groups <= 32 else ("CR2", "CR3")


def robust_differences(name: str, convention: str, results: Results) -> Differences:
    """``jaxsim.lm`` against lm or clubSandwich; empty where R has no answer."""
    condition = CONDITIONS[name]
    least_squares = results[condition.twin or name]["least_squares"]
    ols = least_squares["ols"]
    theirs = ols if convention == "iid" else least_squares["robust"][convention]
    if not exists(theirs):
        return {}
    theirs = theirs | {"estimate": ols["estimate"], "df": np.broadcast_to(theirs["df"], len(ols["names"]))}
    if condition.twin:
        theirs = table_in_other_units(condition, theirs, ols["names"])
    found = table_differences(table_of(regression(name, convention)), theirs, ", cluster-robust")
    return {("fixed effects, least squares" if what == "fixed effects" else what): value for what, value in found.items()}


def largest(values: Any) -> float:
    """The largest absolute value; NaN if there is any."""
    return float(np.abs(np.asarray(values, float)).max())


def beyond(found: Differences, limits: dict[str, float] | None = None) -> Differences:
    """What misses its target; a NaN misses every one."""
    allowed = TARGETS | (limits or {})
    return {what: value for what, value in found.items() if not value <= allowed[what]}


def worst(found: Iterable[tuple[str, Differences]]) -> dict[str, tuple[float, str]]:
    """The largest difference of every kind, and where it is."""
    most: dict[str, tuple[float, str]] = {}
    for name, differences in found:
        for what, value in differences.items():
            if what not in most or not value <= most[what][0]:
                most[what] = (value, name)
    return {what: most[what] for what in TARGETS if what in most}
