"""Random questions about mixed models with several grouping factors: crossed in full or in part, nested, of few levels each."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
from question import METHODS, Question

RANDOM = (
    "(1 | s) + (1 | i)", "(x | s) + (1 | i)", "(1 | i) + (x | s)", "(1 | s) + (x | i)", "(x | s) + (x | i)",
    "(x || s) + (1 | i)", "(x || s) + (x || i)", "(f | s) + (1 | i)", "(1 | s) + (0 + x | s) + (1 | i)",
    "(1 | s) + (1 | i) + (1 | l)", "(x | s) + (1 | i) + (1 | l)", "(x || s) + (1 | i) + (1 | l)", "(1 | l/s)", "(x | l/s)",
    "(1 | l/s) + (1 | i)", "(1 | s) + (1 | i) + (1 | s:f)", "(0 + x | s) + (1 | i)", "(x + z | s) + (1 | i)", "(1 | l:i) + (1 | s)",
)  # fmt: skip
FIXED = ("x", "f", "x + f", "x * f", "1", "x + b", "f * b", "x + z", "f + b")
DEVIATIONS = (0.0, 0.3, 1.0, 1.0, 3.0)
NEW = 8


def crossed_designs(count: int, seed: int) -> dict[str, Question]:
    """``{name: question}`` of so many designs."""
    return {f"{seed}-{number}": crossed_design(seed * 100_000 + number) for number in range(count)}


def crossed_design(seed: int) -> Question:
    """One design."""
    rng, numbers = random.Random(seed), np.random.default_rng(seed)
    data = rows_of(rng, numbers)
    fixed = rng.choice(FIXED)
    reml = rng.random() < 0.75
    weights = "w" if rng.random() < 0.1 else ""
    factors = [name for name in ("f", "b") if name in fixed]
    new = data.iloc[numbers.integers(len(data), size=NEW)].reset_index(drop=True)
    new.loc[:2, "s"] = "new"
    new.loc[1:4, "i"] = "new"
    # pbkrtest leaves weights out of the residual covariance, and Kenward and Roger's method is for REML.
    both = reml and not weights and rng.random() < 0.4
    return Question(
        data,
        f"y ~ {fixed} + {rng.choice(RANDOM)}",
        reml=reml,
        weights=weights,
        specs=tuple(factors[:1]) if rng.random() < 0.3 else (),
        new=new,
        methods=METHODS if both else METHODS[:1],
        types=(3,),
    )


def rows_of(rng: random.Random, numbers: np.random.Generator) -> pd.DataFrame:
    """Subjects ``s`` crossed with items ``i``, which have one level of ``b`` each; every subject is of a lab ``l``."""
    subjects, items, labs = rng.randint(5, 14), rng.randint(4, 10), rng.randint(3, 5)
    data = pd.DataFrame([(s, i) for s in range(subjects) for i in range(items)] * rng.choice([1, 1, 2]), columns=["s", "i"])
    kept = rng.choice([1.0, 1.0, 0.8, 0.5])
    data = data.iloc[np.sort(numbers.permutation(len(data))[: max(30, round(kept * len(data)))])].reset_index(drop=True)
    n = len(data)
    data["l"] = data["s"] % labs if rng.random() < 0.5 else numbers.integers(labs, size=n)
    data["x"], data["z"] = numbers.normal(rng.choice([0, 5]), 1, n).round(3), numbers.normal(size=n).round(3)
    data["f"] = numbers.choice(["u", "v"], size=n) if rng.random() < 0.5 else np.array(["u", "v"])[(data["s"] + data["i"]) % 2]
    data["b"] = np.where(data["i"] % 2, "odd", "even")
    data["w"] = numbers.uniform(0.3, 3, n).round(2)
    slope = data["x"] - data["x"].mean()
    y = rng.choice([0, 5]) + rng.choice([0, 0.5]) * data["x"] + numbers.normal(0, rng.choice([0.5, 1.0]), n)
    for name, count in (("s", subjects), ("i", items), ("l", labs)):
        effects = numbers.normal(size=(2, count)) * [[rng.choice(DEVIATIONS)], [rng.choice(DEVIATIONS) / 2]]
        y = y + effects[0, data[name]] + effects[1, data[name]] * slope
    for name in ("s", "i", "l"):
        data[name] = name + data[name].astype(str)
    return data.assign(y=y)
