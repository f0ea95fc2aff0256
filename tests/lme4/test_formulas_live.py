"""Mixed models with contrasts, bases and factors of every kind: estimates and predictions of new rows against lme4, live."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from asking import FOLDER, run

import jaxsim

pytestmark = pytest.mark.lme4

# Fixed effects of three or four columns, and the contrasts that R gives to f; two random parts: few shapes, so few compilations.
FIXED = {
    "C(f, Sum)": "contr.sum(3)", "C(f, Helmert)": "contr.helmert(3)", "C(f, Poly)": "contr.poly(3)", "C(f, Diff)": "contr.sdif(3)",
    'C(f, Treatment("mid"))': "contr.treatment(levels(rows$f), base = 2)", "f": "", "0 + f": "", "poly(x, 2)": "",
    "poly(x, 2, raw = TRUE)": "", "ns(x, df = 2)": "", "bs(x, df = 2, degree = 1)": "", "scale(x) + b": "", "h / scale(z)": "",
    "x + I(x > 1)": "",
}  # fmt: skip
RANDOM = ("(1 | g)", "(z | g)")


def make_rows(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(1, 2, n).round(3), "z": rng.uniform(0, 3, n).round(3)})
    data["f"], data["h"] = rng.choice(["low", "mid", "high"], n, p=[0.5, 0.3, 0.2]), rng.choice(["u", "v"], n)
    data["b"], data["g"] = rng.random(n) < 0.4, rng.integers(12, size=n) + 1
    return data


def make_data() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows, and new ones, the last of which is in a new group."""
    data, rng = make_rows(1, 150), np.random.default_rng(2)
    effects = rng.normal(size=(13, 2)) * [1.0, 0.8]
    data["y"] = data["x"] + (data["f"] == "mid") + effects[data["g"], 0] + effects[data["g"], 1] * data["z"] + rng.normal(size=150)
    new = make_rows(3, 20)
    new["x"] = new["x"].clip(data["x"].min(), data["x"].max())
    return data.assign(f=pd.Categorical(data["f"], ["low", "mid", "high"])), new.assign(g=[*new["g"][:-1], 99])


def test_estimates_and_predictions_are_those_of_lme4(r_script, tmp_path):
    data, new = make_data()
    data.to_csv(tmp_path / "rows.csv", index=False)
    new.to_csv(tmp_path / "new.csv", index=False)
    cases = list(itertools.product(FIXED, RANDOM))
    theirs = [(f"y ~ {'f' if FIXED[fixed] else fixed} + {part}", FIXED[fixed]) for fixed, part in cases]
    pd.DataFrame(theirs, columns=["formula", "contrasts"]).to_csv(tmp_path / "formulas.csv", index=False)
    run(r_script, FOLDER / "predict_formulas.R", tmp_path)
    for (fixed, part), expected in zip(cases, json.loads((tmp_path / "predictions.json").read_text()), strict=True):
        name = f"{fixed} + {part}"
        fit = jaxsim.lmer(f"y ~ {fixed} + {part}", data)
        if not FIXED[fixed]:
            assert list(fit.table["term"]) == expected["names"], name
        error = np.array(expected["std_error"])
        # lme4's optimum at this tolerance is good to 1e-7 of a standard error in theta; estimates and modes follow it.
        np.testing.assert_allclose(fit.beta / error, expected["estimate"] / error, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(fit.table["std_error"], error, rtol=1e-5, err_msg=name)
        assert fit.sigma == pytest.approx(expected["sigma"], rel=1e-5), name
        for level in ("group", "population"):
            np.testing.assert_allclose(
                fit.predict(new, level=level), expected[level], atol=1e-5 * fit.sigma, err_msg=f"{name}, {level}"
            )
