"""Random frames and formulas, each as jaxsim and as R reads it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

FACTORS = ("f", "h", "k", "o", "t", "`odd label`", "factor(i)", "`a:b`")
CONTRASTS = {"Sum": '"contr.sum"', "Helmert": '"contr.helmert"', "Poly": '"contr.poly"', "Diff": "contr.sdif"}
NUMBERS = ("x", "z", "i", "`1st`", "`if`", "I(x^2)", "log(z)", "I(x * z - 0.5)", "scale(x)", "exp(x)")
TRUTHS = ("b", "I(x > 0)", 'I(h == "u")', "C(h)")
BASES = (
    "poly(x, 2)", "poly(z, 3)", "poly(x, 2, raw = TRUE)", "poly(log(z), degree = 2)", "bs(x, df = 5)", "bs(z, knots = c(2, 3))",
    "bs(x, degree = 2, df = 3)", "bs(z, df = 5, intercept = TRUE)", "bs(x, Boundary.knots = c(-6, 6))", "bs(x, df = 4, degree = 1)",
    "ns(x, df = 3)", "ns(z, knots = c(2, 3))", "ns(x, 2)", "ns(z, df = 4, intercept = TRUE)", "scale(x, scale = FALSE)",
    "scale(z, center = FALSE)", "scale(x, center = 1.5, scale = 2)", "poly(x, 1)", "ns(z, df = 1)",
    "ns(x, df = 3, Boundary.knots = c(-1, 1))",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One formula: for jaxsim (``ours``, with ``ordered``), and for R with ``contrasts`` by factor."""

    frame: int
    ours: str
    theirs: str
    ordered: str
    contrasts: dict[str, str] = field(default_factory=dict)


def make_frame(seed: int, fewest: int = 24, most: int = 48) -> pd.DataFrame:
    """Rows with every kind of column: unbalanced, with empty cells, levels that no row has, odd labels, missing values."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(fewest, most + 1))

    def draw(labels, concentration=2.0):
        return rng.choice(labels, size=n, p=rng.dirichlet(np.full(len(labels), concentration)))

    data = pd.DataFrame({"y": rng.normal(size=n), "x": rng.normal(size=n), "z": rng.uniform(1, 4, size=n).round(2)})
    data["i"] = draw([1, 2, 10])
    data["1st"] = rng.normal(size=n)
    data["f"] = pd.Categorical(draw(["b", "a b", "1"]), ["1", "a b", "never", "b"])
    data["h"] = pd.Categorical(draw(["u", "v"]), ["u", "v"])
    data["k"] = pd.Categorical(draw(["d4", "d2", "d1", "d3"]), ["d3", "d1", "d4", "d2"])
    data["o"] = pd.Categorical(draw(["low", "mid", "high", "huge"]), ["low", "mid", "high", "huge"], ordered=True)
    data["t"] = draw(["pear", "apple", "fig"])
    data["odd label"] = draw(["x:y", "(p)", "q-1"])
    data["a:b"] = draw(["ein", "für", "zwei drei"])
    data["if"] = rng.normal(size=n)
    data["b"] = np.tile([True, False, False], n)[:n]
    for name in rng.choice(["x", "z", "f", "h", "o", "t", "y"], size=int(rng.integers(3)), replace=False):
        data.loc[rng.choice(n, size=3, replace=False), name] = None
    return data


def make_case(rng: random.Random, frame: int, levels: dict[str, list[str]]) -> Case:
    """A formula of two to four variables."""
    pool = [*rng.sample(FACTORS, rng.randint(0, 2)), *rng.sample(NUMBERS, rng.randint(0, 2))]
    pool += [*rng.sample(TRUTHS, rng.randint(0, 1)), *(rng.sample(BASES, 1) if rng.random() < 0.5 else [])]
    pool = pool[:4] or ["x"]
    ordered = rng.choice(["treatment", "poly"])
    coded = make_coding(rng, pool, levels)
    theirs = expression(rng, pool, rng.randint(1, 3))
    start = rng.choice(["", "", "", "0 + ", "-1 + ", "1 + "])
    end = rng.choice(["", "", "", "", " - 1", " + 0", f" - @{rng.choice(pool)}@"])
    return write_case(frame, f"{start}{theirs}{end}", ordered, coded)


def make_coding(rng: random.Random, pool: list[str], levels: dict[str, list[str]]) -> dict[str, tuple[str, str]]:
    """Contrasts of some factors: how jaxsim writes the variable, and the contrasts as an R expression."""
    coded = {}
    for name in pool:
        if name in FACTORS and rng.random() < 0.5:
            kind = rng.choice([*CONTRASTS, "Treatment"])
            if kind != "Treatment":
                coded[name] = (f"C({name}, {kind})", CONTRASTS[kind])
            elif name in levels:
                level = rng.choice(levels[name])
                coded[name] = (
                    f'C({name}, Treatment("{level}"))',
                    f'contr.treatment(levels, base=match("{level}", levels))'.replace("=", "<-"),
                )
    return coded


def write_case(frame: int, marked: str, ordered: str, coded: dict[str, tuple[str, str]]) -> Case:
    """The formula whose variables are marked by @."""
    contrasts = {name: how for name, (_, how) in coded.items() if f"@{name}@" in marked}
    if "@o@" in marked and ordered == "treatment":
        contrasts.setdefault("o", '"contr.treatment"')
    ours = marked
    for name, (written, _) in coded.items():
        ours = ours.replace(f"@{name}@", written)
    return Case(frame, f"y ~ {ours.replace('@', '')}", f"y ~ {marked.replace('@', '')}", ordered, contrasts)


def expression(rng: random.Random, pool: list[str], depth: int) -> str:
    """Variables, marked by @, joined by operators."""
    if depth == 0:
        return f"@{rng.choice(pool)}@"
    if rng.random() < 0.15:
        return f"({expression(rng, pool, depth - 1)} + {expression(rng, pool, depth - 1)})^{rng.choice([2, 2, 3])}"
    operator = rng.choice(["+", "+", "+", ":", "*", "*", "/", "%in%", "-"])
    left, right = expression(rng, pool, depth - 1), expression(rng, pool, rng.randint(0, depth - 1))
    if rng.random() < 0.3:
        left = f"({left})"
    if rng.random() < 0.3:
        right = f"({right}{rng.choice(['', '', ' + 1', ' - 1', ' + 0'])})"
    return f"{left} {operator} {right}"
