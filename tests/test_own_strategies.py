"""Strategies that a user brings: functions of a DataFrame, functions in JAX, R code, formulas, estimands; and their failures."""

from __future__ import annotations

import dataclasses
import os
import time

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from own_parts import Median, group_means, least_squares, survey, walk

import jaxsim
from jaxsim import (
    FrameProcess,
    FrameStrategy,
    FunctionEstimator,
    FunctionProcess,
    Grid,
    InputError,
    LinearMixed,
    Names,
    PooledOLS,
    RStrategy,
    Study,
)
from jaxsim.estimators.external import whole_fit
from jaxsim.estimators.tabled import told
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.tables import headlines
from jaxsim.status import Status
from jaxsim.sweep.worker import _all_failed

WALK = FunctionProcess(walk)


def run(tmp_path, *strategies, process=WALK, replicates=6, **more):
    return Study(process, Grid(), strategies, replicates=replicates, seed=3, **more).run(tmp_path / "out", progress=False)


def of(results, model):
    """Rows of one strategy."""
    return results.estimates.query("model == @model").reset_index(drop=True)


# What a function may return for the same fit.
def as_index(data):
    return least_squares(data).set_index("term")


def as_dictionary_of_series(data):
    table = as_index(data)
    return {"estimate": table["estimate"], "std_error": table["std_error"], "df": len(data) - 2, "sigma": 1.5, "criterion": -3.0}


def as_software_names_it(data):
    return as_index(data).rename(index={"Intercept": "(Intercept)"})[::-1]


def as_table_with_attributes(data):
    table = least_squares(data)
    table.attrs |= {"status": "singular", "message": "on the boundary"}
    return table


def as_estimates_only(data):
    return dict(zip(("Intercept", "x"), as_index(data)["estimate"], strict=True))


def without_df(data):
    return least_squares(data).drop(columns="df")


def some_df(data):
    return least_squares(data).assign(df=[np.nan, len(data) - 2])


class TestWhatAFunctionReturns:
    @pytest.fixture(scope="class")
    def results(self, tmp_path_factory):
        functions = (
            least_squares, as_index, as_dictionary_of_series, as_software_names_it, as_table_with_attributes, as_estimates_only,
            without_df, some_df,
        )  # fmt: skip
        return run(tmp_path_factory.mktemp("returned"), PooledOLS(), *map(FrameStrategy, functions))

    NUMBERS = ("truth", "estimate", "std_error", "df", "p_value", "conf_low", "conf_high")

    @pytest.mark.parametrize(
        "name", ["least_squares", "as_index", "as_dictionary_of_series", "as_software_names_it", "as_table_with_attributes"]
    )
    def test_its_numbers_are_those_of_ours(self, results, name):
        # Two ways to solve well-conditioned normal equations of 40 rows: rounding only.
        ours, own = of(results, "ols"), of(results, name)
        pd.testing.assert_frame_equal(own[["term", *self.NUMBERS]], ours[["term", *self.NUMBERS]], rtol=1e-10)

    def test_what_it_says_of_the_whole_fit(self, results):
        fits = results.fits.set_index(["model", "replicate"]).sort_index()
        assert set(fits.loc["as_dictionary_of_series", "sigma"]) == {1.5}
        assert set(fits.loc["as_dictionary_of_series", "criterion"]) == {-3.0}
        assert set(fits.loc["as_table_with_attributes", "status"]) == {"singular"}
        assert set(fits.loc["as_table_with_attributes", "message"]) == {"on the boundary"}
        assert fits.loc["least_squares", "sigma"].isna().all()

    def test_estimates_alone_are_usable_and_have_no_inference(self, results):
        rows = of(results, "as_estimates_only")
        assert set(rows["status"]) == {"ok"}
        np.testing.assert_allclose(rows["estimate"], of(results, "ols")["estimate"], rtol=1e-10)  # as above
        assert rows[["std_error", "p_value", "conf_low", "conf_high"]].isna().all(axis=None)
        table = results.measures(measures=["bias", "coverage"], terms=["x"]).set_index(["model", "measure"])["value"]
        assert np.isfinite(table["as_estimates_only", "bias"])
        assert np.isnan(table["as_estimates_only", "coverage"])

    def test_a_test_without_degrees_of_freedom_beside_one_that_has_them(self, results):
        rows = of(results, "some_df").query("replicate == 0")
        assert rows["df"].to_list() == [np.inf, 38.0]
        assert set(rows["status"]) == {"ok"}

    def test_without_degrees_of_freedom_it_is_normal(self, results):
        rows = of(results, "without_df")
        assert np.isinf(rows["df"]).all()
        half = (rows["conf_high"] - rows["conf_low"]) / 2 / rows["std_error"]
        np.testing.assert_allclose(half, 1.959963984540054, rtol=1e-12)  # the quantile of the normal distribution


def first_is_positive(data):
    return data["x"].iloc[0] > 0


def raises(data):
    if first_is_positive(data):
        raise ValueError("my model\nblew up")
    return least_squares(data)


def sleeps(data):
    if first_is_positive(data):
        time.sleep(600)
    return least_squares(data)


def dies(data):
    if first_is_positive(data):
        os._exit(3)
    return least_squares(data)


def nan_estimate(data):
    return {"estimate": {"Intercept": 1.0, "x": np.nan}, "std_error": {"Intercept": 1.0, "x": 1.0}}


def zero_error(data):
    return {"estimate": {"Intercept": 1.0, "x": 2.0}, "std_error": {"Intercept": 1.0, "x": np.inf}}


def no_table(data):
    return 3.5


def another_term(data):
    return {"Intercept": 1.0, "z": 2.0}


def twice(data):
    return pd.DataFrame({"term": ["Intercept", "x", "x"], "estimate": [1.0, 2.0, 3.0]})


def words(data):
    return {"Intercept": 1.0, "x": "two"}


def unknown_status(data):
    return {"Intercept": 1.0, "x": 2.0, "status": "fine"}


def lengths_differ(data):
    return {"term": ["Intercept", "x"], "estimate": [1.0, 2.0, 3.0]}


def scalars(data):
    return {"estimate": 1.0, "std_error": 0.1}


def missing_flag(data):
    return {"Intercept": 1.0, "x": 2.0, "converged": pd.NA}


def column_twice(data):
    return pd.DataFrame([[1.0, 2.0], [1.0, 2.0]], columns=["estimate", "estimate"], index=["Intercept", "x"])


class TestFailuresAreRows:
    @pytest.mark.parametrize(
        ("strategy", "message"),
        [
            (FrameStrategy(raises), "ValueError: my model blew up (test_own_strategies.py, line"),
            (FrameStrategy(sleeps, time_limit=1.0), "it was ended after 1 s, the time limit"),
            (FrameStrategy(dies), "it ended with exit status 3"),
        ],
        ids=["raises", "sleeps", "dies"],
    )
    def test_and_the_study_goes_on(self, tmp_path, strategy, message):
        results = run(tmp_path, PooledOLS(), strategy, replicates=3)
        fits = results.fits.query("model == @strategy.name")
        assert fits["status"].to_list() == ["ok", "crashed", "crashed"]
        assert all(message in said for said in fits["message"][1:])
        rows = of(results, strategy.name)
        assert rows["estimate"].isna().to_list() == [False] * 2 + [True] * 4
        assert of(results, "ols")["estimate"].notna().all()
        assert set(results.reasons().query("status == 'crashed'")["n"]) == {2}

    @pytest.mark.parametrize(
        ("function", "status", "message"),
        [
            (nan_estimate, "non_finite", ""),
            (zero_error, "non_finite", ""),
            (no_table, "crashed", "a table with the columns term, estimate"),
            (another_term, "crashed", "no estimate of 'x' was returned; there are Intercept, z"),
            (twice, "crashed", "a term is there twice: Intercept, x, x"),
            (words, "crashed", "a number was expected"),
            (unknown_status, "crashed", "status='fine' is not known; use one of ok, singular"),
            (lengths_differ, "crashed", "what was returned is no table of coefficients (ValueError: "),
            (scalars, "crashed", "say which it is of where the strategy is made, terms=('Intercept',) or terms=('x',)"),
            (missing_flag, "crashed", "TypeError"),
            (column_twice, "crashed", "a column is there twice: estimate, estimate"),
        ],
    )
    def test_of_what_is_no_fit(self, tmp_path, function, status, message):
        results = run(tmp_path, FrameStrategy(function), replicates=1)
        (fit,) = results.fits.to_dict("records")
        assert fit["status"] == status
        assert message in str(fit["message"])
        assert results.estimates["estimate"].isna().all()


class TestOneCoefficient:
    """The commonest of all: an estimate and its standard error."""

    def test_needs_no_name_where_one_is_asked_for(self):
        found = told({"estimate": 2.0, "std_error": 0.5, "df": 7, "converged": True}, ("x",))
        assert found.status is Status.OK
        assert {name: values.tolist() for name, values in found.numbers.items()} == {
            "estimate": [2.0],
            "std_error": [0.5],
            "df": [7.0],
        }
        assert told({"estimate": 2.0}, ("x",)).numbers["estimate"].tolist() == [2.0]

    def test_may_be_named(self):
        found = told({"term": "x", "estimate": np.float64(2.0), "std_error": 0.5}, ("x",))
        assert found.numbers["std_error"].tolist() == [0.5]
        assert "no estimate of 'z' was returned; there are x" in told({"term": "x", "estimate": 2.0}, ("z",)).message

    def test_in_a_study(self, tmp_path):
        results = run(tmp_path, PooledOLS(), FrameStrategy(scalars, terms=("x",)), replicates=2)
        assert set(of(results, "scalars")["status"]) == {"ok"}


def test_a_strategy_whose_first_fits_all_fail_is_told_of_once(tmp_path, capsys):
    study = Study(WALK, Grid(), (PooledOLS(), FrameStrategy(no_table), FrameStrategy(raises)), replicates=6, seed=3)
    study.run(tmp_path / "out", batch=2)
    told = "no_table: the first 2 fits have all failed: a float was returned; return a table"
    for said in (capsys.readouterr().err, (tmp_path / "out" / "log.txt").read_text()):
        assert said.count(told) == said.count("have all failed") == 1, "raises has an answer of its first dataset"
        assert said.count("The run goes on; stop it (Ctrl-C) to correct that.") == 1


def no_number(data):
    return {"x": np.nan, "Intercept": 1.0}


def test_a_strategy_that_returns_no_number_is_told_of_with_the_reason(tmp_path, capsys):
    study = Study(WALK, Grid(), (PooledOLS(), FrameStrategy(no_number, label="none")), replicates=3, seed=3)
    results = study.run(tmp_path / "out")
    said = capsys.readouterr().err
    assert "none: the first 3 fits have all failed: the estimate of 'x' that was returned is nan. The run goes on" in said
    assert set(of(results, "none")["status"]) == {"non_finite"}


def test_of_fits_without_words_the_status_says_why():
    fit = whole_fit({"estimate": np.full((2, 1), np.nan), "std_error": np.ones((2, 1)), "status": np.zeros(2, np.int32)})
    assert _all_failed("mine", fit, (None, None)).startswith(
        "mine: the first 2 fits have all failed: a NaN or an infinite value in"
    )
    assert _all_failed("mine", fit, (None, None, None)) == ""  # one of three has an answer


def resampled(data, seed, conf_level, scale=1.0):
    return {"x": float(np.random.default_rng(seed).normal()) * scale, "Intercept": conf_level}


class TestArgumentsOfFunctions:
    def test_seed_level_and_options(self, tmp_path):
        """A seed follows from the dataset alone: not from the batch, nor from how many datasets there are."""
        strategies = (FrameStrategy(resampled), FrameStrategy(resampled, label="twice", options={"scale": 2.0}))
        results = run(tmp_path, *strategies, replicates=5, conf_level=0.9)
        table = of(results, "resampled").pivot(index="replicate", columns="term", values="estimate")
        assert table["x"].nunique() == 5
        assert set(table["Intercept"]) == {0.9}
        alone = Study(WALK, Grid(), strategies[:1], replicates=3, seed=3, conf_level=0.9).run(
            tmp_path / "few", progress=False, batch=1
        )
        few = of(alone, "resampled").query("term == 'x'")["estimate"]
        assert few.to_list() == table["x"][:3].to_list()
        doubled = of(results, "twice").query("term == 'x'")["estimate"]
        assert doubled.to_list() == (2 * table["x"]).to_list()

    def test_first(self, tmp_path):
        study = Study(WALK, Grid(), (PooledOLS(), FrameStrategy(least_squares, first=2)), replicates=5, seed=3)
        results = study.run(tmp_path / "out", progress=False, batch=2)
        assert of(results, "least_squares")["replicate"].unique().tolist() == [0, 1]
        assert any("least_squares: fitted the first 2 of 5 datasets" in said for said in study.caveats())
        captions = [table.caption for table in headlines(Numbers(results))]  # of different datasets, and of the same
        assert [caption.partition("(")[2] for caption in captions] == ["“available”)", "“listwise”)"]

    def test_a_subset_of_the_terms_is_absent_not_nan(self, tmp_path):
        results = run(tmp_path, PooledOLS(), FrameStrategy(least_squares, terms=("x",)), Median())
        assert of(results, "least_squares")["term"].unique().tolist() == ["x"]
        assert of(results, "median")["term"].unique().tolist() == ["Intercept"]
        assert results.estimates["estimate"].notna().all()
        table = results.measures(["model", "term"], measures=["bias"])
        assert len(table) == 4

    def test_of_rows_from_numpy_too(self, tmp_path):
        results = run(tmp_path, FrameStrategy(least_squares), process=FrameProcess(survey), replicates=2)
        assert set(results.estimates["status"]) == {"ok"}


class TestRefusedBeforeAnything:
    def study(self, *strategies, process=WALK):
        return Study(process, Grid(), strategies, replicates=2)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: FrameStrategy(3), "function=3 is not a function of a DataFrame; give one such as"),
            (lambda: FrameStrategy(lambda: 3), "is not a function of a DataFrame"),
            (lambda: FrameStrategy(least_squares, first=0), "first=0"),
            (lambda: FrameStrategy(least_squares, time_limit=0), "time_limit=0: give a positive number of seconds"),
            (lambda: FunctionEstimator("ols"), "function='ols' is not a function"),
            (
                lambda: FunctionEstimator(group_means, data="frame"),
                "data='frame' is not known; use one of 'cross_products', 'rows'",
            ),
            (lambda: RStrategy("lm(y ~ x)"), "gives no R function; write"),
            (lambda: PooledOLS(formula="DV ~ x + (1 | Group)"), "has no random effects; leave them out"),
            (
                lambda: LinearMixed("DV ~ log(x) + (1 | Group)").check(Names(("Intercept", "x"))),
                "are columns of the process, such as IV1; have the process make",
            ),
            (lambda: LinearMixed("DV ~ 0 + (1 | Group)"), "has no fixed effects"),
            (lambda: LinearMixed("DV ~ x + (1 | Group) + (1 + x | Group)"), "'Intercept' has two random effects by Group"),
        ],
    )
    def test_alone(self, make, words):
        with pytest.raises(InputError) as caught:
            make()
        assert words in str(caught.value)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: least_squares, "estimators has the function least_squares; wrap it: FrameStrategy(least_squares, label='..')"),
            (lambda: PooledOLS, "estimators has the class PooledOLS; give an instance: PooledOLS(..)"),
            (lambda: "ols", "estimators has 'ols'; give instances such as"),
            (lambda: LinearMixed("DV ~ z + (1 | Group)"), "'z' is not a column of the process; it has Intercept, x"),
            (lambda: LinearMixed("DV ~ x + (1 | school)"), "'school' is not a grouping factor of the process; use Group"),
            (lambda: LinearMixed("score ~ x + (1 | Group)"), "the response 'score' is not a column of the process"),
            (lambda: LinearMixed("DV ~ x + (z | Group)"), "the random effect 'z' is not a column of the process"),
            (lambda: PooledOLS(estimand={"z": "x"}), "its estimand is about 'z', which it does not estimate; it estimates"),
            (lambda: PooledOLS(estimand={"x": "odds"}), "has no true value 'odds' to compare 'x' with; it has"),
            (lambda: FunctionEstimator(group_means, terms=()), "estimates no coefficient"),
        ],
    )
    def test_in_a_study(self, make, words):
        with pytest.raises(InputError) as caught:
            self.study(make())
        assert words in str(caught.value)

    def test_two_of_one_label(self):
        with pytest.raises(InputError, match="two strategies share a label"):
            self.study(PooledOLS(), FrameStrategy(least_squares, label="ols"))

    def test_rows_of_a_process_that_draws_cross_products(self):
        with pytest.raises(InputError, match="strategy 'median' reads rows, and GaussianMultilevel draws cross-products"):
            self.study(Median(), process=jaxsim.GaussianMultilevel())

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (lambda data: 3.0, "returned a float; return a Fit, (estimate, std_error), or a dictionary with 'estimate'"),
            (lambda data: {"std_error": jnp.ones(2)}, "a dictionary with 'estimate'"),
            (
                lambda data: {"estimate": jnp.ones(2), "se": jnp.ones(2)},
                "field of what <lambda> returned='se' is not known; use one of 'estimate'",
            ),
            (lambda data: (jnp.ones(1), jnp.ones(1)), "estimate has shape (1,); it estimates 2 coefficients (Intercept, x)"),
            (lambda data: (jnp.ones(2), jnp.ones(3)), "std_error has shape (3,)"),
            (lambda data: (np.linalg.inv(data.regression()[0]), 0), "could not be traced by JAX"),
            (lambda data: 1 / 0, "could not be traced by JAX: ZeroDivisionError"),
        ],
    )
    def test_by_the_rehearsal(self, function, words, tmp_path):
        study = self.study(FunctionEstimator(function, label="mine"))
        with pytest.raises(InputError) as caught:
            study.run(tmp_path / "out", progress=False)
        assert words.lower() in str(caught.value).lower()
        assert not (tmp_path / "out" / "study.json").exists()

    def test_what_cannot_be_sent(self, tmp_path):
        handle = (tmp_path / "open").open("w")
        with pytest.raises(InputError, match=r"'handle'.* of type _io\.TextIOWrapper .*which cannot be sent to a worker process"):
            self.study(FrameStrategy(lambda data: handle.name)).run(tmp_path / "out", progress=False)
        assert not (tmp_path / "out" / "study.json").exists()


def logit(key, n_groups=8, n_obs=5, effect=0.3):
    """A process with a marginal effect beside the conditional one."""
    truth, columns = walk(key, n_groups, n_obs, effect)
    return truth | {"marginal slope": 0.8 * effect}, columns


def narrow(data):
    """Least squares with limits of its own, and no p value."""
    fit = PooledOLS().fit(data)
    return {"estimate": fit.estimate, "std_error": fit.std_error, "conf_low": fit.estimate - 1, "conf_high": fit.estimate + 2}


def strict(data):
    """Least squares with p values of its own, and no limits."""
    fit = PooledOLS().fit(data)
    return {"estimate": fit.estimate, "std_error": fit.std_error, "p_value": jnp.full(2, 0.25)}


def test_inference_of_its_own_is_kept_number_by_number(tmp_path):
    results = run(tmp_path, FunctionEstimator(narrow), FunctionEstimator(strict), replicates=2)
    rows = of(results, "narrow")
    np.testing.assert_array_equal(rows["conf_low"], rows["estimate"] - 1)
    np.testing.assert_array_equal(rows["conf_high"], rows["estimate"] + 2)
    assert rows["p_value"].between(0, 1).all()
    rows = of(results, "strict")
    assert set(rows["p_value"]) == {0.25}
    half = 1.959963984540054 * rows["std_error"]  # normal, for it has no df
    np.testing.assert_allclose(rows["conf_high"], rows["estimate"] + half, rtol=1e-12)


def half_told(key, n_groups=8, n_obs=5, effect=0.3):
    """A process that does not tell the effect of one of its predictors."""
    truth, columns = walk(key, n_groups, n_obs, effect)
    return truth, columns | {"z": columns["x"] ** 2}


class TestWhatACoefficientIsComparedWith:
    def test_a_coefficient_without_a_truth_is_not_measured(self, tmp_path):
        """Neither covered nor missed, neither power nor an error."""
        strategies = (PooledOLS(), PooledOLS(formula="DV ~ x + z", label="with z"))
        results = run(tmp_path, *strategies, process=FunctionProcess(half_told), replicates=20)
        table = results.measures(["model", "term"], measures=["coverage", "rejection", "type_s", "bias"])
        z = table.query("term == 'z'").set_index("measure")
        assert z.loc[["coverage", "type_s", "bias"], "value"].isna().all()
        assert z.loc["rejection", "kind"] == ""
        for measure in ("power", "type_one_error"):
            assert "z" not in set(results.measures(["model", "term"], measures=[measure])["term"])
        pooled = results.measures(["model"], measures=["coverage"]).set_index("model")["value"]
        own = table.query("measure == 'coverage' and model == 'with z' and term != 'z'")["value"]
        assert pooled["with z"] == pytest.approx(own.mean(), abs=1e-12)  # the mean of two rates

    def test_an_estimand(self, tmp_path):
        strategies = (PooledOLS(), PooledOLS(label="marginal", estimand={"x": "marginal slope"}))
        results = run(tmp_path, *strategies, process=FunctionProcess(logit))
        truths = results.estimates.groupby(["model", "term"], observed=True)["truth"].unique().map(list).to_dict()
        assert truths[("ols", "x")] == [0.3]
        assert truths[("marginal", "x")] == [0.8 * 0.3]
        assert truths[("marginal", "Intercept")] == [0.0]
        bias = results.measures(measures=["bias"], terms=["x"]).set_index("model")["value"]
        assert bias["marginal"] - bias["ols"] == pytest.approx(0.3 - 0.24, abs=1e-14)  # the same estimates: rounding only

    def test_an_estimand_of_a_mixed_model(self, tmp_path):
        """A strategy with an estimand has a hash, so that it can be compiled, and fits what it fits without."""
        marginal = LinearMixed("DV ~ x + (1 | Group)", label="marginal", estimand={"x": "marginal slope"})
        assert hash(marginal) == hash(dataclasses.replace(marginal, estimand=[["x", "marginal slope"]]))
        study = Study(FunctionProcess(logit), Grid(), (LinearMixed("DV ~ x + (1 | Group)"), marginal), replicates=2, seed=3)
        assert Study.from_json(study.to_json()).estimators == study.estimators
        results = study.run(tmp_path / "out", progress=False)
        np.testing.assert_array_equal(of(results, "marginal")["estimate"], of(results, "lmer")["estimate"])
        assert of(results, "marginal").query("term == 'x'")["truth"].unique() == [0.8 * 0.3]

    def test_a_smaller_model_is_that_of_the_smaller_data(self, tmp_path):
        """Omitting a column gives what the same strategy gives where the column never was."""
        process = jaxsim.GaussianMultilevel(n_groups=8, n_obs=6, n_predictors=2, fixed_effects=(0.0, 0.2, 0.5), sampler="rows")
        small = LinearMixed("DV ~ IV1 + (1 | Group)", label="small")
        results = run(tmp_path, LinearMixed(random=("Intercept",)), small, process=process, replicates=1)
        assert of(results, "small")["term"].unique().tolist() == ["Intercept", "IV1"]
        frame = results.study.process.rows(results.study.key(results.study.cells[0], 0))
        fit = jaxsim.lmer("DV ~ IV1 + (1 | Group)", frame)
        own = of(results, "small")
        # One engine, from rows and from cross-products: the criterion's rounding moves the variance ratio a little.
        np.testing.assert_allclose(own["estimate"], fit.table["estimate"], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(own["std_error"], fit.table["std_error"], rtol=1e-6)


@pytest.mark.lme4
@pytest.mark.usefixtures("running_workers")
class TestRCode:
    LM = """function(data) {
      if (data$x[1] > 0) stop("R says no")
      k <- coef(summary(lm(DV ~ x, data)))
      data.frame(term = rownames(k), estimate = k[, 1], std_error = k[, 2], df = nrow(data) - 2)
    }"""

    def test_is_a_strategy_and_its_errors_are_rows(self, tmp_path):
        results = run(tmp_path, PooledOLS(), RStrategy(self.LM, label="R lm"), replicates=3)
        fits = results.fits.query("model == 'R lm'")
        assert fits["status"].to_list() == ["ok", "refused", "refused"]
        assert all("R says no" in said for said in fits["message"][1:])
        own, ours = (of(results, name).query("replicate == 0")["estimate"] for name in ("R lm", "ols"))
        np.testing.assert_allclose(own, ours, rtol=1e-10)  # QR against normal equations of 40 well-conditioned rows

    def test_code_that_r_cannot_read(self, tmp_path):
        with pytest.raises(InputError, match="the R code cannot be parsed: line 2, column 0: unexpected end of input"):
            run(tmp_path, RStrategy("function(data) { lm(", label="R lm"))
        assert not list((tmp_path / "out").glob("chunks/*.parquet"))
