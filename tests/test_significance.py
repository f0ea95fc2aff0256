"""Tests and intervals: their levels, power by name, errors of sign and size, and strategies that give none."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_kit import source, zero_and_not
from test_measures import estimates, fits_of, value
from test_streaming import same

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study, Until, measures
from jaxsim.errors import InputError
from jaxsim.measures import OwnMeasure
from jaxsim.measures.stream import Performance
from jaxsim.sweep.rounds import precision


@pytest.fixture
def table(rng):
    return zero_and_not(rng)


def test_tests_have_the_level_of_the_intervals_unless_another_is_asked_for(table):
    for conf_level in (0.95, 0.9, 0.5):
        made = Performance.of_tables(table, fits_of(table), conf_level=conf_level)
        assert made.kit.alpha == round(1 - conf_level, 12)
        for alpha in (None, 0.2):
            level = 1 - conf_level if alpha is None else alpha
            usable = table[table["status"] == "ok"]
            rejected = (usable["p_value"] <= level).groupby([usable[name] for name in ("cell", "model", "term")], observed=True)
            options = dict(measures=["rejection"], alpha=alpha)
            got = measures.summarise(table, ["cell", "model", "term"], conf_level=conf_level, **options)
            np.testing.assert_allclose(got["value"], rejected.mean(), rtol=1e-12)  # the same few sums
            same(made.measures(["cell", "model", "term"], **options), got)
            paired = measures.paired(table, ["term"], "a", conf_level=conf_level, alpha=alpha)
            same(made.paired("a", ["term"], alpha=alpha), paired)
    for alpha in (0, 1, -0.5):
        with pytest.raises(InputError, match="between 0 and 1"):
            made.measures([], alpha=alpha)
        with pytest.raises(InputError, match="between 0 and 1"):
            made.paired("a", [], alpha=alpha)
    with pytest.raises(InputError, match="conf_level"):
        measures.summarise(table, [], conf_level=2)


@pytest.mark.parametrize("by", [[], ["model"], ["term"], ["cell", "model", "term"]], ids="-".join)
@pytest.mark.parametrize("policy", measures.POLICIES)
def test_power_and_type_one_error_are_rejections_of_some_truths(table, by, policy):
    names = ["type_one_error", "bias", "power", "rejection"]
    got = measures.summarise(table, by, policy=policy, measures=names)
    same(source(table).measures(by, policy=policy, measures=names), got)
    for name, truth in (("power", "nonzero"), ("type_one_error", "zero")):
        wanted = measures.summarise(table, by, policy=policy, measures=["rejection"], truth=truth)
        assert set(wanted["kind"]) == {name}
        lines = got[got["measure"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(lines.assign(measure="rejection"), wanted, check_exact=True)
        for options in ({}, {"truth": truth}):
            alone = measures.summarise(table, by, policy=policy, measures=[name], **options)
            pd.testing.assert_frame_equal(alone, lines, check_exact=True)
            same(source(table).measures(by, policy=policy, measures=[name], **options), lines)
    if by:
        key = got[by].astype(str).agg(" ".join, axis=1)
        assert (key != key.shift()).sum() == key.nunique() > 1, "a line's measures stand together"
        for _, lines in got.groupby(by, observed=True):
            assert list(lines["measure"]) == [name for name in names if name in set(lines["measure"])], "in the order asked for"


def test_lines_without_such_a_coefficient_are_not_there(table):
    for rejections, term in (("power", "y"), ("type_one_error", "x")):
        for made in (
            measures.summarise(table, ["term"], measures=[rejections]),
            source(table).measures(["term"], measures=[rejections]),
        ):
            assert set(made["term"]) == {"x", "y", "z"} - {term}
        alone = source(table).measures([], measures=[rejections], terms=[term])
        assert alone.empty
        assert list(alone.columns) == list(measures.summarise(table, []).columns)


@pytest.mark.parametrize(("name", "truth"), [("power", "zero"), ("type_one_error", "nonzero")])
def test_rejections_of_other_truths_are_refused(table, name, truth):
    for ask in (source(table).measures, lambda by, **options: measures.summarise(table, by, **options)):
        with pytest.raises(InputError, match=f"{name!r}, the rejection of coefficients whose truth is .* but truth={truth!r}"):
            ask([], measures=["bias", name], truth=truth)


def test_no_measure_at_all_is_refused(table):
    for ask in (source(table).measures, lambda by, **options: measures.summarise(table, by, **options)):
        with pytest.raises(InputError, match="names no measure"):
            ask([], measures=[])


def test_counts_of_labelled_arrays_are_those_of_all_measures(table):
    pytest.importorskip("xarray")
    wide = source(table).to_xarray(["term"], measures=["power", "bias"])
    assert np.isnan(wide["value"].sel(measure="power", term="y"))
    assert int(wide["n_used"].sel(term="y")) == source(table).measures(["term"], measures=["bias"])["n_used"].iloc[1]


@pytest.mark.parametrize("lost", [["conf_low"], ["conf_high"], ["p_value"], ["p_value", "conf_low", "conf_high"]], ids="-".join)
def test_what_a_strategy_does_not_give_is_no_number(table, lost):
    """A strategy without intervals or tests is neither one that never covers nor one that never rejects."""
    of_intervals = {"mean_width", "interval_score", "coverage", "bias_eliminated_coverage"}
    of_tests = {"rejection", "type_s", "exaggeration"}
    gone = (of_tests if "p_value" in lost else set()) | (of_intervals if {"conf_low", "conf_high"} & set(lost) else set())
    given = table.copy()
    given.loc[given["model"] == "b", lost] = np.nan
    own = [OwnMeasure("narrow", lambda rows: rows.covers * 1.0)]
    for by in (["cell", "model", "term"], ["model"]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got, whole = measures.summarise(given, by), measures.summarise(table, by)
            same(source(given).measures(by), got)
        blank = (got["model"] == "b") & got["measure"].isin(gone)
        assert got[blank]["value"].isna().all()
        assert got[blank][["mcse", "low", "high"]].isna().all(axis=None)
        pd.testing.assert_frame_equal(got[~blank], whole[~blank], check_exact=True)
        same(got[["n_used", "n_failed"]], whole[["n_used", "n_failed"]])
    both = measures.summarise(given, [], measures=["coverage", "rejection"])
    alone = measures.summarise(given[given["model"] == "a"], [], measures=["coverage", "rejection"])
    for name in ({"rejection"} & gone) | ({"coverage"} & gone):
        assert value(both, name) == pytest.approx(value(alone, name), rel=1e-12), "the average of those that have a value"
    paired = measures.paired(given, ["term"], "a")
    assert paired[paired["measure"].isin({"coverage", "rejection"} & gone)]["value"].isna().all()
    assert paired[~paired["measure"].isin({"coverage", "rejection"} & gone)]["value"].notna().all()
    if "conf_low" in lost:
        with pytest.warns(RuntimeWarning, match="'narrow' has no value"):
            measures.summarise(given, [], measures=["narrow"], own=own)


def test_interval_scores_of_normal_intervals_are_what_theory_says():
    """Gneiting & Raftery (2007): with known sigma the expected score is ``4 sigma phi(z) / a``."""
    rng, n = np.random.default_rng(0), 20_000
    for conf_level in (0.95, 0.8):
        a = 1 - conf_level
        z = stats.norm.ppf(1 - a / 2)
        table = estimates(rng, n=n, spread=1.0)
        table["estimate"] = table["truth"] + 2 * (table["estimate"] - table["truth"])
        table = table.assign(conf_low=table["estimate"] - 2 * z, conf_high=table["estimate"] + 2 * z)
        got = measures.summarise(table, [], measures=["interval_score"], conf_level=conf_level)
        expected = 4 * 2 * stats.norm.pdf(z) / a
        assert abs(value(got, "interval_score") - expected) < 4 * value(got, "interval_score", "mcse") < 0.05 * expected


@pytest.mark.parametrize("effect", [0.2, 0.7, 2.0])
def test_errors_of_sign_and_size_are_what_theory_says(effect):
    """Of a normal estimate with standard error 1 and a two-sided test at 5% (Lu, Qiu & Deng 2019, equations 1 and 2)."""
    rng, n, z = np.random.default_rng(1), 40_000, stats.norm.ppf(0.975)
    table = estimates(rng, n=n)
    estimate = effect + rng.normal(size=n)
    table = table.assign(truth=effect, estimate=estimate, p_value=2 * stats.norm.sf(abs(estimate)))
    wrong, power = stats.norm.cdf(-z - effect), stats.norm.cdf(-z - effect) + stats.norm.cdf(effect - z)
    mean = stats.norm.pdf(effect + z) + stats.norm.pdf(effect - z)
    mean += effect * (stats.norm.cdf(effect + z) + stats.norm.cdf(effect - z) - 1)
    got = measures.summarise(table, [], measures=["type_s", "exaggeration", "power"])
    for name, expected in (("power", power), ("type_s", wrong / power), ("exaggeration", mean / power / effect)):
        mcse = value(got, name, "mcse")
        assert abs(value(got, name) - expected) < 4 * mcse + 1e-12, name
        assert 0 < mcse < 0.1 * expected + 0.01, name


def test_limits_of_the_wrong_sign_count_significant_rows(rng):
    table = estimates(rng, n=400, truth=0.3, terms=("x", "y"))
    significant = table[table["p_value"] <= 0.05]
    got = measures.summarise(table, ["term"], measures=["type_s"]).set_index("term")
    for term, rows in significant.groupby("term", observed=True):
        limits = stats.binomtest(int((rows["estimate"] < 0).sum()), len(rows)).proportion_ci(method="wilson")
        np.testing.assert_allclose(got.loc[term, ["low", "high"]].astype(float), limits, rtol=1e-9)  # rounding of a square root
    right = table.assign(estimate=table["estimate"].abs(), truth=0.3)
    for pooled in (measures.summarise(right, [], measures=["type_s"]), source(right).measures([], measures=["type_s"])):
        limits = stats.binomtest(0, len(significant)).proportion_ci(method="wilson")
        assert value(pooled, "type_s", "high") == pytest.approx(limits.high, rel=1e-9), "not as many as datasets"


def test_nothing_significant_has_no_wrong_sign(rng):
    table = estimates(rng, n=50, models=("a", "b"))
    table["p_value"] = np.where((table["model"] == "a") | (table["replicate"] > 0), 0.5, 0.01)
    got = measures.summarise(table, ["model"], measures=["type_s", "exaggeration"]).set_index(["model", "measure"])
    assert got.loc["a", ["value", "mcse", "low", "high"]].isna().all(axis=None)
    assert got.loc["b", "value"].notna().all()
    assert np.isnan(got.loc[("b", "exaggeration"), "mcse"]), "of one row nothing is known"
    zero = measures.summarise(table.assign(truth=0.0, p_value=0.01), ["model"], measures=["type_s", "exaggeration"])
    assert zero["value"].isna().all()


def test_exaggeration_of_drawn_truths_is_a_ratio_of_means(rng):
    table = estimates(rng, n=200)
    table["truth"] = rng.normal(0.2, 0.5, 200)
    found = table[table["p_value"] <= 0.05]
    got = measures.summarise(table, [], measures=["exaggeration"])
    assert value(got, "exaggeration") == pytest.approx(found["estimate"].abs().mean() / found["truth"].abs().mean(), rel=1e-12)


def test_rules_wait_for_errors_of_sign_and_size_where_there_is_an_effect(rng):
    """A rule does not wait for coefficients that are zero; of a proportion it looks at Wilson's limits, as of all rates."""
    rule = Until(type_s=0.1, exaggeration=0.1)
    process = GaussianMultilevel(n_groups=6, n_obs=5, n_predictors=1, fixed_effects=(0.0, 0.3))
    study = Study(process, Grid(group_sd=[1.0]), (PooledOLS(label="a"),), replicates=400, until=rule)
    table = estimates(rng, n=400, terms=("Intercept", "IV1"), truth=0.3)
    table["truth"] = table["truth"].where(table["term"] != "Intercept", 0.0)
    made = Performance.of_tables(table, fits_of(table))

    def measure(name, truth, count, cells):
        return made.measures(["cell", "model", "term"], measures=[name], truth=truth)

    found = precision(study, measure, 400, (0,))[0]
    lines = measures.summarise(table, [], measures=["type_s", "exaggeration"], terms=["IV1"])
    assert found["exaggeration"] == pytest.approx(value(lines, "exaggeration", "mcse"), rel=1e-9)  # as streamed
    half = (value(lines, "type_s", "high") - value(lines, "type_s", "low")) / (2 * stats.norm.ppf(0.975))
    assert found["type_s"] == pytest.approx(half, rel=1e-9)
    table["p_value"] = 1.0
    made = Performance.of_tables(table, fits_of(table))
    assert precision(study, measure, 400, (0,))[0] == {"type_s": np.inf, "exaggeration": np.inf}, "not known yet"
