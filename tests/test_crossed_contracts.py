"""What strategies of several grouping factors promise, on one batch of transformed and of deficient datasets per strategy."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from crossed_rows import CELLS, CROSSED, Experiment, crossed, fits, stacked
from programs import fit as alone

from jaxsim.data.fit import Fit
from jaxsim.estimators import CATALOGUE
from jaxsim.status import Status
from jaxsim.study import registry

STRATEGIES = [strategy for examples in CROSSED.values() for strategy in examples]
BASE = crossed(5, subjects=8, items=6, missing=0.15)
SCALE = np.array([1.0, 250.0, -0.004])
SHIFT = np.array([3.0, -2.0, 10.0])


def shuffled(rows):
    order = np.random.default_rng(0).permutation(len(rows.y))
    return rows.but(x=rows.x[order], y=rows.y[order], levels=rows.levels[order])


def relabelled(rows):
    """Levels in another order, with some in between that do not occur."""
    rng = np.random.default_rng(1)
    names = np.column_stack([rng.permutation(count) for count in rows.counts])
    return rows.but(levels=np.take_along_axis(names, rows.levels, 0))


TRANSFORMS = {
    "same": lambda rows: rows,
    "rows_permuted": shuffled,
    "levels_permuted": relabelled,
    "y_scaled": lambda rows: rows.but(y=-1000.0 * rows.y),
    "x_scaled": lambda rows: rows.but(x=rows.x * SCALE),
    "y_shifted": lambda rows: rows.but(y=rows.y + rows.x @ SHIFT),
}
DEFICIENT = {
    "one item": (lambda rows: rows.but(levels=rows.levels * [1, 0]), Status.TOO_FEW_GROUPS),
    "one subject": (lambda rows: rows.but(levels=rows.levels * [0, 1]), Status.TOO_FEW_GROUPS),
    "a column of zeros": (lambda rows: rows.but(x=rows.x * [1, 0, 1]), Status.RANK_DEFICIENT),
    "a constant": (lambda rows: rows.but(x=np.column_stack([rows.x[:, :2], np.full(len(rows.y), 3.0)])), Status.RANK_DEFICIENT),
    "twice the same": (lambda rows: rows.but(x=rows.x[:, [0, 2, 2]] * [1, 1, -2]), Status.RANK_DEFICIENT),
    "a sum of columns": (lambda rows: rows.but(x=np.column_stack([rows.x[:, :2], rows.x[:, :2].sum(1)])), Status.RANK_DEFICIENT),
    "too few rows": (
        lambda rows: rows.but(x=rows.x[[0, 20, 41]], y=rows.y[:3], levels=rows.levels[[0, 20, 41]]), Status.TOO_FEW_ROWS
    ),
    "exact": (lambda rows: rows.but(y=rows.x @ [1.0, 2.0, 3.0]), Status.ZERO_RESIDUAL),
    "zeros": (lambda rows: rows.but(y=0.0 * rows.y), Status.ZERO_RESIDUAL),
    "a NaN": (lambda rows: rows.but(y=np.where(np.arange(len(rows.y)) == 3, np.nan, rows.y)), Status.NON_FINITE),
    "infinite": (lambda rows: rows.but(x=np.where(np.arange(len(rows.y))[:, None] == 3, np.inf, rows.x)), Status.NON_FINITE),
    "overflow": (lambda rows: rows.but(y=1e160 * rows.y), Status.NON_FINITE),
}  # fmt: skip
NAMES = [*TRANSFORMS, *DEFICIENT]
DATASETS = [change(BASE) for change in TRANSFORMS.values()] + [change(BASE) for change, _ in DEFICIENT.values()]

every_strategy = pytest.mark.parametrize(
    "strategy", STRATEGIES, ids=lambda strategy: f"{strategy.name}-{STRATEGIES.index(strategy)}"
)


@pytest.fixture(scope="module")
def fit_of():
    """``strategy, name -> Fit``, all from one batch."""
    made = {}

    def found(strategy, name) -> Fit:
        if strategy not in made:
            made[strategy] = dict(zip(NAMES, fits(strategy, DATASETS), strict=True))
        return made[strategy][name]

    return found


def assert_same(fit, expected, rtol, **changes):
    """Two fits agree; ``changes`` say what some of the numbers are to be."""
    for name in ("estimate", "std_error", "df", "vcov", "status", "sigma", "criterion", "p_value", "conf_low"):
        value = np.asarray(changes.get(name, getattr(expected, name)), float)
        atol = rtol * np.abs(value[np.isfinite(value)]).max(initial=0.0)
        np.testing.assert_allclose(getattr(fit, name), value, rtol=rtol, atol=atol, err_msg=name)


@every_strategy
def test_the_base_dataset_is_usable(fit_of, strategy):
    fit = fit_of(strategy, "same")
    assert fit.status == Status.OK
    assert fit.converged
    assert np.isfinite(np.r_[fit.estimate, fit.std_error, fit.p_value]).all()
    assert np.isinf(fit.df).all() == (getattr(strategy, "df", None) == "normal")


# Cross-products that differ by rounding: closed forms keep 11 digits at these conditions.
@every_strategy
@pytest.mark.parametrize("name", ["rows_permuted", "levels_permuted"])
def test_order_and_absent_levels_change_nothing(fit_of, strategy, name):
    fit, expected = fit_of(strategy, name), fit_of(strategy, "same")
    assert_same(fit, expected, 1e-10)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9), fit.extra, expected.extra)


@every_strategy
def test_scaling(fit_of, strategy):
    fit, scaled, by = fit_of(strategy, "same"), fit_of(strategy, "y_scaled"), -1000.0
    changes = dict(estimate=by * fit.estimate, std_error=abs(by) * fit.std_error, vcov=by**2 * fit.vcov)
    changes |= dict(sigma=scaled.sigma, criterion=scaled.criterion)
    assert_same(scaled, fit, 1e-10, **changes)
    changes = dict(estimate=fit.estimate / SCALE, std_error=fit.std_error / abs(SCALE), vcov=fit.vcov / np.outer(SCALE, SCALE))
    assert_same(fit_of(strategy, "x_scaled"), fit, 1e-10, **changes)


@every_strategy
def test_adding_a_fixed_effect_adds_to_the_estimate(fit_of, strategy):
    fit, shifted = fit_of(strategy, "same"), fit_of(strategy, "y_shifted")
    # A shift of ten columns' SD costs two digits of the response's square; the hypothesis of zero is another one.
    assert_same(shifted, fit, 1e-8, estimate=fit.estimate + SHIFT, p_value=shifted.p_value)


@every_strategy
@pytest.mark.parametrize("case", DEFICIENT)
def test_deficient_data_get_a_status(fit_of, strategy, case):
    """Never a NaN that is called usable, never a number under a status that says there is none."""
    fit = fit_of(strategy, case)
    assert Status(int(fit.status)) is DEFICIENT[case][1]
    assert not fit.converged
    assert np.isnan(np.r_[fit.estimate, fit.std_error, fit.df, fit.vcov.ravel(), fit.p_value, fit.sigma]).all()
    for name, value in fit.extra.items():
        assert np.isnan(value).all() if value.dtype == float else not value.any(), name


@every_strategy
def test_one_by_one_and_with_more_padding(fit_of, strategy):
    """``fit``, what is written for one dataset, of twice as many cells, most of which are padding."""
    for name in ("same", "one item"):
        data = jax.tree.map(lambda leaf: leaf[0], stacked([DATASETS[NAMES.index(name)]], 2 * CELLS))
        assert_same(jax.device_get(alone(strategy, data)), fit_of(strategy, name), 1e-10)


@every_strategy
def test_the_order_of_cells_and_of_a_batch_changes_nothing(fit_of, strategy):
    order = np.random.default_rng(0).permutation(CELLS)
    data = jax.tree.map(lambda leaf: leaf[::-1], stacked(DATASETS))
    there = dataclasses.replace(data, products=data.products[:, order], sizes=data.sizes[:, order], levels=data.levels[:, order])
    made = jax.device_get(strategy.fit_batch(there))
    for place, name in enumerate(NAMES):
        again = jax.tree.map(lambda leaf, k=place: leaf[::-1][k], made)
        assert_same(again, fit_of(strategy, name), 1e-10)


@every_strategy
def test_strategies_are_values(strategy):
    again = registry.decode(registry.encode(strategy), CATALOGUE)
    assert again == strategy == dataclasses.replace(strategy)
    assert hash(again) == hash(strategy)
    strategy.check(Experiment().names)
