"""Parts of the page: pictures as text, figures in words, the table of every cell, and what tables are narrowed to."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from made_up import MODELS, POST_GRID, legend, note, results_of, store
from made_up import tables as made_tables
from matplotlib.backends.backend_agg import FigureCanvasAgg

from jaxsim import (
    MCAR,
    Design,
    FrameStrategy,
    FunctionEstimator,
    GaussianMultilevel,
    Grid,
    LinearMixed,
    PooledOLS,
    Study,
    UniformSizes,
    between,
    load,
    report,
    within,
)
from jaxsim.measures.overview import in_words
from jaxsim.report import by_cell as cells
from jaxsim.report import tables
from jaxsim.report.described import describe
from jaxsim.report.figures.absent import Absent
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.filters import filters, level_texts
from jaxsim.report.inline import inline, standalone
from jaxsim.report.page import render
from jaxsim.report.saved_figures import save_figures
from jaxsim.report.series import parts

NAMES = [model.name for model in MODELS]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four cells, an effect and none; ``lmer`` is singular at times, and ``lm2`` fails in one cell."""

    def status(model, cell, replicate):
        return "too_few_rows" if (model, cell) == ("lm2", 0) else "singular" if model == "lmer" and replicate % 2 else "ok"

    process = GaussianMultilevel(n_predictors=2, fixed_effects=(0, 0.5, 0))
    folder = tmp_path_factory.mktemp("page") / "run"
    return results_of(folder, {"n_groups": [5, 10], "n_obs": [5, 20]}, replicates=8, process=process, status=status)


@pytest.fixture(scope="module")
def pictures(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures") / "figures"
    return folder, {picture.name: picture for picture in save_figures(Numbers(results), folder)}


def test_figures_in_the_page_are_those_of_the_files(pictures):
    folder, shown = pictures
    assert {f"{name}.svg" for name in shown} == {file.name for file in folder.glob("*.svg")}
    for name, picture in shown.items():
        page = ElementTree.fromstring(picture.svg)
        file = ElementTree.parse(folder / f"{name}.svg").getroot()
        words = [["".join(text.itertext()) for text in root.iter() if text.tag.endswith("text")] for root in (page, file)]
        assert words[0] == words[1]
        assert len(words[0]) > 8
        ids = [node.get("id") for node in page.iter() if node.get("id")]
        referred = re.findall(r'(?:href="#|url\(#)([^")]+)', picture.svg)
        assert len(ids) == len(set(ids))
        assert set(referred) == set(ids) - {f"{name}-words"}
        assert all(one.startswith(f"{name}-") for one in ids)
        assert "Verdana" in (folder / f"{name}.svg").read_text()


def test_small_pictures_keep_their_words_and_places():
    svg = (
        '<svg viewBox="0 0 9 9"><metadata>x</metadata><defs>\n<style type="text/css">*{a}</style>\n</defs>\n'
        '<g id="figure_1">\n <g id="strategy-2.7"><path id="m1" d="M 1.23456 7 \nL 2 3"/></g>\n<use xlink:href="#m1" x="1.119"/>'
        '<text style="font-size: 8px; font-family: \'DejaVu Sans\'" transform="rotate(-0 1 2)">coverage  0.123456 &lt;b&gt;</text>'
        '</g><path style="fill: #ffffff" clip-path="url(#p1)"/><clipPath id="p1"/></svg>'
    )
    assert inline(svg, "bias", "a < b") == (
        '<svg viewBox="0 0 9 9" role="img" aria-labelledby="bias-title bias-words"><desc id="bias-words">a &lt; b</desc>'
        '<g><g class="strategy-2"><path id="bias-0" d="M 1.23 7 L 2 3"/></g><use href="#bias-0" x="1.11"/>'
        '<text style="font-size: 8px">coverage  0.123456 &lt;b&gt;</text>'
        '</g><path style="fill: var(--card)" clip-path="url(#bias-1)"/><clipPath id="bias-1"/></svg>'
    )
    assert "'DejaVu Sans', Verdana, sans-serif" in standalone(svg)


def test_a_figure_in_words_has_the_ends_of_every_strategys_numbers(results):
    words = describe(report.draw("coverage", results), NAMES)
    table = results.measures(["model", "n_groups", "n_obs", "term"], measures=["coverage"], terms=["IV1", "IV2"])
    for model in NAMES:
        values = table.loc[(table["model"] == model) & table["value"].notna(), "value"]
        assert len(values) == 2 * (3 if model == "lm2" else 4)
        assert f"{model} {values.min():.3g} to {values.max():.3g}" in words
    assert words.startswith("Proportion of intervals that contain the truth: ols ")
    tiles = describe(report.draw("coverage_map", results), NAMES)
    assert tiles.removeprefix("Tiles by strategy: ") == words.partition(": ")[2]
    assert "lmer: singular 0.5" in describe(report.draw("failures", results), NAMES)
    assert "lm2: failed 0 to 1" in describe(report.draw("failures", results), NAMES)


def test_figures_of_single_fits_in_words(tmp_path):
    results = results_of(tmp_path / "run", POST_GRID)
    numbers = Numbers(results).post
    by = ["Model", "Num_grp", "Num_obs_grp", "Btwn_grp_sigma"]
    medians = numbers.groupby(by, observed=True)["SE_sum"].median()
    words = describe(report.draw("se_sum", results), NAMES)
    for model in NAMES:
        assert f"median of {model} {medians[model].min():.3g} to {medians[model].max():.3g}" in words
    words = describe(report.draw("group_coefficients", results), NAMES)
    assert [part.split()[1] for part in words.partition(": ")[2].split("; ")] == ["0.1", "1", "4"]


def test_without_a_usable_fit_words_say_so(tmp_path):
    results = results_of(tmp_path / "run", {"n_groups": [5, 10], "n_obs": [3, 5]}, status=lambda *_: "not_converged", replicates=2)
    assert describe(report.draw("bias", results), NAMES) == "No usable fit."
    assert describe(report.draw("coverage_map", results), NAMES) == (
        "Tiles by strategy: ols no number; lm2 no number; lmer no number."
    )


def test_every_part_of_a_strategy_is_known(results):
    figure = report.draw("coverage", results)
    found = [k for _, k in parts(figure, NAMES)]
    panels = len(figure.axes)
    # points and intervals in each panel (lm2 has none in one cell only), and two parts of the legend
    assert [found.count(k) for k in range(3)] == [2 * panels + 2] * 3
    assert [k for _, k in parts(report.draw("coverage_map", results), NAMES)] == [0, 0, 1, 1, 2, 2]  # of two coefficients
    assert [k for _, k in parts(report.draw("paired_rmse", results), NAMES)].count(2) == 0  # the reference has no line


def test_the_table_of_cells_has_every_measure(results):
    table = cells.by_cell(Numbers(results))
    columns = ["n_groups", "n_obs", "coefficient", "strategy"]
    assert table.columns[:4] == columns
    assert table.labels == 4
    assert table.keys == ["factor n_groups", "factor n_obs", "term", "model"]
    assert len(table.rows) == 4 * 3 * 3
    long = results.measures(["n_groups", "n_obs", "term", "model"], measures=["coverage", "rmse", "power", "type_one_error"])
    texts = {(*map(str, line[:4]), line.measure): in_words(line._asdict()) for line in long.itertuples(index=False)}
    assert len(texts) > 60
    titles = {"coverage": "coverage", "rmse": "RMSE", "power": "power", "type_one_error": "type I error"}
    for row in table.rows:
        for measure, title in titles.items():
            assert row[table.columns.index(title)] == texts.get((*row[:4], measure), "–")


def test_too_many_rows_average_exchangeable_coefficients_and_then_are_left_out(results, tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "MOST_ROWS", 35)
    unlike = cells.by_cell(Numbers(results))
    assert unlike.keys == ["factor n_groups", "factor n_obs", "term", "model"]
    assert {row[2] for row in unlike.rows} == {"IV1", "IV2"}
    alike = results_of(tmp_path / "alike", {"n_groups": [5, 10], "n_obs": [5, 20]}, replicates=8)
    table = cells.by_cell(Numbers(alike))
    assert table.caption.startswith("Coefficients that are alike are averaged")
    assert table.keys == ["factor n_groups", "factor n_obs", "model"]
    assert len(table.rows) == 12
    coverage = alike.measures(["n_groups", "n_obs", "model"], measures=["coverage"], terms=["IV1", "IV2"])
    found = {tuple(row[:3]): row[table.columns.index("coverage")] for row in table.rows}
    assert found == {(*map(str, line[:3]),): in_words(line._asdict()) for line in coverage.itertuples(index=False)}
    monkeypatch.setattr(cells, "MOST_ROWS", 11)
    assert cells.by_cell(Numbers(results)) is None
    page = render(Numbers(results), [])
    assert "Not in this page: 4 cells and 3 strategies make more than" in page
    assert re.findall('<select name="([^"]*)', page) == ["model", "term"]  # no control that no table follows


def test_one_cell_has_no_table_of_cells(tmp_path):
    results = results_of(tmp_path / "run", {}, MODELS[0], replicates=3)
    assert cells.by_cell(Numbers(results)) is None
    assert [one.key for one in filters(Numbers(results))] == ["term"]
    page = report.write(results).read_text(encoding="utf-8")
    assert 'href="#cells"' not in page


def test_tables_are_narrowed_by_what_they_show(tmp_path):
    results = results_of(tmp_path / "run", {"n_obs": [5, UniformSizes(3, 9)], "n_groups": [10, 30, 100]}, replicates=1)
    found = {one.key: list(one.options) for one in filters(Numbers(results))}
    assert found["factor n_obs"] == ["5", "UniformSizes(3, 9)"]
    assert found["factor n_groups"] == ["10", "30", "100"]
    assert (found["model"], found["term"]) == (NAMES, ["Intercept", "IV1", "IV2"])
    table = cells.by_cell(Numbers(results))
    for place, key in enumerate(table.keys):
        assert {row[place] for row in table.rows} == set(found[key])


def test_levels_that_would_look_alike_are_written_out(results, monkeypatch):
    table = results.cells.assign(n_obs=np.where(results.cells["n_obs"] == 5, 0.1234567, 0.1234568))
    monkeypatch.setitem(vars(results), "cells", table)
    assert list(level_texts(results, "n_obs").values()) == ["0.1234567", "0.1234568"]


def test_the_process_is_told_once_and_only_what_it_has():
    design = Design(
        "rt ~ drug * day + (day | subject)",
        {"subject": 20},
        variables={"drug": between("subject", ("placebo", "active")), "day": within(0, 1, 3)},
        effects={"day": 10.0, "drugactive:day": -5.0},
        sd={"subject": {"Intercept": 60.0, "day": 8.0}},
    )
    for process, grid in (
        (design, {"units.subject": [10, 20], "effects.drugactive:day": [0, -5]}),
        (design.having(missing=MCAR(0.1)), {"missing.share": [0.1, 0.2]}),
        (GaussianMultilevel(n_predictors=1), {"n_groups": [5, 10]}),
    ):
        study = Study(process, Grid(**grid), (PooledOLS(),), 2)
        told = dict(tables.process(study))
        assert len(told) == len(tables.process(study))
        assert not {"none", "{}", "()", ""} & set(told.values())
        assert not [(a, b) for a in told for b in (*told, *grid) if b.startswith(f"{a}.")], "a whole and its parts"
        assert not set(told) & set(grid)
        for name in (name for name in process.values if name not in told and name not in grid):
            value = process.values[name]
            empty = value in (None, (), {}) or name in process.idle
            assert empty or any(part.startswith(f"{name}.") for part in (*told, *grid)), name
    told = dict(tables.process(Study(design, Grid(), (PooledOLS(),), 2)))
    assert told["variables.drug"] == "between('subject', ('placebo', 'active'))"
    assert told["effects.day"] == "10"
    assert told["effects.drugactive"] == "0"
    assert told["sd.subject.day"] == "8"


def test_a_correlation_is_told_of_two_random_effects_and_not_of_one():
    def told(model, correlation=0.0, **grid):
        design = Design(model, {"subject": 20}, variables={"day": within(0, 1, 3)}, correlation={"subject": correlation})
        return dict(tables.process(Study(design, Grid(**grid), (PooledOLS(),), 2)))

    assert told("rt ~ day + (day | subject)", 0.25)["correlation.subject"] == "0.25"
    assert "correlation.subject" not in told("rt ~ day + (day || subject)")
    one = told("rt ~ day + (1 | subject)")
    assert "sd.subject.Intercept" in one
    assert "correlation.subject" not in one
    either = told("rt ~ day + (1 | subject)", formula=["rt ~ day + (1 | subject)", "rt ~ day + (day | subject)"])
    assert either["correlation.subject"] == "0"


def mine(rows):
    return {"IV1": rows["DV"].mean()}


def test_the_first_line_says_who_fitted_what():
    process = GaussianMultilevel(n_predictors=1)

    def told(*strategies, replicates=300, grid=None):
        return tables.size(Study(process, Grid(**(grid or {})), strategies, replicates))

    few = FrameStrategy(mine, first=200)
    assert told(PooledOLS("a"), PooledOLS("b"), grid={"n_groups": [5, 10]}) == "2 cells × 300 datasets, each fitted by a and b."
    assert told(few, PooledOLS("a")) == "1 cell × 300 datasets, each fitted by a; the first 200 of each cell also by mine."
    assert told(few) == "1 cell × 300 datasets, the first 200 of each cell fitted by mine."
    assert told(few, replicates=1) == "1 cell × 1 dataset, fitted by mine."


def test_a_method_of_ones_own_is_said_to_be_one():
    study = Study(GaussianMultilevel(n_predictors=1), Grid(), (FrameStrategy(mine), FunctionEstimator(mine, "x")), 2)
    about, told = zip(*(row[2:4] for row in tables.strategies(study).rows), strict=True)
    assert about == tuple(f"your own function mine of each dataset's {what}" for what in ("rows", "cross-products"))
    assert told == ("at most 60 s a fit", "–")  # said once


def test_a_method_that_says_what_it_is_is_named_beside_that():
    def documented(rows):
        """The mean of all."""
        return mine(rows)

    study = Study(GaussianMultilevel(n_predictors=1), Grid(), (FunctionEstimator(documented, terms=("IV1",)),), 2)
    assert tables.strategies(study).rows[0][2:4] == (
        "The mean of all",
        "the function documented of each dataset's cross-products; estimates IV1",
    )


def test_formulas_of_methods_name_variables_as_people_do():
    design = Design(
        "rt ~ drug * day + (day | subject)",
        {"subject": 20},
        variables={"drug": between("subject", ("placebo", "active")), "day": within(0, 1, 3)},
    )
    strategies = (
        PooledOLS(),
        LinearMixed(),
        LinearMixed("rt ~ drug + (1 | subject)", label="own"),
        PooledOLS("b", formula="rt ~ 1"),
    )
    told = [row[3].partition(";")[0] for row in tables.strategies(Study(design, Grid(), strategies, 2)).rows]
    assert told == [
        "rt ~ drug + day + drug:day",
        "rt ~ drug + day + drug:day + (day | subject)",
        "rt ~ drug + (1 | subject)",
        "rt ~ 1",
    ]


def copied(folder, model, source):
    """Results in which one strategy's numbers are another's."""
    study = Study(GaussianMultilevel(n_predictors=1), Grid(n_groups=[5, 10]), MODELS, 6, seed=3)
    frame, fits = (table.to_pandas() for table in made_tables(study, lambda *_: "ok", {}))
    columns = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]
    frame.loc[frame["model"] == model, columns] = frame.loc[frame["model"] == source, columns].to_numpy()
    store(folder, study, *(pa.Table.from_pandas(table, preserve_index=False) for table in (frame, fits)))
    return load(folder)


def test_identical_strategies_are_not_drawn_as_a_difference(tmp_path):
    made = copied(tmp_path / "run", "lm2", "lmer")
    figure = report.draw("paired_rmse", made)
    assert "Identical to lmer in every dataset: lm2." in note(figure)
    assert legend(figure) == ["ols"]
    with pytest.raises(Absent, match="the errors of lm2 are those of lmer in every dataset"):
        made.plot.paired_rmse(strategies=["lm2", "lmer"])


def test_the_label_of_the_axis_keeps_off_the_legend(tmp_path):
    name = "a_strategy_with_a_very_long_name_indeed"
    made = results_of(tmp_path / "run", {}, (PooledOLS("ols"), LinearMixed(label=name)))
    figure = report.draw("paired_rmse", made)
    renderer = FigureCanvasAgg(figure).get_renderer()
    label, words = (one.get_window_extent(renderer) for one in (figure.texts[0], figure.legends[0]))
    assert label.y0 > 0
    assert label.y1 <= words.y0


def test_a_figure_of_failures_speaks_of_what_it_shows(results):
    assert "pen points" not in report.FIGURES["failures"].caption
    assert {"lmer: singular", "lm2: failed"} == set(legend(report.draw("failures", results)))
