"""Reports on odd and large grids: unfinished runs, no usable fit, words as levels, more fits than memory holds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pytest
from made_up import ASKED, MODELS, POST_GRID, five_factors, meshes, note, results_of, steps

from jaxsim import Design, GaussianMultilevel, UniformSizes, load, report, within
from jaxsim.report.figures import first
from jaxsim.store.chunk import Span, unpack
from jaxsim.store.folder import Folder

NAMES = tuple(model.name for model in MODELS)


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """Five factors."""
    return five_factors(tmp_path_factory.mktemp("five") / "run")


@pytest.mark.filterwarnings("error")
def test_a_study_without_a_usable_fit_has_empty_figures(tmp_path):
    results = results_of(
        tmp_path / "run", {"n_groups": [5, 10, 20], "n_obs": [3, 5]}, status=lambda *_: "not_converged", replicates=2
    )
    assert np.isnan(meshes(report.draw("coverage_map", results))).all()
    for name in ("coverage_curve", "power_curve", "coverage_loop", "power_loop"):
        assert "no usable fit" in [text.get_text() for ax in report.draw(name, results).axes for text in ax.texts]


@pytest.mark.filterwarnings("error")
def test_a_run_that_has_only_begun_leaves_the_rest_empty(five, tmp_path):
    (entry,) = five.folder.entries()
    with five.folder.open_chunk(entry.name) as file:
        table = unpack(entry.name, file)
    keys = [cell.key for cell in five.study.cells[:9]]  # 5 groups of 3 rows
    place = Folder(tmp_path / "run")
    place.claim(five.study)
    spans = tuple(Span(key, 0, 12) for key in keys)
    place.write_chunk(
        table.filter(pa.compute.is_in(table["cell_key"], pa.array(keys))), dataclasses.replace(entry.about, spans=spans)
    )
    results = load(tmp_path / "run")
    values = meshes(report.draw("coverage_map", results))
    assert np.isfinite(values).any()
    assert np.isnan(values[:, :, 1:]).all()
    assert np.isnan(values[1::2]).all()  # the second column of panels
    assert np.isfinite(steps(report.draw("coverage_loop", results), "lmer")).sum() == 9
    texts = [[text.get_text() for text in ax.texts] for ax in report.draw("coverage_curve", results).axes]
    assert ["nothing to show" in words for words in texts] == [False, True]
    report.write(results)


def test_levels_that_are_no_numbers_can_be_read(tmp_path):
    grid = {"n_obs": [5, UniformSizes(3, 9), UniformSizes(4, 46)], "fixed_effects": [(0, 0.5, 0), (0, 0, 0)]}
    results = results_of(tmp_path / "run", grid, replicates=3)
    figure = report.draw("coverage_loop", results)
    words = [text.get_text() for text in figure.axes[1].texts]
    assert (
        words == ["observations per group: 5, UniformSizes(3, 9), UniformSizes(4, 46)", "fixed effects: 0, 0.5, 0, 0, 0, 0"]
        or words
    )
    ticks = [text.get_text().replace("\n", "") for text in report.draw("coverage_map", results).axes[-1].get_xticklabels()]
    assert ticks == ["5", "UniformSizes(3, 9)", "UniformSizes(4, 46)"]


def test_boxes_show_so_many_datasets_as_memory_holds(tmp_path, monkeypatch):
    results = results_of(tmp_path / "run", POST_GRID)
    every = report.draw("t_sum", results)
    assert "6 datasets per cell" in note(every)
    monkeypatch.setattr(first, "MOST_FITS", 2 * len(results.cells) * len(MODELS) + 1)
    assert "The first 2 of 6 datasets per cell" in note(report.draw("t_sum", results))
    table = first.post_table(results)
    whole = results.seed_post()
    assert table["Sim"].unique().tolist() == [0, 1]
    pd.testing.assert_frame_equal(
        table.sort_values(["Model", "Num_grp", "Num_obs_grp", "Btwn_grp_sigma", "Sim"]).reset_index(drop=True),
        whole[whole["Sim"] < 2].sort_values(["Model", "Num_grp", "Num_obs_grp", "Btwn_grp_sigma", "Sim"]).reset_index(drop=True),
    )


def test_boxes_that_would_mislead_are_not_drawn(five, tmp_path):
    assert report.draw("t_sum", five) is None  # effects of several sizes would be pooled
    grid = {**POST_GRID, "group_sd": [k / 10 for k in range(1, 30)]}
    assert report.draw("t_sum", results_of(tmp_path / "run", grid, replicates=1)) is None  # 174 boxes side by side


def test_the_page_of_five_factors_says_what_follows_from_them(five):
    text = report.write(five).read_text(encoding="utf-8")
    values = {cell.process.fixed_effects for cell in five.study.cells}
    assert f"({len(values)} values, by cell)" in text
    assert "effect (standard errors) (effect_in_se)" in text
    for name in report.FIGURES:
        skipped = name in ("coefficient_error", "se_sum", "t_sum", "failures", *ASKED)  # no fit failed
        assert (f'id="{name}"' in text) != skipped


def designed(folder, **grid):
    """A design whose only slope is zero in some cells, and a strategy that has no tests."""
    cond = {"cond": within("a", "b")}
    process = Design("rt ~ cond + (1 | subject)", {"subject": 8}, repeats=2, variables=cond, effects={"condb": 1.0})
    return results_of(folder, {"effects.condb": [0.0, 0.5, 2.0], **grid}, process=process, replicates=24)


def headings(figure):
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


@pytest.mark.parametrize("name", ["power", "power_curve", "power_map", "power_loop", "type_one_error", "type_one_error_map"])
def test_figures_of_effects_have_no_panel_for_levels_without_any(tmp_path, name):
    """Whatever process the true values are from: what is zero has no power, and what is not no error of type I."""
    found = designed(tmp_path / "out", **{"units.subject": [5, 10, 20], "residual_sd": [1.0, 2.0]})
    figure = report.draw(name, found)
    shown = " ".join([*headings(figure), *(t.get_text() for ax in figure.axes for t in (*ax.get_yticklabels(), *ax.texts))])
    assert "nothing to show" not in shown
    assert not [ax for ax in figure.axes if not ax.lines and not ax.collections and not ax.texts]
    meshed = meshes(figure)
    assert np.isfinite(meshed).all()
    if name == "power":
        assert headings(figure) == ["effects.condb: 0.5", "effects.condb: 2"]
        assert "True values: condb 0.5 to 2." in " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


@pytest.mark.parametrize("name", ["coverage", "coverage_curve", "coverage_loop", "coverage_map", "power", "power_map", "bias"])
def test_strategies_without_a_number_have_no_place_in_a_figure(tmp_path, name):
    """No entry of the legend, no empty panel of a map; the note says who is left out, and the others keep their looks."""

    def status(model, cell, replicate):
        return "not_converged" if model == "lm2" else "ok"

    grid, process = {"n_groups": [5, 10, 20], "n_obs": [5, 10]}, GaussianMultilevel(n_predictors=1, fixed_effects=(0.0, 1.0))
    every = results_of(tmp_path / "every", grid, process=process)
    figure = report.draw(name, results_of(tmp_path / "out", grid, process=process, status=status))
    whole = report.draw(name, every)
    words = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "Without a number: lm2." in words
    assert "Without a number" not in " ".join(text.get_text() for text in whole.texts)
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert "lm2" not in (*labels, *headings(figure))
    assert np.isfinite(meshes(figure)).all()

    def colors(drawn):
        return {line.get_label(): line.get_color() for ax in drawn.axes for line in ax.lines if line.get_label() in ("ols", "lmer")}

    assert colors(figure) == colors(whole)


def test_points_stand_at_their_number_and_beside_each_other_at_words(tmp_path):
    for levels, most in (([5, 10, 20], 0.1), ([UniformSizes(3, 9), UniformSizes(5, 7)], 0.3)):
        figure = report.draw("coverage", results_of(tmp_path / str(most), {"n_obs": levels}))
        at = {line.get_label(): np.asarray(line.get_xdata(), float) for line in figure.axes[0].lines if line.get_label() in NAMES}
        away = {name: x - np.round(x) for name, x in at.items()}
        assert max(np.abs(x).max() for x in away.values()) < most
        assert all(np.ptp(x) < 1e-12 for x in away.values()), "a line is shifted as a whole"
        assert len({x[0] for x in away.values()}) == len(NAMES), "none covers another"
