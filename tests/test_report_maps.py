"""Heat maps: every measure in its place, marks, hatching, colours, and which factor goes where."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from made_up import LEVELS, five_factors, legend, lines, marks, meshes, note, results_of

from jaxsim import GaussianMultilevel, Grid, report
from jaxsim.report.figures import rates, tiles
from jaxsim.report.figures.error_scale import error_scale
from jaxsim.report.figures.numbers import Numbers


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """Five factors."""
    return five_factors(tmp_path_factory.mktemp("five") / "run")


def test_a_map_has_every_measure_in_its_place(five):
    figure = report.draw("coverage_map", five)
    expected = lines(five, "coverage", ["group_sd", "n_obs", "n_groups"])
    order = list(itertools.product(["ols", "lm2", "lmer"], LEVELS["n_obs"]))  # rows of panels are strategies
    values = [[[expected[m, sd, n, g]["value"] for g in LEVELS["n_groups"]] for sd in LEVELS["group_sd"]] for m, n in order]
    assert np.array_equal(meshes(figure), np.array(values))
    excluded = [
        {
            (y, x)
            for y, sd in enumerate(LEVELS["group_sd"])
            for x, g in enumerate(LEVELS["n_groups"])
            if not expected[m, sd, n, g]["low"] <= 0.95 <= expected[m, sd, n, g]["high"]
        }
        for m, n in order
    ]
    assert marks(figure, "dots") == excluded
    assert 6 < sum(map(len, excluded)) < 30  # some are marked, some are not
    assert [ax.get_title() for ax in figure.axes[:2]] == [f"observations per group: {n}" for n in LEVELS["n_obs"]]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["0", "1"]
    assert [text.get_text() for text in figure.axes[-1].get_xticklabels()] == ["5", "10", "200"]
    halves = [(row["high"] - row["low"]) / 2 for row in expected.values()]
    assert f"typically ±{np.median(halves):.2g}, at most ±{max(halves):.2g}" in note(figure)
    assert "All levels of correlation of group effects and effect (standard errors) are averaged." in note(figure)


def test_power_keeps_effects_apart_and_is_crossed_out_where_errors_are_too_many(five):
    figure = report.draw("power_map", five)
    power = lines(five, "rejection", ["effect_in_se", "n_obs", "n_groups"], lambda truth: truth != 0)
    error = lines(five, "rejection", ["n_obs", "n_groups"], lambda truth: truth == 0)
    order = list(itertools.product(["ols", "lm2", "lmer"], [1, 3]))
    places = list(itertools.product(enumerate(LEVELS["n_obs"]), enumerate(LEVELS["n_groups"])))
    values = [[[power[m, e, n, g]["value"] for g in LEVELS["n_groups"]] for n in LEVELS["n_obs"]] for m, e in order]
    assert np.array_equal(meshes(figure), np.array(values))
    crossed = [{(y, x) for (y, n), (x, g) in places if error[m, n, g]["low"] > 0.075} for m, _ in order]
    assert marks(figure, "crosses") == crossed
    assert list(map(len, crossed))[:2] == [6, 6]  # all of ols
    dotted = [{(y, x) for (y, n), (x, g) in places if power[m, e, n, g]["low"] >= 0.8} for m, e in order]
    assert marks(figure, "dots") == [dots - crosses for dots, crosses in zip(dotted, crossed, strict=True)]
    assert any(marks(figure, "dots"))
    assert "type I error above 0.075 there" in legend(figure)


def test_without_true_zeros_it_is_coverage_that_crosses_power_out(tmp_path):
    grid = {"n_groups": [5, 10, 20], "n_obs": [3, 10]}
    results = results_of(tmp_path / "run", grid, process=GaussianMultilevel(n_predictors=1), replicates=40, spread={"ols": 1.2})
    coverage = lines(results, "coverage", ["n_obs", "n_groups"])
    places = list(itertools.product(enumerate(grid["n_obs"]), enumerate(grid["n_groups"])))
    figure = report.draw("power_map", results)
    low = [{(y, x) for (y, n), (x, g) in places if coverage[m, n, g]["high"] < 0.925} for m in ("ols", "lm2", "lmer")]
    assert marks(figure, "crosses") == low
    assert len(low[0]) == 6
    assert "coverage below 0.925 there" in legend(figure)


def test_the_map_of_type_one_error_is_about_true_zeros(five):
    figure = report.draw("type_one_error_map", five)
    expected = lines(five, "rejection", ["group_sd", "n_obs", "n_groups"], lambda truth: truth == 0)
    values = [
        [[expected[m, sd, n, g]["value"] for g in LEVELS["n_groups"]] for sd in LEVELS["group_sd"]]
        for m, n in itertools.product(["ols", "lm2", "lmer"], LEVELS["n_obs"])
    ]
    assert np.array_equal(meshes(figure), np.array(values))
    assert "Only where the true value is zero." in note(figure)


def test_tiles_that_no_cell_fills_are_hatched(tmp_path):
    grid = Grid(group_sd=[0, 1], correlation=[0, 0.8]).linked(lambda group_sd, correlation: None if correlation > group_sd else {})
    results = results_of(
        tmp_path / "run", grid, status=lambda model, cell, _: "not_converged" if (model, cell) == ("lm2", 2) else "ok"
    )
    figure = report.draw("coverage_map", results)
    empty = np.isnan(meshes(figure))
    assert empty[:, 1, 0].all()  # SD 0 along the axis, a correlation of 0.8 above
    assert empty.sum(axis=(1, 2)).tolist() == [1, 2, 1]  # lm2 has no fit in one cell more
    assert "no such cell or fit" in legend(figure)
    assert all(ax.patch.get_hatch() for ax in figure.axes)
    assert [ax.get_title() for ax in figure.axes] == ["ols", "lm2", "lmer"]  # without a third factor


@pytest.mark.parametrize(
    ("levels", "places"),
    [
        (dict(a=[1, 2, 3], b=[1, 2]), ("a", None, "b", ())),
        (dict(a=[1, 2], b=[1, 2, 3], c=["u", "v"], d=[1, 2]), ("b", "a", "d", ("c",))),  # words are hard to read on an axis
        (dict(a=list(range(9)), b=list(range(7)), c=[1, 2]), ("a", "c", "b", ())),
        (dict(a=list(range(9)), b=list(range(7))), ("a", None, "b", ())),
        (dict(a=[1, 2, 3], b=[4]), None),
        ({}, None),
    ],
)
def test_factors_of_a_map(levels, places, small):
    cells = pd.DataFrame([dict(c) for c in Grid(**levels).conditions()])
    numbers = Numbers(small)
    assert len(numbers.families) == 1  # of the results as they are
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rates, "cells_with", lambda *_: cells)
        patch.setattr(rates, "effect_factors", lambda *_: ())
        patch.setattr(type(small), "factors", tuple(levels))
        found = tiles.places(numbers, rates.COVERAGE)
    assert (None if found is None else (found.x, found.columns, found.rows, found.pooled)) == places


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two cells."""
    return results_of(tmp_path_factory.mktemp("small") / "run", {"n_groups": [5, 10]})


def test_classes_of_errors_surround_the_nominal_level():
    errors, coverage = error_scale(0.05), error_scale(0.05, of_coverage=True)
    assert errors.edges == (0, 0.025, 0.04, 0.06, 0.075, 0.1, 0.2, 0.5, 1)
    assert coverage.edges == (0, 0.5, 0.8, 0.9, 0.925, 0.94, 0.96, 0.975, 1)
    for scale, nominal in ((errors, 0.05), (coverage, 0.95)):
        assert scale.colors[np.searchsorted(scale.edges, nominal) - 1] == "#f4f4f4"
    assert errors.colors[-1] == coverage.colors[0]  # the same colour for the worst
    wide = error_scale(0.2, of_coverage=True)
    assert len(wide.colors) == len(wide.edges) - 1
    assert wide.edges[:2] == (0, 0.2)
    assert [errors.dark(value) for value in (0.0, 0.05, 0.999, 1.0)] == [True, False, True, True]
