"""Pictures of fits show the fit's own numbers."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from fitted_references import MIXED, data, fitted

import jaxsim
from jaxsim.errors import InputError
from jaxsim.frames.postestimation.effects_grid import grid
from jaxsim.frames.postestimation.prediction_error import conditional_deviations
from jaxsim.frames.postestimation.smoothing import local_line

SAME = dict(rtol=1e-9, atol=1e-9)  # sums in two orders


def drawn(figure):
    """It can be saved; returns its first axes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    assert len(stream.getvalue()) > 5_000
    return figure.axes[0]


def test_residuals_are_drawn_against_fitted_values():
    fit = fitted("sleepstudy")
    axes = drawn(fit.plot.residuals())
    _, dots, smooth = axes.lines
    np.testing.assert_allclose(dots.get_xdata(), fit.fitted, **SAME)
    np.testing.assert_allclose(dots.get_ydata(), fit.residuals, **SAME)
    assert np.abs(smooth.get_ydata()).max() < fit.sigma


def test_quantiles_of_normal_residuals_lie_in_the_band():
    rng = np.random.default_rng(8)
    rows = pd.DataFrame({"x": rng.normal(size=200)})
    rows["y"] = rows["x"] + rng.normal(size=200)
    axes = drawn(jaxsim.ols("y ~ x", rows).plot.qq())
    band = axes.collections[0].get_paths()[0].vertices
    _, dots = axes.lines
    low, high = (np.interp(dots.get_xdata(), *side) for side in (band[1:201].T, band[-2:-202:-1].T))
    inside = (np.minimum(low, high) <= dots.get_ydata()) & (dots.get_ydata() <= np.maximum(low, high))
    assert inside.mean() > 0.9  # 95% in the mean; neighbours move together
    assert drawn(fitted("sleepstudy").plot.qq()).lines[1].get_ydata().max() > 4  # sleepstudy has outliers


@pytest.mark.parametrize("name", ["sleepstudy", "machines"])
def test_caterpillars_show_modes_and_their_conditional_deviations(name):
    fit = fitted(name)
    figure = fit.plot.random_effects()
    drawn(figure)
    order = np.argsort(fit.random_effects.iloc[:, 0].to_numpy(), kind="stable")
    # lme4's default optimum, 1e-4 of a standard deviation between groups
    np.testing.assert_allclose(conditional_deviations(fit)[0], MIXED[name]["conditional"], rtol=2e-3)
    for axes, column, deviations in zip(figure.axes, fit.random_effects, conditional_deviations(fit)[0].T, strict=True):
        np.testing.assert_allclose(axes.lines[1].get_xdata(), fit.random_effects[column].iloc[order], **SAME)
        segments = np.array([segment[:, 0] for segment in axes.collections[0].get_segments()])
        np.testing.assert_allclose(np.ptp(segments, axis=1), 2 * 1.959964 * deviations[order], rtol=1e-6)  # the quantile's digits
        assert axes.get_xlabel() == column
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [str(fit.random_effects.index[i]) for i in order]


def test_effects_are_predictions_of_the_population():
    fit = fitted("cake")
    axes = drawn(fit.plot.effects("temp"))
    line = axes.lines[0]
    new = pd.DataFrame({"temp": line.get_xdata(), "recipe": "A"})
    np.testing.assert_allclose(line.get_ydata(), fit.predict(new, level="population"), **SAME)
    assert (line.get_xdata()[[0, -1]] == [175, 225]).all()
    assert "at recipe = A" in axes.get_title(loc="left")
    axes = drawn(fit.plot.effects("recipe", by="temp"))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A", "B", "C"]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["temp = 175", "temp = 200", "temp = 225"]


def test_levels_and_means_of_what_is_held():
    rows = data("sleepstudy").assign(old=lambda d: d["Subject"] > 340, dose=lambda d: d["Days"] % 3)
    fit = jaxsim.ols("Reaction ~ factor(dose) * old + scale(Days) + I(Days^2)", rows)
    found = grid(fit, "dose")
    assert found.to_dict("list") == {"dose": [0, 1, 2], "old": [False] * 3, "Days": [4.5] * 3}
    assert len(grid(fit, "Days", by="old")) == 202
    drawn(fit.plot.effects("Days", by="old"))


def test_a_line_is_smoothed_to_itself():
    x = np.random.default_rng(1).normal(size=50)
    at, line = local_line(x, 3 - 2 * x)
    np.testing.assert_allclose(line, 3 - 2 * at, **SAME)
    at, line = local_line(np.repeat([1.0, 2.0], 20), np.repeat([5.0, 7.0], 20))
    np.testing.assert_allclose(line[[0, -1]], [5, 7], **SAME)


def test_what_cannot_be_drawn_is_refused():
    flat = jaxsim.ols("Reaction ~ Days", data("sleepstudy"))
    with pytest.raises(InputError, match="a picture of random effects needs a fit that has them; fit lmer"):
        flat.plot.random_effects()
    with pytest.raises(InputError, match=r"predictor='days' is not known\. Did you mean 'Days'\? Use one of 'Days'"):
        flat.plot.effects("days")


def test_matplotlib_is_imported_by_pictures_alone():
    code = "import sys, jaxsim; jaxsim.lmer; assert not any(name.startswith('matplotlib') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
