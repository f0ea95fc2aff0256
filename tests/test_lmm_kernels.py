"""The mixed-model kernels against dense computations, automatic differentiation, NumPy and SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import Mixed, batch, eliminated_deviance, make_rows
from scipy import stats

from jaxsim.data.random_effects import Structure, consecutive
from jaxsim.inference import t_table
from jaxsim.lmm import newton
from jaxsim.lmm.chart import chart_of, directions, moved
from jaxsim.lmm.deviance import Spec, curvature, gradient, profile
from jaxsim.lmm.problem import Problem
from jaxsim.lmm.start import Starts
from jaxsim.numerics import small
from jaxsim.numerics.lanes import FEW, iterate
from jaxsim.numerics.shifted import solve_shifted

ROWS = make_rows(3, [2, 5, 3, 7, 4], n_fixed=4, location=0.7)
STRUCTURES = {
    "intercept": ((0,), consecutive([1])),
    "full": ((0, 1, 2), consecutive([3])),
    "diagonal": ((0, 1, 2), consecutive([1, 1, 1])),
    "blocks": ((0, 1, 2), Structure(((0,), (1, 2)))),
    "other_order": ((2, 0), consecutive([2])),
}
# The criterion enters in profile and curvature, the structure in the chart: pairs that meet every one of both.
CASES = [
    ("full", True), ("full", False), ("intercept", True), ("intercept", False),
    ("diagonal", True), ("blocks", False), ("other_order", True),
]  # fmt: skip


def problem_of(rows):
    """The rows as they are: no standardisation, one padding group."""
    data = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), batch([rows], len(rows.members()) + 1))
    sizes = data.sizes.astype(float)
    m = data.products.shape[-1]
    return Problem(
        data.products.transpose(1, 2, 0), (sizes > 0).astype(float), sizes, jnp.ones(m - 1), jnp.ones(()),
        jnp.zeros(m - 1), jnp.asarray(True), jnp.asarray(False),
    )  # fmt: skip


PROBLEM = problem_of(ROWS)


def spec_of(name, reml):
    random, structure = STRUCTURES[name]
    return Spec(tuple(range(4)), random, structure, reml)


def random_factor(structure, seed, zero_column=False):
    """A lower factor with the free entries of the structure; a singular one if asked."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=len(structure.entries))
    factor = np.array(structure.factor(jnp.asarray(theta)))
    if zero_column:
        factor[:, -1] = 0.0
    return factor


@pytest.fixture(scope="module")
def autodiff():
    """``(random, factor, reml) -> deviance, gradient, Hessian`` in all entries of the factor, by automatic differentiation."""
    made = {}

    def derivatives(random, factor, reml):
        if random not in made:

            def value(flat, reml):
                return eliminated_deviance(flat.reshape(len(random), -1), ROWS, random, reml)

            first = jax.jacfwd(value)

            def both(flat, reml):
                return value(flat, reml), first(flat, reml), jax.jacfwd(first)(flat, reml)

            made[random] = jax.jit(both)
        return jax.device_get(made[random](jnp.asarray(factor).ravel(), reml))

    return derivatives


@pytest.fixture(scope="module")
def kernels():
    """Compiled ``factor -> chart, profile, gradient, Hessian`` of each case."""
    made = {}

    def evaluate(name, reml, relative):
        if (name, reml) not in made:
            spec = spec_of(name, reml)

            def run(relative):
                chart = chart_of(relative, spec.structure)
                along = directions(chart, spec.structure)
                at = profile(PROBLEM.products, PROBLEM.n_rows, chart.factor, spec)
                return chart, at, gradient(at, along), curvature(at, along, chart.order, spec)

            made[name, reml] = jax.jit(run)
        return jax.device_get(made[name, reml](jnp.asarray(relative)))

    return evaluate


@pytest.mark.parametrize(("name", "reml"), CASES)
def test_profile_is_the_dense_model(kernels, name, reml):
    random, structure = STRUCTURES[name]
    for seed in range(3):
        factor = random_factor(structure, seed, zero_column=seed == 2)
        relative = factor @ factor.T
        _, at, _, _ = kernels(name, reml, relative)
        dense = Mixed(ROWS, random, reml)
        expected = dense.fit_at(relative)
        # 1e-10: 21 rows and numbers of size 10, so rounding is near 1e-13; a wrong term is of order 1.
        assert at.deviance == pytest.approx(expected.criterion, rel=1e-10)
        np.testing.assert_allclose(at.beta, expected.beta, rtol=1e-10)
        np.testing.assert_allclose(at.root @ at.root.T, dense.unscaled_vcov(relative), rtol=1e-10, atol=1e-12)
        assert at.weight == pytest.approx(1 / expected.sigma**2, rel=1e-10)
        present = np.asarray(PROBLEM.present) > 0
        np.testing.assert_allclose((relative @ at.s).T[present], dense.blups(relative), rtol=1e-9, atol=1e-11)
        assert not at.s[:, ~present].any()  # padding contributes exactly nothing
        assert not at.u[..., ~present].any()


@pytest.mark.parametrize("singular", [False, True])
@pytest.mark.parametrize(("name", "reml"), CASES)
def test_derivatives_are_those_of_autodiff(kernels, autodiff, name, reml, singular):
    """Gradient and Hessian in the chart's coordinates, at interior and at singular T."""
    random, structure = STRUCTURES[name]
    factor = random_factor(structure, 7, zero_column=singular)
    chart, at, slope, second = kernels(name, reml, factor @ factor.T)
    value, first, hessian = autodiff(random, chart.factor, reml)
    rows, columns = structure.entries.T
    # Entry k moves the factor by order[row_k] (a unit vector) in column column_k.
    moves = np.einsum("ti,tj->tij", chart.order[rows], np.eye(len(random))[columns]).reshape(len(rows), -1)
    # Two exact derivatives in different arithmetic: rounding only, about 1e-13 of the largest entry.
    assert at.deviance == pytest.approx(float(value), rel=1e-11)
    np.testing.assert_allclose(slope, moves @ first, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(second.hessian, moves @ hessian @ moves.T, rtol=1e-9, atol=1e-10 * np.abs(hessian).max())


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("zero", [False, True])
def test_chart_reproduces_t_and_moves_keep_the_structure(name, zero):
    structure = STRUCTURES[name][1]
    for seed in range(3):
        factor = random_factor(structure, seed, zero_column=zero)
        relative = factor @ factor.T
        move = np.random.default_rng(seed).normal(size=len(structure.entries))
        chart, along, after, forth, back = jax.device_get(travel(jnp.asarray(relative), jnp.asarray(move), structure))
        # Rounding of at most three products of numbers of size 1.
        np.testing.assert_allclose(chart.factor @ chart.factor.T, relative, atol=1e-14)
        np.testing.assert_array_equal(chart.order.sum(0), np.ones(structure.size))
        pivoted = chart.order @ chart.factor
        np.testing.assert_array_equal(pivoted, np.tril(pivoted))
        for block in structure.blocks:  # the largest remaining variance comes first
            assert (np.diff(np.diagonal(pivoted)[list(block)]) <= 1e-14).all()
        assert not after[structure.mask == 0].any()
        assert np.linalg.eigvalsh(after).min() > -1e-14 * np.trace(after)
        # d T / d(entry k): T is quadratic in the entries, so a central difference is exact up to rounding / step.
        np.testing.assert_allclose(np.einsum("t,tij->ij", move, along), (forth - back) / 2e-3, atol=1e-11)


@partial(jax.jit, static_argnums=2)
def travel(relative, move, structure):
    """The chart, its directions, and T after the move and after a thousandth of it, forth and back."""
    chart = chart_of(relative, structure)
    steps = [moved(chart, scale * move, structure) for scale in (1.0, 1e-3, -1e-3)]
    return chart, directions(chart, structure), *steps


def test_chart_of_zero_is_zero():
    chart, *_ = jax.device_get(travel(jnp.zeros((3, 3)), jnp.zeros(6), consecutive([3])))
    assert not chart.factor.any()
    np.testing.assert_array_equal(np.sort(np.argmax(chart.order, axis=1)), [0, 1, 2])


@pytest.fixture(scope="module")
def compiled_propose():
    return jax.jit(newton.propose)


def model_value(slope, hessian, move):
    return slope @ move + 0.5 * move @ hessian @ move


@pytest.mark.parametrize("kind", ["convex", "indefinite", "flat", "negative"])
def test_proposals_go_downhill_within_the_radius(compiled_propose, kind):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.normal(size=(4, 4)))[0]
        values = {"convex": [9, 3, 1, 0.2], "indefinite": [9, 3, 1, -0.5], "flat": [9, 3, 1, 0], "negative": [-1, -2, -3, -4]}[kind]
        hessian, slope = basis * values @ basis.T, rng.normal(size=4)
        if kind == "flat":  # a flat direction has no slope: the deviance there does not change
            slope = slope - basis[:, 3] * (basis[:, 3] @ slope)
        radius = 10.0 ** rng.uniform(-3, 2)
        step = jax.device_get(compiled_propose(jnp.asarray(slope), jnp.asarray(hessian), jnp.asarray(radius)))
        assert np.linalg.norm(step.move) <= radius * (1 + 1e-12)
        assert step.promise > 0
        assert step.promise == pytest.approx(-model_value(slope, hessian, step.move), rel=1e-9)
        assert step.saddle == (kind in ("indefinite", "negative"))
        newton_step = -np.linalg.pinv(hessian, rcond=1e-6) @ slope
        if kind == "convex" and np.linalg.norm(newton_step) <= radius:
            # Gauss-Jordan on a matrix of condition 45.
            np.testing.assert_allclose(step.move, newton_step, rtol=1e-11)
        if kind in ("convex", "flat"):
            # What a full step gains; the flat case is lifted by 1e-7 of the largest entry, hence the tolerance.
            assert step.decrement == pytest.approx(-0.5 * slope @ newton_step, rel=1e-5)


def test_proposals_leave_a_saddle(compiled_propose):
    """With no gradient at all the whole radius goes along the negative curvature."""
    hessian = np.diag([2.0, 3.0, 1.0, 0.5])
    hessian[:2, :2] = [[1.0, 2.0], [2.0, 1.0]]  # eigenvalues 3 and -1
    for radius in (1e-3, 1.0, 30.0):
        step = jax.device_get(compiled_propose(jnp.zeros(4), jnp.asarray(hessian), jnp.asarray(radius)))
        assert step.saddle
        assert np.linalg.norm(step.move) == pytest.approx(radius, rel=1e-12)
        assert step.promise > 0.1 * radius**2  # negative curvature of at least a fifth of the most negative one


def test_a_zero_column_that_wants_to_grow_is_a_saddle(compiled_propose):
    """T = 0 is always stationary; where the random intercept is needed the step must leave it."""
    problem = problem_of(make_rows(3, [6] * 6, n_fixed=4, group_sd=2.0))
    spec = spec_of("intercept", True)
    point = jax.jit(lambda t: newton.evaluate(problem, t, spec))(jnp.zeros((1, 1)))
    assert not point.gradient.any()
    assert point.hessian[0, 0] < 0
    step = jax.device_get(compiled_propose(point.gradient, point.hessian, jnp.asarray(0.1)))
    assert step.saddle
    assert abs(step.move[0]) == pytest.approx(0.1)


class TestLaterStarts:
    """On NumPy's arrays, which compile nothing."""

    problem = jax.device_get(problem_of(make_rows(5, [7, 9, 12, 8, 10, 6], n_fixed=4, group_sd=1.0)))
    spec = spec_of("full", True)

    def searched(self, *values):
        size = self.spec.structure.size
        every = np.stack([value * np.eye(size) for value in values])
        return newton.search(self.problem, Starts(every, np.asarray(len(values))), self.spec)

    def test_one_that_leads_to_the_known_optimum_is_given_up(self):
        once, twice = self.searched(1.0), self.searched(1.0, 1.0)
        assert once.total_evaluations < twice.total_evaluations <= 2 * once.total_evaluations - 2
        assert twice.best.deviance == once.best.deviance
        np.testing.assert_array_equal(twice.best.beta, once.best.beta)

    def test_one_that_is_elsewhere_is_not(self):
        best = self.searched(1.0).best
        known = best.chart.factor @ best.chart.factor.T
        at = best._replace(decrement=np.asarray(0.01), deviance=best.deviance + 0.01)
        assert newton.rejoins(at, known, best)
        assert newton.rejoins(at, 1.02 * known, best)
        assert not newton.rejoins(at, 1.2 * known, best)  # another covariance
        assert newton.rejoins(at._replace(deviance=at.deviance + 0.05), known, best)
        assert not newton.rejoins(at._replace(deviance=at.deviance + 0.2), known, best)  # another optimum
        assert not newton.rejoins(at._replace(deviance=at.deviance - 0.05), known, best)  # a better one
        assert not newton.rejoins(at, known, best._replace(decrement=np.asarray(1e-6)))  # none is known
        assert not newton.rejoins(at, known, best._replace(saddle=np.asarray(True)))
        assert not newton.rejoins(at._replace(decrement=np.asarray(2.0)), known, best)  # far from any
        assert not newton.rejoins(at._replace(saddle=np.asarray(True)), known, best)
        none = newton.nowhere(self.spec, np)
        assert not newton.rejoins(at, known, none)  # the first start has nothing to go back to


def definite(size, count, seed):
    """``[size, size, count]`` positive definite matrices with eigenvalues between 0.2 and 5, and a right-hand side."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(count, size, size)))[0]
    matrices = np.einsum("bij,bj,bkj->bik", basis, rng.uniform(0.2, 5, (count, size)), basis)
    return matrices.transpose(1, 2, 0), rng.normal(size=(size, count))


@pytest.mark.parametrize("size", range(1, 7))
def test_small_algebra_is_numpys(size):
    """Unrolled (to 4) and looped sizes, batch axes last."""
    matrices, right = definite(size, 3, size)
    got = jax.device_get(small_algebra(jnp.asarray(matrices), jnp.asarray(right)))
    # Condition at most 25, size at most 6: rounding below 1e-13.
    close = dict(rtol=1e-12, atol=1e-13)
    each = range(3)

    def stacked(function):
        return np.stack([function(matrices[..., b], right[:, b], expected[..., b]) for b in each], axis=-1)

    expected = np.linalg.cholesky(matrices.transpose(2, 0, 1)).transpose(1, 2, 0)
    pivots = np.einsum("iib->ib", expected) ** 2
    np.testing.assert_allclose(got["factor"], expected, **close)
    np.testing.assert_allclose(got["pivots"], pivots, **close)
    np.testing.assert_allclose(got["lower"], stacked(lambda a, b, root: np.linalg.solve(root, b)), **close)
    np.testing.assert_allclose(got["inverse"], stacked(lambda a, b, root: np.linalg.inv(root)), **close)
    np.testing.assert_allclose(got["solved"], stacked(lambda a, b, root: np.linalg.solve(a, b)), **close)
    np.testing.assert_allclose(got["found"], pivots, **close)
    np.testing.assert_allclose(got["one"], expected[..., 0], **close)
    np.testing.assert_allclose(got["semidefinite"], expected[..., 0], **close)


@jax.jit
def small_algebra(matrices, right):
    """Every function of the module once; ``one`` has no batch axis at all."""
    factor, pivots = small.cholesky(matrices)
    solved, found = small.solve_definite(matrices, right)
    return {
        "factor": factor,
        "pivots": pivots,
        "lower": small.solve_lower(factor, right),
        "inverse": small.inverse_lower(factor),
        "solved": solved,
        "found": found,
        "one": small.cholesky(matrices[..., 0])[0],
        "semidefinite": small.semidefinite_factor(matrices[..., 0]),
    }


@pytest.mark.parametrize("size", range(1, 7))
def test_bend_has_the_value_of_the_first_pivot_that_is_not_positive(size):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size, 40))
    matrices = np.einsum("ikb,jkb->ijb", root, root) - rng.uniform(0, 4, 40) * np.eye(size)[:, :, None]
    solved, pivots, bend = jax.device_get(solve_shifted(jnp.asarray(matrices), jnp.ones((size, 40)), jnp.zeros((1, 40))))
    solved, pivots = solved[:, 0], pivots[:, 0]
    values = np.einsum("ib,ijb,jb->b", bend, matrices, bend)
    seen = 0
    for b in range(40):
        smallest = np.linalg.eigvalsh(matrices[..., b])[0]
        assert (smallest > 0) == (pivots[:, b] > 0).all()
        if smallest > 0:
            np.testing.assert_allclose(matrices[..., b] @ solved[:, b], 1.0, rtol=1e-8)  # condition up to 1e4 in these draws
            continue
        seen += 1
        first = pivots[np.argmax(pivots[:, b] <= 0), b]
        assert values[b] == pytest.approx(first, rel=1e-9, abs=1e-11)
    assert 0 < seen <= 40


def test_cholesky_shows_indefinite_matrices_and_stays_finite():
    matrix = jnp.asarray([[1.0, 2.0], [2.0, 1.0]])
    factor, pivots = small.cholesky(matrix)
    assert np.isfinite(factor).all()
    np.testing.assert_allclose(pivots, [1.0, -3.0])


@pytest.mark.parametrize("size", [2, 4, 6])
def test_semidefinite_factor_of_singular_matrices(size):
    rng = np.random.default_rng(size)
    root = rng.normal(size=(size, size - 1))
    for matrix in (root @ root.T, np.zeros((size, size)), np.diag(np.r_[0.0, np.ones(size - 1)])):
        factor = np.asarray(small.semidefinite_factor(jnp.asarray(matrix)))
        # A column is zeroed below 1e-14 of the trace, so the product may miss by that much.
        np.testing.assert_allclose(factor @ factor.T, matrix, atol=1e-13 * max(np.trace(matrix), 1.0))
        np.testing.assert_array_equal(factor, np.tril(factor))


def collatz(start):
    """Halve the even, triple the odd and add one: items need very different numbers of steps."""
    steps = 0
    while start != 1:
        start, steps = (start // 2 if start % 2 == 0 else 3 * start + 1), steps + 1
    return steps


@pytest.mark.parametrize("lanes", [1, 3, 40, FEW + 1, 256])
def test_lanes_run_every_item_to_its_own_end(lanes):
    """As if each were alone, whatever the number of lanes: one, few, more than are gone through one by one, more than items."""
    starts = np.arange(2, 200)

    def step(problem, state):
        n, count = state["n"], state["count"]
        even = n % 2 == 0
        return {"n": jnp.where(even, n / 2, 3 * n + 1), "count": count + 1, "tag": problem["tag"]}

    result = iterate(
        step=step,
        is_done=lambda state: state["n"] == 1,
        extract=lambda state: (state["count"], state["tag"]),
        problems={"tag": jnp.asarray(starts * 10.0)},
        states={"n": jnp.asarray(starts, float), "count": jnp.zeros(len(starts), jnp.int32), "tag": jnp.zeros(len(starts))},
        lanes=lanes,
    )
    assert result[0].tolist() == [collatz(int(s)) for s in starts]
    assert result[0].dtype == jnp.int32
    np.testing.assert_array_equal(result[1], starts * 10.0)  # each item was moved with its own problem


def test_t_table_is_scipys():
    estimate = np.array([0.3, -2.0, 5.0, 0.0, 1.0])
    std_error = np.array([0.2, 1.0, 0.5, 2.0, 0.01])
    df = np.array([1.0, 3.7, 29.0, 1e6, np.inf])
    for level in (0.5, 0.95, 0.999):
        got = t_table(estimate, std_error, df, level)
        statistic = estimate / std_error
        half = stats.t.ppf((1 + level) / 2, df) * std_error
        # Both are SciPy's special functions, reached on different routes: a few digits of 1e-16.
        np.testing.assert_allclose(got.statistic, statistic, rtol=1e-15)
        np.testing.assert_allclose(got.p_value, 2 * stats.t.sf(np.abs(statistic), df), rtol=1e-10, atol=1e-300)
        np.testing.assert_allclose(got.conf_low, estimate - half, rtol=1e-10)
        np.testing.assert_allclose(got.conf_high, estimate + half, rtol=1e-10)


def test_t_table_takes_one_df_for_all_and_passes_nan_on():
    got = t_table(np.array([1.0, np.nan, 2.0]), np.array([1.0, 1.0, np.nan]), np.asarray(4.0))
    assert got.p_value[0] == pytest.approx(2 * stats.t.sf(1.0, 4))
    assert np.isnan(np.stack(got)[:, 1]).all()
    assert np.isnan(np.stack(got)[1:, 2]).all()
    unknown = t_table(np.array([1.0]), np.array([1.0]), np.array([np.nan]))
    assert np.isnan([unknown.p_value, unknown.conf_low, unknown.conf_high]).all()
