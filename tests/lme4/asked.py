"""What fits say of random designs (:mod:`designs`) beside R: tests of terms, means, differences, comparisons.

``python tests/lme4/asked.py [designs] [seed]`` prints the largest difference of every kind and whatever misses its target.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from asking import ask
from designs import designs

import jaxsim

METHODS = ("satterthwaite", "kenward-roger")
# Relative to the larger of the number and .001, of p values .05. lme4's polished optimum is good to 1e-8 and everything else is
# made of it in closed form, F of small differences; but lmerTest's Satterthwaite df are made of numerical derivatives, good to
# 1e-7 mostly and to 1e-4 at times. R's ptukey and qtukey are good to 2e-6.
TARGETS = {
    "F": 1e-5,
    "df, Satterthwaite": 1e-4,
    "df, Kenward-Roger": 1e-6,
    "means and errors": 1e-6,
    "limits and p, Satterthwaite": 1e-4,
    "limits and p, Kenward-Roger": 1e-4,
    "likelihoods": 1e-6,
}
DF_NUMBERS = ("den_df", "df", "p_value", "conf_low", "conf_high")
Differences = dict[str, float]


def differences(rows: pd.DataFrame, theirs: dict[str, Any]) -> Differences | None:
    """The largest difference of each kind; None where lme4 is at another optimum, or has none."""
    question = rows.iloc[0]
    fit = jaxsim.lmer(question["formula"], rows)
    if "error" in theirs:
        assert fit.status not in ("ok", "singular"), (question["formula"], theirs["error"])
        return None
    assert fit.status in ("ok", "singular"), (question["formula"], fit.messages)
    if abs(fit.criterion - theirs["criterion"]) > 1e-6:
        return None
    found: Differences = {}
    for method in METHODS:
        for kind, table in theirs["anova"][method].items():
            note(found, fit.anova(int(kind), df=method), table, method)
        options = dict(by=question["by"] or None, df=method)
        answers = theirs["emmeans"][method]
        note(found, fit.emmeans(question["specs"], adjust=question["adjust"], **options), answers["means"], method)
        if "pairs" in answers:
            ours = fit.contrasts(question["specs"], adjust=question["adjust_pairs"], **options)
            note(found, ours, answers["pairs"], method)
    if question["smaller"]:
        ours = jaxsim.anova(jaxsim.lmer(question["smaller"], rows), fit)
        last = {name: np.atleast_1d(values)[-1] for name, values in theirs["comparison"].items()}
        note(found, ours.iloc[[-1]], last, "likelihood")
    return found


def note(found: Differences, ours: pd.DataFrame, theirs: dict[str, Any], method: str) -> None:
    """Keep the largest differences of one table."""
    for column, values in theirs.items():
        listed = values if isinstance(values, list) else [values]
        if column in ("term", "contrast"):
            assert list(ours[column]) == listed, (list(ours[column]), listed)
            continue
        what = kind_of(column, method)
        expected, made = np.array(listed, float), ours[column].to_numpy(float)
        if column == "num_df":
            expected = np.nan_to_num(expected)  # of a term without a hypothesis: ours is 0
        assert (np.isnan(expected) == np.isnan(made)).all(), (column, expected, made)
        off = np.abs(made - expected) / np.maximum(np.abs(expected), 0.05 if column == "p_value" else 1e-3)
        found[what] = max(found.get(what, 0.0), float(np.nan_to_num(off).max(initial=0.0)))


def kind_of(column: str, method: str) -> str:
    """Which target a column is held to."""
    if method == "likelihood":
        return "likelihoods"
    if column not in DF_NUMBERS:
        return "F" if column in ("f", "sum_sq", "num_df") else "means and errors"
    title = "Satterthwaite" if method == "satterthwaite" else "Kenward-Roger"
    return f"df, {title}" if column in ("den_df", "df") else f"limits and p, {title}"


def beyond(found: Differences) -> Differences:
    """What misses its target."""
    return {what: value for what, value in found.items() if not value <= TARGETS[what]}


def main(count: int, seed: int) -> None:
    """Compare so many designs."""
    asked = designs(count, seed)
    program = shutil.which("Rscript")
    assert program
    with tempfile.TemporaryDirectory() as folder:
        results = ask(program, Path(folder), "ask_of_fits.R", asked)["results"]
    most: Differences = {}
    skipped = 0
    for name, rows in asked.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = differences(rows, results[name])
        skipped += found is None
        for what, value in (found or {}).items():
            most[what] = max(most.get(what, 0.0), value)
        if beyond(found or {}):
            print(name, rows["formula"].iloc[0], beyond(found or {}), flush=True)
    print(f"{count - skipped} of {count} compared", most)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(given[0] if given else 100, given[1] if len(given) > 1 else 1)
