"""What notebooks show of studies, results, designs and fits: short tables, escaped; nothing that runs or comes from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from documented import rows
from made_up import MODELS, POST_GRID, results_of, store, tables

import jaxsim
from jaxsim import (
    Design,
    FunctionProcess,
    GaussianMultilevel,
    Grid,
    LinearMixed,
    OwnMeasure,
    PooledOLS,
    Prediction,
    StudentT,
    Study,
    Until,
    between,
    counterbalanced,
    covariate,
    lists,
    markup,
    nested,
    sampled,
    within,
)
from jaxsim.frames.fit_card import posterior_card
from jaxsim.measures.overview import overview
from jaxsim.processes import Normal, PoissonSizes
from jaxsim.store.folder import Folder

EMPTY_TAGS = {"br", "hr", "img", "meta", "link", "input"}


class Shown(HTMLParser):
    """Tables of text, what stands outside them, tags and attributes; every tag must be closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.attributes, self.words, self.tables = [], set(), {}, [], []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"
        for table in self.tables:
            assert len(set(map(len, table))) <= 1, f"rows of several lengths: {table}"

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(dict(attrs))
        if tag not in EMPTY_TAGS:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.tables[-1][-1][-1] += data
        elif data.strip():
            self.words.append(data)

    @property
    def text(self):
        return "\n".join(self.words)


def shown(thing) -> Shown:
    """The parsed HTML, after what must hold for any."""
    text = thing if isinstance(thing, str) else thing._repr_html_()
    found = Shown(text)
    assert not found.tags & {"script", "style", "link", "img", "iframe", "object"}
    assert set(found.attributes) <= {"class", "scope", "style", "colspan"}
    assert not re.search(r"https?:|url\(|javascript|\bon\w+=", text)
    assert "color" not in text, "colours are those of the page around"
    return found


NASTY = "<b>\"A\" & 'B'</b><script>alert(1)</script>"


class TestMarkup:
    def test_everything_is_escaped(self):
        text = markup.card(
            markup.title(NASTY, NASTY), markup.line(NASTY), markup.lines([NASTY]), markup.facts([(NASTY, NASTY)]),
            markup.table([NASTY, "x"], [[NASTY, NASTY]], 1, NASTY),
        )  # fmt: skip
        found = shown(text)
        assert "b" not in found.tags
        assert found.tables == [[[NASTY, NASTY]], [[NASTY, "x"], [NASTY, NASTY]]]
        assert found.words == [NASTY, f" {NASTY}", NASTY, NASTY, NASTY]

    def test_what_is_empty_takes_no_place(self):
        assert markup.line("") == markup.lines([]) == markup.facts([]) == ""

    def test_a_long_table_says_what_it_leaves_out(self):
        text = markup.table(["a", "b"], [[str(k), ""] for k in range(markup.MOST_ROWS + 1234)])
        assert text.count("<tr>") == markup.MOST_ROWS + 2
        assert "and 1,234 rows more" in text


@pytest.fixture(scope="module")
def sleepstudy():
    return rows("sleepstudy")


class TestFits:
    def test_a_mixed_model_has_the_tables_of_its_summary(self, sleepstudy):
        fit = jaxsim.lmer("Reaction ~ Days + (Days | Subject)", sleepstudy)
        found = shown(fit)
        random, fixed = found.tables
        assert random[0] == ["Groups", "Name", "Variance", "Std.Dev.", "Corr"]
        assert [row[:2] for row in random[1:]] == [["Subject", "(Intercept)"], ["", "Days"], ["Residual", ""]]
        assert fixed[0][:3] == ["", "Estimate", "Std. Error"]
        summary = fit.summary()
        for cell in [cell for table in found.tables for row in table for cell in row]:
            assert cell in summary
        assert [float(row[1]) for row in fixed[1:]] == pytest.approx(fit.beta, rel=1e-3)  # four digits are shown
        for word in ("Reaction ~ Days + (Days | Subject)", "REML criterion at convergence: 1743.6283", "Number of obs: 180"):
            assert word in found.text
        assert "Status" not in found.text

    def test_its_plain_text_is_its_summary(self, sleepstudy):
        fit = jaxsim.ols("Reaction ~ Days", sleepstudy)
        assert repr(fit) == str(fit) == fit.summary()
        found = shown(fit)
        assert len(found.tables) == 1
        assert "Residual standard error: 47.715" in found.text

    @pytest.mark.parametrize("name", ["lm", "lm2"])
    def test_other_fits(self, sleepstudy, name):
        options = {"lm": {"cluster": "Subject"}, "lm2": {"group": "Subject"}}[name]
        fit = getattr(jaxsim, name)("Reaction ~ Days", sleepstudy, **options)
        ((_, first, second),) = shown(fit).tables
        assert [first[0], second[0]] == ["(Intercept)", "Days"]

    def test_a_boundary_is_said_and_names_are_escaped(self):
        rng = np.random.default_rng(3)
        data = pd.DataFrame({"g": np.repeat(list("abcdef"), 5), "x": np.tile(["<b>", "&", "c", "<b>", "&"], 6)})
        data["y"] = rng.normal(size=30)
        data["y"] -= data.groupby("g")["y"].transform("mean")
        with pytest.warns(UserWarning, match="singular"):
            fit = jaxsim.lmer("y ~ x + (1 | g)", data)
        found = shown(fit)
        assert "Status: singular" in found.text
        assert fit.messages[0] in found.text
        assert [row[0] for row in found.tables[1][1:]] == ["(Intercept)", "x<b>", "xc"]

    def test_a_fit_that_failed_says_so(self):
        data = pd.DataFrame({"g": list("aabbcc"), "x": [1.0, 2, 3, 4, 5, 6], "y": [0.0] * 6})
        with pytest.warns(UserWarning, match="response"):
            fit = jaxsim.lmer("y ~ x + (1 | g)", data)
        assert fit.status != "ok"
        assert f"Status: {fit.status}" in shown(fit).text

    def test_several_factors(self):
        rng = np.random.default_rng(1)
        data = pd.DataFrame([(s, i) for s in range(8) for i in range(6)], columns=["s", "i"])
        data["y"] = rng.normal(size=8)[data["s"]] + rng.normal(size=6)[data["i"]] + rng.normal(size=48)
        found = shown(jaxsim.lmer("y ~ 1 + (1 | s) + (1 | i)", data))
        assert [row[0] for row in found.tables[0][1:]] == ["s", "i", "Residual"]
        assert "groups:  s, 8; i, 6" in found.text

    def test_a_posterior(self):
        parameters = pd.DataFrame({"parameter": ["sd_g_<x>"], "mean": [0.123456]})
        fixed = pd.DataFrame({"term": ["x"], "estimate": [12345.678]})
        found = shown(posterior_card("y ~ x + (1 | g)", parameters, fixed, "not_converged", ["Pareto k is 0.9"]))
        assert found.tables == [[["parameter", "mean"], ["sd_g_<x>", "0.1235"]], [["term", "estimate"], ["x", "1.235e+04"]]]
        assert "Status: not_converged" in found.text
        assert "Pareto k is 0.9" in found.text


def test_a_posterior_shows_its_tables(sleepstudy):
    pytest.importorskip("numpyro")
    fit = jaxsim.bayes("Reaction ~ Days + (Days | Subject)", sleepstudy)
    found = shown(fit)
    assert [row[0] for row in found.tables[0][1:]] == list(fit.parameters["parameter"])
    assert [row[0] for row in found.tables[1][1:]] == list(fit.table["term"])
    assert repr(fit) == str(fit)
    assert repr(fit).startswith("Bayesian hierarchical model")


def far(rows):
    return abs(rows.error) > 1


class TestStudies:
    def test_size_grid_and_strategies(self):
        study = Study(
            GaussianMultilevel(n_predictors=1, residual_sd=2.0),
            Grid(n_groups=[8, 16], group_sd=[(0.1, 0.5), (0.2, 1.0)]),
            (PooledOLS(label=NASTY), LinearMixed("DV ~ IV1 + (1 | Group)", df="kenward-roger")),
            1000,
            seed=7,
        )
        found = shown(study)
        facts, grid, strategies = found.tables
        fields = dict(facts)["fields"]
        assert sorted(fields.split(", ")) == ["n_predictors=1", "residual_sd=2.0"]
        assert ["seed", "7"] in facts
        assert grid[1:] == [["n_groups", "8, 16"], ["group_sd", "0.1, 0.5 | 0.2, 1"]]
        assert [row[0] for row in strategies[1:]] == [NASTY, "lmer"]
        assert [row[3] for row in strategies[1:]] == [strategy.told(study.names) for strategy in study.estimators]
        assert "4 cells x 1,000 datasets, fitted by 2 strategies: 8,000 fits" in found.text

    def test_what_else_was_asked_for(self):
        study = Study(
            GaussianMultilevel(n_groups=10), Grid(), (LinearMixed(),), 500, until=Until(power=0.01), scores=(Prediction(),),
            measures=(OwnMeasure("far", far),), group_coefficients=True,
        )  # fmt: skip
        found = shown(study)
        facts = dict(found.tables[0])
        assert facts["stops"].startswith("Monte Carlo error of power to 0.01")
        assert facts["scores"] == "GroupRecovery, Prediction"
        assert facts["own measures"] == "far"
        assert "1 cell x up to 500 datasets, fitted by 1 strategy: up to 500 fits" in found.text
        assert "One condition: no grid." in found.text

    def test_long_lists_are_cut(self):
        study = Study(GaussianMultilevel(), Grid(n_groups=list(range(5, 205))), (PooledOLS(),), 2)
        levels = shown(study).tables[1][1][1]
        assert levels.startswith("5, 6, 7")
        assert levels.endswith("…")
        assert len(levels) == 200

    def test_a_process_of_ones_own(self):
        found = shown(Study(FunctionProcess(own, n_groups=4), Grid(), (PooledOLS(),), 2))
        assert "own" in found.tables[0][0][1] + found.tables[0][1][1]


def own(key, n_groups):
    group = jnp.repeat(jnp.arange(n_groups), 4)
    return {"Intercept": 0.0}, {"Group": group, "DV": jax.random.normal(key, group.shape)}


class TestResults:
    def test_where_how_far_and_the_overview(self, tmp_path):
        def status(model, cell, replicate):
            return "not_converged" if (model, replicate) == ("lmer", 0) else "ok"

        results = results_of(tmp_path / "a & b", POST_GRID, status=status)
        found = shown(results)
        first, listwise = found.tables
        assert first[0][:4] == ["", "coverage", "power", "bias"]
        assert [row[0] for row in first[1:]] == [model.name for model in MODELS]
        text = overview(results.performance)
        for cell in [cell for table in (first, listwise) for row in table for cell in row]:
            assert cell in text
        assert first != listwise
        assert "72 of 72 datasets in" in found.text
        assert "a & b" in found.text
        assert "listwise" in found.text
        assert "UNFINISHED" not in found.text

    def test_a_run_that_is_not_complete(self, tmp_path):
        study = Study(GaussianMultilevel(n_predictors=1), Grid(n_groups=[5]), MODELS, 10)
        estimates, fits = (table.filter(pc.field("replicate") < 4) for table in tables(study, lambda *_: "ok", {}))
        store(tmp_path / "run", study, estimates, fits, stop=4)
        found = shown(jaxsim.load(tmp_path / "run"))
        assert "4 of 10 datasets" in found.text
        assert "UNFINISHED: 4 of 10 datasets" in found.text
        assert len(found.tables) == 1

    def test_nothing_is_finished(self, tmp_path):
        Folder(tmp_path / "run").claim(Study(GaussianMultilevel(), Grid(n_groups=[5]), MODELS, 10))
        found = shown(jaxsim.load(tmp_path / "run"))
        assert "0 of 10 datasets" in found.text
        assert not found.tables

    def test_the_figures_list_themselves(self, tmp_path):
        (table,) = shown(results_of(tmp_path / "run", {"n_groups": [5]}, replicates=2).plot).tables
        assert ["coverage()", "Coverage"] in [row[:2] for row in table]


class TestDesigns:
    def test_one_unit(self):
        design = Design(
            "rt ~ drug * day + age + (day | subject)",
            units={"subject": 40},
            variables={
                "drug": between("subject", levels=("<placebo>", "active")),
                "day": within(0, 1, 3),
                "age": covariate("subject", Normal(35, 10)),
            },
            effects={"Intercept": 500, "drugactive": -5.5},
            sd={"subject": {"Intercept": 60, "day": 8}},
            residual=StudentT(4),
        )
        units, variables, effects, spreads = shown(design).tables
        assert units == [["unit", "number", "who meets whom"], ["subject", "40", ""]]
        assert variables[1] == ["drug", "each subject has one of <placebo>, active"]
        assert variables[2] == ["day", "every subject meets 0, 1, 3"]
        assert variables[3][1].startswith("each subject has one from Normal")
        assert ["drugactive", "-5.5"] in effects
        assert ["drugactive:day", "0"] in effects
        assert dict(spreads[1:]) == {
            "sd.subject.Intercept": "60", "sd.subject.day": "8", "correlation.subject": "0", "residual_sd": "1"
        }  # fmt: skip
        text = shown(design).text
        assert "120 rows a dataset" in text
        assert "World: residual StudentT" in text

    @pytest.mark.parametrize(
        ("meets", "said"),
        [
            ("all", ["each meets every item", "each meets every subject"]),
            (sampled(5), ["each meets 5 item, drawn anew in every dataset", ""]),
            (lists(2), ["each meets one of 2 lists of item", ""]),
        ],
    )
    def test_who_meets_whom(self, meets, said):
        design = Design(
            "rt ~ cond + (cond | subject) + (1 | item)",
            units={"subject": 30, "item": 20},
            variables={"cond": counterbalanced(("a", "b"), over=("subject", "item"))},
            meets=meets,
        )
        found = shown(design)
        assert [row[2] for row in found.tables[0][1:]] == said
        rows = {"all": "600", "sampled(5)": "150", "lists(2)": "300"}[str(meets)]
        assert f"{rows} rows a dataset" in found.text
        assert len(design.preview().rows) == int(rows)

    def test_nested_units_in_random_numbers(self):
        design = Design("y ~ 1 + (1 | school/class)", units={"school": 5, "class": nested("school", PoissonSizes(4))}, repeats=3)
        found = shown(design)
        school, classes = found.tables[0][1:]
        assert school[:2] == ["school", "5"]
        assert school[2].startswith("each has PoissonSizes")
        assert classes[2] == "in school"
        assert classes[1].startswith("up to ")
        assert "up to " in found.text

    def test_nothing_is_drawn_for_it(self, monkeypatch):
        monkeypatch.setattr(Design, "rows", lambda *_: pytest.fail("a dataset was drawn"))
        shown(Design("y ~ 1 + (1 | g)", units={"g": 5}, repeats=3))
