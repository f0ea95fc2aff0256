"""Linear hypotheses in words: how they are read, and their tests."""

from __future__ import annotations

import numpy as np
import pytest
from documented import CLOSE, METHODS, NUMERIC, answers, example, rows
from scipy import stats

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation.linear_formula import read

NAMES = ("(Intercept)", "x", "x2", "a:x", "I(x^2)", "poly(x, 2)1", "factor(day)2", "C(a, Sum)[1]", "two words")


@pytest.mark.parametrize(
    ("text", "rows_", "values"),
    [
        ("x = x2", [{"x": 1, "x2": -1}], [0]),
        ("x", [{"x": 1}], [0]),
        ("x = 2, x2 = -.5", [{"x": 1}, {"x2": 1}], [2, -0.5]),
        ("x = x2 = 3", [{"x": 1, "x2": -1}, {"x2": 1}], [0, 3]),
        ("2 * x - x2 / 4 + 1 = (a:x - 3) * 2", [{"x": 2, "x2": -0.25, "a:x": -2}], [-7]),
        ("-(x - 1) = +x2*1e1", [{"x": -1, "x2": -10}], [-1]),
        ("I(x^2) = poly(x, 2)1, factor(day)2=0", [{"I(x^2)": 1, "poly(x, 2)1": -1}, {"factor(day)2": 1}], [0, 0]),
        ("`two words` + `(Intercept)` = 1", [{"two words": 1, "(Intercept)": 1}], [1]),
        ("(Intercept) + C(a, Sum)[1]", [{"(Intercept)": 1, "C(a, Sum)[1]": 1}], [0]),
    ],
)
def test_hypotheses_are_read(text, rows_, values):
    found = read(text, NAMES)
    expected = np.array([[row.get(name, 0) for name in NAMES] for row in rows_], float)
    np.testing.assert_array_equal(found.rows, expected)
    np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("y = 0", r"'y' in the hypothesis 'y = 0' is not the name of a coefficient; they are \(Intercept\), x, .*"),
        ("factor(day)3 = 0", "Did you mean 'factor\\(day\\)2'"),
        ("x22 = 0", "'x22' in the hypothesis"),
        ("2x = 0", "'2x' in the hypothesis"),
        ("`xx` = 0", "'xx' in the hypothesis"),
        ("x * x2 = 0", "is not linear"),
        ("1 / x = 0", "is not linear"),
        ("x / 0 = 1", "divides by zero"),
        ("x = x", "says nothing about a coefficient"),
        ("1 = 1", "says nothing about a coefficient"),
        ("x + = 1", "cannot be read at its end"),
        ("(x + x2 = 0", "cannot be read at its end"),
        ("x x2 = 0", "cannot be read at 'x2 = 0'"),
        ("x = 0,", "cannot be read at its end"),
        ("", "a hypothesis is a text"),
        (3, "a hypothesis is a text"),
    ],
)
def test_what_cannot_be_read_is_said(text, words):
    with pytest.raises(InputError, match=words):
        read(text, NAMES)


def test_joint_tests_are_those_of_lmertest():
    fit, stored = example("sleepstudy"), answers()["examples"]["sleepstudy"]
    for method in METHODS:
        both = fit.test("Days = 0, I(Days^2) = 0", df=method)
        slope = fit.test("Days + 14 * I(Days^2) = 0", df=method)
        assert list(both["hypothesis"]) == ["Days = 0", "I(Days^2) = 0", "joint"]
        assert list(both.columns) == ["hypothesis", "estimate", "std_error", "num_df", "den_df", "f", "p_value"]
        for found, name in ((both, "joint"), (slope, "week")):
            for column, value in stored[method][name].items():
                close = NUMERIC if method == "satterthwaite" and column in ("den_df", "p_value") else CLOSE
                np.testing.assert_allclose(found[column].iloc[-1], value, err_msg=f"{name}, {column}", **close)


def test_a_single_coefficient_has_the_test_of_the_table():
    fit = example("cake")
    found = fit.test("recipeB, recipeC = 1")
    row = fit.table.set_index("term").loc["recipeB"]
    np.testing.assert_allclose(found["f"][0], row["statistic"] ** 2, rtol=1e-8)
    np.testing.assert_allclose(found["p_value"][0], row["p_value"], rtol=1e-6)
    np.testing.assert_allclose(found["estimate"][1], fit.table.set_index("term").loc["recipeC", "estimate"] - 1, rtol=1e-12)


def test_the_joint_statistic_is_that_of_brute_force():
    """Wald's, by the covariance of the coefficients."""
    fit = jaxsim.ols("angle ~ recipe * temp", rows("cake"))
    contrasts = np.array([[0, 1, -1, 0, 0, 0], [0, 0, 0, 1, 1 / 2, 0.0]])
    distance = contrasts @ fit.beta - [0, 0.2]
    wald = distance @ np.linalg.solve(contrasts @ fit.vcov.to_numpy() @ contrasts.T, distance)
    found = fit.test("recipeB = recipeC, temp + recipeB:temp / 2 = .2").iloc[-1]
    np.testing.assert_allclose([found["f"], found["p_value"]], [wald / 2, stats.f.sf(wald / 2, 2, 264)], rtol=1e-8)


def test_hypotheses_that_follow_from_others_are_refused():
    fit = jaxsim.ols("angle ~ recipe + temp", rows("cake"))
    for text in ("recipeB = 0, recipeC = 0, recipeB = recipeC", "temp = 0, temp = 1"):
        with pytest.raises(InputError, match="follows from the hypotheses before, or contradicts them"):
            fit.test(text)
