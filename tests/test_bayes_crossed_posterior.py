"""Posteriors with two crossed factors as a strategy: against NumPyro on rows (stored), chains, other places, data without one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossed_data import cells_of, rows_of
from crossed_posteriors import COUNTS, REFERENCES, STRATEGY, reference
from programs import optimised_fit_batch

from jaxsim import Resampling
from jaxsim.bayesian import engine
from jaxsim.seeding import group_keys
from jaxsim.status import Status

STORED = json.loads((Path(__file__).parent / "reference/bayes_crossed.json").read_text())["datasets"]
TABLES = [reference(seed) for seed in REFERENCES]
LEVEL = 0.9
BATCH = 16
KEYS = group_keys(jax.random.key(8, impl="threefry2x32"), BATCH)
DEFICIENT = {
    Status.TOO_FEW_GROUPS: lambda table: table.but(levels=table.levels * [1, 0]),
    Status.ZERO_RESIDUAL: lambda table: table.but(y=table.x @ [1.0, 2.0, 0.0]),
    Status.NON_FINITE: lambda table: table.but(y=np.where(np.arange(len(table.y)) == 3, np.nan, table.y)),
    Status.RANK_DEFICIENT: lambda table: table.but(x=table.x * [1, 0, 1]),
    Status.TOO_FEW_ROWS: lambda table: table.taken(table.levels[:, 1] < 2),
}


def fitted(strategy, tables, keys=KEYS):
    """All of a batch of so many, which is filled with the first one; and kept for the groups."""
    made = [cells_of(table, COUNTS[0] * COUNTS[1]) for table in tables]
    made += made[:1] * (len(keys) - len(made))
    data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *made)
    return jax.device_get(optimised_fit_batch(strategy, data, Resampling(keys, LEVEL), groups=True))


@pytest.fixture(scope="module")
def fast():
    """The stored datasets, those without a posterior, and the stored ones again: one batch."""
    return fitted(STRATEGY, [*TABLES, *(change(TABLES[0]) for change in DEFICIENT.values()), *TABLES])


@pytest.fixture(scope="module")
def chains():
    return fitted(replace(STRATEGY, method="nuts"), TABLES, KEYS[:3])


def numbers(fit, k, row):
    """What is reported of one dataset, by the names of the stored parameters: of fixed effects ``mean, sd, q5, q95``, of others the
    mean."""
    found = {}
    for j, name in enumerate(("Intercept", "x")):
        found[name] = dict(mean=fit.estimate[row, j], sd=fit.std_error[row, j], q5=fit.conf_low[row, j], q95=fit.conf_high[row, j])
    subject, item = fit.covariance["subject"][row], fit.covariance["item"][row]
    sd = np.sqrt(np.diagonal(subject))
    found |= {
        "sd_subject_Intercept": {"mean": sd[0]},
        "sd_subject_x": {"mean": sd[1]},
        "sd_item_Intercept": {"mean": item[0, 0] ** 0.5},
    }
    found |= {"cor_subject_Intercept_x": {"mean": subject[0, 1] / sd[0] / sd[1]}, "sigma": {"mean": fit.sigma[row]}}
    one = jax.tree.map(lambda leaf: leaf[row], fit)
    effects = STRATEGY.effects_by_factor(cells_of(TABLES[k]), one)
    for factor, values in effects.items():
        found |= {f"{factor}_{g}_{q}": {"mean": values[g, q]} for g in range(2) for q in range(values.shape[1])}
    return found


@pytest.mark.parametrize("method", ["fast", "chains"])
@pytest.mark.parametrize("k", range(3))
def test_posteriors_are_those_of_the_model_on_rows(request, method, k):
    """Within 4 Monte Carlo standard errors of both samples. Ours have no larger ones than 400 draws of the parameter itself would;
    a quantile's is some twice that of the mean."""
    fit = request.getfixturevalue(method)
    assert fit.status[k] == Status.OK
    stored = STORED[str(k + 1)]
    assert max(values["rhat"] for values in stored.values()) < 1.01
    found = numbers(fit, k, k)
    assert set(found) == set(stored)
    for name, values in found.items():
        expected = stored[name]
        for what, value in values.items():
            own = expected["sd"] / np.sqrt(engine.ENOUGH) * (2.0 if what in ("q5", "q95") else 1.0)
            allowed = 4 * np.hypot(own, expected["mcse"][what])
            assert abs(value - expected[what]) < allowed, (name, what, value, expected[what], allowed)


def test_both_paths_agree(fast, chains):
    """Given the SDs everything is exact, so errors are below SD / sqrt(ESS) with an ESS of 400 on both sides; 4 of them."""
    allowed = 4 * np.sqrt(2 / engine.ENOUGH)
    assert chains.extra["nuts"].all()
    assert (chains.extra["rhat"] < engine.RHAT).all()
    assert (fast.extra["ess"][:3] >= engine.ENOUGH).all()
    for name in ("estimate", "conf_low", "conf_high"):
        assert np.abs((getattr(chains, name) - getattr(fast, name)[:3]) / fast.std_error[:3]).max() < allowed, name
    np.testing.assert_allclose(chains.std_error, fast.std_error[:3], rtol=allowed)


def test_data_without_a_posterior_get_a_status(fast):
    """Never a number under a status that says there is none; the others keep theirs."""
    rows = slice(3, 3 + len(DEFICIENT))
    assert [Status(int(code)) for code in fast.status[rows]] == list(DEFICIENT)
    for leaf in (fast.estimate, fast.std_error, fast.conf_low, fast.sigma, fast.criterion, fast.covariance["item"]):
        assert np.isnan(leaf[rows]).all()
    assert np.isfinite(fast.criterion[:3]).all()


def test_bits_do_not_depend_on_the_place_nor_on_the_company(fast):
    """The same datasets with the same keys elsewhere in the batch, among others."""
    order = np.array([1, 2, 0])
    keys = KEYS[np.r_[order, np.arange(3, BATCH)]]
    again = fitted(STRATEGY, [TABLES[k] for k in order] + [TABLES[2]] * 4, keys)
    jax.tree.map(lambda one, other: np.testing.assert_array_equal(one[:3], other[order]), again, fast)


def test_predictions_are_of_both_factors(fast):
    """Fixed effects and the means of both factors' effects, none of a level that is not there."""
    data, table = cells_of(TABLES[0]), TABLES[0]
    one = jax.tree.map(lambda leaf: leaf[0], fast)
    effects, rows = STRATEGY.effects_by_factor(data, one), rows_of(table)
    fixed = table.x[:, :2] @ one.estimate
    subject, item = table.levels.T
    of_subjects = (table.x[:, :2] * effects["subject"][subject]).sum(1)
    np.testing.assert_allclose(STRATEGY.predict(data, one, rows), fixed + of_subjects + effects["item"][item, 0], rtol=1e-12)
    new = replace(rows, levels=rows.levels.at[:, 0].set(-1))
    np.testing.assert_allclose(STRATEGY.predict(data, one, new), fixed + effects["item"][item, 0], rtol=1e-12)
    np.testing.assert_allclose(STRATEGY.group_coefficients(data, one), one.estimate + effects["subject"], rtol=1e-12)
