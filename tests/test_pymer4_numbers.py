"""lme4 and pymer4 in worker processes: the numbers against stored R output, and how predictors are coded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from r_workers import REFERENCE, SLEEP, rows, simulated

from jaxsim.r.request import Request, encode
from jaxsim.status import Status


class TestNumbers:
    """Against tests/reference, which R wrote: the same software, so all that differs is how far the optimiser went."""

    pytestmark = pytest.mark.lme4
    INTERIOR = (
        "sleepstudy_reml", "sleepstudy_ml", "sleepstudy_zerocorr_reml", "sleepstudy_quadratic_blocks_reml", "dyestuff_reml",
        "orthodont_reml", "machines_slopes_reml", "awkward_reml",
    )  # fmt: skip
    ASKED = (*INTERIOR, "awkward_singular_reml")

    @pytest.fixture(scope="class")
    def found(self, pool):
        asked = [REFERENCE["mixed"][name] for name in self.ASKED]
        requests = [Request(entry["formula"], rows(entry["data"]), reml=entry["reml"], effort="tight") for entry in asked]
        return dict(zip(self.ASKED, pool.map(requests), strict=True))

    @pytest.mark.parametrize("name", INTERIOR)
    def test_interior(self, found, name):
        ours, stored = found[name], REFERENCE["mixed"][name]
        assert ours.status is Status.OK
        assert ours.converged
        assert not ours.singular
        assert ours.terms == tuple(stored["fixef"]["names"])
        assert ours.theta_names == tuple(stored["theta_names"])
        assert (ours.n_rows, ours.n_groups) == (stored["n_rows"], stored["n_groups"])
        # Both are polished by Newton steps on difference quotients: theta to 1e-8, and the rest follows it.
        close = dict(rtol=1e-6, err_msg=name)
        std_error = np.array(stored["fixef"]["se"])
        assert ours.criterion == pytest.approx(stored["criterion"], rel=1e-12)
        assert ours.sigma == pytest.approx(stored["sigma"], rel=1e-7)
        np.testing.assert_allclose(ours.theta, stored["theta"], atol=1e-7, **close)
        np.testing.assert_allclose(ours.estimate, stored["fixef"]["estimate"], atol=1e-6 * std_error.max(), **close)
        np.testing.assert_allclose(ours.std_error, std_error, **close)
        np.testing.assert_allclose(ours.vcov, stored["vcov_fixef"], atol=1e-6 * std_error.max() ** 2, **close)
        # lmerTest differentiates numerically, at a theta that differs in the ninth digit.
        np.testing.assert_allclose(ours.df, stored["fixef"]["df"], rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(ours.statistic, stored["fixef"]["t"], rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(ours.p_value, stored["fixef"]["p"], rtol=1e-3, err_msg=name)  # follows df
        np.testing.assert_allclose(ours.conf_high - ours.estimate, stored["fixef"]["half_width"], rtol=1e-4, err_msg=name)

    @pytest.mark.parametrize("name", ASKED)
    def test_random_effects(self, found, name):
        (effects,), stored = found[name].random, REFERENCE["mixed"][name]
        cov = np.array(stored["varcorr"]["cov"])
        # At a singular optimum lme4's optimisers leave 1e-6 of the criterion, and so 1e-3 of the covariance.
        loose = 1e-3 if stored["singular"] else 1e-5
        assert found[name].singular == stored["singular"]
        assert effects.group == stored["group"]
        assert effects.terms == tuple(stored["varcorr"]["names"])
        np.testing.assert_allclose(effects.covariance, cov, atol=loose * cov.max(), rtol=loose)
        assert effects.modes.shape == (stored["n_groups"], len(cov))
        for label, values in stored["modes"]["values"].items():
            np.testing.assert_allclose(effects.modes[effects.labels.index(label)], values, atol=loose * np.sqrt(cov.max()))

    def test_conditional_covariance(self, found):
        """Published (MixedModels.jl's tests), and for independent terms the formula written out."""
        (effects,) = found["sleepstudy_reml"].random
        published = [[145.705104, -21.444427], [-21.444427, 5.312274]]
        np.testing.assert_allclose(effects.conditional, np.broadcast_to(published, (18, 2, 2)), rtol=1e-6)  # printed digits
        outcome = found["sleepstudy_zerocorr_reml"]
        (effects,) = outcome.random
        z, factor = np.column_stack([np.ones(10), np.arange(10)]), np.diag(outcome.theta)
        dense = outcome.sigma**2 * factor @ np.linalg.inv(factor @ z.T @ z @ factor + np.eye(2)) @ factor
        np.testing.assert_allclose(effects.conditional, np.broadcast_to(dense, (18, 2, 2)), rtol=1e-10)  # one formula, two programs

    def test_kenward_roger(self, pool):
        names = ("sleepstudy_reml", "sleepstudy_zerocorr_reml", "orthodont_reml", "awkward_reml")
        asked = [REFERENCE["mixed"][name] for name in names]
        requests = [Request(e["formula"], rows(e["data"]), df="kenward-roger", effort="tight") for e in asked]
        for ours, stored in zip(pool.map(requests), asked, strict=True):
            # pbkrtest's formulas are smooth in theta, which differs in the ninth digit.
            np.testing.assert_allclose(ours.std_error, stored["kenward_roger"]["se"], rtol=1e-6)
            np.testing.assert_allclose(ours.df, stored["kenward_roger"]["df"], rtol=1e-5)
            np.testing.assert_allclose(np.sqrt(np.diagonal(ours.vcov)), ours.std_error, rtol=1e-12)

    def test_as_pymer4_runs_it(self, pool):
        """Without our tight tolerances: lme4 stops at 1e-8 of the criterion or so, and df are a percent off at most."""
        stored = REFERENCE["mixed"]["sleepstudy_reml"]
        ours = pool.fit(Request(SLEEP, rows("sleepstudy")))
        assert ours.status is Status.OK
        assert 0 <= ours.criterion - stored["criterion"] < 1e-6
        np.testing.assert_allclose(ours.std_error, stored["fixef"]["se"], rtol=1e-4)
        np.testing.assert_allclose(ours.df, stored["fixef"]["df"], rtol=1e-2)
        assert ours.iterations > 5
        assert 0 < ours.seconds < 60
        assert {"R", "lme4", "lmerTest", "pymer4", "rpy2"} <= ours.versions.keys()

    def test_several_starts_are_never_worse(self, pool):
        data = simulated(5, 6, spread=4.0)
        tight, best = pool.map(Request("y ~ x + (x | g)", data, effort=effort) for effort in ("tight", "best"))
        assert best.criterion <= tight.criterion + 1e-9  # rounding of the criterion
        assert best.iterations > tight.iterations

    def test_crossed_factors_are_kept_apart(self, pool):
        data = simulated().assign(item=np.tile(np.arange(8), 12))
        outcome = pool.fit(Request("y ~ x + (x | g) + (1 | item)", data))
        assert [(e.group, e.terms, len(e.labels)) for e in outcome.random] == [
            ("g", ("(Intercept)", "x"), 12),
            ("item", ("(Intercept)",), 8),
        ]
        assert outcome.random[1].conditional.shape == (8, 1, 1)


class TestCoding:
    """Text, categories and booleans get treatment coding with the levels in our order, whatever pandas and R make of them."""

    LEVELS = ("low", "mid", "high")

    def data(self):
        data = simulated()
        draw = np.random.default_rng(1)
        data["f"] = pd.Categorical(draw.choice(self.LEVELS, len(data)), [*self.LEVELS, "never"], ordered=True)
        data["t"] = draw.choice(["b", "A", "a"], len(data))
        data["b"] = draw.random(len(data)) < 0.5
        return data

    def test_frame(self):
        task = encode(Request("y ~ f + t + b + (1 | g)", self.data()))
        assert list(task.frame["f"].cat.categories) == list(self.LEVELS), "an order of levels, but no unused one"
        assert not task.frame["f"].cat.ordered
        assert list(task.frame["t"].cat.categories) == ["a", "A", "b"]
        assert task.frame["b"].dtype == bool
        assert "x" not in task.frame

    def test_rows_with_missing_values_go(self):
        data = self.data()
        data.loc[[3, 5], "y"] = np.nan
        data.loc[7, "z"] = np.nan
        assert len(encode(Request("y ~ x + (1 | g)", data)).frame) == len(data) - 2

    @pytest.mark.lme4
    def test_fit(self, pool):
        data = self.data()
        hand = data.assign(
            f1=data["f"] == "mid", f2=data["f"] == "high", t1=data["t"] == "A", t2=data["t"] == "b", b=data["b"].astype(float)
        )
        hand = hand.astype(dict.fromkeys(("f1", "f2", "t1", "t2"), float))
        coded, manual = pool.map([Request("y ~ f + t + b + (1 | g)", data), Request("y ~ f1 + f2 + t1 + t2 + b + (1 | g)", hand)])
        assert coded.terms == ("(Intercept)", "fmid", "fhigh", "tA", "tb", "bTRUE")
        np.testing.assert_allclose(coded.estimate, manual.estimate, rtol=1e-9)  # the same matrices, one computation
        np.testing.assert_allclose(coded.df, manual.df, rtol=1e-9)
