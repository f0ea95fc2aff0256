"""Tests of terms and comparisons of models, as lmerTest, lme4, lm and clubSandwich make them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from documented import CLOSE, METHODS, answers, example, listed, rows, same
from scipy import stats

import jaxsim
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.frames.postestimation import comparison

COLUMNS = ["term", "sum_sq", "mean_sq", "num_df", "den_df", "f", "p_value"]


@pytest.mark.parametrize("name", ["sleepstudy", "cake", "orthodont", "machines", "chickweight"])
def test_tables_of_terms_are_those_of_lmertest(name):
    fit = example(name)
    for method in METHODS:
        for kind in (1, 2, 3):
            table = fit.anova(kind, df=method)
            assert list(table.columns) == COLUMNS
            same(table, answers()["examples"][name][method]["anova"][str(kind)], method)


def crossed(seed=4, levels=(3, 2)):
    """Unequal cells, an interaction, groups."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(range(9), 8), "a": rng.choice(list("pqr")[: levels[0]], 72), "x": rng.normal(3, 1, 72)})
    data["b"] = rng.choice(list("uv"), 72, p=[0.3, 0.7])
    data["y"] = (data["a"] > "p") * (data["b"] > "u") + data["x"] + rng.normal(0, 1, 9)[data["g"]] + rng.normal(0, 1, 72)
    return data


def test_type_three_is_that_of_coding_by_sums():
    """The same F from columns that sum to zero, each term's coefficients tested as they are, whatever level is the reference."""
    data = crossed()
    table = jaxsim.ols("y ~ a * b + x", data).anova(3)
    sums = {"a1": (data.a == "p") * 1.0 - (data.a == "r"), "a2": (data.a == "q") * 1.0 - (data.a == "r")}
    data = data.assign(**sums, s=(data.b == "u") * 1.0 - (data.b == "v"))
    other = jaxsim.ols("y ~ a1 + a2 + s + a1:s + a2:s + x", data)
    named = {"a": "a1 = 0, a2 = 0", "b": "s = 0", "x": "x = 0", "a:b": "a1:s = 0, a2:s = 0"}
    for term, text in named.items():
        ours = table.set_index("term").loc[term]
        # Two ways to solve one well-conditioned system.
        np.testing.assert_allclose(ours["f"], other.test(text)["f"].iloc[-1], rtol=1e-9)
    for reference in ("q", "r"):
        moved = data.assign(a=pd.Categorical(data["a"], [reference, *sorted({"p", "q", "r"} - {reference})]))
        np.testing.assert_allclose(jaxsim.ols("y ~ a * b + x", moved).anova(3)["f"], table["f"], rtol=1e-9)


def test_types_one_and_two_are_differences_of_residual_sums_of_squares():
    data = crossed()
    rss = {
        text: (jaxsim.ols(f"y ~ {text}", data).residuals ** 2).sum()
        for text in ("1", "a", "b + x", "a + x", "a + b", "a + b + x", "a * b + x")
    }
    fit = jaxsim.ols("y ~ a * b + x", data)
    first, second = fit.anova(1).set_index("term")["sum_sq"], fit.anova("II").set_index("term")["sum_sq"]
    # R's order of terms: a, b, x, a:b.
    expected = {"a": rss["1"] - rss["a"], "b": rss["a"] - rss["a + b"], "x": rss["a + b"] - rss["a + b + x"]}
    last = rss["a + b + x"] - rss["a * b + x"]
    for term, value in {**expected, "a:b": last}.items():
        np.testing.assert_allclose(first[term], value, rtol=1e-8)
    expected = {"a": rss["b + x"] - rss["a + b + x"], "b": rss["a + x"] - rss["a + b + x"], "a:b": last}
    for term, value in expected.items():
        np.testing.assert_allclose(second[term], value, rtol=1e-8)


def test_nested_factors_do_not_depend_on_the_reference_level():
    data = crossed()
    turned = data.assign(b=pd.Categorical(data["b"], ["v", "u"]))
    for kind in (2, 3):
        one, other = (jaxsim.ols("y ~ a + a:b", frame).anova(kind)["f"] for frame in (data, turned))
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_repeated_column_has_no_test_of_type_three():
    """No row tells the two apart; after those before it (type I) the first one has the test of either."""
    data = crossed().assign(x2=lambda d: 2 * d["x"])
    with pytest.warns(UserWarning, match="x2 is a combination"):
        fit = jaxsim.ols("y ~ x + x2 + b", data)
    third = fit.anova(3).set_index("term")
    assert list(third["num_df"]) == [0, 0, 1]
    assert third.loc[["x", "x2"], "p_value"].isna().all()
    plain = jaxsim.ols("y ~ x + b", data).anova(1)
    np.testing.assert_allclose(fit.anova(1)["f"].dropna(), plain["f"], rtol=1e-9)


def test_least_squares_has_residual_df_and_clusters_hotelling():
    stored, cake = answers()["least_squares"], rows("cake")
    table = jaxsim.ols("angle ~ recipe * temp", cake).anova(1)
    for column in ("f", "num_df", "p_value"):
        np.testing.assert_allclose(table[column], stored["anova"][column], **CLOSE)
    assert (table["den_df"] == 264).all()
    for vcov, expected in stored["htz"].items():
        last = jaxsim.lm("angle ~ recipe * temp", cake, cluster="unit", vcov=vcov).anova(3).iloc[-1]
        for column, value in expected.items():
            np.testing.assert_allclose(last[column], value, **CLOSE)
    robust = jaxsim.lm("angle ~ recipe * temp", cake, cluster="unit")
    joint, vcov = robust.anova(3).iloc[-1], robust.vcov.to_numpy()[-2:, -2:]
    wald = robust.beta[-2:] @ np.linalg.solve(vcov, robust.beta[-2:])
    np.testing.assert_allclose([joint["f"], joint["den_df"]], [wald / 2, 44], rtol=1e-9)


def test_two_stages_have_hotellings_t_squared():
    """Its definition: the means of the groups' coefficients and their covariance."""
    data = crossed()
    fit = jaxsim.lm2("y ~ x + I(x^2)", data, group="g")
    own = fit.coef.to_numpy()[:, 1:]
    mean = own.mean(0)
    t2 = len(own) * mean @ np.linalg.solve(np.cov(own.T), mean)
    joint = fit.test("x = 0, I(x^2) = 0").iloc[-1]
    np.testing.assert_allclose(joint["f"], t2 * (9 - 2) / (2 * (9 - 1)), rtol=1e-8)
    np.testing.assert_allclose(joint["p_value"], stats.f.sf(joint["f"], 2, 7), rtol=1e-10)
    np.testing.assert_allclose(fit.anova()["p_value"], fit.table["p_value"].iloc[1:], rtol=1e-8)


@pytest.fixture(scope="module")
def ladder():
    sleepstudy = rows("sleepstudy")
    return [
        jaxsim.ols("Reaction ~ Days", sleepstudy),
        jaxsim.lmer("Reaction ~ Days + (1 | Subject)", sleepstudy),
        jaxsim.lmer("Reaction ~ Days + (Days | Subject)", sleepstudy),
    ]


def test_models_are_compared_as_lme4_does(ladder):
    stored = answers()["ladder"]
    table = jaxsim.anova(ladder[2], ladder[0], ladder[1])
    for column in ("n_parameters", "aic", "bic", "loglik", "deviance", "chisq", "df"):
        np.testing.assert_allclose(table[column], listed(stored[column]), **CLOSE)
    naive = jaxsim.anova(*ladder, boundary="naive")
    np.testing.assert_allclose(naive["p_value"], listed(stored["naive"]), **CLOSE)
    chisq = table["chisq"]
    halves = [stats.chi2.sf(chisq[1], 1) / 2, (stats.chi2.sf(chisq[2], 1) + stats.chi2.sf(chisq[2], 2)) / 2]
    np.testing.assert_allclose(table["p_value"][1:], halves, rtol=1e-10)
    assert list(table["reference"]) == ["", "chi2(0)/2 + chi2(1)/2", "chi2(1)/2 + chi2(2)/2"]
    assert jaxsim.anova(ladder[0], ladder[2])["reference"].iloc[-1] == "at most chi2(2)/2 + chi2(3)/2"


def test_restricted_likelihoods_are_compared_where_fixed_effects_are_equal(ladder):
    table = jaxsim.anova(*ladder[1:], refit=False)
    np.testing.assert_allclose(table["chisq"].iloc[-1], ladder[1].criterion - ladder[2].criterion, rtol=1e-10)
    with pytest.raises(InputError, match="cannot compare a REML criterion with a likelihood"):
        jaxsim.anova(*ladder, refit=False)


def test_nested_least_squares_have_the_f_test():
    cake, stored = rows("cake"), answers()["least_squares"]["f"]
    table = jaxsim.anova(*(jaxsim.ols(f"angle ~ {text}", cake) for text in ("1", "recipe + temp", "recipe * temp")))
    for ours, theirs in {"f": "f", "num_df": "num_df", "f_p_value": "p_value"}.items():
        np.testing.assert_allclose(table[ours], listed(stored[theirs]), **CLOSE)


def one_way_statistics(n, groups, size, seed=1):
    """The likelihood-ratio statistic of no variance between balanced groups, in closed form, of ``n`` datasets without any."""
    y = np.random.default_rng(seed).normal(size=(n, groups, size))
    between, within = size * y.mean(2).var(1, ddof=1), y.var(2, ddof=1).mean(1)
    rows, left = groups * size, groups * (size - 1)
    alone = rows * np.log(((groups - 1) * between + left * within) / rows)
    split = left * np.log(within) + groups * np.log((groups - 1) / groups * between)
    return np.where((groups - 1) * between > groups * within, np.maximum(alone - split, 0.0), 0.0)


def test_the_mixture_holds_its_level():
    """One variance, zero in truth: the share of 2,000 datasets with p below .1 and .05."""
    p_value = np.array([comparison.tail(statistic, 1, mixture=True)[0] for statistic in one_way_statistics(2000, 40, 10)])
    for level in (0.05, 0.1):
        # Four standard errors of a share of 2,000, and .01 for 40 groups not being infinitely many.
        assert abs((p_value < level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 2000) + 0.01


def test_the_bootstrap_has_the_distribution_of_few_groups(ladder):
    """18 balanced groups: the exact p value is a share of statistics in closed form; the mixture's is larger."""
    data, rng = rows("sleepstudy"), np.random.default_rng(3)
    data = data.assign(y=rng.normal(size=180) + 0.2 * rng.normal(size=18)[data["Subject"].factorize()[0]])
    fits = jaxsim.ols("y ~ 1", data), jaxsim.lmer("y ~ 1 + (1 | Subject)", data)
    found = jaxsim.anova(*fits, bootstrap=1000, seed=2).iloc[-1]
    exact = (one_way_statistics(20_000, 18, 10) >= found["chisq"]).mean()
    assert 0.05 < exact < 0.5
    # Four Monte Carlo standard errors of 1,000 refits.
    np.testing.assert_allclose(found["p_value"], exact, atol=4 * np.sqrt(exact * (1 - exact) / 1000))
    assert jaxsim.anova(*fits)["p_value"].iloc[-1] > exact
    assert found["reference"] == "bootstrap (1000 refits)"
    with pytest.raises(InputError, match="bootstrap=0: give a whole number of at least 1"):
        jaxsim.anova(*fits, bootstrap=0)
    with pytest.raises(InputError, match="leave one of them out"):
        jaxsim.anova(*ladder[1:], refit=False, bootstrap=99)


def test_what_cannot_be_compared_is_refused(ladder):
    sleepstudy = rows("sleepstudy")
    fewer = jaxsim.ols("Reaction ~ Days", sleepstudy.iloc[1:])
    other = jaxsim.ols("Days ~ Reaction", sleepstudy)
    robust = jaxsim.lm("Reaction ~ Days", sleepstudy, cluster="Subject")
    with pytest.raises(InputError, match=r"jaxsim\.anova\(smaller, fit\) compares two"):
        ladder[2].anova(ladder[1])
    with pytest.raises(InputError, match=r"to 179 rows and .* to 180: likelihoods of different rows"):
        jaxsim.anova(ladder[2], fewer)
    weighted = jaxsim.ols("Reaction ~ 1", sleepstudy, weights=np.arange(1.0, 181))
    with pytest.raises(InputError, match="were fitted with different weights of rows"):
        jaxsim.anova(ladder[1], weighted)
    with pytest.raises(InputError, match="different rows or responses"):
        jaxsim.anova(ladder[1], other)
    with pytest.raises(InputError, match=r"with I\(Days\^2\), and .* are not nested"):
        jaxsim.anova(jaxsim.ols("Reaction ~ I(Days^2)", sleepstudy), ladder[2])
    with pytest.raises(InputError, match="equally many parameters and are not nested"):
        jaxsim.anova(jaxsim.ols("Reaction ~ I(Days^2)", sleepstudy), ladder[0])
    with pytest.raises(NotSupportedError, match="cluster-robust errors"):
        jaxsim.anova(robust, ladder[2])
    with pytest.raises(InputError, match="anova compares two or more fits; 1 was given"):
        jaxsim.anova(ladder[0])
    with pytest.raises(InputError, match="'formula' is none"):
        jaxsim.anova(ladder[0], "formula")
    with pytest.raises(InputError, match=r"boundary='mixed' is not known.*'mixture'"):
        jaxsim.anova(*ladder, boundary="mixed")


@pytest.mark.parametrize("reml", [True, False])
def test_a_variance_without_a_trace_cannot_be_compared(reml):
    data = crossed()
    with pytest.warns(UserWarning, match="the data say nothing about its variance"):
        fit = jaxsim.lmer("y ~ factor(g) + x + (1 | g)", data, reml=reml)
    assert fit.status == ("unidentified" if reml else "singular")
    for other in (jaxsim.ols("y ~ factor(g) + x", data), jaxsim.lmer("y ~ x + (1 | g)", data, reml=reml)):
        with pytest.raises(InputError, match=r"cannot be compared .* the data say nothing about its variance"):
            jaxsim.anova(other, fit)


def test_what_a_fit_has_no_tests_for_is_refused(ladder):
    sleepstudy = rows("sleepstudy")
    with pytest.raises(InputError, match="type=4 must be 1, 2 or 3"):
        ladder[0].anova(4)
    with pytest.raises(InputError, match="df='satterthwaite' is a choice for mixed models"):
        ladder[0].anova(df="satterthwaite")
    with pytest.raises(InputError, match="df='kenwardroger' is not known"):
        ladder[1].anova(df="kenwardroger")
    wild = jaxsim.lm("Reaction ~ Days", sleepstudy, cluster="Subject", inference="wild", draws=99)
    with pytest.raises(InputError, match="come from resamples"):
        wild.anova()
    with pytest.warns(UserWarning, match="cannot determine"):
        failed = jaxsim.ols("Reaction ~ Days", sleepstudy.head(2))
    with pytest.raises(InputError, match="its status is 'too_few_rows'"):
        failed.anova()
    assert jaxsim.ols("Reaction ~ 1", sleepstudy).anova().empty


def test_too_few_clusters_for_a_joint_test_are_said():
    data = crossed().assign(h=lambda d: d["g"] % 3)
    fit = jaxsim.lm("y ~ a * b + x + I(x^2)", data, cluster="h", vcov="CR0")
    with pytest.warns(UserWarning, match="joint: there is no test of 4 combinations at once"):
        table = fit.test("aq = 0, ar = 0, bv = 0, x = 0")
    assert np.isnan(table["p_value"].iloc[-1])
    assert table["p_value"].iloc[:-1].notna().all()
