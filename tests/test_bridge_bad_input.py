"""What the DataFrame interface says to input it cannot fit: an error where it never could, a status where the data forbid it."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim import InputError, NotSupportedError
from jaxsim.errors import choose


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"y": rng.normal(size=24), "x": rng.normal(size=24), "g": np.repeat(list("abcdef"), 4)})
    frame["h"] = np.tile(list("uv"), 12)
    return frame.assign(constant=3.0, twin=2 * frame.x + 1, exact=1 + frame.x, only_a=(frame.g == "a").astype(float))


def fit(formula: str, data: pd.DataFrame):
    return (jaxsim.lmer if "|" in formula else jaxsim.ols)(formula, data)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y", "must have the form 'response ~ terms'"),
        ("", "must have the form"),
        ("~ x", "must have the form"),
        ("y ~", "must have the form"),
        ("y ~ x ~ h", "with one '~'"),
        ("y ~ x +", "cannot be read as terms"),
        ("y ~ .", "name the columns"),
        ("y ~ x h", "not joined by an operator"),
        ("y ~ (x", "never closed"),
        ("y ~ x)", "never opened"),
        ("y ~ 2*x", "the number 2"),
        ("y ~ x + 3", "Arithmetic goes into I(..)"),
        ("y ~ x > 0", "'>'"),
        ("y ~ x %o% h", "'%o%' in 'x%o%h' has no meaning here"),
        ("y ~ #x", "cannot be read at '#x'"),
        ("y ~ x*", "an operator lacks the term beside it"),
        ("y ~ x + )", "never opened"),
        ("y ~ x^h", "the power 'h'"),
        ("y ~ x^2.5", "the power '2.5'"),
        ("y ~ x^2^2", "a power of a power"),
        ("y ~ 1st", "write it in backquotes, `1st`"),
        ("y ~ polym(x, 2)", "'polym' is followed by a parenthesis"),
        ("y ~ I(__import__('os'))", "'__import__' is followed by a parenthesis"),
        ("y ~ x * offset(x)", "a summand of its own"),
        ("y ~ I()", "takes one argument"),
        ("y ~ I(x, y)", "takes one argument"),
        ("y ~ I(x +)", "cannot be read as an expression"),
        ("y ~ I(1 < x < 2)", "compute the column in the DataFrame first"),
        ("y ~ I(x[1])", "compute the column in the DataFrame first"),
        ("y ~ I(h + 1)", "arithmetic with text"),
        ("y ~ 0", "has no coefficients"),
        ("y ~ X", "Did you mean 'x'?"),
        ("y ~ nowhere", "they have y, x, g, h, constant"),
        ("g ~ x", "must be numeric"),
        ("y ~ log(y)", "infinite or not a number in"),
        ("y ~ x | g", "outside of a summand"),
        ("y ~ x*(1 | g)", "outside of a summand"),
        ("y ~ x - (1 | g)", "outside of a summand"),
        ("y ~ x (1 | g)", "outside of a summand"),
        ("y ~ (1 | g | h)", "must have one '|'"),
        ("y ~ ( | g)", "is empty"),
        ("y ~ (1 | )", "must be a column"),
        ("y ~ (1 | g + h)", "must be a column"),
        ("y ~ (1 | factor(g))", "must be a column"),
        ("y ~ (0 | g)", "has no columns"),
        ("y ~ 0 + (1 | g)", "has no fixed effects"),
        ("y ~ (x | g) + (1 | g)", "(Intercept) two random effects"),
    ],
)
def test_formulas_that_cannot_be_used(data, formula, said):
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        fit(formula, data)
    if "which the data do not have" not in str(caught.value):
        assert "~" in str(caught.value) or "'" in str(caught.value)  # it quotes what was given


@pytest.mark.parametrize("formula", ["y ~ x + (1 | g*h)", "y ~ x + (h || g)"])
def test_models_that_are_not_supported_yet(data, formula):
    with pytest.raises(NotSupportedError, match=r"Supported: \(1 \| g\)|Write that"):
        jaxsim.lmer(formula, data)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.to_dict(), "must be a pandas DataFrame"),
        (lambda d: d.iloc[:0], "0 rows were given"),
        (lambda d: d.assign(y=np.nan), "none is complete"),
        (lambda d: d.assign(y=d.y.astype(str)), "the response 'y' must be numeric: the column 'y' holds numbers as text, such as"),
        (lambda d: d.assign(x=d.x.where(d.index != 3, np.inf)), "'x' is infinite or not a number in 1 of 24 rows"),
        (lambda d: d.assign(y=d.y.astype(object).where(d.index > 1, -np.inf)), "'y' is infinite or not a number in 2 of 24"),
        (lambda d: d.assign(x=pd.Timestamp("2020-01-01")), "holds Timestamp"),
        (lambda d: d.assign(x=[1, "a"] * 12), "holds int, str"),
        (lambda d: d.assign(x="only"), "one level 'only'"),
        (lambda d: d[d.g == "a"], "'g' has the one level 'a'; at least two groups"),
        (lambda d: d.drop(columns="g"), "a column 'g', which the data do not have"),
        (lambda d: pd.concat([d, d[["x"]]], axis=1), "2 columns named 'x'"),
    ],
)
def test_data_that_cannot_be_used(data, change, said):
    with pytest.raises(InputError, match=re.escape(said)):
        jaxsim.lmer("y ~ x + (1 | g)", change(data))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda d: jaxsim.lmer("y ~ x", d), "has no random effects"),
        (lambda d: jaxsim.ols("y ~ x + (1 | g)", d), "fit it with lmer"),
        (lambda d: jaxsim.lm("y ~ x + (1 | g)", d, "g"), "fit it with lmer"),
        (lambda d: jaxsim.lm2("y ~ x + (1 | g)", d, "g"), "fit it with lmer"),
        (lambda d: jaxsim.lmer("y ~ x + (1 | g)", d, df="kenward"), "se one of 'satterthwaite', 'residual', 'normal'"),
        (lambda d: jaxsim.lmer("y ~ x + (1 | g)", d, df="Kenward"), "Did you mean 'kenward-roger'?"),
        (lambda d: jaxsim.lm("y ~ x", d, "g", vcov="cr2"), "Did you mean 'CR2'?"),
        (lambda d: jaxsim.lmer("y ~ x + (1 | g)", d, reml="ML"), "reml='ML' must be True"),
        (lambda d: jaxsim.lmer("y ~ x + (1 | g)", d, conf_level=95), "conf_level=95 must be a number between 0 and 1"),
        (lambda d: jaxsim.ols("y ~ x", d, conf_level=0), "conf_level=0 must be"),
        (lambda d: jaxsim.lmer(["y ~ x"], d), "the formula comes first, as a string"),
        (
            lambda d: jaxsim.lm("y ~ x", d),
            "cluster='Group' (the default; ols has no groups) names the column of the groups, so there must be a column 'Group'",
        ),
        (lambda d: jaxsim.lm("y ~ x", d, cluster=None), "cluster=None must be the name"),
        (
            lambda d: jaxsim.lm("y ~ x", d, "g", vcov="HC1"),
            "se one of 'CR0', 'CR1', 'CR1p', 'CR1S', 'pymer4', 'CR2', 'CR3'",
        ),
        (lambda d: jaxsim.lm("y ~ x", d[d.g == "a"], "g"), "at least two groups"),
        (lambda d: jaxsim.lm2("y ~ x", d, "G"), "Did you mean 'g'?"),
        (lambda d: jaxsim.lm2("y ~ x", d[d.g == "a"], "g"), "at least two groups"),
    ],
)
def test_arguments_that_cannot_be_used(data, call, said):
    with pytest.raises(InputError, match=re.escape(said)):
        call(data)


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        (lambda d: jaxsim.lmer("y ~ x + constant + (1 | g)", d, aliased="refuse"), "rank_deficient", "constant is a combination"),
        (lambda d: jaxsim.lmer("y ~ x + twin + (x | g)", d, aliased="refuse"), "rank_deficient", "twin is a combination"),
        (lambda d: jaxsim.lmer("y ~ x + (x + twin | g)", d), "rank_deficient", "random-effects columns twin"),
        (lambda d: jaxsim.lmer("exact ~ x + (1 | g)", d), "zero_residual", "reproduce the response exactly"),
        (
            lambda d: jaxsim.lmer("y ~ x + (x + I(x^2) + I(x^3) | g)", d),
            "too_few_rows",
            "24 random effects (4 in each of 6 groups)",
        ),
        (lambda d: jaxsim.lmer("y ~ x + (1 | g)", d.iloc[[0, 4]]), "too_few_rows", "2 rows cannot determine"),
        (lambda d: jaxsim.ols("y ~ constant", d, aliased="refuse"), "rank_deficient", "constant is a combination"),
        (lambda d: jaxsim.ols("y ~ x + twin + h", d, aliased="refuse"), "rank_deficient", "rank deficient: twin is"),
        (lambda d: jaxsim.ols("y ~ x", d.iloc[:2]), "too_few_rows", "2 rows cannot determine 2 coefficients"),
        (lambda d: jaxsim.ols("exact ~ x", d), "zero_residual", "reproduce the response exactly"),
        (lambda d: jaxsim.lm("y ~ x + h", d[d.g < "d"], "g", vcov="pymer4"), "too_few_groups", "3 clusters leave 'pymer4' no"),
        (lambda d: jaxsim.lm2("y ~ x", d.iloc[[0, 1, 2, 4]], "g"), "too_few_rows", "1 of 2 groups cannot be fitted alone (b)"),
        (lambda d: jaxsim.lm2("y ~ only_a", d, "g"), "rank_deficient", "only_a does not vary within groups"),
    ],
)
def test_data_that_forbid_a_fit_give_a_status(data, call, status, said):
    result = call(data)
    assert result.status == status
    assert said in " ".join(result.messages)
    assert said in str(result)
    assert not result.converged
    assert result.table.drop(columns="term").isna().all(axis=None)
    assert result.vcov.isna().all(axis=None)
    for value in (result.criterion, result.sigma):
        assert value is None or np.isnan(value)
    if result.theta is not None:
        assert np.isnan(result.theta).all()
        assert result.random_effects.isna().all(axis=None)
        assert result.varcorr["variance"].isna().all()


@pytest.mark.parametrize("given", ["unlike any", "", 3, None])
def test_nothing_is_proposed_for_what_resembles_nothing(given):
    with pytest.raises(InputError, match=r"use one of 't', 'wild'\.$"):
        choose("inference", given, ("t", "wild"))


def test_what_a_user_must_know_is_a_warning(data):
    with pytest.warns(UserWarning, match="constant is a combination"):
        jaxsim.ols("y ~ x + constant", data)
    with pytest.warns(UserWarning, match="1 row with missing values was dropped"):
        jaxsim.ols("y ~ x", data.assign(x=data["x"].where(data.index != data.index[0])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jaxsim.ols("y ~ x", data)


def test_functions_of_a_whole_column_say_which_rows_they_used(data):
    gap = data.assign(y=data["y"].where(data.index != data.index[0]))
    with pytest.warns(UserWarning, match="R uses every row"):
        assert len(jaxsim.ols("y ~ scale(x)", gap).messages) == 2


def test_a_predictor_of_groups_is_named_by_the_two_stage_analysis(data):
    level = data["g"].map({g: float(i) for i, g in enumerate(sorted(data["g"].unique()))})
    with pytest.warns(UserWarning, match="level does not vary within groups"):
        assert jaxsim.lm2("y ~ level", data.assign(level=level), "g").status == "rank_deficient"


def test_a_standard_error_of_rounding_errors_is_no_answer(data):
    """One coefficient per cluster: every score is zero."""
    with pytest.warns(UserWarning, match="standard error is zero"):
        assert jaxsim.lm("y ~ g", data, cluster="g").status == "zero_variance"


def test_text_is_sorted_as_a_dictionary_sorts_it(data):
    fruit = np.where(np.arange(len(data)) % 2 == 0, "apple", "Banana")
    assert list(jaxsim.ols("y ~ fruit", data.assign(fruit=fruit)).table["term"]) == ["(Intercept)", "fruitBanana"]
