"""lme4 and pymer4 on a DataFrame, with the result that our own functions have."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from r_workers import REFERENCE, generation_installed, old_generation, rows, simulated

import jaxsim
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.frames import pymer4 as frame
from jaxsim.r.request import Request
from jaxsim.status import Status


@pytest.mark.lme4
class TestDataFrames:
    def test_lmer_is_ours_at_the_same_optimum(self, shared):
        data = simulated(10, 9).sample(frac=1, random_state=1)
        ours = jaxsim.lmer("y ~ x + (x | g)", data)
        theirs = frame.lmer("y ~ x + (x | g)", data, effort="tight")
        assert theirs.status == "ok"
        assert theirs.method.startswith("Linear mixed model fit by REML with lme4 ")
        assert theirs.criterion == pytest.approx(ours.criterion, abs=1e-8)
        # lme4's theta is good to 1e-8 after polishing; df are differentiated numerically.
        pd.testing.assert_frame_equal(theirs.table.drop(columns="p_value"), ours.table.drop(columns="p_value"), rtol=1e-4)
        pd.testing.assert_frame_equal(theirs.covariance, ours.covariance, rtol=1e-5)
        pd.testing.assert_frame_equal(theirs.random_effects, ours.random_effects, rtol=1e-4, atol=1e-6)
        pd.testing.assert_frame_equal(theirs.vcov, ours.vcov, rtol=1e-5)
        np.testing.assert_allclose(theirs.theta, ours.theta, rtol=1e-5, atol=1e-6)
        assert "Random effects" in theirs.summary()

    def test_several_factors_are_ours_at_the_same_optimum(self, shared):
        data = simulated(10, 9).assign(item=np.tile(np.arange(9), 10), lab=np.arange(90) // 3 % 4)
        data["y"] += np.random.default_rng(4).normal(size=9)[data["item"]]
        formula = "y ~ x + (1 | lab/item) + (x | g)"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a variance of zero
            ours, theirs = jaxsim.lmer(formula, data), frame.lmer(formula, data, effort="tight")
        assert theirs.criterion == pytest.approx(ours.criterion, abs=1e-7)
        assert theirs.theta_names == ours.theta_names
        assert (theirs.n_groups, list(theirs.coef)) == (ours.n_groups, list(ours.coef))
        for factor, modes in ours.random_effects.items():
            # lme4's theta is good to 1e-4 where a variance is about zero.
            pd.testing.assert_frame_equal(theirs.random_effects[factor], modes, rtol=1e-3, atol=1e-3)

    def test_what_cannot_be_held_or_fitted(self, shared):
        with pytest.raises(NotSupportedError, match="Pool"):
            frame.lmer("y ~ x + (f || g)", simulated().assign(f=["a", "b"] * 48))
        with pytest.warns(UserWarning, match="number of random effects"):
            fit = frame.lmer("y ~ x + (x | g)", simulated(12, 2))
        assert fit.status == "too_few_rows"
        assert fit.table["estimate"].isna().all()
        with pytest.raises(InputError, match="kenward-roger"):
            frame.lmer("y ~ x + (x | g)", simulated(), reml=False, df="kenward-roger")

    @old_generation
    @pytest.mark.parametrize("name", ["sleepstudy", "orthodont", "awkward"])
    def test_lm(self, shared, name):
        entry = REFERENCE["least_squares"][name]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*missing values", category=UserWarning)
            ours = jaxsim.lm(entry["formula"], rows(entry["data"]), cluster=entry["group"], vcov="pymer4")
            theirs = frame.lm(entry["formula"], rows(entry["data"]), cluster=entry["group"])
        assert theirs.messages == ours.messages
        # Closed forms, theirs from a pseudo-inverse of X: condition squared times rounding.
        pd.testing.assert_frame_equal(theirs.table, ours.table, rtol=1e-8)
        np.testing.assert_allclose(np.diagonal(theirs.vcov), np.diagonal(ours.vcov), rtol=1e-8)
        assert (theirs.n_rows, theirs.n_groups) == (ours.n_rows, ours.n_groups)

    @old_generation
    @pytest.mark.parametrize("name", ["sleepstudy", "awkward_x"])
    def test_lm2(self, shared, name):
        entry = REFERENCE["least_squares"][name]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*missing values", category=UserWarning)
            ours = jaxsim.lm2(entry["formula"], rows(entry["data"]), group=entry["group"])
            theirs = frame.lm2(entry["formula"], rows(entry["data"]), group=entry["group"])
        # As above; every group on its own, so the condition of the worst of them.
        pd.testing.assert_frame_equal(theirs.table, ours.table, rtol=1e-7)
        pd.testing.assert_frame_equal(theirs.coef, ours.coef, rtol=1e-7, check_names=False)
        pd.testing.assert_frame_equal(theirs.vcov, ours.vcov, rtol=1e-6)

    @old_generation
    def test_pseudo_inverses_are_refused(self, pool):
        """pymer4 answers in each of these cases."""
        data = simulated(5, 4)
        between = data.assign(x=data["g"].str[-1].astype(float))
        asked = [
            (Status.RANK_DEFICIENT, Request("y ~ x + w", data.assign(w=data["x"]), kind="lm", group="g")),
            (Status.TOO_FEW_GROUPS, Request("y ~ x + z + I(x^2) + I(z^2)", data, kind="lm", group="g")),
            (Status.RANK_DEFICIENT, Request("y ~ x", between, kind="lm2", group="g")),
            (Status.TOO_FEW_ROWS, Request("y ~ x + z + I(x^2) + I(z^2)", data, kind="lm2", group="g")),
        ]
        for (status, _), outcome in zip(asked, pool.map(request for _, request in asked), strict=True):
            assert outcome.status is status
            assert np.isnan(outcome.estimate).all()


@pytest.mark.lme4
@pytest.mark.skipif(generation_installed() != "0.9", reason="pymer4 0.9 is not installed")
@pytest.mark.parametrize("kind", ["lm", "lm2"])
def test_what_the_new_generation_dropped(pool, kind):
    with pytest.raises(InputError, match=r"pymer4==0\.8\.2"):
        pool.fit(Request("y ~ x", simulated(), kind=kind, group="g"))
