"""Bootstrap and sign-flip test of a mean against brute force."""

from __future__ import annotations

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import batch, cross_products, make_rows
from second_stage import KEY, PADDED, QUICKLY, RESAMPLING, coefficients, own_of, second_stage

from jaxsim import InputError, Status, TwoStage
from jaxsim.estimators.resampled_mean import floor, order_statistic, sign_patterns
from jaxsim.seeding import group_keys


def ordered(b):
    """By distance from the mean, as the groups meet their random numbers."""
    return b[np.argsort(np.abs(b - b.mean()))]


def patterns_of(key, n_groups, padded, draws):
    return jax.device_get(_patterns(key, jnp.asarray(n_groups), padded, draws))


_patterns = jax.jit(sign_patterns, static_argnums=(2, 3), compiler_options=QUICKLY)


@partial(jax.jit, static_argnums=1)
def bits_of(key, draws):
    return jax.vmap(lambda k: jax.random.bits(k, (draws,), jnp.uint32))(group_keys(key, PADDED))


class TestSignFlip:
    """Brute force from the definition: t statistics of sign-flipped groups, intervals by searching for the rejected values."""

    @staticmethod
    def t(values):
        with np.errstate(divide="ignore"):
            return values.mean(-1) / values.std(-1, ddof=1) * np.sqrt(values.shape[-1])

    def p_value(self, b, null, signs, observed):
        """``observed`` 1 counts the data as one more pattern. Statistics that are equal differ by 1e-15 or so."""
        extreme = np.abs(self.t(signs * (b - null))) >= np.abs(self.t(b - null)) * (1 - 1e-12)
        return (extreme.sum() + observed) / (len(signs) + observed)

    def limit(self, b, alpha, signs, observed, side):
        """The value on one side of the mean up to which the p value is above alpha, by bisection."""
        near, far = b.mean(), b.mean() + side * 1e4 * np.ptp(b)
        if self.p_value(b, far, signs, observed) > alpha:
            return side * np.inf
        for _ in range(70):
            middle = (near + far) / 2
            near, far = (middle, far) if self.p_value(b, middle, signs, observed) > alpha else (near, middle)
        return near

    def agrees(self, b, fit, alpha, signs, observed):
        assert fit.p_value[0] == self.p_value(b, 0.0, signs, observed)
        # Bisection ends where ties of 1e-12 blur the edge; near the mean the statistic is flat.
        expected = [self.limit(b, alpha, signs, observed, side) for side in (-1, 1)]
        np.testing.assert_allclose([fit.conf_low[0], fit.conf_high[0]], expected, rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("alpha", [0.05, 0.1, 0.5])
    @pytest.mark.parametrize("n_groups", [2, 3, 5, 6, 8])
    def test_all_patterns(self, n_groups, alpha):
        signs = np.array(list(itertools.product([1, -1], repeat=n_groups)))
        for seed in range(4):
            b = coefficients(n_groups, seed)
            fit = second_stage(TwoStage("sign-flip", draws=199), own_of(b), conf_level=1 - alpha)
            assert fit.status == Status.OK
            self.agrees(b, fit, alpha, signs, 0)

    @pytest.mark.parametrize("n_groups", [9, 15])
    @pytest.mark.parametrize("alpha", [0.05, 0.3])
    def test_drawn_patterns(self, n_groups, alpha):
        b = coefficients(n_groups, 1)
        signs, counted, everything = patterns_of(KEY, n_groups, PADDED, 199)
        assert not everything
        assert counted.all()
        fit = second_stage(TwoStage("sign-flip", draws=199), own_of(b), conf_level=1 - alpha)
        self.agrees(ordered(b), fit, alpha, np.asarray(signs).T[:, :n_groups], 1)

    def test_it_is_exact(self):
        """Of the 2^7 datasets that differ in signs each p value k/64 belongs to two: alpha is the share of rejections."""
        b = np.array(list(itertools.product([1, -1], repeat=7))) * np.abs(coefficients(7, 3))
        fit = second_stage(TwoStage("sign-flip", draws=199), own_of(b))
        np.testing.assert_array_equal(np.sort(fit.p_value), np.repeat(np.arange(1, 65), 2) / 64)

    def test_the_interval_of_six_groups_is_their_range(self):
        """32 patterns: at 95% only the pattern of equal signs and one more are needed, whose subset is the smallest group."""
        b = coefficients(6, 2)
        fit = second_stage(TwoStage("sign-flip", draws=199), own_of(b))
        np.testing.assert_allclose([fit.conf_low[0], fit.conf_high[0]], [b.min(), b.max()], rtol=1e-14)

    def test_five_groups_can_not_reject_at_five_percent(self):
        fit = second_stage(TwoStage("sign-flip", draws=199), own_of([1.0, 1.1, 0.9, 1.05, 0.95]))
        assert fit.p_value[0] == 2 / 32
        assert (fit.conf_low[0], fit.conf_high[0]) == (-np.inf, np.inf)

    def test_equal_statistics_count_whatever_the_rounding(self):
        """Multiples of 0.1: many patterns have the same sum, but for rounding. Counted in integers here."""
        units = np.random.default_rng(0).integers(-4, 9, (128, 7))
        signs = np.array(list(itertools.product([1, -1], repeat=7)))
        fit = second_stage(TwoStage("sign-flip", draws=199), own_of(0.1 * units))
        np.testing.assert_array_equal(fit.p_value, (np.abs(units @ signs.T) >= np.abs(units.sum(1, keepdims=True))).mean(1))

    def test_listed_patterns_are_all_there_are(self):
        signs, counted, everything = patterns_of(KEY, 7, PADDED, 64)
        patterns = np.asarray(signs)[:7, np.asarray(counted)].T
        assert everything
        assert len(np.unique(np.vstack([patterns, -patterns]), axis=0)) == 2**7
        assert not patterns_of(KEY, 7, PADDED, 63)[2]

    def test_drawn_signs_are_fair_coins(self):
        signs = np.asarray(patterns_of(KEY, 40, 40, 20_000)[0])
        # Means and correlations of 20,000 fair signs have standard deviation 1/sqrt(20,000); 5 of them for 820 numbers.
        moments = signs @ signs.T / signs.shape[1]
        assert np.abs(signs.mean(1)).max() < 5 / np.sqrt(20_000)
        assert np.abs(moments - np.eye(40)).max() < 5 / np.sqrt(20_000)


class TestBootstrap:
    """Brute force on the same resamples, whose groups are found from the same random bits in whole numbers."""

    @staticmethod
    def resamples(b, draws):
        chosen = [[int(word) * len(b) // 2**32 for word in row] for row in np.asarray(bits_of(KEY, draws))[: len(b)]]
        return ordered(b)[np.array(chosen).T]

    @pytest.mark.parametrize("n_groups", [2, 3, 4, 5, 12])
    @pytest.mark.parametrize("conf_level", [0.95, 0.9, 0.5])
    def test_percentile(self, n_groups, conf_level):
        b = coefficients(n_groups, 5)
        means = np.sort(self.resamples(b, 199).mean(1))
        rank = round(200 * (1 - conf_level) / 2)  # an integer at these levels
        fit = second_stage(TwoStage("bootstrap", draws=199), own_of(b), conf_level=conf_level)
        np.testing.assert_allclose([fit.conf_low[0], fit.conf_high[0]], [means[rank - 1], means[-rank]], rtol=1e-12, atol=1e-14)
        assert fit.p_value[0] == min(1, 2 * (1 + min((means <= 0).sum(), (means >= 0).sum())) / 200)

    @pytest.mark.parametrize("n_groups", [2, 3, 4, 5, 12])
    @pytest.mark.parametrize("conf_level", [0.95, 0.9, 0.5])
    def test_studentised(self, n_groups, conf_level):
        b = coefficients(n_groups, 5)
        error = b.std(ddof=1) / np.sqrt(n_groups)
        drawn = self.resamples(b, 199)
        spread, shift = drawn.std(1, ddof=1), drawn.mean(1) - b.mean()
        same = np.ptp(drawn, axis=1) == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(np.abs(shift) < 1e-15, 0.0, shift / np.where(same, 0.0, spread / np.sqrt(n_groups)))
        t = np.sort(t)
        rank = round(200 * (1 - conf_level) / 2)
        fit = second_stage(TwoStage("bootstrap-t", draws=199), own_of(b), conf_level=conf_level)
        # Sums of squares are subtracted: t keeps about 12 digits.
        expected = b.mean() - error * t[-rank], b.mean() - error * t[rank - 1]
        np.testing.assert_allclose([fit.conf_low[0], fit.conf_high[0]], expected, rtol=1e-10, atol=1e-12)
        observed = b.mean() / error
        assert fit.p_value[0] == min(1, 2 * (1 + min((t <= observed).sum(), (t >= observed).sum())) / 200)

    def test_too_few_groups_for_a_studentised_interval_have_none(self):
        """A quarter of the resamples of two groups, a 27th of those of three are one group alone: the interval is the line."""
        for n_groups, bounded in ((2, False), (3, False), (6, True)):
            fit = second_stage(TwoStage("bootstrap-t", draws=199), own_of(coefficients(n_groups, 5)))
            assert fit.status == Status.OK
            assert np.isfinite([fit.conf_low, fit.conf_high]).all() == bounded

    def test_too_few_draws_have_no_quantile(self):
        strategy, own = TwoStage("bootstrap", draws=199), own_of(coefficients(8, 5))
        fit = second_stage(strategy, own, conf_level=0.991)
        assert (fit.conf_low[0], fit.conf_high[0]) == (-np.inf, np.inf)
        assert np.isfinite(second_stage(strategy, own, conf_level=0.99).conf_low[0])

    def test_every_group_is_drawn_as_often(self):
        """Resampling the indicator of one of 12 groups: its mean has the binomial variance (1/12)(11/12)/12."""
        draws = 9999
        for group in (0, 11):
            indicator = (np.arange(12) == group).astype(float)
            counts = self.resamples(indicator, draws).mean(1) * 12
            # 9999 counts with variance 11/12; 5 standard errors of a mean and of a variance (kurtosis about 3.8).
            assert abs(counts.mean() - 1) < 5 * np.sqrt(11 / 12 / draws)
            assert abs(counts.var() - 11 / 12) < 5 * np.sqrt(2.8 / draws) * 11 / 12


@pytest.mark.parametrize("inference", RESAMPLING)
class TestEveryResampling:
    def test_p_value_and_interval_agree(self, inference):
        """p <= alpha just when zero is outside of the interval of level 1 - alpha."""
        b = np.random.default_rng(0).normal(0.4, 1.0, (128, 9))
        outside = 0
        for alpha in (0.05, 0.1, 0.25):
            fit = second_stage(TwoStage(inference, draws=199), own_of(b), conf_level=1 - alpha)
            rejected = fit.p_value <= alpha + 1e-12  # 1 - 0.95 is not 0.05
            np.testing.assert_array_equal(rejected, (fit.conf_low > 0) | (fit.conf_high < 0))
            outside += rejected.sum()
        assert 30 < outside < 350  # both kinds are many

    def test_padding_and_companions_change_nothing(self, inference):
        strategy = TwoStage(inference, draws=199)
        b = np.stack([coefficients(11, seed) for seed in range(3)])
        one, wide, alone = (second_stage(strategy, own) for own in (own_of(b), own_of(b, padded=40), own_of(b[1])))
        for name in ("p_value", "conf_low", "conf_high"):
            # Sums over 16 or 40 numbers differ by rounding.
            np.testing.assert_allclose(getattr(wide, name), getattr(one, name), rtol=1e-13)
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(one, name)[1], rtol=1e-13)

    def test_the_rest_is_that_of_the_t_test(self, inference):
        b = np.stack([coefficients(11, seed) for seed in range(3)])
        plain, own = second_stage(TwoStage(), own_of(b)), second_stage(TwoStage(inference, draws=199), own_of(b))
        for name in ("estimate", "std_error", "df", "vcov", "status"):
            np.testing.assert_array_equal(getattr(own, name), getattr(plain, name))
        assert plain.p_value.shape == (0,)

    def test_the_origin_only_moves_the_interval(self, inference):
        b = np.stack([coefficients(11, seed) for seed in range(3)])
        origin = np.array([0.25, -3.0, 1e6, 0.25])
        plain = second_stage(TwoStage(inference, draws=199), own_of(b + origin[:3, None]))
        moved = second_stage(TwoStage(inference, draws=199), own_of(b, origin=origin))
        np.testing.assert_array_equal(moved.p_value, plain.p_value)
        for name in ("estimate", "conf_low", "conf_high"):
            np.testing.assert_allclose(getattr(moved, name), getattr(plain, name), rtol=1e-9)  # 1e6 costs six digits

    def test_a_key_is_needed(self, inference):
        data = batch([make_rows(3, [4, 9, 6])], PADDED)
        with pytest.raises(InputError, match="lm2 resamples: give fit_batch a Context"):
            TwoStage(inference).fit_batch(data)
        with pytest.raises(InputError, match="lm2 resamples: give it a Context"):
            jax.eval_shape(TwoStage(inference).fit, cross_products(make_rows(3, [4, 9, 6])))


class TestOrderStatistic:
    def test_against_sorting(self):
        rng = np.random.default_rng(0)
        values = rng.normal(size=(6, 57)) * 10.0 ** rng.integers(-300, 300, (6, 57))
        values[1, :20], values[2, 5:9], values[3] = 0.0, np.inf, np.round(rng.normal(size=57))
        values[4, ::2] = -np.inf
        for rank in range(1, 58):
            np.testing.assert_array_equal(_kth(values, rank), np.sort(values, axis=1)[:, rank - 1])
        assert (_kth(values, 0) == -np.inf).all()

    def test_a_rank_that_rounding_moved(self):
        """(draws + 1) alpha / 2 for alpha = 1 - 0.9 is 49.99999999999999."""
        assert (1 - 0.9) / 2 * 1000 < 50
        assert floor((1 - 0.9) / 2 * 1000) == 50


@jax.jit
def _kth(values, rank):
    return order_statistic(values, rank)
