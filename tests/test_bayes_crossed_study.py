"""Bayesian fits with several grouping factors in a study beside LinearMixed, and their calibration by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from test_bayes_calibration import priors

from jaxsim import Design, Grid, HierarchicalBayes, InputError, LinearMixed, NotSupportedError, Study, nested, report, sbc, within
from jaxsim.calibration import Calibration

# Its calibration runs for longer than it compiles.
pytestmark = pytest.mark.usefixtures("optimised")

SCHOOLS = Design(
    "score ~ year + (1 | school/class)",
    units={"school": 6, "class": nested("school", 3)},
    repeats=3,
    variables={"year": within(1, 2)},
    effects={"year": 0.3},
    sd={"school": 0.6, "class": 0.3},
)
FORMULA = "score ~ year + (1 | school/class)"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    strategies = (HierarchicalBayes(formula=FORMULA, method="fast"), LinearMixed(FORMULA))
    study = Study(SCHOOLS, Grid(), strategies, 12, seed=4, group_coefficients=True)
    return study.run(tmp_path_factory.mktemp("schools"), progress=False)


def test_a_study_has_both_by_the_same_names(results):
    """Components by factor, group coefficients of the first one, and numbers that are near each other."""
    fits = results.fits.set_index("model")
    assert fits["status"].isin(["ok", "singular"]).all()
    assert fits.loc["bayes", "status"].eq("ok").all()
    components = ["sd_school_Intercept", "sd_class_Intercept", "sigma"]
    assert np.isfinite(fits.loc["bayes", components].to_numpy(float)).all()
    means = fits.groupby("model", observed=True)[["sigma"]].mean()["sigma"]
    assert means["bayes"] == pytest.approx(means["lmer"], rel=0.05)  # priors say little of a residual of 108 rows
    estimates = results.estimates.pivot_table(
        index=["replicate", "term"], columns="model", values=["estimate", "group_mse"], observed=True
    )
    year = estimates["estimate"].xs("year", level="term")
    np.testing.assert_allclose(year["bayes"], year["lmer"], atol=0.02)  # the design is balanced, and the prior is wide
    intercepts = estimates["group_mse"].xs("Intercept", level="term")
    assert 0.5 < intercepts["bayes"].mean() / intercepts["lmer"].mean() < 2


def test_its_report_is_written(results):
    page = report.write(results).read_text()
    assert "bayes" in page
    assert "lmer" in page


def test_whole_posteriors_are_of_one_factor(results):
    with pytest.raises(NotSupportedError, match=r"several grouping factors \(class, school\).*such as \(1 \| class\) alone"):
        results.posterior(0, 3, "bayes")


STRATEGY = HierarchicalBayes(formula="DV ~ IV1 + (IV1 | subject) + (1 | item)", priors=priors(1.0), method="fast")
GROUPS = {"subject": 6, "item": 5}


def test_every_quantity_is_calibrated():
    """Fixed seed; simultaneous bands at 99.9% for each of eight quantities: a right engine fails for one seed in 125."""
    found: Calibration = sbc(STRATEGY, 256, n_groups=GROUPS, n_obs=1, seed=1)
    table = found.table(level=0.999)
    expected = {"sd_subject_IV1", "sd_item_Intercept", "cor_subject_Intercept_IV1", "sigma", "log_likelihood"}
    assert set(table["quantity"]) >= expected
    assert table["inside"].all(), table
    assert (found.status == "ok").mean() > 0.98
    # z is standard normal averaged over the prior if the posterior is right: 256 values, 4 standard errors.
    assert np.abs(found.z.to_numpy().mean(0)).max() < 4 / np.sqrt(256)
    assert found.contraction["IV1"].mean() > 0.2


@pytest.mark.parametrize(
    ("groups", "words"),
    [({"subject": 6}, "'item' is not a grouping factor"), ({}, "one for each grouping factor"), ({"subject": 2.5}, "whole number")],
)
def test_sizes_that_cannot_be(groups, words):
    with pytest.raises(InputError, match=words):
        sbc(STRATEGY, 16, n_groups=groups)
