"""How many starts the search of a mixed model is given, and that those it is not given would have found nothing better."""

import dataclasses

import jax
import numpy as np
import pytest
from oracle import Rows, batch, make_rows

from jaxsim import LinearMixed
from jaxsim.data.cross_products import CrossProducts, of_one
from jaxsim.data.random_effects import Structure
from jaxsim.lmm import newton, start
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import pose, unidentified

FULL = Spec((0, 1, 2), (0, 1, 2), Structure(((0, 1, 2),)), True)


def starts(data: CrossProducts, spec: Spec) -> start.Starts:
    problem = pose(data)
    return start.starts(problem, spec, unidentified(problem, spec))


def needed(rows: Rows, spec: Spec = FULL, empty: int = 0) -> int:
    """Starts that a dataset is given; with so many empty groups."""
    data = of_one(rows.x, rows.y, rows.group, ("a", "b", "c")[: rows.x.shape[1]])
    if empty:
        more = np.concatenate([data.products, np.zeros((empty, *data.products.shape[1:]))])
        data = dataclasses.replace(data, products=more, sizes=np.append(data.sizes, np.zeros(empty, np.int32)))
    return int(starts(data, spec).needed)


@pytest.mark.parametrize("seed", range(3))
def test_many_groups_need_one_start(seed):
    for sd in (0.05, 0.3, 1.0):
        rows = make_rows(seed, [5] * 40, group_sd=sd)
        assert needed(rows) == needed(rows, empty=24) == 1
        assert needed(rows, FULL._replace(structure=Structure(((0,), (1,), (2,))))) == 1


@pytest.mark.parametrize(
    ("why", "rows", "count"),
    [
        ("few groups, small", make_rows(1, [5] * 20, group_sd=0.3), 4),
        ("few groups", make_rows(1, [20] * 20, group_sd=0.3), 2),
        ("many groups, most of them too small to be fitted alone", make_rows(1, [3] * 40 + [9] * 20, group_sd=0.3), 4),
        ("columns that are nearly the same", make_rows(1, [20] * 40, group_sd=0.3, location=3.0), 2),
    ],
)
def test_others_need_more(why, rows, count):
    assert needed(rows) == count, why


def test_a_group_that_is_far_from_the_others_asks_for_more_starts():
    rows = make_rows(2, [20] * 40, group_sd=0.3)
    assert needed(rows) == 1
    moved = dataclasses.replace(rows, y=rows.y + 12.0 * (rows.group == 7) * np.sign(rows.x[:, 1]))
    assert needed(moved) == 2


@pytest.mark.parametrize(
    ("sizes", "count"),
    [
        ([10] * 12, 1),
        ([9] * 12, 2),
        ([10] * 9 + [2], 1),
        ([10] * 27 + [2] * 3, 1),
        ([10] * 26 + [2] * 4, 2),
        ([10] * 6 + [2] * 6, 2),
        ([10] * 5 + [2] * 6, 4),
        ([100] + [2] * 11, 4),
        ([60] * 2 + [2] * 10, 4),
        ([6] * 12, 2),
        ([5] * 12, 4),
    ],
)
def test_a_slope_needs_one_start_where_nearly_all_groups_have_the_rows(sizes, count):
    """Nearly all, not on average: one or two large groups among small ones make an average of ten rows."""
    spec = Spec((0, 1), (0, 1), Structure(((0, 1),)), True)
    assert needed(make_rows(3, sizes, 2, group_sd=0.5), spec) == count
    assert needed(make_rows(3, sizes, 2, group_sd=0.5), spec, empty=20) == count


def test_of_groups_of_which_few_are_large_the_best_optimum_is_found(monkeypatch):
    """With one start one in thirty of these datasets is given a worse one, by up to 16 units of the deviance."""
    datasets = batch([make_rows(seed, [60] * 2 + [2] * 10, 2, group_sd=0.5) for seed in range(200)], 12)

    def criteria(enough):
        monkeypatch.setattr(start, "one_is_enough", enough)
        jax.clear_caches()
        return np.asarray(jax.jit(LinearMixed().fit_batch)(datasets).criterion)

    kept = start.one_is_enough
    first, given = criteria(lambda problem, spec: np.asarray(True)), criteria(kept)
    jax.clear_caches()
    # What a search may leave is newton.PROMISE; criteria of some hundred units have rounding errors of 1e-12.
    assert (given <= first + 10 * newton.PROMISE).all()
    assert (given < first - 1e-3).sum() >= 3


def test_other_starts_find_nothing_better(monkeypatch):
    """32 groups of 5 rows, where local optima were likeliest among datasets that are given one start; singular fits among them."""
    datasets = batch([make_rows(seed, [5] * 32, 3, group_sd=(0.1, 0.3, 1.0)[seed % 3]) for seed in range(60)], 32)
    fit = jax.jit(LinearMixed().fit_batch)
    one = fit(datasets)
    given = jax.vmap(lambda data: starts(data, FULL).needed)(datasets)
    assert (np.asarray(given) == 1).mean() > 0.9
    assert 0.2 < np.mean(np.asarray(one.singular)) < 0.9
    monkeypatch.setattr(start, "MANY_GROUPS", 10**6)
    jax.clear_caches()
    every = jax.jit(LinearMixed().fit_batch)(datasets)
    assert np.asarray(every.iterations).mean() > 2 * np.asarray(one.iterations).mean()
    # What a search may leave is newton.PROMISE; criteria of some hundred units have rounding errors of 1e-12.
    np.testing.assert_allclose(one.criterion, every.criterion, rtol=0, atol=10 * newton.PROMISE)
    jax.clear_caches()
