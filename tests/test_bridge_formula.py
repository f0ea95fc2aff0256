"""The formula language of the DataFrame interface: terms, order, names, coding, blocks, missing rows, large means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.formula.columns import collect
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.formula.parse import parse

SLEEP = pd.read_csv(Path(__file__).parent / "reference" / "data" / "sleepstudy.csv")


@pytest.fixture(scope="module")
def small() -> pd.DataFrame:
    """Twelve rows with every kind of column."""
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "y": rng.normal(size=12),
            "x": rng.normal(size=12),
            "z": rng.normal(size=12),
            "f": np.tile(list("abc"), 4),
            "h": np.repeat(list("uv"), 6),
            "b": np.tile([True, False], 6),
            "i": np.repeat([3, 1, 2], 4),
            "c": pd.Categorical(np.tile(list("abc"), 4), categories=["c", "unused", "a", "b"]),
            "my col": rng.normal(size=12),
        }
    )


def matrix(formula: str, data: pd.DataFrame):
    parsed = parse(formula)
    return model_matrix(parsed.fixed, collect(data, parsed.names).frame)


# What colnames(model.matrix(formula, data)) printed in R 4.2.2.
R_NAMES = {
    "y ~ x*f": "(Intercept) x fb fc x:fb x:fc",
    "y ~ f*x": "(Intercept) fb fc x fb:x fc:x",
    "y ~ x:f": "(Intercept) x:fa x:fb x:fc",
    "y ~ f:h": "(Intercept) fa:hu fb:hu fc:hu fa:hv fb:hv fc:hv",
    "y ~ 0+f": "fa fb fc",
    "y ~ f - 1": "fa fb fc",
    "y ~ 0+f+h": "fa fb fc hv",
    "y ~ f*h*x": "(Intercept) fb fc hv x fb:hv fc:hv fb:x fc:x hv:x fb:hv:x fc:hv:x",
    "y ~ x+f:h+z": "(Intercept) x z fa:hu fb:hu fc:hu fa:hv fb:hv fc:hv",
    "y ~ x:z+x": "(Intercept) x x:z",
    "y ~ z:f + x": "(Intercept) x z:fa z:fb z:fc",
    "y~x*f-x": "(Intercept) fb fc x:fa x:fb x:fc",
    "y ~ b": "(Intercept) bTRUE",
    "y~f:x+x": "(Intercept) x fb:x fc:x",
    "y ~ x/f": "(Intercept) x x:fb x:fc",
    "y ~ f/x": "(Intercept) fb fc fa:x fb:x fc:x",
    "y ~ 0 + x:f": "x:fa x:fb x:fc",
    "y ~ 0 + f:h": "fa:hu fb:hu fc:hu fa:hv fb:hv fc:hv",
    "y ~ 0 + x + f": "x fa fb fc",
    "y ~ (x+f+h)^2": "(Intercept) x fb fc hv x:fb x:fc x:hv fb:hv fc:hv",
    "y ~ (x+f+h)**2 - x:h": "(Intercept) x fb fc hv x:fb x:fc fb:hv fc:hv",
    "y ~ f + f:h": "(Intercept) fb fc fa:hv fb:hv fc:hv",
    "y ~ 0 + f*h": "fa fb fc hv fb:hv fc:hv",
    "y ~ x*z*f": "(Intercept) x z fb fc x:z x:fb x:fc z:fb z:fc x:z:fb x:z:fc",
    "y ~ b:x": "(Intercept) bFALSE:x bTRUE:x",
    "y ~ f:h:x": "(Intercept) fa:hu:x fb:hu:x fc:hu:x fa:hv:x fb:hv:x fc:hv:x",
    "y ~ f + x:f + f:h": "(Intercept) fb fc fa:x fb:x fc:x fa:hv fb:hv fc:hv",
    "y~ h:x:f + x:f": "(Intercept) x:fa x:fb x:fc hv:x:fa hv:x:fb hv:x:fc",
    "y ~ -1 + x:f + x": "x x:fa x:fb x:fc",
    "y ~ factor(i)": "(Intercept) factor(i)2 factor(i)3",
    "y ~ 1": "(Intercept)",
    "y ~ `my col`:x": "(Intercept) `my col`:x",
}


@pytest.mark.parametrize("formula", R_NAMES)
def test_columns_are_named_and_ordered_as_in_r(small, formula):
    assert " ".join(matrix(formula, small).names) == R_NAMES[formula]


@pytest.mark.parametrize(
    ("term", "label", "values"),
    [
        ("I(x ** 2)", "I(x^2)", lambda d: d.x**2),
        ("I( -x^2 )", "I(-x^2)", lambda d: -(d.x**2)),  # the power binds first
        ("I((x+1)/2)", "I((x + 1)/2)", lambda d: (d.x + 1) / 2),
        ("I(x*z - 1)", "I(x * z - 1)", lambda d: d.x * d.z - 1),
        ("log(x+10)", "log(x + 10)", lambda d: np.log(d.x + 10)),
        ("np.exp(x)", "np.exp(x)", lambda d: np.exp(d.x)),
        ("scale(x)", "scale(x)", lambda d: (d.x - d.x.mean()) / d.x.std()),
        ("center(x)", "center(x)", lambda d: d.x - d.x.mean()),
        ("I(`my col`)", "I(`my col`)", lambda d: d["my col"]),
        ("I(x>0)", "I(x > 0)TRUE", lambda d: d.x > 0),
        ("I(f=='a')", 'I(f == "a")TRUE', lambda d: d.f == "a"),
        ("x:z", "x:z", lambda d: d.x * d.z),
        ("b:x", "bFALSE:x", lambda d: ~d.b * d.x),
        ("c", "ca", lambda d: d.c == "a"),  # the first category is the reference, the unused one has no column
    ],
)
def test_values_of_terms(small, term, label, values):
    found = matrix(f"y ~ {term}", small)
    assert found.names[1] == label
    np.testing.assert_array_equal(found.values[:, 1], values(small).to_numpy(float))


@pytest.mark.parametrize("formula", ["y ~ f:h", "y ~ 0 + f*h", "y ~ h:f:b"])
def test_columns_of_interactions_hold_what_their_names_say(small, formula):
    found = matrix(formula, small)
    for name, values in zip(found.names, found.values.T, strict=True):
        parts = [] if name == "(Intercept)" else name.split(":")
        truth = [small[part[0]].astype(str).str.upper() == part[1:].upper() for part in parts]
        np.testing.assert_array_equal(values, np.prod([np.ones(len(small)), *truth], axis=0))


@pytest.mark.parametrize("response", ["I(y / 10)", "y / 10"])
def test_a_response_may_be_computed(small, response):
    ours = jaxsim.ols(f"{response} ~ x", small)
    expected = jaxsim.ols("w ~ x", small.assign(w=small.y / 10))
    pd.testing.assert_frame_equal(ours.table, expected.table)


def test_a_transformed_response_in_a_mixed_model():
    ours = jaxsim.lmer("log(Reaction) ~ Days + (Days | Subject)", SLEEP)
    expected = jaxsim.lmer("w ~ Days + (Days | Subject)", SLEEP.assign(w=np.log(SLEEP.Reaction)))
    pd.testing.assert_frame_equal(ours.table, expected.table)


@pytest.mark.parametrize(
    ("formula", "same"),
    [
        ("Reaction ~ Days + (Days || Subject)", "Reaction ~ Days + (1 | Subject) + (0 + Days | Subject)"),
        ("Reaction ~ Days + (Days | Subject)", "Reaction ~ (1 + Days | Subject) + 1 + Days"),
        ("Reaction ~ (1 | Subject) + Days", "Reaction ~ Days + (1 | Subject)"),
        ("Reaction ~ Days + (Days - 1 | Subject)", "Reaction ~ Days + (0 + Days | Subject)"),
    ],
)
def test_two_ways_to_write_a_model(formula, same):
    a, b = jaxsim.lmer(formula, SLEEP), jaxsim.lmer(same, SLEEP)
    assert a.criterion == b.criterion
    for name in ("table", "varcorr", "random_effects", "vcov", "coef"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(a.theta, b.theta)
    assert a.theta_names == b.theta_names


def test_random_effects_of_a_factor_without_intercept_are_named_as_in_lme4(small):
    parsed = parse("y ~ x + (0 + f | h)")
    frame = collect(small, parsed.names).frame
    assert model_matrix(parsed.random[0].terms, frame).names == ("fa", "fb", "fc")


def test_an_interaction_of_columns_is_one_grouping_factor():
    split = SLEEP.assign(a=SLEEP.Subject // 10, b=SLEEP.Subject % 10)
    ours = jaxsim.lmer("Reaction ~ Days + (1 | a:b)", split)
    plain = jaxsim.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    pd.testing.assert_frame_equal(ours.table, plain.table)
    assert list(ours.random_effects.index[:2]) == ["30:8", "30:9"]
    assert ours.random_effects.index.name == "a:b"
    np.testing.assert_array_equal(ours.random_effects, plain.random_effects)


def test_rows_in_any_order_and_with_any_index_give_the_same_fit():
    mixed = SLEEP.sample(frac=1, random_state=1).set_index("Subject", drop=False)
    a, b = (jaxsim.lmer("Reaction ~ Days + (Days | Subject)", data) for data in (SLEEP, mixed))
    # Sums in another order: rounding, at most doubled in digits by the square root of the optimum's flatness.
    pd.testing.assert_frame_equal(a.table, b.table, rtol=1e-8)
    pd.testing.assert_frame_equal(a.random_effects, b.random_effects, rtol=1e-6)


def test_groups_keep_their_labels_and_categories_their_order():
    groups = pd.Categorical(SLEEP.Subject.astype(str), categories=["none", *sorted(SLEEP.Subject.astype(str).unique())[::-1]])
    modes = jaxsim.lmer("Reaction ~ Days + (1 | g)", SLEEP.assign(g=groups)).random_effects
    plain = jaxsim.lmer("Reaction ~ Days + (1 | Subject)", SLEEP).random_effects
    assert list(modes.index) == [str(label) for label in plain.index[::-1]]
    assert list(plain.index) == sorted(SLEEP.Subject.unique())
    np.testing.assert_allclose(modes.to_numpy()[::-1], plain.to_numpy(), rtol=1e-8)  # sums in another order


def test_missing_rows_are_dropped_with_a_message():
    holes = SLEEP.assign(extra=np.nan, Subject=SLEEP.Subject.astype(object))
    holes.loc[3, "Reaction"] = np.nan
    holes.loc[[3, 9], "Days"] = np.nan
    holes.loc[20, "Subject"] = None
    before = holes.copy()
    fit = jaxsim.lmer("Reaction ~ Days + (1 | Subject)", holes)
    pd.testing.assert_frame_equal(holes, before)
    assert fit.n_rows == 177
    assert fit.messages == ("3 rows with missing values were dropped",)
    plain = jaxsim.lmer("Reaction ~ Days + (1 | Subject)", SLEEP.drop(index=[3, 9, 20]))
    pd.testing.assert_frame_equal(fit.table, plain.table)
    assert plain.messages == ()
    one = jaxsim.lm("Reaction ~ Days", holes.drop(index=[3, 9]), cluster="Subject")
    assert one.messages == ("1 row with missing values was dropped",)


def test_nullable_and_object_columns_are_numbers(small):
    plain = jaxsim.ols("y ~ x + i + b", small)
    other = small.assign(x=small.x.astype("Float64"), i=small.i.astype(object), b=small.b.astype("boolean"))
    pd.testing.assert_frame_equal(jaxsim.ols("y ~ x + i + b", other).table, plain.table)


def test_degrees_of_freedom_and_level():
    formula = "Reaction ~ Days + (Days | Subject)"
    fits = {df: jaxsim.lmer(formula, SLEEP, df=df, conf_level=0.9).table for df in ("satterthwaite", "residual", "normal")}
    np.testing.assert_allclose(fits["satterthwaite"]["df"], 17, rtol=1e-6)  # exact for balanced data; the optimum is good to 1e-8
    np.testing.assert_array_equal(fits["residual"]["df"], 178)
    assert np.isinf(fits["normal"]["df"]).all()
    width = fits["normal"]["conf_high"] - fits["normal"]["conf_low"]
    np.testing.assert_allclose(width, 2 * 1.6448536269514722 * fits["normal"]["std_error"], rtol=1e-12)  # qnorm(0.95)


def test_iid_is_ordinary_least_squares(small):
    pd.testing.assert_frame_equal(jaxsim.lm("y ~ x", small, vcov="iid").table, jaxsim.ols("y ~ x", small).table)


@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_large_means_cost_no_digits(mean):
    """Moving y and x changes the intercept alone; raw cross-products would lose all digits of a variance here."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(20), 10)
    x = np.round(rng.normal(size=200) + rng.normal(size=20)[group], 6)
    effects = rng.normal(size=(20, 2)) * [1, 0.8]
    y = np.round(1 + 0.5 * x + effects[group, 0] + effects[group, 1] * x + rng.normal(size=200), 6)
    near = jaxsim.lmer("y ~ x + (x | g)", pd.DataFrame({"y": y, "x": x, "g": group}))
    far = jaxsim.lmer("y ~ x + (x | g)", pd.DataFrame({"y": y + 1e6, "x": x + mean, "g": group}))
    back = np.array([[1.0, -mean], [0.0, 1.0]])
    # y + 1e6 is stored to 1e-10: that is all that may be lost.
    assert far.criterion == pytest.approx(near.criterion, abs=1e-7)
    assert far.sigma == pytest.approx(near.sigma, rel=1e-8)
    vcov = back @ near.vcov.to_numpy() @ back.T
    error = np.sqrt(np.diag(vcov))
    np.testing.assert_allclose(far.vcov, vcov, rtol=1e-8)
    np.testing.assert_allclose(far.table["estimate"] / error, (back @ near.table["estimate"] + [1e6, 0]) / error, rtol=1e-8)
    covariance = back @ near.covariance.to_numpy() @ back.T
    np.testing.assert_allclose(far.covariance, covariance, rtol=1e-7)
    assert far.table["df"][1] == pytest.approx(near.table["df"][1], rel=1e-7)
    np.testing.assert_allclose(far.random_effects, near.random_effects @ back.T, atol=1e-7 * np.sqrt(covariance.max()))


def test_large_means_in_regressions():
    rng = np.random.default_rng(6)
    group = np.repeat(np.arange(6), 8)
    x, y = np.round(rng.normal(size=(2, 48)), 6)
    near, far = pd.DataFrame({"y": y, "x": x, "g": group}), pd.DataFrame({"y": y + 1e6, "x": x + 1e4, "g": group})
    for fit in (lambda d: jaxsim.ols("y ~ x", d), lambda d: jaxsim.lm("y ~ x", d, "g"), lambda d: jaxsim.lm2("y ~ x", d, "g")):
        a, b = fit(near).table.iloc[1], fit(far).table.iloc[1]
        np.testing.assert_allclose(b.drop("term").to_numpy(float), a.drop("term").to_numpy(float), rtol=1e-7)  # as above


def test_the_summary_is_what_lme4_users_know():
    text = str(jaxsim.lmer("Reaction ~ Days + (Days | Subject)", SLEEP))
    expected = """
Linear mixed model fit by REML
Formula: Reaction ~ Days + (Days | Subject)
REML criterion at convergence: 1743.6283
Groups    Name         Variance  Std.Dev.  Corr
Subject   (Intercept)    612.09    24.740
          Days            35.07     5.922  0.07
Residual                 654.94    25.592
Number of obs: 180, groups:  Subject, 18
Estimate  Std. Error   df  t value  Pr(>|t|)   2.5 %  97.5 %
(Intercept)   251.41       6.825   17.00   36.838  1.17e-17  237.007  265.80
"""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for line in expected.strip().splitlines():
        assert any(" ".join(line.split()) in shown for shown in lines), line
    assert str(jaxsim.lm2("Reaction ~ Days", SLEEP, "Subject")).endswith("Number of obs: 180, groups: 18")


@pytest.mark.parametrize(
    ("fit", "method"),
    [
        (lambda: jaxsim.lm("Reaction ~ Days", SLEEP, "Subject", inference="wild", draws=199, conf_level=0.9), "wild cluster"),
        (lambda: jaxsim.lm2("Reaction ~ Days", SLEEP, "Subject", "sign-flip", draws=199, conf_level=0.9), "sign-flip"),
    ],
)
def test_a_summary_shows_no_degrees_of_freedom_beside_a_p_value_that_has_none(fit, method):
    fit = fit()
    header = next(line for line in fit.summary().splitlines() if "Estimate" in line)
    assert header.split() == ["Estimate", "Std.", "Error", "p", "(resampled)", "5", "%", "95", "%"]
    assert method in fit.summary()
    row = next(line for line in fit.summary().splitlines() if "Days" in line and "~" not in line).split()
    assert float(row[3]) == pytest.approx(fit.table["p_value"][1], rel=1e-2)  # three digits
    np.testing.assert_allclose(np.array(row[4:], float), fit.table.loc[1, ["conf_low", "conf_high"]].astype(float), atol=5e-3)


@pytest.mark.parametrize("spread", [1.0, 1e3, 1e5])
def test_two_stage_does_not_mind_how_far_groups_lie_apart(spread):
    rng = np.random.default_rng(6)
    group = np.repeat(np.arange(8), 10)
    x = spread * group + rng.normal(size=80)
    y = 1 + 0.5 * (x - spread * group) + rng.normal(size=80)
    fit = jaxsim.lm2("y ~ x", pd.DataFrame({"y": y, "x": x, "g": group}), group="g")
    slopes = [np.polyfit(x[group == g] - spread * g, y[group == g], 1)[0] for g in range(8)]
    # Rounding x costs 1e-16 * spread of its unit variation within groups.
    assert fit.table["estimate"].iloc[1] == pytest.approx(np.mean(slopes), rel=1e-12 + 1e-14 * spread)
    assert fit.table["std_error"].iloc[1] == pytest.approx(np.std(slopes, ddof=1) / np.sqrt(8), rel=1e-12 + 1e-14 * spread)
