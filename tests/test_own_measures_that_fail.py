"""What an own measure sees, what is refused, and functions that fail in some stratum."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from test_measures import estimates, fits_of
from test_own_measures import FAR, SAME

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures import OwnMeasure
from jaxsim.measures.stream import Performance


@pytest.fixture
def table():
    return estimates(np.random.default_rng(7), n=30, cells=2, models=("a", "b"), terms=("x", "y"))


def test_rows_are_read_only_and_name_what_there_is():
    seen = {}

    def look(rows):
        seen.update(names=list(rows), listed=dir(rows), size=len(rows), replicate=rows.replicate, truth=rows["truth"])
        with pytest.raises(ValueError, match="read-only"):
            rows.error[0] = 1
        with pytest.raises(AttributeError, match="read-only"):
            rows.error = 1
        return 0.0

    table = estimates(np.random.default_rng(1), n=9)
    measures.summarise(table, [], measures=["look"], own=[OwnMeasure("look", look, influence=lambda rows: rows.error)])
    assert {"error", "estimate", "std_error", "truth", "covers", "rejects", "conf_low", "conf_high", "p_value", "replicate"} <= set(
        seen["names"]
    )
    assert {"squared_error", "absolute_error", "variance", "width", "interval_score"} <= set(seen["listed"])
    assert seen["size"] == 9
    assert list(seen["replicate"]) == list(range(9))
    assert (seen["truth"] == 1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OwnMeasure("", len), "letters, digits and underscores"),
        (lambda: OwnMeasure("two words", len), "letters, digits and underscores"),
        (lambda: OwnMeasure(3, len), "letters, digits and underscores"),
        (lambda: OwnMeasure("bias", len), "built-in measure has that name"),
        (lambda: OwnMeasure("power", len), "built-in measure has that name"),
        (lambda: OwnMeasure("type_one_error", len), "built-in measure has that name"),
        (lambda: OwnMeasure("group_rmse", len), "built-in measure has that name"),
        (lambda: OwnMeasure("relative_precision", len), "built-in measure has that name"),
        (lambda: OwnMeasure("own", 3), "its function is 3; give a function of rows"),
        (lambda: OwnMeasure("own", len, influence=3), "its influence is 3; give a function of rows"),
        (lambda: OwnMeasure("own", lambda rows: "wide"), "it returned 'wide', which is no number"),
        (lambda: OwnMeasure("own", lambda rows: None), "it returned None, which is no number"),
        (lambda: OwnMeasure("own", lambda rows: np.zeros((2, 2))), r"shape \(2, 2\) for 12 rows; give one number, or one per row"),
        (lambda: OwnMeasure("own", lambda rows: rows.error[:3]), r"shape \(3,\) for 12 rows"),
        (lambda: OwnMeasure("own", lambda rows: np.zeros(12)), r"shape \(12,\) for 12 rows"),
        (lambda: OwnMeasure("own", lambda rows: rows.error - rows.error.mean()), "depend on which other rows there are"),
        (lambda: OwnMeasure("own", lambda rows: rows.estimate / rows.truth[0]), "depend on which other rows there are"),
        (lambda: OwnMeasure("own", lambda rows: 1 / 0), "ZeroDivisionError"),
        (lambda: OwnMeasure("own", lambda rows: rows.error, influence=lambda rows: rows.error), "leave its influence out"),
        (lambda: OwnMeasure("own", lambda rows: 1.0, influence=lambda rows: 1.0), "influence gives a single number"),
    ],
)
def test_what_is_no_measure_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_name_that_rows_do_not_have_is_refused_with_those_they_have(table):
    typo = OwnMeasure("typo", lambda rows: rows.eror)
    for call in (
        lambda: measures.summarise(table, [], own=[typo]),
        lambda: measures.paired(table, [], "a", own=[typo]),
        lambda: Performance.of_tables(table, fits_of(table), own=[typo]),
    ):
        with pytest.raises(InputError, match=r"own measure 'typo': rows have no 'eror'\. Did you mean 'error'\? They have .*error"):
            call()
    with pytest.raises(InputError, match="called 'far'"):
        measures.summarise(table, [], own=[FAR, OwnMeasure("far", len)])
    with pytest.raises(InputError, match="give OwnMeasure"):
        measures.summarise(table, [], own=[len])


def fails_for(model_bias):
    """Raises where estimates are far from the truth on average."""

    def function(rows):
        if abs(np.mean(rows.error)) > model_bias:
            raise ValueError("too far")
        return rows.error.std()

    return function


@pytest.mark.parametrize("kind", ["single", "by row", "influence"])
def test_a_function_that_fails_in_some_stratum_has_no_value_there_and_says_so_once(kind):
    table = estimates(np.random.default_rng(3), n=60, cells=3, models=("a", "b"), terms=("x", "y"))  # cell c is biased by c

    def by_row(rows):
        if (np.abs(rows.error) > 4.5).any():
            raise ValueError("too far")
        return rows.error * 2

    def shares(rows):
        if rows.error.mean() > 1.5:
            raise ValueError("too far")
        return rows.error

    table.loc[(table["cell"] == 2) & (table["replicate"] == 3), "estimate"] = 9.0
    own = {
        "single": OwnMeasure("own", fails_for(1.5)),
        "by row": OwnMeasure("own", by_row),
        "influence": OwnMeasure("own", lambda rows: rows.error.mean(), influence=shares),
    }[kind]
    tables = []
    for call in (
        lambda by: measures.summarise(table, by, measures=["own"], own=[own]),
        lambda by: Performance.of_tables(table, fits_of(table), datasets=11, own=[own]).measures(by, measures=["own"]),
    ):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            tables.append([call(["cell", "model", "term"]), call(["model"])])
        said = [str(warning.message) for warning in said if "own measure" in str(warning.message)]
        assert len(said) == 2, "once for each table, or source"
        assert "own measure 'own' has no value in some of its strata" in said[0]
        assert "ValueError: too far" in said[0]
    (fine, pooled), streamed = tables
    failed = fine["cell"] == 2
    assert (fine["value"].isna() == (failed & (kind != "influence"))).all()
    assert (fine["mcse"].isna() == failed).all()
    assert pooled["value"].notna().all(), "of the strata that have a value"
    assert (pooled["mcse"].isna() == (kind == "influence")).all()
    for got, wanted in zip(streamed, (fine, pooled), strict=True):
        pd.testing.assert_frame_equal(got, wanted, check_dtype=False, check_categorical=False, **SAME)


def test_nan_is_said(table):
    own = OwnMeasure("nothing", lambda rows: np.nan)
    with pytest.warns(RuntimeWarning, match="'nothing' has no value .*its function gave NaN"):
        got = measures.summarise(table, [], measures=["nothing"], own=[own])
    assert got["value"].isna().all()
