"""Fixed effects with other than normal priors: their coordinates, their density against NumPyro's, their summaries, calibration."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from oracle import cross_products, make_rows
from programs import fit as fit_of
from programs import fit_batch
from test_bayes_density import with_lanes
from unusual_priors import UNUSUAL

import jaxsim
from jaxsim import HierarchicalBayes, InputError, Priors, Resampling, prior, sbc
from jaxsim.bayesian import empirical, parameters
from jaxsim.bayesian.coefficients import Support, inside, into, out_of, place, support
from jaxsim.bayesian.density import conditional, log_posterior, value_and_gradient
from jaxsim.bayesian.group_sums import group_sums
from jaxsim.bayesian.model import collapsed
from jaxsim.bayesian.problem import Model, pose
from jaxsim.bayesian.scales import scales
from jaxsim.data.names import Names
from jaxsim.data.random_effects import consecutive
from jaxsim.seeding import group_keys
from jaxsim.status import Status

ROWS = make_rows(22, [5] * 6, n_fixed=4, group_sd=0.5, location=1.0)
LANES = 3


def model_of(priors):
    return Model((0, 1, 2, 3), (0, 1), consecutive((2,)), priors, 0)


@pytest.mark.parametrize("at", [Support(-1.0, math.inf, 0.3), Support(-math.inf, 2.0, 0.5), Support(-1.0, 3.0, 0.25)])
def test_the_whole_line_is_mapped_into_the_support(at):
    x = jnp.linspace(-8, 8, 401)
    there, stretch = into(x, at)
    assert (at.low < there).all()
    assert (there < at.high).all()
    # Automatic differentiation subtracts two slopes near one beyond an upper end.
    np.testing.assert_allclose(jax.vmap(jax.grad(lambda x: into(x, at)[0]))(x), jnp.exp(stretch), rtol=1e-9, atol=1e-14)
    # A place that is 1e-6 from an end is known to ten digits there.
    np.testing.assert_allclose(out_of(there, at)[jnp.abs(x) < 4], x[jnp.abs(x) < 4], rtol=1e-6, atol=1e-6)
    near = inside(at, jnp.array([-9.0, 0.5, 9.0]), jnp.asarray(0.1))
    np.testing.assert_allclose(near, [max(-9.0, at.low + 0.1), 0.5, min(9.0, at.high - 0.1)])
    if math.isfinite(at.low + at.high):
        np.testing.assert_allclose(inside(at, jnp.array([-9.0, 9.0]), jnp.asarray(7.0)), (at.low + at.high) / 2)


def test_supports_are_those_of_the_distributions():
    assert support(prior("StudentT", df=3.0, loc=0.0, scale=1.0))[:2] == (-math.inf, math.inf)
    assert support(prior("Uniform", low=-1.0, high=3.0)) == Support(-1.0, 3.0, 0.25)
    assert support(prior("TruncatedNormal", loc=0.0, scale=1.0, high=0.1))[:2] == pytest.approx((-math.inf, 0.1))
    half = support(prior("HalfNormal", scale=2.0))
    assert half[:2] == (0.0, math.inf)
    # The median of a half-normal distribution is .674 scales; of 1,001 draws, with an error of 4%.
    assert half.soft == pytest.approx(2 * 0.674, rel=0.15)


def sites_of(z, hyper, problem, sums, model, known):
    """NumPyro's sites of the fixed effects, ``[P]``, in the units of their priors, and the fixed effects in those of the data."""
    given = conditional(problem, sums, hyper.sigma, model)
    beta = place(z[:, None], given.mean, given.root, problem, model).beta[:, 0]
    natural = problem.shift[:, 0] + problem.response_unit[0] / problem.column_unit[:, 0] * beta
    own = natural
    if model.priors.centre:
        own = own.at[0].add(known.column_mean[1:] @ natural[1:])
    for j, given in enumerate(model.of_fixed):
        if given.autoscale:
            own = own.at[j].set((own[j] - (0 if j else known.response_mean)) / (known.response_sd / known.column_sd[j]))
    return own, natural


def numpyro_density(given, sites):
    return log_density(collapsed, given, {}, sites)[0]


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_density_is_that_of_the_numpyro_model(name):
    """With the change of variables from NumPyro's sites to our coordinates, by automatic differentiation."""
    model, data = model_of(UNUSUAL[name]), cross_products(ROWS, 8)
    known = scales(data.products.sum(0), data.n_rows.astype(float), 0)
    problem = with_lanes(jax.jit(pose, static_argnums=1)(data, model))
    size, differences = parameters.size(model.structure), []
    for seed in range(3):
        vector = jnp.asarray(np.random.default_rng(seed).normal(0, 0.6, (size + 4, 1)))
        hyper = parameters.unpack(vector, model.structure)
        sums = group_sums(problem.products, problem.groups, hyper.factor, model.random)
        at = partial(sites_of, hyper=hyper, problem=problem, sums=sums, model=model, known=known)
        own, _ = at(vector[size:, 0])
        unit = np.asarray(problem.response_unit / problem.column_unit)[:2, 0]
        sd, sign = np.asarray(hyper.sd[:, 0]) * np.abs(unit), np.sign(unit)
        sites = {f"fixed_{j}": value for j, value in enumerate(own)}
        for i, given in enumerate(model.priors.of_sds(2)):
            scale = known.response_sd / known.column_sd[i] if given.autoscale else 1.0
            sites[f"sd_in_units_{i}"] = sd[i] / scale
        sites["sigma_in_units"] = hyper.sigma[0] * problem.response_unit[0] / known.response_sd
        sites["root_0"] = jnp.linalg.cholesky(hyper.correlation[:, :, 0] * np.outer(sign, sign))
        given = (data.products, data.n_rows, model, known)
        theirs = jax.jit(partial(numpyro_density, given))(sites)
        hyper_volume = vector[:2, 0].sum() + vector[3, 0] + jnp.log(1 - jnp.tanh(vector[2, 0]) ** 2)
        volume = jnp.linalg.slogdet(jax.jacfwd(at, has_aux=True)(vector[size:, 0])[0])[1]
        ours = jax.jit(log_posterior, static_argnums=2)(vector, problem, model)[0]
        differences.append(float(theirs + volume + hyper_volume - ours))
    # The unit of the response is left. Automatic differentiation has slopes of 1e-9 near the end of a support as what is left of 1,
    # with an error of 1e-16.
    np.testing.assert_allclose(differences, -len(ROWS.y) * np.log(float(problem.response_unit[0])), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", UNUSUAL)
def test_the_gradient_is_that_of_the_density(name):
    model = model_of(UNUSUAL[name])
    problem = with_lanes(jax.jit(pose, static_argnums=1)(cross_products(ROWS, 8), model))
    vector = jnp.asarray(np.random.default_rng(1).normal(0, 0.6, (parameters.size(model.structure) + 4, LANES)))
    density = jax.jit(lambda v: log_posterior(v, problem, model))
    _, slope = jax.jit(value_and_gradient, static_argnums=2)(vector, problem, model)
    step = 1e-5
    moves = step * np.eye(len(vector))[:, :, None]
    quotient = np.stack([(density(vector + move) - density(vector - move)) / (2 * step) for move in moves])
    # A central difference: rounding 1e-14 x 100 / 1e-5, and a third derivative of order 1,000 x 1e-10 (the edges of supports).
    np.testing.assert_allclose(slope, quotient, rtol=0, atol=2e-6)


def test_summaries_of_draws_are_those_of_numpy():
    values = np.random.default_rng(0).gamma(2.0, size=(2, 500))
    known = empirical.empirical(jnp.full(500, 1 / 500), jnp.asarray(values))
    chances = jnp.array([0.025, 0.5, 0.975])
    expected = np.quantile(values, chances, axis=1, method="hazen").T
    np.testing.assert_allclose(empirical.quantiles(known, chances), expected, rtol=1e-12)
    # The distribution function inverts the quantiles.
    for j, at in enumerate(expected.T):
        inverted = [float(empirical.below(known, value)[i]) for i, value in enumerate(at)]
        np.testing.assert_allclose(inverted, float(chances[j]), rtol=1e-10)
    low, high = np.asarray(empirical.shortest(known, jnp.asarray(0.9))).T
    for i, draws in enumerate(np.sort(values)):
        inside = ((draws >= low[i]) & (draws <= high[i])).mean()
        assert inside == pytest.approx(0.9, abs=1.01 / 500)  # a draw at either end, more or less by rounding
        widths = np.quantile(draws, np.linspace(0.9, 1, 201), method="hazen") - np.quantile(
            draws, np.linspace(0, 0.1, 201), method="hazen"
        )
        assert high[i] - low[i] <= widths.min() + 1e-9
    # A draw that counts twice is two draws.
    weight, twice = jnp.array([0.5, 0.25, 0.25]), jnp.full(4, 0.25)
    a = empirical.empirical(weight, jnp.array([[1.0, 2.0, 4.0]]))
    b = empirical.empirical(twice, jnp.array([[1.0, 1.0 + 1e-12, 2.0, 4.0]]))
    np.testing.assert_allclose(empirical.below(a, 3.0), empirical.below(b, 3.0))


def test_a_prior_in_the_units_of_the_data_is_about_the_response_as_it_is():
    """The mean response is 299; a prior that all but fixes it at the mean of Days, 4.5, must find it there."""
    sleepstudy = pd.read_csv(Path(__file__).parent / "reference/data/sleepstudy.csv")
    fit = jaxsim.bayes(
        "Reaction ~ Days + (1 | Subject)",
        sleepstudy,
        priors=Priors(intercept=prior("Normal", autoscale=False, loc=320.0, scale=0.1)),
        method="fast",
    )
    assert fit.table["estimate"] @ np.array([1.0, 4.5]) == pytest.approx(320.0, abs=0.05)  # half a prior SD


@pytest.mark.usefixtures("optimised_here")  # it runs for longer than it compiles
def test_truths_under_unusual_priors_are_ranked_uniformly():
    """Fixed seed, bands as in the calibration of normal priors."""
    natural = dict(autoscale=False)
    slopes = (prior("Laplace", **natural, loc=0.0, scale=0.5), prior("Uniform", **natural, low=-0.5, high=1.0))
    half = prior("HalfNormal", **natural, scale=1.0)
    priors = Priors(prior("StudentT", **natural, df=4.0, loc=1.0, scale=1.0), slopes, half, sigma=half, centre=False)
    strategy = HierarchicalBayes(random=("Intercept",), priors=priors, method="fast")
    found = sbc(strategy, 320, n_groups=5, n_obs=5, n_predictors=2, seed=1)
    table = found.table(level=0.999)
    assert table["inside"].all(), table
    assert (found.status == "ok").mean() > 0.98


def test_a_study_fits_with_unusual_priors():
    """Every column of the table is there, and within the supports of the priors."""
    datasets = [make_rows(40 + i, [6, 5, 7, 6], n_fixed=2, group_sd=0.7) for i in range(3)]
    keys = group_keys(jax.random.key(8, impl="threefry2x32"), 3)
    strategy = HierarchicalBayes(random=("Intercept",), priors=UNUSUAL["bounded"], method="fast", interval="hpd")
    made = [cross_products(rows, 8) for rows in datasets]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
    fits = fit_batch(strategy, batch, Resampling(keys, 0.9), groups=True)
    assert [Status(int(code)).label for code in fits.status] == ["ok"] * 3
    assert (fits.conf_low[:, 1] >= 0).all()
    assert (np.abs(fits.estimate[:, 0]) < 0.5).all()
    assert ((fits.conf_low < fits.estimate) & (fits.estimate < fits.conf_high)).all()
    # The groups' coefficients are about the fixed effects, which here are draws.
    assert jnp.isfinite(fits.groups).all()


def test_many_data_near_the_end_of_a_support():
    """Five thousand rows and a slope of 0.05, some SDs above zero, where its prior begins: by far the nearest part of it."""
    data = cross_products(make_rows(3, [250] * 20, n_fixed=2, group_sd=0.0), 20)
    slope = float(jnp.linalg.solve(data.products.sum(0)[:2, :2], data.products.sum(0)[:2, 2])[1])
    rest = data.products.at[:, :, 2].add((0.05 - slope) * data.products[:, :, 1])
    shifted = rest.at[:, 2, :].add((0.05 - slope) * rest[:, 1, :])
    priors = Priors(coefficients=prior("HalfNormal", autoscale=False, scale=1.0))
    strategy = HierarchicalBayes(random=("Intercept",), priors=priors, method="fast")
    key = group_keys(jax.random.key(9, impl="threefry2x32"), 1)[0]
    fit = fit_of(strategy, replace(data, products=shifted), Resampling(key, 0.9))
    assert Status(int(fit.status)) is Status.OK
    assert int(fit.extra["attempts"]) == 1
    # The prior is all but flat there: what is left of a normal distribution above zero.
    error = 1 / np.sqrt(5000)
    assert float(fit.estimate[1]) == pytest.approx(0.05, abs=0.3 * error)
    assert float(fit.std_error[1]) == pytest.approx(error, rel=0.2)


def test_a_normal_prior_by_another_name_gives_the_same_posterior_and_evidence():
    """Cut off fifty SDs below its mean: sampled instead of integrated out, and mapped from the line."""
    data = cross_products(make_rows(41, [6, 5, 7, 6], n_fixed=2, group_sd=0.7), 8)
    key = group_keys(jax.random.key(9, impl="threefry2x32"), 1)[0]
    fits = []
    for name, cut in (("Normal", {}), ("TruncatedNormal", {"low": -50.0})):
        priors = Priors(coefficients=prior(name, loc=0.0, scale=1.0, **cut))
        strategy = HierarchicalBayes(random=("Intercept",), priors=priors, method="fast")
        fits.append(fit_of(strategy, data, Resampling(key, 0.9)))
    integrated, drawn = fits
    # Draws with an effective size of 400 or more; 4 errors of an average, and of a logarithm of one; ends of intervals have two.
    allowed = 4 / np.sqrt(400)
    for name, times in (("estimate", 1), ("median", 1.5), ("conf_low", 2), ("conf_high", 2)):
        one, other = (fit.extra[name] if name == "median" else getattr(fit, name) for fit in (integrated, drawn))
        assert (np.abs(one - other) / integrated.std_error).max() < times * allowed, name
    np.testing.assert_allclose(drawn.std_error, integrated.std_error, rtol=allowed)
    np.testing.assert_allclose(drawn.p_value, integrated.p_value, atol=allowed)
    assert float(drawn.criterion) == pytest.approx(float(integrated.criterion), abs=2 * allowed)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Priors(coefficients=prior("Poisson", rate=1.0)).check(), "continuous distribution of one number"),
        (lambda: Priors(coefficients=prior("Cauchy", loc=0.0, scale=-1.0)).check(), "scale"),
        (lambda: HierarchicalBayes(priors=UNUSUAL["each"]).check(Names(("Intercept", "IV1"))), "3 priors for 1 fixed effects"),
    ],
)
def test_absurd_priors_are_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
