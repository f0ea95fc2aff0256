"""Model matrices of random formulas against R's ``model.matrix``, live: equal names and numbers, or both refuse.

``JAXSIM_FUZZ_FORMULAS=2000 python -m pytest tests/lme4/test_fuzz_formulas.py`` tries so many, from another seed each time if
``JAXSIM_FUZZ_SEED`` is given.
"""

from __future__ import annotations

import json
import os
import random
import re

import numpy as np
import pandas as pd
import pytest
from asking import FOLDER, run
from frames_for_r import write_frames
from made_formulas import make_case, make_frame

from jaxsim.errors import InputError
from jaxsim.formula.coding import Coding
from jaxsim.formula.columns import collect
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.formula.parse import parse

pytestmark = pytest.mark.lme4

SEED = int(os.environ.get("JAXSIM_FUZZ_SEED", "14"))
NUMBER = int(os.environ.get("JAXSIM_FUZZ_FORMULAS", "400"))
# Both compute splines and orthogonal polynomials in numbers of order 1, whose rounding grows by their condition, up to 1e4.
CLOSE = dict(rtol=1e-10, atol=1e-10)
# Refused here alone: R keeps both levels of a logical variable that is never true (or always), and makes a column of zeros of it.
ONE_TRUTH = re.compile(r"has the one level '(TRUE|FALSE)'")


def made():
    """The frames, and the cases by the number of theirs."""
    frames = {i: make_frame(SEED * 1000 + i) for i in range(1 + NUMBER // 20)}
    rng = random.Random(SEED)
    levels = {i: {n: list(d[n].cat.categories[sorted(set(d[n].cat.codes) - {-1})]) for n in "fhko"} for i, d in frames.items()}
    return frames, [make_case(rng, k % len(frames), levels[k % len(frames)]) for k in range(NUMBER)]


def write(folder, frames, cases):
    """What model_matrices.R reads."""
    write_frames(folder, {str(i): data for i, data in frames.items()})
    described = [
        (k, c.frame, c.theirs, ";".join(f"{a.strip('`')}={b}" for a, b in c.contrasts.items())) for k, c in enumerate(cases)
    ]
    pd.DataFrame(described, columns=["id", "frame", "formula", "contrasts"]).to_csv(folder / "formulas.csv", index=False)


def ours(case, data):
    formula = parse(case.ours)
    return model_matrix(formula.fixed, collect(data, formula.names, case.ours).frame, Coding(case.ordered))


def difference(case, data, theirs):
    """What is not equal; empty if nothing, or if both refuse."""
    try:
        found = ours(case, data)
        if not found.names:
            raise InputError("no columns")
    except InputError as error:
        return "" if "error" in theirs or ONE_TRUTH.search(str(error)) else f"refused here: {error}"
    if "error" in theirs:
        return f"refused by R: {theirs['error']}"
    if list(found.names) != theirs["names"]:
        return f"names: {found.names} here, {theirs['names']} in R"
    values = np.array(theirs["values"], float).reshape(len(found.names), -1).T
    if values.shape != found.values.shape or not np.allclose(found.values, values, **CLOSE):
        return f"values: {np.abs(found.values - values).max() if values.shape == found.values.shape else values.shape}"
    return ""


def test_random_formulas_give_the_model_matrix_of_r(r_script, tmp_path):
    frames, cases = made()
    write(tmp_path, frames, cases)
    run(r_script, FOLDER / "model_matrices.R", tmp_path)
    theirs = json.loads((tmp_path / "matrices.json").read_text())
    assert len(theirs) == len(cases)
    assert sum("error" not in entry for entry in theirs) > 0.8 * len(cases)
    differences = [
        (case, said) for case, entry in zip(cases, theirs, strict=True) if (said := difference(case, frames[case.frame], entry))
    ]
    assert not differences, "\n".join(f"{case}\n    {said}" for case, said in differences)
