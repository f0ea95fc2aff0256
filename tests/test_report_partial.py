"""Reports of strategies that have some coefficients, or fitted the first datasets alone: what is said is of what they share."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_up import MODELS, note, results_of

from jaxsim import FrameStrategy, GaussianMultilevel, Grid, LinearMixed, PooledOLS, TwoStage, report
from jaxsim.errors import InputError
from jaxsim.report import tables
from jaxsim.report.figures.numbers import Numbers, datasets_in_words
from jaxsim.report.filters import MODEL, filters
from jaxsim.report.found import found_of
from jaxsim.report.gathered import every_standings
from jaxsim.report.how_many import how_many

SLOW, EVERY, FIRST = "slowly", 40, 20
PART = PooledOLS("part", formula="DV ~ IV1 + IV2")


def slowly(data):
    """One coefficient, of a few datasets."""
    return {"estimate": data["DV"].mean()}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four strategies have IV1, five IV2; one of these fitted half of the datasets. All keep their level."""
    grid = Grid(n_groups=[5, 10, 30], effect=[0, 0.3]).linked(lambda effect, **_: {"fixed_effects": (0, 0.5, effect, 1)})
    slow = FrameStrategy(slowly, terms=("IV2",), first=FIRST)
    made = {"process": GaussianMultilevel(n_predictors=3), "spread": dict.fromkeys(["ols", "lm2", "lmer", "part", SLOW], 0.2)}
    return results_of(tmp_path_factory.mktemp("partial") / "run", grid, (*MODELS, PART, slow), EVERY, **made)


@pytest.fixture(scope="module")
def numbers(results):
    return Numbers(results)


def told(numbers):
    every = every_standings(numbers)
    return {(one.of, one.about): one.text for one in found_of(every, [how_many(numbers, one.answering) for one in every])}


def test_a_strategy_without_a_coefficient_takes_it_from_no_other(numbers):
    assert numbers.families == (("IV2",), ("IV1",), ("IV3",))  # what varies, then what more of them have
    found = told(numbers)
    assert found["IV1", "Without it"] == f"{SLOW} has no IV1."
    assert found["IV3", "Without it"] == f"part and {SLOW} have no IV3."
    assert ("IV2", "Without it") not in found
    assert {of for of, about in found if about == "Power"} == {"IV1", "IV2", "IV3"}
    assert not [key for key, text in found.items() if SLOW in text and key[0] in ("IV1", "IV3") and key[1] != "Without it"]
    assert SLOW in found["All coefficients", "Fits"]


def test_strategies_are_compared_on_the_datasets_that_all_of_them_fitted(results, numbers):
    standings = every_standings(numbers)[0]
    common, first = standings.common, results.performance_of(FIRST)
    assert (common.replicates, common.datasets, {s.only for s in common.strategies}) == (FIRST, FIRST * 6, {None})
    rows = first.measures(["model"], terms=["IV2"], measures=["power", "rmse", "coverage", "bias"])
    for s in common.strategies:
        for measure in ("power", "rmse", "coverage", "bias"):
            (row,) = rows[(rows["model"] == s.name) & (rows["measure"] == measure)].to_dict("records")
            assert getattr(s, measure).value == row["value"]
    (row,) = results.compare("ols", SLOW, [], terms=["IV2"]).query("measure == 'rmse'").to_dict("records")
    assert row["n_used"] == FIRST * 6
    pair = common.differences["rmse", "ols", SLOW]
    assert dataclasses.astuple(pair) == pytest.approx([row[name] for name in ("value", "mcse", "low", "high")], rel=1e-9)
    assert ("rmse", "ols", "nobody") not in common.differences
    found = told(numbers)
    assert f"On the first {FIRST} datasets of each cell, which all of these fitted, " in found["IV2", "Power"]
    assert f"{common.of([SLOW]).strategies[0].power.value:.2f}" in found["IV2", "Power"]
    assert f"of the first {FIRST} alone" not in found["IV2", "Power"]
    assert "On " not in found["IV1", "Power"]
    assert every_standings(numbers)[1].common is None
    assert f"more than 30 by {SLOW} (on the first {FIRST} datasets)" in found["IV2", "How many"]


def test_captions_say_who_fitted_the_first_datasets_alone(results):
    assert note(results.plot.bias()).startswith(
        f"Each coefficient by itself. {EVERY} datasets per cell (the first {FIRST} alone by {SLOW}). "
    )
    assert f"{EVERY} datasets per cell. " in note(results.plot.bias(terms="IV1"))
    level = note(results.plot.type_one_error())
    assert f"{EVERY} datasets per cell (the first {FIRST} alone by {SLOW})." in level
    assert f"independent ({EVERY} a point; too narrow for {SLOW}, which has {FIRST})." in level
    assert "too narrow" not in note(results.plot.type_one_error(strategies=["ols", "lmer"]))
    names = [estimator.name for estimator in results.study.estimators]
    assert datasets_in_words(results.study, names, 10) == f"The first 10 of {EVERY} datasets per cell"
    assert datasets_in_words(results.study, names, 30) == (
        f"The first 30 of {EVERY} datasets per cell (the first {FIRST} alone by {SLOW})"
    )


def test_figures_have_every_coefficient_of_those_that_have_it(results):
    """And none of a strategy that has none of those that are asked for."""
    drawn = {str(line.get_label()) for ax in results.plot.bias(terms="IV3").axes for line in ax.lines}
    assert {"ols", "lm2", "lmer"} <= drawn
    assert drawn.isdisjoint({"part", SLOW})
    labels = [[str(line.get_label()) for line in ax.lines] for ax in results.plot.bias().axes]
    assert any(SLOW in own for own in labels)
    assert any(SLOW not in own and "ols" in own for own in labels)


def test_a_page_about_a_coefficient_names_no_strategy_that_lacks_it(results, tmp_path):
    page = report.write(results, tmp_path / "one", terms="IV3").read_text(encoding="utf-8")
    assert SLOW not in page
    assert "listwise" not in page
    assert ">part<" not in page
    assert "part leaves out" not in page
    for every in (report.write(results, tmp_path / "every"), report.write(results, tmp_path / "two", terms=["IV2", "IV3"])):
        text = every.read_text(encoding="utf-8")
        assert f"part and {SLOW} have no IV3." in text
        assert f'<option value="{SLOW}">' in text
        assert "listwise" in text
    (models,) = [one for one in filters(Numbers(results, terms=("IV3",))) if one.key == MODEL]
    assert list(models.options) == ["ols", "lm2", "lmer"]


def test_coefficients_of_all_strategies_come_first(tmp_path):
    part = PooledOLS("part", formula="DV ~ IV2")
    assert Numbers(results_of(tmp_path / "run", estimators=(*MODELS, part))).families == (("IV2",), ("IV1",))


def test_a_figure_compares_with_a_strategy_that_has_all_coefficients(tmp_path):
    mixed = LinearMixed("DV ~ IV1 + (1 | Group)", label="part")
    numbers = Numbers(results_of(tmp_path / "run", estimators=(mixed, PooledOLS(), TwoStage())))
    assert numbers.reference == "ols"
    assert set(numbers.paired("rmse")["term"]) == {"IV1", "IV2"}
    assert dataclasses.replace(numbers, terms=("IV1",)).reference == "part"


def test_the_table_of_whole_fits_is_of_the_strategies_that_are_shown(results, monkeypatch):
    names = [estimator.name for estimator in results.study.estimators]
    texts = pd.DataFrame({name: ["0"] * 5 for name in ("predict", "singular", "failed")}, pd.Index(names, name="model"))
    monkeypatch.setattr(tables, "of_fits", lambda *_, **__: texts)
    *_, whole = tables.headlines(Numbers(results, terms=("IV1", "IV3")))
    assert [row[0] for row in whole.rows] == ["ols", "lm2", "lmer", "part"]


def test_numbers_of_a_common_coefficient_are_what_they_were(results):
    """Of all datasets that each has."""
    table = results.measures(["model"], terms=["IV2"], measures=["rmse"]).set_index("model")
    assert table.loc[SLOW, "n_used"] == FIRST * 6
    for s in every_standings(Numbers(results, terms=("IV2",)))[0].strategies:
        assert np.isclose(s.rmse.value, table.loc[s.name, "value"], rtol=1e-12)


def test_a_figure_of_strategies_without_its_coefficients_is_refused(results):
    with pytest.raises(InputError, match=r"none of these has IV1; name ols, lm2, lmer or part\."):
        results.plot.bias(strategies=SLOW, terms="IV1")
