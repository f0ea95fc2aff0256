"""Measures of one's own: what they may be, their Monte Carlo errors, and that streaming does not change them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from test_measures import estimates, fits_of, value

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures import OwnMeasure, whole
from jaxsim.measures.stream import Performance
from jaxsim.measures.stream import whole as collected

# Sums of some hundred numbers of order 1 in another order, then some ten operations.
SAME = dict(rtol=1e-11, atol=1e-11)

P90 = OwnMeasure("p90", lambda rows: np.quantile(np.abs(rows.error), 0.9))
FAR = OwnMeasure("far", lambda rows: np.abs(rows["error"]) > 1)
MEAN = OwnMeasure("mean_error", lambda rows: rows.error.mean())
SHARED = OwnMeasure("mean_error_again", lambda rows: rows.error.mean(), influence=lambda rows: rows.error + 7)
ROOT = OwnMeasure("root", lambda rows: np.sqrt(np.mean(rows.squared_error)))
ALL = (P90, FAR, MEAN, SHARED, ROOT)
NAMES = [own.name for own in ALL]
LINES = [["cell", "model", "term"], ["model"], ["cell"], ["term"], []]


@pytest.fixture(scope="module")
def table():
    """Strategies fail in different datasets, one of them often; one cell is short, and one stratum has a single row."""
    rng = np.random.default_rng(7)
    failed = {("b", r) for r in range(0, 130, 3)} | {("c", r) for r in range(1, 130, 7)}
    made = estimates(rng, n=130, cells=3, models=("a", "b", "c"), terms=("x", "y"), shared=0.7, failed=failed)
    short = (made["cell"] == 2) & (made["replicate"] >= 33)
    single = (made["cell"] == 1) & (made["model"] == "c") & (made["replicate"] > 0)
    return made[~short & ~single].reset_index(drop=True)


def quiet(call):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call()


def leave_out(rows, block):
    return rows[rows["replicate"] % 50 != block]


def averaged(rows, function):
    """Mean over the strata of one cell of a function of their usable rows."""
    usable = rows[rows["status"] == "ok"]
    return np.mean([function(part) for _, part in usable.groupby(["model", "term"], observed=True)])


def test_numbers_by_row_are_averaged_like_built_in_ones(table):
    """The squared error once more is the built-in mean squared error, error, limits, comparison and all."""
    again = OwnMeasure("again", lambda rows: rows.error**2)
    for by in LINES:
        got = quiet(lambda by=by: measures.summarise(table, by, measures=["mse", "again"], own=[again]))
        mse, own = (got[got["measure"] == name].reset_index(drop=True) for name in ("mse", "again"))
        pd.testing.assert_frame_equal(mse.drop(columns="measure"), own.drop(columns="measure"), check_exact=True)
    paired = measures.paired(table, ["term"], "a", own=[again])
    mse, own = (paired[paired["measure"] == name].reset_index(drop=True) for name in ("mse", "again"))
    pd.testing.assert_frame_equal(mse.drop(columns="measure"), own.drop(columns="measure"), check_exact=True)


def test_only_numbers_by_row_are_compared(table):
    assert {FAR.name} == set(measures.paired(table, [], "a", own=ALL)["measure"]) & set(NAMES)
    source = Performance.of_tables(table, fits_of(table), own=ALL)
    assert {FAR.name} == set(source.compare("b", "a", [])["measure"]) & set(NAMES)


@pytest.mark.parametrize("own", [P90, ROOT], ids=lambda own: own.name)
def test_errors_of_one_stratum_are_those_of_a_jackknife(table, own):
    got = quiet(lambda: measures.summarise(table, ["cell", "model", "term"], measures=[own.name], own=[own]))
    functions = {"p90": lambda rows: np.quantile(abs(rows["estimate"] - rows["truth"]), 0.9)}
    functions["root"] = lambda rows: np.sqrt(((rows["estimate"] - rows["truth"]) ** 2).mean())
    function = functions[own.name]
    for row in got.to_dict("records"):
        rows = table[
            (table["status"] == "ok") & (table[["cell", "model", "term"]] == pd.Series(row)[["cell", "model", "term"]]).all(1)
        ]
        blocks = np.unique(rows["replicate"] % 50)
        without = np.array([function(leave_out(rows, b)) for b in blocks]) if len(rows) > 1 else np.full(1, np.nan)
        error = np.sqrt((len(blocks) - 1) / len(blocks) * ((without - without.mean()) ** 2).sum())
        np.testing.assert_allclose((row["value"], row["mcse"]), (function(rows), error if len(rows) > 1 else np.nan), **SAME)
        assert row["n_used"] == len(rows)


@pytest.mark.parametrize("cell", [0, 2])
def test_errors_of_averages_are_those_of_the_jackknife_of_the_average(table, cell):
    """Six strata of the same datasets, some of which failed: the whole average is computed without each block."""
    rows = table[table["cell"] == cell]

    def function(part):
        return np.sqrt(((part["estimate"] - part["truth"]) ** 2).mean())

    blocks = np.unique(rows["replicate"] % 50)
    without = np.array([averaged(leave_out(rows, b), function) for b in blocks])
    g = len(blocks)
    error = np.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum())
    got = quiet(lambda: measures.summarise(rows, [], measures=["root"], own=[ROOT]))
    assert value(got, "root") == pytest.approx(averaged(rows, function), rel=1e-12)  # the same few sums
    if cell == 0:
        assert value(got, "root", "mcse") == pytest.approx(error, rel=1e-10)  # of sums of squares
    else:
        # 33 datasets are 33 blocks, and a strategy that lacks some has fewer: its pseudo-values divide by another number.
        assert value(got, "root", "mcse") == pytest.approx(error, rel=0.02)


def test_cells_are_independent(table):
    got = measures.summarise(table[table["cell"] < 2].query("model != 'c'"), ["cell"], measures=["root"], own=[ROOT])
    both = measures.summarise(table[table["cell"] < 2].query("model != 'c'"), [], measures=["root"], own=[ROOT])
    assert value(both, "root", "mcse") == pytest.approx(np.sqrt((got["mcse"] ** 2).sum()) / 2, rel=1e-12)  # a handful of sums


@pytest.mark.parametrize("n", [40, 100, 130])
def test_a_jackknife_of_a_mean_is_the_error_of_a_mean(n):
    """Exactly with as many rows in every block; blocks of unequal size are 0.3% off in expectation, and otherwise by chance."""
    table = estimates(np.random.default_rng(n), n=n)
    got = measures.summarise(table, [], measures=["bias", "mean_error", "mean_error_again"], own=[MEAN, SHARED])
    assert value(got, "mean_error") == pytest.approx(value(got, "bias"), rel=1e-12)
    assert value(got, "mean_error_again", "mcse") == pytest.approx(value(got, "bias", "mcse"), rel=1e-12)
    # With 50 blocks an error is known to 1/sqrt(2 * 49) = 10%; three of these.
    assert value(got, "mean_error", "mcse") == pytest.approx(value(got, "bias", "mcse"), rel=1e-9 if n == 40 else 0.3)


def test_monte_carlo_errors_are_sampling_errors():
    """Repeat a study 200 times: the spread of the measure over repetitions is what its error says, though 30% of the fits fail."""
    rng = np.random.default_rng(5)
    lines = (["model", "term"], ["model"], [])
    found = {len(by): [] for by in lines}
    for _ in range(200):
        failed = {(model, r) for model in "ab" for r in range(200) if rng.random() < 0.3}
        table = estimates(rng, n=200, models=("a", "b"), terms=("x", "y"), shared=0.8, failed=failed)
        for by in lines:
            got = measures.summarise(table, by, measures=["root"], own=[ROOT])
            found[len(by)].append(got[["value", "mcse"]].iloc[0])
    for pairs in found.values():
        value, error = np.array(pairs).T
        # 200 repetitions know an SD to 5% (1/sqrt(2 * 199)); three of these.
        assert 0.85 < np.sqrt(np.mean(error**2)) / value.std(ddof=1) < 1.15


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("by", LINES, ids="-".join)
@pytest.mark.parametrize(("datasets", "rows"), [(4096, 2_000_000), (17, 2_000_000), (17, 300)], ids=["one", "many", "passes"])
def test_streamed_measures_are_those_in_memory(table, monkeypatch, by, policy, datasets, rows):
    monkeypatch.setattr(collected, "ROWS", rows)
    source = Performance.of_tables(table, fits_of(table), datasets=datasets, own=ALL)
    for options in ({}, {"truth": "nonzero", "terms": ["y"]}):
        got = quiet(lambda options=options: source.measures(by, policy=policy, measures=["bias", *NAMES], **options))
        wanted = measures.summarise(table, by, policy=policy, measures=["bias", *NAMES], own=ALL, **options)
        pd.testing.assert_frame_equal(got, wanted, check_dtype=False, check_categorical=False, **SAME)


def test_rows_are_collected_for_some_cells_at_a_time(monkeypatch):
    assert [list(p) for p in collected.portions(np.array([3, 4, 0, 5, 20, 1, 0]))] == [list(range(7))]
    monkeypatch.setattr(collected, "ROWS", 7)
    assert [list(p) for p in collected.portions(np.array([3, 4, 0, 5, 20, 1, 0]))] == [[0, 1, 2], [3], [4], [5, 6]]
    assert not list(collected.portions(np.zeros(3, int)))


def test_columns_that_a_table_has_besides_can_be_asked_for(table):
    """As those that a score of a study adds."""
    own = OwnMeasure("seconds", lambda rows: rows.seconds)
    timed = table.assign(seconds=np.arange(len(table)) % 7)
    got = measures.summarise(timed, ["model"], measures=["seconds"], own=[own])
    usable = timed[timed["status"] == "ok"]
    by_stratum = usable.groupby(["cell", "model", "term"], observed=True)["seconds"].mean()
    np.testing.assert_allclose(got["value"], by_stratum.groupby("model", observed=True).mean(), rtol=1e-12)  # a few sums
    source = Performance.of_tables(timed, fits_of(timed), own=[own])
    pd.testing.assert_frame_equal(source.measures(["model"], measures=["seconds"]), got, check_categorical=False, check_dtype=False)


def test_own_measures_are_in_every_table_with_the_others(table):
    source = Performance.of_tables(table, fits_of(table), own=ALL)
    assert list(source.measures([])["measure"]) == [*measures.CATALOGUE, *NAMES]
    alone = measures.summarise(table, ["model"], own=ALL)
    assert set(alone["measure"]) == {*measures.CATALOGUE, *NAMES}
    with pytest.raises(InputError, match=r"'p9' is not known.*Did you mean 'p90'"):
        source.measures([], measures=["p9"])


def test_the_blocks_are_as_documented():
    """Blocks of unequal size make the variance of a mean too large by less than 0.3%: the expectation, for every size."""
    g = whole.BLOCKS
    for n in range(2, 1000):
        sizes = np.bincount(np.arange(n) % g)
        ratio = (len(sizes) - 1) / len(sizes) * (sizes / (n - sizes)).sum()
        assert 1 - 1e-12 < ratio < 1.003
