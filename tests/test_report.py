"""The report on hand-made results: every figure shows the measures' numbers, and any study gives a whole page."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pytest
from made_up import ASKED, MODELS, POST_GRID, results_of, segments
from matplotlib import cbook
from programs import counted
from scipy import stats

from jaxsim import (
    ClusterRobust,
    GaussianMultilevel,
    Grid,
    InputError,
    Uniform,
    UniformSizes,
    load,
    measures,
    report,
)
from jaxsim.report import ahead
from jaxsim.report.figures.boxes import FIVE, _five_numbers
from jaxsim.report.figures.coverage import expected_band
from jaxsim.report.figures.group_coefficients import first_datasets, illustrative_cells
from jaxsim.report.figures.layout import MOST_PANELS, choose_layout
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.style import looks
from jaxsim.store.chunk import Span, unpack
from jaxsim.store.folder import Folder
from jaxsim.sweep import recipe


def same_segments(drawn, limits):
    """Bars from and to these limits: the same sums over the same rows, added up in another order."""
    np.testing.assert_allclose(drawn, np.array(sorted(map(tuple, limits))), rtol=1e-10, atol=1e-12)


class Page(HTMLParser):
    """What a reader and a browser take from a page: its words, the resources and links it names, its tags and pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.resources, self.links, self.ids, self.tags, self.pictures = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.tags.append(tag)
        self.ids += [named["id"]] if "id" in named else []
        self.resources += [named[name] for name in ("src", "srcset", "data") if name in named]
        self.links += [named["href"]] if "href" in named else []
        if tag == "svg":
            self.pictures.append((named["role"], *named["aria-labelledby"].split()))

    def handle_data(self, data):
        if self.tags[-1:] not in (["style"], ["script"]):
            self.words.append(data.replace("\u00a0", " "))


def read(index) -> tuple[str, Page]:
    text = index.read_text(encoding="utf-8")
    return text, Page(text)


def check_page(index, names) -> Page:
    """Everything that must hold for any study's page that shows the figures ``names``."""
    text, page = read(index)
    words = " ".join(page.words)
    assert page.resources == []
    assert page.pictures == [("img", f"{name}-title", f"{name}-words") for name in names]
    for name in names:
        assert (index.parent / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (index.parent / "figures" / f"{name}.svg").read_text().rstrip().endswith("</svg>")
    assert not re.search(r"https?://|@import|url\((?!#)", text)
    assert page.tags.count("script") == 1
    assert not re.search(r"\b(nan|inf|none of)\b", words, re.IGNORECASE)
    assert len(page.ids) == len(set(page.ids))
    assert {f"{name}-{part}" for name in names for part in ("title", "words")} <= set(page.ids)
    assert all(
        link.removeprefix("#") in page.ids if link.startswith("#") else (index.parent / link).is_file() for link in page.links
    )
    return page


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    """Results on a small version of the 2019 grid; some mixed models singular, some failed."""

    def status(model, cell, replicate):
        if model == "lmer":
            return "singular" if cell % 3 == 0 else "not_converged" if (cell, replicate) == (1, 0) else "ok"
        return "ok"

    return results_of(tmp_path_factory.mktemp("post") / "a & b", POST_GRID, status=status)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Results on a grid of two cells."""
    return results_of(tmp_path_factory.mktemp("small") / "run", {"n_groups": [5, 10]})


@pytest.fixture(scope="module")
def index(post):
    return report.write(post)


def test_the_page_holds_every_figure(index, post):
    assert index == post.out / "report" / "index.html"
    page = check_page(index, [name for name in report.FIGURES if not name.startswith("type_one_error") and name not in ASKED])
    words = " ".join(page.words)
    assert "a & b" in words  # the folder's name, escaped in the source
    assert "12 cells × 6 datasets, each fitted by ols, lm2 and lmer." in words
    assert "available" in words
    assert "listwise" in words  # a fit failed, so both policies are shown
    assert "the optimiser stopped before" in words
    assert "provenance" in page.ids
    rate = post.rates(["model"]).query("model == 'lmer' and measure == 'failure'").iloc[0]
    assert f"{rate['value']:.3f} ± {rate['mcse']:.3f}" in words


def test_writing_again_gives_the_same_files_and_drops_old_ones(small, tmp_path):
    first = report.write(small)
    stale = tmp_path / "again" / "figures" / "type_one_error.png"
    stale.parent.mkdir(parents=True)
    stale.write_text("of another study")
    again = report.write(small, tmp_path / "again")
    assert not stale.exists()
    assert again.read_bytes() == first.read_bytes()
    for file in (first.parent / "figures").iterdir():
        assert (again.parent / "figures" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("figure", "measure"), [("bias", "bias"), ("coverage", "coverage"), ("empirical_vs_model_se", "model_se_error")]
)
@pytest.mark.parametrize("policy", measures.POLICIES)
def test_error_bars_are_the_limits_of_the_measures(post, figure, measure, policy):
    slopes = post.estimates[post.estimates["term"] != "Intercept"]
    expected = measures.summarise(slopes, ["model", *post.factors], policy=policy, measures=[measure])
    drawn = segments(report.draw(figure, post, policy=policy))
    limits = expected[["low", "high"]].to_numpy(float)
    limits = limits[np.isfinite(limits).all(axis=1)]
    assert len(drawn) == len(limits) > 30
    same_segments(drawn, limits)


def test_paired_bars_and_power_bars(post):
    slopes = post.estimates[post.estimates["term"] != "Intercept"]
    pairs = measures.paired(slopes, post.factors, "lmer", policy="available").query("measure == 'rmse'")
    drawn = segments(report.draw("paired_rmse", post))
    same_segments(drawn, pairs[["low", "high"]].to_numpy())
    power = measures.summarise(slopes, ["model", *post.factors], measures=["rejection"])
    drawn = segments(report.draw("power", post))
    same_segments(drawn, power[["low", "high"]].to_numpy())


def test_failures_show_singular_fits_and_failed_ones(post):
    figure = report.draw("failures", post)
    rates = post.rates()
    rates = rates[(rates["model"] == "lmer") & rates["measure"].isin(["singular", "failure"])]
    same_segments(segments(figure), rates[["low", "high"]].to_numpy())
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["lmer: singular", "lmer: failed"]


def test_strategies_stand_beside_each_other_in_their_own_colours(post):
    figure = report.draw("coverage", post)
    assert len(figure.axes) == 4  # 2 numbers of groups by 2 of observations; 3 SDs along the axis
    lines = {line.get_label(): line for line in figure.axes[0].lines if len(line.get_xdata()) == 3}
    assert list(lines) == ["ols", "lm2", "lmer"]
    places = np.array([line.get_xdata() for line in lines.values()])
    assert (np.diff(places, axis=0) > 0.04).all()  # in units of the distance between two levels: visibly apart
    assert (np.abs(places - np.arange(3)) < 0.5).all()  # and nearer to their own level than to the next
    assert {name: line.get_color() for name, line in lines.items()} == {m: look.color for m, look in looks(list(lines)).items()}
    many = looks([f"m{i}" for i in range(12)])
    assert len({(look.color, look.marker) for look in many.values()}) == 12
    assert looks(["x", "lmer"])["lmer"].color == looks(["lmer"])["lmer"].color


def test_group_coefficients_are_those_of_the_datasets(post):
    study = post.study
    cells = illustrative_cells(study)
    assert [dict(cell.conditions)["group_sd"] for cell in cells] == [0.1, 1, 4]
    assert {cell.process.n_groups for cell in cells} == {30}
    truth = study.dataset(cells[1].index, 0).attrs["truth"]
    fixed, coefficients = first_datasets(study, cells)
    # The same random numbers and the same formula; the order of the sums may differ in the last bits.
    np.testing.assert_allclose(fixed[1], list(truth["fixed_effects"].values()), rtol=0, atol=1e-13)
    np.testing.assert_allclose(coefficients[1], truth["group_coefficients"], rtol=0, atol=1e-13)


def test_what_a_run_prepares_is_not_compiled_for_the_report(post, monkeypatch):
    recipe.forget()
    compiled = counted(monkeypatch)
    ahead.prepare(dataclasses.replace(post.study, grid=Grid(n_groups=[5, 10])))
    assert compiled == []
    ahead.prepare(post.study)
    assert len(compiled) == 1
    first_datasets(post.study, illustrative_cells(post.study))
    assert len(compiled) == 1


def test_boxes_are_matplotlibs(post):
    table = Numbers(post).post.rename(columns={"Btwn_grp_sigma": "group_sd", "Num_grp": "n_groups", "Num_obs_grp": "n_obs"})
    table = table.dropna(subset=["T_sum"])
    five = _five_numbers(table, "T_sum")
    keys = ["Model", "group_sd", "n_groups", "n_obs"]
    for key, fits in table.groupby(keys, observed=True):
        line = five[(five[keys] == list(key)).all(axis=1)]
        (expected,) = cbook.boxplot_stats(fits["T_sum"].to_numpy())
        # Two implementations of the same interpolated quantiles: rounding only.
        np.testing.assert_allclose(
            line[list(FIVE)].to_numpy()[0], [expected[k] for k in ("whislo", "q1", "med", "q3", "whishi")], rtol=1e-12
        )
    assert len(report.draw("t_sum", post).axes) == 4


@pytest.mark.parametrize("count", [1, 50, 1000])
def test_the_grey_band_is_the_binomial_quantile_range(count):
    expected = stats.binom.ppf([0.025, 0.975], count, 0.95) / count
    assert np.array_equal(expected_band(0.95, count), expected)


ODD = {
    "no factor": dict(grid={}),
    "one factor": dict(grid={"group_sd": [0.1, 1]}),
    "levels that are no numbers": dict(grid={"sampler": ["rows", "cross_products"], "n_obs": [5, UniformSizes(3, 9)]}),
    "four factors": dict(grid={"n_groups": [5, 10], "n_obs": [5, 9], "residual_sd": [1, 2], "sampler": ["rows", "cross_products"]}),
    "one strategy": dict(grid={"n_groups": [5, 10]}, estimators=MODELS[0]),
    "one replicate": dict(grid={"n_groups": [5, 10]}, replicates=1),
    "every fit failed": dict(
        grid={"n_groups": [10], "n_obs": [5], "group_sd": [0.1, 1]}, replicates=2, status=lambda *_: "rank_deficient"
    ),
    "one strategy always fails": dict(grid={"n_obs": [2, 5]}, status=lambda model, *_: "too_few_rows" if model == "lm2" else "ok"),
    "intercept only": dict(grid={"n_groups": [5, 10]}, process=GaussianMultilevel(n_predictors=0)),
    "a true zero": dict(grid={"n_groups": [5, 10]}, process=GaussianMultilevel(n_predictors=2, fixed_effects=(0, 0.5, 0))),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.filterwarnings("error")
def test_any_study_gives_a_page(name, tmp_path):
    results = results_of(tmp_path / "run", **ODD[name])
    page = check_page(report.write(results), expected_figures(results))
    words = " ".join(page.words)
    assert ("every usable fit counts" in words) == ("fail" in name)


def expected_figures(results) -> list[str]:
    missing = set(ASKED)
    events = results.rates(["model"]).query("measure in ['singular', 'failure']")
    if not (events["value"] > 0).any():
        missing.add("failures")
    levels = dict(results.study.grid.factors)
    varied = [name for name, given in levels.items() if len(given) > 1]
    if not {"n_groups", "n_obs", "group_sd"} <= set(results.factors):
        missing |= {"group_coefficients", "coefficient_error", "se_sum", "t_sum"}
    if len(results.study.estimators) == 1:
        missing.add("paired_rmse")
    if isinstance(results.study.process.fixed_effects, Uniform):
        missing |= {"type_one_error", "type_one_error_map"}
    if len(varied) < 2:
        missing |= {name for name in report.FIGURES if name.endswith(("_map", "_loop"))}
    if not any(len(levels[name]) > 2 for name in varied):
        missing |= {"coverage_curve", "power_curve"}
    return [name for name in report.FIGURES if name not in missing]


def test_power_and_type_one_error_are_told_apart(tmp_path):
    results = results_of(tmp_path / "run", **ODD["a true zero"])
    rejection = measures.summarise(results.estimates, ["model", "n_groups", "term"], measures=["rejection"])
    for figure, term in (("power", "IV1"), ("type_one_error", "IV2")):
        limits = rejection.loc[rejection["term"] == term, ["low", "high"]].to_numpy()
        same_segments(segments(report.draw(figure, results)), limits)
    limits = rejection.loc[rejection["term"] == "Intercept", ["low", "high"]].to_numpy()
    drawn = segments(report.draw("type_one_error", results, terms=["Intercept"]))
    same_segments(drawn, limits)


def test_zero_in_some_cells_only(tmp_path):
    grid = {"n_groups": [5, 10], "fixed_effects": [(0, 0, 0), (0, 0.5, 0.5)]}
    results = results_of(tmp_path / "run", grid, replicates=3)
    slopes = results.estimates[results.estimates["term"] != "Intercept"]
    for figure, zero in (("type_one_error", True), ("power", False)):
        rows = slopes[(slopes["truth"] == 0) == zero]
        limits = measures.summarise(rows, ["model", "n_groups"], measures=["rejection"])[["low", "high"]].to_numpy()
        drawn = report.draw(figure, results)
        same_segments(segments(drawn), limits)
        assert len(drawn.axes) == 1  # no panel for the cells that have no such effects


def test_words_of_the_study_are_escaped_and_no_formulas(tmp_path):
    label = "<script>alert(1)</script> $\\frac{$"
    results = results_of(tmp_path / "run", {"n_groups": [5, 10]}, (ClusterRobust(label=label), *MODELS), replicates=2)
    page = check_page(report.write(results), expected_figures(results))
    assert label in "".join(page.words)


def test_a_run_that_is_not_complete_says_so(small, tmp_path):
    (entry,) = small.folder.entries()
    with small.folder.open_chunk(entry.name) as file:
        table = unpack(entry.name, file)
    key = small.study.cells[0].key
    first = table.filter(pa.compute.equal(table["cell_key"], key))
    place = Folder(tmp_path / "run")
    place.claim(small.study)
    place.write_chunk(first, dataclasses.replace(entry.about, spans=(Span(key, 0, 6),)))
    results = load(tmp_path / "run")
    page = check_page(report.write(results), expected_figures(results))
    assert "6 of 12 planned" in " ".join(page.words)


def test_layout_puts_factors_where_they_can_be_read():
    def layout(**levels):
        cells = Grid(**levels).conditions()
        return choose_layout(pd.DataFrame([dict(c) for c in cells]), list(levels))

    found = layout(n_groups=[10, 30, 100], n_obs=[5, 25, 100], group_sd=[0.1, 0.25, 1, 2, 4])
    assert (found.x, found.columns, found.rows, found.pooled) == ("group_sd", "n_groups", "n_obs", ())
    found = layout(a=["u", "v", "w"], b=[1, 2], c=[3], d=[1.0, 2.0])
    assert (found.x, found.columns, found.rows, found.pooled) == ("b", "a", "d", ())
    assert layout(a=["u", "v"]).x == "a"
    many = list(range(MOST_PANELS + 1))
    found = layout(a=many, b=[*many, 99])
    assert (found.x, found.columns, found.pooled) == ("b", None, ("a",))
    assert "a are averaged" in found.note()


def test_what_cannot_be_reported_is_refused(post, tmp_path):
    with pytest.raises(InputError, match="policy='lenient' is not known"):
        report.write(post, tmp_path / "x", policy="lenient")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give a folder"):
        report.write(post, tmp_path / "file")
    with pytest.raises(InputError, match=r"figure='covrage' is not known\. Did you mean 'coverage'\? Use one of 'group_"):
        report.draw("covrage", post)
    with pytest.raises(InputError, match="term='IV9' is not known"):
        report.draw("bias", post, terms=["IV9"])
