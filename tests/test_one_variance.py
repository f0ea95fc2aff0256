"""Models with one random effect, which have a search of their own: against dense computations, autodiff and the general kernel."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import Mixed, Rows, batch, covariance_of, cross_products, eliminated_deviance, make_rows
from programs import optimised_fit_batch

from jaxsim import LinearMixed
from jaxsim.data.random_effects import consecutive
from jaxsim.lmm import newton
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.one_variance import bends, slopes
from jaxsim.lmm.one_variance_problem import judged, of_problems, optimum, point
from jaxsim.lmm.one_variance_search import LOOK
from jaxsim.lmm.problem import Problem, pose, unidentified
from jaxsim.lmm.start import starts
from jaxsim.status import Status

ROWS = make_rows(3, [2, 5, 3, 7, 4], n_fixed=3, location=0.7)
RATIOS = [0.0, 1e-9, 0.03, 0.8, 50.0]
BOTH = pytest.mark.parametrize("reml", [True, False])


def spec_of(reml, random=0, n_fixed=3):
    return Spec(tuple(range(n_fixed)), (random,), consecutive([1]), reml)


def problem_of(rows):
    """The rows as they are, not standardised, with one padding group."""
    data = jax.tree.map(jnp.asarray, cross_products(rows, len(rows.members()) + 1))
    sizes, m = data.sizes.astype(float), data.products.shape[-1]
    yes = jnp.asarray(True)
    units = (jnp.ones(m - 1), jnp.ones(()), jnp.zeros(m - 1))
    return Problem(data.products.transpose(1, 2, 0), (sizes > 0).astype(float), sizes, *units, yes, ~yes)


def several(problem):
    return jax.tree.map(lambda leaf: leaf[None], problem)


@BOTH
def test_derivatives_are_those_of_autodiff(reml):
    groups = of_problems(several(problem_of(ROWS)), spec_of(reml))

    def dense(ratio):
        return eliminated_deviance(jnp.sqrt(ratio)[None, None], ROWS, (0,), reml)

    expected = jax.jit(jax.vmap(lambda t: (dense(t), jax.grad(dense)(t), jax.grad(jax.grad(dense))(t))))
    ratios = jnp.asarray([1e-6, *RATIOS[2:]])  # a square root has no derivative at zero
    value, first, second = jax.device_get(expected(ratios))
    at = jax.device_get(jax.jit(jax.vmap(lambda t: bends(groups, t[None], reml)))(ratios))
    # Exact derivatives in different arithmetic; through the square root of 1e-6 autodiff loses six digits of twelve.
    np.testing.assert_allclose(at.value[:, 0], value, rtol=1e-12)
    np.testing.assert_allclose(at.slope[:, 0], first, rtol=1e-8)
    np.testing.assert_allclose(at.bend[:, 0], second, rtol=1e-8)
    look = jax.device_get(slopes(groups, ratios[:, None], reml))
    np.testing.assert_allclose(look.value, at.value, rtol=1e-14)
    np.testing.assert_allclose(look.slope, at.slope, rtol=1e-11)


@pytest.mark.parametrize(("reml", "random"), [(True, 0), (False, 1)])
def test_an_evaluation_is_the_general_kernels(reml, random):
    """All that is kept of it, at T = 0 and beyond."""
    problem, spec = problem_of(ROWS), spec_of(reml, random)

    @jax.jit
    def general(ratio):
        at = newton.evaluate(problem, ratio[None, None], spec)
        proposal = newton.propose(at.gradient, at.hessian, jnp.ones(()))
        return at._replace(decrement=proposal.decrement, saddle=proposal.saddle)

    @jax.jit
    def own(ratio):
        return jax.tree.map(lambda leaf: leaf[0], point(of_problems(several(problem), spec), ratio[None], reml))

    for ratio in RATIOS:
        expected, got = jax.device_get((general(jnp.asarray(ratio)), own(jnp.asarray(ratio))))
        for name, one, other in zip(newton.Point._fields, got, expected, strict=True):
            for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
                if name != "decrement" or not expected.saddle:
                    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=f"{name} at {ratio}")


def test_decrement_and_saddle_are_those_of_a_proposal():
    """Also where the curvature is zero or hardly negative."""
    slope, bend = map(jnp.ravel, jnp.meshgrid(jnp.asarray([0.0, 1e-9, 0.3]), jnp.asarray([-2.0, -1e-12, -1e-17, 0.0, 1e-9, 3.0])))
    expected = jax.jit(jax.vmap(lambda g, h: newton.propose(g[None], h[None, None], jnp.ones(()))))(slope, bend)
    decrement, saddle = judged(slope, bend)
    np.testing.assert_array_equal(saddle, expected.saddle)
    fine = ~np.asarray(saddle)
    assert 0 < fine.sum() < len(fine)
    np.testing.assert_allclose(decrement[fine], expected.decrement[fine], rtol=1e-12)


@partial(jax.jit, static_argnums=1)
def both_searches(data, spec):
    """Optima of a batch by the search for one variance and by the general kernel."""

    def one(dataset):
        problem = pose(dataset)
        found, search = optimum(problem, spec)
        return found, search, newton.search(problem, starts(problem, spec, unidentified(problem, spec)), spec).best

    return jax.vmap(one)(data)


def made(rng, n_groups, sd, unequal):
    """Rows with a predictor of rows and one of groups, in groups of equal or very unequal sizes."""
    sizes = rng.integers(3, 26, n_groups) if unequal else np.full(n_groups, 6)
    rows = make_rows(int(rng.integers(2**31)), sizes, n_fixed=3, group_sd=[sd, 0, 0])
    x = rows.x.copy()
    x[:, 2] = rng.normal(size=n_groups)[rows.group]
    return rows.but(x=x)


@pytest.mark.parametrize(("reml", "fixed", "random"), [(True, (0, 1, 2), 0), (False, (0, 2), 1)])
def test_the_criterion_is_never_above_that_of_the_general_kernel(reml, fixed, random):
    """Also of a slope without a fixed effect."""
    rng = np.random.default_rng(11)
    datasets = [made(rng, n, sd, unequal) for n in (5, 8) for sd in (0, 0.2, 1, 8) for unequal in (False, True) for _ in range(12)]
    own, search, general = jax.device_get(both_searches(batch(datasets, 8), Spec(fixed, (random,), consecutive([1]), reml)))
    # Criteria are sums of some hundred terms: rounding is near 1e-13; the general search stops at a promise of 1e-9.
    assert (own.deviance - general.deviance).max() < 1e-10
    assert np.abs(own.deviance - general.deviance).max() < 1e-8
    np.testing.assert_allclose(own.pw, general.pw, rtol=2e-4)  # its ratio is not exact where the criterion is flat
    zero = own.gamma[:, 0, 0] > 0
    assert 20 < (own.chart.factor[zero] == 0).sum() < 170
    assert (own.decrement < 1e-18).all()
    assert not own.saddle.any()
    assert search.evaluations.max() < 20


def several_minima(seed=0):
    """Groups whose squares of x differ by four orders of magnitude, and whose slopes differ a lot."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(6), 4)
    x = (rng.normal(size=(6, 4)) * np.exp(2.0 * rng.normal(size=6))[:, None]).ravel()
    y = 3.0 * rng.normal(size=6)[group] * x + rng.normal(size=24)
    return Rows(np.column_stack([np.ones(24), x]), y, group)


@BOTH
def test_the_best_of_several_minima_is_found(reml):
    """Against a fine grid; among them datasets on which the general kernel stops at a worse one."""
    spec = spec_of(reml, random=1, n_fixed=2)
    grid = jnp.asarray(np.r_[0.0, np.geomspace(1e-6, 1e9, 300)])[:, None]

    @jax.jit
    @jax.vmap
    def both(data):
        posed = pose(data)
        at = slopes(of_problems(several(posed), spec), grid, reml)
        return at.value[:, 0], at.slope[:, 0] < 0, optimum(posed, spec)[0].deviance

    values, falls, found = jax.device_get(both(batch([several_minima(seed) for seed in (344, 381, 784, 1171, 1301)], 6)))
    for value, falling, own in zip(values, falls, found, strict=True):
        ends = np.flatnonzero(falling[:-1] & ~falling[1:])
        minima = np.sort(np.r_[[value[0]] * (not falling[0]), np.minimum(value[ends], value[ends + 1])])
        assert len(minima) >= 2
        assert minima[1] - minima[0] > 0.1
        assert minima[0] - 0.02 < own <= minima[0] + 1e-10


def root_in_long_double(groups, reml, low, high):
    """Where f' is zero, by bisection in extended precision from the same products."""
    m = groups.total.shape[0]
    total = np.asarray(groups.total[:, :, 0], np.longdouble)
    squares, terms = np.asarray(groups.squares[0], np.longdouble), np.asarray(groups.terms[0], np.longdouble)
    lower = np.tril_indices(m)
    outer = np.zeros((m, m, len(squares)), np.longdouble)
    outer[lower] = terms[: len(lower[0])]
    outer[lower[1], lower[0]] = terms[: len(lower[0])]

    def slope(ratio):
        q = 1 / (1 + ratio * squares)
        s, pull = total - ratio * (outer * q).sum(-1), (outer * q**2).sum(-1)
        logs, nu = np.longdouble(0), np.longdouble(float(groups.nu[0]))
        ds = -pull
        for _ in range(m - 1):  # elimination with its derivative
            p, dp, column, dcolumn = s[0, 0], ds[0, 0], s[1:, 0], ds[1:, 0]
            logs += dp / p
            ds = ds[1:, 1:] - (np.outer(dcolumn, column) + np.outer(column, dcolumn)) / p + dp / p**2 * np.outer(column, column)
            s = s[1:, 1:] - np.outer(column, column) / p
        return (squares * q).sum() + nu * ds[0, 0] / s[0, 0] + (logs if reml else 0)

    low, high = np.longdouble(low), np.longdouble(high)
    assert slope(low) < 0 < slope(high)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return low


@BOTH
def test_the_ratio_is_exact_near_zero_and_far_from_it(reml):
    """Against a root in extended precision: from ratios near 1e-8, where the general kernel has hardly a digit, to a million."""
    search = jax.jit(optimum, static_argnums=1)
    rows = make_rows(5, [3, 9, 4, 12, 6, 7], n_fixed=3, group_sd=[0.6, 0, 0])
    spec, seen = spec_of(reml), []
    means = np.array([rows.y[i].mean() for i in rows.members()])[rows.group]
    shrunk = np.linspace(0, 1, 41)
    shrinking = [rows.but(y=rows.y - (1 - share) * means) for share in shrunk]
    ratio = [float(search(pose(cross_products(one)), spec)[1].ratio) for one in shrinking]
    border = int(np.flatnonzero(np.array(ratio) > 0)[0])
    low, high = shrunk[border - 1], shrunk[border]
    for _ in range(24):  # the share at which the ratio begins to be positive
        middle = (low + high) / 2
        positive = float(search(pose(cross_products(rows.but(y=rows.y - (1 - middle) * means))), spec)[1].ratio) > 0
        low, high = (low, middle) if positive else (middle, high)
    for share in (high + 1e-7, high + 1e-4, 1.0, 40.0, 2000.0):
        posed = pose(cross_products(rows.but(y=rows.y - (1 - share) * means)))
        groups = of_problems(several(posed), spec)
        got = float(search(posed, spec)[1].ratio)
        exact = root_in_long_double(groups, reml, 0.0, max(10 * got, 1.0))
        seen.append(got)
        # What remains of the response within groups has lost as many digits as T n has.
        assert abs(got - float(exact)) < max(1e-10, 1e-16 * 10 * got) * max(float(exact), 1e-2)
    assert seen[0] < 1e-5
    assert seen[-1] > 1e5


@pytest.fixture(scope="module")
def datasets():
    rng = np.random.default_rng(4)
    return [made(rng, 6, sd, unequal) for sd in (0, 0.3, 1, 3) for unequal in (False, True) for _ in range(6)]


@pytest.fixture(scope="module")
def fits(datasets):
    """Fits by the options' names, of all datasets."""
    options = {
        "intercept": dict(random=("Intercept",)),
        "slope": dict(random=("IV1",), reml=False),
    }
    data = batch(datasets, 8)
    return {name: (model := LinearMixed(**o), jax.device_get(optimised_fit_batch(model, data))) for name, o in options.items()}


@pytest.mark.parametrize("name", ["intercept", "slope"])
def test_fits_are_those_of_the_dense_model(datasets, fits, name):
    _, fit = fits[name]
    for i, rows in enumerate(datasets):
        dense = Mixed(rows, [int(name == "slope")], name == "intercept")
        ratio = float(fit.theta[i, 0]) ** 2
        expected = dense.fit_at(np.array([[ratio]]))
        assert fit.criterion[i] == pytest.approx(expected.criterion, rel=1e-11)
        assert covariance_of(fit)[i, 0, 0] == pytest.approx(ratio * fit.sigma[i] ** 2, rel=1e-12)
        for factor in (0.999, 1.001) if ratio else (1.0,):
            assert dense.deviance(np.array([[ratio * factor + (0 if ratio else 1e-4)]])) >= fit.criterion[i] - 1e-10
        np.testing.assert_allclose(fit.estimate[i], expected.beta, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(fit.vcov[i], expected.sigma**2 * dense.unscaled_vcov(np.array([[ratio]])), rtol=1e-9, atol=1e-12)
        df = dense.satterthwaite(np.sqrt([ratio]), np.array([[0, 0]]))
        np.testing.assert_allclose(fit.df[i], df, rtol=1e-4)  # its Hessian is a numerical derivative
        assert Status(int(fit.status[i])) is (Status.SINGULAR if np.sqrt(ratio) < 1e-4 else Status.OK)
        assert fit.converged[i]


def test_one_dataset_alone_is_the_one_in_the_batch(datasets, fits):
    model, fit = fits["intercept"]
    single = jax.jit(model.fit)
    for i in (0, 17, 40):
        alone = jax.device_get(single(cross_products(datasets[i], 8)))
        assert alone.criterion == pytest.approx(fit.criterion[i], rel=1e-13)
        np.testing.assert_allclose(alone.std_error, fit.std_error[i], rtol=1e-10)
        np.testing.assert_allclose(alone.df, fit.df[i], rtol=1e-8)


def test_bits_do_not_depend_on_place_and_company(datasets, fits):
    """In batches of other sizes, permuted; the parts that a batch is cut into are always of one size."""
    model, whole = fits["intercept"]
    rng = np.random.default_rng(2)
    data = batch(datasets, 8)
    for count in (13, 48):
        some = rng.permutation(len(datasets))[:count]
        got = jax.device_get(optimised_fit_batch(model, jax.tree.map(lambda leaf, some=some: leaf[some], data)))
        for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(whole), strict=True):
            np.testing.assert_array_equal(one, other[some])


def test_padding_and_order_of_groups_change_nothing(datasets, fits):
    model, whole = fits["intercept"]
    order = np.random.default_rng(3).permutation(6)
    moved = [rows.but(group=order[rows.group]) for rows in datasets]
    got = jax.device_get(model.fit_batch(batch(moved, 16)))
    for name in ("estimate", "std_error", "criterion", "sigma"):
        np.testing.assert_allclose(getattr(got, name), getattr(whole, name), rtol=1e-8, atol=1e-11, err_msg=name)
    np.testing.assert_array_equal(got.status, whole.status)


def test_a_balanced_design_is_the_analysis_of_variance():
    """With the intercept alone g is linear: the look around and two steps suffice, and the ratio is (F - 1) / n."""
    rng = np.random.default_rng(9)
    datasets = [make_rows(int(s), [5] * 8, n_fixed=1, group_sd=sd) for s, sd in enumerate(rng.choice([0.3, 1, 30, 1000], 16))]
    find = jax.jit(jax.vmap(lambda data: optimum(pose(data), spec_of(True, n_fixed=1))[1]))
    found = find(batch(datasets, 8))
    for i, rows in enumerate(datasets):
        y = rows.y.reshape(8, 5)
        within = y.var(axis=1, ddof=1).mean()
        ratio = max(5 * y.mean(1).var(ddof=1) / within - 1, 0) / 5
        assert found.ratio[i] == pytest.approx(ratio, rel=1e-8, abs=1e-12)
    assert found.evaluations.max() <= len(LOOK) + 2
