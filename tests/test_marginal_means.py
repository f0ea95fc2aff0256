"""Estimated marginal means, their contrasts and slopes, as emmeans has them."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from documented import METHODS, answers, example, rows, same, unequal
from scipy import stats

import jaxsim
from jaxsim.errors import InputError

# What is asked of each example: a function of the fit and the method.
QUESTIONS = {
    ("sleepstudy", "days"): lambda fit, df: fit.emmeans("Days", at={"Days": [0, 4, 9]}, df=df),
    ("sleepstudy", "consecutive"): lambda fit, df: fit.contrasts("Days", method="consecutive", at={"Days": [0, 4, 9]}, df=df),
    ("cake", "recipe"): lambda fit, df: fit.emmeans("recipe", df=df),
    ("cake", "pairs"): lambda fit, df: fit.contrasts("recipe", df=df),
    ("cake", "by"): lambda fit, df: fit.emmeans("recipe", by="temp", at={"temp": [175, 225]}, adjust="bonferroni", df=df),
    ("cake", "scheffe"): lambda fit, df: fit.contrasts("recipe:temp", "scheffe", at={"temp": [175, 225]}, df=df),
    ("cake", "trends"): lambda fit, df: fit.trends("temp", by="recipe", df=df),
    ("orthodont", "sex"): lambda fit, df: fit.emmeans("Sex", df=df),
    ("orthodont", "pairs"): lambda fit, df: fit.contrasts("Sex", "tukey", by="age", at={"age": [8, 14]}, df=df),
    ("orthodont", "holm"): lambda fit, df: fit.contrasts(["Sex", "age"], "holm", at={"age": [8, 14]}, df=df),
    ("orthodont", "trends"): lambda fit, df: fit.trends("age", by="Sex", df=df),
    ("machines", "machine"): lambda fit, df: fit.emmeans("Machine", df=df),
    ("machines", "pairs"): lambda fit, df: fit.contrasts("Machine", adjust="tukey", df=df),
    ("machines", "reference"): lambda fit, df: fit.contrasts("Machine", "bonferroni", "trt.vs.ctrl", df=df),
    ("machines", "poly"): lambda fit, df: fit.contrasts("Machine", method="poly", df=df),
    ("machines", "own"): lambda fit, df: fit.contrasts("Machine", method={"A against others": [1, -0.5, -0.5]}, df=df),
    ("chickweight", "diet"): lambda fit, df: fit.emmeans("Diet", adjust="sidak", df=df),
    ("chickweight", "pairs"): lambda fit, df: fit.contrasts("Diet", at={"Time": 21}, df=df),
    ("chickweight", "fdr"): lambda fit, df: fit.contrasts("Diet", adjust="fdr", df=df),
}


@pytest.mark.parametrize(("name", "question"), QUESTIONS)
def test_documented_examples_have_the_numbers_of_emmeans(name, question):
    for method in METHODS:
        table = QUESTIONS[name, question](example(name), method)
        same(table, answers()["examples"][name][method][question], method, mean="trend" if "trend" in table else "mean")


def test_columns_are_those_that_are_promised():
    fit = example("cake")
    numbers = ["std_error", "df", "conf_low", "conf_high"]
    assert list(fit.emmeans("recipe", by="temp").columns) == ["recipe", "temp", "mean", *numbers]
    contrasts = fit.contrasts("recipe", by="temp", at={"temp": [175, 185]})
    columns = ["contrast", "temp", "estimate", "std_error", "df", "statistic", "p_value", "conf_low", "conf_high"]
    assert list(contrasts.columns) == columns
    assert list(contrasts["contrast"][:3]) == ["A - B", "A - C", "B - C"]
    assert list(contrasts["temp"]) == [175.0] * 3 + [185.0] * 3


def test_least_squares_has_its_residual_df():
    table = jaxsim.ols("angle ~ recipe * temp", rows("cake")).emmeans("recipe")
    same(table, answers()["least_squares"]["means"], "ols")


def test_means_are_predictions_of_the_grid():
    """By brute force: predictions of every cell, numbers at their mean (two values: both), and their plain averages."""
    data = unequal()
    fit = jaxsim.ols("y ~ a * factor(b) + old + log(x) + d", data)
    cells = itertools.product(["r", "p", "q"], [3, 7, 20], [False, True], [0, 1])
    grid = pd.DataFrame(cells, columns=["a", "b", "old", "d"]).assign(x=data["x"].mean())
    grid["mean"] = fit.predict(grid)
    for names in (["a"], ["b"], ["old"], ["d"], ["a", "b"], ["b", "old"]):
        table = fit.emmeans(":".join(names))
        expected = grid.groupby(names)["mean"].mean()
        # Sums of a dozen numbers of order one.
        for row in table.itertuples():
            key = tuple(getattr(row, name) for name in names)
            np.testing.assert_allclose(row.mean, expected.loc[key if len(key) > 1 else key[0]], rtol=1e-10)
    assert list(fit.emmeans("a")["a"]) == ["r", "p", "q"]
    assert fit.emmeans("b")["b"].dtype == data["b"].dtype
    for asked in (fit.emmeans("d"), fit.emmeans("d", at={"d": [1.0, 0.0]})):
        assert asked["d"].dtype == data["d"].dtype
    by = fit.emmeans("b", by="a")
    assert list(by["b"]) == [3, 7, 20] * 3
    pd.testing.assert_frame_equal(by, fit.emmeans(["b", "a"]))


def test_standard_errors_are_those_of_the_combination():
    data = unequal()
    fit = jaxsim.lm("y ~ a + x", data, cluster="b", vcov="CR1")
    row = np.array([1, 1, 0, data["x"].mean()])
    second = fit.emmeans("a").iloc[1]
    half = stats.t.ppf(0.975, 2) * np.sqrt(row @ fit.vcov.to_numpy() @ row)
    np.testing.assert_allclose([second["mean"], second["conf_low"]], [row @ fit.beta, row @ fit.beta - half], rtol=1e-9)
    assert (fit.emmeans("a", conf_level=0.5)["conf_low"] > fit.emmeans("a")["conf_low"]).all()


def test_a_curve_has_the_slope_of_its_derivative():
    data = unequal()
    fit = jaxsim.ols("y ~ x + I(x^2) + log(x):old + a", data)
    beta = fit.table.set_index("term")["estimate"]
    found = fit.trends("x", by="old", at={"x": 2.5})["trend"]
    both = beta["x"] + 5 * beta["I(x^2)"] + np.array([beta["log(x):oldFALSE"], beta["log(x):oldTRUE"]]) / 2.5
    # Differences over 1e-4 of the range: its square, times the third derivative of a logarithm.
    np.testing.assert_allclose(found, both, rtol=1e-5)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda fit: fit.emmeans("aa"), "'aa' is not a column with fixed effects. Did you mean 'a'. These are a, b, old, x"),
        (lambda fit: fit.emmeans("a:z"), "'z' is not a column with fixed effects"),
        (lambda fit: fit.emmeans(3), "specs=3 must name a factor"),
        (lambda fit: fit.emmeans("a", by="a"), "names nothing beside by='a'"),
        (lambda fit: fit.emmeans("a", at={"z": 1}), "'z' is not a column with fixed effects"),
        (lambda fit: fit.emmeans("a", at={"a": ["never"]}), "'never', which is no level; there are 'r', 'p', 'q'"),
        (lambda fit: fit.emmeans("a", at={"x": ["much"]}), "'much', which is not a number"),
        (lambda fit: fit.emmeans("a", at={"x": []}), "one or several different values"),
        (lambda fit: fit.emmeans("a", at=[1]), "at=.* must be a dictionary"),
        (lambda fit: fit.emmeans("a", adjust="tukey"), "is for all pairwise differences"),
        (lambda fit: fit.emmeans("a", adjust="sidack"), "Did you mean 'sidak'"),
        (lambda fit: fit.emmeans("a", conf_level=95), "conf_level=95 must be a number between 0 and 1"),
        (lambda fit: fit.emmeans("a", adjust="dunnettx"), "is for differences from a reference, see contrasts"),
        (lambda fit: fit.trends("a"), "'a' does not hold numbers"),
        (lambda fit: fit.trends("x", by="x"), "'x' is not a column with fixed effects"),
        (lambda fit: fit.trends("x", at={"x": [1, 2]}), "the one number at which the slope is taken"),
    ],
)
def test_what_cannot_be_asked_is_said(ask, words):
    fit = jaxsim.ols("y ~ a + factor(b) + old + x", unequal())
    with pytest.raises(InputError, match=words):
        ask(fit)


def test_a_variable_that_was_taken_out_has_no_means():
    """As in emmeans; the formula reads its column all the same, and drops rows where it is missing."""
    fit, smaller = (jaxsim.ols(f"y ~ {fixed}", unequal()) for fixed in ("a * x * old - old:x - old:a - old - a:x:old", "a * x"))
    with pytest.raises(InputError, match="'old' is not a column with fixed effects; these are a, x"):
        fit.contrasts("old")
    pd.testing.assert_frame_equal(fit.emmeans("a"), smaller.emmeans("a"))
    pd.testing.assert_frame_equal(fit.trends("x", by="a"), smaller.trends("x", by="a"))
    assert fit.plot.effects("x") is not None


def test_a_grid_too_large_is_refused():
    data = pd.DataFrame({f"f{i}": np.tile(list("abcdefghij"), 8) for i in range(6)})
    for i in range(6):
        data[f"f{i}"] = np.random.default_rng(i).permutation(data[f"f{i}"])
    data["y"] = np.random.default_rng(9).normal(size=80)
    fit = jaxsim.ols("y ~ " + " + ".join(f"f{i}" for i in range(6)), data)
    with pytest.raises(InputError, match="are 1,000,000, more than 100,000"):
        fit.emmeans("f0")
    assert len(fit.emmeans("f0", at={f"f{i}": ["a", "b"] for i in range(1, 6)})) == 10


def empty_cell():
    data = unequal()
    return data[(data["a"] != "q") | ~data["old"]]


@pytest.fixture(scope="module")
def with_empty_cell():
    with pytest.warns(UserWarning, match="aq:oldTRUE is a combination"):
        return jaxsim.ols("y ~ a * old + x", empty_cell())


def test_what_an_empty_cell_decides_is_nan_and_said(with_empty_cell):
    with pytest.warns(UserWarning, match=r"1 of 6 means cannot be estimated: .* \(aq:oldTRUE was dropped\)"):
        cells = with_empty_cell.emmeans("a:old")
    lacking = (cells["a"] == "q") & cells["old"]
    assert (cells["mean"].isna() == lacking).all()
    assert (cells["conf_low"].isna() == lacking).all()
    with pytest.warns(UserWarning, match="1 of 3 means"):
        assert list(with_empty_cell.emmeans("a")["mean"].isna()) == [False, False, True]
    # Slopes and differences that the empty cell has no part in are as they are without its column.
    without = jaxsim.ols("y ~ cell + x", empty_cell().assign(cell=lambda d: d["a"].astype(str) + d["old"].astype(str)))
    np.testing.assert_allclose(with_empty_cell.trends("x")["std_error"], without.table["std_error"].iloc[-1], rtol=1e-9)
    with pytest.warns(UserWarning, match="2 of 3 contrasts"):
        differences = with_empty_cell.contrasts("a", "none", by="old")
    beta = without.table.set_index("term")["estimate"]
    np.testing.assert_allclose(differences["estimate"][0], beta["cellrFalse"], rtol=1e-9)  # r - p where old is false


@pytest.mark.parametrize("kind", ["Sum", "Helmert", "Poly", 'Treatment("q")'])
def test_no_coding_changes_means_or_type_three(kind):
    data = unequal()
    plain = jaxsim.ols("y ~ a * b + old", data)
    coded = jaxsim.ols(f"y ~ C(a, {kind}) * b + old", data)
    # The same space of expectations in other coordinates.
    close = dict(rtol=1e-8)
    np.testing.assert_allclose(coded.emmeans("a").drop(columns="a"), plain.emmeans("a").drop(columns="a"), **close)
    np.testing.assert_allclose(coded.contrasts("a")["p_value"], plain.contrasts("a")["p_value"], **close)
    np.testing.assert_allclose(coded.anova(3)["f"], plain.anova(3)["f"], **close)


def test_what_is_not_identified_is_not_given():
    """Treatments of whole tanks, one each: their difference has no standard error, a slope within tanks has."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"tank": np.repeat(list("abcd"), 10), "x": rng.normal(size=40)})
    data["y"] = rng.normal(size=4).repeat(10) + data["x"] + rng.normal(size=40)
    with pytest.warns(UserWarning, match="the data say nothing about its variance"):
        fit = jaxsim.lmer("y ~ tank + x + (1 | tank)", data)
    expected = jaxsim.ols("y ~ tank + x", data)
    last = fit.test("x = 1")
    np.testing.assert_allclose(last["f"], expected.test("x = 1")["f"], rtol=1e-8)
    with pytest.warns(UserWarning, match="6 of 6 contrasts have no standard error, .* depend on a variance that the fixed effects"):
        assert fit.contrasts("tank")["p_value"].isna().all()
    limits = fit.confint().set_index("term")
    assert list(limits.index[limits["conf_low"].notna()]) == ["x"]
    np.testing.assert_allclose(limits.loc["x"], expected.confint().set_index("term").loc["x"], rtol=1e-8)
    with pytest.raises(InputError, match="method='profile' needs a fit with an answer"):
        fit.confint("profile")
    with pytest.warns(UserWarning, match="tank: there is no test of 3 combinations at once; they depend on a variance"):
        table = fit.anova()
    assert list(table["p_value"].isna()) == [True, False]
