"""What R says of fits of the reference data (tests/reference/postestimation.json), and those fits."""

import json
from functools import cache
from pathlib import Path

import pandas as pd

import jaxsim

FOLDER = Path(__file__).parent / "reference"
REFERENCE = json.loads((FOLDER / "postestimation.json").read_text())
MIXED, LINEAR = REFERENCE["mixed"], REFERENCE["linear"]


@cache
def data(name):
    """A reference data set."""
    return pd.read_csv(FOLDER / "data" / f"{name}.csv")


@cache
def fitted(name):
    """A fit of ``MIXED``, by ML where its name ends so, made once for all tests of a file."""
    entry = MIXED[name if name in MIXED else name.removesuffix("_ml")]
    return jaxsim.lmer(entry["formula"], data(entry["data"]), reml=not name.endswith("_ml"))
