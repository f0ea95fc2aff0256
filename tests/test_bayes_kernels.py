"""Pieces of the Bayesian engine: importance weights, mixtures, diagnostics, trees, the queue."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import optimize, stats

from jaxsim.bayesian import diagnostics, mixture, pareto, proposal, tree
from jaxsim.bayesian.nuts import _randoms
from jaxsim.bayesian.queue import PART, in_parts, retry
from jaxsim.data.random_effects import consecutive
from jaxsim.seeding import group_keys


@pytest.fixture(scope="module")
def autocorrelated():
    rng = np.random.default_rng(0)
    coefficients = np.array([0.0, 0.5, 0.9, 0.98, -0.4])
    draws = rng.normal(size=(4, 300, 5))
    for t in range(1, 300):
        draws[:, t] = coefficients * draws[:, t - 1] + np.sqrt(1 - coefficients**2) * draws[:, t]
    draws[1, :, 2] += 0.3
    return draws


def test_diagnostics_are_those_of_arviz(autocorrelated):
    ours = jax.jit(diagnostics.mixing)(autocorrelated)
    for k in range(autocorrelated.shape[-1]):
        chains = autocorrelated[..., k]
        # The two draws beside the median are equally far from it: a tie, to which ArviZ gives the mean rank.
        np.testing.assert_allclose(ours.rhat[k], array_stats.rhat(chains, chain_axis=0, draw_axis=1), rtol=1e-4)
        bulk = array_stats.ess(chains, chain_axis=0, draw_axis=1, method="bulk")
        np.testing.assert_allclose(ours.ess_bulk[k], bulk, rtol=1e-8)
        tail = array_stats.ess(chains, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))
        # The 5% quantile of 1,200 draws lies between two of them, and the two sides interpolate differently: one draw more or less.
        np.testing.assert_allclose(ours.ess_tail[k], tail, rtol=0.02)
    bfmi = array_stats.bfmi(autocorrelated[..., 2], chain_axis=0, draw_axis=1)
    np.testing.assert_allclose(diagnostics.e_bfmi(autocorrelated[..., 2]), np.min(bfmi), rtol=1e-12)


@pytest.mark.parametrize("df", [3, 30])
def test_smoothed_weights_are_those_of_arviz(df):
    """It floors the length of the tail where the paper and we take the next larger number: compared where there is nothing to
    round."""
    log_weight = np.random.default_rng(1).standard_t(df, size=1600)
    ours = jax.jit(pareto.smooth)(log_weight)
    theirs, k = array_stats.psislw(-log_weight, axis=-1)
    np.testing.assert_allclose(ours.k, k, rtol=1e-6)
    theirs = np.exp(theirs - theirs.max())
    np.testing.assert_allclose(ours.weight, theirs / theirs.sum(), rtol=1e-6)


def test_weights_that_are_no_sample_say_so():
    smooth = jax.jit(pareto.smooth)
    one = smooth(jnp.full(400, -1e4).at[7].set(0.0))
    assert one.ess < 2
    assert smooth(jnp.zeros(400)).ess == pytest.approx(400)
    assert not smooth(jnp.full(400, jnp.nan)).k < pareto.UNRELIABLE
    assert not smooth(jnp.full(400, -jnp.inf)).k < pareto.UNRELIABLE


PROPOSED, TWO = 512, consecutive((2,))  # draws; two correlated effects


@pytest.fixture(scope="module")
def proposed():
    """A proposal in four dimensions, two log SDs, a correlation and log sigma, for one dataset."""
    root = np.tril(np.random.default_rng(2).normal(0, 0.4, (4, 4)), -1) + np.diag([0.9, 0.5, 0.7, 1.1])
    return proposal.proposal(jnp.array([[-1.0], [0.3], [0.0], [2.0]]), jnp.asarray(root)[:, :, None])


def test_the_density_of_a_proposal_is_that_of_its_parts(proposed):
    mean, root = np.asarray(proposed.mean[:, 0]), np.asarray(proposed.root[:, :, 0])
    x = mean + np.random.default_rng(3).normal(0, 2, (50, 4))
    ours = proposal.log_density(jnp.asarray(x.T)[:, None], proposed, PROPOSED, TWO)[0] + proposal.log_constant(4)
    each, square = proposal.reaching(PROPOSED, TWO, 4), root @ root.T
    assert (each > 0).tolist() == [True, True, True, False]
    theirs = (1 - each.sum() / PROPOSED) * stats.multivariate_t(mean, square, proposal.DF).pdf(x)
    for k in range(3):
        own = np.eye(4)[k]
        away = mean - (proposal.SHIFT + np.sqrt(square[k, k])) * own * (k < TWO.size)
        part = stats.multivariate_t(away, square + proposal.WIDTH**2 * np.outer(own, own), proposal.DF)
        theirs = theirs + each[k] / PROPOSED * part.pdf(x)
    np.testing.assert_allclose(ours, np.log(theirs), rtol=1e-8)


def test_draws_of_a_proposal_have_its_density(proposed):
    """The weights of a density that the proposal covers have mean one and give its moments back, part by part of the proposal."""
    count = 100
    keys = group_keys(jax.random.key(5, impl="threefry2x32"), count)
    many = jax.tree.map(lambda leaf: jnp.repeat(leaf, count, axis=-1), proposed)
    x = jax.jit(proposal.draw, static_argnums=(2, 3))(keys, many, PROPOSED, TWO)
    at = np.array([-2.5, 0.3, 0.5, 2.0])
    target = stats.multivariate_normal(at, 0.3 * np.eye(4)).logpdf(np.moveaxis(np.asarray(x), 0, -1))
    density = jax.jit(proposal.log_density, static_argnums=(2, 3))(x, many, PROPOSED, TWO)
    weight = np.exp(target - np.asarray(density) - proposal.log_constant(4))
    for found, expected in ((weight, 1.0), *zip(weight * np.asarray(x), at, strict=True)):
        by_dataset = found.mean(1)
        assert abs(by_dataset.mean() - expected) < 4 * by_dataset.std() / np.sqrt(count)


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(3)
    mean, sd, weight = rng.gamma(2.0, 1.0, (2, 50)), rng.uniform(0.5, 2.0, (2, 50)), rng.dirichlet(np.ones(50))
    return mixture.Mixture(*map(jnp.asarray, (weight, mean, sd)))


def test_quantiles_of_a_mixture_invert_its_distribution_function(mixed):
    wanted = jnp.array([1e-4, 0.025, 0.5, 0.9, 0.9999])
    found = jax.jit(mixture.quantiles)(mixed, wanted)
    for j in range(2):
        parts = stats.norm(mixed.mean[j], mixed.sd[j])
        levels = [float(np.sum(mixed.weight * parts.cdf(x))) for x in found[j]]
        np.testing.assert_allclose(levels, wanted, rtol=0, atol=10 * mixture.PRECISE)


def test_quantiles_of_two_far_apart_components():
    """Newton's step is useless in the gap between them: the bracket has to help."""
    apart = mixture.Mixture(jnp.array([0.3, 0.7]), jnp.array([[-50.0, 50.0]]), jnp.ones((1, 2)))
    found = jax.jit(mixture.quantiles)(apart, jnp.array([0.15, 0.65]))[0]
    np.testing.assert_allclose(found, [-50.0, 50.0], atol=1e-6)


def test_the_shortest_interval_is_the_shortest(mixed):
    level, quantiles = 0.9, jax.jit(mixture.quantiles)
    tails = mixture.quantiles(mixed, jnp.array([0.05, 0.95]))
    ends = np.asarray(jax.jit(mixture.shortest)(mixed, jnp.asarray(level), tails))
    for j in range(2):

        def width(low, j=j):
            one = mixture.Mixture(mixed.weight, mixed.mean[j : j + 1], mixed.sd[j : j + 1])
            pair = quantiles(one, jnp.array([low, low + level]))[0]
            return float(pair[1] - pair[0])

        best = optimize.minimize_scalar(width, bounds=(1e-4, 0.0999), method="bounded", options={"xatol": 1e-6})
        # A minimum is flat: its width is known to the square of what its place is.
        np.testing.assert_allclose(ends[j, 1] - ends[j, 0], best.fun, rtol=1e-7)
        assert best.fun < tails[j, 1] - tails[j, 0]


def test_moments_of_a_mixture():
    rng = np.random.default_rng(4)
    weight, mean, root = rng.dirichlet(np.ones(20)), rng.normal(size=(2, 20)), rng.normal(size=(2, 2, 20))
    found = mixture.moments(*map(jnp.asarray, (weight, mean, root)))
    second = sum(w * (np.outer(m, m) + r @ r.T) for w, m, r in zip(weight, mean.T, np.moveaxis(root, -1, 0), strict=True))
    centre = mean @ weight
    np.testing.assert_allclose(found.mean, centre, rtol=1e-12)
    np.testing.assert_allclose(found.vcov, second - np.outer(centre, centre), rtol=1e-10)


def chains_of(density, size, lanes, draws, seed):
    """Draws ``[draws, D, lanes]`` of the tree sampler with a fixed step size, and its steps."""
    keys = group_keys(jax.random.key(seed, impl="threefry2x32"), lanes)

    def advance(carry, tick):
        now, place, out, leaves = carry
        normal, uniform = _randoms(keys, jnp.full(lanes, tick, jnp.uint32), now.here.at.shape[0])
        grown, outcome = tree.step(now, jnp.full(lanes, size), uniform, density)
        row = jnp.where(outcome.finished & (place < draws), place, draws)
        out = out.at[row, :, jnp.arange(lanes)].set(grown.chosen.at.T)
        planted = tree.plant(grown.chosen, normal, uniform[2] < 0.5)
        following = tree.choose(outcome.finished, planted, grown)
        return (following, place + outcome.finished, out, leaves + ~outcome.finished), outcome.divergence.sum()

    at = jnp.zeros((2, lanes))
    value, slope = density(at)
    normal, uniform = _randoms(keys, jnp.full(lanes, 2**31, jnp.uint32), 2)
    begin = tree.plant(tree.Point(at, slope, value), normal, uniform[2] < 0.5)
    carry = (begin, jnp.zeros(lanes, int), jnp.zeros((draws + 1, 2, lanes)), jnp.zeros(lanes))
    (_, place, out, _), divergences = jax.jit(lambda carry: jax.lax.scan(advance, carry, jnp.arange(8 * draws)))(carry)
    assert (place >= draws).all()
    return np.asarray(out[:-1]), int(divergences.sum())


def test_trees_sample_a_skewed_and_correlated_density():
    """log-gamma and a normal that depends on it: moments and quantiles of exact draws, within 4 Monte Carlo standard errors."""

    def density(at):
        x, y = at
        value = 3 * x - jnp.exp(x) - (y - x) ** 2 / (2 * 0.25)
        return value, jnp.stack([3 - jnp.exp(x) + (y - x) / 0.25, -(y - x) / 0.25])

    draws, divergences = chains_of(density, 0.45, 32, 600, 0)
    draws = np.moveaxis(draws[100:], 1, 2)  # [draws, lanes, D]
    assert divergences == 0
    x = stats.loggamma(3)
    for values, truth in (
        (draws[..., 0], x.mean()),
        (draws[..., 0] ** 2, x.var() + x.mean() ** 2),
        (draws[..., 0] < x.ppf(0.05), 0.05),
        (draws[..., 0] < x.ppf(0.95), 0.95),
        (draws[..., 1] - draws[..., 0], 0.0),
        ((draws[..., 1] - draws[..., 0]) ** 2, 0.25),
    ):
        means = values.mean(0)
        assert abs(means.mean() - truth) < 4 * means.std(ddof=1) / np.sqrt(len(means))


def test_a_step_that_is_too_long_is_a_divergence():
    def density(at):
        return -1e4 * (at**2).sum(0) / 2, -1e4 * at

    keys = group_keys(jax.random.key(1, impl="threefry2x32"), 4)
    at = jnp.full((2, 4), 0.01)
    normal, uniform = _randoms(keys, jnp.zeros(4, jnp.uint32), 2)
    now = tree.plant(tree.Point(at, density(at)[1], density(at)[0]), normal, uniform[2] < 0.5)
    _, outcome = jax.jit(lambda now: tree.step(now, jnp.full(4, 10.0), uniform, density))(now)
    assert outcome.divergence.all()
    assert outcome.finished.all()


def test_a_tree_that_never_turns_is_saturated():
    """A plane is run down for ever."""

    def density(at):
        return 1e-3 * at.sum(0), jnp.full_like(at, 1e-3)

    at = jnp.zeros((2, 3))
    now = tree.plant(tree.Point(at, density(at)[1], density(at)[0]), jnp.ones((2, 3)), jnp.ones(3, bool))
    step = jax.jit(lambda now: tree.step(now, jnp.full(3, 0.1), jnp.full((3, 3), 0.3), density))
    for _ in range(2**tree.MAX_DEPTH - 1):
        now, outcome = step(now)
        assert not outcome.divergence.any()
    assert outcome.saturated.all()
    assert (now.leaves == 2**tree.MAX_DEPTH - 1).all()


def test_failed_places_are_tried_again_and_no_others():
    need = jnp.array([1, 3, 2, 9] + [1] * 40)  # the attempt at which each succeeds
    tried = {"wanted": jnp.zeros(44, int), "done": jnp.zeros(44, bool)}

    def attempt(number, places, wanted, results):
        now = jax.tree.map(lambda leaf: leaf[places], results)
        return {"wanted": now["wanted"] + 1, "done": number + 1 >= need[places]}

    found = jax.jit(lambda tried: retry(attempt, lambda results: ~results["done"], tried, 3))(tried)
    np.testing.assert_array_equal(found["wanted"], np.minimum(need, 3))
    np.testing.assert_array_equal(found["done"], need <= 3)


@pytest.mark.parametrize("count", [1, PART, PART + 3])
def test_parts_cover_every_place_once(count):
    np.testing.assert_array_equal(in_parts(lambda places: places * 10, count), 10 * np.arange(count))
