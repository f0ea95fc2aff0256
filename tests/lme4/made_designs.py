"""Random questions about mixed models of random frames: factors of every kind, transformations, missing values, unequal groups."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from made_formulas import BASES, FACTORS, NUMBERS, TRUTHS, Case, expression, make_coding, make_frame, write_case
from question import METHODS, Question

from jaxsim.errors import InputError
from jaxsim.formula.coding import Coding
from jaxsim.formula.columns import collect
from jaxsim.formula.model_matrix import ModelMatrix, model_matrix
from jaxsim.formula.parse import column_names, parse

GROUPS = ("g", "`the group`")
RANDOM = (
    "(1 | G)", "(1 | G)", "(x | G)", "(x | G)", "(0 + x | G)", "(x || G)", "(x + z || G)", "(@h@ | G)", "(0 + @h@ | G)",
    "(1 | G) + (0 + x | G)", "(x + z | G)", "(1 | G:b)", "(b | G)", "(`1st` | G)", "(1 | `a:b`:G)", "(scale(x) | G)",
    "(I(x^2) | G)", "(factor(i) | G)", "(poly(x, 2) || G)", "(1 | G) + (0 + @h@ | G)", "(x * z || G)",
)  # fmt: skip
ADJUST = ("none", "bonferroni", "sidak", "scheffe")
ADJUST_PAIRS = ("tukey", "none", "holm", "sidak", "fdr")
TAKEN_FOR_FACTORS = re.compile(r"(poly|bs|ns|scale)\(|`")
CODED = re.compile(r'C\((`[^`]*`|\w+), (\w+(?:\("[^"]*"\))?)\)')
MOST_COLUMNS = 12
# lme4 solves normal equations, which lose twice as many digits.
WORST_CONDITION = 1e3
NEW = 12


def made_designs(count: int, seed: int) -> dict[str, Question]:
    """``{name: question}`` of so many designs."""
    return {f"{seed}-{number}": made_design(seed * 100_000 + number) for number in range(count)}


def made_design(seed: int) -> Question:
    """One design."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    data = rows_of(seed, rng, numbers)
    case, x = formula_of(rng, data)
    reml, weights = rng.random() < 0.7, "w" if rng.random() < 0.1 else ""
    plain = is_plain(x)
    specs, by = factors_of(rng, x) if plain else ((), ())
    # pbkrtest leaves weights out of the residual covariance, and Kenward and Roger's method is for REML.
    both = reml and not weights and rng.random() < 0.25
    return Question(
        data,
        case.ours,
        case.theirs,
        case.contrasts,
        {f"C({name}, {how})": name for name, how in CODED.findall(case.ours)},
        case.ordered,
        reml,
        weights,
        specs,
        by,
        rng.choice(ADJUST),
        # Where a mean is not estimable, emmeans takes whole numbers for the df of Tukey's method (`zapsmall` beside infinite df).
        rng.choice(ADJUST_PAIRS[1:] if x is None or short_terms(x) else ADJUST_PAIRS),
        new=new_rows(rng, numbers, data, case.ours),
        methods=METHODS if both else METHODS[:1],
        types=(1, 2, 3) if plain else (1,),
    )


def rows_of(seed: int, rng: random.Random, numbers: np.random.Generator) -> pd.DataFrame:
    """A frame with groups of unequal sizes, a response in which they differ or not, weights and an offset."""
    data = make_frame(seed, 50, 130)
    n, size = len(data), rng.randint(5, 14)
    codes = numbers.choice(size, size=n, p=numbers.dirichlet(np.full(size, 3.0)))
    kinds = [3 * i - 7 for i in range(size)], [f"g {i}" for i in range(size)], list("äöabcdefghijkl")[:size]
    labels: Sequence = rng.choice(kinds)
    data["g"] = pd.Categorical([labels[i] for i in codes], labels) if rng.random() < 0.3 else [labels[i] for i in codes]
    data["the group"] = data["g"]
    data["w"], data["off"] = numbers.uniform(0.3, 3, n).round(2), numbers.normal(size=n)
    x, effects = data["x"].fillna(0.0), numbers.normal(0, rng.choice([0.0, 0.3, 1.0, 2.0]), (size, 3))[codes]
    known = data["y"].notna()
    signal = effects[:, 0] + effects[:, 1] * x + effects[:, 2] * (data["h"] == "v") + rng.choice([0, 1]) * x
    data["y"] = (rng.choice([0, 5]) + signal + numbers.normal(0, rng.choice([0.5, 1.0]), n)).where(known)
    return spoiled(rng, data)


def spoiled(rng: random.Random, data: pd.DataFrame) -> pd.DataFrame:
    """Now and then the groups, a factor or the rows are such that no model can be fitted, or hardly one."""
    kind = rng.choice([*range(6), *[None] * 94])
    if kind == 0:
        data["g"] = data["the group"] = "the only one"
    elif kind == 1:
        data["g"] = data["the group"] = np.arange(len(data))
    elif kind == 2:
        data["g"] = data["the group"] = np.arange(len(data)) // 2
    elif kind == 3:
        return data.iloc[:14]
    elif kind == 4:
        return data.loc[data["h"] == "u"].reset_index(drop=True)
    elif kind == 5:
        data["y"] = 3.0
    return data


def formula_of(rng: random.Random, data: pd.DataFrame) -> tuple[Case, ModelMatrix | None]:
    """A formula with at most so many columns, and those; None for one that has none."""
    levels = {name: [str(v) for v in data[name].dropna().unique()] for name in "fhko"}
    while True:
        pool = [*rng.sample(FACTORS, rng.randint(0, 2)), *rng.sample(NUMBERS, rng.randint(0, 2))]
        pool += [*rng.sample(TRUTHS, rng.randint(0, 1)), *(rng.sample(BASES, 1) if rng.random() < 0.25 else [])]
        rng.shuffle(pool)
        pool = pool[:3] or ["x"]
        fixed = hierarchy(rng, pool) if rng.random() < 0.6 else rng.choice(["", "", "", "0 + "]) + expression(rng, pool, 2)
        grouped = rng.choice(RANDOM)
        # lme4 takes (x || g) apart as text, and loses the backquotes of the group.
        grouped = grouped.replace("G", "g" if "||" in grouped else rng.choice(GROUPS))
        offset = rng.choice(["", "", "", "", "", "", "", " + offset(off)", " + offset(log(z))"])
        # Contrasts are given to columns in R, and factor(i) is none.
        coded = make_coding(rng, [name for name in dict.fromkeys([*pool, "h"]) if name != "factor(i)"], levels)
        case = write_case(0, f"{fixed} + {grouped}{offset}", rng.choice(["treatment", "poly"]), coded)
        try:
            formula = parse(case.ours)
            x = model_matrix(formula.fixed, collect(data, formula.names, case.ours).frame, Coding(case.ordered))
        except InputError:
            return case, None
        if len(x.names) <= MOST_COLUMNS and condition(x) < WORST_CONDITION:
            return case, x


def condition(x: ModelMatrix) -> float:
    """Of the columns that are kept, each at its own scale."""
    values = x.without_aliased().values
    return float(np.linalg.cond(values / np.linalg.norm(values, axis=0))) if values.size else 1.0


def hierarchy(rng: random.Random, pool: list[str]) -> str:
    """Main effects and some of their interactions, as most models have."""
    marked = [f"@{name}@" for name in pool]
    text = marked[0]
    for name in marked[1:]:
        text = f"{text} {rng.choice('++*')} {name}"
    return text


def factors_of(rng: random.Random, x: ModelMatrix | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Factors of the formula whose means are asked for, and within which."""
    used = set() if x is None else {i for member in x.recipe.terms.members for i in member}
    variables = [x.recipe.variables[i] for i in sorted(used)]
    if any(variable.label == TRUTHS[2] for variable in variables):
        return (), ()  # emmeans has no grid for truths about a factor
    found = [name for variable in variables if variable.levels for name in column_names(variable.tokens)]
    names = [name for name in dict.fromkeys(found) if name not in ("x", "z")]
    rng.shuffle(names)
    if not names:
        return (), ()
    return (tuple(names[:2]), ()) if rng.random() < 0.3 else (tuple(names[:1]), tuple(names[1:2]) if rng.random() < 0.5 else ())


def is_plain(x: ModelMatrix | None) -> bool:
    """Whether tests of types II and III and marginal means are the same here and in R. They are not

    - where a term is missing that an interaction contains: lmerTest's tests then depend on reference levels, and emmeans takes a
      factor for nested in another;
    - where a number with a name in backquotes, or what R has as a matrix, has an interaction: lmerTest takes it for a factor;
    - where a column repeats another or an interaction with a number lacks a column: lmerTest's tests depend on which one is left.
    """
    if x is None or not x.recipe.terms.intercept:
        return False
    members, variables = x.recipe.terms.members, x.recipe.variables
    known = {frozenset(member) for member in members}
    for member in members:
        mistaken = any(TAKEN_FOR_FACTORS.match(variables[i].label) and variables[i].levels is None for i in member)
        if len(member) > 1 and (mistaken or any(frozenset(member) - {i} not in known for i in member)):
            return False
    names = [name for variable in variables for name in column_names(variable.tokens)]
    short = short_terms(x)
    empty_cells = all(len(member) > 1 and all(variables[i].levels for i in member) for member in short)
    return not short or (empty_cells and len(set(names)) == len(names))


def short_terms(x: ModelMatrix) -> list[tuple[int, ...]]:
    """Terms that lack a column because it is a combination of others."""
    kept = x.without_aliased()
    return [x.recipe.terms.members[term - 1] for term in set(x.term_of) if x.term_of.count(term) != kept.term_of.count(term)]


def new_rows(rng: random.Random, numbers: np.random.Generator, data: pd.DataFrame, text: str) -> pd.DataFrame:
    """Rows to predict: of known groups and of a new one, with numbers inside of the range of the fitted rows."""
    complete = data.loc[data[list(parse(text).names)].notna().all(axis=1)]
    rows = complete.iloc[numbers.integers(len(complete), size=NEW)].reset_index(drop=True)
    for name in ("x", "z", "1st", "if"):
        rows[name] = numbers.permutation(rows[name])
    new = 1000 if isinstance(rows["g"].iloc[0], (int, np.integer)) else "a new one"
    labels = [*numbers.permutation(rows["g"].astype(object))[1:], new]
    for name in ("g", "the group"):
        rows[name] = pd.Categorical(labels) if isinstance(data[name].dtype, pd.CategoricalDtype) else labels
    return rows.fillna({"x": 0.0, "z": 2.0})
