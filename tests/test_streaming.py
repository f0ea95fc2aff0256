"""Streamed measures are those of tables in memory, however the datasets come; and both are the textbook's."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from test_measures import estimates, fits_of
from test_report import results_of
from textbook_measures import of_line

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures import summary
from jaxsim.measures.differences import CATALOGUE as DIFFERENCES
from jaxsim.measures.middle import middle_of
from jaxsim.measures.sample import Rows
from jaxsim.measures.stream import Performance, held, order
from jaxsim.status import LABELS

MODELS, TERMS, FACTORS = ("a", "b", "c", "few"), ("x", "y", "z"), ["size", "sd"]
# Sums of at most 120 numbers of order 1, added up in another order and then used in some ten operations: 1e-14 each; and what is
# zero but for that rounding.
SAME = dict(rtol=1e-11, atol=1e-11)
# Where rounding meets a square root: 1 - rho^2 of nearly equal estimates.
ROOT = dict(rtol=1e-9, atol=1e-6)
LINES = [
    [],
    ["model"],
    ["term"],
    ["size"],
    ["cell"],
    ["model", "term"],
    ["sd", "model"],
    ["term", "size"],
    ["cell", "model", "term"],
]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Everything that can happen: failures, strategies that are not there, infinite limits, zero and drawn truths, ties."""
    rng = np.random.default_rng(3)
    failed = {("a", i) for i in range(0, 30, 7)} | {("b", i) for i in range(3, 30, 5)}
    made = estimates(rng, n=30, cells=4, models=MODELS, terms=TERMS, shared=0.5, failed=failed)
    cell, model, replicate = made["cell"], made["model"], made["replicate"]
    made["estimate"] += 0.2 * (model == "c")
    made.loc[made["term"] == "y", "truth"] = 0.0
    drawn = pd.Series(rng.normal(1, 0.5, 4 * 30))[cell * 30 + replicate].to_numpy()
    made["truth"] = np.where(made["term"] == "z", drawn, made["truth"])
    lost = (cell == 1) & (model == "c")
    made.loc[lost, ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]] = np.nan
    made.loc[lost, "status"] = "rank_deficient"
    unbounded = (cell == 2) & (model == "b") & (replicate % 4 == 0) & (made["status"] == "ok")
    made.loc[unbounded, ["conf_low", "conf_high"]] = [-np.inf, np.inf]
    made.loc[(cell == 0) & (model == "b") & (replicate < 20) & (made["status"] == "ok"), "estimate"] = 1.5  # ties
    gone = ((model == "few") & (replicate >= 6)) | ((cell == 3) & (replicate >= 11)) | ((cell == 2) & (model == "a"))
    gone |= (cell == 3) & (model == "few") & (replicate > 0)  # one row
    made = made[~gone].reset_index(drop=True)
    made["cell"] += 5
    return made.assign(size=made["cell"] % 2, sd=np.where(made["cell"] < 7, 0.5, 2.0))


@pytest.fixture(scope="module")
def fits(table) -> pd.DataFrame:
    made = fits_of(table, singular={("a", 1), ("c", 2), ("few", 0)}).drop(columns=["n_groups", "n_obs", "group_sd"])
    made["status"] = pd.Categorical(made["status"], LABELS)
    return made.merge(table[["cell", *FACTORS]].drop_duplicates(), on="cell")


def shuffled(estimates_, fits_, frames, seed=0):
    """A source whose frames hold whole datasets, drawn at random, with rows in any order."""
    rng = np.random.default_rng(seed)
    keys = fits_[["cell", "replicate"]].drop_duplicates()
    keys = keys.assign(frame=rng.integers(frames, size=len(keys)))
    calls = []

    def read(name, columns, where=None):
        calls.append(name)
        found = {"estimates": estimates_, "fits": fits_}[name].merge(keys, on=["cell", "replicate"], how="left")
        for _, frame in found.sample(frac=1, random_state=seed).groupby("frame"):
            yield frame[columns]

    cells = fits_[["cell", *(name for name in FACTORS if name in fits_)]].drop_duplicates("cell")
    made = Performance(read, cells, list(MODELS), list(TERMS))
    made.calls = calls
    return made


@pytest.fixture(scope="module", params=[1, 3, 60], ids=lambda n: f"{n}_frames")
def source(request, table, fits):
    made = shuffled(table, fits, request.param, seed=request.param)
    made._held.limit = 0 if request.param == 3 else 100_000 if request.param == 60 else held.HELD
    return made


def same(got, expected, tolerance=SAME):
    assert len(expected)
    pd.testing.assert_frame_equal(got, expected, check_dtype=False, check_categorical=False, **tolerance)


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("by", LINES, ids="-".join)
def test_streamed_measures_are_those_in_memory(source, table, by, policy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = source.measures(by, policy=policy)
    same(got, measures.summarise(table, by, policy=policy))


@pytest.mark.parametrize("by", [[], ["model"], ["term", "size"], ["cell", "model", "term"]], ids="-".join)
def test_measures_in_memory_are_the_textbooks(table, by):
    usable = table[table["status"] == "ok"]
    strata = [key for key, _ in table.groupby(["cell", "model", "term", *FACTORS], observed=True)]
    names = ["cell", "model", "term", *FACTORS]
    rows = dict(iter(usable.groupby(names, observed=True)))
    lines: dict[tuple, list] = {}
    for key in strata:
        line = tuple(key[names.index(name)] for name in by)
        lines.setdefault(line, []).append(rows.get(key, usable.iloc[:0]))
    got = measures.summarise(table, by)
    assert len(got) == len(lines) * len(measures.CATALOGUE)
    for row in got.to_dict("records"):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the textbook divides by zero where there is no answer
            value, mcse = of_line(lines[tuple(row[name] for name in by)], row["measure"])
        np.testing.assert_allclose((row["value"], row["mcse"]), (value, mcse), err_msg=str(row), **SAME)


@pytest.mark.parametrize("truth", [None, "zero", "nonzero"])
@pytest.mark.parametrize("terms", [None, ["y"], ["x", "z"]], ids=str)
def test_terms_and_truths_are_chosen(source, table, terms, truth):
    for by in ([], ["model", "size"]):
        options = dict(policy="listwise", terms=terms, truth=truth)
        expected = measures.summarise(table, by, **options)
        got = source.measures(by, **options)
        if len(expected):
            same(got, expected)
        else:
            assert list(got.columns) == list(expected.columns)
            assert got.empty
    kept = table[table["term"].isin(terms or TERMS)]
    kept = kept if truth is None else kept[(kept["truth"] == 0) == (truth == "zero")]
    assert source.measures([], terms=terms, truth=truth, measures=["bias"])["n_used"].sum() == (kept["status"] == "ok").sum()


def test_truths_that_are_zero_in_some_datasets_only(table, fits):
    mixed = table.assign(truth=np.where(table["replicate"] % 3 == 0, 0.0, table["truth"]))
    source = shuffled(mixed, fits, 5)
    for truth in (None, "zero", "nonzero"):
        for policy in measures.POLICIES:
            options = dict(truth=truth, policy=policy)
            same(source.measures(["model"], **options), measures.summarise(mixed, ["model"], **options))
            same(source.paired("b", [], **options), measures.paired(mixed, [], "b", **options), ROOT)
    assert set(source.measures(["cell"], measures=["rejection"])["kind"]) == {"mixed"}


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("by", [by for by in LINES if "model" not in by], ids="-".join)
def test_streamed_differences_are_those_in_memory(source, table, by, policy):
    for options in ({}, {"terms": ["x", "y"]}, {"truth": "nonzero", "alpha": 0.2}):
        expected = measures.paired(table, by, "b", policy=policy, **options)
        same(source.paired("b", by, policy=policy, **options), expected, ROOT)
        own = expected["model"] == "c"
        same(source.compare("c", "b", by, policy=policy, **options), expected[own].reset_index(drop=True), ROOT)


def test_compare_counts_what_the_two_could_fit(source, table):
    got = source.compare("a", "few", by=[]).set_index("measure")
    wide = table[table["status"] == "ok"].pivot(index=["cell", "replicate", "term"], columns="model", values="estimate")
    both = (wide["a"] - wide["few"]).dropna()
    assert got["n_used"].iloc[0] == len(both) > 0
    by_stratum = both.groupby(["cell", "term"]).mean()
    assert got.loc["bias", "value"] == pytest.approx(by_stratum.mean(), rel=1e-12)  # the same few sums
    assert list(got.index) == list(DIFFERENCES)


def test_the_same_estimates_do_not_differ(table, fits):
    """Nothing is left of a difference between equals: no error, no NaN."""
    twin = table[table["model"] == "b"].assign(model="a")
    both = pd.concat([twin, table[table["model"] == "b"]])
    source = shuffled(both, pd.concat([fits[fits["model"] == "b"].assign(model=m) for m in ("a", "b")]), 4)
    for by in ([], ["cell", "term"]):
        got = source.compare("a", "b", by)
        plain = got[got["measure"] != "relative_precision"]
        assert (plain[["value", "mcse"]] == 0).all(axis=None)
        assert np.abs(got["value"]).max() < 1e-12  # a ratio of the same two numbers


@pytest.mark.parametrize("by", [[], ["model"], ["size"], ["cell", "model"], ["model", "sd"]], ids="-".join)
def test_streamed_rates_and_reasons_are_those_in_memory(source, fits, by):
    same(source.rates(by), measures.rates(fits, by))
    same(source.reasons(by), measures.reasons(fits, by))


def test_cells_are_chosen_and_no_others_read(table, fits):
    asked = []

    def read(name, columns, where=None):
        asked.append(where)
        yield {"estimates": table, "fits": fits}[name][columns]

    cells = fits[["cell", *FACTORS]].drop_duplicates("cell")
    kept = table["size"] == 1
    for begun in (False, True):
        source = Performance(read, cells, list(MODELS), list(TERMS))
        if begun:
            source.measures([])
        asked.clear()
        for where in ({"size": 1}, {"size": [1], "sd": [0.5, 2.0]}, {"size": np.int64(1)}):
            same(source.measures(["model"], where=where), measures.summarise(table[kept], ["model"]))
            same(source.paired("b", [], where=where), measures.paired(table[kept], [], "b"), ROOT)
            same(source.rates([], where=where), measures.rates(fits[fits["size"] == 1], []))
            same(source.reasons([], where=where), measures.reasons(fits[fits["size"] == 1], []))
        assert all(bool(where) != begun for where in asked), "what has been read once is used again"


@pytest.mark.parametrize("large", [True, False])
def test_one_state_serves_every_table(table, fits, large):
    def shuffled_(*given):
        source = shuffled(*given)
        source._held.limit = 0 if large else held.HELD
        return source

    looks = ["estimates"] * (3 if large else 1)
    source = shuffled_(table, fits, 4)
    for by in LINES:
        source.measures(by)
        source.measures(by, truth="nonzero", terms=["x"])
    assert source.calls == looks
    complete = table[table["status"] == "ok"].groupby(["cell", "replicate"]).filter(lambda rows: len(rows) == 12)
    source = shuffled_(complete, fits, 4)
    for policy in measures.POLICIES:
        source.measures(["model"], policy=policy)
    assert source.calls == looks, "nothing failed: the policies are the same"
    source = shuffled_(table, fits, 4)
    source.measures(measures=["bias", "coverage"])
    assert source.calls == ["estimates"], "one look is enough for plain means by stratum"


def test_what_is_held_of_a_source_is_bounded(table, fits):
    """All of it or nothing: a look that had to read the rest would read as much."""
    source = shuffled(table, fits, 9)
    source.measures(["model"])
    whole = source._held.size
    sizes = sum(held.size_of(batch) for batch in next(iter(source._held.batches.values())))
    assert 0 < whole == sizes
    for limit, kept in ((whole, 1), (whole - 1, 0), (whole + 10, 1)):
        source = shuffled(table, fits, 9)
        source._held.limit = limit
        same(source.measures(["model"]), measures.summarise(table, ["model"]))
        assert len(source._held.batches) == kept
        assert source._held.size == kept * whole


def test_summaries_merge_in_any_order():
    rng = np.random.default_rng(1)
    values = {"x": 1e4 + rng.normal(size=500), "y": rng.exponential(size=500)}
    code = rng.integers(3, size=500)
    names, pairs = ("x", "y"), (("x", "x"), ("x", "y"), ("y", "y"))
    whole = summary.summary_of(Rows(code, values), 4, names, pairs)
    for parts in (2, 40):
        part = rng.integers(parts, size=500)
        total = summary.empty(4, names, pairs)
        for i in rng.permutation(parts):
            rows = Rows(code[part == i], {name: v[part == i] for name, v in values.items()})
            total = summary.merge(total, summary.summary_of(rows, 4, names, pairs))
        assert np.array_equal(total.size, whole.size)
        for name in names:
            np.testing.assert_allclose(total.means[name], whole.means[name], rtol=1e-13)  # rounding of some 40 sums
        for a, b in pairs:
            # x is known to 1e4 * 2e-16 = 2e-12 of its spread; sums of raw squares would lose eight digits.
            np.testing.assert_allclose(total.products[a, b], whole.products[a, b], rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("far", [1e3, 1e6])
def test_a_large_bias_costs_no_digits(table, fits, far):
    """Errors of spread 1 around a bias of a million: sums of squares would know nothing of the spread."""
    away = table.assign(estimate=table["estimate"] + far, conf_low=table["conf_low"] + far, conf_high=table["conf_high"] + far)
    source = shuffled(away, fits, 20)
    names = ["bias", "empirical_se", "model_se_error", "bias_eliminated_coverage"]
    # An estimate is stored to 2e-16 of the bias: 2e-10 of its spread at a million, and means to a few of these.
    expected = measures.summarise(away, ["model"], measures=names)
    same(source.measures(["model"], measures=names), expected, dict(rtol=1e-8, atol=1e-8))


VALUES = {
    "normal": lambda rng: np.abs(rng.normal(size=3000)),
    "ties": lambda rng: rng.integers(3, size=3000).astype(float),
    "one value": lambda rng: np.full(3000, 0.7),
    "tiny and huge": lambda rng: 10.0 ** rng.uniform(-30, 30, 3000),
    "infinite": lambda rng: np.where(rng.random(3000) < 0.6, np.inf, rng.random(3000)),
    "zeros": lambda rng: np.where(rng.random(3000) < 0.6, 0, rng.random(3000)),
    "cauchy": lambda rng: np.abs(rng.standard_cauchy(3000)),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("most", [4096, 5], ids=["collected", "narrowed"])
def test_streamed_medians_are_exact(monkeypatch, name, most):
    monkeypatch.setattr(order, "MOST_VALUES", most)
    rng = np.random.default_rng(2)
    values, code = VALUES[name](rng), rng.choice(5, 3000, p=[0.6, 0.3, 0.098, 0.002, 0])
    size = np.bincount(code, minlength=6)
    bins = order.Bins.first(6)
    bins.add(code, values)
    bracket = bins.narrowed(size)
    for _ in range(10):
        if not bracket.too_wide(size).any():
            break
        bins = order.Bins.of(bracket)
        bins.add(code, values)
        bracket = bins.narrowed(size)
    kept = order.Collector(bracket)
    kept.add(code, values)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        got, expected = kept.middle(size), middle_of(values, code, size)
    for field in ("median", "low", "high", "lean"):
        np.testing.assert_array_equal(getattr(got, field), getattr(expected, field), err_msg=field)
    if name in ("normal", "tiny and huge", "cauchy"):
        held = np.bincount(np.concatenate(kept.codes).astype(int), minlength=6)
        assert (held <= most + 4 * np.sqrt(size)).all()
        assert expected.median[0] == np.median(values[code == 0])


def test_arrays_are_labelled(source, table):
    pytest.importorskip("xarray")
    wide = source.to_xarray(policy="listwise")
    assert wide["value"].dims == ("measure", "model", "size", "sd", "term")
    assert list(wide["model"].values) == list(MODELS)
    assert list(wide["sd"].values) == [0.5, 2.0]
    long = source.measures(policy="listwise")
    for row in long.to_dict("records"):
        place = {name: row[name] for name in ("model", "size", "sd", "term")}
        for name in ("value", "mcse", "low", "high"):
            np.testing.assert_equal(float(wide[name].sel(measure=row["measure"], **place)), row[name])
        for name in ("n_used", "n_failed"):
            assert int(wide[name].sel(**place)) == row[name]
    assert np.isnan(wide["value"].sel(model="a", size=1, sd=2.0, measure="bias")).all(), "this strategy is not in that cell"
    assert source.to_xarray(["term"], measures=["bias"])["value"].shape == (1, 3)


def test_levels_keep_their_kind(table, fits):
    pytest.importorskip("xarray")
    named = {0: 5, 1: "UniformSizes(low=3, high=9)"}
    tables = (made.assign(size=made["size"].map(named).astype(object)) for made in (table, fits))
    wide = Performance.of_tables(*tables, factors=["size"]).to_xarray(["size"], measures=["bias"])
    assert list(wide["size"].values) == [named[1], 5] or list(wide["size"].values) == [5, named[1]]
    assert np.isfinite(wide["value"].sel(size=5)).all()


def test_a_missing_xarray_names_the_extra(source, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(InputError, match=r"pip install 'jaxsim-studies\[xarray\]'"):
        source.to_xarray()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda s: s.measures(["truth"]), "not a column that lines can be made of; use model, cell, size, sd, term"),
        (lambda s: s.measures([], where={"size": 9}), "no cell has that; the levels are"),
        (lambda s: s.measures([], where={"colour": 9}), "factor='colour' is not known"),
        (lambda s: s.measures([], where={"size": 0, "sd": [0.5, 3.0]}), "no cell has that"),
        (lambda s: s.measures([], terms=["w"]), "term='w' is not known"),
        (lambda s: s.measures([], truth="none"), "truth='none' is not known.* [uU]se one of 'zero', 'nonzero'"),
        (lambda s: s.measures([], policy="redraw"), "policy='redraw' is not known"),
        (lambda s: s.measures([], alpha=5), "between 0 and 1"),
        (lambda s: s.rates(["term"]), "'term' is not a column"),
        (lambda s: s.paired("z"), "reference='z' is not known"),
        (lambda s: s.paired("a", ["model"]), "leave it out"),
        (lambda s: s.compare("a", "a"), "does not differ from itself"),
        (lambda s: s.compare("z", "a"), "strategy='z' is not known"),
    ],
)
def test_bad_questions_are_refused(source, ask, message):
    with pytest.raises(InputError, match=message):
        ask(source)


def test_bad_tables_are_refused(table, fits):
    with pytest.raises(InputError, match="some row twice"):
        shuffled(pd.concat([table, table.iloc[:1]]), fits, 2).measures([])
    renamed = table.assign(model=table["model"].astype(str).replace("few", "new"))
    with pytest.raises(InputError, match="model 'new'; this study has 'a', 'b'"):
        shuffled(renamed, fits, 2).measures([])
    with pytest.raises(InputError, match="has cells"):
        Performance.of_tables(table, fits[fits["cell"] > 5]).measures([])
    with pytest.raises(InputError, match="estimates table is empty"):
        shuffled(table.iloc[:0], fits, 2).measures([])
    with pytest.raises(InputError, match="fits table is empty"):
        shuffled(table, fits.iloc[:0], 2).rates([])


def test_results_are_read_in_whole_datasets(tmp_path):
    results = results_of(tmp_path / "run", {"n_groups": [5, 10]}, replicates=7)
    columns = ["cell", "replicate", "model", "term", "estimate"]
    frames = list(results.frames("estimates", columns, where={"n_groups": 10}, replicates=5, datasets=2))
    assert [len(frame) for frame in frames] == [2 * 9, 2 * 9, 9]  # three strategies, three coefficients
    table = results.estimates.query("n_groups == 10 and replicate < 5")
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), table[columns].reset_index(drop=True))
    with pytest.raises(InputError, match="table='fit' is not known"):
        next(results.frames("fit"))
    same(results.measures(["model"], terms=["IV1"]), measures.summarise(results.estimates, ["model"], terms=["IV1"]))
    pairs = measures.paired(results.estimates, ["n_groups"], "lm2", policy="available")
    same(results.compare("lmer", "lm2", ["n_groups"]), pairs[pairs["model"] == "lmer"].reset_index(drop=True), ROOT)


def test_rows_are_counted_whatever_was_measured_before(table, fits):
    """Also where a table of some levels, which are all there are, has been over the same cells."""
    made, again = (Performance.of_tables(table, fits, factors=FACTORS) for _ in range(2))
    made.measures(["model"], where={"size": sorted(table["size"].unique())})
    assert made.counts == again.counts
    assert made.present == again.present == TERMS
