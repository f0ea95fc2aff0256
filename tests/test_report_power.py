"""Curves of power: whose counts, and how many it takes; and the order of a legend."""

from __future__ import annotations

import math

import pytest
from made_up import legend, note, results_of

from jaxsim import GaussianMultilevel, Grid, PooledOLS, report
from jaxsim.measures.crossing import FOUND
from jaxsim.measures.promises import BROKEN, COVERAGE, KEPT, LEVEL, Record, Verdict
from jaxsim.report.described import describe
from jaxsim.report.figures.needed import LIMITS, NEEDED
from jaxsim.report.figures.verdicts import Verdicts, unmarked
from jaxsim.report.series import parts


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """Three sizes, an effect that is larger the larger they are, and none; one strategy is far too sure of itself."""
    grid = Grid(n_groups=[10, 40, 160], effect=[0, 0.15]).linked(
        lambda effect, n_groups, **_: {"fixed_effects": (0, effect * n_groups**0.5)}
    )
    folder = tmp_path_factory.mktemp("sizes") / "run"
    process = GaussianMultilevel(n_predictors=1)
    return results_of(folder, grid, process=process, spread={"ols": 0.9}, replicates=100)


def marked(figure):
    """Numbers that are marked on the target line, by strategy, with their limits."""
    drawn = {line.get_label(): line.get_xdata() for ax in figure.axes for line in ax.lines}
    return {
        name.removeprefix(NEEDED): (*at, *drawn[LIMITS + name.removeprefix(NEEDED)])
        for name, at in drawn.items()
        if name.startswith(NEEDED)
    }


def test_power_of_strategies_that_keep_no_level_is_dashed_and_named_so(sizes):
    table = sizes.needed(over="n_groups")
    verdicts = dict(zip(table["model"].astype(str), table["verdict"], strict=True))
    assert verdicts == {"ols": "not kept", "lm2": "kept", "lmer": "kept"}
    figure = report.draw("power_curve", sizes)
    assert legend(figure) == ["ols (level not kept)", "lm2", "lmer"]
    styles = {line.get_label(): line.get_linestyle() for ax in figure.axes for line in ax.lines}
    assert styles["ols (level not kept)"] == "--"
    assert styles["lm2"] == styles["lmer"] == "-"
    assert [line.is_dashed() for line in figure.legends[0].legend_handles] == [True, False, False]
    assert "Dashed: strategies that do not keep the level of their tests; their power counts for nothing." in note(figure)
    assert legend(report.draw("coverage_curve", sizes)) == ["ols", "lm2", "lmer"]
    words = describe(figure, ("ols", "lm2", "lmer"))
    assert "ols (level not kept) 0." in words
    assert "(level not kept)" not in words.replace("ols (level", "", 1)
    assert {k for artist, k in parts(figure, ("ols", "lm2", "lmer")) if "ols" in str(artist.get_label())} == {0}


def test_the_number_that_is_needed_is_marked_for_those_that_keep_their_level(sizes):
    figure = report.draw("power_curve", sizes)
    table = sizes.needed(over="n_groups").set_index("model")
    assert table.loc["ols", "status"] == FOUND
    assert set(marked(figure)) == {"lm2", "lmer"}
    for model, numbers in marked(figure).items():
        assert numbers == pytest.approx(table.loc[model, ["needed", "low", "high"]].astype(float).tolist(), rel=1e-9)
        told = f"{model} {math.ceil(table.loc[model, 'needed'])}"
        assert f"{told} ({math.ceil(table.loc[model, 'low'])} to {math.ceil(table.loc[model, 'high'])})" in note(figure)
        assert told in describe(figure, ("ols", "lm2", "lmer")).split("needed: ")[1]
    for line in figure.axes[0].lines:
        if line.get_label().startswith(NEEDED):
            assert list(line.get_ydata()) == [0.8]
    by_effect = sizes.plot.power_curve(by=["n_groups", "effect"], strategies="lmer")
    assert marked(by_effect)["lmer"] == marked(figure)["lmer"]


def test_of_several_coefficients_each_line_is_of_its_own_verdict(tmp_path):
    """One coefficient is zero, one never is: what stands for the level is the coverage; tests are too sure of one alone."""
    process = GaussianMultilevel(n_predictors=1, fixed_effects=(0.3, 0.3))
    results = results_of(tmp_path / "run", {"n_groups": [10, 20, 40]}, process=process, spread={"ols": 0.9}, replicates=60)
    figure = results.plot.power_curve(terms=["Intercept", "IV1"])
    assert legend(figure)[0] == "ols (coverage not kept)"
    assert "do not keep the coverage of their intervals; their power" in note(figure)
    verdicts = Verdicts({"a": Record(LEVEL, {}, {"m": Verdict(BROKEN)}, 1), "b": Record(COVERAGE, {}, {"m": Verdict(KEPT)}, 1)})
    assert [verdicts.mark("m", label) for label in ("a", "b")] == [" (level not kept)", ""]
    assert verdicts.name("m") == "m (level not kept where dashed)"
    assert [unmarked(verdicts.name("m")), unmarked("m (level not kept in some cells)"), unmarked("lm (a)")] == ["m", "m", "lm (a)"]
    assert not verdicts.is_kept("of which nothing is known", "a")


def test_entries_of_a_legend_are_read_in_the_order_of_the_points(tmp_path):
    names = [f"strategy number {k}" for k in range(6)]
    estimators = tuple(PooledOLS(label=name) for name in names)
    results = results_of(tmp_path / "run", {"n_groups": [5, 10, 20]}, estimators, replicates=2)
    figure = report.draw("coverage", results)
    figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in figure.legends[0].get_texts()}
    assert sorted(boxes, key=lambda name: (-round(boxes[name].y0), boxes[name].x0)) == names
    assert len({round(box.y0) for box in boxes.values()}) == 2
