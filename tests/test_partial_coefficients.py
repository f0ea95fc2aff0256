"""Strategies that estimate different coefficients: what is not there is no failure, and what is common is compared."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from test_measures import estimates, fits_of
from test_streaming import ROOT, SAME, same
from textbook_measures import of_line

from jaxsim import measures
from jaxsim.measures import OwnMeasure
from jaxsim.measures.apart import measures_of_fits
from jaxsim.measures.overview import headline, overview
from jaxsim.measures.stream import Performance

MODELS, TERMS = ("full", "part", "slopes"), ("Intercept", "x", "z")
LINES = [[], ["model"], ["term"], ["cell"], ["model", "term"], ["cell", "term"], ["cell", "model", "term"]]
OWN = (OwnMeasure("p90", lambda rows: np.quantile(np.abs(rows.error), 0.9)), OwnMeasure("far", lambda rows: rows.error > 1))


def lacks(model, term, cell):
    """``part`` has no ``z``; ``slopes`` no intercept, and no ``x`` in cell 1."""
    return (model == "part" and term == "z") or (model == "slopes" and (term == "Intercept" or (term == "x" and cell == 1)))


@pytest.fixture(scope="module")
def whole():
    rng = np.random.default_rng(4)
    failed = {("full", 3), ("full", 17), ("part", 3), ("part", 20), ("slopes", 30)}
    return estimates(rng, n=36, cells=2, models=MODELS, terms=TERMS, shared=0.5, failed=failed, truth=0.7)


@pytest.fixture(scope="module")
def table(whole):
    gone = [lacks(*key) for key in zip(whole["model"], whole["term"], whole["cell"], strict=True)]
    return whole[~np.array(gone)].reset_index(drop=True)


@pytest.fixture(scope="module", params=[4096, 7], ids=["one_frame", "many"])
def source(request, table):
    return Performance.of_tables(table, fits_of(table), datasets=request.param, own=OWN)


def complete(table):
    """Rows of datasets in which no estimate that is there comes from a fit that failed."""
    return table[table.groupby(["cell", "replicate"])["status"].transform(lambda status: (status == "ok").all())]


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("by", LINES, ids="-".join)
def test_lines_average_the_strata_that_exist(table, source, by, policy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = measures.summarise(table, by, policy=policy, own=OWN)
        same(source.measures(by, policy=policy), got)
    usable = table[table["status"] == "ok"] if policy == "available" else complete(table)
    strata = dict(iter(usable.groupby(["cell", "model", "term"], observed=True)))
    names = ["cell", "model", "term"]
    lines = {}
    for key, rows in strata.items():
        lines.setdefault(tuple(key[names.index(name)] for name in by), []).append(rows)
    assert len(got) == len(lines) * (len(measures.CATALOGUE) + len(OWN))
    for row in got[got["measure"].isin(["bias", "rmse", "coverage", "model_se_error"])].to_dict("records"):
        line = lines[tuple(row[name] for name in by)]
        np.testing.assert_allclose((row["value"], row["mcse"]), of_line(line, row["measure"]), **SAME)
        assert row["n_used"] == sum(map(len, line))


def test_what_is_not_there_is_no_failure(table, source):
    for got in (
        measures.summarise(table, ["model", "term"], measures=["bias"]),
        source.measures(["model", "term"], measures=["bias"]),
    ):
        found = got.set_index(["model", "term"])
        full, part, slopes = (
            [("full", term) for term in TERMS],
            [("part", "Intercept"), ("part", "x")],
            [("slopes", "x"), ("slopes", "z")],
        )
        assert set(found.index) == {*full, *part, *slopes}
        assert found.loc[("slopes", "x"), "n_used"] == 35, "of one cell"
        assert found.loc[("slopes", "x"), "n_failed"] == 1
        assert found.loc[("slopes", "z"), "n_used"] == 70
        assert found.loc[("part", "x"), "n_failed"] == 4
    listwise = source.measures(["model", "term"], policy="listwise", measures=["bias"])
    assert set(listwise["n_used"]) == {32, 64}, "36 less replicates 3, 17, 20 and 30"


def test_fits_are_counted_once_whatever_they_estimate(table, source):
    rates = source.rates(["model"])
    assert set(rates["n_used"]) == {72}
    same(rates, measures.rates(fits_of(table), ["model"]))
    counts = source.reasons(["model"]).set_index(["model", "status"])["n"]
    assert dict(counts) == {(m, s): 4 if s != "ok" else 68 for m in ("full", "part") for s in ("ok", "not_converged")} | {
        ("slopes", "ok"): 70,
        ("slopes", "not_converged"): 2,
    }


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("reference", MODELS)
@pytest.mark.parametrize("by", [by for by in LINES if "model" not in by], ids="-".join)
def test_common_coefficients_are_compared(whole, table, source, by, reference, policy):
    got = measures.paired(table, by, reference, policy=policy, own=OWN)
    streamed = source.paired(reference, by, policy=policy)
    same(streamed, got, ROOT)
    for model in set(MODELS) - {reference}:
        keys = zip(table["term"], table["cell"], strict=True)
        common = np.array([not lacks(model, *key) and not lacks(reference, *key) for key in keys])
        # The same as if the two had no other coefficients; under listwise only datasets that all strategies fitted.
        kept = table if policy == "available" else complete(table)
        kept = kept[common[kept.index] & kept["model"].isin([model, reference])]
        lines = got[got["model"] == model].reset_index(drop=True)
        if kept.empty:
            assert lines.empty
            continue
        alone = measures.paired(kept, by, reference, policy="available", own=OWN)
        ignored = ["policy", "n_failed"] if policy == "listwise" else ["policy"]
        same(lines.drop(columns=ignored), alone.drop(columns=ignored), ROOT)
    if policy == "available" and reference == "full" and not by:
        assert dict(zip(got["model"], got["n_failed"], strict=True)) == {"part": 2 * 2 * 3, "slopes": 3 * 3}


def test_strategies_without_a_common_coefficient_are_not_compared(table):
    apart = table[
        ((table["model"] == "part") & (table["term"] == "Intercept")) | ((table["model"] == "slopes") & (table["term"] == "z"))
    ]
    got = measures.paired(apart, ["term"], "part")
    streamed = Performance.of_tables(apart, fits_of(apart)).paired("part", ["term"])
    assert got.empty
    assert streamed.empty
    assert list(got.columns) == list(streamed.columns)


def test_the_overview_has_a_dash_where_there_is_nothing(table):
    made = Performance.of_tables(table, fits_of(table))
    text = headline(made, by=["term"], measures=["bias", "power"])
    assert ("slopes", "Intercept") not in text.index
    assert len(text) == 7
    zero = table.assign(truth=table["truth"].where(table["model"] != "part", 0.0))
    wide = headline(Performance.of_tables(zero, fits_of(zero)))
    assert wide.loc[("x", "part"), "power"] == "–"
    assert wide.loc[("x", "part"), "type I error"] != "–"
    assert wide.loc[("x", "full"), "type I error"] == "–"
    assert ("z", "part") not in wide.index


def of_terms(table, **wanted):
    """Estimates of some of the terms of each model."""
    kept = [term in wanted[model] for model, term in zip(table["model"], table["term"], strict=True)]
    some = table[np.array(kept)].reset_index(drop=True)
    return Performance.of_tables(some, fits_of(some))


def test_a_coefficient_is_that_of_the_strategies_that_have_it(whole):
    """One that some strategy lacks is in the tables of the others, which is said, and averaged with none that they all have."""
    made = of_terms(whole, full=TERMS, part=("Intercept", "z"), slopes=("x", "z"))
    assert made.compared == ("x", "z")
    assert made.estimating(["x"]) == ("full", "slopes")
    assert made.estimating(["Intercept", "x"]) == MODELS
    text = overview(made, measures=["rmse"])
    assert "2 cells, each of 2 coefficients by itself, without the intercept, 72 datasets; part has no x (" in text
    table = headline(made, measures=["rmse"])
    assert list(table.index) == [("x", "full"), ("x", "slopes"), *(("z", model) for model in MODELS)]
    for term in ("x", "z"):
        alone = headline(made, terms=[term], measures=["rmse"])["RMSE"]
        assert table.loc[term, "RMSE"].tolist() == alone.tolist()
    assert "has no" not in overview(made, terms=["x"], measures=["rmse"]), "of those that have what was asked for"
    assert "; part has no x (" in overview(made, terms=["x", "z"], measures=["rmse"])
    assert of_terms(whole, full=TERMS, part=TERMS, slopes=TERMS).compared == ("x", "z")
    assert of_terms(whole, full=("Intercept",), part=("Intercept",), slopes=("Intercept",)).compared == ("Intercept",)
    two = of_terms(whole, full=("Intercept", "x"), part=("Intercept", "z"), slopes=("Intercept",))
    assert two.compared == ("x", "z")
    assert "; full has no z; part has no x (" in overview(two)


def test_a_coefficient_without_a_true_value_is_for_those_who_ask_for_it(whole):
    """Unless every strategy has it: nothing can be said of it but how often it is told from zero."""
    untold = whole.assign(truth=whole["truth"].where(whole["term"] != "z"))
    assert of_terms(untold, full=TERMS, part=("x",), slopes=("x",)).compared == ("x",)
    assert "2 cells and the coefficient x, the only one with a true value, 72 datasets (" in overview(
        of_terms(untold, full=TERMS, part=("x",), slopes=("x",))
    )
    assert of_terms(untold, full=TERMS, part=("x", "z"), slopes=("x", "z")).compared == ("x", "z")
    assert of_terms(untold, full=("z",), part=("Intercept",), slopes=("z",)).compared == ("z",)


def test_what_is_of_whole_fits_is_that_of_every_strategy(whole):
    """Read beside the first coefficient that each has."""
    made = of_terms(whole, full=TERMS, part=("Intercept", "z"), slopes=("x", "z"))
    found = measures_of_fits(made, ["model"], ["coverage"], [("x",), ("z",)])
    assert found["model"].astype(str).tolist() == ["full", "slopes", "part"]
    for model, term in (("full", "x"), ("slopes", "x"), ("part", "z")):
        (value,) = made.measures(["model"], measures=["coverage"], terms=[term]).query("model == @model")["value"]
        assert found.set_index("model").loc[model, "value"] == value
