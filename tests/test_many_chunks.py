"""Many small chunks: read together and once, with the numbers to the last bit that they have when each is read alone."""

from __future__ import annotations

import collections
import dataclasses
import functools

import numpy as np
import pandas as pd
import pytest

from jaxsim import GaussianMultilevel, Grid, LinearMixed, OwnMeasure, PooledOLS, Study, TwoStage
from jaxsim.measures.stream import held, performance
from jaxsim.results import Results
from jaxsim.store import reading, windows
from jaxsim.store.chunk import About, Span
from jaxsim.store.entries import entries_of
from jaxsim.store.folder import CHUNKS, Folder
from jaxsim.store.place import LocalPlace
from jaxsim.sweep.plan import plan
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.worker import Worker

OWN = (
    OwnMeasure("spread", lambda rows: rows.estimate.max() - rows.estimate.min()),
    OwnMeasure("off", lambda rows: abs(rows.estimate - rows.truth) > 1),
)
# Cells of two shapes, in chunks of at most five datasets; the last strategy came later, and in chunks of another size.
STUDY = Study(
    GaussianMultilevel(n_obs=4, n_predictors=1),
    Grid(n_groups=[4, 20], group_sd=[0.1, 0.5, 2.0]),
    (PooledOLS(), TwoStage(weights="precision")),  # which shares no sizes
    24,
    seed=3,
)
GROWN = dataclasses.replace(STUDY, estimators=(*STUDY.estimators, LinearMixed()), measures=OWN, replicates=30)


class Counted(LocalPlace):
    """A folder that counts how often each chunk is opened."""

    def __init__(self, path) -> None:
        super().__init__(path)
        self.opened: collections.Counter[str] = collections.Counter()

    def open(self, name, whole=False):
        self.opened[name] += 1
        return super().open(name, whole)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    out = tmp_path_factory.mktemp("many") / "r"
    STUDY.run(out, progress=False, batch=5)
    GROWN.run(out, progress=False, batch=7)
    assert len(list((out / CHUNKS).iterdir())) > 40
    return out


def load(place) -> Results:
    """Results with their own measures, which a folder does not hold."""
    return Results(Folder(place, GROWN))


def tables(results: Results) -> dict[str, pd.DataFrame]:
    """What people ask of results, read by every kind of look."""
    return {
        "estimates": results.estimates,
        "fits": results.fits,
        "by cell": results.measures(["cell", "model", "term"]),
        "by model": results.measures(["model"], policy="listwise"),
        "first": results.performance_of(11, [1, 4]).measures([], measures=["median_absolute_error", "coverage"]),
        "where": results.measures(["model"], where={"n_groups": 20}),
        "rates": results.rates(["cell"]),
        "reasons": results.reasons([]),
        "paired": results.paired("lm2", ["n_groups"]),
        "components": results.components(["cell"]),
    }


@pytest.fixture(scope="module")
def alone(stored):
    """The tables when nothing is read together, and nothing kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            reading, "windows", lambda entries, wanted, replicates, datasets: windows.windows(entries, wanted, replicates, 0)
        )
        patch.setattr(reading, "stacks", lambda given, datasets: ((window,) for window in given))
        patch.setattr(windows.Kept, "add", None)
        patch.setattr(performance, "Held", functools.partial(held.Held, 0))
        found = tables(load(stored))
    return found


@pytest.mark.parametrize("limit", [windows.KEPT, 60_000, 0], ids=["all kept", "some kept", "none kept"])
def test_numbers_do_not_depend_on_what_is_read_together(stored, alone, limit, monkeypatch):
    results = load(stored)
    monkeypatch.setattr(results.reader.kept, "limit", limit)
    monkeypatch.setattr(reading, "stacks", lambda given, datasets: windows.stacks(given, 100))
    monkeypatch.setattr(performance, "Held", functools.partial(held.Held, limit if limit < windows.KEPT else held.HELD))
    for name, found in tables(results).items():
        pd.testing.assert_frame_equal(found, alone[name], check_exact=True, obj=name)
    kept = results.reader.kept
    assert kept.size == sum(rows.nbytes for rows in kept.rows.values()) <= limit
    assert kept.is_full == (limit < windows.KEPT)
    assert bool(kept.rows) == (limit > 0)


def test_parts_hold_no_more_datasets_than_were_asked_for(stored, alone):
    columns = ["cell", "replicate", "model", "term", "estimate"]
    for most in (1, 6, 50):
        frames = list(load(stored).frames("estimates", columns, datasets=most))
        for frame in frames:
            pairs = frame[["cell", "replicate"]].drop_duplicates()
            assert len(pairs) <= most
            assert pairs.equals(pairs.sort_values(["cell", "replicate"]))
        whole = pd.concat(frames).sort_values(["cell", "replicate"], kind="stable", ignore_index=True)
        pd.testing.assert_frame_equal(whole, alone["estimates"][columns], check_exact=True)


def test_small_chunks_are_opened_once_for_all_looks(stored):
    place = Counted(stored)
    results = load(place)
    list(results.reader.entries)
    footers = dict(place.opened)
    results.measures(["model"])
    results.rates([])
    results.paired("lm2")
    assert set(place.opened.values()) == {2}
    assert set(footers.values()) == {1}


def test_what_is_kept_is_bounded(stored, monkeypatch):
    """Once it is full, windows that did not fit are read as large ones are: the columns that are asked for, each time."""
    place = Counted(stored)
    results = load(place)
    monkeypatch.setattr(results.reader.kept, "limit", 60_000)
    for _ in range(3):
        list(results.frames("estimates", ["cell", "replicate", "model", "term", "estimate"], datasets=100))
    often = collections.Counter(place.opened.values())
    assert set(often) == {2, 4}, "the footer, then once or three times"


def made(spans, block, models=("a",)) -> About:
    return About("", block, dict.fromkeys(models, ""), tuple(Span(*span) for span in spans), {}, ("estimate",))


def test_windows_hold_every_dataset_once_and_in_order():
    rng = np.random.default_rng(4)
    keys = [f"cell {n}" for n in range(40)]
    chunks = []
    for number, key in enumerate(keys):
        block = int(rng.choice([2, 4, 8]))
        models = ("a", "b") if number % 3 else ("a",)
        chunks += [(f"{number} {low}", made([(key, low, low + block)], block, models)) for low in range(0, 16, block)]
    order = rng.permutation(len(chunks))
    entries = entries_of([chunks[i] for i in order])
    wanted = {key: number for number, key in enumerate(keys)}
    for most in (0, 10, 64, 1000):
        found = list(windows.windows(entries, wanted, (0, 13), most))
        for window in found:
            assert window.datasets <= most or not window.is_joined
            assert len({tuple(e.about.models) for e in window.entries}) == 1
        for key in keys:
            mine = [window.replicates for window in found if key in window.cells]
            assert mine == sorted(mine)
            assert [r for low, high in mine for r in range(low, high)] == list(range(13))
        for entry in entries:
            inside = any(low < 13 for span in entry.about.spans for low in (span.start,))
            assert sum(entry in window.entries for window in found) == inside
    stretches = {(window.replicates, window.columns) for window in found}
    assert len(found) == len(stretches) < len(entries) / 5, "one for each stretch and kind of chunk, if that many datasets may be"


def test_a_shape_is_prepared_once(monkeypatch):
    """What programs take is put together for a whole tile, which takes longer than a small chunk."""
    asked = []
    arguments = Programs.arguments
    monkeypatch.setattr(Programs, "arguments", lambda self, tile: asked.append(len(tile)) or arguments(self, tile))
    with Worker(STUDY) as worker:
        for chunk in plan(STUDY, limit=5):
            worker.prepare(chunk)
    assert len(asked) == 2
