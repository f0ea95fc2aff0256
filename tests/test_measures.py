"""Measures: hand-computed values, published formulas, and Monte Carlo errors that are the sampling errors they claim to be."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures.interval import wilson
from jaxsim.measures.overview import headline, overview, rate_with_error, with_error
from jaxsim.measures.stream import Performance

EXACT = 1e-12  # both sides are the same few double operations


def estimates(rng, n=40, cells=1, models=("a",), terms=("x",), truth=1.0, spread=1.0, shared=0.0, failed=()):
    """A made-up estimates table; ``shared`` is the correlation of terms and models within a dataset."""
    index = pd.MultiIndex.from_product([range(cells), range(n), models, terms], names=["cell", "replicate", "model", "term"])
    frame = index.to_frame(index=False)
    common = np.repeat(rng.normal(size=cells * n), len(models) * len(terms))
    noise = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=len(frame))
    error = spread * np.sqrt(rng.chisquare(20, len(frame)) / 20)
    estimate = truth + spread * noise + frame["cell"]
    half = stats.t.ppf(0.975, 20) * error
    frame = frame.assign(truth=truth, estimate=estimate, std_error=error, statistic=estimate / error, df=20.0)
    frame["p_value"] = 2 * stats.t.sf(abs(estimate / error), 20)
    frame = frame.assign(conf_low=estimate - half, conf_high=estimate + half, status="ok")
    lost = [(m, r) in failed for m, r in zip(frame["model"], frame["replicate"], strict=True)]
    frame.loc[lost, ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]] = np.nan
    frame.loc[lost, "status"] = "not_converged"
    for column, order in (("model", models), ("term", terms)):
        frame[column] = pd.Categorical(frame[column], order)
    return frame


def value(table, measure, column="value"):
    rows = table[table["measure"] == measure]
    assert len(rows) == 1
    return rows[column].iloc[0]


def test_published_formulas_of_one_cell(rng):
    table = estimates(rng, n=30)
    got = measures.summarise(table, ["model", "term"])
    e = (table["estimate"] - table["truth"]).to_numpy()
    v, n = table["std_error"].to_numpy() ** 2, 30
    emp, mod = e.std(ddof=1), np.sqrt(v.mean())
    covered = ((table["conf_low"] <= 1) & (table["conf_high"] >= 1)).mean()
    shifted = 1 + e.mean()
    be = ((table["conf_low"] <= shifted) & (table["conf_high"] >= shifted)).mean()
    power = (table["p_value"] < 0.05).mean()
    width = (table["conf_high"] - table["conf_low"]).to_numpy()
    s2v = v.var(ddof=1)
    score = width + 40 * np.maximum(table["conf_low"] - 1, 0) + 40 * np.maximum(1 - table["conf_high"], 0)
    found = (table["p_value"] < 0.05).to_numpy()
    wrong = (table["estimate"] < 0).to_numpy()[found].mean()
    larger = found * (table["estimate"].abs() - table["estimate"].abs()[found].mean()).to_numpy()
    expected = {
        "bias": (e.mean(), emp / np.sqrt(n)),
        "relative_bias": (e.mean(), emp / np.sqrt(n)),
        "empirical_se": (emp, emp / np.sqrt(2 * (n - 1))),
        "mse": ((e**2).mean(), (e**2).std(ddof=1) / np.sqrt(n)),
        "rmse": (np.sqrt((e**2).mean()), (e**2).std(ddof=1) / np.sqrt(n) / (2 * np.sqrt((e**2).mean()))),
        # n = 30: c = round(15.5 - 1.96 * 2.74) = 10, so the 10th and the 21st bound the median.
        "median_absolute_error": (np.median(abs(e)), np.subtract(*np.sort(abs(e))[[20, 9]]) / (2 * 1.959964)),
        "model_se": (mod, np.sqrt(s2v / (4 * n * mod**2))),
        "model_se_error": (100 * (mod / emp - 1), 100 * mod / emp * np.sqrt(s2v / (4 * n * mod**4) + 1 / (2 * (n - 1)))),
        "mean_width": (width.mean(), width.std(ddof=1) / np.sqrt(n)),
        "interval_score": (score.mean(), score.std(ddof=1) / np.sqrt(n)),
        "coverage": (covered, np.sqrt(covered * (1 - covered) / n)),
        "bias_eliminated_coverage": (be, np.sqrt(be * (1 - be) / n)),
        "rejection": (power, np.sqrt(power * (1 - power) / n)),
        # Of a constant truth: the proportion of some rows, and the mean of |estimate / truth| over them.
        "type_s": (wrong, np.sqrt(wrong * (1 - wrong) / found.sum() * n / (n - 1))),
        "exaggeration": (table["estimate"].abs()[found].mean(), larger.std(ddof=1) / np.sqrt(n) / found.mean()),
    }
    assert list(got["measure"]) == list(expected) == list(measures.CATALOGUE)
    for name, (v_, m_) in expected.items():
        assert value(got, name) == pytest.approx(v_, rel=EXACT, abs=EXACT), name
        assert value(got, name, "mcse") == pytest.approx(m_, rel=1e-6), name  # z = 1.96 has seven digits
    assert set(got["n_used"]) == {30}
    assert set(got["n_failed"]) == {0}


@pytest.mark.parametrize(("by", "cells"), [(["model", "term"], 1), (["model"], 2)], ids=["one_stratum", "average"])
def test_monte_carlo_errors_are_sampling_errors(by, cells):
    """Repeat a whole study 150 times: the spread of each measure over repetitions is what its MCSE says."""
    rng = np.random.default_rng(8)
    # A wrong sign is too rare here for the spread of its proportion to be known.
    names = [name for name in measures.CATALOGUE if name not in ("relative_bias", "type_s")]
    runs = []
    for _ in range(150):
        # Cell c is biased by c; three terms share much of their error.
        table = estimates(rng, n=40, cells=cells, terms=("x", "y", "z"), shared=0.6, spread=0.6)
        table["truth"] += 0.5 * table["cell"]
        runs.append(measures.summarise(table, by, measures=names))
    table = pd.concat(runs)
    if "term" in by:
        table = table[table["term"] == "x"]
    for name in names:
        rows = table[table["measure"] == name]
        # 150 repetitions know an SD to 5.8% (1/sqrt(2 * 149)); three of those errors, plus the few percent by which
        # delta-method errors are known to be small with 40 datasets.
        ratio = np.sqrt((rows["mcse"] ** 2).mean()) / rows["value"].std()
        assert 0.8 < ratio < 1.2, (name, ratio)


def test_a_line_over_several_strata_averages_their_measures(rng):
    """Two cells with opposite biases are not one cell with a large spread."""
    table = estimates(rng, n=200, cells=2, terms=("x", "y"), spread=0.1)
    table["truth"] += np.where(table["cell"] == 0, -1, 2)
    fine = measures.summarise(table, ["cell", "term"]).groupby("measure")["value"].mean()
    pooled = measures.summarise(table, ["model"]).set_index("measure")["value"]
    np.testing.assert_allclose(pooled, fine[pooled.index], rtol=1e-12)  # the same few sums
    assert pooled["empirical_se"] < 0.12
    assert pooled["rmse"] > 0.9


def test_rates_average_over_strategies_that_failed_differently(rng):
    """A strategy that failed in half of the datasets weighs as much as the others, and a rate of 1 has no spread."""
    lost = {("b", i) for i in range(0, 40, 2)}
    table = estimates(rng, n=40, models=("a", "b"), failed=lost)
    table["conf_low"], table["conf_high"] = -1e9, 1e9
    got = measures.summarise(table, [], measures=["coverage"])
    assert value(got, "coverage") == 1
    assert value(got, "coverage", "mcse") == pytest.approx(0, abs=1e-12)  # rounding of a mean of ones
    limits = stats.binomtest(40, 40).proportion_ci(method="wilson")
    assert value(got, "coverage", "low") == pytest.approx(limits.low, rel=1e-9), "as many trials as datasets, not as rows"


def test_pooling_dependent_rows_does_not_shrink_the_error(rng):
    """Ten copies of one term carry no more information than one."""
    one = estimates(rng, n=50)
    copies = pd.concat([one.assign(term=f"x{i}") for i in range(10)])
    alone, pooled = measures.summarise(one, ["model"]), measures.summarise(copies, ["model"])
    for name in ("bias", "mse", "rmse", "model_se", "mean_width"):
        assert value(pooled, name, "mcse") == pytest.approx(value(alone, name, "mcse"), rel=1e-9), name
    # A rate's error has divisor n - 1 when pooled, n in the textbook formula: 1% apart at n = 50.
    assert value(pooled, "coverage", "mcse") == pytest.approx(value(alone, "coverage", "mcse"), rel=0.011)
    assert value(pooled, "coverage", "high") == pytest.approx(value(alone, "coverage", "high"), rel=0.01)


def test_cells_are_fixed_not_sampled(rng):
    """Means that differ between cells are no Monte Carlo error of their average."""
    table = estimates(rng, n=40, cells=3, spread=0.1)  # cell c is biased by c
    by_cell = measures.summarise(table, ["cell"], measures=["bias"])["mcse"]
    pooled = measures.summarise(table, [], measures=["bias"])
    assert value(pooled, "bias") == pytest.approx(1.0, abs=0.05)  # mean of 0, 1, 2; five Monte Carlo errors
    assert value(pooled, "bias", "mcse") == pytest.approx(np.sqrt((by_cell**2).sum()) / 3, rel=1e-9)


def test_failed_fits_are_counted_and_policies_differ(rng):
    table = estimates(rng, n=20, models=("a", "b"), failed={("a", 3), ("a", 4), ("b", 4), ("b", 9)})
    available = measures.summarise(table, ["model"], measures=["bias"])
    listwise = measures.summarise(table, ["model"], policy="listwise", measures=["bias"])
    assert list(available["n_used"]) == [18, 18]
    assert list(listwise["n_used"]) == [17, 17]
    assert list(available["n_failed"]) == list(listwise["n_failed"]) == [2, 2]
    assert set(listwise["policy"]) == {"listwise"}
    both = table.query("model == 'a' and replicate not in (3, 4, 9)")
    assert listwise["value"].iloc[0] == pytest.approx((both["estimate"] - 1).mean(), rel=EXACT)


def test_a_group_without_a_usable_fit_stays(rng):
    table = estimates(rng, n=5, models=("a", "b"), failed={("a", i) for i in range(5)})
    got = measures.summarise(table, ["model"])
    lost = got[got["model"] == "a"]
    assert lost["value"].isna().all()
    assert lost["mcse"].isna().all()
    assert set(lost["n_used"]) == {0}
    assert set(lost["n_failed"]) == {5}
    given = got[(got["model"] == "b") & ~got["measure"].isin(["type_s", "exaggeration"])]  # of no significant row there is none
    assert given["value"].notna().all()


def test_kind_of_rejection(rng):
    table = estimates(rng, n=10, models=("a", "b", "c"))
    truth = table["model"].map({"a": 0.0, "b": 1.0, "c": 0.0}).astype(float)
    truth[(table["model"] == "c") & (table["replicate"] < 5)] = 1.0
    got = measures.summarise(table.assign(truth=truth), ["model"], measures=["rejection", "bias"])
    kinds = got[got["measure"] == "rejection"]["kind"]
    assert list(kinds) == ["type_one_error", "power", "mixed"]
    assert set(got[got["measure"] == "bias"]["kind"]) == {""}


def test_relative_bias_is_undefined_at_zero_truth(rng):
    got = measures.summarise(estimates(rng, truth=0.0), ["model"], measures=["relative_bias"])
    assert got["value"].isna().all()


def test_wilson_against_scipy():
    for k, n in [(0, 10), (3, 10), (10, 10), (950, 1000)]:
        limits = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert np.allclose(wilson(np.array(k / n), np.array(n)), (limits.low, limits.high), atol=1e-14)  # rounding


def fits_of(table, singular=()):
    fits = table.drop_duplicates(["cell", "replicate", "model"])[["cell", "replicate", "model", "status"]].copy()
    fits["converged"] = fits["status"] == "ok"
    fits["singular"] = [(m, r) in singular for m, r in zip(fits["model"], fits["replicate"], strict=True)]
    fits.loc[fits["singular"], "status"] = "singular"
    return fits.assign(n_groups=10, n_obs=5, group_sd=0.1)


def test_rates_and_reasons(rng):
    table = estimates(rng, n=20, models=("a", "b"), failed={("a", 3)})
    fits = fits_of(table, singular={("a", 7), ("a", 8), ("b", 2)})
    got = measures.rates(fits, ["model"]).set_index(["model", "measure"])
    assert got.loc[("a", "convergence"), "value"] == 0.95
    assert got.loc[("a", "singular"), "value"] == 0.1
    assert got.loc[("a", "failure"), "value"] == 0.05
    assert got.loc[("a", "success"), "value"] == pytest.approx(0.85)
    assert got.loc[("b", "failure"), "low"] == 0
    assert got.loc[("b", "failure"), "high"] > 0.1
    assert got.loc[("a", "failure"), "n_failed"] == 1
    counts = measures.reasons(fits, ["model"]).set_index(["model", "status"])
    assert counts.loc[("a", "not_converged"), "n"] == 1
    assert "optimality" in counts.loc[("a", "not_converged"), "message"]


def test_paired_differences_by_hand(rng):
    table = estimates(rng, n=60, models=("ref", "m"), shared=0.7, failed={("m", 5)})
    got = measures.paired(table, ["term"], "ref").set_index("measure")
    wide = table[table["replicate"] != 5].pivot(index="replicate", columns="model")
    e = wide["estimate"] - 1
    d = (e["m"] ** 2 - e["ref"] ** 2).to_numpy()
    assert got.loc["mse", "value"] == pytest.approx(d.mean(), rel=1e-10)
    assert got.loc["mse", "mcse"] == pytest.approx(d.std(ddof=1) / np.sqrt(59), rel=1e-10)
    roots = np.sqrt((e**2).mean())
    assert got.loc["rmse", "value"] == pytest.approx(roots["m"] - roots["ref"], rel=1e-9)
    ratio = e["ref"].var() / e["m"].var()
    rho = np.corrcoef(e["ref"], e["m"])[0, 1]
    assert got.loc["relative_precision", "value"] == pytest.approx(100 * (ratio - 1), rel=1e-9)
    assert got.loc["relative_precision", "mcse"] == pytest.approx(200 * ratio * np.sqrt((1 - rho**2) / 58), rel=1e-9)
    assert set(got["n_used"]) == {59}
    assert set(got["n_failed"]) == {1}
    # Pairing pays: the errors share 70% of their variance.
    alone = measures.summarise(table, ["model"], measures=["bias"])["mcse"]
    assert got.loc["bias", "mcse"] < 0.8 * np.sqrt((alone**2).sum())


def test_paired_policies(rng):
    table = estimates(rng, n=20, models=("ref", "m", "k"), failed={("k", 5)})
    listwise = measures.paired(table, [], "ref").query("measure == 'bias'")
    available = measures.paired(table, [], "ref", policy="available").query("measure == 'bias'")
    assert list(listwise["n_used"]) == [19, 19]
    assert dict(zip(available["model"], available["n_used"], strict=True)) == {"m": 20, "k": 19}


def test_seed_post_sums(rng):
    table = estimates(rng, n=4, models=("a", "b"), terms=("x", "y"), failed={("a", 2)})
    post = measures.seed_post(table, fits_of(table, singular={("b", 1)}))
    assert list(post.columns) == [
        "Model", "Num_grp", "Num_obs_grp", "Btwn_grp_sigma", "Coef_abs_err", "SE_sum", "T_sum", "Fit_success", "Sim",
    ]  # fmt: skip
    assert len(post) == 8
    row = post.query("Model == 'b' and Sim == 1").iloc[0]
    rows = table.query("model == 'b' and replicate == 1")
    assert row["Coef_abs_err"] == pytest.approx((rows["estimate"] - 1).abs().sum(), rel=EXACT)
    assert row["SE_sum"] == pytest.approx(rows["std_error"].sum(), rel=EXACT)
    assert row["T_sum"] == pytest.approx(rows["statistic"].abs().sum(), rel=EXACT)
    assert not row["Fit_success"]
    lost = post.query("Model == 'a' and Sim == 2").iloc[0]
    assert np.isnan(lost["Coef_abs_err"])
    assert not lost["Fit_success"]
    assert post["Fit_success"].sum() == 6


def test_seed_post_takes_constants_and_names_what_is_missing(rng):
    table = estimates(rng, n=2)
    fits = fits_of(table).drop(columns="n_obs")
    with pytest.raises(InputError, match="n_obs"):
        measures.seed_post(table, fits)
    assert set(measures.seed_post(table, fits, {"n_obs": 25})["Num_obs_grp"]) == {25}


def test_overview_shows_every_strategy_and_both_policies(rng):
    table = estimates(rng, n=20, models=("first", "second"), failed={("first", 3)})
    text = overview(Performance.of_tables(table, fits_of(table)))
    assert text.count("first") == 2, "available and listwise"
    assert "listwise" in text
    whole = estimates(rng, n=20, models=("first", "second"))
    assert "listwise" not in overview(Performance.of_tables(whole, fits_of(whole)))


@pytest.mark.parametrize(
    ("number", "error", "text"),
    [
        (-0.4, 2.0, "0 ± 2"),  # no minus before a zero
        (0.94812, 0.0031, "0.948 ± 0.003"),
        (0.94812, 0.0131, "0.948 ± 0.013"),
        (123.456, 2.6, "123 ± 3"),
        (float("nan"), 0.1, "–"),
        (0.5, float("nan"), "0.5"),
    ],
)
def test_numbers_end_where_their_error_begins(number, error, text):
    assert with_error(number, error) == text


def test_a_rate_of_zero_shows_what_it_may_be():
    assert rate_with_error(0.0, 0.0, 0.0, 0.0711) == "0 (≤ 0.071)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(by=["model", "colour"]), "colour"),
        (dict(policy="redraw"), "available"),
        (dict(alpha=5), "between 0 and 1"),
        (dict(measures=["accuracy"]), "bias"),
    ],
)
def test_bad_arguments_are_refused(rng, change, message):
    with pytest.raises(InputError, match=message):
        measures.summarise(estimates(rng, n=3), **{"by": ["model"], **change})


def test_rows_that_are_missing_are_not_paired_with_others(rng):
    """Replicate 0 of one strategy and 199 of the other are gone: 198 pairs are left, of the same datasets."""
    table = estimates(rng, n=200, models=("ref", "m"), shared=0.99)
    gone = ((table["model"] == "m") & (table["replicate"] == 0)) | ((table["model"] == "ref") & (table["replicate"] == 199))
    for policy in measures.POLICIES:
        got = measures.paired(table[~gone], [], "ref", policy=policy).set_index("measure")
        assert got.loc["bias", "n_used"] == 198
        assert got.loc["bias", "n_failed"] == 1
        assert got.loc["bias", "mcse"] < 0.02, "sd(d) / sqrt(n) = sqrt(2 * .01) / 14; shifted by one it is .1"
    with pytest.raises(InputError, match="twice"):
        measures.paired(pd.concat([table, table.iloc[:1]]), [], "ref")


@pytest.mark.parametrize(("by", "reference", "message"), [(["model"], "a", "model"), ([], "z", "'a'"), ([], "a", "one strategy")])
def test_bad_comparisons_are_refused(rng, by, reference, message):
    models = ("a",) if message == "one strategy" else ("a", "b")
    with pytest.raises(InputError, match=message):
        measures.paired(estimates(rng, n=3, models=models), by, reference)


def test_an_empty_table_is_refused(rng):
    with pytest.raises(InputError, match="empty"):
        measures.summarise(estimates(rng, n=3).iloc[:0], ["model"])


def test_power_and_type_one_error_are_never_averaged(rng):
    table = estimates(rng, n=50, terms=("zero", "one"))
    zero = table["term"] == "zero"
    table.loc[zero, "truth"] = 0.0
    table["p_value"] = np.where(zero, 0.5, 0.001)
    text = headline(Performance.of_tables(table, fits_of(table)))
    assert text.loc["one", "power"].iloc[0].startswith("1 ")
    assert text.loc["zero", "type I error"].iloc[0].startswith("0 ")
    assert "type I error" not in headline(Performance.of_tables(table[~zero], fits_of(table)))


def test_unbounded_intervals_are_infinitely_wide_and_cover(rng):
    """A test that cannot reject has the whole line as its interval: no warning, no NaN, and not left out of an average."""
    table = estimates(rng, cells=2)
    unbounded = table["cell"] == 1
    table.loc[unbounded, "conf_low"] = -np.inf
    table.loc[unbounded, "conf_high"] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_cell = measures.summarise(table, ["cell", "model"], measures=["mean_width", "coverage"]).set_index(["measure", "cell"])
        averaged = measures.summarise(table, ["model"], measures=["mean_width"])
    assert np.isfinite(by_cell.loc["mean_width", "value"].loc[0]).all()
    assert np.isinf(by_cell.loc["mean_width", "value"].loc[1]).all()
    assert (by_cell.loc["coverage", "value"].loc[1] == 1).all()
    assert np.isinf(averaged["value"]).all()
