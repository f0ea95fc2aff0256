"""From a study, and what of it is finished, to chunks."""

from __future__ import annotations

import collections
import dataclasses
import math
import random
import sys

import pytest

from jaxsim import GaussianMultilevel, Grid, InputError, LinearMixed, PooledOLS, Study, TwoStage
from jaxsim.store.coverage import Coverage, common, less, union
from jaxsim.sweep import memory
from jaxsim.sweep.forecast import Forecast, as_text, forecast
from jaxsim.sweep.plan import plan
from jaxsim.sweep.shape import Shape

STUDY = Study(
    GaussianMultilevel(n_obs=4, n_predictors=1),
    Grid(n_groups=[4, 7, 30], group_sd=[0.2, 2]),
    (PooledOLS(), TwoStage(weights="precision")),  # which shares no sizes
    50,
    seed=1,
)


def work(chunks, study=STUDY):
    """How often each strategy fits each dataset."""
    found = collections.Counter()
    for chunk in chunks:
        for cell, replicate in zip(chunk.cells.tolist(), chunk.replicates.tolist(), strict=True):
            found.update((study.estimators[m].name, cell, replicate) for m in chunk.models)
    return found


def everything(study=STUDY):
    return {(e.name, c.index, r) for e in study.estimators for c in study.cells for r in range(e.wanted(study.replicates))}


@pytest.mark.parametrize("limit", [1, 3, 7, 64, 4096])
def test_chunks_hold_everything_once(limit):
    chunks = plan(STUDY, limit=limit)
    found = work(chunks)
    assert set(found) == everything()
    assert set(found.values()) == {1}
    assert max(map(len, chunks)) <= limit
    assert plan(STUDY, limit=limit) == chunks, "a pure function"


@pytest.mark.parametrize("limit", [5, 64])
def test_blocks_nest(limit):
    """Spans lie in blocks of a power of two, so that what two plans divide differently can be read together."""
    for chunk in plan(STUDY, limit=limit):
        assert chunk.block & (chunk.block - 1) == 0
        assert len({start // chunk.block for _, start, _ in chunk.spans}) == 1
        for _, start, stop in chunk.spans:
            assert (stop - 1) // chunk.block == start // chunk.block


def test_cells_advance_together():
    """An unfinished run has seen something of every cell of a shape."""
    first = plan(STUDY, limit=16)[0]
    assert set(first.cells.tolist()) == {0, 1, 2, 3}
    assert first.shape == Shape.of(STUDY.cells[0])


def test_only_what_is_missing_is_planned():
    done = Coverage()
    for cell in STUDY.cells[:4]:
        done.add("ols", cell.key, (0, 50))
        done.add("lm2", cell.key, (0, 20))
        done.add("lm2", cell.key, (30, 40))
    found = work(plan(STUDY, done, limit=32))
    expected = {item for item in everything() if item[1] > 3 or (item[0] == "lm2" and (20 <= item[2] < 30 or item[2] >= 40))}
    assert set(found) == expected
    assert set(found.values()) == {1}
    assert not plan(STUDY, done, replicates={0: 20, 1: 10}), "cells may have their own number of replicates"


def reference_chunks(study, done, limit):
    """The plan by its definition: every cell is looked at for every block of replicates."""
    works = collections.defaultdict(list)
    for cell in study.cells:
        missing = [set(covered(done.missing(e.name, cell.key, e.wanted(study.replicates)))) for e in study.estimators]
        for r in range(study.replicates):
            models = tuple(i for i, replicates in enumerate(missing) if r in replicates)
            if models:
                works[Shape.of(cell), models].append((cell.index, r))
    for (shape, models), datasets in works.items():
        cells, longest = sorted({cell for cell, _ in datasets}), 1 + max(r for _, r in datasets)
        for begin in range(0, len(cells), limit):
            some = cells[begin : begin + limit]
            block = 1
            while 2 * block * len(some) <= limit and block < longest:
                block *= 2
            for low in range(0, longest, block):
                inside = {(cell, r) for cell, r in datasets if cell in some and low <= r < low + block}
                if inside:
                    yield shape, models, block, inside


def covered(intervals):
    return [r for start, stop in intervals for r in range(start, stop)]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 16, 64, 4096])
@pytest.mark.parametrize("seed", range(4))
def test_the_plan_is_that_of_its_definition(limit, seed):
    """Whatever was finished before, in whatever stretches: the same chunks, blocks and datasets, in the same order."""
    rng, done = random.Random(seed), Coverage()
    for cell in STUDY.cells:
        for strategy in STUDY.estimators:
            for _ in range(rng.randrange(4)):
                done.add(strategy.name, cell.key, tuple(sorted(rng.sample(range(51), 2))))
    chunks = plan(STUDY, done, limit=limit)
    datasets = [set(zip(c.cells.tolist(), c.replicates.tolist(), strict=True)) for c in chunks]
    expected = list(reference_chunks(STUDY, done, limit))
    assert [(c.shape, c.models, c.block, d) for c, d in zip(chunks, datasets, strict=True)] == expected
    assert list(map(len, chunks)) == list(map(len, datasets)), "no dataset twice"
    for chunk in chunks:
        assert [cell for cell, _, _ in chunk.spans] == sorted(cell for cell, _, _ in chunk.spans)


def test_planning_takes_time_in_proportion_to_the_plan(monkeypatch):
    """However many cells there are of a shape, each is looked at a few times for each of its pieces."""
    plans, looks = sys.modules[plan.__module__], collections.Counter()

    class Counted(plans._Work):
        def __getattribute__(self, name):
            looks[name] += 1
            return super().__getattribute__(name)

    monkeypatch.setattr(plans, "_Work", Counted)
    grid = Grid(n_groups=[4], group_sd=[0.1 * k for k in range(1, 41)])
    chunks = plan(dataclasses.replace(STUDY, grid=grid), limit=2)
    assert len(chunks) == 20 * 50
    assert looks.total() <= 10 * sum(len(c.spans) for c in chunks)


def test_identity_is_of_the_work_alone():
    (one,) = plan(dataclasses.replace(STUDY, grid=Grid(n_groups=[4])))
    (same,) = plan(dataclasses.replace(STUDY, grid=Grid(group_sd=[0.25], n_groups=[4])))
    study = dataclasses.replace(STUDY, grid=Grid(n_groups=[4]))
    assert one.identity(study) == same.identity(dataclasses.replace(STUDY, grid=Grid(group_sd=[0.25], n_groups=[4])))
    for change in (
        dict(seed=2),
        dict(conf_level=0.9),
        dict(replicates=49),
        dict(estimators=(PooledOLS(), TwoStage())),
    ):
        other = dataclasses.replace(study, **change)
        assert plan(other)[0].identity(other) != one.identity(study), change


def test_intervals():
    assert union([(5, 9), (0, 2), (2, 4), (8, 12), (7, 7)]) == ((0, 4), (5, 12))
    assert less((0, 10), ((2, 4), (6, 20))) == ((0, 2), (4, 6))
    assert less((3, 5), ((0, 9),)) == ()
    assert common((3, 8), ((0, 4), (6, 7), (9, 12))) == ((3, 4), (6, 7))


def test_memory_is_read_and_kept():
    assert [memory.parse(text) for text in ("2G", "500 MB", "1.5kB", "64MiB", "1000")] == [2**31, 500 * 2**20, 1536, 2**26, 1000]
    for wrong in ("much", "-1G", "0", "2GG"):
        with pytest.raises(InputError, match="give a size such as 2G"):
            memory.parse(wrong)
    shape = Shape.of(STUDY.cells[0])
    tile = memory.tile_bytes(STUDY, shape)
    small, large = (memory.chunk_datasets(STUDY, shape, tile * k, 2, 10**9) for k in (4, 8))
    assert 0 < small < large
    assert memory.chunk_datasets(STUDY, shape, 2**40, 2, 4096) == 4096
    with pytest.raises(InputError, match=r"too little for datasets with room for 8 groups.*give more"):
        memory.chunk_datasets(STUDY, shape, tile, 2)


def test_a_chunk_takes_what_its_datasets_and_its_tiles_take():
    shape = Shape.of(STUDY.cells[0])
    tile, dataset = memory.tile_bytes(STUDY, shape), memory.dataset_bytes(STUDY)
    assert memory.chunk_bytes(STUDY, shape, 1, 4) == tile + dataset  # one tile is enough, whatever could be beside it
    limit = 2 * tile + 1000 * dataset
    assert memory.chunk_datasets(STUDY, shape, limit, 2, 10**9) == 1000
    assert memory.chunk_bytes(STUDY, shape, 1000, 2) == min(2, math.ceil(1000 / shape.tile)) * tile + 1000 * dataset <= limit


def test_a_forecast_tells_an_estimate_of_memory_from_its_limit():
    (shape,) = forecast(STUDY, plan(STUDY)[:1], 2**33, trial=False).shapes
    tried = dataclasses.replace(shape, compile_seconds=14.0, seconds=2.0, bytes=3 * 2**20, memory=5 * 2**20)
    found = Forecast((tried,), 0.1, 2**33, 400 * 2**20, kept=True)
    text = as_text(STUDY, found, {})
    assert "2 s to compute on this machine, 3 MB of disk, 405 MB of memory." in text
    assert "took 14 s just now; the run finds them in the cache." in text
    assert "up to 8 GB of memory (--memory), however many datasets there are: that is no estimate." in text
    assert "the run compiles them again" in as_text(STUDY, dataclasses.replace(found, kept=False), {})
    unknown = as_text(STUDY, Forecast((shape,), 0.1, 2**33, math.nan, kept=True), {})
    assert "not known without a trial; programs are compiled, unless they are in the cache." in unknown
    assert "MB" not in unknown


def test_float32_is_for_formulas_only():
    with pytest.raises(InputError, match=r"float32.*too coarse for lmer"):
        dataclasses.replace(STUDY, estimators=(PooledOLS(), LinearMixed()), dtype="float32")
    with pytest.raises(InputError, match="dtype='float16'"):
        dataclasses.replace(STUDY, dtype="float16")


def test_cells_that_are_the_same_process_are_refused():
    twins = Grid(a=[1, 2]).linked(lambda a: {"n_groups": 5})
    with pytest.raises(InputError, match=r"cells 0 .* and 1 .* are the same process"):
        dataclasses.replace(STUDY, grid=twins)
