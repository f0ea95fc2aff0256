"""``results.plot``: every figure of the report as a function, with the numbers that the tables have."""

from __future__ import annotations

import gc
import inspect
import subprocess
import sys
import weakref

import matplotlib as mpl
import numpy as np
import pytest
from made_up import LEVELS, POST_GRID, five_factors, legend, lines, meshes, note, results_of, segments, steps
from matplotlib.figure import Figure

from jaxsim import GaussianMultilevel, GroupRecovery, InputError, report
from jaxsim.picture import Picture
from jaxsim.report.figures.curves import POINTS
from jaxsim.report.figures.style import looks


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """Results on five factors, with effects of three sizes, some of them none."""
    return five_factors(tmp_path_factory.mktemp("grid") / "run")


@pytest.fixture(scope="module")
def post(tmp_path_factory):
    """Results on a small version of the 2019 grid, with true effects only."""
    return results_of(tmp_path_factory.mktemp("post") / "run", POST_GRID)


def points(ax, model):
    """Heights of a strategy's points in a panel, along the axis."""
    return np.concatenate([line.get_ydata() for line in ax.lines if line.get_label() == model])


def same(drawn, expected):
    """The same sums over the same rows, added up in another order."""
    np.testing.assert_allclose(drawn, expected, rtol=1e-10, atol=1e-12)


def test_there_is_a_function_for_every_figure_of_the_report(post):
    assert set(dir(post.plot)) == set(report.FIGURES)
    for name, entry in report.FIGURES.items():
        function = getattr(post.plot, name)
        assert function.__name__ == name
        assert entry.title in inspect.getdoc(function)
        assert "strategies: labels" in inspect.getdoc(function)
        assert f"{name} " in repr(post.plot)
    assert list(inspect.signature(post.plot.coverage).parameters) == ["by", "strategies", "terms", "title", "policy"]


@pytest.mark.parametrize("name", report.FIGURES)
def test_a_figure_is_that_of_the_report_or_says_why_there_is_none(grid, post, name):
    for results in (grid, post):
        drawn = report.draw(name, results)
        if drawn is None:
            with pytest.raises(InputError, match=rf"results\.plot\.{name} cannot be drawn: .+\.$"):
                getattr(results.plot, name)()
        else:
            assert getattr(results.plot, name)()._repr_png_() == drawn._repr_png_()


class TestBy:
    def test_the_first_factor_is_along_the_axis_the_others_are_panels(self, grid):
        figure = grid.plot.coverage(by=["n_groups", "n_obs", "group_sd"])
        expected = lines(grid, "coverage", ["n_groups", "n_obs", "group_sd"])
        assert figure.axes[-1].get_xlabel() == "groups"
        assert [ax.get_title() for ax in figure.axes[:2]] == ["observations per group: 3", "observations per group: 10"]
        assert len(figure.axes) == 4
        for ax, (sd, obs) in zip(figure.axes, [(0, 3), (0, 10), (1, 3), (1, 10)], strict=True):
            for model in ("ols", "lm2", "lmer"):
                same(points(ax, model), [expected[model, groups, obs, sd]["value"] for groups in LEVELS["n_groups"]])
        assert "correlation of group effects and effect (standard errors) are averaged" in note(figure)

    def test_one_factor_is_a_panel_and_may_be_any(self, grid):
        figure = grid.plot.bias(by="effect_in_se")
        assert "vertical scale" not in note(figure)  # of one panel
        assert note(grid.plot.bias(by=["effect_in_se", "n_obs"])).endswith("Each panel has its own vertical scale.")
        expected = lines(grid, "bias", ["effect_in_se"])
        (ax,) = figure.axes
        assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "3"]
        same(points(ax, "lm2"), [expected["lm2", effect]["value"] for effect in LEVELS["effect_in_se"]])
        limits = [[row["low"], row["high"]] for row in expected.values()]
        same(segments(figure), sorted(limits))

    def test_a_map_spreads_over_the_first_two(self, grid):
        figure = grid.plot.coverage_map(by=["n_obs", "n_groups"], strategies=["lmer", "ols"])
        expected = lines(grid, "coverage", ["n_obs", "n_groups"])
        wanted = [
            [[expected[model, obs, groups]["value"] for obs in LEVELS["n_obs"]] for groups in LEVELS["n_groups"]]
            for model in ("ols", "lmer")
        ]
        same(meshes(figure), wanted)

    def test_curves_and_loops(self, grid):
        curve = grid.plot.power_curve(by=["n_groups", "effect_in_se"])
        expected = lines(grid, "rejection", ["n_groups", "effect_in_se"], where=lambda truth: truth != 0)
        assert [ax.get_title() for ax in curve.axes] == ["effect (standard errors): 1", "effect (standard errors): 3"]
        same(points(curve.axes[1], "lmer")[::POINTS], [expected["lmer", groups, 3]["value"] for groups in LEVELS["n_groups"]])
        loop = grid.plot.coverage_loop(by=["n_groups", "n_obs"])
        expected = lines(grid, "coverage", ["n_groups", "n_obs"])
        same(
            steps(loop, "ols"), [expected["ols", groups, obs]["value"] for obs in LEVELS["n_obs"] for groups in LEVELS["n_groups"]]
        )

    @pytest.mark.parametrize(
        ("name", "by", "said"),
        [
            ("coverage", "n_group", "factor='n_group' is not known. Did you mean 'n_groups'. Use one of 'n_groups'"),
            ("coverage", ["n_obs", "n_obs"], "name each once"),
            ("coverage", [], "name each once, at least one of 'n_groups'"),
            ("coverage", 3, "by=3: give a tuple of names"),
            ("coverage", ["n_groups", "n_obs", "group_sd", "correlation"], "at most 3 factors"),
            ("coverage_curve", "n_obs", "a factor of numbers with at least 3 levels along its axis, first in by"),
            ("coverage_curve", ["n_groups", "n_obs", "group_sd"], "leave out 'group_sd'"),
            ("coverage_map", "n_obs", "two factors to spread over in by"),
            ("coverage_loop", "n_obs", "at least 2 factors in by"),
            ("power", "n_obs", "average the power of effects of several sizes, over effect_in_se; name that in by"),
            ("power_map", ["n_obs", "n_groups"], "over effect_in_se"),
            ("group_coefficients", "n_obs", r"takes terms, title, policy; leave out by=\('n_obs',\)"),
        ],
    )
    def test_what_cannot_be_is_said(self, grid, name, by, said):
        with pytest.raises(InputError, match=said):
            getattr(grid.plot, name)(by=by)

    def test_more_panels_than_can_be_read_are_refused(self, tmp_path):
        many = results_of(tmp_path / "run", {"n_groups": [4, 5, 6, 7, 8, 9], "n_obs": [3, 4]}, replicates=2)
        assert len(many.plot.bias(by=["n_groups", "n_obs"]).axes) == 2
        with pytest.raises(InputError, match="'n_groups' has 6 levels, and more than 5 panels side by side cannot be read; put it"):
            many.plot.bias(by=["n_obs", "n_groups"])


class TestChoices:
    def test_strategies_keep_their_colours_and_no_other_number_is_drawn(self, grid):
        figure = grid.plot.coverage(strategies=["lmer", "lm2"])
        assert legend(figure) == ["lm2", "lmer"]
        colors = {line.get_label(): line.get_color() for ax in figure.axes for line in ax.lines}
        assert {name: colors[name] for name in ("lm2", "lmer")} == {
            name: look.color for name, look in looks(["ols", "lm2", "lmer"]).items() if name != "ols"
        }
        every = grid.plot.coverage()
        assert every.axes[0].get_ylim()[0] < 0.5 < figure.axes[0].get_ylim()[0], "the scale is of what is shown"
        whole, part = segments(every), segments(figure)
        assert 0 < len(part) < len(whole)
        assert {tuple(segment) for segment in part} <= {tuple(segment) for segment in whole}

    def test_one_strategy_and_pairs(self, grid, post):
        assert legend(grid.plot.power(strategies="ols")) == ["ols"]
        assert legend(post.plot.coefficient_error(strategies="ols")) == ["ols"]
        with pytest.raises(InputError, match="no fit failed, and none was singular"):
            post.plot.failures(strategies="ols")
        pair = post.plot.paired_rmse(strategies=["ols", "lm2"])  # the reference is the first of those that are shown
        assert legend(pair) == ["lm2"]
        assert pair.texts[1].get_text() != post.plot.paired_rmse().texts[1].get_text()
        with pytest.raises(InputError, match="it compares strategies, and there is one, 'ols'"):
            post.plot.paired_rmse(strategies="ols")

    def test_terms(self, post):
        figure = post.plot.bias(terms="IV2", by="n_groups")
        estimates = post.estimates[(post.estimates["term"] == "IV2") & (post.estimates["model"] == "lm2")]
        error = (estimates["estimate"] - estimates["truth"]).groupby(estimates["n_groups"]).mean()
        same(points(figure.axes[0], "lm2"), error.loc[POST_GRID["n_groups"]])
        assert "Coefficient: IV2." in note(figure)

    def test_title(self, grid):
        plain, named = grid.plot.bias(), grid.plot.bias(title="Mine < yours & all")
        assert "Mine < yours & all" in [text.get_text() for text in named.texts]
        assert {text.get_text() for text in plain.texts} - {text.get_text() for text in named.texts} == {
            "Bias: mean of (estimate − truth)"
        }

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"strategies": "lmr"}, "strategy='lmr' is not known. Did you mean 'lmer'. Use one of 'ols', 'lm2', 'lmer'"),
            ({"strategies": []}, "at least one of 'ols'"),
            ({"terms": ["IV1", "IV9"]}, "term='IV9' is not known.* [uU]se one of 'Intercept', 'IV1'"),
            ({"title": 3}, "title 3: give printable text"),
            ({"policy": "all"}, "policy='all' is not known; use one of 'available', 'listwise'"),
        ],
    )
    def test_names_that_are_not_known(self, grid, options, said):
        with pytest.raises(InputError, match=said):
            grid.plot.coverage(**options)

    def test_choices_that_a_figure_has_not(self, post):
        with pytest.raises(InputError, match=r"takes strategies, title, policy; leave out terms=\('IV1',\)"):
            post.plot.se_sum(terms="IV1")
        with pytest.raises(InputError, match="takes by, strategies, title, policy"):
            post.plot.failures(terms="IV1")
        assert "takes no terms." in inspect.getdoc(post.plot.failures)


class TestReasons:
    def test_each_is_its_own(self, grid, post, tmp_path):
        with pytest.raises(InputError, match="true value is zero, and none of IV1, IV2 is that here"):
            post.plot.type_one_error()
        with pytest.raises(InputError, match=r"group_rmse is measured by studies with scores=\(GroupRecovery\(\),\)"):
            post.plot.group_recovery()
        with pytest.raises(InputError, match="it would pool effects of several sizes, of effect_in_se"):
            grid.plot.t_sum()
        flat = results_of(
            tmp_path / "run", {"n_groups": [5, 10]}, process=GaussianMultilevel(fixed_effects=(0.0, 0.0), n_predictors=1)
        )
        with pytest.raises(InputError, match="true value is not zero, and none of IV1 is that here"):
            flat.plot.power()
        with pytest.raises(InputError, match="factors group_sd, n_groups, n_obs, of which the grid lacks group_sd, n_obs"):
            flat.plot.se_sum()
        with pytest.raises(InputError, match="it needs two factors to spread over"):
            flat.plot.coverage_map()
        assert GroupRecovery  # the name that the reason gives is one that can be imported

    def test_a_figure_that_is_not_there(self, post):
        with pytest.raises(AttributeError, match=r"no figure 'covrage'. Did you mean 'coverage'. It has group_coefficients, "):
            _ = post.plot.covrage
        with pytest.raises(InputError):
            _ = post.plot.covrage
        assert not hasattr(post.plot, "_ipython_display_")


class TestOwnFigures:
    def test_are_there_as_soon_as_the_catalogue_has_them(self, post, monkeypatch):
        def drawn(numbers):
            figure = Figure()
            figure.subplots().plot(numbers.measure("bias")["value"])
            return figure

        monkeypatch.setitem(report.FIGURES, "mine", report.Entry("Mine", "A line.", drawn))
        assert "mine" in dir(post.plot)
        figure = post.plot.mine(strategies="ols", title="Of ols")
        assert len(figure.axes[0].lines[0].get_ydata()) == 12
        assert figure.get_suptitle() == "Of ols"
        assert "Mine. A line." in inspect.getdoc(post.plot.mine)

    @pytest.mark.parametrize(("given", "said"), [(None, "found nothing for it"), ("text", "gave 'text'; give a matplotlib figure")])
    def test_that_draw_nothing(self, post, monkeypatch, given, said):
        monkeypatch.setitem(report.FIGURES, "mine", report.Entry("Mine", "", lambda numbers: given))
        with pytest.raises(InputError, match=said):
            post.plot.mine()


class TestShowing:
    def test_a_figure_shows_itself_and_pyplot_does_not_know_it(self, post):
        import matplotlib.pyplot as plt  # noqa: PLC0415 - so that there is something that could know

        before = plt.get_fignums()
        figure = post.plot.coverage()
        assert isinstance(figure, Picture)
        png = figure._repr_png_()
        assert png.startswith(b"\x89PNG")
        width = int.from_bytes(png[16:20])
        assert width == pytest.approx(figure.get_figwidth() * 110, abs=1)
        assert plt.get_fignums() == before
        gone = weakref.ref(figure)
        del figure
        gc.collect()
        assert gone() is None, "nothing else holds it"

    def test_without_any_setting_of_the_notebook(self, post):
        """In a bare IPython, where neither pyplot nor ``%matplotlib inline`` was asked for."""
        code = (
            "import sys; from IPython.core.interactiveshell import InteractiveShell; from jaxsim import load\n"
            f"shell = InteractiveShell.instance(); figure = load({str(post.out)!r}).plot.coverage()\n"
            "data, _ = shell.display_formatter.format(figure)\n"
            "print(sorted(data), 'matplotlib.pyplot' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200)
        assert done.stdout.split("\n")[-2] == "['image/png', 'text/plain'] False"

    def test_the_settings_of_the_session_stay_what_they_are(self, post):
        before = dict(mpl.rcParams)
        post.plot.bias()._repr_png_()
        assert dict(mpl.rcParams) == before
