"""Mixed models with structured residuals: derivatives, special cases, what they recover, what they cannot, what is refused."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import RowArrays, Rows, batch, covariance_of, make_rows, row_arrays
from programs import fit as fit_of
from programs import fit_batch

from jaxsim import AutoregressiveMixed, GaussianMultilevel, Grid, HeteroscedasticMixed, InputError, LinearMixed, Names, Study
from jaxsim.lmm.chart import chart_of
from jaxsim.lmm.newton import Point
from jaxsim.status import Status
from jaxsim.structured.curvature import of_structure, without
from jaxsim.structured.deviance import deviance, surface
from jaxsim.testing import check_estimator

# Datasets that are fitted together: one program of a strategy serves all tests.
GROUPS, N_ROWS, TOGETHER = 8, 60, 20
ROWS = make_rows(0, [8, 4, 12, 6, 15, 10], n_fixed=3, group_sd=1.0)
NAMES = Names(("Intercept", "IV1", "IV2"))


def stacked(datasets, groups=GROUPS, n_rows=N_ROWS):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *(row_arrays(rows, groups, n_rows) for rows in datasets))


def numbers(strategy, datasets, groups=GROUPS, n_rows=N_ROWS):
    """The fit of each dataset; parts that are not full are filled with their first one."""
    parts = [datasets[k : k + TOGETHER] for k in range(0, len(datasets), TOGETHER)]
    full = [(part + part[:1] * TOGETHER)[:TOGETHER] for part in parts]
    fits = [jax.device_get(fit_batch(strategy, stacked(part, groups, n_rows))) for part in full]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(datasets)], *fits)


@partial(jax.jit, static_argnums=0)
def posed(strategy, data):
    """What the criterion is made of, by REML and by maximum likelihood: the residuals' structure and the number of rows."""
    job = strategy.job(data)
    return job.structured.residuals, job.problem.n_rows


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize(
    ("kind", "options", "psi"),
    [
        (AutoregressiveMixed, {}, [0.4]),
        (AutoregressiveMixed, dict(time="IV2"), [0.2]),
        (HeteroscedasticMixed, dict(variance=("IV1", "IV2")), [0.3, -0.2]),
    ],
)
def test_derivatives(kind, options, psi, reml):
    """Gradient and Hessian in all parameters against automatic differentiation, away from an optimum."""
    strategy = kind(random=("Intercept", "IV1"), reml=reml, **options)
    data = jax.tree.map(jnp.asarray, row_arrays(ROWS, GROUPS, N_ROWS))
    spec = strategy.spec(data)
    residuals, n_rows = posed(dataclasses.replace(strategy, reml=True), data)
    chart = chart_of(jnp.array([[0.8, 0.2], [0.2, 0.5]]), spec.structure)
    rows, columns = spec.structure.entries.T

    def plain(move):
        entries = chart.order[rows][:, :, None] * jnp.eye(2)[columns][:, None, :]
        factor = chart.factor + (move[len(psi) :, None, None] * entries).sum(0)
        return deviance(residuals, jnp.array(psi) + move[: len(psi)], factor, n_rows, spec)

    def both(move):
        slope = jax.jacfwd(plain)
        return surface(residuals, jnp.array(psi), chart, n_rows, spec), slope(move), jax.jacfwd(slope)(move)

    found, gradient, hessian = jax.jit(both)(jnp.zeros(len(psi) + 3))
    # Rounding of sums over some sixty rows.
    np.testing.assert_allclose(found.gradient, gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())
    np.testing.assert_allclose(found.hessian, hessian, rtol=0, atol=1e-12 * np.abs(hessian).max())


def correlated(seed, rho, groups=60, size=8):
    rng = np.random.default_rng(seed)
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    x = np.column_stack([np.ones(groups * size), rng.normal(size=groups * size)])
    e = (rng.normal(size=(groups, size)) @ np.linalg.cholesky(rho**apart).T).ravel()
    group = np.repeat(np.arange(groups), size)
    return Rows(x, x @ [1.0, 0.5] + rng.normal(size=groups)[group] + e, group)


def test_a_true_correlation_is_found():
    """Both variances are 1, and the correlation is .5: means of 100 estimates within four standard errors."""
    fits = numbers(AutoregressiveMixed(random=("Intercept",)), [correlated(seed, 0.5) for seed in range(100)], 64, 480)
    assert fits.converged.all()
    found = {"rho": (fits.extra["autocorrelation"], 0.5), "sigma": (fits.sigma, 1.0), "slope": (fits.estimate[:, 1], 0.5)}
    found["variance"] = (fits.covariance["Group"][:, 0, 0], 1.0)
    for name, (values, truth) in found.items():
        # Estimates of variances beside a strong correlation are a few per cent off with 60 groups.
        assert abs(values.mean() - truth) < 0.03 + 4 * values.std() / 10, name
    # A standard deviation of a hundred numbers is known to 7%.
    assert fits.std_error[:, 1].mean() == pytest.approx(fits.estimate[:, 1].std(), rel=0.3)


def test_without_a_structure_it_is_the_mixed_model():
    """The criterion is no higher than with independent residuals, and the same where the structure's number is none."""
    plain = jax.device_get(LinearMixed(random=("Intercept",)).fit_batch(batch([ROWS], GROUPS)))
    for strategy, null in (
        (AutoregressiveMixed(random=("Intercept",)), 0.0),
        (HeteroscedasticMixed(random=("Intercept",), variance=("IV2",)), 0.0),
    ):
        data = jax.tree.map(jnp.asarray, row_arrays(ROWS, GROUPS, N_ROWS))
        assert numbers(strategy, [ROWS]).criterion[0] <= plain.criterion[0]

        def criterion(data, factor, strategy=strategy, null=null):
            job = strategy.job(data)
            at = deviance(job.structured.residuals, jnp.array([null]), factor, job.problem.n_rows, strategy.spec(data))
            scales = 2 * (job.problem.n_rows - 3) * jnp.log(job.problem.response_scale)
            return at + scales + 2 * jnp.log(job.problem.column_scale).sum()

        found = jax.jit(criterion)(data, jnp.array([[plain.theta[0, 0]]]))
        np.testing.assert_allclose(found, plain.criterion[0], rtol=1e-10)  # as criteria of the mixed model


def test_heteroscedasticity_is_found_beside_a_column_that_is_far_from_zero():
    """A change of units, and of the origin, of the variance's column changes sigma and the ratio as it must."""
    rows = make_rows(3, [7] * 8, n_fixed=2, group_sd=1.0)
    z = np.random.default_rng(1).normal(size=len(rows.y))
    rows = rows.but(y=rows.y * np.exp(0.4 * z), x=np.column_stack([rows.x, z]))
    far = rows.but(x=np.column_stack([rows.x[:, :2], 50.0 + 10.0 * z]))
    strategy = HeteroscedasticMixed("DV ~ IV1 + (1 | Group)", variance=("IV2",))
    fits = numbers(strategy, [rows, far])
    near, moved = (jax.tree.map(lambda leaf, k=k: leaf[k], fits) for k in (0, 1))
    ratio, other = near.extra["sd_ratio_IV2"], moved.extra["sd_ratio_IV2"]
    np.testing.assert_allclose(other**10, ratio, rtol=1e-7)  # searches end at about 1e-9 of a parameter
    np.testing.assert_allclose(moved.sigma * other**50, near.sigma, rtol=1e-6)
    for name in ("estimate", "std_error", "df", "criterion"):
        np.testing.assert_allclose(getattr(moved, name), getattr(near, name), rtol=1e-7)
    np.testing.assert_allclose(moved.covariance["Group"], near.covariance["Group"], rtol=1e-7)


def test_what_the_data_cannot_tell():
    pairs = make_rows(0, [2] * 8, n_fixed=3)
    (status,) = numbers(AutoregressiveMixed(random=("Intercept",)), [pairs]).status
    assert Status(int(status)) is Status.UNIDENTIFIED
    between = ROWS.but(x=np.column_stack([ROWS.x, np.full(len(ROWS.y), 4.0)]))
    twice = ROWS.but(x=np.column_stack([ROWS.x, 3.0 * ROWS.x[:, 2] + 1]))
    fit = numbers(HeteroscedasticMixed("DV ~ IV1 + (1 | Group)", variance=("IV2", "IV3")), [between, twice])
    assert (fit.status == Status.UNIDENTIFIED).all()
    assert np.isnan(fit.extra["sd_ratio_IV2"]).all()


def test_a_level_without_residuals_is_no_answer():
    """The rows of one arm are reproduced: their SD goes to zero and the criterion has no minimum."""
    arm = (np.arange(len(ROWS.y)) % 2).astype(float)
    y = np.where(arm > 0, 1.0, ROWS.y)
    rows = Rows(np.column_stack([np.ones(len(y)), arm]), y, ROWS.group)
    fit = numbers(HeteroscedasticMixed("DV ~ IV1 + (0 + IV1 | Group)", variance=("IV1",)), [rows])
    assert not Status(int(fit.status[0])).usable


def test_times_in_steps_are_the_order_of_rows():
    """With a positive correlation the two models are one, whatever the order in which the rows with times stand."""
    rows = correlated(1, 0.6, 7, 8)
    timed = rows.but(x=np.column_stack([rows.x, 5.0 + 2.0 * np.tile(np.arange(8.0), 7)]))
    order = np.random.default_rng(0).permutation(56)
    shuffled = timed.but(x=timed.x[order], y=timed.y[order], group=timed.group[order])
    formula = "DV ~ IV1 + (1 | Group)"
    by_order = numbers(AutoregressiveMixed(formula), [timed])
    by_time = numbers(AutoregressiveMixed(formula, time="IV2"), [shuffled])
    assert by_order.extra["autocorrelation"][0] > 0.1
    # Two searches in two coordinates, each good to about 1e-9 of a parameter.
    np.testing.assert_allclose(by_time.extra["autocorrelation"] ** 2, by_order.extra["autocorrelation"], rtol=1e-6)
    for name in ("estimate", "std_error", "df", "criterion", "sigma"):
        np.testing.assert_allclose(getattr(by_time, name), getattr(by_order, name), rtol=1e-6, err_msg=name)
    twice = timed.but(x=np.where(timed.x == 7.0, 5.0, timed.x))
    assert Status(int(numbers(AutoregressiveMixed(formula, time="IV2"), [twice]).status[0])) is Status.NON_FINITE


def test_missing_rows_are_left_out():
    data = row_arrays(ROWS, GROUPS, N_ROWS)
    gone = np.arange(N_ROWS) % 7 == 3
    lost = dataclasses.replace(data, weight=np.where(gone, 0.0, data.weight))
    fit = fit_batch(AutoregressiveMixed(random=("Intercept",)), jax.tree.map(lambda leaf: np.stack([leaf] * TOGETHER), lost))
    kept = ~gone[: len(ROWS.y)]
    alone = numbers(AutoregressiveMixed(random=("Intercept",)), [ROWS.but(x=ROWS.x[kept], y=ROWS.y[kept], group=ROWS.group[kept])])
    np.testing.assert_allclose(fit.estimate[:1], alone.estimate, rtol=1e-8)  # another order of sums, and of a search's end
    np.testing.assert_allclose(covariance_of(fit)[0], covariance_of(alone)[0], rtol=1e-7)


REFERENCE = Path(__file__).parent / "reference"
STORED = json.loads((REFERENCE / "structured.json").read_text())
SLEEP = {
    "ar1": AutoregressiveMixed("Reaction ~ Days + (Days || Subject)"),
    "car1": AutoregressiveMixed("Reaction ~ Days + (1 | Subject)", time="Days"),
    "ident": HeteroscedasticMixed("Reaction ~ 1 + (Days | Subject)", variance=("late",)),
}


@pytest.mark.parametrize("model", SLEEP)
def test_modes_and_predictions_are_those_of_nlme(model):
    """``ranef`` and ``predict`` at both levels, of people and days that were fitted and of others."""
    rows = pd.read_csv(REFERENCE / "data" / "sleepstudy.csv")
    rows = rows[np.arange(1, len(rows) + 1) % 7 != 0]
    levels, code = np.unique(rows["Subject"], return_inverse=True)
    columns = ("Intercept", "Days", "late")

    def table(days, y, code):
        x = np.column_stack([np.ones(len(days)), days, days >= 5])
        one = RowArrays(
            x, y, code[:, None].astype(np.int32), np.ones(len(y)), columns, columns[:2], (20,), ("Subject",), "Reaction"
        )
        return jax.tree.map(jnp.asarray, one)

    strategy, stored = SLEEP[model], STORED["fits"][model]
    data = strategy.view(table(rows["Days"].to_numpy(float), rows["Reaction"].to_numpy(), code))
    fit = fit_of(strategy, data)
    # nlme stops when its criterion changes by 1e-12 or so, where effects are good to 1e-6 of the largest.
    assert fit.criterion == pytest.approx(stored["criterion"], abs=1e-6)
    modes = np.array(stored["modes"])
    np.testing.assert_allclose(strategy.modes(fit)[:18], modes, rtol=0, atol=1e-5 * abs(modes).max())
    assert (strategy.modes(fit)[18:] == 0).all(), "padding"
    days, subject = (np.array(STORED["new"][name]) for name in ("Days", "Subject"))
    code = np.searchsorted(levels, subject.astype(int))
    for level, codes in (("known", code), ("population", np.full(len(code), -1))):
        said = strategy.predict(data, fit, table(days, np.zeros(len(days)), codes))
        np.testing.assert_allclose(said, stored[level], rtol=1e-6)


def residual_covariance(strategy, fit, x):
    """Of a group's rows in the units of the response, from what a study stores."""
    if isinstance(strategy, HeteroscedasticMixed):
        return np.diag(fit.sigma**2 * fit.extra["sd_ratio_IV2"] ** (2 * x[:, 2]))
    time = np.arange(len(x)) if strategy.time is None else x[:, 2]
    return fit.sigma**2 * fit.extra["autocorrelation"] ** abs(np.subtract.outer(time, time))


@pytest.mark.parametrize(
    "strategy",
    [
        AutoregressiveMixed("DV ~ IV1 + (IV1 | Group)"),
        AutoregressiveMixed("DV ~ IV1 + (1 | Group)", time="IV2", reml=False),
        HeteroscedasticMixed("DV ~ IV1 + (IV2 | Group)", variance=("IV2",)),
    ],
    ids=["steps", "time", "variance"],
)
def test_effects_of_groups_are_those_of_dense_matrices(strategy):
    """``T Z'V^-1 (y - X beta)`` from every group's covariance matrix of rows, as they stand in a batch that is padded."""
    rng = np.random.default_rng(2)
    rows = make_rows(4, [8, 3, 12, 6, 1, 10], n_fixed=3, group_sd=(1.0, 0.5, 0.0))
    rows = rows.but(x=np.column_stack([rows.x[:, :2], np.concatenate([np.cumsum(rng.uniform(1, 3, 40))])]) / [1, 1, 10])
    serial = np.exp(-2 * abs(np.subtract.outer(rows.x[:, 2], rows.x[:, 2])))
    rows = rows.but(y=rows.y + np.linalg.cholesky(serial) @ rng.normal(size=40))
    data = stacked([rows], 8, 44)
    fits = jax.device_get(fit_batch(strategy, data, groups=True))
    fit, one = (jax.tree.map(lambda leaf: leaf[0], leaves) for leaves in (fits, data))
    assert Status(int(fit.status)) in (Status.OK, Status.SINGULAR)
    view = jax.tree.map(jnp.asarray, strategy.view(one))
    (effects,) = strategy.random_effects(view.names)
    z = [rows.columns.index(name) for name in effects.columns]
    wanted = []
    for i in rows.members():
        x, covariance = rows.x[i], fit.covariance["Group"]
        v = x[:, z] @ covariance @ x[:, z].T + residual_covariance(strategy, fit, x)
        wanted.append(covariance @ x[:, z].T @ np.linalg.solve(v, rows.y[i] - x[:, :2] @ fit.estimate))
    # Parameters are stored as they are: what is left is rounding of matrices of twelve rows.
    np.testing.assert_allclose(strategy.modes(fit)[:6], wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
    known = np.tile([*fit.estimate, 0.0], (6, 1))
    known[:, z] += wanted
    predicted, tolerance = strategy.prediction_coefficients(view, fit), 1e-9 * np.abs(known).max()
    np.testing.assert_allclose(predicted.known[:6], known, rtol=0, atol=tolerance)
    np.testing.assert_allclose(strategy.group_coefficients(view, fit)[:6], known[:, :2], rtol=0, atol=tolerance)
    np.testing.assert_allclose(predicted.new, [*fit.estimate, 0.0])


def test_a_fit_without_effects_of_groups_says_how_to_have_them():
    strategy, data = AutoregressiveMixed(random=("Intercept",)), stacked([ROWS])
    fit = jax.tree.map(lambda leaf: leaf[0], numbers(strategy, [ROWS]))
    with pytest.raises(InputError, match="groups=True"):
        strategy.group_coefficients(jax.tree.map(lambda leaf: leaf[0], data), fit)


def test_promises():
    check_estimator(AutoregressiveMixed(random=("Intercept",)))


def test_a_study_stores_the_parameter(tmp_path):
    process = GaussianMultilevel(n_groups=8, n_obs=6, n_predictors=1, sampler="rows")
    strategies = (AutoregressiveMixed(random=("Intercept",)), HeteroscedasticMixed(random=("Intercept",), variance=("IV1",)))
    fits = Study(process, Grid(), strategies, 10, seed=3).run(tmp_path / "run", progress=False).fits
    serial, scaled = (fits[fits["model"] == s.name] for s in strategies)
    assert serial["autocorrelation"].between(-1, 1).all()
    assert (scaled["sd_ratio_IV1"] > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AutoregressiveMixed(df="kenward-roger"), "'satterthwaite', 'residual', 'normal'"),
        (lambda: AutoregressiveMixed(random="Intercept"), "tuple"),
        (lambda: AutoregressiveMixed(covariance="ar1"), "diagonal"),
        (lambda: AutoregressiveMixed(time=3), "name of a column"),
        (lambda: AutoregressiveMixed(time="day").check(NAMES), "the time 'day' is not a column"),
        (HeteroscedasticMixed, "name each column"),
        (lambda: HeteroscedasticMixed(variance="IV1"), "tuple of names"),
        (lambda: HeteroscedasticMixed(variance=("IV1", "IV1")), "once"),
        (lambda: HeteroscedasticMixed(variance=("Intercept",)), "name each column"),
        (lambda: HeteroscedasticMixed(variance=("arm",)).check(NAMES), "'arm' is not a column"),
        (lambda: Study(GaussianMultilevel(), Grid(), (AutoregressiveMixed(),), 2), "rows"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(InputError, match=message):
        make()


def with_a_level(seed, level_rows, groups=GROUPS, size=5):
    """An intercept, a predictor and a level of so many rows; rows of the level are in different groups."""
    rng = np.random.default_rng(seed)
    group, n = np.repeat(np.arange(groups), size), groups * size
    level = np.zeros(n)
    level[size * rng.permutation(groups)[:level_rows]] = 1.0
    x = rng.normal(size=n)
    y = 1 + x + rng.normal(size=groups)[group] + rng.normal(size=n)
    return Rows(np.column_stack([np.ones(n), x, level]), y, group)


@pytest.mark.parametrize("reml", [True, False])
def test_a_level_that_the_fixed_effects_determine_has_no_variance(reml):
    """One row with a coefficient of its own: REML is flat in its SD, and the likelihood rises as it goes to zero."""
    strategy = HeteroscedasticMixed(random=("Intercept",), variance=("IV2",), reml=reml)
    fits = numbers(strategy, [with_a_level(seed, 1) for seed in range(10)])
    assert (fits.status == Status.UNIDENTIFIED).all()
    assert not fits.converged.any()
    assert np.isnan(fits.extra["sd_ratio_IV2"]).all()
    # Without that coefficient, or with another row, the level has a residual.
    free = HeteroscedasticMixed("DV ~ IV1 + (1 | Group)", variance=("IV2",), reml=reml)
    assert not (numbers(free, [with_a_level(seed, 1) for seed in range(10)]).status == Status.UNIDENTIFIED).any()


@pytest.mark.parametrize("reml", [True, False])
def test_a_criterion_that_falls_towards_a_limit_has_no_optimum(reml):
    """Two or three rows that random intercepts can reproduce: an optimum inside, or none; never a limit that is called one."""
    strategy = HeteroscedasticMixed(random=("Intercept",), variance=("IV2",), reml=reml)
    fits = numbers(strategy, [with_a_level(seed, 2 + seed % 2) for seed in range(40)])
    ratio, usable = fits.extra["sd_ratio_IV2"], np.isin(fits.status, [Status.OK, Status.SINGULAR])
    far = np.abs(np.log(ratio)) > np.log(1e3)
    assert (fits.status[far] == Status.NOT_CONVERGED).all()
    assert far.sum() > 3
    assert usable.sum() > 15
    # The rows of the level have at least about one degree of freedom between them.
    assert fits.df[usable].min() > 0.5


@pytest.mark.parametrize("random", ["(1 + IV1 | Group)", "(1 + IV1 || Group)"])
def test_a_variance_that_only_adds_to_a_random_effects_is_not_told(random):
    """One row a group with the arm: its residual variance and the slope's are a sum, wherever on the ridge a search would end."""
    arm = np.tile([0.0, 0.0, 0.0, 1.0], 8)
    datasets = []
    for seed, slope_sd in enumerate([0.0, 0.0, 0.5, 1.0]):
        rng, group = np.random.default_rng(seed), np.repeat(np.arange(8), 4)
        y = 1 + 0.5 * arm + rng.normal(size=8)[group] + slope_sd * rng.normal(size=8)[group] * arm + rng.normal(size=32)
        datasets.append(Rows(np.column_stack([np.ones(32), arm]), y, group))
    told, summed = (HeteroscedasticMixed(f"DV ~ IV1 + {r}", variance=("IV1",)) for r in ("(1 | Group)", random))
    assert (numbers(summed, datasets).status == Status.UNIDENTIFIED).all()
    assert np.isin(numbers(told, datasets).status, [Status.OK, Status.SINGULAR]).all()
    # A second row in one group tells them apart.
    moved = [rows.but(x=np.column_stack([np.ones(32), np.where(np.arange(32) < 2, 1.0, arm)])) for rows in datasets]
    assert not (numbers(summed, moved).status == Status.UNIDENTIFIED).any()


def test_a_curvature_over_the_other_parameters():
    """The Schur complement, also where a direction of the chart has none; and a point without the structure."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(4, 4))
    hessian = root @ root.T
    hessian[3], hessian[:, 3] = 0.0, 0.0
    blank = jnp.zeros(4)
    point = Point(*[None] * len(Point._fields))._replace(
        hessian=jnp.array(hessian), gradient=blank + 1, m=jnp.ones((4, 2, 2)), c=blank + 1
    )
    expected = hessian[:2, :2] - np.outer(hessian[:2, 2], hessian[:2, 2]) / hessian[2, 2]
    np.testing.assert_allclose(of_structure(point, 2), expected, rtol=1e-9)  # the ridge is 1e-11 of the diagonal
    kept, gone = (without(point, 2, jnp.asarray(none)) for none in (False, True))
    np.testing.assert_array_equal(kept.hessian, hessian)
    np.testing.assert_array_equal(gone.hessian[:2], np.eye(4)[:2])
    np.testing.assert_array_equal(gone.hessian[2:, 2:], hessian[2:, 2:])
    np.testing.assert_array_equal(gone.c, [0, 0, 1, 1])


def test_no_correlation_in_time_is_a_boundary():
    """Residuals with a negative correlation, or none: the fit is the mixed model's, called singular, with a correlation of 0."""
    datasets = [correlated(seed, rho, 7, 8) for seed in range(6) for rho in (-0.5, 0.0, 0.6)]
    timed = [rows.but(x=np.column_stack([rows.x, 3.0 * np.tile(np.arange(8.0), 7)])) for rows in datasets]
    fits = numbers(AutoregressiveMixed("DV ~ IV1 + (1 | Group)", time="IV2"), timed)
    plain = jax.device_get(LinearMixed("DV ~ IV1 + (1 | Group)").fit_batch(batch(timed, GROUPS)))
    free = numbers(AutoregressiveMixed("DV ~ IV1 + (1 | Group)"), timed).extra["autocorrelation"]
    none = fits.extra["autocorrelation"] == 0
    assert none.reshape(6, 3)[:, 0].all()
    assert not none.reshape(6, 3)[:, 2].any()
    assert (free[none] < 0).all()
    assert (fits.status[none] == Status.SINGULAR).all()
    assert fits.singular[none].all()
    assert fits.converged[none].all()
    assert (fits.extra["autocorrelation"][~none] ** 3 > 1e-6).all()
    # A correlation of at most 1e-6, which no longer counts, changes numbers by about as much.
    for name in ("estimate", "std_error", "df", "criterion", "sigma"):
        np.testing.assert_allclose(getattr(fits, name)[none], getattr(plain, name)[none], rtol=1e-5, err_msg=name)


def test_times_far_apart_tell_no_correlation():
    """What counts is the correlation of the rows closest in time: of .9 a step nothing is left after 200 steps."""
    rows = correlated(2, -0.5, 7, 8)
    far, close = (rows.but(x=np.column_stack([rows.x, step * np.tile(np.arange(8.0), 7)])) for step in (200.0, 0.01))
    fits = numbers(AutoregressiveMixed("DV ~ IV1 + (1 | Group)", time="IV2"), [far, close])
    assert (fits.status == Status.SINGULAR).all()
    assert (fits.extra["autocorrelation"] == 0).all()
