"""Student-t residuals: posteriors against NumPyro on rows (stored), calibration, what they are good for, failures, batches."""

import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from arviz_stats.base import array_stats
from oracle import batch, make_rows, row_arrays
from programs import OPTIMISED, optimised_fit_batch
from robust_datasets import STORED, stored_rows
from scipy import special

from jaxsim import (
    GEE,
    Context,
    GaussianMultilevel,
    Grid,
    HierarchicalBayes,
    InputError,
    Names,
    Priors,
    RobustBayes,
    StudentT,
    Study,
    prior,
)
from jaxsim.bayesian import engine, gamma_quantiles, robust, scale_mixture, weighted_rows
from jaxsim.bayesian.parameters import unpack
from jaxsim.bayesian.problem import pose
from jaxsim.calibration import RANKED, pointwise_level, smallest_p
from jaxsim.estimators.robust_bayes import report
from jaxsim.seeding import group_keys
from jaxsim.status import Status

REFERENCE = json.loads((Path(__file__).parent / "reference/robust_bayes.json").read_text())["datasets"]
SIZES = STORED["intercepts"][1]
GROUPS, ROWS = len(SIZES) + 1, sum(SIZES) + 3
KEYS = group_keys(jax.random.key(5, impl="threefry2x32"), 200)
STRATEGY = RobustBayes(random=("Intercept",))


def stacked(datasets):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *datasets)


@partial(jax.jit, static_argnums=(0, 3), compiler_options=OPTIMISED)  # chains of two hundred datasets run longer than it compiles
def sampled(strategy, data, key, schedule):
    """Problem and sample of one dataset; ``schedule``: warm-up, thinning, draws kept."""
    warm_up, thin, kept = schedule
    reduced = data.reduce(data.counts[0])
    model = strategy.gaussian.model(reduced)
    problem = pose(reduced, model)
    at = scale_mixture.target(problem, weighted_rows.in_units(data, problem, model), model)
    keys = jax.vmap(lambda c: jax.random.fold_in(key, c))(jnp.arange(scale_mixture.CHAINS))
    return problem, scale_mixture.run(at, keys, scale_mixture.begin(at, keys), jnp.asarray(warm_up), jnp.asarray(thin), kept)[1]


unpacked = jax.jit(unpack, static_argnums=1)
described = jax.jit(robust.described, static_argnames=("method", "level"))


def model_of(strategy, rows):
    """What the kernels are told of one dataset, which follows from its names."""
    return strategy.gaussian.model(jax.eval_shape(lambda data: data.reduce(GROUPS), rows))


def in_units(problem, sample, model):
    """Draws of the parameters in the units of the data, ``[N, .., chains]``: beta, sd, correlation, sigma, nu."""
    unit = problem.response_unit / problem.column_unit
    hyper = unpacked(np.moveaxis(np.asarray(sample.vector), 0, -1), model.structure)
    sd, correlation, sigma = (np.moveaxis(np.asarray(leaf), -1, 0) for leaf in (hyper.sd, hyper.correlation, hyper.sigma))
    x, z = list(model.fixed), list(model.random)
    sign = np.sign(unit[z])
    beta = problem.shift[:, None] + unit[x][:, None] * sample.beta
    correlation = correlation * np.outer(sign, sign)[:, :, None]
    return beta, sd * np.abs(unit[z])[:, None], correlation, sigma * problem.response_unit, sample.nu


@pytest.mark.parametrize("name", STORED)
def test_posteriors_are_those_of_the_model_on_rows(name):
    """Means, SDs, 5% and 95% quantiles within 4 Monte Carlo standard errors of both samples."""
    *_, random, priors = STORED[name]
    rows, strategy = stored_rows(name), RobustBayes(random=random, priors=priors)
    problem, sample = jax.device_get(sampled(strategy, row_arrays(rows, GROUPS, ROWS), KEYS[0], (500, 3, 1500)))
    model = model_of(strategy, row_arrays(rows, GROUPS, ROWS))
    beta, sd, correlation, sigma, nu = map(np.asarray, in_units(problem, sample, model))
    draws = {column: beta[:, j] for j, column in enumerate(rows.columns)}
    draws |= {f"sd_{column}": sd[:, i] for i, column in enumerate(random)} | {"sigma": sigma, "nu": nu}
    if len(random) > 1:
        draws["cor"] = correlation[:, 1, 0]
    assert draws.keys() == {key for key in REFERENCE[name] if "of_group" not in key}
    where = dict(chain_axis=0, draw_axis=1)
    for parameter, own in draws.items():
        expected, values = REFERENCE[name][parameter], own.T
        assert expected["rhat"] < 1.01
        ours = dict(mean=values.mean(), sd=values.std(ddof=1), q5=np.quantile(values, 0.05), q95=np.quantile(values, 0.95))
        errors = {what: array_stats.mcse(values, **where, method=what) for what in ("mean", "sd")}
        errors |= {f"q{p}": array_stats.mcse(values, **where, method="quantile", prob=p / 100) for p in (5, 95)}
        for what, error in errors.items():
            allowed = 4 * np.hypot(error, expected["mcse"][what])
            assert abs(ours[what] - expected[what]) < allowed, (parameter, what, ours[what], expected[what], allowed)
    # The groups' coefficients that are reported; conditional means have smaller Monte Carlo errors than draws, worth 400 or more.
    groups = np.asarray(described(problem, sample, method=engine.Method(model, "equal-tailed"), level=0.9).summary.groups)
    for i, column in enumerate(random):
        for g in (0, 3):
            expected = REFERENCE[name][f"{column}_of_group_{g}"]
            allowed = 4 * np.hypot(expected["sd"] / np.sqrt(engine.ENOUGH), expected["mcse"]["mean"])
            assert abs(groups[g, model.random[i]] - expected["mean"]) < allowed


def test_gamma_variables_have_their_quantiles():
    rng = np.random.default_rng(0)
    z, shape = rng.uniform(-6, 6, (500, 40)), np.append(rng.uniform(1.5, 30, 39), 1e4)
    low, high = special.gammaincinv(shape, special.ndtr(z)), special.gammainccinv(shape, special.ndtr(-z))
    found = gamma_quantiles.log_quantile(jnp.asarray(z), jnp.asarray(shape))
    # What the polynomial promises; Monte Carlo errors are ten thousand times larger.
    np.testing.assert_allclose(found, np.log(np.where(z < 0, low, high)), atol=4e-7)


@pytest.mark.parametrize("block", [0, 4])
def test_weighted_products_are_sums_over_the_rows_of_groups(block):
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=(12, 3)), rng.gamma(2.0, size=(12, 2))
    code = np.repeat([0, 1, 2], 4) if block else rng.permutation(np.repeat([0, 1, 3], 4))
    place = jnp.arange(12)
    rows = weighted_rows.WeightedRows(jnp.asarray(values), place >= 0, jnp.asarray(code), place, jnp.arange(5), block)
    found = weighted_rows.products(rows, jnp.asarray(weight))
    expected = np.zeros((3, 3, 5, 2))
    for v, w, g in zip(values, weight, code, strict=True):
        expected[:, :, g] += np.outer(v, v)[:, :, None] * w
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)  # sums of four products


def proper_priors():
    normal = prior("Normal", autoscale=False, loc=0.0, scale=1.0)
    half = prior("HalfNormal", autoscale=False, scale=1.0)
    return Priors(normal, normal, half, 1.0, half, centre=False)


def test_ranks_of_truths_are_uniform():
    """Simulation-based calibration (Talts et al. 2018); simultaneous bands at 99.9% for each of five quantities: a right sampler
    fails for one seed in 200."""
    rng, count = np.random.default_rng(8), len(KEYS)
    strategy, datasets, truths = RobustBayes(random=("Intercept",), priors=proper_priors()), [], []
    for seed in range(count):
        sd, sigma = np.abs(rng.normal(size=2))
        nu = next(nu for nu in rng.gamma(2.0, 10.0, 100) if nu > scale_mixture.LEAST_NU)
        rows, beta = make_rows(seed, SIZES, n_fixed=2), rng.normal(size=2)
        effects = sd * rng.normal(size=len(SIZES))
        y = rows.x @ beta + effects[rows.group] + sigma * rng.standard_t(nu, len(rows.y))
        datasets.append(row_arrays(rows.but(y=y), GROUPS, ROWS))
        truths.append([*beta, sd, sigma, nu])
    found = []
    for data, key in zip(datasets, KEYS, strict=True):
        problem, sample = jax.device_get(sampled(strategy, data, key, (250, 16, 26)))
        found.append((problem, sample))
    model = model_of(strategy, datasets[0])
    ranks = []
    for (problem, sample), truth in zip(found, truths, strict=True):
        beta, sd, _, sigma, nu = map(np.asarray, in_units(problem, sample, model))
        draws = np.stack([beta[:, 0], beta[:, 1], sd[:, 0], sigma, nu]).reshape(5, -1)[:, :RANKED]
        ranks.append((draws < np.array(truth)[:, None]).sum(1))
    limit = pointwise_level(count, RANKED, 0.999)
    p_values = [smallest_p(np.array(ranks)[:, k], RANKED) for k in range(5)]
    assert min(p_values) >= limit, p_values


# How many datasets with residuals from t with so few degrees of freedom, and with normal ones.
HEAVY, TAILS, NORMAL = 60, 1.5, 20


def heavy(seed):
    rows, rng = make_rows(seed, SIZES, n_fixed=2), np.random.default_rng(seed + 500)
    effects, residuals = rng.normal(size=len(SIZES)), rng.standard_t(TAILS, len(rows.y))
    return rows.but(y=rows.x @ [0.5, 0.3] + effects[rows.group] + residuals)


DATASETS = [heavy(seed) for seed in range(HEAVY)]
DATASETS += [make_rows(900 + k, SIZES, n_fixed=2, group_sd=(0.7, 0.0)) for k in range(NORMAL)]


@pytest.fixture(scope="module")
def fits():
    context = Context(KEYS[: len(DATASETS)], 0.95)
    robust_fit = optimised_fit_batch(STRATEGY, stacked([row_arrays(rows, GROUPS, ROWS) for rows in DATASETS]), context, groups=True)
    gaussian = HierarchicalBayes(random=("Intercept",), method="fast").fit_batch(batch(DATASETS, GROUPS), context)
    return jax.device_get((robust_fit, gaussian))


def test_heavy_tails_cost_the_normal_model_more(fits):
    own, gaussian = fits
    slopes = np.s_[:HEAVY, 1]
    assert (own.status[:HEAVY] == Status.OK).mean() > 0.95
    # The median variance of fifty such residuals is 9; the inverse of their Fisher information, (nu + 3) / (nu + 1),
    # is 1.8. Half of that advantage is left to the estimation of nu (above 2) and to what group effects take of the outliers.
    assert np.median(own.std_error[slopes] / gaussian.std_error[slopes]) < 0.8
    covers = (own.conf_low[slopes] <= 0.3) & (own.conf_high[slopes] >= 0.3)
    # 4 binomial standard errors around .95 with 60 datasets.
    assert covers.mean() > 0.95 - 4 * np.sqrt(0.05 * 0.95 / HEAVY)
    assert ((own.estimate[slopes] - 0.3) ** 2).mean() < ((gaussian.estimate[slopes] - 0.3) ** 2).mean()


def test_normal_residuals_give_nearly_what_the_normal_model_gives(fits):
    own, gaussian = fits
    normal = slice(HEAVY, None)
    assert (own.status[normal] == Status.OK).all()
    # Some weight is lost to the tails that fifty rows do not rule out: a tenth of a standard error, a few percent of its size.
    away = np.abs(own.estimate - gaussian.estimate)[normal] / gaussian.std_error[normal]
    assert np.median(away) < 0.15
    assert away.max() < 0.6
    ratio = own.std_error[normal] / gaussian.std_error[normal]
    assert 0.95 < np.median(ratio) < 1.1
    assert np.median(own.extra["nu"][normal]) > 12
    assert np.median(own.extra["nu"][normal]) > 2 * np.median(own.extra["nu"][:HEAVY])


def test_what_is_reported_is_of_one_posterior(fits):
    own = fits[0]
    ok = own.status == Status.OK
    assert (own.extra["rhat"][ok] < engine.RHAT).all()
    assert (own.extra["ess"][ok] >= engine.ENOUGH).all()
    assert (own.extra["nu"][ok] > scale_mixture.LEAST_NU).all()
    np.testing.assert_allclose(own.extra["prob_direction"], 1 - own.p_value / 2, rtol=1e-14)
    out = (own.conf_low > 0) | (own.conf_high < 0)
    np.testing.assert_array_equal(own.p_value[ok] < 0.05, out[ok])
    assert own.groups.shape == (len(DATASETS), GROUPS, 2)
    np.testing.assert_allclose(own.groups[:, -1], own.estimate, rtol=1e-9)  # a group without rows


def test_a_dataset_has_the_same_bits_in_any_company_and_the_same_numbers_with_other_padding(fits):
    data = stacked([row_arrays(rows, GROUPS, ROWS) for rows in DATASETS])
    order = np.random.default_rng(2).permutation(len(DATASETS))
    other = jax.tree.map(lambda leaf: leaf[order], data)
    again = jax.device_get(optimised_fit_batch(STRATEGY, other, Context(KEYS[order], 0.95), groups=True))
    for name in ("estimate", "std_error", "conf_low", "sigma", "groups"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fits[0], name)[order])
    rows = stacked([row_arrays(DATASETS[k], GROUPS + 3, ROWS + 9) for k in (4, 70)])
    padded = jax.device_get(STRATEGY.fit_batch(rows, Context(KEYS[np.array([4, 70])], 0.95)))
    assert padded.groups is None
    # Sums over other numbers of rows round otherwise; chains with the same random numbers stay as near as that.
    np.testing.assert_allclose(padded.estimate, fits[0].estimate[[4, 70]], rtol=1e-9)
    np.testing.assert_allclose(padded.std_error, fits[0].std_error[[4, 70]], rtol=1e-9)


def test_chains_apart_are_not_trusted():
    """The sample of a dataset as it is, and with one chain's sigma moved."""
    rows, priors = row_arrays(DATASETS[HEAVY], GROUPS, ROWS), proper_priors()
    strategy = RobustBayes(random=("Intercept",), priors=priors)
    problem, sample = sampled(strategy, rows, KEYS[0], (250, 16, 26))
    model = model_of(strategy, rows)
    moved = sample._replace(vector=sample.vector.at[:, -1, 0].add(2.0))
    whole, apart = (described(problem, one, method=engine.Method(model, "hpd"), level=0.9) for one in (sample, moved))
    assert apart.rhat > 1.2 > whole.rhat
    assert not apart.reliable
    fit = report(apart._replace(status=jnp.int32(Status.OK)), "Group")
    assert Status(int(fit.status)) is Status.NOT_CONVERGED
    assert not fit.converged
    assert np.isfinite(fit.estimate).all()


def test_a_study_has_nu_and_the_groups_coefficients(tmp_path):
    process = GaussianMultilevel(n_groups=6, n_obs=5, n_predictors=1, residual=StudentT(3), sampler="rows")
    study = Study(process, Grid(group_sd=[1.0]), (STRATEGY, GEE("ar1")), replicates=3, seed=1, group_coefficients=True)
    results = study.run(tmp_path, progress=False)
    fits, estimates = (table[table["model"] == STRATEGY.name] for table in (results.fits, results.estimates))
    assert len(fits) == 3
    assert fits["status"].isin(["ok", "not_converged"]).all()
    assert (fits["nu"] > 2).all()
    assert (fits["rhat"] < 1.1).all()
    assert estimates["prob_direction"].between(0.5, 1).all()
    assert results.estimates["group_mse"].gt(0).all(), "of both strategies that read rows"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RobustBayes(priors=Priors(coefficients=prior("Laplace", loc=0, scale=1))), "neither Normal nor Flat"),
        (lambda: RobustBayes(interval="wide"), "hpd"),
        (lambda: RobustBayes(priors="vague"), "weak"),
        (lambda: RobustBayes(random=("IV9",)).check(Names(("Intercept", "IV1"))), "not a term"),
        (lambda: RobustBayes(priors=Priors(sd=(prior("Flat"),) * 3)).check(Names(("Intercept", "IV1"))), "priors for 2"),
        (lambda: STRATEGY.fit(row_arrays(DATASETS[0], GROUPS, ROWS)), "Context with a key"),
    ],
)
def test_what_it_cannot_do_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
