"""Two-stage analyses: precision weights against metafor, DataFrames, and what has no answer."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import batch, make_rows
from second_stage import PADDED, RESAMPLING, coefficients, own_of, second_stage

import jaxsim
from jaxsim import InputError, Status, TwoStage
from jaxsim.estimators.second_stage import paule_mandel
from jaxsim.frames.regression import seeded
from jaxsim.inference import t_table

FOLDER = Path(__file__).parent / "reference"
META = json.loads((FOLDER / "meta.json").read_text())


class TestPrecision:
    @pytest.mark.parametrize("name", META["numbers"])
    def test_metafor(self, name):
        case = META["numbers"][name]
        yi, vi = np.array(case["yi"]), np.array(case["vi"])
        # metafor's root is good to 1e-12; the inference is a smooth function of it.
        tau2 = paule_mandel(yi[None], vi[None], jnp.ones(len(yi), bool))[0]
        np.testing.assert_allclose(tau2, case["tau2"], rtol=1e-11)
        fit = second_stage(TwoStage(weights="precision"), own_of(yi, vi))
        np.testing.assert_allclose(fit.estimate[0], case["estimate"], rtol=1e-11)
        np.testing.assert_allclose(fit.std_error[0], case["se"], rtol=1e-11)
        table = t_table(fit.estimate, fit.std_error, fit.df)
        found = [fit.df[0], table.p_value[0], table.conf_low[0], table.conf_high[0]]
        np.testing.assert_allclose(found, [case[k] for k in ("df", "p", "low", "high")], rtol=1e-10)

    @pytest.mark.parametrize("name", META["regressions"])
    def test_metafor_on_the_regressions_of_groups(self, name):
        case = META["regressions"][name]
        data = pd.read_csv(FOLDER / "data" / f"{case['data']}.csv")
        data = data.dropna(subset=[c for c in data if c in case["formula"]])
        fit = jaxsim.lm2(case["formula"], data, case["group"], weights="precision")
        assert (fit.status, fit.n_groups) == ("ok", case["n_groups"])
        # In units of the standard error; R's lm and metafor's root are good to 1e-11 or so.
        found, error = fit.table, np.array(case["se"])
        np.testing.assert_allclose(found["estimate"] / error, case["estimate"] / error, atol=1e-9)
        np.testing.assert_allclose(found["std_error"], error, rtol=1e-9)
        np.testing.assert_allclose(found["conf_low"] / error, case["low"] / error, atol=1e-8)
        np.testing.assert_allclose(found["p_value"], case["p"], rtol=1e-7)  # t^2 times the error of t

    def test_equal_precision_is_equal_weights(self):
        b = np.stack([coefficients(9, seed) for seed in range(4)])
        # Residual variances from far above the spread to far below.
        for rss in (1e4, 1.0, 1e-2, 0.0):
            plain, weighted = (second_stage(TwoStage(weights=w), own_of(b, rss=np.asarray(rss))) for w in ("equal", "precision"))
            np.testing.assert_allclose(weighted.estimate, plain.estimate, rtol=1e-13)
            np.testing.assert_allclose(weighted.vcov, plain.vcov, rtol=1e-12, atol=1e-15)

    def test_the_moment_equation_holds(self):
        """On sampling variances that span up to 12 decades: the steps that Newton is given must be enough."""
        rng = np.random.default_rng(1)
        spans = np.repeat([0.5, 2.0, 6.0, 12.0], 100)
        sampling = 10 ** (rng.uniform(-0.5, 0.5, (400, PADDED)) * spans[:, None])
        b = rng.normal(size=(400, PADDED)) * np.sqrt(10 ** rng.uniform(-6, 6, (400, 1)) + sampling)
        tau2 = np.asarray(jax.jit(paule_mandel)(b, sampling, jnp.ones(PADDED, bool)))
        w = 1 / (tau2[:, None] + sampling)
        mean = (w * b).sum(1) / w.sum(1)
        ratio = (w * (b - mean[:, None]) ** 2).sum(1) / (PADDED - 1)
        assert 50 < (tau2 > 0).sum() < 400
        np.testing.assert_allclose(ratio[tau2 > 0], 1, rtol=1e-9)  # the sum itself cancels where the span is wide
        assert (ratio[tau2 == 0] <= 1).all()

    def test_no_rows_for_a_residual_variance(self):
        """As many rows as coefficients in every group: the plain mean is fine, its weighted sibling has no sampling variances."""
        data = batch([make_rows(2, [2, 2, 2, 2], n_fixed=2)], PADDED)
        assert TwoStage().fit_batch(data).status[0] == Status.OK
        fit = TwoStage(weights="precision").fit_batch(data)
        assert fit.status[0] == Status.TOO_FEW_ROWS
        assert np.isnan(fit.estimate).all()

    def test_one_row_more_is_enough(self):
        data = batch([make_rows(2, [2, 2, 2, 3], n_fixed=2)], PADDED)
        assert TwoStage(weights="precision").fit_batch(data).status[0] == Status.OK


class TestNoAnswer:
    @pytest.mark.parametrize("strategy", [TwoStage(), TwoStage(weights="precision"), *(TwoStage(i, draws=199) for i in RESAMPLING)])
    @pytest.mark.parametrize("origin", [0.0, 5.0])
    def test_groups_that_do_not_differ(self, strategy, origin):
        """Copies of one group: what is left of the spread is rounding, whose t statistic would be huge."""
        copies = np.array([[0.3] * 6, [0.3, 0.7, 0.2, 0.9, 0.4, 0.1]])
        copies[0] *= 1 + np.random.default_rng(0).normal(size=6) * 1e-14
        fit = second_stage(strategy, own_of(copies, origin=np.full(4, origin)))
        assert fit.status == Status.ZERO_VARIANCE
        assert np.isnan(np.concatenate([fit.estimate, fit.std_error, fit.p_value, fit.conf_low])).all()

    def test_copied_groups_end_to_end(self):
        rows = make_rows(2, [6], n_fixed=2)
        copied = rows.but(x=np.tile(rows.x, (4, 1)), y=np.tile(rows.y, 4), group=np.repeat(np.arange(4), 6))
        assert TwoStage().fit_batch(batch([copied], PADDED)).status[0] == Status.ZERO_VARIANCE
        frame = pd.DataFrame({"y": copied.y, "x": copied.x[:, 1], "g": copied.group})
        with pytest.warns(UserWarning, match="standard error is zero"):
            assert jaxsim.lm2("y ~ x", frame, "g", inference="sign-flip").status == "zero_variance"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (dict(inference="wild"), "inference='wild' is not known; use one of 't', 'bootstrap', 'bootstrap-t', 'sign-flip'"),
            (dict(weights="size"), "weights='size' is not known; use one of 'equal', 'precision'"),
            (dict(draws=0), "draws=0 must be an integer from 1"),
            (dict(draws=99.0), "draws=99.0 must be"),
            (dict(draws=True), "draws=True must be"),
            (dict(draws=2**30), "must be an integer from 1"),
            (dict(weights="precision", inference="bootstrap"), "goes with inference='t' only, not 'bootstrap'"),
        ],
    )
    def test_options(self, options, said):
        with pytest.raises(InputError, match=said.replace("(", r"\(")):
            TwoStage(**options)
        in_frames = {"mean" if name == "weights" else name: value for name, value in options.items()}
        with pytest.raises(InputError, match=said.replace("weights='size'", "mean='size'").replace("'equal'", "'arithmetic'")):
            jaxsim.lm2("y ~ x", pd.DataFrame({"y": [1.0], "x": [2.0]}), **in_frames)


class TestDataFrames:
    @pytest.fixture(scope="class")
    def sleep(self):
        return pd.read_csv(FOLDER / "data" / "sleepstudy.csv")

    @pytest.mark.parametrize("inference", RESAMPLING)
    def test_the_strategy_gives_the_same(self, sleep, inference):
        """The bridge works on rows and residuals, the strategy on cross-products; ten digits are left of these."""
        codes = pd.factorize(sleep["Subject"], sort=True)[0]
        x = np.column_stack([np.ones(len(sleep)), sleep["Days"]])
        rows = make_rows(0, [2]).but(x=x, y=sleep["Reaction"].to_numpy(), group=codes)
        resampling = seeded(3, 0.9)
        expected = TwoStage(inference, draws=9999).fit_batch(batch([rows], 32), resampling._replace(key=resampling.key[None]))
        found = jaxsim.lm2("Reaction ~ Days", sleep, "Subject", inference=inference, seed=3, conf_level=0.9).table
        np.testing.assert_array_equal(found["p_value"], expected.p_value[0])
        for name in ("estimate", "std_error", "df", "conf_low", "conf_high"):
            np.testing.assert_allclose(found[name], getattr(expected, name)[0], rtol=1e-8)
        np.testing.assert_allclose(found["statistic"], found["estimate"] / found["std_error"], rtol=1e-15)

    def test_a_seed_is_reproducible(self, sleep):
        def limits(seed):
            fit = jaxsim.lm2("Reaction ~ Days", sleep, "Subject", inference="bootstrap-t", seed=seed)
            return fit.table[["p_value", "conf_low", "conf_high"]]

        pd.testing.assert_frame_equal(limits(1), limits(1))
        assert (limits(1)["conf_low"] != limits(2)["conf_low"]).all()

    @pytest.mark.parametrize("inference", RESAMPLING)
    def test_the_interval_is_near_that_of_t(self, sleep, inference):
        """18 nearly normal groups. The percentile interval is narrower by sqrt(17/18) and the quantiles of t, 10% together; draws
        add a few percent, skewness of the groups some more."""
        plain = jaxsim.lm2("Reaction ~ Days", sleep, "Subject").table
        own = jaxsim.lm2("Reaction ~ Days", sleep, "Subject", inference=inference).table
        for end in ("conf_low", "conf_high"):
            ratio = (own[end] - own["estimate"]) / (plain[end] - plain["estimate"])
            assert ((ratio > 0.85) & (ratio < 1.2)).all()
        assert (own["p_value"] <= 2e-4).all()  # t gives 1e-17 and 3e-6

    @pytest.mark.parametrize("inference", RESAMPLING)
    def test_a_large_mean_costs_nothing_but_rounding(self, sleep, inference):
        """Means are taken off before anything is squared: 1e8 leaves 8 digits of the response, and of the answer."""
        options = dict(group="Subject", inference=inference)
        plain = jaxsim.lm2("Reaction ~ Days", sleep, **options).table
        high = jaxsim.lm2("Reaction ~ Days", sleep.assign(Reaction=sleep["Reaction"] + 1e8), **options).table
        np.testing.assert_allclose(high["conf_low"] - [1e8, 0], plain["conf_low"], rtol=1e-7)
        np.testing.assert_array_equal(high["p_value"][1], plain["p_value"][1])

    def test_few_groups_are_told(self, sleep):
        few = sleep[sleep["Subject"].isin(sleep["Subject"].unique()[:5])]
        with pytest.warns(UserWarning, match="5 groups have 16 sign patterns: too few for a bounded interval at this conf_level"):
            fit = jaxsim.lm2("Reaction ~ Days", few, "Subject", inference="sign-flip")
        assert fit.status == "ok"
        assert (fit.table["p_value"] >= 2 / 32).all()
        assert np.isinf(fit.table[["conf_low", "conf_high"]]).all(axis=None)
        with pytest.warns(UserWarning, match="some confidence limits are infinite: 3 groups with 9999 draws"):
            jaxsim.lm2("Reaction ~ Days", few[few["Subject"] <= 310], "Subject", inference="bootstrap-t")

    def test_two_groups(self, sleep):
        two = sleep[sleep["Subject"] <= 309]
        assert jaxsim.lm2("Reaction ~ Days", two, "Subject", inference="bootstrap").status == "ok"
        assert jaxsim.lm2("Reaction ~ Days", two, "Subject", weights="precision").status == "ok"
        with pytest.warns(UserWarning, match="2 groups have 2 sign patterns"):
            fit = jaxsim.lm2("Reaction ~ Days", two, "Subject", inference="sign-flip")
        assert set(fit.table["p_value"]) <= {0.5, 1.0}

    def test_a_saturated_first_stage_has_no_weights(self, sleep):
        two_days = sleep[sleep["Days"] < 2]
        with pytest.warns(UserWarning, match="no row is left for the residual variance within groups"):
            fit = jaxsim.lm2("Reaction ~ Days", two_days, "Subject", weights="precision")
        assert fit.status == "too_few_rows"
        assert fit.table["estimate"].isna().all()

    def test_the_method_is_named(self, sleep):
        def method(data, **options):
            return jaxsim.lm2("Reaction ~ Days", data, "Subject", **options).method.removeprefix(
                "Two-stage: a regression per group, "
            )

        assert method(sleep, inference="sign-flip", seed=4) == "then a sign-flip permutation test (9999 draws, seed 4)"
        few = sleep[sleep["Subject"] <= 332]
        assert method(few, inference="sign-flip") == "then a sign-flip permutation test (all sign patterns)"
        assert method(sleep, weights="precision") == "then a t test of the precision-weighted mean"

    @pytest.mark.parametrize("seed", [-1, 1.0, "1", 2**32, True])
    def test_seeds(self, sleep, seed):
        with pytest.raises(InputError, match="must be an integer from 0"):
            jaxsim.lm2("Reaction ~ Days", sleep, "Subject", inference="bootstrap", seed=seed)
