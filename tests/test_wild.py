"""The wild cluster bootstrap against the same bootstrap done with rows: every draw a restricted fit, new data and a new fit."""

import warnings
from fractions import Fraction
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import Rows, batch, cross_products, make_rows
from second_stage import QUICKLY

import jaxsim
from jaxsim import ClusterRobust
from jaxsim.data.context import Context
from jaxsim.estimators.cluster_robust import Contrasts, fit_contrasts
from jaxsim.estimators.wild import TIE, draw
from jaxsim.seeding import analysis_key, group_keys
from jaxsim.status import Status

GROUPS, BATCH = 14, 12
ALPHA = Fraction(1, 10)
KEYS = group_keys(analysis_key(5), BATCH)
SIGNS = "rademacher"


draw_quickly = jax.jit(draw, static_argnums=(0, 3), compiler_options=QUICKLY)


def datasets():
    """Six to nine groups, three columns."""
    base = make_rows(0, [5, 9, 4, 12, 6, 7, 8], group_sd=0.7)
    column = np.random.default_rng(1).normal(size=7)[base.group]
    return {
        "plain": base.but(y=base.y - base.x @ [0.8, 0.2, -0.9]),
        "strong effects": base,
        "unbalanced": make_rows(2, [40, 3, 2, 25, 3, 4], group_sd=0.3),
        "between groups": base.but(x=np.column_stack([base.x[:, :2], column])),
        "treated groups": base.but(x=np.column_stack([base.x[:, :2], base.group < 3])),
        "one treated group": base.but(x=np.column_stack([base.x[:, :2], base.group == 3])),
        "nine groups": make_rows(3, [4, 5, 6, 5, 4, 6, 5, 4, 7], group_sd=0.5, location=2.0),
        "far from zero": make_rows(4, [5, 6, 7, 5, 6, 8], group_sd=0.5).but(y=make_rows(4, [5, 6, 7, 5, 6, 8]).y + 1e3),
    }


DATASETS = datasets()


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def fit_batch(strategy, data, resampling):
    """``fit_batch``, compiled as studies compile it."""
    return strategy.fit_batch(data, resampling)


def fit_all(strategy, rows, keys=KEYS, conf_level=float(1 - ALPHA)):
    """Fits of the datasets, all batches of one shape."""
    fits = jax.device_get(fit_batch(strategy, batch(rows, GROUPS, BATCH), Context(keys, conf_level)))
    return [jax.tree.map(lambda leaf, k=k: leaf[k], fits) for k in range(len(rows))]


@pytest.fixture(scope="module")
def fits():
    """With 600 draws the signs of nine groups are enumerated; other weights are drawn."""
    made = {}

    def fit_of(name, weights=SIGNS, draws=600):
        if (weights, draws) not in made:
            found = fit_all(ClusterRobust("CR1", inference="wild", weights=weights, draws=draws), list(DATASETS.values()))
            made[weights, draws] = dict(zip(DATASETS, found, strict=True))
        return made[weights, draws][name]

    return fit_of


class Bootstrap:
    """The bootstrap of one contrast of one dataset, by refitting rows.

    Args:
        rows, contrast: ``c'beta`` is tested.
        weights: ``[G, D]`` of the groups that have rows, in their order.
    """

    def __init__(self, rows: Rows, contrast: np.ndarray, weights: np.ndarray) -> None:
        # Coordinates in which the contrast is the first coefficient.
        turn = np.linalg.qr(np.column_stack([contrast, np.eye(len(contrast))]))[0]
        turn *= np.linalg.norm(contrast) * np.sign(turn[:, 0] @ contrast)
        self.x, self.y = rows.x @ np.linalg.inv(turn.T), rows.y
        self.codes = np.searchsorted(np.unique(rows.group), rows.group)
        self.weights = weights[self.codes]
        self.half = np.linalg.pinv(self.x)
        self.estimate, self.error = (float(v[0]) for v in self.fit(self.y[:, None]))

    def fit(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimate and cluster-robust standard error (CR0) of the first coefficient for each column of ``y``."""
        beta = self.half @ y
        pulls = self.half[0][:, None] * (y - self.x @ beta)
        sums = np.stack([pulls[self.codes == g].sum(0) for g in range(self.codes.max() + 1)])
        return beta[0], np.sqrt((sums**2).sum(0))

    def exceeding(self, value: float) -> int:
        """Draws whose |t*| exceeds |t| when the contrast is said to be ``value``."""
        offset = self.y - value * self.x[:, 0]
        rest = self.x[:, 1:] @ np.linalg.lstsq(self.x[:, 1:], offset, rcond=None)[0]
        fitted = value * self.x[:, 0] + rest
        estimate, error = self.fit(fitted[:, None] + self.weights * (self.y - fitted)[:, None])
        # Statistics got from rows agree to 12 digits; what counts as a tie moves the limits where t* and t cross slowly.
        with np.errstate(divide="ignore"):
            return int((np.abs(estimate - value) / error > (1 + TIE / 2) * np.abs(self.estimate - value) / self.error).sum())

    def p_value(self, value: float) -> Fraction:
        return Fraction(self.exceeding(value), self.weights.shape[1])


def patterns(count: int) -> np.ndarray:
    """All patterns of signs, ``[G, 2^G]``."""
    return np.array(np.meshgrid(*[[-1.0, 1.0]] * count)).reshape(count, -1)


def check(fit, rows, weights):
    """p values are equal; p is above alpha from the estimate to just inside of each limit, but not just outside."""
    for j, contrast in enumerate(np.eye(rows.x.shape[1])):
        brute = Bootstrap(rows, contrast, weights)
        assert fit.estimate[j] == pytest.approx(brute.estimate, rel=1e-9)
        assert fit.p_value[j] == pytest.approx(float(brute.p_value(0.0)), rel=1e-12)
        # The limits are found to 2^-32 of their distance; rounding of rows near 1e3 makes it 1e-8 standard errors.
        for limit, outwards in ((fit.conf_low[j], -1.0), (fit.conf_high[j], 1.0)):
            step = 1e-8 * fit.std_error[j] * outwards
            assert brute.p_value(limit - step) > ALPHA
            assert brute.p_value(limit + step) <= ALPHA
            between = brute.estimate + np.linspace(0, 0.999, 20) * (limit - brute.estimate)
            assert all(brute.p_value(value) > ALPHA for value in between)


@pytest.mark.parametrize("name", DATASETS)
def test_all_patterns_of_signs(fits, name):
    rows = DATASETS[name]
    fit = fits(name)
    assert Status(int(fit.status)) is Status.OK
    check(fit, rows, patterns(len(rows.members())))


@pytest.mark.parametrize(("weights", "draws"), [(SIGNS, 50), ("webb", 100), ("mammen", 100)])
@pytest.mark.parametrize("name", ["plain", "treated groups", "nine groups"])
def test_drawn_weights(fits, name, weights, draws):
    """The same weights in the brute-force bootstrap; 50 and 100 draws make alpha one of the values that p can have."""
    rows, place = DATASETS[name], list(DATASETS).index(name)
    present = np.arange(GROUPS) < len(rows.members())
    drawn = draw_quickly(weights, KEYS[place], present, draws)
    assert np.asarray(drawn.counted).all()
    check(fits(name, weights, draws), rows, np.asarray(drawn.weights)[present])


def test_p_values_have_every_size(fits):
    """Otherwise equal p values would mean little."""
    assert len({float(p) for name in DATASETS for p in fits(name).p_value}) > 12


def test_an_outside_effect_of_a_million_standard_errors(fits):
    """A tie with the sample stays one however far the hypothesis: the pattern of equal signs is never counted."""
    assert abs(fits("far from zero").estimate[0] / fits("far from zero").std_error[0]) > 1e3
    assert fits("far from zero").p_value[0] == 0
    rows = DATASETS["plain"]
    data = pd.DataFrame({"y": rows.y + 1e6 * rows.x[:, 1], "x": rows.x[:, 1], "z": rows.x[:, 2], "g": rows.group})
    table = jaxsim.lm("y ~ x + z", data, cluster="g", vcov="CR1", inference="wild", draws=600).table
    assert table["statistic"][1] > 1e6
    np.testing.assert_allclose(table["p_value"], [fits("plain").p_value[0], 0, fits("plain").p_value[2]], rtol=1e-12)


def test_the_scale_of_the_variance_cancels(fits):
    """One bootstrap for all conventions; standard errors and df stay those of the convention."""
    fit, plain = fit_all(ClusterRobust("pymer4", inference="wild", draws=600), [DATASETS["plain"]])[0], fits("plain")
    for name in ("p_value", "conf_low", "conf_high"):
        np.testing.assert_allclose(getattr(fit, name), getattr(plain, name), rtol=1e-12)
    (expected,) = jax.device_get(ClusterRobust("pymer4").fit_batch(batch([DATASETS["plain"]], GROUPS))).std_error
    np.testing.assert_allclose(fit.std_error, expected, rtol=1e-12)
    assert (fit.df == len(DATASETS["plain"].members()) - 3).all()


def test_contrasts_and_hypotheses():
    """A contrast and the value that is tested; the interval does not depend on the latter."""
    rows = DATASETS["unbalanced"]
    contrasts, null = np.array([[0.0, 1.0, -1.0], [1.0, 0.5, 0.5]]), np.array([0.4, 1.1])
    strategy, resampling = ClusterRobust(inference="wild"), Context(KEYS[0], float(1 - ALPHA))
    fit = fit_contrasts(strategy, cross_products(rows, GROUPS), Contrasts(contrasts, null), resampling)
    again = fit_contrasts(strategy, cross_products(rows, GROUPS), Contrasts(contrasts, null + 1), resampling)
    np.testing.assert_allclose(again.conf_low, fit.conf_low, rtol=1e-12)
    for j in range(2):
        brute = Bootstrap(rows, contrasts[j], patterns(6))
        assert fit.p_value[j] == float(brute.p_value(null[j]))
        assert 0 < fit.p_value[j] < 1
        assert brute.p_value(fit.conf_low[j] + 1e-8) > ALPHA >= brute.p_value(fit.conf_low[j] - 1e-8)


def test_lm():
    """On a DataFrame the coefficients are contrasts in another basis, of a response without its fit; the numbers are the same."""
    for name in ("plain", "treated groups"):
        rows = DATASETS[name]
        data = pd.DataFrame({"y": rows.y, "x": rows.x[:, 1], "z": rows.x[:, 2], "g": rows.group})
        for options in (dict(draws=600), dict(weights="webb", draws=100, seed=3)):
            fit = jaxsim.lm("y ~ x + z", data, cluster="g", vcov="CR1", inference="wild", conf_level=float(1 - ALPHA), **options)
            key = analysis_key(options.pop("seed", 0))
            strategy = ClusterRobust("CR1", inference="wild", **options)
            (expected,) = fit_all(strategy, [rows], jnp.stack([key] * BATCH))
            for column in ("estimate", "std_error", "df", "p_value", "conf_low", "conf_high"):
                # Limits are found to 2^-32 of a standard error.
                np.testing.assert_allclose(fit.table[column], getattr(expected, column), rtol=1e-9, atol=1e-9, err_msg=column)
            np.testing.assert_allclose(fit.table["statistic"], expected.estimate / expected.std_error, rtol=1e-9, atol=1e-12)
    assert "webb weights, 100 draws" in fit.method
    assert "128 patterns" in jaxsim.lm("y ~ x + z", data, cluster="g", vcov="CR1", inference="wild", draws=600).method


def test_the_seed_decides():
    rows = make_rows(6, [4] * 12, 2)
    data = pd.DataFrame({"y": rows.y, "x": rows.x[:, 1], "g": rows.group})
    first, again, other = (
        jaxsim.lm("y ~ x", data, cluster="g", inference="wild", draws=199, seed=seed).table for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["conf_low"] != other["conf_low"]).all()
    for seed in (-1, 2**32, 1.0, True, "a"):
        with pytest.raises(jaxsim.InputError, match="seed"):
            jaxsim.lm("y ~ x", data, cluster="g", inference="wild", seed=seed)


def test_laws_of_the_weights():
    """Values, and moments within five Monte Carlo standard errors of 200,000 draws."""
    allowed = {
        "rademacher": [-1, 1],
        "webb": [-np.sqrt(1.5), -1, -np.sqrt(0.5), np.sqrt(0.5), 1, np.sqrt(1.5)],
        "mammen": [(1 - np.sqrt(5)) / 2, (1 + np.sqrt(5)) / 2],
    }
    moments = {"rademacher": (0, 1), "webb": (0, 7 / 6), "mammen": (1, 2)}
    for kind, values in allowed.items():
        v = np.asarray(draw_quickly(kind, KEYS[0], np.ones(20, bool), 10_000).weights)
        np.testing.assert_allclose(np.unique(v.round(9)), values, atol=1e-9)
        third, fourth = moments[kind]
        error = 5 / np.sqrt(v.size)
        assert abs(v.mean()) < error
        assert abs((v**2).mean() - 1) < error * np.sqrt(fourth - 1 + 1e-12)
        assert abs((v**3).mean() - third) < 4 * error
        assert abs(np.corrcoef(v) - np.eye(20)).max() < 5 / np.sqrt(10_000)


def test_patterns_are_enumerated_where_there_are_fewer_than_draws():
    for groups, draws, counted in ((3, 9, 8), (3, 8, 8), (4, 17, 16), (1, 5, 2), (5, 33, 32)):
        present = np.zeros(9, bool)
        present[[1, 2, 4, 7, 8][:groups]] = True
        drawn = draw_quickly(SIGNS, KEYS[0], present, draws)
        assert int(drawn.counted.sum()) == counted
        made = np.unique(np.asarray(drawn.weights)[present][:, np.asarray(drawn.counted)], axis=1)
        assert made.shape[1] == counted or draws == 2**groups  # as many draws as patterns: they are drawn, not listed


def test_empty_groups_change_no_weight():
    present = np.array([1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1], bool)
    for kind in ("rademacher", "webb", "mammen"):
        apart, together = (
            np.asarray(draw_quickly(kind, KEYS[1], p, 70).weights)[p] for p in (present, np.ones(present.sum(), bool))
        )
        np.testing.assert_array_equal(apart, together)


def test_two_and_three_groups():
    """The whole distribution: 2 patterns that tie, and those that do not; a failure is a status."""
    two = make_rows(0, [6, 7])
    three = make_rows(0, [6, 7, 5])
    one = two.but(group=np.zeros(13, int))
    zero = three.but(x=np.column_stack([three.group == g for g in range(3)]).astype(float))
    found = fit_all(ClusterRobust("CR1", inference="wild", draws=600), [two, three, one, zero])
    assert [Status(int(fit.status)) for fit in found[2:]] == [Status.TOO_FEW_GROUPS, Status.ZERO_VARIANCE]
    assert np.isnan(found[2].p_value).all()
    for rows, fit in ((two, found[0]), (three, found[1])):
        assert Status(int(fit.status)) is Status.OK
        check(fit, rows, patterns(len(rows.members())))


def test_keys_are_needed():
    with pytest.raises(jaxsim.InputError, match="resamples"):
        ClusterRobust(inference="wild").fit(cross_products(DATASETS["plain"]))
    with pytest.raises(jaxsim.InputError, match="resamples"):
        ClusterRobust(inference="wild").fit_batch(batch([DATASETS["plain"]], GROUPS))


def test_a_p_value_of_zero_is_explained():
    """Six clusters have 32 patterns that differ; the sample ties with itself, and ties are not counted."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(6), 8), "x": rng.normal(size=48)})
    data["y"] = 3 * data["x"] + 0.1 * rng.normal(size=48)
    with pytest.warns(UserWarning, match=r"6 clusters have 32 sign patterns that differ: .* p <= 1/32 = 0\.03125"):
        fit = jaxsim.lm("y ~ x", data, "g", inference="wild")
    assert fit.table["p_value"].iloc[1] == 0
    with pytest.warns(UserWarning, match=r"none of 9,999 draws is as extreme as the sample: report p <= 0\.0001"):
        jaxsim.lm("y ~ x", data, "g", inference="wild", bootstrap="webb")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jaxsim.lm("y ~ x", data.assign(y=rng.normal(size=48)), "g", inference="wild")
