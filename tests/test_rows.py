"""Rows, and the cross-products that they are reduced to, against sums over the rows themselves."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim import CrossProducts, InputError, Rows

# Sums of a few dozen products in another order.
EXACT = dict(rtol=1e-12, atol=1e-12)


def rows_of(levels, counts, factors, missing=0.2, seed=0, columns=("Intercept", "x", "z")):
    """Rows with these levels, ``[N, F]``, some of them missing."""
    rng, n = np.random.default_rng(seed), len(levels)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, len(columns) - 1))])
    weight = (rng.uniform(size=n) >= missing).astype(float)
    return Rows(
        jnp.asarray(x), jnp.asarray(rng.normal(size=n)), jnp.asarray(levels, jnp.int32), jnp.asarray(weight),
        columns, columns, counts, factors,
    )  # fmt: skip


def products(data, chosen):
    """``[X y]'[X y]`` of some of the rows."""
    block = np.column_stack([data.x, data.y])[np.asarray(chosen)]
    return block.T @ block


@pytest.fixture
def crossed():
    """Thirty rows of 4 subjects and 3 items; some pairs do not occur, and subject 3 is padding."""
    rng = np.random.default_rng(1)
    return rows_of(np.column_stack([rng.integers(0, 3, 30), rng.integers(0, 3, 30)]), (4, 3), ("subject", "item"))


def test_one_factor():
    data = rows_of(np.random.default_rng(2).integers(0, 5, (40, 1)), (8,), ("clinic",))
    reduced = jax.jit(lambda d: d.reduce(8))(data)
    assert reduced.names == data.names
    for g in range(8):
        chosen = (np.asarray(data.levels)[:, 0] == g) & (np.asarray(data.weight) > 0)
        assert reduced.sizes[g] == chosen.sum()
        np.testing.assert_allclose(reduced.products[g], products(data, chosen), **EXACT)


def test_blocks_are_summed_as_other_rows_are():
    data = rows_of(np.repeat(np.arange(6), 5)[:, None], (6,), ("clinic",))
    slow, fast = data.reduce(6), dataclasses.replace(data, block=5).reduce(6)
    np.testing.assert_array_equal(slow.sizes, fast.sizes)
    np.testing.assert_allclose(slow.products, fast.products, **EXACT)


def test_cells_of_two_factors(crossed):
    reduced = crossed.reduce(12)
    levels, there = np.asarray(crossed.levels), np.asarray(crossed.weight) > 0
    pairs = {tuple(pair) for pair in levels[there]}
    found = {tuple(pair) for pair, n in zip(np.asarray(reduced.levels), reduced.sizes, strict=True) if n}
    assert found == pairs
    assert len(pairs) < 12, "some cells are padding"
    for cell, size, matrix in zip(np.asarray(reduced.levels), reduced.sizes, reduced.products, strict=True):
        if size:
            chosen = there & (levels == cell).all(1)
            assert size == chosen.sum()
            np.testing.assert_allclose(matrix, products(crossed, chosen), **EXACT)
        else:
            assert not np.asarray(matrix).any()


@pytest.mark.parametrize("factor", ["subject", "item", None])
def test_one_of_two_factors(crossed, factor):
    place = 0 if factor is None else crossed.factors.index(factor)
    by_one = crossed.reduce(12).grouped(factor)
    assert by_one.factors == (crossed.factors[place],)
    for level in range(crossed.counts[place]):
        chosen = (np.asarray(crossed.levels)[:, place] == level) & (np.asarray(crossed.weight) > 0)
        assert by_one.sizes[level] == chosen.sum()
        np.testing.assert_allclose(by_one.products[level], products(crossed, chosen), **EXACT)


@pytest.mark.parametrize("factor", ["subject", "item", None])
def test_rows_of_one_of_two_factors(crossed, factor):
    rows, reduced = crossed.grouped(factor), crossed.reduce(12).grouped(factor)
    assert (rows.factors, rows.counts) == (reduced.factors, (len(reduced.sizes),))
    np.testing.assert_allclose(rows.reduce(rows.counts[0]).products, reduced.products, **EXACT)


def test_no_row_is_left_out_without_a_word(crossed):
    assert np.isnan(crossed.reduce(3).products).all(), "more pairs of levels than cells"
    there = int(np.flatnonzero(crossed.weight)[0])
    for outside in (-1, 4):
        strange = dataclasses.replace(crossed, levels=crossed.levels.at[there, 0].set(outside))
        assert np.isnan(strange.reduce(12).products).all()
    gone = int(np.flatnonzero(np.asarray(crossed.weight) == 0)[0])
    missing = dataclasses.replace(crossed, levels=crossed.levels.at[gone].set(99))
    np.testing.assert_array_equal(missing.reduce(12).products, crossed.reduce(12).products, err_msg="a missing row has no level")


def test_batches_are_reduced_as_single_datasets_are(crossed):
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), crossed, dataclasses.replace(crossed, y=crossed.y + 1))
    together = jax.jit(jax.vmap(lambda d: d.reduce(12)))(batch)
    np.testing.assert_allclose(together.products[0], crossed.reduce(12).products, **EXACT)


@pytest.mark.parametrize("kind", ["rows", "cross-products"])
def test_another_response(crossed, kind):
    reduced = crossed if kind == "rows" else crossed.reduce(12)
    moved = reduced.select("x", ("Intercept", "DV"))
    assert moved.columns == ("Intercept", "z", "DV")
    assert (moved.response, moved.fixed) == ("x", ("Intercept", "DV"))
    regression = (moved.reduce(12) if kind == "rows" else moved).regression().sum(0)
    there = np.asarray(crossed.weight) > 0
    x = np.asarray(crossed.x)
    block = np.column_stack([x[:, 0], crossed.y, x[:, 1]])[there]
    np.testing.assert_allclose(regression, block.T @ block, **EXACT)


@pytest.mark.parametrize("kind", ["rows", "cross-products"])
def test_unknown_columns(crossed, kind):
    data = crossed if kind == "rows" else crossed.reduce(12)
    for response, fixed in (("DV", ("Intercept", "w")), ("w", ("Intercept",))):
        with pytest.raises(InputError, match="unknown column 'w'; this dataset has Intercept, x, z"):
            data.select(response, fixed)
    assert data.select("DV", data.fixed) is data
    assert isinstance(crossed.reduce(12), CrossProducts)
