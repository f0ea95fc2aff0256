"""What the tests of the pymer4 bridge share: data, formulas that misbehave."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parent / "reference"
REFERENCE = json.loads((FOLDER / "reference.json").read_text())
SLEEP = "Reaction ~ Days + (Days | Subject)"
# A call in a formula is evaluated by R: it can do to a worker what bugs do. pymer4 removes blanks, hence the tabs.
ENDED = "Reaction ~ I(Days + quit(status = 7)) + (1 | Subject)"
ASLEEP = "Reaction ~ I(Days + {Sys.sleep(60); 0}) + (1 | Subject)"
NOISY = r'Reaction ~ I(Days + {cat("noise\n"); message("noise"); warning("noise"); system("echo\tnoise")}) + (Days | Subject)'


def rows(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / f"{name}.csv", na_values=[""], keep_default_na=False)


def generation_installed() -> str:
    try:
        return ".".join(importlib.metadata.version("pymer4").split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return ""


old_generation = pytest.mark.skipif(generation_installed() == "0.9", reason="pymer4 0.9 has no lm and no lm2 of this kind")


def simulated(groups: int = 12, n: int = 8, spread: float = 1.0) -> pd.DataFrame:
    draw = np.random.default_rng(5)
    g = np.repeat(np.arange(groups), n)
    x, z = draw.normal(size=(2, groups * n))
    own = draw.normal(size=(groups, 2)) * spread
    y = 1 + 2 * x + own[g, 0] + own[g, 1] * x + draw.normal(size=groups * n)
    return pd.DataFrame({"y": y, "x": x, "z": z, "g": [f"g{i:02}" for i in g]})
