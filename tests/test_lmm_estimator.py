"""The mixed-model strategy as a whole: closed forms, the optimum and its certificate, degrees of freedom, conditional modes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import Mixed, Rows, batch, covariance_of, cross_products, lower_factor, make_rows
from scipy import optimize

from jaxsim import InputError, LinearMixed
from jaxsim.data.cross_products import from_rows
from jaxsim.data.random_effects import Structure, consecutive
from jaxsim.lmm import newton, solution
from jaxsim.lmm.deviance import Spec, profile
from jaxsim.lmm.problem import pose
from jaxsim.status import Status

FULL, DIAGONAL = LinearMixed(), LinearMixed(random=("Intercept", "IV1"), covariance="diagonal", reml=False)
FULL_INTERCEPT = LinearMixed(random=("Intercept",))
TREACHEROUS = (31, 46, 77, 90, 98, 100, 101, 106, 125, 246, 302)
# Few groups and a large spread between them: where the criterion has several local optima and lme4's default goes astray.
HARD = {
    # The first eleven are datasets on which a single start, or even two, end in an optimum up to 2.8 deviance units too high.
    "10 groups x 5 rows": [make_rows(50000 + s, [5] * 10, 4, group_sd=4.0) for s in (*TREACHEROUS, *range(19))],
    "5 groups x 25 rows": [make_rows(2000 + s, [25] * 5, 4, group_sd=4.0) for s in range(30)],
}
OTHER = [
    *(make_rows(3000 + s, [6, 11, 25, 7, 9, 14, 8, 30, 12, 5], 4, group_sd=[0.0, 0.3, 1.0, 2.0][s % 4]) for s in range(8)),
    *(make_rows(3100 + s, [8] * 12, 4, group_sd=0.0) for s in range(8)),
    *(make_rows(3200 + s, [12] * 9, 4, group_sd=0.7, location=[2.0, -30.0, 0.0]) for s in range(4)),
]
DATASETS = [*HARD["10 groups x 5 rows"], *HARD["5 groups x 25 rows"], *OTHER]
# More datasets than lanes (2048 // 32 = 64), so that lanes are refilled.
BATCH, GROUPS = 88, 32


@pytest.fixture(scope="module")
def data():
    return batch(DATASETS, GROUPS, BATCH)


@pytest.fixture(scope="module")
def fits(data):
    """Every dataset's fit under both models."""
    made = {}

    def of(strategy):
        if strategy not in made:
            stacked = jax.device_get(strategy.fit_batch(data))
            made[strategy] = [jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k in range(len(DATASETS))]
        return made[strategy]

    return of


def relative_covariance(fit):
    return covariance_of(fit) / fit.sigma**2


def dense_model(strategy, rows):
    """The dense model of a strategy."""
    return Mixed(rows, spec_of(strategy).random, strategy.reml)


def spec_of(strategy):
    return strategy.spec(cross_products(DATASETS[0]))


both_models = pytest.mark.parametrize("strategy", [FULL, DIAGONAL], ids=["full-REML", "diagonal-ML"])


# --- closed forms: one-way analysis of variance


ONE_WAY = [
    Rows(np.ones((40, 1)), 3.0 + sd * np.repeat(rng.normal(size=8), 5) + rng.normal(size=40), np.repeat(np.arange(8), 5))
    for sd, rng in zip([2.0, 1.0, 0.5, 0.1, 0.0, 0.0, 0.0, 0.0], np.random.default_rng(4).spawn(8), strict=True)
]


@pytest.fixture(scope="module")
def one_way():
    return jax.device_get(FULL.fit_batch(batch(ONE_WAY, 8)))


def test_balanced_one_way_layout_is_the_analysis_of_variance(one_way):
    """Searle, Casella & McCulloch (1992): REML equals ANOVA where that gives a positive variance, else all rows are one sample."""
    seen = set()
    for k, rows in enumerate(ONE_WAY):
        fit = jax.tree.map(lambda leaf, k=k: leaf[k], one_way)
        table = rows.y.reshape(8, 5)
        msw, msb = table.var(1, ddof=1).mean(), 5 * table.mean(1).var(ddof=1)
        total = rows.y.var(ddof=1)
        positive = msb > msw
        seen.add(bool(positive))
        within, between, df = (msw, msb, 7) if positive else (total, total, 39)
        # The optimum is found to 1e-9 of the deviance and Newton's last step squares the error: ten digits in theta.
        close = partial(pytest.approx, rel=1e-8, abs=1e-10)
        assert fit.estimate[0] == close(rows.y.mean())
        assert fit.sigma**2 == close(within)
        assert covariance_of(fit)[0, 0] == close((between - within) / 5)
        assert fit.std_error[0] ** 2 == close(between / 40)
        assert fit.criterion == close(32 * np.log(within) + 7 * np.log(between) + np.log(40) + 39 * (1 + np.log(2 * np.pi)))
        assert fit.df[0] == close(df)  # a zero variance gives N - P exactly
        assert fit.singular != positive
        assert Status(int(fit.status)) is (Status.OK if positive else Status.SINGULAR)
    assert seen == {True, False}


def test_no_random_variance_at_all_is_ordinary_regression(fits):
    """Under ML the degrees of freedom are then N (lmerTest's too), because sigma^2 has the variance 2 sigma^4 / N."""
    found = 0
    for rows, fit in zip(DATASETS, fits(DIAGONAL), strict=True):
        if np.abs(relative_covariance(fit)).max() > 1e-12:
            continue
        found += 1
        beta, (rss,), _, _ = np.linalg.lstsq(rows.x, rows.y, rcond=None)
        np.testing.assert_allclose(fit.estimate, beta, rtol=1e-9)
        assert fit.sigma**2 == pytest.approx(rss / len(rows.y), rel=1e-9)
        np.testing.assert_allclose(fit.df, len(rows.y), rtol=1e-8)
    assert found >= 1


# --- the optimum


@both_models
def test_every_search_ends_with_its_certificate(fits, strategy):
    for fit in fits(strategy):
        assert Status(int(fit.status)).usable
        assert fit.converged
        assert fit.iterations < newton.MAX_EVALUATIONS
    assert {int(fit.status) for fit in fits(strategy)} == {Status.OK, Status.SINGULAR}


@both_models
def test_no_covariance_nearby_or_far_is_better(fits, strategy):
    """The criterion over ``T >= 0`` in dense arithmetic: around the reported optimum, and outward from the boundary."""
    for k in range(0, len(DATASETS), 3):
        rng, fit = np.random.default_rng(k), fits(strategy)[k]
        dense, t = dense_model(strategy, DATASETS[k]), relative_covariance(fit)
        size = len(t)
        root = np.linalg.cholesky(t + 1e-13 * (1 + np.trace(t)) * np.eye(size))
        scale = np.sqrt(np.diagonal(t).max()) + 0.01
        for _ in range(12):
            step = scale * 10 ** rng.uniform(-4, 0.5)
            other = root + step * rng.normal(size=(size, size))
            outward = rng.normal(size=size)
            for candidate in (other @ other.T, t + step**2 * np.outer(outward, outward)):
                moved = np.diag(np.diagonal(candidate)) if strategy is DIAGONAL else candidate
                # 1e-6: the deviance units at which criteria are compared everywhere here.
                assert dense.deviance(moved) > fit.criterion - 1e-6


HARD_SPEC = Spec(tuple(range(4)), tuple(range(4)), consecutive([4]), True)
ROWS_OF, COLUMNS_OF = HARD_SPEC.structure.entries.T


@jax.jit
def value_and_slope(theta, products, n_rows):
    factor = HARD_SPEC.structure.factor(theta)
    at = profile(products, n_rows, factor, HARD_SPEC)
    return at.deviance, (2 * at.gamma @ factor)[ROWS_OF, COLUMNS_OF]


@jax.jit
def climb(starts, products, n_rows, n_groups):
    """300 EM steps ``L <- (I - T Gamma / G) L`` from each start: slow, but another route than Newton's; value and L of each."""

    def one(factor):
        def em(_, factor):
            at = profile(products, n_rows, factor, HARD_SPEC)
            return factor - factor @ factor.T @ at.gamma @ factor / n_groups

        factor = jax.lax.fori_loop(0, 300, em, factor)
        return profile(products, n_rows, factor, HARD_SPEC).deviance, factor

    return jax.vmap(one)(starts)


@pytest.mark.parametrize("cell", HARD)
def test_twenty_random_starts_find_nothing_better(fits, data, cell):
    """EM from 20 random starts, the lowest refined by L-BFGS-B: none of these 60 datasets has a better optimum than ours.

    (Nor has any of 440 datasets a cell, nor of 440 with 10 groups x 5 rows and SD 1; the optima of the 20 starts differ for two
    datasets in three.)
    """
    worse = []
    for rows in HARD[cell]:
        k = next(i for i, other in enumerate(DATASETS) if other is rows)
        rng = np.random.default_rng(k)
        starts = rng.normal(size=(20, 4, 4)) * np.exp(rng.normal(1.0, 1.2, (20, 4, 1)))
        products = jnp.asarray(data.products[k, :10].transpose(1, 2, 0))
        problem = (products, float(len(rows.y)))
        values, factors = jax.device_get(climb(jnp.asarray(starts), *problem, float(len(rows.members()))))
        best = factors[np.argmin(values)]
        begin = np.linalg.cholesky(best @ best.T + 1e-12 * np.eye(4))[ROWS_OF, COLUMNS_OF]
        found = optimize.minimize(
            lambda theta, problem=problem: [np.asarray(v) for v in value_and_slope(theta, *problem)],
            begin, jac=True, method="L-BFGS-B", options=dict(ftol=1e-13, gtol=1e-7, maxiter=300),
        )  # fmt: skip
        gap = fits(FULL)[k].criterion - min(found.fun, values.min())
        if gap > 1e-6:  # the deviance units at which criteria are compared everywhere here
            worse.append((k, gap))
        assert gap > -0.01, "the random starts did not come near an optimum: the comparison is empty"
    assert worse == []


@partial(jax.jit, static_argnums=2)
def report(problem, relative, spec):
    """What would be reported at a given T (user's units), with the certificate judged as in a search."""
    scale = problem.column_scale[jnp.array(spec.random)]
    point = newton.evaluate(problem, relative * jnp.outer(scale, scale), spec)
    proposal = newton.propose(point.gradient, point.hessian, jnp.asarray(1.0))
    point = point._replace(decrement=proposal.decrement, saddle=proposal.saddle)
    return solution.solve(problem, point, spec, "normal"), point


def states_of(strategy, rows, variances):
    """``(Solution, Point)`` at each value of a single relative variance."""
    data = cross_products(rows)
    problem, spec = jax.jit(pose)(data), strategy.spec(data)
    return [jax.device_get(report(problem, jnp.full((1, 1), float(value)), spec)) for value in variances]


def test_the_certificate_refuses_what_is_not_an_optimum():
    """A zero variance that wants to grow is stationary, but not optimal; neither is a point on the way."""
    rows = ONE_WAY[0]
    table = rows.y.reshape(8, 5)
    best = (5 * table.mean(1).var(ddof=1) / table.var(1, ddof=1).mean() - 1) / 5
    at = states_of(FULL, rows, [best, 0.0, 0.9 * best, 1.1 * best])
    assert [bool(found.optimal) for found, _ in at] == [True, False, False, False]
    assert at[1][1].saddle
    no_variance = ONE_WAY[next(k for k, r in enumerate(ONE_WAY) if 5 * r.y.reshape(8, 5).mean(1).var(ddof=1) < _msw(r))]
    assert [bool(found.optimal) for found, _ in states_of(FULL, no_variance, [0.0, 0.1])] == [
        True,
        False,
    ]


def test_every_clause_of_the_certificate_counts():
    (found, point), *_ = states_of(FULL, ONE_WAY[0], [1.0])
    spec = spec_of(FULL_INTERCEPT)
    optimum = point._replace(decrement=0.0, saddle=np.bool_(False), gamma=np.zeros((1, 1)))
    assert not found.optimal
    assert solution.is_optimal(optimum, spec)
    assert not solution.is_optimal(optimum._replace(decrement=1e-6), spec)  # a step could still gain
    assert not solution.is_optimal(optimum._replace(saddle=np.bool_(True)), spec)  # stationary, but no minimum
    growing = -1e-3 * point.stiffness.max() * np.ones((1, 1))
    assert not solution.is_optimal(optimum._replace(gamma=growing), spec)  # a variance that wants to grow


def _msw(rows):
    return rows.y.reshape(8, 5).var(1, ddof=1).mean()


def test_singular_means_a_diagonal_of_theta_below_lme4s_threshold():
    """1e-4 on theta in the user's units: a predictor measured in thousandths has a theta a thousand times as large."""
    rows = make_rows(5, [6] * 6, 2)
    rows = rows.but(x=rows.x * [1.0, 1e-3])
    strategy = LinearMixed(random=("IV1",))
    found = [f for f, _ in states_of(strategy, rows, np.square([0.9e-4, 1.1e-4, 0.0, 50.0]))]
    assert [bool(f.singular) for f in found] == [True, False, True, False]
    np.testing.assert_allclose([f.theta[0] for f in found], [0.9e-4, 1.1e-4, 0.0, 50.0], rtol=1e-12)
    assert np.isinf(found[0].df).all()  # df="normal"


@both_models
def test_theta_is_the_lower_factor_of_the_covariance(fits, strategy):
    entries = spec_of(strategy).structure.entries
    on_diagonal = entries[:, 0] == entries[:, 1]
    seen = set()
    for fit in fits(strategy):
        t = relative_covariance(fit)
        factor = lower_factor(fit.theta, entries, len(t))
        # A column below 1e-14 of the trace is dropped from theta.
        np.testing.assert_allclose(factor @ factor.T, t, atol=1e-13 * (1 + np.trace(t)))
        assert (fit.theta[on_diagonal] >= 0).all()
        assert fit.singular == (fit.theta[on_diagonal] < 1e-4).any()
        seen.add(bool(fit.singular))
    assert seen == {True, False}


# --- inference


@both_models
def test_satterthwaite_is_the_numerical_derivative(fits, strategy):
    """Interior and singular fits, against difference quotients of the dense criterion in (theta, sigma)."""
    entries = spec_of(strategy).structure.entries
    for k in [*range(0, len(DATASETS), 8), *range(60, 72)]:
        expected = dense_model(strategy, DATASETS[k]).satterthwaite(fits(strategy)[k].theta, entries)
        # The quotients err by about 1e-9 of the Hessian; two in a hundred of these fits are so flat that 1e-6 of it remains.
        np.testing.assert_allclose(fits(strategy)[k].df, expected, rtol=2e-6, err_msg=str(k))


@both_models
def test_conditional_modes_are_the_dense_ones(fits, strategy):
    """``T Z'V^-1 (y - X beta)`` and lme4's conditional covariance ``sigma^2 (T - T Z'V^-1 Z T)``, padding included."""
    spec = spec_of(strategy)
    blups = jax.jit(strategy.modes)
    for k in (0, 40, 60, 63, 70):
        rows, fit = DATASETS[k], fits(strategy)[k]
        modes, spread = jax.device_get(blups(cross_products(rows, GROUPS), jnp.asarray(fit.theta)))
        dense, t = dense_model(strategy, rows), relative_covariance(fit)
        count = len(rows.members())
        size = np.sqrt(np.trace(covariance_of(fit))) + 1e-6
        # T has entries up to 50 and is nearly singular at some fits: eleven digits of the largest entry.
        np.testing.assert_allclose(modes[:count], dense.blups(t), atol=1e-9 * size)
        np.testing.assert_array_equal(modes[count:], 0.0)
        for g, i in enumerate(rows.members()):
            z = rows.x[np.ix_(i, spec.random)]
            inner = t @ z.T @ np.linalg.solve(np.eye(len(i)) + z @ t @ z.T, z) @ t
            np.testing.assert_allclose(spread[g], fit.sigma**2 * (t - inner), atol=1e-9 * size**2)


def test_a_full_covariance_does_not_care_where_a_predictor_is_centred(fits):
    """With intercept and slope free to covary, moving a predictor only changes what the intercept means."""
    base = DATASETS[60:68]
    moves = [0.0, 10.0, 100.0]  # cross-products square them: at 1000 too few digits are left and the status says so
    shifted = [rows.but(x=rows.x + np.array([0.0, move, 0.0, -move])) for move in moves for rows in base]
    stacked = jax.device_get(FULL.fit_batch(batch(shifted, GROUPS, BATCH)))
    for k, move in enumerate(move for move in moves for _ in base):
        fit, expected = jax.tree.map(lambda leaf, k=k: leaf[k], stacked), fits(FULL)[60 + k % len(base)]
        assert fit.converged
        # The square of a mean of 100 costs four digits of a criterion of size 1e3 that has sixteen.
        assert fit.criterion == pytest.approx(expected.criterion, abs=1e-8 * (1 + move))
        # At an error e of the criterion estimates err by sqrt(e) of their standard error; singular surfaces are that flat.
        np.testing.assert_allclose(fit.estimate[1:], expected.estimate[1:], atol=1e-5 * expected.std_error.max())
        np.testing.assert_allclose(fit.std_error[1:], expected.std_error[1:], rtol=1e-5)


def test_groups_that_cannot_be_fitted_alone_still_count():
    """Fewer rows than fixed effects in most groups, none of them with rows to spare: the moment start has nothing to go on."""
    rows = make_rows(8, [2, 1, 3, 1, 2, 2, 3, 1, 2, 3, 2, 1, 2, 3], 4, group_sd=1.5)
    fit = jax.tree.map(lambda leaf: leaf[0], jax.device_get(FULL_INTERCEPT.fit_batch(batch([rows], GROUPS))))
    dense = Mixed(rows, [0])
    best = optimize.minimize_scalar(lambda v: dense.deviance(np.array([[v]])), bounds=(0.0, 100.0), options=dict(xatol=1e-9))
    assert Status(int(fit.status)).usable
    assert fit.criterion == pytest.approx(best.fun, abs=1e-9)  # a minimum: an error of 1e-5 in T costs 1e-10
    assert relative_covariance(fit)[0, 0] == pytest.approx(best.x, abs=1e-4)


# --- what a user writes


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (dict(random="Intercept"), "tuple of column names"),
        (dict(random=()), "tuple of column names"),
        (dict(random=("IV1", "IV1")), "twice"),
        (dict(random=(("Intercept",), ("IV1", "Intercept"))), "twice"),
        (dict(covariance="banded"), "'full', 'diagonal'"),
        (dict(df="kenward"), "'satterthwaite', 'residual', 'normal'"),
    ],
)
def test_bad_models_are_refused_with_the_reason(bad, word):
    with pytest.raises(InputError, match=word):
        LinearMixed(**bad)


def test_an_unknown_random_effect_is_refused_with_the_columns_there_are():
    data = from_rows(np.ones((4, 1)), np.arange(4.0), np.array([0, 0, 1, 1]), ("Intercept",))
    with pytest.raises(InputError, match=r"'Days'.*Intercept"):
        LinearMixed(random=("Days",)).fit(data)


def test_structures_list_theta_as_lme4_does():
    """Column-major within a block, block by block; ``factor`` and ``theta`` undo each other."""
    blocks = Structure(((1,), (0, 2)))
    assert blocks.entries.tolist() == [[1, 1], [0, 0], [2, 0], [2, 2]]
    assert consecutive([3]).entries.tolist() == [[0, 0], [1, 0], [2, 0], [1, 1], [2, 1], [2, 2]]
    assert blocks.mask.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    theta = jnp.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(blocks.theta(blocks.factor(theta)), theta)
    assert LinearMixed(random=(("IV2",), ("Intercept", "IV1"))).spec(cross_products(DATASETS[0])).random == (2, 0, 1)
