"""Curves and nested loops: every measure with its interval, in the order of the factors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from made_up import LEVELS, five_factors, lines, meshes, note, results_of, steps

from jaxsim import GaussianMultilevel, Grid, PooledOLS, report
from jaxsim.report.figures import loops
from jaxsim.report.figures.verdicts import unmarked


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """Five factors."""
    return five_factors(tmp_path_factory.mktemp("five") / "run")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two cells."""
    return results_of(tmp_path_factory.mktemp("small") / "run", {"n_groups": [5, 10]})


def curves(figure):
    """x, y, low and high of each strategy in each panel."""
    found = {}
    for j, ax in enumerate(figure.axes):
        for line in ax.lines:
            ribbon = next((c for c in ax.collections if c.get_label() == f"ribbon of {line.get_label()}"), None)
            if ribbon is not None:
                x, y = line.get_data()
                (path,) = ribbon.get_paths()
                limits = [path.vertices[path.vertices[:, 0] == at, 1] for at in x]
                found[unmarked(line.get_label()), j] = [(*xy, v.min(), v.max()) for *xy, v in zip(x, y, limits, strict=True)]
    return found


@pytest.mark.parametrize(
    ("name", "measure", "column", "truth", "line"),
    [("coverage_curve", "coverage", "n_obs", None, 0.95), ("power_curve", "rejection", "effect_in_se", lambda t: t != 0, 0.8)],
)
def test_curves_have_every_measure_with_its_interval(five, name, measure, column, truth, line):
    figure = report.draw(name, five)
    expected = lines(five, measure, [column, "n_groups"], truth)
    levels = [level for level in LEVELS[column] if level or truth is None]
    assert len(figure.axes) == len(levels) == 2
    drawn = curves(figure)
    for model, (j, level) in itertools.product(["ols", "lm2", "lmer"], enumerate(levels)):
        rows = [expected[model, level, g] for g in LEVELS["n_groups"]]
        points = drawn[model, j][:: (len(drawn[model, j]) - 1) // (len(rows) - 1)]  # those of levels: power bends between them
        # The same sums over the same rows, added up in another order.
        np.testing.assert_allclose(points, [[r[k] for k in ("n_groups", "value", "low", "high")] for r in rows], rtol=1e-10)
    assert figure.axes[0].get_xscale() == "log"  # from 5 to 200
    assert any(line == height for ax in figure.axes[:1] for artist in ax.lines for height in np.unique(artist.get_ydata()))


def test_curves_need_three_numbers_and_few_strategies(small, tmp_path):
    assert report.draw("coverage_curve", small) is None
    grid = {"n_groups": [5, 6, 8], "n_obs": [5, 8]}
    results = results_of(tmp_path / "many", grid, tuple(PooledOLS(label=f"m{i}") for i in range(9)), replicates=2)
    for name in ("coverage_curve", "power_curve", "coverage_loop", "power_loop"):
        assert report.draw(name, results) is None
    assert len(meshes(report.draw("coverage_map", results))) == 9
    figure = report.draw("coverage_curve", results_of(tmp_path / "few", grid, replicates=2))
    assert figure.axes[0].get_xscale() == "linear"  # from 5 to 8


def test_a_nested_loop_has_a_step_for_every_combination_that_there_is(five):
    figure = report.draw("coverage_loop", five)
    factors = ["n_obs", "group_sd", "correlation", "effect_in_se", "n_groups"]  # the outermost first
    combinations = [c for c in itertools.product(*(LEVELS[name] for name in factors)) if not (c[2] and not c[1])]
    assert len(combinations) == len(five.cells) == 54
    expected = lines(five, "coverage", factors)
    for model in ("ols", "lm2", "lmer"):
        assert steps(figure, model).tolist() == [expected[model, *c]["value"] for c in combinations]
    stairs = {line.get_label(): np.asarray(line.get_ydata())[:-1] for line in figure.axes[1].lines}
    for k, name in enumerate(factors):
        place = [LEVELS[name].index(c[k]) for c in combinations]
        heights = stairs[f"stairs of {name}"]
        assert np.array_equal(np.argsort(np.unique(heights)), range(len(LEVELS[name])))
        assert np.array_equal(np.unique(heights, return_inverse=True)[1], place)  # a higher stair for a later level
    words = [text.get_text() for text in figure.axes[1].texts]
    assert "groups: 5, 10, 200" in words
    assert "effect (standard errors): 0, 1, 3" in words
    assert "54 combinations" in figure.axes[1].get_xlabel()


def test_a_nested_loop_averages_the_last_factors_where_steps_would_be_too_many(five, monkeypatch):
    monkeypatch.setattr(loops, "MOST_STEPS", 20)
    figure = report.draw("power_loop", five)
    expected = lines(five, "rejection", ["effect_in_se", "n_obs", "n_groups"], lambda truth: truth != 0)
    combinations = list(itertools.product([1, 3], LEVELS["n_obs"], LEVELS["n_groups"]))
    assert steps(figure, "lmer").tolist() == [expected["lmer", *c]["value"] for c in combinations]
    assert "All levels of between-group SD and correlation of group effects are averaged." in note(figure)


def test_power_of_many_effects_is_drawn_along_them_and_never_averaged(tmp_path):
    sizes = [0, 1, 2, 3, 4, 5, 6]
    grid = Grid(n_groups=[5, 6, 7, 8, 9, 10, 11, 12], effect=sizes).linked(lambda effect, **_: {"fixed_effects": (0, effect / 5)})
    results = results_of(tmp_path / "run", grid, process=GaussianMultilevel(n_predictors=1), replicates=2)
    expected = lines(results, "rejection", ["effect"], lambda truth: truth != 0)
    drawn = curves(report.draw("power_curve", results))
    assert [(x, y) for x, y, *_ in drawn["lmer", 0]] == [(k, expected["lmer", k]["value"]) for k in sizes[1:]]
    assert report.draw("power_map", results).axes[0].get_xlabel() == report.draw("power", results).axes[0].get_xlabel() == "effect"
    words = {f"{k}": (0.0, k / 5) for k in sizes}
    grid = Grid(n_groups=[5, 6, 7], effect=[*words]).linked(lambda effect, **_: {"fixed_effects": words[effect]})
    results = results_of(tmp_path / "words", grid, process=GaussianMultilevel(n_predictors=1), replicates=2)
    assert report.draw("power_curve", results) is None  # six effects that are no numbers: no axis and no columns for them
    assert report.draw("coverage_curve", results) is not None
