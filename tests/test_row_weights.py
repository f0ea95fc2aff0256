"""Weights, frequencies and offsets of rows: R's numbers, and what each of them means."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim import NotSupportedError
from jaxsim.bayesian.priors import named
from jaxsim.errors import InputError
from jaxsim.frames import mixed_model
from jaxsim.frames.hierarchical import pose_rows
from jaxsim.frames.postestimation.bootstrap import likelihood_ratio_draws
from jaxsim.frames.row_values import RowValues
from jaxsim.frames.whitening import whitened

REFERENCE = Path(__file__).parent / "reference"
R = json.loads((REFERENCE / "row_weights.json").read_text())
# Closed forms, conditions below 100.
SAME = dict(rtol=1e-10, atol=1e-12)
# lme4 stops within 1e-12 of its criterion: theta is good to 1e-5 with slopes, and all that follows; lmerTest's df to 1e-4.
NEAR, NEAR_DF = dict(rtol=1e-5, atol=1e-5), dict(rtol=1e-3)


@pytest.fixture(scope="module")
def data():
    """Nine groups; weights w, frequencies k, offset t."""
    return pd.read_csv(REFERENCE / "data" / "weighted.csv")


@pytest.mark.parametrize(
    ("case", "formula", "options"),
    [
        ("weights", "y ~ x + b", dict(weights="w")),
        ("offset", "y ~ x + b + offset(t)", {}),
        ("offset", "y ~ x + b", dict(offset="t")),
        ("both", "y ~ offset(log(k) + t) + x + b", dict(weights="w")),
        ("both", "y ~ x + offset(t) + b + offset(log(k))", dict(weights="w")),
    ],
)
def test_least_squares_are_those_of_lm(data, case, formula, options):
    fit, stored = jaxsim.ols(formula, data, **options), R["lm"][case]
    np.testing.assert_allclose(fit.table["estimate"], stored["estimate"], **SAME)
    np.testing.assert_allclose(fit.table["std_error"], stored["se"], **SAME)
    assert (fit.table["df"] == stored["df"]).all()
    for name in ("sigma", "loglik", "aic", "bic"):
        assert getattr(fit, name) == pytest.approx(stored[name], rel=1e-12), name
    np.testing.assert_allclose(fit.fitted, stored["fitted"], **SAME)
    np.testing.assert_allclose(fit.residuals, stored["residuals"], **SAME)
    np.testing.assert_allclose(fit.predict(data.head(3)), stored["new"], **SAME)
    np.testing.assert_allclose(fit.predict(), stored["fitted"], **SAME)
    assert fit.method.startswith("Weighted" if options.get("weights") else "Ordinary")


@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_clustered_variances_are_those_of_clubsandwich(data, vcov):
    fit, stored = jaxsim.lm("y ~ x + b", data, "g", vcov=vcov, df="satterthwaite", weights="w"), R["robust"][vcov]
    np.testing.assert_allclose(fit.vcov, stored["vcov"], **SAME)
    np.testing.assert_allclose(fit.table["std_error"], stored["se"], **SAME)
    np.testing.assert_allclose(fit.table["df"], stored["df"], **SAME)
    assert fit.loglik == pytest.approx(R["lm"]["weights"]["loglik"], rel=1e-12)
    if vcov in R["sandwich"]:
        np.testing.assert_allclose(fit.vcov, R["sandwich"][vcov], **SAME)


def test_joint_tests_of_weighted_rows_are_those_of_clubsandwich(data):
    joint = jaxsim.lm("y ~ x + b", data, "g", vcov="CR2", weights="w").test("x = 0, b = 0").iloc[-1]
    np.testing.assert_allclose(
        joint[["f", "den_df", "p_value"]].astype(float), [R["joint"][name] for name in ("f", "den_df", "p")], **SAME
    )


FACTORS = {"weights": dict(weights="w"), "offset": dict(offset="t"), "both": dict(weights="w", offset="t")}


@pytest.fixture(scope="module")
def crossed(data):
    """Two factors, as the script makes them."""
    return data.assign(a=[list("pqr")[(i + 1) % 3] for i in range(len(data))], c=np.where(data["t"] > 0, "u", "v"))


@pytest.mark.parametrize("case", FACTORS)
def test_comparisons_terms_and_explained_variance_are_those_of_lm(crossed, case):
    small, large = (jaxsim.ols(formula, crossed, **FACTORS[case]) for formula in ("y ~ a + c", "y ~ a * c + x"))
    stored = R["terms"][case]
    compared = jaxsim.anova(small, large).iloc[-1]
    np.testing.assert_allclose(compared[["f", "f_p_value"]].astype(float), [stored["compared"][k] for k in ("f", "p")], **SAME)
    np.testing.assert_allclose(large.r2, [stored["r2"], stored["adjusted"]], **SAME)
    for kind, name in ((1, "first"), (2, "second")):
        table = large.anova(kind)
        np.testing.assert_allclose(table["f"], stored[name]["f"], **SAME)
        np.testing.assert_allclose(table["p_value"], stored[name]["p"], **SAME)


@pytest.mark.parametrize("case", FACTORS)
def test_means_and_contrasts_are_those_of_emmeans(crossed, case):
    """At the mean of the offset, which a contrast has a part of whose weights do not add up to zero."""
    fit, stored = jaxsim.ols("y ~ a * c + x", crossed, **FACTORS[case]), R["terms"][case]
    means = fit.emmeans("a")
    own = fit.contrasts("a", method={"first": [1, 0, 0], "difference": [-1, 1, 0]})
    np.testing.assert_allclose(means[["mean", "std_error"]].T, [stored["means"]["mean"], stored["means"]["se"]], **SAME)
    np.testing.assert_allclose(own[["estimate", "std_error"]].T, [stored["own"]["estimate"], stored["own"]["se"]], **SAME)


def test_means_are_at_the_offset_that_is_asked_for(crossed):
    fit = jaxsim.ols("y ~ a + x + offset(log(k) + t)", crossed)
    grid = pd.DataFrame({"a": list("pqr"), "x": crossed["x"].mean(), "k": 2, "t": 0.0})
    np.testing.assert_allclose(fit.emmeans("a", at={"t": 0, "k": 2})["mean"], fit.predict(grid), **SAME)
    np.testing.assert_allclose(fit.emmeans("a", at={"t": [0]})["mean"], fit.predict(grid.assign(k=crossed["k"].mean())), **SAME)
    both = fit.emmeans("a", by="t", at={"t": [0, 1]})["mean"].to_numpy()
    np.testing.assert_allclose(both[3:] - both[:3], 1, **SAME)
    # A predictor that is in the offset too: its slope is that of the expected response.
    shared = jaxsim.ols("y ~ a + t + offset(t)", crossed)
    plain = jaxsim.ols("y ~ a + t", crossed)
    np.testing.assert_allclose(shared.trends("t")["trend"], plain.trends("t")["trend"], rtol=1e-8)
    loose = jaxsim.ols("y ~ a + x", crossed, offset=2 * crossed["t"])
    with pytest.raises(InputError, match="'t' is not a column with fixed effects"):
        loose.emmeans("a", at={"t": 0})


def test_a_picture_of_effects_is_at_the_mean_of_the_offset(crossed):
    for offset in ("t", crossed["t"].tolist()):
        fit = jaxsim.ols("y ~ a + x", crossed, offset=offset)
        drawn = fit.plot.effects("x").axes[0].lines[0]
        beta = fit.table.set_index("term")["estimate"]
        expected = beta["(Intercept)"] + beta["x"] * np.array(drawn.get_xdata()) + crossed["t"].mean()
        np.testing.assert_allclose(drawn.get_ydata(), expected, **SAME)


def test_fits_of_other_weights_or_offsets_are_not_compared(crossed):
    plain, weighted, shifted = (jaxsim.ols("y ~ a", crossed, **options) for options in ({}, dict(weights="w"), dict(offset="t")))
    large = {kind: jaxsim.ols("y ~ a + x", crossed, **options) for kind, options in FACTORS.items()}
    for one, other in ((plain, large["weights"]), (weighted, large["offset"]), (weighted, jaxsim.ols("y ~ a + x", crossed))):
        with pytest.raises(InputError, match="were fitted with different weights of rows"):
            jaxsim.anova(one, other)
        with pytest.raises(InputError, match="were fitted with different weights of rows"):
            likelihood_ratio_draws(one, other, 9)
    for one, other in ((plain, large["offset"]), (weighted, large["both"])):
        with pytest.raises(InputError, match="have different offsets and are not nested"):
            jaxsim.anova(one, other)
        with pytest.raises(InputError, match="have different offsets and are not nested"):
            likelihood_ratio_draws(one, other, 9)
    # With a coefficient for it the offset does not matter: the two have the same residuals.
    free = jaxsim.ols("y ~ a + t", crossed, offset="t")
    expected = jaxsim.anova(plain, jaxsim.ols("y ~ a + t", crossed))
    pd.testing.assert_frame_equal(jaxsim.anova(plain, free)[["chisq", "f"]], expected[["chisq", "f"]], rtol=1e-9)
    assert jaxsim.anova(shifted, free)["f"].iloc[-1] > 0


def test_kenward_roger_of_weighted_rows_is_that_of_whitened_ones(data):
    """Which is what pbkrtest was given."""
    fit, stored = jaxsim.lmer("y ~ x + b + (1 | g)", data, weights="w", df="kenward-roger"), R["kenward_roger"]
    np.testing.assert_allclose(fit.table["std_error"], stored["se"], **NEAR)
    np.testing.assert_allclose(fit.table["df"], stored["df"], **NEAR_DF)
    joint = fit.test("x = 0, b = 0").iloc[-1]
    expected = [stored["joint"][name] for name in ("f", "den_df", "p")]
    np.testing.assert_allclose(joint[["f", "den_df", "p_value"]].astype(float), expected, **NEAR_DF)


@pytest.mark.parametrize(
    ("case", "formula", "options"),
    [
        ("reml", "y ~ x + b + (1 | g)", dict(weights="w")),
        ("slopes", "y ~ x + b + (x | g)", dict(weights="w")),
        ("offset", "y ~ x + b + offset(t) + (1 | g)", {}),
        ("both", "y ~ x + b + (1 | g)", dict(weights="w", offset="t")),
    ],
)
def test_mixed_models_are_those_of_lme4(data, case, formula, options):
    fit, stored = jaxsim.lmer(formula, data, **options), R["lmer"][case]
    assert fit.status == "ok"
    np.testing.assert_allclose(fit.table["estimate"], stored["estimate"], **NEAR)
    np.testing.assert_allclose(fit.table["std_error"], stored["se"], **NEAR)
    np.testing.assert_allclose(fit.table["df"], stored["df"], **NEAR_DF)
    for name in ("criterion", "aic", "bic"):
        assert getattr(fit, name) == pytest.approx(stored[name], abs=1e-6), name
    assert fit.sigma == pytest.approx(stored["sigma"], rel=1e-5)
    np.testing.assert_allclose(fit.theta, stored["theta"], rtol=1e-4)
    np.testing.assert_allclose(fit.random_effects.iloc[:, 0], stored["modes"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fit.fitted, stored["fitted"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fit.residuals, stored["residuals"], rtol=1e-4, atol=1e-4)


def test_maximum_likelihood_at_the_boundary_has_the_criterion_of_lme4(data):
    with pytest.warns(UserWarning, match="singular"):
        fit = jaxsim.lmer("y ~ x + b + (x | g)", data, reml=False, weights="w")
    assert fit.criterion == pytest.approx(R["lmer"]["ml"]["criterion"], abs=1e-6)


FITS = {
    "ols": lambda d, **o: jaxsim.ols("y ~ x + b", d, **o),
    "CR2": lambda d, **o: jaxsim.lm("y ~ x + b", d, "g", vcov="CR2", **o),
    "two-way": lambda d, **o: jaxsim.lm("y ~ x + b", d, ["g", "k"], **o),
    "wild": lambda d, **o: jaxsim.lm("y ~ x + b", d, "g", inference="wild", draws=199, **o),
    "lm2": lambda d, **o: jaxsim.lm2("y ~ x", d, "g", **o),
    "precision": lambda d, **o: jaxsim.lm2("y ~ x", d, "g", mean="precision", **o),
    "lmer": lambda d, **o: jaxsim.lmer("y ~ x + b + (1 | g)", d, **o),
    "Kenward-Roger": lambda d, **o: jaxsim.lmer("y ~ x + b + (1 | g)", d, df="kenward-roger", **o),
}


def assert_alike(one, other, rtol=1e-9):
    """But for rounding: sums in another order."""
    numbers = [name for name in one.table.columns if name != "term"]
    np.testing.assert_allclose(one.table[numbers], other.table[numbers], rtol=rtol, atol=1e-11)


@pytest.mark.filterwarnings("ignore:the two-way variance")
@pytest.mark.parametrize("kind", FITS)
def test_frequencies_are_rows_written_out(data, kind):
    counted = FITS[kind](data, frequencies="k")
    long = data.loc[data.index.repeat(data["k"])]
    written = FITS[kind](long.reset_index(drop=True))
    assert_alike(counted, written)
    assert counted.n_rows == data["k"].sum()
    assert list(counted.fitted.index) == list(long.index)


@pytest.mark.filterwarnings("ignore:the two-way variance")
@pytest.mark.parametrize("kind", FITS)
def test_equal_weights_change_nothing_but_the_residual_variance(data, kind):
    plain, weighted = FITS[kind](data), FITS[kind](data.assign(w=4.0), weights="w")
    assert_alike(weighted, plain)
    if plain.sigma is not None:
        assert weighted.sigma == pytest.approx(2 * plain.sigma, rel=1e-9)
    if plain.criterion is not None:
        assert weighted.criterion == pytest.approx(plain.criterion, rel=1e-9)


@pytest.mark.filterwarnings("ignore:the two-way variance")
@pytest.mark.parametrize("kind", FITS)
def test_an_offset_is_subtracted_from_the_response(data, kind):
    fit, plain = FITS[kind](data, offset="t"), FITS[kind](data.assign(y=data["y"] - data["t"]))
    assert_alike(fit, plain)
    np.testing.assert_allclose(fit.fitted, plain.fitted + data["t"], rtol=1e-9)
    np.testing.assert_allclose(fit.residuals, plain.residuals, rtol=1e-6, atol=1e-9)


def test_groups_with_precise_rows_count_more_in_their_own_regressions(data):
    fit = jaxsim.lm2("y ~ x", data, "g", weights="w")
    own = data[data["g"] == "g4"]
    np.testing.assert_allclose(fit.coef.loc["g4"], jaxsim.ols("y ~ x", own, weights="w").table["estimate"], rtol=1e-9)


def test_new_rows_need_the_offset(data):
    for formula, options in (("y ~ x + offset(log(k) + t) + (1 | g)", {}), ("y ~ x + (1 | g)", dict(offset="t"))):
        fit = jaxsim.lmer(formula, data, **options)
        np.testing.assert_allclose(fit.predict(data.drop(columns="y")), fit.fitted, **SAME)
        with pytest.raises(InputError, match="the model needs a column 't'"):
            fit.predict(data.drop(columns="t"))
    loose = jaxsim.ols("y ~ x", data, offset=2 * data["t"])
    np.testing.assert_allclose(loose.predict(), loose.fitted, **SAME)
    with pytest.raises(InputError, match=r"given as numbers beside the data.*offset='name'"):
        loose.predict(data)


def test_numbers_may_stand_beside_the_data(data):
    by_name = jaxsim.ols("y ~ x", data, weights="w", offset="t")
    shuffled = data["w"].sample(frac=1, random_state=1)
    for weights in (data["w"], data["w"].to_numpy(), data["w"].tolist(), shuffled):
        assert_alike(jaxsim.ols("y ~ x", data.drop(columns="w"), weights=weights, offset=data["t"].to_numpy()), by_name, rtol=1e-14)


def test_rows_without_a_weight_are_dropped(data):
    gap = data.assign(w=data["w"].where(data.index > 1), t=data["t"].where(data.index != 5))
    with pytest.warns(UserWarning, match="3 rows with missing values were dropped"):
        fit = jaxsim.ols("y ~ x", gap, weights="w", offset="t")
    assert_alike(fit, jaxsim.ols("y ~ x", data.drop(index=[0, 1, 5]), weights="w", offset="t"))


def test_a_posterior_of_counted_rows_with_an_offset_is_of_the_same_numbers(data):
    """What is sampled from are the cross-products."""
    priors = named("weak")
    model = mixed_model.prepare("y ~ x + offset(t) + (1 | g)", data, values=RowValues(frequencies="k"))
    long = data.loc[data.index.repeat(data["k"])].reset_index(drop=True)
    plain = mixed_model.prepare("y ~ x + (1 | g)", long.assign(y=long["y"] - long["t"]))
    one, other = pose_rows(whitened(model), priors), pose_rows(plain, priors)
    np.testing.assert_array_equal(one[0].products, other[0].products)
    assert one[2] == other[2]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda d: jaxsim.ols("y ~ x", d, weights="W"), "weights='W' names a column, so there must be a column 'W'"),
        (lambda d: jaxsim.ols("y ~ x", d, weights=3.5), "weights=3.5 must be the name of a column, or a number for each row"),
        (lambda d: jaxsim.ols("y ~ x", d, weights=[[1], [2, 3]]), "must be the name of a column, or a number for each row"),
        (lambda d: jaxsim.ols("y ~ x", d, weights=[1.0, 2.0]), "weights= has 2 values, and the data have 57 rows"),
        (lambda d: jaxsim.ols("y ~ x", d, weights="g"), "weights='g' must hold numbers; it holds"),
        (lambda d: jaxsim.ols("y ~ x", d, weights="t"), "weights='t' must be positive, and"),
        (lambda d: jaxsim.ols("y ~ x", d, frequencies="w"), "frequencies='w' must be whole numbers, 0 or more.*give weights"),
        (lambda d: jaxsim.ols("y ~ x", d.assign(k=10**7), frequencies="k"), "at most 10,000,000 are possible"),
        (lambda d: jaxsim.ols("y ~ x", d, offset="g"), "the offset 'g' must be one column of numbers"),
        (lambda d: jaxsim.ols("y ~ x - offset(t)", d), "a summand of its own beside the fixed effects; write '. offset.x.'"),
        (lambda d: jaxsim.lmer("y ~ x + (offset(t) | g)", d), "a summand of its own"),
        (lambda d: jaxsim.lm("y ~ x", d, "g", weights="webb"), "bootstrap='webb' is an option of the bootstrap"),
        (lambda d: jaxsim.lm("y ~ x", d, "g", weights="webb", inference=d), "inference=.* is not known; use one of 't', 'wild'"),
        (lambda d: jaxsim.lm("y ~ x", d, "g", bootstrap="webb"), "bootstrap='webb' is an option of the bootstrap"),
        (lambda d: jaxsim.lm("y ~ x", d, "g", inference="wild", bootstrap="normal"), "'rademacher', 'webb', 'mammen'"),
        (
            lambda d: jaxsim.lm("y ~ x", d, "g", inference="wild", bootstrap="webb", weights="mammen"),
            "weights='mammen' and bootstrap='webb' are two weights of the bootstrap",
        ),
        (lambda d: jaxsim.lm2("y ~ x", d, "g", weights="precision", mean="arithmetic"), "mean='arithmetic' are two"),
        (lambda d: jaxsim.lm2("y ~ x", d, "g", mean="size"), "mean='size' is not known; use one of 'arithmetic', 'precision'"),
        (lambda d: jaxsim.lm2("y ~ x", d, "g", mean="equal"), "mean='equal' is called 'arithmetic', as in TwoStage"),
        (lambda d: jaxsim.lm2("y ~ x", d, "g", mean="huber"), "in studies, TwoStage.mean='huber'.; lm2 has 'arithmetic' and"),
        (lambda d: jaxsim.bayes("y ~ x + (1 | g)", d, weights="w"), "bayes has none.*fit the model with lmer"),
    ],
)
def test_what_cannot_be_used_is_said(data, call, said):
    with pytest.raises(InputError, match=said):
        call(data)
    assert issubclass(NotSupportedError, InputError)


def test_the_old_words_for_other_weights_mean_what_they_meant(data):
    options = dict(inference="wild", draws=199)
    assert_alike(
        jaxsim.lm("y ~ x", data, "g", weights="webb", **options), jaxsim.lm("y ~ x", data, "g", bootstrap="webb", **options)
    )
    old, new = jaxsim.lm2("y ~ x", data, "g", weights="precision"), jaxsim.lm2("y ~ x", data, "g", mean="precision")
    assert_alike(old, new)
    for plain in (dict(weights="equal"), dict(mean="arithmetic")):
        assert_alike(jaxsim.lm2("y ~ x", data, "g"), jaxsim.lm2("y ~ x", data, "g", **plain))
    both = jaxsim.lm("y ~ x", data, "g", bootstrap="webb", weights="w", **options)
    assert both.method.startswith(
        "Weighted least squares, weights w, cluster-robust standard errors (CR1S), wild cluster bootstrap (webb"
    )
