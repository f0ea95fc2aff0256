"""The posterior density with several grouping factors: against N x N matrices, NumPyro's model, and the engine of one factor."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import crossed_rows
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossed_data import FACTORS, cells_of, crossed
from scipy.stats import multivariate_normal
from test_bayes_density import numpyro_density, with_lanes
from test_crossed_kernels import MODELS, model_for, parts, somewhere

from jaxsim import HierarchicalBayes
from jaxsim.bayesian import parameters
from jaxsim.bayesian.density import log_prior, value_and_gradient
from jaxsim.bayesian.model import on_rows
from jaxsim.bayesian.problem import pose
from jaxsim.bayesian.scales import scales
from jaxsim.crossed import problem as crossed_problem
from jaxsim.crossed.model import model_of
from jaxsim.crossed.verdicts import reproduced
from jaxsim.crossed.weighted_sums import of_lane, with_slopes
from jaxsim.data.random_effects import RandomEffects
from jaxsim.status import Status

LANES = 3
# One model for what is compiled: slopes by one factor, another order than the kernels', priors of either kind.
FORMULA = "DV ~ x + w + (1 | item) + (x | subject)"
TABLE = crossed(2, (9, 6), share=0.85)


def within(table, factor, columns, t):
    """``Z_f T_f Z_f'``."""
    code, z = table.levels[:, factor], table.x[:, list(columns)]
    return (code[:, None] == code) * (z @ t @ z.T)


@pytest.mark.parametrize("name", MODELS)
def test_the_sums_and_what_their_derivatives_are_made_of(name):
    """``log|V|``, ``[X y]'V^-1 [X y]``, and of each factor the blocks of ``U`` and the products of ``Z'V^-1 [X y]``, level by
    level; rounding of inverses of a condition of some 1e3."""
    table = crossed(3, MODELS[name][0], share=0.8)
    model = model_for(name, MODELS[name][0], True)
    posed = crossed_problem.pose(cells_of(table), model)
    relative = somewhere(model)
    factor = np.linalg.cholesky(relative + 1e-300 * np.eye(len(relative)))
    found, slopes = with_slopes(posed, factor, model)
    # The same by two ways of elimination.
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-11), of_lane(posed, factor, model), found)
    x = table.x / np.asarray(posed.column_scale)
    outer = np.column_stack([x, (table.y - table.x @ np.asarray(posed.shift)) / float(posed.response_scale)])
    scaled = table.but(x=x)
    v = np.eye(len(x)) + sum(within(scaled, model.factors[k], model.columns(k), t) for k, t in enumerate(parts(relative, model)))
    inverse = np.linalg.inv(v)
    np.testing.assert_allclose(found.logdet, np.linalg.slogdet(v)[1], rtol=1e-11)
    expected = outer.T @ inverse @ outer
    np.testing.assert_allclose(found.products, expected, atol=1e-10 * np.abs(expected).max())
    for k in range(len(model.widths)):
        q, own, products = model.widths[k], 0.0, 0.0
        for g in range(model.counts[k]):
            z = x[:, list(model.columns(k))] * (table.levels[:, [model.factors[k]]] == g)
            w = z.T @ inverse @ outer
            own, products = own + z.T @ inverse @ z, products + np.einsum("aj,bk->abjk", w, w)
        np.testing.assert_allclose(slopes.own[k], own, atol=1e-10 * np.abs(own).max())
        flat = products.reshape(q * q, -1)
        np.testing.assert_allclose(slopes.products[k], flat, atol=1e-10 * np.abs(flat).max())


@pytest.mark.parametrize("blocks", [((("Intercept", "within"),),) * 2, ((("Intercept",),), (("Intercept",), ("within",)))], ids=str)
def test_levels_that_meet_alike_need_not_be_told_apart(blocks):
    """The sums of planned models and of all levels; they differ by rounding."""
    table = crossed_rows.crossed(0, 7, 5).but(counts=(7, 5))
    places = {"Intercept": 0, "within": 1}
    random = [
        (f, RandomEffects(FACTORS[f], own), [places[c] for b in own for c in b], table.counts[f]) for f, own in enumerate(blocks)
    ]
    planned = model_of(range(3), random, True, planned=True)
    factor = np.linalg.cholesky(somewhere(planned) + 1e-9 * np.eye(planned.spec.structure.size)) * planned.spec.structure.mask
    data = table.cells(35)
    found = [with_slopes(crossed_problem.pose(data, model), factor, model) for model in (planned, planned.by_level())]
    found += [(of_lane(crossed_problem.pose(data, planned), factor, planned), found[0][1])]
    for own in (found[0], found[2]):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max()), own, found[1])
    # Responses without residuals, and those that have some.
    verdict = jax.jit(reproduced, static_argnums=(1, 2))
    rng = np.random.default_rng(0)
    effects = [rng.normal(size=(count, len(np.concatenate(own)))) for count, own in zip(table.counts, blocks, strict=True)]
    y = sum((table.x[:, : e.shape[1]] * e[table.levels[:, f]]).sum(1) for f, e in enumerate(effects))
    for response, answer in ((y, True), (table.y, False)):
        posed = crossed_problem.pose(table.but(y=response).cells(35), planned)
        assert bool(verdict(posed, planned, 1e-10)) is answer


def test_whether_all_effects_reproduce_the_response():
    """Random effects without residuals do, of fewer effects than rows; with as many effects as rows anything is reproduced."""
    verdict = jax.jit(reproduced, static_argnums=(1, 2))
    for counts, repeats, expected in (((9, 6), 1, True), ((3, 3), 1, False), ((3, 3), 4, True)):
        table, rng = crossed(1, counts, repeats=repeats), np.random.default_rng(0)
        y = sum((table.x[:, :2] * rng.normal(size=(n, 2))[table.levels[:, f]]).sum(1) for f, n in enumerate(counts))
        model = model_for("slopes", counts, True)
        for response, answer in ((y, expected), (table.y, False)):
            posed = crossed_problem.pose(cells_of(table.but(y=response)), model)
            assert bool(verdict(posed, model, 1e-10)) is answer


def model_and_problem(priors, formula=FORMULA, table=TABLE):
    strategy = HierarchicalBayes(formula=formula, priors=priors)
    data = strategy.view(jax.tree.map(jnp.asarray, cells_of(table)))
    model = strategy.model(data)
    return data, model, jax.jit(pose, static_argnums=1)(data, model)


def vectors(model, seed=0, lanes=LANES):
    return jnp.asarray(np.random.default_rng(seed).normal(0, 0.6, (parameters.size(model.structure), lanes)))


slopes_of = jax.jit(value_and_gradient, static_argnums=2)


@partial(jax.jit, static_argnums=2)
def prior_of(vector, problem, model):
    return log_prior(vector, parameters.unpack(vector, model.structure), problem, model)


def natural(vector, model, problem, lane=0):
    """SDs, correlations and sigma of one lane in the units of the data."""
    hyper = parameters.unpack(vector[:, lane : lane + 1], model.structure)
    unit = np.asarray(problem.column_unit)[list(model.random)]
    sd = np.asarray(hyper.sd[:, 0]) * float(problem.response_unit) / np.abs(unit)
    return (
        sd,
        np.asarray(hyper.correlation[:, :, 0]) * np.outer(np.sign(unit), np.sign(unit)),
        float(hyper.sigma[0] * problem.response_unit),
    )


def normal_prior(table):
    """Mean and covariance of the weak priors of the fixed effects."""
    x, y = table.x, table.y
    contrast, sd = np.eye(3), 2.5 * y.std(ddof=1) / np.r_[1.0, x[:, 1:].std(0, ddof=1)]
    contrast[0, 1:] = x[:, 1:].mean(0)
    inverse = np.linalg.inv(contrast)
    return inverse @ [y.mean(), 0, 0], inverse @ np.diag(sd**2) @ inverse.T


def test_the_density_and_its_gradient():
    """``y ~ N(X m, sum_f Z_f S_f Z_f' + sigma^2 I + X V X')`` with LAPACK, N x N; differences of it in every coordinate."""
    _, model, problem = model_and_problem("weak")
    vector, lanes = vectors(model), with_lanes(problem)
    value, slope = slopes_of(vector, lanes, model)
    likelihood = value - prior_of(vector, lanes, model)
    mean, spread = normal_prior(TABLE)
    for lane in range(LANES):
        sd, correlation, sigma = natural(vector, model, problem, lane)
        covariance = np.outer(sd, sd) * correlation
        v = sigma**2 * np.eye(len(TABLE.y)) + TABLE.x @ spread @ TABLE.x.T
        v += within(TABLE, 1, (0,), covariance[:1, :1]) + within(TABLE, 0, (0, 1), covariance[1:, 1:])
        dense = multivariate_normal(TABLE.x @ mean, v).logpdf(TABLE.y) + len(TABLE.y) * np.log(float(problem.response_unit))
        # Rounding of log determinants of some hundred, from cross-products.
        np.testing.assert_allclose(likelihood[lane], dense, rtol=0, atol=1e-10)
    step = 1e-5
    for k, one in enumerate(step * np.eye(len(vector))):
        ends = [slopes_of(vector + sign * one[:, None], lanes, model)[0] for sign in (1, -1)]
        # A central difference: rounding 1e-14 x 100 / 1e-5 and a third derivative of order 100 x 1e-10.
        np.testing.assert_allclose(slope[k], (ends[0] - ends[1]) / (2 * step), rtol=0, atol=2e-7)


def test_decov_is_of_each_factor_and_the_model_on_rows_has_it():
    """NumPyro's density where all effects are zero, less that of the rows, is the prior: in tau and shares of each factor, ours in
    log SDs. Differences between two places, as constants and units differ."""
    data, model, problem = model_and_problem("rstanarm")
    known = scales(data.products.sum(0), data.n_rows.astype(float), 0)
    rows = (TABLE.x, TABLE.x[:, [0, 0, 1]], TABLE.levels[:, ::-1], TABLE.y, TABLE.counts[::-1], model, known)
    gaps = []
    for lane in range(2):
        vector = vectors(model)
        sd, correlation, sigma = natural(vector, model, problem, lane)

        def of_decov(log_sd, sigma=sigma):
            variances = (jnp.exp(log_sd) / sigma) ** 2
            first, others = variances[:1], variances[1:]
            return jnp.stack([jnp.sqrt(first[0]), jnp.sqrt(others.mean()), others[0] / others.sum()])

        tau_item, tau_subject, share = of_decov(np.log(sd))
        sites = {"fixed_0": 0.0, "fixed_1": 0.0, "fixed_2": 0.0, "sigma_in_units": sigma / float(known.response_sd)}
        sites |= {"tau_0": tau_item, "tau_1": tau_subject, "shares_1": jnp.stack([share, 1 - share])}
        sites |= {"root_1": jnp.asarray(np.linalg.cholesky(correlation[1:, 1:]))}
        sites |= {"standard_0": jnp.zeros((6, 1)), "standard_1": jnp.zeros((9, 2))}
        theirs = float(numpyro_density(on_rows, rows[:5], model, known, sites))
        mean = np.full(len(TABLE.y), float(known.response_mean))
        theirs -= multivariate_normal(mean, sigma**2 * np.eye(len(mean))).logpdf(TABLE.y)
        partial_correlation = np.tanh(vector[3, lane])
        jacobian = np.linalg.slogdet(jax.jacobian(of_decov)(jnp.log(sd)))[1] + np.log(sigma) + np.log(1 - partial_correlation**2)
        gaps.append(float(theirs + jacobian - prior_of(vector, with_lanes(problem), model)[lane]))
    np.testing.assert_allclose(gaps[0], gaps[1], rtol=0, atol=1e-9)  # rounding of densities of some hundred


def test_without_differences_between_items_it_is_the_engine_of_one_factor():
    """The same likelihood, and gradient, as by the engine of one factor: sums in another order."""
    _, one, problem = model_and_problem("weak", "DV ~ x + w + (x | subject)")
    _, several, other = model_and_problem("weak")
    lanes, vector = with_lanes(problem), vectors(one)
    whole = jnp.concatenate([jnp.full((1, LANES), -60.0), vector])  # an SD of e^-60
    value, slope = slopes_of(vector, lanes, one)
    found, slopes = slopes_of(whole, with_lanes(other), several)
    likelihoods = value - prior_of(vector, lanes, one), found - prior_of(whole, with_lanes(other), several)
    np.testing.assert_allclose(*likelihoods, rtol=0, atol=1e-9)
    np.testing.assert_allclose(slopes[1:], slope, rtol=0, atol=1e-9)


def test_means_of_effects_are_those_of_mixed_model_equations():
    """Given covariances and fixed effects ``T Z'V^-1 (y - X m)`` with N x N matrices, weighted over draws; of levels that are told
    apart and of those that are not; solved systems of a condition of some 1e3."""
    table = crossed_rows.crossed(3, 7, 5).but(counts=(7, 5))
    data = replace(jax.tree.map(jnp.asarray, table.cells(35)), planned=("Intercept", "within"))
    model = HierarchicalBayes(formula="DV ~ within + between + (within | item) + (1 | subject)").model(data)
    assert model.design.planned
    draws, weight, rng = 3, np.array([0.2, 0.5, 0.3]), np.random.default_rng(0)
    factor = np.tril(rng.normal(size=(draws, 3, 3))) * model.structure.mask
    mean = rng.normal(size=(3, draws))
    found = []
    for own in (model, replace(model, design=model.design.by_level())):
        problem = jax.jit(pose, static_argnums=1)(data, own).each(lambda leaf: leaf[..., None])
        lanes = (jnp.asarray(weight)[None], jnp.moveaxis(jnp.asarray(factor), 0, -1)[:, :, None], jnp.asarray(mean)[:, None])
        found.append(jax.jit(lambda p, own=own, lanes=lanes: own.in_units(p, None, own.effects(p, *lanes)))(problem))
    x = table.x / np.asarray(problem.column_unit[:, 0])
    y = (table.y - table.x @ np.asarray(problem.shift[:, 0])) / float(problem.response_unit[0])
    z = [x[:, :2, None] * np.eye(5)[table.levels[:, 1]][:, None], x[:, :1, None] * np.eye(7)[table.levels[:, 0]][:, None]]
    z = np.hstack([np.swapaxes(one, 1, 2).reshape(len(y), -1) for one in z])  # by level, then by column
    expected = np.zeros(z.shape[1])
    for k in range(draws):
        t = factor[k] @ factor[k].T
        big = np.zeros((17, 17))
        big[:10, :10], big[10:, 10:] = np.kron(np.eye(5), t[:2, :2]), t[2, 2] * np.eye(7)
        v = np.eye(len(y)) + z @ big @ z.T
        expected += weight[k] * big @ z.T @ np.linalg.solve(v, y - x @ mean[:, k])
    unit = float(problem.response_unit[0]) / np.asarray(problem.column_unit[:, 0])
    expected = expected * np.r_[np.tile(unit[:2], 5), np.full(7, unit[0])]
    for one in found:
        np.testing.assert_allclose(one[0], expected, atol=1e-9 * np.abs(expected).max())


def test_flat_priors_of_sds_ask_more_of_the_data():
    """A factor that is another one is not told from it, and two levels are too few; proper priors say what the data do not."""
    twice = TABLE.but(levels=TABLE.levels[:, [0, 0]], counts=(9, 9))
    two = TABLE.taken(TABLE.levels[:, 1] < 2)
    found = {}
    for priors in ("weak", "flat"):
        for name, table in (("good", TABLE), ("twice", twice), ("two", two)):
            data = jax.tree.map(jnp.asarray, cells_of(table, 54, (9, 9)))
            model = HierarchicalBayes(formula="DV ~ x + w + (1 | item) + (1 | subject)", priors=priors).model(data)
            found[priors, name] = Status(int(status_of(data, model)))
    assert [found["weak", name] for name in ("good", "twice", "two")] == [Status.OK] * 3
    assert [found["flat", name] for name in ("good", "twice", "two")] == [Status.OK, Status.UNIDENTIFIED, Status.TOO_FEW_GROUPS]


@partial(jax.jit, static_argnums=1)
def status_of(data, model):
    return model.status(data, pose(data, model))
