"""Mixed models with several grouping factors as strategies: promises, statuses, agreement with the engine of one factor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossed_data import cells_of, crossed, rows_of
from programs import optimised_fit_batch

import jaxsim
from jaxsim.data.cross_products import CrossProducts
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.numerics.arrays import on_numpy
from jaxsim.status import Status
from jaxsim.testing import check_estimator

SLOPES = "DV ~ x + (x | Subject) + (x | item)"
TWO_SDS = jaxsim.Priors(sd=(jaxsim.prior("HalfNormal", scale=1.0),) * 2)


@dataclass(frozen=True)
class Crossed(jaxsim.RowProcess):
    """Subjects who meet all items once, with a predictor of rows and one of items."""

    n_groups: int = 9
    n_items: int = 7
    sd: float = 1.0

    factors = ("Subject", "item")

    @property
    def max_levels(self) -> tuple[int, ...]:
        return (self.n_groups, self.n_items)

    def simulate(self, key: jax.Array) -> tuple[Any, Any]:
        keys = jax.random.split(key, 4)
        subject, item = jnp.divmod(jnp.arange(self.n_groups * self.n_items), self.n_items)
        x, own = jax.random.normal(keys[0], subject.shape), jax.random.normal(keys[3], (self.n_items,))[item]
        b = self.sd * jax.random.normal(keys[1], (self.n_groups + self.n_items, 2))
        error = jax.random.normal(keys[2], subject.shape)
        effect = b[subject] + b[self.n_groups + item]
        y = 1.0 + 0.5 * x + effect[:, 0] + effect[:, 1] * x + error
        return (
            {"Intercept": 1.0, "x": 0.5, "own": 0.0, "sigma": 1.0},
            {"DV": y, "Subject": subject, "item": item, "x": x, "own": own},
        )


def fitted(strategy: jaxsim.LinearMixed, data: CrossProducts) -> Any:
    """By NumPy, which needs no compiler."""
    return on_numpy(strategy.fit)(data)


def mixed(*factors: str, columns: str = "x", **options: Any) -> jaxsim.LinearMixed:
    return jaxsim.LinearMixed(f"DV ~ x + w + {' + '.join(f'({columns} | {factor})' for factor in factors)}", **options)


@pytest.mark.parametrize(
    "strategy",
    [
        jaxsim.LinearMixed(SLOPES, df="kenward-roger"),
        jaxsim.LinearMixed("DV ~ x + (1 | Subject) + (0 + x | Subject) + (1 | item)", reml=False),
    ],
    ids=["kenward-roger", "ml"],
)
def test_the_contract_of_strategies(strategy):
    assert check_estimator(strategy, Crossed())


def test_a_study_fits_the_factors_that_a_formula_names(tmp_path):
    """The maximal model has what varies within the groups of each factor; each strategy keeps to its factors."""
    strategies = (
        jaxsim.LinearMixed(label="maximal"),
        jaxsim.LinearMixed("DV ~ x + own + (x | Subject)", label="subjects"),
        jaxsim.LinearMixed("DV ~ x + own + (1 | item)", label="items"),
    )
    study = jaxsim.Study(Crossed(), jaxsim.Grid(), strategies, 20, seed=3)
    results = study.run(tmp_path)
    fits = results.fits
    assert fits.status.isin(["ok", "singular"]).all()
    shown = {name: set(own.dropna(axis=1, how="all").columns) for name, own in fits.groupby("model", observed=True)}
    assert {"sd_Subject_x", "sd_item_x", "sd_item_Intercept"} <= shown["maximal"]
    assert "sd_item_own" not in shown["maximal"]
    assert not {name for name in shown["subjects"] if "item" in name}
    assert not {name for name in shown["items"] if "Subject" in name}


@pytest.mark.parametrize("counts", [(10, 7), (5, 6, 4)], ids=str)
def test_alone_in_a_batch_padded_and_permuted(counts):
    strategy, factors = mixed(*["subject", "item", "lab"][: len(counts)]), len(counts)
    tables = [crossed(seed, counts, share=0.9) for seed in range(3)]
    most = int(np.prod(counts))
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(jax.tree.map(jnp.asarray, cells_of(table, most)) for table in tables))
    fits = strategy.fit_batch(batch)
    assert (np.asarray(fits.status) == Status.OK).any()
    rng = np.random.default_rng(5)
    for k, table in enumerate(tables):
        wider = cells_of(table, most + 9, tuple(count + 3 for count in counts))
        renamed = np.column_stack([rng.permutation(count)[table.levels[:, f]] for f, count in enumerate(counts)])
        other = replace(table, levels=renamed).taken(rng.permutation(len(table.y)))
        for data in (cells_of(table), wider, cells_of(other)):
            one = fitted(strategy, data)
            for name in ("estimate", "std_error", "df", "criterion", "theta"):
                # The search ends within 1e-9 of the optimum's criterion, in estimates the square root of that times the rounding.
                np.testing.assert_allclose(getattr(one, name), np.asarray(getattr(fits, name))[k], rtol=1e-6, err_msg=name)
    assert len(fits.covariance) == factors


def test_bits_do_not_depend_on_the_batch():
    """Of 40 datasets, more than are worked on together, of all but a few of them, at other places, and of one."""
    strategy = mixed("subject", "item")
    tables = [cells_of(crossed(seed, (12, 8), share=0.9), 96) for seed in range(40)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *tables)
    every = optimised_fit_batch(strategy, batch)
    for some in (slice(5, 6), slice(1, 34)):
        few = optimised_fit_batch(strategy, jax.tree.map(lambda leaf, some=some: leaf[some], batch))
        jax.tree.map(lambda one, all_of_them, some=some: np.testing.assert_array_equal(one, all_of_them[some]), few, every)


class TestStatuses:
    def status(self, table: Any, strategy: Any = None) -> Status:
        fit = fitted(strategy or mixed("subject", "item"), cells_of(table))
        usable = int(fit.status) in (Status.OK, Status.SINGULAR)
        assert usable == bool(np.isfinite(fit.estimate).all() and np.isfinite(fit.std_error).all())
        return Status(int(fit.status))

    def test_good(self):
        assert self.status(crossed(0, (12, 9))) is Status.OK

    def test_one_level_of_a_factor(self):
        assert self.status(crossed(0, (12, 1), repeats=5)) is Status.TOO_FEW_GROUPS

    def test_as_many_effects_as_rows(self):
        table = crossed(0, (12, 9))
        assert self.status(table.taken(table.levels[:, 1] < 2)) is Status.TOO_FEW_ROWS

    def test_no_rows(self):
        table = crossed(0, (12, 9))
        data = cells_of(table)
        empty = replace(data, products=data.products * 0, sizes=data.sizes * 0)
        assert int(fitted(mixed("subject", "item"), empty).status) not in (Status.OK, Status.SINGULAR)

    def test_columns_that_depend_on_each_other(self):
        table = crossed(0, (12, 9))
        x = table.x.copy()
        x[:, 2] = 1 + 2 * x[:, 1]
        assert self.status(replace(table, x=x)) is Status.RANK_DEFICIENT

    def test_no_residual(self):
        table = crossed(0, (12, 9))
        assert self.status(replace(table, y=table.x @ [1.0, 2.0, 3.0])) is Status.ZERO_RESIDUAL

    def test_one_factor_that_is_the_other(self):
        table = crossed(0, (12, 9))
        same = replace(table, levels=np.column_stack([table.levels[:, 0], table.levels[:, 0]]), counts=(12, 12))
        assert self.status(same) is Status.UNIDENTIFIED
        assert self.status(same, mixed("subject", "item", reml=False)) is Status.UNIDENTIFIED
        assert self.status(table, mixed("subject", "item", reml=False)) in (Status.OK, Status.SINGULAR)

    def test_an_effect_of_every_pair_that_has_one_row(self):
        table = crossed(0, (8, 6))
        pair = table.levels[:, :1] * 6 + table.levels[:, 1:]
        every = replace(table, levels=np.column_stack([table.levels[:, 0], pair]), counts=(8, 48))
        assert self.status(every, mixed("subject", "item", columns="1")) is Status.TOO_FEW_ROWS

    def test_singular_in_one_factor(self):
        table = crossed(4, (15, 9), sds=(0.0, 0.0, 0.0))
        assert self.status(table) is Status.SINGULAR

    def test_nan(self):
        table = crossed(0, (12, 9))
        y = table.y.copy()
        y[3] = np.nan
        assert self.status(replace(table, y=y)) is Status.NON_FINITE


def test_modes_and_predictions():
    """Modes solve the mixed-model equations of the rows; a prediction is of the row's own subject and item, or of the mean."""
    table = crossed(6, (12, 8), share=0.9)
    strategy, data = mixed("subject", "item"), cells_of(table)
    fit = fitted(strategy, data)
    z = [(table.levels[:, f][:, None] == np.arange(count)) for f, count in enumerate(table.counts)]
    z = np.hstack([part[:, :, None] * table.x[:, None, :2] for part in z]).reshape(len(table.y), -1)
    own = np.concatenate([z.reshape(len(table.y), -1)], axis=1)
    blocks = [np.kron(np.eye(c), np.asarray(fit.covariance[f])) for f, c in zip(("subject", "item"), table.counts, strict=True)]
    g = np.block([[blocks[0], np.zeros((24, 16))], [np.zeros((16, 24)), blocks[1]]])
    v = own @ g @ own.T + float(fit.sigma) ** 2 * np.eye(len(table.y))
    expected = g @ own.T @ np.linalg.solve(v, table.y - table.x @ np.asarray(fit.estimate))
    modes = strategy.modes_by_factor(data, fit.theta)
    found = np.concatenate([np.asarray(modes[f][0]).ravel() for f in ("subject", "item")])
    np.testing.assert_allclose(found, expected, atol=1e-8)  # solved systems of a condition of some 1e3
    inverse = np.linalg.inv(np.linalg.inv(g) + own.T @ own / float(fit.sigma) ** 2)
    np.testing.assert_allclose(modes["item"][1][0], inverse[24:26, 24:26], atol=1e-8)

    rows = rows_of(table)
    np.testing.assert_allclose(strategy.predict(data, fit, rows), table.x @ np.asarray(fit.estimate) + own @ expected, atol=1e-8)
    new = replace(rows, levels=rows.levels.at[:, 0].set(-1))
    alone = own[:, 24:] @ expected[24:]
    np.testing.assert_allclose(strategy.predict(data, fit, new), table.x @ np.asarray(fit.estimate) + alone, atol=1e-8)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (lambda: jaxsim.LinearMixed("DV ~ x + (x | Subject) + (x | word)"), "'word' is not a grouping factor of the process"),
        (lambda: jaxsim.LinearMixed("DV ~ x + (x | Subject) + (own | item)"), "'own' is one number a group of item"),
        (lambda: jaxsim.LinearMixed(SLOPES, vcov="CR2"), "vcov='CR2' is for one grouping factor"),
        (lambda: jaxsim.RobustBayes(formula=SLOPES), "takes one"),
        (lambda: jaxsim.HierarchicalBayes(formula="DV ~ x + (x | Subject) + (own | item)"), "'own' is one number a group of item"),
        (lambda: jaxsim.HierarchicalBayes(formula=SLOPES, priors=TWO_SDS), "sd names 2 priors for 4 random-effects columns"),
        (lambda: jaxsim.AutoregressiveMixed(formula=SLOPES), "takes one"),
    ],
)
def test_bad_input(strategy, said):
    with pytest.raises((InputError, NotSupportedError), match=said):
        jaxsim.Study(Crossed(), jaxsim.Grid(), (strategy(),), 2)
