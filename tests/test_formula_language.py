"""The formula language: model matrices and predictions as R's (stored), contrasts, bases, ordered factors, words for the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.errors import InputError
from jaxsim.formula.coding import Coding
from jaxsim.formula.columns import collect
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.formula.parse import parse
from jaxsim.frames.mixed_model import prepare

STORED = json.loads((Path(__file__).parent / "reference" / "formulas.json").read_text())
# Both are closed forms; orthogonal polynomials and natural splines lose the digits of their condition, up to 1e4.
CLOSE = dict(rtol=1e-10, atol=1e-10)


def frame(name: str) -> pd.DataFrame:
    """The rows that R had, or its new ones."""
    data = pd.DataFrame(STORED[name])
    for column, levels in STORED["levels"].items():
        if column in data and name == "rows":
            data[column] = pd.Categorical(data[column], levels, ordered=column == "o")
    return data


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return frame("rows")


def matrix(formula: str, data: pd.DataFrame, ordered: str = "treatment"):
    parsed = parse(formula)
    return model_matrix(parsed.fixed, collect(data, parsed.names).frame, Coding(ordered))


@pytest.mark.parametrize("entry", STORED["matrices"], ids=lambda entry: f"{entry['ours']}, {entry['ordered']}")
def test_model_matrices_are_those_of_r(data, entry):
    found = matrix(entry["ours"], data, entry["ordered"])
    assert list(found.names) == entry["names"]
    np.testing.assert_allclose(found.values, np.reshape(entry["values"], (len(entry["names"]), -1)).T, **CLOSE)


@pytest.mark.filterwarnings("ignore:'o' is ordered")
@pytest.mark.parametrize("entry", STORED["predictions"], ids=lambda entry: entry["ours"])
def test_new_rows_are_expanded_by_what_was_learned(data, entry):
    fit = jaxsim.ols(entry["ours"], data)
    # Coefficients of natural splines multiply the rounding of their columns by 1e3.
    np.testing.assert_allclose(fit.beta, entry["estimate"], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.predict(frame("new")), entry["prediction"], rtol=1e-8, atol=1e-8)
    one = fit.predict(frame("new").iloc[[3]])  # one row alone has neither spread nor quantiles
    np.testing.assert_allclose(one, entry["prediction"][3], rtol=1e-8, atol=1e-8)


def test_contrasts_change_coefficients_and_not_the_fit(data):
    plain = jaxsim.ols("y ~ f * x", data)
    for kind in ("Sum", "Helmert", "Poly", "Diff", 'Treatment("high")', "contr.sum"):
        fit = jaxsim.ols(f"y ~ C(f, {kind}) * x", data)
        np.testing.assert_allclose(fit.fitted, plain.fitted, **CLOSE)
        assert fit.loglik == pytest.approx(plain.loglik, rel=1e-12)
        np.testing.assert_allclose(fit.predict(data.astype({"f": str})), plain.fitted, **CLOSE)


def test_sum_and_diff_estimate_what_their_names_say(data):
    means = data.groupby("f", observed=True)["y"].mean()
    total = jaxsim.ols("y ~ C(f, Sum)", data).table.set_index("term")["estimate"]
    assert total["(Intercept)"] == pytest.approx(means.mean())
    assert total["f1"] == pytest.approx(means["low"] - means.mean())
    steps = jaxsim.ols("y ~ C(f, Diff)", data).table.set_index("term")["estimate"]
    assert list(steps.index) == ["(Intercept)", "f2-1", "f3-2"]
    np.testing.assert_allclose(steps.iloc[1:], np.diff(means), **CLOSE)


def test_ordered_factors_have_treatment_contrasts_and_say_so(data):
    with pytest.warns(UserWarning, match=re.escape("'o' is ordered and has treatment contrasts; ordered='poly' gives")):
        fit = jaxsim.ols("y ~ o + x", data)
    assert list(fit.table["term"][1:4]) == ["osome", "ooften", "oalways"]
    fits = {
        "ols": jaxsim.ols("y ~ o + x", data, ordered="poly"),
        "lm": jaxsim.lm("y ~ o + x", data, cluster="f", ordered="poly"),
        "lm2": jaxsim.lm2("y ~ o + x", data.assign(half=np.arange(40) % 2), group="half", ordered="poly"),
    }
    for name, other in fits.items():
        assert list(other.table["term"][1:4]) == ["o.L", "o.Q", "o.C"], name
        assert not [text for text in other.messages if "ordered" in text]
    np.testing.assert_allclose(fits["ols"].fitted, fit.fitted, **CLOSE)
    assert jaxsim.ols("y ~ C(o, Treatment) + x", data).messages == ()
    for fit in (jaxsim.lmer, jaxsim.bayes):
        with pytest.raises(InputError, match="ordered='helmert' is not"):
            fit("y ~ o + (1 | k)", data, ordered="helmert")
    with pytest.raises(InputError, match=r"ordered='helmert' is not known; use one of 'treatment', 'poly'"):
        jaxsim.ols("y ~ o", data, ordered="helmert")


def test_bases_and_contrasts_may_have_random_effects(data):
    rows = data.assign(g=np.arange(40) % 5)
    model = prepare("y ~ poly(x, 2) + C(f, Sum) + (1 | g) + (0 + poly(x, 2) | g)", rows)
    assert model.random_names == ("(Intercept)", "poly(x, 2)1", "poly(x, 2)2")
    bars = prepare("y ~ poly(x, 2) + C(f, Sum) + (poly(x, 2) || g)", rows)  # lme4: a block for each term
    assert bars.structure == model.structure
    assert [block.names for block in bars.blocks] == [block.names for block in model.blocks]
    np.testing.assert_array_equal(bars.z, model.z)
    np.testing.assert_array_equal(model.z_on(rows.head(3)), model.z[:3])


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("bs(x, df = 2)", "'bs(x, df = 2)': df=2: give a whole number from 3 to 99"),
        ("poly(age, 4)", "needs more than 4 different values; the rows have 4"),
        ("poly(x, 2.5)", "degree=2.5: give a whole number"),
        ("poly(x, z, degree = 2)", "must be written out"),
        ("poly(f, 2)", "arithmetic with text"),
        ("bs(x, knots = c(1, 99))", "give numbers inside the boundary"),
        ("bs(x, knots = z)", "must be written out"),
        ("bs(x, wrong = 3)", "has the argument 'wrong', which is not known here; it takes a column and df, knots, degree"),
        ("scale(x, scale = 'a')", "scale='a': give TRUE, FALSE or a number"),
        ("scale(one)", "the scale is 0"),
        ("ns(one, df = 2)", "a spline needs two different ends"),
        ("I(poly(x, 2) * 2)", "arithmetic with several columns at once"),
        ("scale(poly(x, 2))", "arithmetic with several columns at once"),
        ("poly(x, 2)[, 1]", "'[' in 'poly(x, 2)[, 1]' has no meaning here"),
        ("C(f, Total)", "use one of Treatment, Sum, Helmert, Poly, Diff"),
        ("C(f, Sum(2))", "takes no such arguments here"),
        ('C(f, Treatment("none"))', "'f' has no level 'none' to be the reference; there are 'low', 'mid', 'high'"),
        ("C(f, Sum, 1)", "C takes a column here"),
        ("factor(f, levels = c(1, 2))", "make the column a pandas.Categorical first"),
        ("C(f, polynomial(2))", "'polynomial' in 'C(f, polynomial(2))' is not known here"),
        ("f + flow", "two columns of the model would be named 'fmid'"),
    ],
)
def test_what_the_language_cannot_do_is_refused_in_words(data, term, said):
    rows = data.assign(one=1.0, fmid=data["x"])
    with pytest.raises(InputError, match=re.escape(said)):
        jaxsim.ols(f"y ~ {term}".replace("flow", "fmid"), rows)


def test_one_name_for_two_columns_is_refused(data):
    rows = data.assign(n=pd.Categorical(np.tile(["1", "2", "3"], 14)[:40]), g=np.repeat(range(8), 5))
    with pytest.raises(InputError, match="'n1' is one column among the fixed effects and another among the random ones"):
        jaxsim.lmer("y ~ n + (C(n, Sum) | g)", rows.assign(n=rows["n"].cat.set_categories(["3", "1", "2"])))
    with pytest.raises(InputError, match="has several columns; give one"):
        jaxsim.ols("poly(y, 2) ~ x", data)


def test_words_of_r_keep_their_backquotes(data):
    """As model.matrix names them; an option's TRUE is no name."""
    rows = data.assign(**{"TRUE": data["x"] ** 2, "if": data["x"] ** 3, "_x": data["x"] ** 4, "in": data["f"]})
    fit = jaxsim.ols("y ~ log(`TRUE`) + `if` * `in` + `_x` + poly(x, 1, raw = TRUE)", rows)
    main = ["(Intercept)", "log(`TRUE`)", "`if`", "`in`mid", "`in`high", "`_x`", "poly(x, 1, raw = TRUE)"]
    assert list(fit.table["term"]) == [*main, "`if`:`in`mid", "`if`:`in`high"]
    assert list(fit.anova()["term"])[:3] == ["log(`TRUE`)", "`if`", "`in`"]
    assert fit.test("`if` = 0")["p_value"][0] == pytest.approx(fit.table["p_value"][2])
    assert fit.test("`if` - `if`:`in`mid = 0")["estimate"][0] == pytest.approx(fit.beta[2] - fit.beta[7])
    assert list(fit.emmeans("in")["in"]) == ["low", "mid", "high"]
    np.testing.assert_allclose(fit.predict(rows), fit.fitted)


def test_nothing_is_printed(data, capfd):
    jaxsim.ols("y ~ x^2 + (f + x)**2", data)
    assert capfd.readouterr() == ("", "")
