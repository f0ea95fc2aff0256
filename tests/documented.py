"""Fits of well-known data, what R's packages say of them (``reference/terms_and_means.json``), and unequal cells."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import jaxsim

REFERENCE = Path(__file__).parent / "reference"
# lme4's polished optimum is good to 1e-8; what follows from it by closed forms is as good.
CLOSE = dict(rtol=1e-6, atol=1e-9)
# lmerTest's Satterthwaite df come from a Hessian by differences: 1e-4 of them, and about as much of what is made with them.
NUMERIC = dict(rtol=2e-4, atol=1e-6)
METHODS = ("satterthwaite", "kenward-roger")


@functools.cache
def answers() -> dict[str, Any]:
    """Everything that is stored."""
    return json.loads((REFERENCE / "terms_and_means.json").read_text())


@functools.cache
def rows(name: str) -> pd.DataFrame:
    """One of the data sets."""
    return pd.read_csv(REFERENCE / "data" / f"{name}.csv")


@functools.cache
def example(name: str) -> Any:
    """The fit of one of the examples."""
    stored = answers()["examples"][name]
    return jaxsim.lmer(stored["formula"], rows(stored["data"]))


def listed(values: Any) -> np.ndarray:
    """Numbers of a stored column, which is a number if it has one row."""
    return np.atleast_1d(np.array(values, float))


def same(table: pd.DataFrame, stored: dict[str, Any], method: str, **names: str) -> None:
    """Every number of a stored table is in ours; ``names`` are those of our columns where they differ."""
    for column, values in stored.items():
        if column in ("term", "contrast"):
            assert list(table[column]) == list(np.atleast_1d(values))
            continue
        made_with_df = column in ("df", "den_df", "p_value", "conf_low", "conf_high")
        close = NUMERIC if method == "satterthwaite" and made_with_df else CLOSE
        if "contrast" in stored and column in ("p_value", "conf_low", "conf_high"):
            # R's ptukey is good to 3e-7, as quadrature of its definition shows, and qtukey to 1e-6 of these limits.
            close = dict(close, atol=1e-5)
        np.testing.assert_allclose(table[names.get(column, column)], listed(values), err_msg=f"{column}, {method}", **close)


def unequal(seed: int = 2) -> pd.DataFrame:
    """Made-up rows: factors with cells of unequal sizes (``a`` has a level that no row has), numbers, no groups."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"a": rng.choice(list("pqr"), 90), "b": rng.choice([3, 7, 20], 90), "old": rng.random(90) < 0.3})
    data["x"], data["d"] = rng.exponential(2, 90), rng.integers(0, 2, 90)
    data["y"] = (data["a"] == "q") + 0.1 * data["b"] + np.log(data["x"]) + data["d"] + rng.normal(size=90)
    return data.assign(a=pd.Categorical(data["a"], ["r", "p", "never", "q"]))
