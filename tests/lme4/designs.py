"""Random small designs for mixed models: factors, interactions, numbers, unequal groups; and what is asked of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from question import Question

# (fixed effects, what means are asked for, within the levels of what). Not among them are "a + a:b" and interactions without an
# intercept, whose types II and III depend on reference levels in lmerTest, and "b * poly(x, 2)": it takes poly for a factor.
FIXED = [
    ("a", "a", ""),
    ("a + x", "a", ""),
    ("a * x", "a", ""),
    ("a * b", "a", "b"),
    ("a * b", "a:b", ""),
    ("a + b + x", "b", ""),
    ("a * b + x", "b", "a"),
    ("a * b * x", "a", ""),
    ("a * x + b * z", "a", "b"),
    ("b + x:b", "b", ""),
    ("0 + a + x", "a", ""),
    ("a + x + I(x^2)", "a", ""),
    ("a * factor(k)", "k", ""),
    ("a * log(p)", "a", ""),
    ("t * a + x", "t", ""),
    ("d * a", "a", ""),
    ("b * d + x * z", "b", "d"),
    ("x * z", "x", ""),
    ("b + poly(x, 2)", "b", ""),
    ("a * b + z", "a:b", ""),
    ("a * b + z", "a", "b"),
]
# The last ones have an empty cell.
EMPTY = 2
RANDOM = ["(1 | g)", "(x | g)", "(x || g)", "(0 + x | g)", "(1 | g)"]
ADJUST = ["none", "bonferroni", "sidak", "scheffe"]
ADJUST_PAIRS = ["tukey", "none", "bonferroni", "holm", "sidak", "scheffe", "fdr"]


def design(rng: np.random.Generator, number: int) -> Question:
    """Every cell of the factors has some rows, but for the last ones."""
    fixed, specs, by = FIXED[number % len(FIXED)]
    random = RANDOM[rng.integers(len(RANDOM))]
    n_groups = int(rng.integers(6, 14))
    sizes = rng.integers(5, 13, n_groups)
    g = np.repeat([f"g{i}" for i in range(n_groups)], sizes)
    n = len(g)
    levels = {"a": list("pqrs")[: rng.integers(2, 5)], "b": list("uvw")[: rng.integers(2, 4)]}
    rows: dict[str, Any] = {name: rng.permutation(np.resize(values, n)) for name, values in levels.items()}
    rows |= {
        "x": rng.normal(1, 1, n),
        "z": rng.normal(0, 2, n),
        "p": rng.uniform(1, 9, n),
        "k": rng.permutation(np.resize([1, 4, 10], n)),
        "t": rng.permutation(np.resize(["no", "yes", "yes"], n)),
        "d": rng.permutation(np.resize([0, 1, 1], n)),
        "g": g,
    }
    frame = pd.DataFrame(rows)
    if number % len(FIXED) >= len(FIXED) - EMPTY:
        cell = rng.choice(levels["a"]), rng.choice(levels["b"])
        frame = frame[(frame["a"] != cell[0]) | (frame["b"] != cell[1])].reset_index(drop=True)
        n = len(frame)
    codes = frame["g"].str[1:].astype(int)
    effects = rng.normal(0, [1.5, 0.8], (n_groups, 2))[codes]
    frame["y"] = (frame["a"] > "p") + frame["x"] + effects[:, 0] + effects[:, 1] * frame["x"] + rng.normal(0, 1, n)
    parts = [part for part in fixed.split(" + ") if part != "0"]
    smaller = f"y ~ {' + '.join(parts[:-1])} + {random}" if len(parts) > 1 and not fixed.startswith("0") else f"y ~ 1 + {random}"
    return Question(
        frame,
        formula=f"y ~ {fixed} + {random}",
        smaller=smaller,
        specs=tuple(specs.split(":")),
        by=(by,) if by else (),
        adjust=ADJUST[rng.integers(len(ADJUST))],
        adjust_pairs=ADJUST_PAIRS[rng.integers(len(ADJUST_PAIRS))],
    )


def designs(count: int, seed: int) -> dict[str, Question]:
    """``{name: question}`` of so many designs."""
    rng = np.random.default_rng(seed)
    return {f"{seed}-{number}": design(rng, number) for number in range(count)}
