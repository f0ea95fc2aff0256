"""Importance sampling as a whole: no bias from fitting proposals to draws, attempts pooled as if they were one sample."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import batch, cross_products, make_rows

from jaxsim import HierarchicalBayes
from jaxsim.bayesian import engine, importance, laplace, mixture, parameters
from jaxsim.bayesian.attempts import explore_one
from jaxsim.bayesian.importance import STREAMS, dealt, others, pooled
from jaxsim.bayesian.marginals import Summary, pool
from jaxsim.bayesian.queue import PART
from jaxsim.seeding import group_keys

# Six groups of six rows, four correlated random effects: eleven dimensions.
DATASETS = batch([make_rows(100 + i, [6] * 6, n_fixed=4, group_sd=0.7) for i in range(PART)], 6)
MODEL = HierarchicalBayes().model(jax.tree.map(lambda leaf: leaf[0], DATASETS))
REPEATS = 6


def log_sigma(begin, rounds, count, seed):
    """Sum of the weights, and of weighted log sigma and its square, ``[REPEATS, PART]``; no smoothing."""

    @jax.jit
    def once(keys):
        _, last = engine.lanes(DATASETS, MODEL)
        draws, _ = importance.sample(keys, last, MODEL, begin, rounds, count)
        value = draws.vector[parameters.size(MODEL.structure) - 1]
        weight = jnp.exp(draws.log_weight - draws.log_weight.max(1, keepdims=True))
        total = weight.sum(1)
        return total * jnp.exp(draws.log_weight.max(1)), (weight * value).sum(1) / total, (weight * value**2).sum(1) / total

    keys = group_keys(jax.random.key(seed, impl="threefry2x32"), REPEATS * PART).reshape(REPEATS, PART)
    return [np.stack(values) for values in zip(*(jax.device_get(once(own)) for own in keys), strict=True)]


@pytest.mark.usefixtures("optimised_here")  # it runs for longer than it compiles
def test_fitting_proposals_to_draws_does_not_shift_the_posterior():
    """Against proposals that stay as they are, and eight times as many draws: of a single stream whose proposals are fitted to its
    own draws the mean of log sigma is .03 posterior SDs too low."""
    fit = jax.jit(lambda: engine.prepare(DATASETS, 0.95, engine.Method(MODEL, "equal-tailed")))()
    begin = laplace.Normal(fit.mean.T, jnp.moveaxis(fit.root, 0, -1), fit.evaluations)
    total, mean, square = log_sigma(begin, 1, 8 * engine.DRAWS * engine.ROUNDS, 0)
    truth = (total * mean).sum(0) / total.sum(0)
    sd = np.sqrt((total * square).sum(0) / total.sum(0) - truth**2)
    found = (log_sigma(begin, engine.ROUNDS, engine.DRAWS, 1)[1] - truth) / sd
    error = found.std(0).mean() / np.sqrt(found.size) * np.sqrt(1 + 1 / 4)  # the reference is worth some four times as much
    assert abs(found.mean()) < 4 * error
    assert 4 * error < 0.02  # or the test would not see it


def test_streams_are_dealt_and_others_are_the_others():
    leaf = jnp.arange(2 * 3 * STREAMS * 5.0).reshape(2, 3 * STREAMS, 5)
    np.testing.assert_array_equal(dealt(pooled(leaf)), leaf)
    rest = np.asarray(others(leaf))
    for dataset in range(3):
        mine = set(np.asarray(leaf[0, dataset * STREAMS : (dataset + 1) * STREAMS]).ravel())
        for stream in range(STREAMS):
            lane = dataset * STREAMS + stream
            assert set(rest[0, lane]) == mine - set(np.asarray(leaf[0, lane]))


def test_pooled_moments_are_those_of_all_draws():
    rng = np.random.default_rng(0)
    mean, root = rng.normal(size=(2, 2, 30)), rng.normal(size=(2, 2, 2, 30))
    weight = rng.dirichlet(np.ones(30), 2)
    share = 0.3
    nothing = {name: jnp.zeros((1, 2)) for name in Summary._fields}

    def summary(weight, mean, root):
        found = mixture.moments(jnp.asarray(weight), jnp.asarray(mean), jnp.asarray(root))
        return Summary(**{**nothing, "estimate": found.mean[None], "vcov": found.vcov[None], "groups": None})

    one, other = (summary(weight[i], mean[i], root[i]) for i in range(2))
    all_draws = (np.concatenate([(1 - share) * weight[0], share * weight[1]]), *(np.concatenate(list(x), -1) for x in (mean, root)))
    together, expected = pool(one, other, jnp.array([share])), summary(*all_draws)
    np.testing.assert_allclose(together.estimate, expected.estimate, rtol=1e-12)
    np.testing.assert_allclose(together.vcov, expected.vcov, rtol=1e-12)
    # A part that has no share may be anything.
    unknown = jax.tree.map(lambda leaf: leaf * jnp.nan, other)
    for kept in (pool(one, unknown, jnp.array([0.0])), pool(unknown, one, jnp.array([1.0]))):
        np.testing.assert_array_equal(kept.estimate, one.estimate)
        np.testing.assert_array_equal(kept.vcov, one.vcov)


def test_earlier_draws_never_have_a_negative_weight():
    """Weights that sum to one but for rounding, above or below."""
    weights = jnp.asarray(np.random.default_rng(0).dirichlet(np.ones(2048), 64))
    assert (1 - weights.sum(1)).min() < 0  # or the test would not see it
    kept = engine.rest(weights)
    assert kept.min() >= 0
    assert kept.max() < 1e-12
    np.testing.assert_allclose(engine.rest(0.25 * weights), 0.75, rtol=1e-12)


@pytest.mark.usefixtures("own_programs")
def test_attempts_are_pooled(monkeypatch):
    """More draws are asked for than one attempt has: the second one adds its own, and the draws that are returned are those of both
    with the weights that made the summary."""
    monkeypatch.setattr(engine, "ENOUGH", 2500)
    rows = make_rows(40, [6, 5, 7, 6, 8, 6], n_fixed=2, group_sd=0.7)
    strategy = HierarchicalBayes(random=("Intercept",), method="fast", interval="hpd", priors="informative")
    data = cross_products(rows, 8)
    method = engine.Method(strategy.model(data), strategy.interval)
    found, draws, are_chains = explore_one(data, group_keys(jax.random.key(8, impl="threefry2x32"), 1)[0], "fast", method, 0.9)
    attempts = int(found.attempts[0])
    assert not are_chains
    assert attempts > 1
    assert draws.weight.shape[1] == attempts * engine.ROUNDS * engine.DRAWS
    assert float(draws.weight.sum()) == pytest.approx(1.0, rel=1e-12)
    assert float(found.ess[0]) == pytest.approx(float(1 / (draws.weight**2).sum()), rel=0.02)  # attempts of about one worth
    problem = engine.lanes(jax.tree.map(lambda leaf: leaf[None], data), method.model)[0]
    scale = problem.response_unit / problem.column_unit[0, jnp.array(method.model.fixed)]
    mean = problem.shift[0] + scale * (draws.weight * draws.given.mean).sum((1, 2))
    np.testing.assert_allclose(found.summary.estimate[0], mean, rtol=1e-10)
