"""Values of every kind, most of them wrong wherever they are given: what the fuzz attacks with."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import jaxsim


def nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


TEXTS = [
    "", " ", "a", "x", "y", "Group", "ols", "lmer", "IV1", "Intercept", "\n", "a\x1b[31m", "\ud800", "\0", "é", "a" * 500, "0.95",
    "1", "nan",
    "../x", "rows", "power", "power:0.1", "bias:x", "t", "CR2", "CR0", "G-1", "satterthwaite", "diagonal", "wild", "equal", "{}",
    "$(id)",
    "%s", "{0}", "<b>", "1e999", "-1", "inf", "float32", "float64", "equal-tailed", "weak", "y ~ x", "y ~ x + (x | Group)",
]  # fmt: skip
NUMBERS = [
    0, 1, 2, 3, -1, 5, 2**31, 2**32, 2**63, 2**64, 10**12, 10**400, 10**5000, 0.0, -0.0, 0.5, 0.95, 1.0, 1.5, -0.3, 1e-300, 1e300,
    1e100,
    math.nan, math.inf, -math.inf, True, False, 1j, np.float32(0.5), np.int64(3), np.uint8(2), np.float64(0.1), np.bool_(True),
]  # fmt: skip
ODD: list[Callable[[], Any]] = [
    lambda: None, list, dict, set, tuple, object, lambda: object, lambda: len, lambda: lambda x: x, lambda: b"bytes",
    lambda: np.zeros(3),
    lambda: np.zeros((2, 2)), lambda: np.array("x"), lambda: np.array([None]), itertools.count, lambda: iter([1, 2]),
    lambda: range(3), lambda: range(10**12), lambda: nested(50), lambda: nested(5000), lambda: pd.DataFrame({"a": [1]}),
    lambda: {"Intercept": "IV1"}, lambda: {1: 2}, lambda: jaxsim.Uniform(0, 1), lambda: jaxsim.UniformSizes(1, 3),
    jaxsim.PooledOLS,
    jaxsim.Grid, lambda: jaxsim.Until(bias=1.0), lambda: jaxsim.Prior("Normal"), lambda: Exception("x"),
    lambda: NotImplemented,
]  # fmt: skip


def anything(rng: random.Random, depth: int = 0) -> Any:
    """A value of any kind."""
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(NUMBERS)
    if kind < 0.6:
        return rng.choice(TEXTS)
    if kind < 0.8 or depth > 2:
        return rng.choice(ODD)()
    items = [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
    return rng.choice([list, tuple])(items)


def some(rng: random.Random, good: dict[str, Any], share: float = 0.3) -> dict[str, Any]:
    """Options, some of them replaced by anything."""
    return {name: anything(rng) if rng.random() < share else value for name, value in good.items() if rng.random() < 0.7}


TOKENS = [
    "y", "x", "g", "f", "b", "t", "~", "+", "-", "*", "/", ":", "^", "**", "(", ")", "|", "||", "0", "1", "2", "3", "999999", ".",
    ",", "I(",
    "log(", "scale(", "C(", "factor(", "np.exp(", "`x`", "`no`", "'a'", '"a"', "==", "<", ">", "%in%", "%%", "&", "!", "[", "]",
    "{", "$", "@",
    "1e308", "9" * 400, "x^2", "offset(", "poly(", "é", "\n", "\t", "\\", "#", "\x1b", "\ud800", "\0", "1.5", "_", "lambda",
    "import", "=", ";", "bs(",
    "ns(x, df = 3)", "poly(x, 2)", "C(f, Sum)", "C(f, Treatment(", "c(", "df =", "raw = TRUE", "knots =", "Sum",
    "TRUE",
]  # fmt: skip


def changed(rng: random.Random, value: Any) -> Any:
    """Some member of a description replaced by anything that JSON holds, removed or repeated."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        if rng.random() < 0.15:
            return {k: v for k, v in value.items() if k != name}
        if rng.random() < 0.1:
            return {**value, rng.choice(TEXTS): value[name]}
        return {**value, name: changed(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], changed(rng, value[at]), *value[at + rng.randrange(2) :]]
    return rng.choice(
        [None, True, 0, 1, -1, 2**40, 10**30, 0.5, 1e300, *TEXTS, [], {}, [[]], {"type": "dict"}, {"type": "x:y"}, nested(30)]
    )
