"""The kernels of mixed models with several grouping factors against N x N matrices and automatic differentiation."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import oracle_kenward_roger as oracle
import pytest
from crossed_data import COLUMNS, FACTORS, Dense, cells_of, crossed
from crossed_rows import Crossed

from jaxsim.crossed import curvature, kenward_roger
from jaxsim.crossed.model import Model, model_of
from jaxsim.crossed.problem import Problem, pose
from jaxsim.crossed.start import moments, starts
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.random_effects import RandomEffects
from jaxsim.lmm import newton, problem
from jaxsim.lmm.chart import moved
from jaxsim.lmm.kenward_roger import degrees_of_freedom
from jaxsim.lmm.solution import is_optimal
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.halving import inverse_factor

# Blocks of each factor's effects: slopes on both sides, uncorrelated ones, three factors of which one has the slopes, and blocks.
MODELS = {
    "slopes": ((12, 8), ((("Intercept", "x"),), (("Intercept", "x"),))),
    "lopsided": ((20, 4), ((("Intercept", "x"),), (("Intercept", "x"),))),
    "intercepts": ((6, 9), ((("Intercept",),), (("Intercept",),))),
    "uncorrelated": ((9, 7), ((("Intercept",), ("x",)), (("Intercept", "w"),))),
    "three": ((6, 5, 4), ((("Intercept", "x"),), (("Intercept",),), (("Intercept",), ("x", "w")))),
}


def model_for(name: str, counts: tuple[int, ...], reml: bool) -> Model:
    random = [
        (f, RandomEffects(FACTORS[f], blocks), [COLUMNS.index(c) for block in blocks for c in block], counts[f])
        for f, blocks in enumerate(MODELS[name][1])
    ]
    return model_of(range(3), random, reml)


def dense(table: Crossed, problem: Problem, model: Model) -> Dense:
    """The model in the units of the problem."""
    x = table.x / np.asarray(problem.column_scale)
    y = (table.y - table.x @ np.asarray(problem.shift)) / float(problem.response_scale)
    random = tuple((model.factors[k], model.columns(k)) for k in range(len(model.widths)))
    return Dense(x, y, table.levels, random, tuple(units(model)), model.spec.reml)


def parts(relative, model: Model):
    return [relative[a:b, a:b] for a, b in zip(model.ends, model.ends[1:], strict=False)]


def somewhere(model: Model, seed: int = 0) -> np.ndarray:
    """A relative covariance that the structure allows."""
    factor = np.tril(np.random.default_rng(seed).normal(size=(model.spec.structure.size,) * 2)) * model.spec.structure.mask
    return factor @ factor.T


@pytest.fixture(
    params=[(name, reml) for name in MODELS for reml in (True, False)], ids=lambda p: f"{p[0]}-{'reml' if p[1] else 'ml'}"
)
def posed(request):
    name, reml = request.param
    table = crossed(3, MODELS[name][0], share=0.8)
    model = model_for(name, MODELS[name][0], reml)
    return table, model, pose(cells_of(table), model)


def test_deviance_gradient_and_hessian(posed):
    """Closed forms against N x N matrices; second derivatives of these by complex steps. Rounding of either is some 1e-13."""
    table, model, problem = posed
    structure, own = model.spec.structure, dense(table, problem, model)
    at = curvature.evaluate(problem, somewhere(model), model)
    units = np.zeros((len(structure.entries), structure.size, structure.size))
    for k, (i, j) in enumerate(structure.entries):
        units[k, :, j] = at.chart.order[i]

    def slopes(move):
        factor = at.chart.factor + np.tensordot(move, units, 1)
        changes = [unit @ factor.T + factor @ unit.T for unit in units]
        return np.array([own.slope(parts(factor @ factor.T, model), parts(change, model)) for change in changes])

    steps = 1e-30j * np.eye(len(units))
    gradient, hessian = slopes(np.zeros(len(units))), np.array([slopes(step).imag for step in steps]) / 1e-30
    np.testing.assert_allclose(at.deviance, own.deviance(parts(at.chart.factor @ at.chart.factor.T, model)), rtol=1e-12)
    np.testing.assert_allclose(at.gradient, gradient, atol=1e-11 * np.abs(gradient).max())
    np.testing.assert_allclose(at.hessian, hessian, atol=1e-11 * np.abs(hessian).max())


def test_compiled_as_computed_by_numpy(posed):
    _, model, problem = posed
    relative = somewhere(model, 1)
    here = curvature.evaluate(problem, relative, model)
    there = jax.jit(lambda problem, t: curvature.evaluate(problem, t, model))(jax.tree.map(jnp.asarray, problem), relative)
    for name in ("deviance", "gradient", "hessian", "beta", "gamma", "m", "c"):
        one, other = np.asarray(getattr(here, name)), np.asarray(getattr(there, name))
        np.testing.assert_allclose(one, other, atol=1e-11 * max(1.0, np.abs(other).max()), err_msg=name)  # rounding of sums


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_kenward_roger(name, observed):
    """At the optimum, against the paper's formulas with N x N matrices; both lose some digits to inverses of the information."""
    table = crossed(5, MODELS[name][0], share=0.8)
    model = model_for(name, MODELS[name][0], True)
    problem, state = on_numpy(searched)(cells_of(table), model)
    own, at = dense(table, problem, model), state.best
    found = kenward_roger.kenward_roger(problem, at, model, observed)
    answer = oracle.kenward_roger(own, parts(at.chart.factor @ at.chart.factor.T, model), observed)
    assert found.definite == answer.definite
    assert answer.definite or observed
    if not answer.definite:  # as it can happen at a singular fit: there are no degrees of freedom then
        assert not degrees_of_freedom(found, at.root).any()
        return
    scale = np.sqrt(np.diagonal(answer.vcov))
    vcov = at.root @ found.vcov @ at.root.T * float(at.pw) / (len(own.y) - 3)
    np.testing.assert_allclose(vcov / np.outer(scale, scale), answer.vcov / np.outer(scale, scale), atol=1e-8)
    expected = np.where(answer.df >= found.least, answer.df, 0.0)
    np.testing.assert_allclose(degrees_of_freedom(found, at.root), expected, rtol=1e-7)


def units(model: Model):
    """Of each free entry of the covariance its factor and a matrix of zeros and ones."""
    for k in range(len(model.widths)):
        for unit in model.structure(k).basis:
            yield k, unit


@pytest.mark.parametrize("name", MODELS)
def test_moments_are_minque(name):
    """MINQUE(0) by its definition, traces and quadratic forms of N x N matrices, in a system of a condition of some 1e3."""
    table = crossed(7, MODELS[name][0], share=0.7)
    model = model_for(name, MODELS[name][0], True)
    problem = pose(cells_of(table), model)
    own = dense(table, problem, model)
    x, n = own.x, len(own.y)
    m = np.eye(n) - x @ np.linalg.solve(x.T @ x, x.T)
    parts_of = own.derivatives()
    matrix = np.array([[np.trace(m @ a @ m @ b) for a in parts_of] for b in parts_of])
    found = np.linalg.solve(matrix, [own.y @ m @ a @ m @ own.y for a in parts_of])
    expected = np.einsum("t,tab->ab", found[:-1] / found[-1], model.spec.structure.basis)
    moment = moments(problem, model)
    assert moment.identified
    np.testing.assert_allclose(moment.relative, expected, atol=1e-9 * np.abs(expected).max())


def test_confounded_components_are_told():
    """A pair of levels that has one row, with random slopes of the pairs' own, and an effect of every row."""
    table = crossed(1, (8, 6))
    pair = table.levels[:, :1] * 6 + table.levels[:, 1:]
    every = table.but(levels=np.column_stack([table.levels, pair]), counts=(8, 6, 48))
    model = model_for("three", every.counts, True)
    assert not moments(pose(cells_of(every), model), model).identified
    apart = table.but(levels=np.column_stack([table.levels, pair % 5]), counts=(8, 6, 5))
    model = model_for("three", apart.counts, True)
    assert moments(pose(cells_of(apart), model), model).identified


def searched(data: CrossProducts, model: Model):
    problem = pose(data, model)
    begins = starts(problem, moments(problem, model), model)
    state = newton.initial(begins, model.spec)
    while not state.done:
        state = newton.advance(curvature.evaluate(problem, state.trial, model), begins, state, model.spec)
    return problem, state


@pytest.mark.parametrize("name", MODELS)
def test_the_search_ends_at_an_optimum(name):
    """No other of hundreds of points, near and far, has a lower deviance by more than rounding, and the certificate holds."""
    table = crossed(11, MODELS[name][0])
    model = model_for(name, MODELS[name][0], True)
    problem, state = on_numpy(searched)(cells_of(table), model)
    assert is_optimal(state.best, model.spec)
    rng = np.random.default_rng(0)
    for scale in (1e-4, 1e-2, 1.0):
        for move in scale * rng.normal(size=(50, len(state.best.gradient))):
            near = curvature.evaluate(problem, moved(state.best.chart, move, model.spec.structure), model)
            assert near.deviance > state.best.deviance - 1e-9


def planned(seed: int, counts: tuple[int, ...]) -> Crossed:
    """All levels meet, in four rows with the same two values of x; w is drawn."""
    table = crossed(seed, counts, repeats=4)
    x = table.x.copy()
    x[:, 1] = np.tile([0.0, 0.0, 1.0, 1.0], len(x) // 4)
    return replace(table, x=x, y=table.y + x[:, 1])


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", ["slopes", "uncorrelated", "planned three"])
def test_levels_that_meet_alike(name, reml):
    """One level of each factor and sums over the others: the numbers of all levels, to rounding, padded levels included."""
    blocks = (("Intercept", "x"),), (("Intercept",), ("x",)), (("Intercept",),)
    counts = (5, 4, 3) if name == "planned three" else (12, 8)
    random = [(f, RandomEffects(FACTORS[f], blocks[f]), range(sum(map(len, blocks[f]))), n + 2) for f, n in enumerate(counts)]
    if name == "uncorrelated":
        random = [(f, RandomEffects(FACTORS[f], blocks[1]), range(2), n) for f, n in enumerate(counts)]
    data = cells_of(planned(4, counts), counts=tuple(n for *_, n in random))
    every, one = (model_of(range(3), random, reml, planned=alike) for alike in (False, True))
    assert one.planned
    relative = somewhere(every)
    there, here = (curvature.evaluate(pose(data, model), relative, model) for model in (every, one))
    for what in ("deviance", "gradient", "hessian", "beta", "root", "pw", "gamma", "m", "c", "stiffness"):
        own, other = np.asarray(getattr(here, what)), np.asarray(getattr(there, what))
        np.testing.assert_allclose(own, other, atol=1e-10 * max(1.0, np.abs(other).max()), err_msg=what)
    moment, expected = (moments(pose(data, model), model) for model in (one, every))
    np.testing.assert_allclose(moment.relative, expected.relative, atol=1e-9 * np.abs(expected.relative).max())
    assert moment.identified
    for observed in (False, True) if reml else ():
        found, expected = (
            kenward_roger.kenward_roger(pose(data, model), point, model, observed) for model, point in ((one, here), (every, there))
        )
        np.testing.assert_allclose(found.vcov, expected.vcov, atol=1e-8)
        np.testing.assert_allclose(found.m, expected.m, atol=1e-8)
        np.testing.assert_allclose(found.inverse, expected.inverse, atol=1e-7 * np.abs(expected.inverse).max())


@pytest.mark.parametrize("size", [1, 8, 9, 37])
def test_factors_by_halves(size):
    rows = np.random.default_rng(size).normal(size=(size, size + 3))
    matrix = np.eye(size) + rows @ rows.T
    expected = np.linalg.inv(np.linalg.cholesky(matrix))
    for inverse, logdet in (inverse_factor(matrix), jax.jit(inverse_factor)(matrix)):
        np.testing.assert_allclose(inverse, expected, atol=1e-13)  # of numbers up to one
        np.testing.assert_allclose(logdet, np.linalg.slogdet(matrix)[1], rtol=1e-13)


@pytest.mark.parametrize("reml", [True, False])
def test_of_one_factor_as_its_own_engine(reml):
    """Nothing is left for the dense block: the numbers are those of the engine of one factor, to rounding."""
    table = crossed(3, (12,), repeats=7)
    data = cells_of(table)
    model = model_of(range(3), [(0, RandomEffects("subject", (("Intercept", "x"),)), [0, 1], 12)], reml)
    relative = somewhere(model)
    here = curvature.evaluate(pose(data, model), relative, model)
    there = newton.evaluate(problem.pose(replace(data, levels=None)), relative, model.spec)
    for name in ("deviance", "gradient", "hessian", "beta", "pw", "gamma", "m", "c"):
        one, other = np.asarray(getattr(here, name)), np.asarray(getattr(there, name))
        np.testing.assert_allclose(one, other, atol=1e-11 * max(1.0, np.abs(other).max()), err_msg=name)
