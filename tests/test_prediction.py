"""Predictions for new rows: coded as the fitted rows were, or refused; never other numbers."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.errors import InputError

# Two ways to the same sums of ten products of numbers of order 1.
SAME = dict(rtol=1e-10, atol=1e-10)
DOSES = ["low", "mid", "high"]


def rows(seed=3):
    """Eight groups of nine rows; a factor whose order is not that of the alphabet."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(range(8), 9), "dose": np.tile(np.repeat(DOSES, 3), 8), "day": np.tile([1, 2, 3], 24)})
    data["x"] = rng.normal(size=72)
    data["old"] = data["x"] > 0
    data["y"] = (
        data["dose"].map({"low": 0, "mid": 2, "high": 6}) + data["x"] + rng.normal(size=8)[data["g"]] + rng.normal(size=72) / 2
    )
    return data.assign(dose=pd.Categorical(data["dose"], DOSES), name=data["g"].map("p{}".format), part=data["g"] % 3 + 0.5)


FORMULAS = {
    "categorical": "y ~ dose * x + (x | g)",
    "text groups": "y ~ dose + (1 | name)",
    "factor of numbers": "y ~ factor(day) + old + (1 | g)",
    "transformed": "y ~ scale(x) + center(day):old + I(x^2) + (1 + scale(x) | g)",
    "groups of two": "y ~ dose + (1 | name:part)",
    "contrasts": 'y ~ C(dose, Sum) * C(old, Helmert) + C(factor(day), Treatment("2"))',
    "bases": "y ~ ns(x, df = 3) + poly(x, 2, raw = TRUE):old + C(day, Poly)",
    "more bases": "y ~ bs(x, df = 5) + poly(day, 2) * dose + scale(x, scale = FALSE):old",
}
DISGUISES = {
    "as they were": lambda data: data,
    "text": lambda data: data.assign(dose=data["dose"].astype(str)),
    "through a file": lambda data: pd.read_csv(io.StringIO(data.to_csv(index=False))),
    "other order of levels": lambda data: data.assign(dose=data["dose"].cat.reorder_categories(["mid", "high", "low"])),
    "shuffled rows": lambda data: data.sample(frac=1, random_state=1),
    "half of the rows": lambda data: data[data["day"] > 1],
    "a level that no row has": lambda data: data[data["dose"] != "mid"].assign(
        dose=lambda part: part["dose"].cat.remove_unused_categories()
    ),
    "more levels": lambda data: data.assign(dose=data["dose"].cat.add_categories(["huge"])),
    "floats": lambda data: data.astype({"g": float, "day": float}),
    "categories of numbers": lambda data: data.assign(g=pd.Categorical(data["g"]), day=pd.Categorical(data["day"], [3, 1, 2])),
    "objects": lambda data: data.astype(object),
    "without the response": lambda data: data.drop(columns="y"),
    "one group": lambda data: data[data["g"] == 5],
    "one row": lambda data: data.iloc[[40]],
}


@pytest.fixture(scope="module")
def fits():
    return {name: (jaxsim.lmer if "|" in formula else jaxsim.ols)(formula, rows()) for name, formula in FORMULAS.items()}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_fitted_rows_in_disguise_get_their_fitted_values(fits, formula, disguise):
    fit, data = fits[formula], DISGUISES[disguise](rows())
    found = fit.predict(data)
    np.testing.assert_allclose(found, fit.fitted.loc[data.index], **SAME)
    assert found.index.equals(data.index)


def test_fitted_values_and_residuals_belong_to_rows_of_the_data(fits):
    data = rows().set_index(pd.Index([f"row {i}" for i in range(72)]))
    data.loc["row 3", "x"] = np.nan
    with pytest.warns(UserWarning, match="1 row"):
        fit = jaxsim.lmer(FORMULAS["categorical"], data)
    assert fit.fitted.index.equals(data.index.drop("row 3"))
    np.testing.assert_allclose(fit.fitted + fit.residuals, data["y"].drop("row 3"), **SAME)


@pytest.mark.parametrize(
    ("formula", "change", "words"),
    [
        ("categorical", {"dose": "huge"}, "'dose' has the level 'huge', which no fitted row has; there were 'low', 'mid', 'high'"),
        ("factor of numbers", {"day": 4}, r"'factor\(day\)' has the level '4', which no fitted row has"),
        ("categorical", {"g": "1"}, "the group '1' in 'g' is text, and those of the fitted rows are a number, such as 0"),
        ("text groups", {"name": 1}, "the group 1 in 'name' is a number, and those of the fitted rows are text, such as 'p0'"),
        ("categorical", {"x": "1.5"}, "'x' holds numbers in the fitted rows, and text in the new ones; give numbers"),
        ("categorical", {"x": np.nan}, "new rows have missing values in 'x'"),
    ],
)
def test_what_differs_in_kind_is_refused(fits, formula, change, words):
    with pytest.raises(InputError, match=words):
        fits[formula].predict(rows().head(2).assign(**change))
    with pytest.raises(InputError, match="the model needs a column 'dose'"):
        fits["categorical"].predict(rows().drop(columns="dose"))


def test_a_new_group_and_the_population_have_fixed_effects_alone(fits):
    fit, data = fits["categorical"], rows()
    population = fit.predict(data, level="population")
    np.testing.assert_allclose(population, fit.model.x.values @ fit.table["estimate"], **SAME)
    np.testing.assert_allclose(fit.predict(data.assign(g=99)), population, **SAME)
    np.testing.assert_allclose(fit.predict(data.drop(columns="g"), level="population"), population, **SAME)


@pytest.mark.parametrize("fitter", [jaxsim.ols, lambda *a: jaxsim.lm(*a, cluster="g"), lambda *a: jaxsim.lm2(*a, group="g")])
def test_other_models_predict_too(fitter):
    data = rows()
    fit = fitter("y ~ x + old", data)
    np.testing.assert_allclose(fit.predict(DISGUISES["through a file"](data)), fit.fitted, **SAME)
    np.testing.assert_allclose(fit.predict(), fit.fitted, **SAME)


def test_draws_of_a_posterior_follow_the_same_coding():
    data = rows()
    fit = jaxsim.bayes("y ~ dose + scale(x) + (1 | g)", data, seed=1, method="fast")
    expected = fit.predict(data, noise=False)
    for name in ("text", "through a file", "other order of levels", "categories of numbers"):
        np.testing.assert_allclose(fit.predict(DISGUISES[name](data), noise=False), expected, **SAME)
    one = DISGUISES["a level that no row has"](data).iloc[[5]]
    np.testing.assert_allclose(fit.predict(one, noise=False)[:, 0], expected[:, list(data.index).index(one.index[0])], **SAME)


def test_what_an_empty_cell_decides_is_not_predicted():
    """No row is high and old: the other cells are predicted as by a model that has a coefficient for each."""
    data = rows().query("dose != 'high' or not old").astype({"dose": str})
    with pytest.warns(UserWarning, match="is a combination of the columns before"):
        fits = [jaxsim.ols("y ~ dose * old", data), jaxsim.lmer("y ~ dose * old + (1 | g)", data)]
    new = pd.DataFrame({"dose": ["low", "mid", "mid", "low"], "old": [True, False, True, False], "g": 3}, index=list("wxyz"))
    new.loc["y", "dose"] = "high"
    cells = jaxsim.ols("y ~ cell", data.assign(cell=data["dose"] + data["old"].astype(str)))
    other = cells.predict(new.assign(cell=new["dose"] + new["old"].astype(str)).drop("y"))
    for fit in fits:
        for level in ("group", "population"):
            with pytest.warns(UserWarning, match=r"1 of 4 rows cannot be predicted: .* was dropped"):
                found = fit.predict(new, level=level)
            assert list(found.isna()) == [False, False, True, False]
        with pytest.warns(UserWarning, match="1 of 4 rows cannot be predicted"):
            interval = fit.predict(new, level="population", interval="prediction")
        assert interval.loc["y"].isna().all()
        assert interval.drop("y").notna().all(axis=None)
    with pytest.warns(UserWarning, match="1 of 4 rows"):
        np.testing.assert_allclose(fits[0].predict(new).drop("y"), other, **SAME)
    assert fits[1].predict().notna().all()


@pytest.mark.parametrize("random", ["(1 | g)", "(1 + x | g)"])
def test_what_an_unidentified_variance_decides_has_no_interval(random):
    """A coefficient for each group: rows of known groups do not depend on the variance of their intercepts, others do."""
    data = rows()
    data["y"] += 2 * np.random.default_rng(4).normal(size=8)[data["g"]] * data["x"]
    with pytest.warns(UserWarning, match="the data say nothing about its variance"):
        fit = jaxsim.lmer(f"y ~ factor(g) + x + {random}", data)
    assert fit.status == "unidentified"
    # A coefficient for each group leaves nothing for its intercept, and slopes of their own.
    alone = random == "(1 | g)"
    expected = jaxsim.ols("y ~ factor(g) + x", data) if alone else jaxsim.lmer("y ~ factor(g) + x + (0 + x | g)", data)
    new = data.iloc[[0, 30, 60]].assign(x=[0.5, -1, 2])
    for interval in ("confidence", "prediction"):
        found = fit.predict(new, interval=interval)
        # Two searches for one optimum.
        np.testing.assert_allclose(found, expected.predict(new, interval=interval), rtol=1e-5)
        with pytest.warns(UserWarning, match="3 of 3 rows have no interval: they depend on a variance"):
            assert fit.predict(new, level="population", interval=interval).isna().all(axis=None)
