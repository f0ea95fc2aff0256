"""Responses simulated from fits: reproducible, in the data's rows, and with the moments that the model says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted_references import data, fitted

import jaxsim
from jaxsim.errors import InputError

DRAWS = 4000


def test_a_seed_decides_everything_and_rows_keep_their_labels():
    fit = fitted("sleepstudy")
    found = fit.simulate(3, seed=7)
    assert list(found.columns) == ["sim_1", "sim_2", "sim_3"]
    pd.testing.assert_index_equal(found.index, fit.model.rows.index)
    pd.testing.assert_frame_equal(found, fit.simulate(3, seed=7))
    pd.testing.assert_frame_equal(found[["sim_1"]], fit.simulate(1, seed=7))
    assert not np.allclose(found["sim_1"], found["sim_2"])
    assert not np.allclose(found["sim_1"], fit.simulate(1, seed=8)["sim_1"])


@pytest.mark.parametrize("conditional", [False, True])
def test_moments_are_those_of_the_model(conditional):
    fit = fitted("sleepstudy")
    model = replace(fit.model, weights=np.tile([1.0, 4.0], 90), offset=np.arange(180.0))
    draws = replace(fit, model=model).simulate(DRAWS, seed=2, conditional=conditional).to_numpy()
    mean = fit.model.x.values @ fit.beta + model.offset
    covariance = fit.sigma**2 * np.diag(1 / model.weights)
    if conditional:
        mean = fit.fitted.to_numpy() + model.offset
    else:
        covariance += (model.codes[:, None] == model.codes) * (model.z @ fit.covariance.to_numpy() @ model.z.T)
    variance = np.diagonal(covariance)
    # Five standard errors of 180 means and of 16,000 covariances of normal draws: passed but once in 10,000 runs of other seeds.
    assert np.abs((draws.mean(1) - mean) / np.sqrt(variance / DRAWS)).max() < 5
    found = np.cov(draws)
    error = np.sqrt((covariance**2 + np.outer(variance, variance)) / DRAWS)
    assert np.abs((found - covariance) / error).max() < 5.5


def test_rows_of_a_regression_are_independent():
    fit = jaxsim.ols("Reaction ~ Days", data("sleepstudy").iloc[:40])
    draws = fit.simulate(DRAWS, seed=3).to_numpy()
    assert np.abs((draws.mean(1) - fit.fitted) / (fit.sigma / np.sqrt(DRAWS))).max() < 5
    error = fit.sigma**2 * np.sqrt((1 + np.eye(40)) / DRAWS)
    assert np.abs((np.cov(draws) - fit.sigma**2 * np.eye(40)) / error).max() < 5.5


def test_what_cannot_be_simulated_is_refused():
    rows = data("sleepstudy")
    for fit in (jaxsim.lm("Reaction ~ Days", rows, cluster="Subject"), jaxsim.lm2("Reaction ~ Days", rows, group="Subject")):
        with pytest.raises(InputError, match="simulating needs a model that says how the rows of a group depend on each other"):
            fit.simulate()
    fit = fitted("sleepstudy")
    for wrong in ({"n": 0}, {"seed": -1}, {"seed": 1.5}):
        with pytest.raises(InputError, match="give a whole number"):
            fit.simulate(**wrong)
    with pytest.raises(InputError, match="the status of this one is 'not_converged'"):
        replace(fit, status="not_converged").simulate()
