"""Robust means of groups' coefficients: what they are without outliers, how far one pulls, what has no answer."""

import dataclasses

import numpy as np
import pytest
from second_stage import coefficients, own_of, second_stage

from jaxsim import InputError, Status, TwoStage

HUBER, TRIMMED = TwoStage(mean="huber"), TwoStage(mean="trimmed")
PLAIN = coefficients(11, 3)


def test_nothing_trimmed_is_the_mean():
    """Four groups: a fifth of them is none."""
    for name in ("estimate", "std_error", "df"):
        plain, trimmed = (getattr(second_stage(s, own_of(PLAIN[:4])), name) for s in (TwoStage(), TRIMMED))
        np.testing.assert_allclose(trimmed, plain * (0.6 if name == "std_error" else 1) ** -1, rtol=1e-12)


def test_without_outliers_huber_is_the_mean():
    """Two clumps: no residual is far beside the median one."""
    values = np.array([-1.1, -1.0, -0.9, 0.9, 1.0, 1.1])
    fit, plain = second_stage(HUBER, own_of(values)), second_stage(TwoStage(), own_of(values))
    np.testing.assert_allclose(fit.estimate, plain.estimate, atol=1e-14)
    np.testing.assert_allclose(fit.std_error, plain.std_error, rtol=1e-12)


@pytest.mark.parametrize("strategy", [HUBER, TRIMMED], ids=lambda s: s.mean)
def test_one_group_pulls_no_further_than_it_can(strategy):
    found = [second_stage(strategy, own_of(np.append(PLAIN, far))) for far in (10.0, 1e6)]
    # The iteration ends at 1e-12 of the scale, a little above it with the far group in the first mean.
    np.testing.assert_allclose(found[1].estimate, found[0].estimate, rtol=1e-9)
    np.testing.assert_allclose(found[1].std_error, found[0].std_error, rtol=1e-9)
    assert abs(found[0].estimate[0] - PLAIN.mean()) < PLAIN.std()


@pytest.mark.parametrize("strategy", [HUBER, TRIMMED], ids=lambda s: s.mean)
def test_the_interval_covers_as_it_says(strategy):
    """Normal groups, four coefficients at a time: 95% of 2,000 intervals, and their Monte Carlo error is half a per cent."""
    values = np.random.default_rng(1).normal(size=(500, 4, 14))
    fits = [second_stage(strategy, own_of(v)) for v in values]
    from scipy import stats  # noqa: PLC0415

    t = np.concatenate([np.abs(fit.estimate / fit.std_error) < stats.t.ppf(0.975, fit.df) for fit in fits])
    assert abs(t.mean() - 0.95) < 0.025


def test_no_scale_is_no_variance():
    """More than half of the groups are alike: their median deviation is zero, though the others differ."""
    values = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0])
    assert second_stage(HUBER, own_of(values)).status == Status.ZERO_VARIANCE
    assert second_stage(TwoStage(), own_of(values)).status == Status.OK


def test_nothing_left_is_too_few_groups():
    fit = second_stage(TwoStage(mean="trimmed", trim=0.4), own_of(PLAIN[:3]))
    assert fit.status == Status.TOO_FEW_GROUPS


def test_the_mean_of_precision_weights_is_their_strategy():
    strategy = TwoStage(mean="precision")
    assert strategy == TwoStage(weights="precision") != TwoStage()
    assert dataclasses.replace(strategy, weights="equal") == TwoStage()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(mean="median"), "'arithmetic', 'precision', 'huber', 'trimmed'"),
        (dict(mean="huber", inference="bootstrap"), "does not go with inference='bootstrap'"),
        (dict(mean="precision", inference="bootstrap"), "goes with inference='t' only"),
        (dict(mean="trimmed", weights="precision"), "does not go with weights='precision'"),
        (dict(mean="trimmed", trim=0.5), "from 0 to below 0.5"),
        (dict(mean="trimmed", trim=None), "from 0 to below 0.5"),
        (dict(trim=0.1), "add mean='trimmed'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        TwoStage(**options)
