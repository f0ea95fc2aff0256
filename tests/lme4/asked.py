"""A question about a mixed model (:mod:`question`) asked here, beside R's answer.

``python tests/lme4/asked.py [designs] [seed] [fixed | crossed]`` asks about random frames and formulas (:mod:`made_designs`), or
with the last word about those of :mod:`designs` or of :mod:`crossed_designs`, and prints whatever is refused by one side alone or
misses its target, the largest difference of every kind, and where lme4's criterion is higher, so that there is nothing to compare.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from compared import Compared, apart
from crossed_designs import crossed_designs
from designs import designs
from made_designs import made_designs
from question import Question, ask

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation.fit_components import covariance_of
from jaxsim.frames.result import FitResult

# Criteria that differ by more belong to different optima.
SAME_OPTIMUM = 1e-6
# A random effect whose deviation, or whose own share of it, is smaller is at the edge of what covariances can be.
EDGE = 0.05
# Questions that one R process answers, while those before them are compared.
AT_ONCE = 25
Made = Callable[[], pd.DataFrame]
# R keeps both levels of a logical variable that is never true (or always), has models without fixed effects, explains the rounding
# of a response that does not differ, and stops somewhere on a criterion that is flat.
REFUSED_HERE = re.compile(
    r"has the one level '(TRUE|FALSE)'|has no fixed effects; a model needs at least one|^zero_residual|^unidentified: .*cannot tell"
)
USABLE = ("ok", "singular")


def is_in_doubt(fit: FitResult) -> bool:
    """Whether Satterthwaite's df are not quite the same in lmerTest: where a variance is about zero or a correlation about one its
    differences of theta reach over the edge, and where columns were dropped a test of several df has other combinations with the
    same span."""
    factor = np.zeros((fit.model.structure.size,) * 2)
    entries = fit.model.structure.entries
    factor[entries[:, 0], entries[:, 1]] = fit.theta
    at_edge = (np.diagonal(factor) < EDGE * np.maximum(np.linalg.norm(factor, axis=1), 1.0)).any()
    return bool(fit.singular or at_edge or fit.model.x.aliased)


def fitted(question: Question, df: str = "satterthwaite") -> FitResult:
    """The model."""
    options = {"reml": question.reml, "ordered": question.ordered, "weights": question.weights or None}
    return jaxsim.lmer(question.formula, question.rows, df=df, **options)


def compare(question: Question, theirs: dict[str, Any]) -> Compared:
    """Ask here and compare."""
    try:
        fit = fitted(question)
        refused = "" if fit.status in USABLE else f"{fit.status}: {fit.messages}"
    except InputError as error:
        refused = str(error)
    if refused and "error" in theirs:
        return Compared("refused")
    # By maximum likelihood nearly as many coefficients and groups as rows have no optimum; lme4 stops somewhere, and says so.
    lost = refused.startswith("not_converged") and any("converge" in message for message in theirs["messages"])
    if lost or REFUSED_HERE.search(refused):
        return Compared("refused here")
    if refused or "error" in theirs:
        return Compared("failed", said=[f"refused here: {refused}" if refused else f"refused by R: {theirs['error']}"])
    off = fit.criterion - theirs["criterion"]
    if off > SAME_OPTIMUM:
        return Compared("failed", said=[f"the criterion is higher here by {off:.0e}"])
    if off < -SAME_OPTIMUM:
        return Compared(f"lower here by {-off:.0e}")
    found = Compared(in_doubt=is_in_doubt(fit))
    compare_fits(found, question, fit, theirs)
    compare_predictions(found, question, fit, theirs.get("predictions", {}))
    for method in question.methods:
        compare_tests(found, question, fit, theirs, method)
    if question.smaller:
        ours = jaxsim.anova(jaxsim.lmer(question.smaller, question.rows), fit)
        last = {name: np.atleast_1d(values)[-1] for name, values in theirs["comparison"].items()}
        found.table(ours.iloc[[-1]], last, "likelihood")
    return found


def compare_fits(found: Compared, question: Question, fit: FitResult, theirs: dict[str, Any]) -> None:
    """Coefficients, residual deviation, covariance of random effects."""
    found.note("standard errors", apart(np.array([fit.sigma]), np.array([theirs["sigma"]])) / fit.sigma)
    names, groups = theirs["covariance"]["names"], list(fit.model.random_names)
    # Of several factors a name may be of each, in lme4's order.
    if groups != names if fit.factors else sorted(names) != sorted(groups):
        found.said.append(f"random effects: {groups} here, {names} in R")
        return
    at = list(range(len(names))) if fit.factors else [groups.index(name) for name in names]
    z, own = fit.model_z[:, at], covariance_of(fit)[np.ix_(at, at)]
    ours, expected = z @ own @ z.T, z @ np.array(theirs["covariance"]["cov"], float).reshape(own.shape) @ z.T
    # What random effects do to rows has a unit, the response's, where their own covariances have any.
    size = np.sqrt(np.diagonal(ours) + fit.sigma**2)
    found.note("covariance of random effects", apart(ours, expected) / np.outer(size, size))
    for method in question.methods:
        table, answer = fitted(question, method).table if method != "satterthwaite" else fit.table, theirs["coefficients"][method]
        if "error" in answer:
            found.said.append(f"coefficients, {method}, refused by R: {answer['error']}")
        elif list(table["term"]) != answer["term"]:
            found.said.append(f"coefficients: {list(table['term'])} here, {answer['term']} in R")
        else:
            error = np.array(answer["std_error"], float)
            found.note("estimates", apart(table["estimate"].to_numpy(), np.array(answer["estimate"], float)) / error)
            found.note("standard errors", apart(table["std_error"].to_numpy(), error) / error)
            found.table(table, {name: answer[name] for name in ("df", "p_value")}, method)


def compare_predictions(found: Compared, question: Question, fit: FitResult, theirs: dict[str, Any]) -> None:
    """New rows; those that depend on a column that was dropped have no number here, and one in R."""
    if "error" in theirs:
        found.said.append(f"predictions refused by R: {theirs['error']}")
        return
    for level, values in theirs.items():
        ours = fit.predict(question.new, level=level).to_numpy()
        known = ~np.isnan(ours) if fit.model.x.aliased else np.ones(len(ours), bool)
        found.note("predictions", apart(ours, np.array(values, float))[known] / fit.sigma)


def compare_tests(found: Compared, question: Question, fit: FitResult, theirs: dict[str, Any], method: str) -> None:
    """Tests of terms, means and their differences."""
    for kind, table in theirs.get("anova", {}).get(method, {}).items():
        both(found, f"anova {kind}", question, table, partial(fit.anova, int(kind), df=method), method)
    answers = theirs.get("emmeans", {}).get(method, {})
    options: dict[str, Any] = dict(by=question.by or None, df=method)
    means = partial(fit.emmeans, question.specs, adjust=question.adjust, **options)
    pairs = partial(fit.contrasts, question.specs, adjust=question.adjust_pairs, **options)
    if answers:
        both(found, "emmeans", question, answers.get("means", answers), means, method)
    if "pairs" in answers:
        both(found, "contrasts", question, answers["pairs"], pairs, method)


def both(found: Compared, what: str, question: Question, theirs: dict[str, Any], made: Made, method: str) -> None:
    """Compare a table, unless both refuse."""
    try:
        ours, refused = made(), ""
    except InputError as error:
        refused = str(error)
    label = next((name for name in ("term", "contrast") if name in theirs), "")
    if refused or "error" in theirs:
        if not (refused and "error" in theirs):
            found.said.append(f"{what} refused {f'here: {refused}' if refused else 'by R: ' + theirs['error']}")
        return
    if label:
        names, expected = question.as_in_r(ours[label]), np.atleast_1d(theirs[label]).tolist()
        if label == "term" and sorted(names) == sorted(expected):  # lmerTest puts a term without a column last
            theirs = {name: [values[expected.index(term)] for term in names] for name, values in theirs.items()}
            expected = names
        if names != expected:
            found.said.append(f"{what}: {names} here, {expected} in R")
            return
    found.table(ours, {name: values for name, values in theirs.items() if name != label}, method)


def answered(asked: dict[str, Question]) -> Iterator[tuple[str, Question, Any]]:
    """The questions with R's answers; R is at the next ones while these are compared."""
    program = shutil.which("Rscript")
    assert program
    items = list(asked.items())
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        places = [Path(folder) / str(start) for start in range(0, len(items), AT_ONCE)]
        for place in places:
            place.mkdir()
        parts = [dict(items[start : start + AT_ONCE]) for start in range(0, len(items), AT_ONCE)]
        waiting = [beside.submit(ask, program, place, part) for place, part in zip(places, parts, strict=True)]
        for part, answers in zip(parts, waiting, strict=True):
            yield from ((name, question, answers.result()[name]) for name, question in part.items())


def main(count: int, seed: int, make: Callable[[int, int], dict[str, Question]]) -> None:
    """Compare so many designs and print."""
    most: dict[str, float] = {}
    ended: Counter[str] = Counter()
    for name, question, answer in answered(make(count, seed)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # singular fits, cells without rows
            compared = compare(question, answer)
        ended[compared.ended] += 1
        if compared.bad or compared.ended.startswith("lower"):
            print(name, question.theirs or question.formula, compared.beyond, *compared.said, sep="\n    ", flush=True)
        for what, value in compared.differences.items():
            most[what] = max(most.get(what, 0.0), value)
    print(f"{dict(ended)}; the largest differences:", *(f"{what:45}{value:.0e}" for what, value in most.items()), sep="\n")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    chosen = {"fixed": designs, "crossed": crossed_designs}.get(sys.argv[-1], made_designs)
    main(given[0] if given else 100, given[1] if len(given) > 1 else 1, chosen)
