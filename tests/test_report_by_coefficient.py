"""A treatment of persons whose effect grows in time: what a report says of each coefficient is of that coefficient alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_up import marks, note, results_of, segments

from jaxsim import ClusterRobust, Design, GaussianMultilevel, Grid, InputError, LinearMixed, Study, between, report, within
from jaxsim.cli.main import main
from jaxsim.measures.overview import in_words
from jaxsim.report import tables
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.found import OVER_SIZES, found_of
from jaxsim.report.gathered import every_standings
from jaxsim.report.how_many import how_many

ASKED = "treatnew:time"
SURE, GOOD = "random intercept", "robust"


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Slopes differ between persons, which one of the models leaves out; with a level of zero of the interaction, and without."""
    design = Design(
        "score ~ treat * time + (time | patient)",
        units={"patient": 20},
        variables={"treat": between("patient", ("usual", "new")), "time": within(0, 1, 2, 3, 4, 5)},
        effects={"Intercept": 20, "time": -0.5, ASKED: -0.5},
        sd={"patient": {"Intercept": 3, "time": 0.8}},
        residual_sd=2,
    )
    strategies = (LinearMixed("score ~ treat * time + (1 | patient)", label=SURE), ClusterRobust(label=GOOD))
    folder, found = tmp_path_factory.mktemp("trial"), {}
    for name, effects in (("zero", {f"effects.{ASKED}": [0.0, -0.5]}), ("never", {})):
        study = Study(design, Grid(**{"units.patient": [40, 80, 160], **effects}), strategies, 200, seed=5)
        found[name] = study.run(folder / name, progress=False)
    return found


def findings(results, **options):
    numbers = Numbers(results, **options)
    every = every_standings(numbers)
    return {(one.of, one.about): one.text for one in found_of(every, [how_many(numbers, s.answering) for s in every])}


def test_the_model_that_is_too_sure_of_the_interaction_is_not_recommended_for_it(studies):
    told = findings(studies["zero"])
    assert [of for of, about in told if about == "Type I error"] == [ASKED, "treatnew", "time"]  # what varies comes first
    assert f"Above 0.05 by more than Monte Carlo error explains, on average: {SURE} (" in told[ASKED, "Type I error"]
    assert "any of the 3 cells where the coefficient is zero" in told[ASKED, "Type I error"]
    assert f"on average (tests are conservative): {SURE} (" in told["treatnew", "Type I error"]  # of the same strategy
    assert told[ASKED, "Power"].startswith(f"Only one strategy kept the level of its tests; its power: {GOOD} (")
    assert told[ASKED, "Power"].endswith(
        f"does not count: its tests find effects that are not there too often, in some cells at least. {OVER_SIZES}"
    )
    assert told[ASKED, "How many"].endswith(f"; no number for {SURE}, which does not keep its level.")
    assert f"by {GOOD}" in told[ASKED, "How many"]
    assert told["time", "Type I error"].startswith("Not known: time is zero in no cell.")
    assert told["time", "How many"].endswith(f"; no number for {SURE}, which does not keep the coverage of its intervals.")


def test_where_it_is_never_zero_its_own_coverage_stands_for_its_level(studies):
    told = findings(studies["never"])
    assert told[ASKED, "Type I error"].startswith(
        f"Not known: {ASKED} is zero in no cell. To have it known, give the effect a level"
    )
    assert told[ASKED, "Power"].endswith(
        f"does not count: its intervals contain the truth too seldom, in some cells at least. {OVER_SIZES}"
    )
    assert told[ASKED, "How many"].endswith(f"; no number for {SURE}, which does not keep the coverage of its intervals.")
    one = findings(studies["never"], terms=(ASKED,))
    assert {of for of, _ in one} == {""}  # one coefficient is told as before
    assert one["", "Power"] == told[ASKED, "Power"]


def drawn(ax):
    """Heights of each strategy's points in a panel, from left to right; of points with bars there are several lines."""
    lines = [line for line in ax.lines if line.get_label() in (SURE, GOOD)]
    return {str(line.get_label()): np.asarray(line.get_ydata(), float)[:: line.get_markevery() or 1] for line in lines}


@pytest.mark.parametrize("figure", ["power", "power_curve"])
def test_a_figure_has_a_panel_for_each_coefficient(studies, figure):
    results = studies["zero"]
    made = getattr(results.plot, figure)()
    titles = [ax.get_title() for ax in made.axes[:2]]
    assert titles == [f"effects.{ASKED}: 0", f"effects.{ASKED}: \N{MINUS SIGN}0.5"]
    power = results.measures(["model", "units.patient", f"effects.{ASKED}", "term"], measures=["power"])
    nothing, asked, *time = made.axes
    assert [text.get_text() for text in nothing.texts][:1] == ["nothing to show"]  # where it is zero it has no power
    for ax, term, level in ((asked, ASKED, -0.5), (time[0], "time", 0), (time[1], "time", -0.5)):
        lines = power[(power["term"] == term) & (power[f"effects.{ASKED}"] == level)]
        for model, heights in drawn(ax).items():
            np.testing.assert_allclose(heights, lines.loc[lines["model"] == model, "value"], rtol=1e-12)
    assert "Each coefficient by itself." in note(made)


def test_figures_of_type_one_error_are_of_coefficients_that_are_zero(studies):
    made = studies["zero"].plot.type_one_error()
    level = studies["zero"].measures(["model", "units.patient", f"effects.{ASKED}", "term"], measures=["type_one_error"])
    limits = level[["low", "high"]].to_numpy(float)
    np.testing.assert_allclose(segments(made), np.array(sorted(map(tuple, limits))), rtol=1e-10, atol=1e-12)
    assert len(made.axes) == 4  # of treatnew and of the interaction, not of time
    bias = studies["zero"].plot.bias()
    assert len(bias.axes) == 6
    assert bias.axes[0].get_ylim() != bias.axes[-1].get_ylim()  # their units differ


def test_maps_cross_out_what_the_same_coefficient_forbids(studies):
    made = studies["zero"].plot.power_map()
    assert [ax.get_title() for ax in made.axes[:2]] == [ASKED, "time"]
    too_sure, robust = marks(made, "crosses")[:2], marks(made, "crosses")[2:]
    assert all(len(found) >= 3 for found in too_sure)
    assert not any(robust)


def test_a_report_may_be_about_some_coefficients(studies, tmp_path, capsys):
    folder = str(studies["zero"].out)
    assert main(["report", folder, "--out", str(tmp_path / "one"), "--terms", ASKED]) == 0
    page = (tmp_path / "one" / "index.html").read_text(encoding="utf-8")
    assert f"6 cells and the coefficient {ASKED}, " in page
    assert ">treatnew<" not in page  # in no table and no control
    assert ">time<" not in page
    every = report.write(studies["zero"], tmp_path / "every").read_text(encoding="utf-8")
    assert every.index(f"<h3>{ASKED}</h3>") < every.index("<h3>treatnew</h3>") < every.index("<h3>All coefficients</h3>")
    assert ">treatnew<" in every
    assert "Averaged over 6 cells, each of 3 coefficients by itself, without the intercept" in every
    assert main(["report", folder, "--terms", "treat"]) == 2
    assert "term='treat' is not known. Did you mean 'treatnew'?" in capsys.readouterr().err


def test_tables_of_the_page_average_no_unlike_coefficients(studies):
    results = studies["zero"]
    (table,) = tables.headlines(Numbers(results))
    assert table.columns == [
        "coefficient",
        "strategy",
        "coverage",
        "type I error",
        "power",
        "bias",
        "RMSE",
    ]  # that a desk has room for
    assert table.keys == ["term", "model"]
    assert list(dict.fromkeys(row[0] for row in table.rows)) == [ASKED, "treatnew", "time"]  # as the sentences above it
    expected = results.measures(["term", "model"], measures=["coverage"])
    texts = {(str(row["term"]), str(row["model"])): in_words(row) for row in expected.to_dict("records")}
    assert {(row[0], row[1]): row[2] for row in table.rows} == {key: text for key, text in texts.items() if key[0] != "Intercept"}


def test_notes_say_what_is_averaged_in_the_figure(tmp_path):
    process = GaussianMultilevel(n_predictors=2, fixed_effects=(0, 0, 0.3))
    grid = {"group_sd": [0.1, 0.5, 1], "n_groups": [5, 10], "n_obs": [5, 9]}
    made = results_of(tmp_path / "run", grid, process=process, status=lambda *_: "singular")
    assert "All levels of observations per group are averaged." in note(made.plot.bias())  # panels of coefficients are in its place
    assert "averaged" not in note(made.plot.failures())
    assert "averaged" not in note(made.plot.bias(terms="IV1"))
    with pytest.raises(
        InputError, match="there are panels for each of IV1, IV2, whose measures are not averaged; leave out 'n_obs'"
    ):
        made.plot.bias(by=["group_sd", "n_groups", "n_obs"])
    with pytest.raises(InputError, match="columns of panels are coefficients, which are not averaged; leave out 'n_obs'"):
        made.plot.coverage_map(by=["group_sd", "n_groups", "n_obs"])
    assert len(made.plot.bias(by=["group_sd", "n_groups", "n_obs"], terms="IV1").axes) == 4


def test_a_file_of_measures_averages_no_unlike_coefficients(studies, tmp_path):
    file = tmp_path / "by.csv"
    assert main(["summary", str(studies["zero"].out), "--by", "units.patient", "--measures", "coverage", "--csv", str(file)]) == 0
    stored = pd.read_csv(file)
    expected = studies["zero"].measures(["model", "units.patient", "term"], measures=["coverage"]).set_index(["term", "model"])
    assert set(stored["term"]) == {ASKED, "treatnew", "time"}
    assert len(stored) == 18
    for (term, model), lines in stored.groupby(["term", "model"]):
        np.testing.assert_allclose(lines["value"], expected.loc[(term, model), "value"], rtol=1e-12)


def test_numbers_that_are_needed_have_the_verdict_on_their_own_coefficient(studies):
    table = studies["zero"].needed("power", 0.8, over="units.patient")
    level = studies["zero"].measures(["model"], terms=[ASKED], measures=["type_one_error"]).set_index("model")["value"]
    for term, promise in ((ASKED, "type_one_error"), ("time", "coverage")):
        for model, verdict in ((SURE, "not kept"), (GOOD, "kept")):
            lines = table[(table["term"] == term) & (table["model"] == model)]
            assert len(lines) > 0
            assert set(lines["promise"]) == {promise}
            assert set(lines["verdict"]) == {verdict}
    assert set(table.loc[(table["term"] == ASKED) & (table["model"] == SURE), "rate"]) == {level[SURE]}
