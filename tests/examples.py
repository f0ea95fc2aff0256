"""Fits of the examples that R's packages document (``reference/examples.json``), and answers as their pages print them."""

from __future__ import annotations

import functools
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import jaxsim

REFERENCE = Path(__file__).parent / "reference"
STORED = json.loads((REFERENCE / "examples.json").read_text())

# What a page makes of its data first, by the beginning of the example's name.
CHANGES = {
    "sleepstudy deprived": lambda d: d[d["Days"] >= 2],
    "cake": lambda d: d.assign(
        replicate=d["unit"].str[2:], Temp=d["temp"].astype(str), temperature=pd.Categorical(d["temp"], ordered=True)
    ),
    "cake missing cell": lambda d: d[(d["temp"] < 190) & ((d["recipe"] != "C") | (d["temp"] != 185))],
    "orthodont by sex": lambda d: d.assign(nsex=1.0 * (d["Sex"] == "Male")).assign(nsexage=lambda d: d["nsex"] * d["age"]),
    "orthodont females": lambda d: d[d["Sex"] == "Female"],
    "mtcars squares": lambda d: d.assign(dispsq=d["disp"] ** 2),
    "warpbreaks without a cell": lambda d: d[:40],
    "pigs aliased": lambda d: d.assign(x=np.repeat([1, 2, 3], [10, 10, 9])),
}


def rows(name: str) -> pd.DataFrame:
    """The data of an example, which its name begins with, and with the columns that its page makes."""
    data = pd.read_csv(REFERENCE / "data" / f"{name.lower().split(maxsplit=1)[0]}.csv")
    for start, change in CHANGES.items():
        data = change(data) if name.startswith(start) else data
    return data


@functools.cache
def fitted(kind: str, name: str) -> tuple[Any, pd.DataFrame]:
    """The fit of an example, and its data with the levels in R's order."""
    stored, data = STORED[kind][name], rows(name)
    for column, levels in stored["levels"].items():
        data[column] = pd.Categorical(data[column].astype(str), levels)
    if stored["kind"] == "lmer":
        return other(data, stored["formula"], reml=stored["reml"]), data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dropped columns: they are part of the examples
        return jaxsim.ols(stored["formula"], data), data


def other(data: pd.DataFrame, formula: str, **options: Any) -> Any:
    """Another mixed model of the same rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dropped columns and singular fits, which some of the examples are about
        return jaxsim.lmer(formula, data, **options)


def removed(fit: Any, smaller: Any, **options: Any) -> pd.DataFrame:
    """What removes a term: the row of the larger model, with the plain chi-square of lme4, lmerTest and nlme."""
    return jaxsim.anova(smaller, fit, boundary="naive", **options).iloc[[-1]]


def joint(fit: Any, text: str) -> pd.DataFrame:
    """The last row: of all hypotheses together."""
    return fit.test(text).iloc[[-1]]


def single(fit: Any, *texts: str, level: float = 0.95) -> pd.DataFrame:
    """One-dimensional contests: t tests with limits, as lmerTest's ``contest1D``."""
    found = pd.concat([fit.test(text) for text in texts])
    half = stats.t.ppf((1 + level) / 2, found["den_df"]) * found["std_error"]
    estimate = found["estimate"] + [float(text.split("=")[1]) for text in texts]
    t = np.sign(found["estimate"]) * np.sqrt(found["f"])
    return found.assign(estimate=estimate, df=found["den_df"], statistic=t, conf_low=estimate - half, conf_high=estimate + half)


def least_squares_means(fit: Any, name: str) -> pd.DataFrame:
    """As lmerTest's ``ls_means``: with t tests."""
    table = fit.emmeans(name)
    p_value = 2 * stats.t.sf(np.abs(table["mean"] / table["std_error"]), table["df"])
    return table.assign(estimate=table["mean"], p_value=p_value)


def variances(fit: Any) -> dict[str, Any]:
    """Standard deviations, the residual last, and correlations."""
    correlations = fit.varcorr.filter(like="corr_").to_numpy().T
    return {"std_dev": fit.varcorr["std_dev"], "correlation": correlations[~np.isnan(correlations)]}


def estimates(fit: Any) -> dict[str, Any]:
    """What nlme says whose degrees of freedom are others (of inner and outer terms)."""
    return {**fit.table[["estimate", "std_error", "statistic"]], "loglik": fit.loglik, "sigma": fit.sigma}
