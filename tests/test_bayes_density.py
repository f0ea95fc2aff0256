"""The collapsed posterior density: against the dense marginal normal model, NumPyro's models, and automatic differentiation."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import log_density
from oracle import cross_products, make_rows
from scipy.stats import multivariate_normal

from jaxsim.bayesian import parameters
from jaxsim.bayesian.density import conditional, log_posterior, value_and_gradient
from jaxsim.bayesian.group_sums import eliminate, group_sums
from jaxsim.bayesian.model import collapsed, on_rows
from jaxsim.bayesian.prior import Prior, prior
from jaxsim.bayesian.priors import NAMED, Decov, Priors, named
from jaxsim.bayesian.problem import Model, Problem, pose
from jaxsim.bayesian.scales import scales
from jaxsim.data.random_effects import consecutive
from jaxsim.errors import InputError

OWN = Priors(
    intercept=prior("Normal", autoscale=False, loc=1.0, scale=2.0),
    coefficients=prior("Normal", autoscale=False, loc=0.5, scale=0.7),
    sd=(prior("HalfNormal", autoscale=False, scale=2.0), prior("Gamma", concentration=2.0, rate=1.0)),
    sigma=prior("Exponential", autoscale=False, rate=0.5),
    centre=False,
)
PRIORS = {**{name: priors for name, priors in NAMED.items() if name != "flat"}, "own": OWN}
ROWS = make_rows(11, [5, 9, 4, 12, 6, 7], group_sd=1.5, location=2.0)
# Random effects and blocks: all slopes in one block, a subset, independent ones, two blocks.
STRUCTURES = {"full": ((0, 1, 2), [3]), "subset": ((0, 2), [2]), "diagonal": ((0, 1), [1, 1]), "intercept": ((0,), [1])}
LANES = 5


def with_lanes(problem: Problem, axes: int = 1) -> Problem:
    """A problem of one dataset with ``axes`` trailing axes of length 1, to be shared by all lanes."""
    return problem.each(lambda leaf: leaf.reshape(leaf.shape + (1,) * axes))


def model_of(priors, random=(0, 1), blocks=(2,)):
    return Model((0, 1, 2), tuple(random), consecutive(blocks), priors, 0)


def posed(model, rows=ROWS):
    return jax.jit(pose, static_argnums=1)(cross_products(rows, 8), model)


def vectors(model, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(0, 0.6, (parameters.size(model.structure), LANES)))


def natural(model, vector):
    """SDs, correlation and sigma of the first lane in the units of the data, and what autoscaled priors refer to."""
    problem = posed(model)
    hyper = parameters.unpack(vector[:, :1], model.structure)
    unit = np.asarray(problem.column_unit)[list(model.random)]
    sd = np.asarray(hyper.sd[:, 0]) * float(problem.response_unit) / np.abs(unit)
    correlation = np.asarray(hyper.correlation[:, :, 0]) * np.outer(np.sign(unit), np.sign(unit))
    return sd, correlation, float(hyper.sigma[0] * problem.response_unit), problem


def prior_moments(priors):
    """Mean and covariance of the fixed effects' prior from the rows."""
    x, y = ROWS.x, ROWS.y
    mean, sd, contrast = [], [], np.eye(3)
    if priors.centre:
        contrast[0, 1:] = x[:, 1:].mean(0)
    for j in range(3):
        given = priors.coefficients if j else priors.intercept
        centre, spread = given.moments()
        unit = y.std(ddof=1) / (x[:, j].std(ddof=1) if j else 1.0) if given.autoscale else 1.0
        mean.append(centre * unit + (y.mean() if given.autoscale and not j else 0.0))
        sd.append(spread * unit)
    inverse = np.linalg.inv(contrast)
    return inverse @ mean, inverse @ np.diag(np.square(sd)) @ inverse.T


# Every structure under one set of priors, every set under one structure.
CASES = [*((priors, "subset") for priors in (*PRIORS, "flat")), *(("weak", name) for name in STRUCTURES if name != "subset")]


@partial(jax.jit, static_argnums=2)
def likelihood(vector, problem, model):
    hyper = parameters.unpack(vector, model.structure)
    return conditional(problem, group_sums(problem.products, problem.groups, hyper.factor, model.random), hyper.sigma, model)


posterior = jax.jit(log_posterior, static_argnums=2)
slopes = jax.jit(value_and_gradient, static_argnums=2)


@pytest.mark.parametrize(("priors", "structure"), [case for case in CASES if case[0] != "flat"])
def test_the_likelihood_is_that_of_the_marginal_normal_model(priors, structure):
    """``y ~ N(X m, Z S Z' + sigma^2 I + X V X')`` with LAPACK, N x N."""
    model = model_of(PRIORS[priors], *STRUCTURES[structure])
    vector = vectors(model)
    sd, correlation, sigma, problem = natural(model, vector)
    mask = model.structure.mask
    z = ROWS.x[:, list(model.random)]
    mean, spread = prior_moments(model.priors)
    covariance = sigma**2 * np.eye(len(ROWS.y)) + ROWS.x @ spread @ ROWS.x.T
    covariance += (ROWS.group[:, None] == ROWS.group) * (z @ (np.outer(sd, sd) * correlation * mask) @ z.T)
    dense = multivariate_normal(ROWS.x @ mean, covariance).logpdf(ROWS.y) + len(ROWS.y) * np.log(float(problem.response_unit))
    ours = likelihood(vector, with_lanes(problem), model).log_likelihood[0]
    # Rounding of a log determinant of size 100 from cross-products, which square the condition of X (about 10).
    np.testing.assert_allclose(ours, dense, rtol=0, atol=1e-10)


def test_the_flat_prior_gives_the_restricted_likelihood():
    model = model_of(NAMED["flat"])
    vector = vectors(model)
    sd, correlation, sigma, problem = natural(model, vector)
    unit = float(problem.response_unit)
    x = ROWS.x / np.abs(np.asarray(problem.column_unit))
    z = ROWS.x[:, :2]
    v = (sigma**2 * np.eye(len(x)) + (ROWS.group[:, None] == ROWS.group) * (z @ (np.outer(sd, sd) * correlation) @ z.T)) / unit**2
    y, inverse = ROWS.y / unit, np.linalg.inv(v)
    information = x.T @ inverse @ x
    rest = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
    logdets = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
    dense = -(len(y) * np.log(2 * np.pi) + logdets + rest @ inverse @ rest) / 2
    prior_part = float(vector[:2, 0].sum() + vector[-1, 0] + parameters.log_lkj(vector[2:3, :1], model.structure, 1.0)[0])
    np.testing.assert_allclose(posterior(vector, with_lanes(problem), model)[0], dense + prior_part, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("priors", "structure"), CASES)
def test_the_gradient_is_that_of_the_density(priors, structure):
    model = model_of({**PRIORS, "flat": NAMED["flat"]}[priors], *STRUCTURES[structure])
    vector, lanes = vectors(model), with_lanes(posed(model))
    value, slope = slopes(vector, lanes, model)

    def density(v):
        return posterior(v, lanes, model)

    np.testing.assert_allclose(value, density(vector), rtol=1e-14)
    step = 1e-5
    moves = step * np.eye(len(vector))[:, :, None]
    quotient = np.stack([(density(vector + move) - density(vector - move)) / (2 * step) for move in moves])
    # A central difference: rounding 1e-14 x 100 / 1e-5 and a third derivative of order 100 x 1e-10.
    np.testing.assert_allclose(slope, quotient, rtol=0, atol=2e-7)


def test_the_closed_form_pull_back_is_that_of_automatic_differentiation():
    """The same sums without the custom rule: the elimination of every group, differentiated operation by operation."""
    model = model_of(NAMED["weak"], (0, 1, 2), (3,))
    problem = with_lanes(posed(model))
    factor = parameters.unpack(vectors(model), model.structure).factor
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(4, 4, LANES)))

    @jax.jit
    @jax.grad
    def closed(factor):
        sums = group_sums(problem.products, problem.groups, factor, model.random)
        return (sums.logdet + (weights * sums.products).sum((0, 1))).sum()

    @jax.jit
    @jax.grad
    def plain(factor):
        parts = [eliminate(k, factor, model.random) for k in problem.products]
        return sum((jnp.log(a) + (weights * d).sum((0, 1))).sum() for a, d in parts)

    lower = np.tril(np.ones((3, 3)))[:, :, None]
    # Two orders of the same sums over 43 rows: a few rounding errors of entries of size 100.
    np.testing.assert_allclose(closed(factor), lower * plain(factor), rtol=1e-11, atol=1e-10)


def test_the_engine_is_the_numpyro_model_with_the_fixed_effects_integrated_out():
    """``log p(theta, beta | y) = log p(theta | y) + log N(beta; C r, sigma^2 C)`` for every beta, up to the prior's constant."""
    for name in ("weak", "own"):
        model = model_of(PRIORS[name])
        data = cross_products(ROWS, 8)
        known = scales(data.products.sum(0), data.n_rows.astype(float), 0)
        differences = []
        for seed in range(2):
            vector = vectors(model, seed)
            sd, correlation, sigma, problem = natural(model, vector)
            lanes = with_lanes(problem)
            found = likelihood(vector, lanes, model)
            unit = np.asarray(problem.response_unit / problem.column_unit)
            mean = np.asarray(problem.shift) + unit * np.asarray(found.mean[:, 0])
            root = unit[:, None] * np.asarray(found.root[:, :, 0])
            beta = mean + root @ np.random.default_rng(seed).normal(size=3)
            sites = {f"fixed_{j}": site for j, site in enumerate(fixed_sites(beta, model, known))}
            sites |= {f"sd_in_units_{i}": sd[i] / u for i, u in enumerate(sd_site_units(model, known))}
            sites["sigma_in_units"] = sigma / (float(known.response_sd) if model.priors.sigma.autoscale else 1.0)
            sites["root_0"] = jnp.asarray(np.linalg.cholesky(correlation))
            theirs = numpyro_density(collapsed, (data.products, data.n_rows), model, known, sites)
            ours = posterior(vector, lanes, model)[0] + multivariate_normal(mean, root @ root.T).logpdf(beta)
            # NumPyro's sites are positive numbers and a factor, ours logarithms and atanh: the change of variables.
            partial = vector[2, 0]
            jacobian = vector[:2, 0].sum() + vector[3, 0] + jnp.log(1 - jnp.tanh(partial) ** 2)
            differences.append(float(theirs + jacobian - ours))
        # A constant (units of densities) is left; cross-products of columns with mean 2 in the units of the data lose two digits.
        np.testing.assert_allclose(differences, differences[0], rtol=0, atol=1e-8)


def fixed_sites(beta, model, known):
    own = beta.copy()
    if model.priors.centre:
        own[0] += known.column_mean[1:] @ beta[1:]
    for j in range(3):
        given = model.priors.coefficients if j else model.priors.intercept
        if given.autoscale:
            own[j] = (own[j] - (0 if j else known.response_mean)) / (known.response_sd / known.column_sd[j])
    return own


def sd_site_units(model, known):
    return [
        known.response_sd / known.column_sd[c] if p.autoscale else 1.0
        for c, p in zip(model.random, model.priors.of_sds(2), strict=True)
    ]


def numpyro_density(kind, arguments, model, known, sites):
    return jax.jit(lambda sites: log_density(kind, (*arguments, model, known), {}, sites)[0])(sites)


def test_the_two_numpyro_models_have_the_same_posterior():
    """The rows model is Gaussian in the group effects, so value, gradient and Hessian at zero give the integral over them."""
    model = model_of(NAMED["weak"])
    data = cross_products(ROWS)
    known = scales(data.products.sum(0), data.n_rows.astype(float), 0)
    arguments = (ROWS.x, ROWS.x[:, :2], ROWS.group, ROWS.y, 6)
    sites = {"fixed_0": 0.3, "fixed_1": -0.2, "fixed_2": 1.0, "sd_in_units_0": 0.4, "sd_in_units_1": 0.9, "sigma_in_units": 0.6}
    sites["root_0"] = jnp.array([[1.0, 0.0], [-0.6, 0.8]])

    @jax.jit
    def pieces(standard):
        def density(standard):
            value = {**sites, "standard": standard.reshape(6, 2)}
            return log_density(on_rows, (*arguments, model, known), {}, value)[0]

        return density(standard), jax.grad(density)(standard), jax.hessian(density)(standard)

    value, slope, hessian = map(np.asarray, pieces(jnp.zeros(12)))
    integral = value - slope @ np.linalg.solve(hessian, slope) / 2 + 6 * np.log(2 * np.pi) - np.linalg.slogdet(-hessian)[1] / 2
    exact = numpyro_density(collapsed, (data.products, data.n_rows), model, known, sites)
    # Cross-products of a column with mean 2 and SD 1 lose a digit, the determinants are of size 50.
    np.testing.assert_allclose(exact, integral, rtol=0, atol=1e-10)


@pytest.mark.parametrize("blocks", [(4,), (3, 2)])
def test_the_correlation_coordinates_are_those_of_numpyro(blocks):
    structure = consecutive(blocks)
    count, q = len(parameters.pairs(structure)), structure.size
    vector = np.random.default_rng(2).normal(size=(q + count + 1, LANES))
    hyper = jax.jit(parameters.unpack, static_argnums=1)(jnp.asarray(vector), structure)
    transform, begin, total = dist.transforms.CorrCholeskyTransform(), q, np.zeros(LANES)
    for block in structure.blocks:
        k = len(block)
        if k == 1:
            continue
        free = vector[begin : begin + k * (k - 1) // 2].T
        begin += k * (k - 1) // 2

        @jax.jit
        def theirs(free, k=k):
            roots = transform(free)
            return roots, dist.LKJCholesky(k, 1.7).log_prob(roots) + transform.log_abs_det_jacobian(free, roots)

        roots, density = theirs(free)
        np.testing.assert_allclose(hyper.root[np.ix_(block, block)].transpose(2, 0, 1), roots, rtol=0, atol=1e-14)
        total += density
    np.testing.assert_allclose(parameters.log_lkj(vector[q:-1], structure, 1.7), total, rtol=1e-12, atol=1e-12)


def test_decov_is_rstanarms_prior():
    """Its density against that of its definition: histogram-free, by the moments of draws weighted to a uniform density."""
    decov, rng, q = Decov(concentration=1.5, shape=2.0, scale=0.7), np.random.default_rng(0), 2
    tau = rng.gamma(decov.shape, decov.scale, 200_000)
    shares = rng.dirichlet(np.full(q, decov.concentration), len(tau))
    sigma = 1.3
    sd = sigma * tau[:, None] * np.sqrt(q * shares)
    log_sd = np.log(sd)
    proposal = multivariate_normal(log_sd.mean(0), 2 * np.cov(log_sd.T))
    points = proposal.rvs(200_000, random_state=1)
    weight = np.exp(np.asarray(decov.log_density(jnp.exp(points.T), jnp.asarray(sigma))) - proposal.logpdf(points))
    # Both are Monte Carlo means of 200,000: relative errors of .003; 4 of them.
    np.testing.assert_allclose(weight.mean(), 1.0, rtol=0.015)
    np.testing.assert_allclose((weight[:, None] * points).mean(0), log_sd.mean(0), atol=0.015)
    np.testing.assert_allclose((weight * points[:, 0] * points[:, 1]).mean(), (log_sd[:, 0] * log_sd[:, 1]).mean(), atol=0.03)


def test_a_numpyro_distribution_is_a_prior():
    assert prior(dist.Normal(0.0, 2.5)) == Prior("Normal", (("loc", 0.0), ("scale", 2.5)))
    assert prior(dist.HalfNormal(2.0), autoscale=False).autoscale is False
    assert prior(dist.LogNormal(0.0, 1.0)) == Prior("LogNormal", (("loc", 0.0), ("scale", 1.0)))
    assert named("weak") is NAMED["weak"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: named("vague"), "weak"),
        (lambda: Priors(correlation=-1.0), "positive"),
        (lambda: Priors(sd=prior("Normal", loc=0.0, scale=-1.0)).check(), "scale"),
        (lambda: Priors(sd=prior("Beta", concentration1=1.0, concentration0=1.0)).check(), "positive numbers"),
        (lambda: Priors(sigma=prior("NoSuch", scale=1.0)).check(), "no distribution of NumPyro"),
        (lambda: Priors(intercept=prior("Normal", loc=0.0, scale=np.inf)), "use Flat"),
        (lambda: Priors(sd=(prior("Flat"),) * 3).of_sds(2), "3 priors for 2"),
        (lambda: prior(dist.Normal(jnp.zeros(2), 1.0)), "one number"),
        (lambda: prior(dist.TruncatedNormal(0.0, 1.0, low=0.0)), "TruncatedNormal"),
        (lambda: prior(3.0), "name of a NumPyro distribution"),
        (lambda: Decov(shape=0.0), "positive"),
    ],
)
def test_absurd_priors_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
