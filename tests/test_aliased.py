"""Columns that are combinations of those before them: left out as R does, named, and the others estimated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.errors import InputError

# The same columns but for rounding, in the same programs.
SAME = dict(rtol=1e-9, atol=1e-9)
DROPPED = "sexm:dosemid"


def rows(seed=2):
    """Ten groups of eight rows, with no man at the middle dose: a row of each of two columns that say the same."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(range(10), 8), "sex": np.tile(list("ffffmmmm"), 10)})
    data["dose"] = np.where(data["sex"] == "f", np.tile(["high", "low", "mid", "mid"] * 2, 10), np.tile(["high", "low"] * 4, 10))
    data["y"] = rng.normal(size=80) + rng.normal(size=10)[data["g"]]
    data["sexm"], data["doselow"], data["dosemid"] = (
        1.0 * (data["sex"] == "m"),
        1.0 * (data["dose"] == "low"),
        1.0 * (data["dose"] == "mid"),
    )
    data["both"] = data["sexm"] * data["doselow"]
    return data


FITS = {
    "ols": lambda right, data, **o: jaxsim.ols(f"y ~ {right}", data, **o),
    "CR2": lambda right, data, **o: jaxsim.lm(f"y ~ {right}", data, "g", vcov="CR2", **o),
    "CR3": lambda right, data, **o: jaxsim.lm(f"y ~ {right}", data, "g", vcov="CR3", **o),
    "two-way": lambda right, data, **o: jaxsim.lm(f"y ~ {right}", data, ["g", "block"], **o),
    "iid": lambda right, data, **o: jaxsim.lm(f"y ~ {right}", data, vcov="iid", **o),
    "wild": lambda right, data, **o: jaxsim.lm(f"y ~ {right}", data, "g", inference="wild", draws=199, **o),
    "lm2": lambda right, data, **o: jaxsim.lm2(f"y ~ {right}", data, "g", **o),
    "lmer": lambda right, data, **o: jaxsim.lmer(f"y ~ {right} + (1 | g)", data, **o),
    "Kenward-Roger": lambda right, data, **o: jaxsim.lmer(f"y ~ {right} + (1 | g)", data, df="kenward-roger", **o),
    "ML": lambda right, data, **o: jaxsim.lmer(f"y ~ {right} + (1 | g)", data, reml=False, **o),
    "bayes": lambda right, data, **o: jaxsim.bayes(f"y ~ {right} + (1 | g)", data, method="fast", **o),
}


@pytest.mark.parametrize("kind", [kind for kind in FITS if kind != "bayes"])  # whose compilation takes half a minute
def test_the_others_are_what_they_are_without_the_aliased_column(kind):
    data = rows().assign(block=np.tile(range(16), 5))
    with pytest.warns(UserWarning, match=f"{DROPPED} is a combination of the columns before it: it was dropped"):
        fit = FITS[kind]("sex * dose", data)
    plain = FITS[kind]("sexm + doselow + dosemid + both", data)
    assert fit.status == plain.status == "ok"
    assert list(fit.table["term"]) == ["(Intercept)", "sexm", "doselow", "dosemid", "sexm:doselow"]
    assert fit.model.x.aliased == (DROPPED,)
    assert fit.model.x.term_of == (0, 1, 2, 2, 3)
    pd.testing.assert_frame_equal(fit.table.drop(columns="term"), plain.table.drop(columns="term"), check_exact=False, **SAME)


@pytest.mark.parametrize("kind", FITS)
def test_they_can_be_refused(kind):
    data = rows().assign(block=np.tile(range(16), 5))
    with pytest.warns(UserWarning, match=f"rank deficient: {DROPPED} is a combination"):
        fit = FITS[kind]("sex * dose", data, aliased="refuse")
    assert fit.status == "rank_deficient"
    assert len(fit.table) == 6
    assert fit.table.drop(columns="term").isna().all(axis=None)


@pytest.mark.filterwarnings("ignore:sexm")
def test_new_rows_have_the_columns_that_are_estimated():
    data = rows()
    fit = jaxsim.lmer("y ~ sex * dose + (1 | g)", data)
    np.testing.assert_allclose(fit.predict(data.drop(columns="y")), fit.fitted, **SAME)
    recipe = fit.model.x.recipe
    frame = pd.DataFrame({"sex": ["m", "m"], "dose": ["mid", "low"]})
    np.testing.assert_array_equal(recipe.full_on(frame), [[1, 1, 0, 1, 0, 1], [1, 1, 1, 0, 1, 0]])
    np.testing.assert_array_equal(recipe.on(frame), [[1, 1, 0, 1, 0], [1, 1, 1, 0, 1]])
    assert recipe.kept == (0, 1, 2, 3, 4)


def test_several_columns_and_what_can_be_said_of_them():
    data = rows().assign(one=1.0, twin=lambda d: 2 * d["sexm"] - 3, zero=0.0)
    with pytest.warns(UserWarning, match="one, twin, zero are combinations of the columns before them: they were dropped"):
        fit = jaxsim.ols("y ~ sexm + one + twin + zero + doselow", data)
    assert list(fit.table["term"]) == ["(Intercept)", "sexm", "doselow"]


def test_nothing_but_aliased_columns_is_no_model():
    with pytest.warns(UserWarning, match="rank deficient: zero"):
        assert jaxsim.ols("y ~ 0 + zero", rows().assign(zero=0.0)).status == "rank_deficient"


def test_random_effects_are_not_dropped():
    with pytest.warns(UserWarning, match="the random-effects columns sexm:dosemid are combinations"):
        fit = jaxsim.lmer("y ~ 1 + (sex * dose | g)", rows())
    assert fit.status == "rank_deficient"


def test_an_unknown_option_is_refused():
    with pytest.raises(InputError, match="aliased='keep' is not known; use one of 'drop', 'refuse'"):
        jaxsim.ols("y ~ sex", rows(), aliased="keep")
