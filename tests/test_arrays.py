"""One formula on NumPy's arrays and on JAX's: the same numbers, and of one fit nothing is compiled."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import cross_products, make_rows

import jaxsim
from jaxsim.data.random_effects import consecutive
from jaxsim.estimators import ClusterRobust, PooledOLS
from jaxsim.estimators.second_stage import OwnRegressions, equal_weights, precision_weights
from jaxsim.lmm import newton, one_variance_problem, solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.kenward_roger import kenward_roger
from jaxsim.lmm.problem import pose, unidentified
from jaxsim.lmm.start import starts
from jaxsim.numerics import arrays, small
from jaxsim.numerics.arrays import fori_loop, library, on_numpy, put, scan, while_loop
from jaxsim.numerics.shifted import solve_shifted

# Without optimisation, and with the emitters of XLA's own choice, where two searches end within SEARCHED of each other; with those
# of studies the other order of sums leaves (1 + x + z | g) at 1.005 times that.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": True, "xla_cpu_parallel_codegen_split_count": "32"}
# Sums in another order lose a few units of the last of 16 digits; a search that ends by them a few more.
ROUNDING, SEARCHED = 1e-12, 1e-9


def on_jax(tree):
    return jax.tree.map(jnp.asarray, tree)


def same(found, expected, tolerance=ROUNDING):
    """Trees of NumPy's and of JAX's arrays, leaf by leaf, relative to the largest number of the leaf."""
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    assert pairs
    for ours, given in pairs:
        assert not isinstance(ours, jax.Array)
        theirs = np.asarray(given)
        assert np.shape(ours) == theirs.shape
        size = np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-3)
        np.testing.assert_allclose(np.asarray(ours, float), theirs.astype(float), rtol=0, atol=tolerance * size)


class TestHelpers:
    """Each does on NumPy's arrays what it does on JAX's, which are JAX's own functions."""

    def test_one_array_of_jax_decides(self):
        assert library(np.zeros(2), 1.0, None, np.float64(3)) is np
        assert library(np.zeros(2), jnp.zeros(2)) is jnp
        assert jax.jit(lambda x: jnp.asarray(library(np.zeros(2), x) is jnp))(1.0)

    def test_put_leaves_what_it_is_given(self):
        array = np.arange(6.0).reshape(2, 3)
        changed = put(array, np.s_[:, 1], 9.0)
        same(changed, put(jnp.asarray(array), np.s_[:, 1], 9.0))
        assert array[0, 1] == 1.0
        assert isinstance(put(np.zeros(2), 0, jnp.ones(())), jax.Array)

    def test_loops(self):
        def body(j, carry):
            return carry * 1.5 + j

        same(fori_loop(4, body, np.ones(2)), fori_loop(4, body, jnp.ones(2)))
        doubled = [while_loop(lambda x: x.sum() < 100, lambda x: 2 * x, xp.ones(3)) for xp in (np, jnp)]
        same(*doubled)
        same(while_loop(lambda x: x.sum() < 0, lambda x: 2 * x, np.ones(3)), np.ones(3))  # not once

    @pytest.mark.parametrize("reverse", [False, True])
    def test_scan(self, reverse):
        rows = np.arange(12.0).reshape(4, 3), np.array([1.0, -1.0, 2.0, 0.5])

        def body(carry, row):
            carry = carry * row[1] + row[0]
            return carry, (carry.sum(), row[0] * 2)

        same(scan(body, np.ones(3), rows, reverse), scan(body, jnp.ones(3), on_jax(rows), reverse))
        only = scan(lambda c, r: (c + r, c), np.zeros(3), rows[0])
        same(only, scan(lambda c, r: (c + r, c), jnp.zeros(3), jnp.asarray(rows[0])))

    def test_einsum(self):
        a, b, c = (np.random.default_rng(k).normal(size=(3, 3)) for k in range(3))
        same(arrays.einsum("ij,jk,kl->il", a, b, c), a @ b @ c)
        same(arrays.einsum("ij,kj->ik", a, b), a @ b.T)


@pytest.fixture(scope="module")
def symmetric():
    half = np.random.default_rng(3).normal(size=(6, 6))
    return half + half.T


def test_eigenvectors_are_in_one_order(symmetric):
    several = np.stack([symmetric, symmetric @ symmetric], axis=-1)
    values, vectors = small.eigh(several)
    same(values, small.eigh(jnp.asarray(several))[0])
    np.testing.assert_allclose(np.einsum("ijk,jk,ljk->ilk", vectors, values, vectors), several, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 6])
def test_shifted_systems_bend_the_same_way(symmetric, size):
    """LAPACK's tridiagonal form has other signs; solutions, pivots and the bend (up to its sign) are those of ours."""
    matrix, right, shifts = symmetric[:size, :size] - 0.5 * np.eye(size), np.arange(1.0, size + 1), np.array([0.0, 1.0, 50.0])
    ours, theirs = solve_shifted(matrix, right, shifts, 0), solve_shifted(*on_jax((matrix, right, shifts)), 0)
    same(ours.values[:, 2], theirs.values[:, 2])
    same(ours.pivots, theirs.pivots, 1e-10)  # those after one that is nearly zero are large
    same(np.outer(ours.bend, ours.bend), np.outer(theirs.bend, theirs.bend), 1e-10)


ROWS = make_rows(4, [6, 7, 5, 8, 6, 6, 9])
MODELS = {
    "(1 | g)": Spec((0, 1, 2), (0,), consecutive([1]), True),
    "(1 + x || g), ML": Spec((0, 1, 2), (0, 1), consecutive([1, 1]), False),
    "(1 + x + z | g)": Spec((0, 1, 2), (0, 1, 2), consecutive([3]), True),
}


@pytest.fixture(scope="module")
def data():
    """The same rows for JAX and for NumPy."""
    given = cross_products(ROWS)
    return given, jax.tree.map(np.asarray, given)


@pytest.mark.parametrize("name", MODELS)
def test_mixed_models(data, name):
    """From cross-products to the optimum in as many evaluations, and what is reported there."""
    spec = MODELS[name]

    def search(data):
        problem = pose(data)
        if one_variance_problem.one_variance(spec):
            point, found = one_variance_problem.optimum(problem, spec)
            return problem, point, found.evaluations
        final = newton.search(problem, starts(problem, spec, unidentified(problem, spec)), spec)
        return problem, final.best, final.total_evaluations

    def told(problem, point):
        answer = solution.solve(problem, point, spec, "satterthwaite", None)
        return answer, solution.blups(problem, answer.theta, spec)

    on_one, on_many = on_numpy(search)(data[1]), jax.jit(search, compiler_options=QUICKLY)(data[0])
    assert on_one[2] == on_many[2]
    same(on_one[0], on_many[0])
    for what in ("deviance", "beta", "root", "pw", "stiffness"):
        same(getattr(on_one[1], what), getattr(on_many[1], what), SEARCHED)
    problem, point = on_many[:2]
    plain = jax.tree.map(np.asarray, (problem, point))
    same(on_numpy(told)(*plain), jax.jit(told, compiler_options=QUICKLY)(problem, point), 1e-10)
    if spec.reml:
        adjustment = jax.jit(lambda *given: kenward_roger(*given, spec, observed=True)[:-1], compiler_options=QUICKLY)
        ours = on_numpy(kenward_roger)(*plain, spec, observed=True)[:-1]
        same(ours, adjustment(problem, point), 1e-10)


@pytest.mark.parametrize("estimator", [PooledOLS(), *(ClusterRobust(vcov) for vcov in ("CR1S", "CR2", "CR3"))], ids=str)
def test_pooled_regressions(data, estimator):
    same(on_numpy(estimator.fit)(data[1]), jax.jit(estimator.fit, compiler_options=QUICKLY)(data[0]))


@pytest.mark.parametrize("mean", [equal_weights, precision_weights])
def test_second_stages(mean):
    rng = np.random.default_rng(8)
    own = OwnRegressions(
        np.zeros(2), rng.normal(size=(2, 9)), rng.uniform(0.1, 1, (2, 9)), np.float64(30.0), np.int64(40), np.ones(9, bool)
    )
    same(on_numpy(mean)(own), jax.jit(mean)(on_jax(own)))


def frame(groups, rows, seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), rows)
    x, z = rng.normal(size=(2, len(g)))
    y = x + rng.normal(size=groups)[g] + rng.normal(size=groups)[g] * x + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "z": z, "Group": g})


@pytest.mark.filterwarnings("ignore::UserWarning")  # singular fits
def test_one_fit_compiles_nothing(caplog):
    """Of sizes that no other test has."""
    data = frame(13, 9, 1)
    with jax.log_compiles():
        fits = [jaxsim.lmer(f"y ~ x * z + {random}", data, df="kenward-roger") for random in ("(1 | Group)", "(x * z | Group)")]
        larger = jaxsim.lmer("y ~ x + (x | Group)", frame(23, 5, 2))
        jaxsim.anova(larger, jaxsim.lmer("y ~ x * z + (x | Group)", frame(23, 5, 2)))
        larger.anova(), larger.predict(interval="prediction"), larger.confint(), fits[0].confint("profile")
        for vcov in ("CR1S", "CR2", "pymer4", "iid"):
            jaxsim.lm("y ~ x * z", data, vcov=vcov)
        jaxsim.lm2("y ~ x + z", data), jaxsim.ols("y ~ x * z", data)
        assert "ompil" not in caplog.text
        jax.jit(lambda x: x * 1.0625 + 3)(1.0)
        assert "ompil" in caplog.text  # it would be told
