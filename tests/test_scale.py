"""What large studies cost: how much of the stored files is read, and held at a time."""

from __future__ import annotations

import collections
import dataclasses
import io
import random

import fsspec
import numpy as np
import pytest

from jaxsim import GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage
from jaxsim.audit.sample import draw
from jaxsim.results import Results
from jaxsim.store import chunk
from jaxsim.store import entries as stored_entries
from jaxsim.store.coverage import union
from jaxsim.store.entries import covered, entries_of
from jaxsim.store.errors import DamagedError, StorageError
from jaxsim.store.folder import Folder
from jaxsim.store.ours import CHUNKS
from jaxsim.store.place import LocalPlace, RemotePlace

STUDY = Study(GaussianMultilevel(n_obs=4, n_predictors=2), Grid(n_groups=[5, 6]), (PooledOLS(), TwoStage()), 6000, seed=3)


class Recorder(io.FileIO):
    """A file that tells a list how much is read of it at a time."""

    def __init__(self, path, log: list[int]) -> None:
        super().__init__(path)
        self.log = log

    def read(self, size=-1):
        found = super().read(size)
        self.log.append(len(found))
        return found


class Watched(LocalPlace):
    """A folder that records what is read of its chunks."""

    def __init__(self, path) -> None:
        super().__init__(path)
        self.logs: dict[str, list[int]] = collections.defaultdict(list)

    def read(self, name):
        assert not name.startswith(CHUNKS), "a chunk is never read as a whole"
        return super().read(name)

    def open(self, name, whole=False):
        return Recorder(self.path / name, self.logs[name.rsplit("/", 1)[-1]])

    def size(self, name) -> int:
        return (self.path / CHUNKS / name).stat().st_size

    def share(self, name) -> float:
        """Bytes that were read of a chunk, by its size."""
        return sum(self.logs[name]) / self.size(name)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("stored") / "r", progress=False).folder.path


def test_only_footers_are_read_to_see_what_is_there(stored):
    place = Watched(stored)
    folder = Folder(place)
    names = [entry.name for entry in folder.entries()]
    assert folder.datasets() == 12_000
    assert len(names) > 2
    assert all(place.size(name) > 500_000 for name in names[:2])
    assert max(map(place.share, names)) < 0.2


def test_checksums_are_computed_piece_by_piece_and_once(stored, monkeypatch):
    """A run that finds everything done reads every chunk once, whatever is asked of the folder later."""
    monkeypatch.setattr(chunk, "PIECE", 10_000)
    place = Watched(stored)
    results = STUDY.run(place, progress=False)
    assert results.progress == (12_000, 12_000)
    for name in [entry.name for entry in results.folder.entries()]:
        pieces = [size for size in place.logs[name] if size <= 10_000]
        assert sum(pieces) == pytest.approx(place.size(name), rel=0.05)
        assert place.share(name) < 1.3, "once, and the footer"


def test_only_the_columns_that_are_asked_for_are_read(stored):
    place = Watched(stored)
    results = Results(place)
    names = [entry.name for entry in results.folder.entries()]
    place.logs.clear()  # each was read once to be checked
    list(results.frames("estimates", ["cell", "replicate", "model", "term", "estimate"]))
    assert max(map(place.share, names)) < 0.6


@pytest.fixture
def remote(stored, tmp_path, monkeypatch):
    """The same at an address, and what is asked of its file system: bytes by name."""
    url = f"memory://{tmp_path.name}"
    fs, root = fsspec.core.url_to_fs(url)
    fs.put(str(stored), root, recursive=True)
    asked: dict[str, list[int]] = collections.defaultdict(list)
    cat = type(fs).cat_file

    def watched(self, path, start=None, end=None, **options):
        found = cat(self, path, start, end, **options)
        asked[path.rsplit("/", 1)[-1]].append(len(found))
        return found

    monkeypatch.setattr(type(fs), "cat_file", watched)
    return url, asked


def test_of_an_object_only_the_footer_is_fetched(remote, stored):
    url, asked = remote
    folder = Folder(url)
    assert folder.datasets() == 12_000
    for entry in folder.entries():
        assert sum(asked[entry.name]) < 0.2 * (stored / CHUNKS / entry.name).stat().st_size


def test_an_object_is_fetched_once_to_be_checked(remote, stored):
    url, asked = remote
    STUDY.run(url, progress=False)
    for path in (stored / CHUNKS).iterdir():
        assert asked[path.name] == [path.stat().st_size]


def test_what_cannot_be_reached_is_not_damaged(remote, monkeypatch):
    """A server that stops answering in the middle costs no chunk."""
    url, _ = remote
    folder = Folder(url)
    names = folder.place.names(CHUNKS)

    def broken(self, path, start=None, end=None, **options):
        raise OSError("no route to host")

    monkeypatch.setattr(type(RemotePlace(url).fs), "cat_file", broken)
    for look in (folder.entries, folder.check):
        with pytest.raises(StorageError, match="no route to host") as caught:
            look()
        assert not isinstance(caught.value, DamagedError)
    assert folder.place.names(CHUNKS) == names


def test_more_replicates_are_planned_from_footers(remote, stored):
    url, asked = remote
    more = dataclasses.replace(STUDY, replicates=7000)
    assert Folder(url, more).coverage().missing("ols", more.cells[0].key, 7000) == ((6000, 7000),)
    assert sum(map(sum, asked.values())) < 0.2 * sum(path.stat().st_size for path in (stored / CHUNKS).iterdir())


MIXED = Study(
    GaussianMultilevel(n_groups=4, n_predictors=1),
    Grid(n_obs=[3, 6]),
    (PooledOLS(), LinearMixed(), LinearMixed(label="two")),
    96,
    seed=5,
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return MIXED.run(tmp_path_factory.mktemp("mixed") / "r", progress=False, batch=16)


def drawn_from_tables(results, per_cell, seed):
    """The sample by its definition, from whole tables: cell, replicate, strategy, then numbers of each fit."""
    for place, name in enumerate(("lmer", "two")):
        fits = results.fits[results.fits["model"] == name]
        for cell, rows in fits.groupby("cell"):
            take = np.sort(np.random.default_rng([seed, place, cell]).permutation(len(rows))[:per_cell])
            for row in rows.iloc[take].itertuples():
                table = results.estimates.query("cell == @cell and replicate == @row.replicate and model == @name")
                yield (
                    cell,
                    row.replicate,
                    name,
                    row.status,
                    row.criterion,
                    row.sigma,
                    row.sd_Group_IV1 * row.sd_Group_IV1,
                    *table["std_error"],
                    *table["df"],
                )


@pytest.mark.parametrize("per_cell", [1, 5, 200])
def test_an_audit_draws_what_it_always_drew(mixed, per_cell):
    found = [
        (f.cell, f.replicate, f.strategy.name, f.status, f.criterion, f.sigma, f.covariance[0][1, 1], *f.std_error, *f.df)
        for f in draw(mixed, per_cell, seed=2)
    ]
    assert found == sorted(drawn_from_tables(mixed, per_cell, 2), key=lambda fit: fit[:2])


def test_an_audit_asks_for_nothing_of_strategies_that_have_not_begun(mixed):
    """As of a study to which one was added, and whose run was stopped at once: no chunk has its columns."""
    more = dataclasses.replace(MIXED, estimators=(*MIXED.estimators[:1], LinearMixed(random=("Intercept",), label="ri")))
    held = mixed.folder.path.parent / "ri"
    more.run(held, progress=False)
    both = dataclasses.replace(more, estimators=(*more.estimators, LinearMixed()))
    assert {fit.strategy.name for fit in draw(Results(Folder(held, both)), 3, seed=1)} == {"ri"}


def test_a_chunk_that_is_gone_is_told_of(mixed, tmp_path):
    place = LocalPlace(tmp_path)
    folder = Folder(place)
    with pytest.raises(StorageError, match="removed while the results were read"), folder.open_chunk("gone.parquet"):
        pass


def test_an_audit_reads_only_the_chunks_of_its_sample(mixed):
    place = Watched(mixed.folder.path)
    results = Results(place)
    list(results.reader.entries)
    place.logs.clear()
    draw(results, 1, seed=0)
    assert 0 < len(place.logs) <= 4 < len(results.folder.entries())
    drawn = Results(place)
    drawn.read = drawn.frames = None
    assert len(draw(drawn, 1, seed=0)) == 4, "tables are not read as a whole"


@pytest.mark.parametrize("sets", [[("a", "b")], [("a", "b"), ("c",)], [("a", "b"), ("b",), ("b", "a")]])
@pytest.mark.parametrize("seed", range(3))
def test_what_chunks_hold_together_is_counted_one_by_one(sets, seed):
    rng = random.Random(seed)
    chunks, seen = [], set()
    for number in range(6):
        ends = [sorted(rng.sample(range(20), 2)) for _ in range(3)]
        spans = tuple(chunk.Span(key, *end) for key, end in zip("xyx", ends, strict=True))
        chunks.append((str(number), chunk.About("", 32, dict.fromkeys(rng.choice(sets), ""), spans, {})))
    for entry in entries_of(chunks):
        here = {(m, s.key, r) for m in entry.about.models for s in entry.about.spans for r in range(s.start, s.stop)}
        again = {
            (m, key, r) for (m, key), intervals in entry.again.items() for start, stop in intervals for r in range(start, stop)
        }
        twice = [(m, s.key, r) for m in entry.about.models for s in entry.about.spans for r in range(s.start, s.stop)]
        assert again == (seen & here) | {item for item in twice if twice.count(item) > 1}
        seen |= here
    done = covered(entries_of(chunks)).done
    assert {(m, key, r) for (m, key), intervals in done.items() for start, stop in intervals for r in range(start, stop)} == seen


def test_strategies_of_the_same_chunks_are_looked_at_together(monkeypatch):
    """A study of many cells has a span for each cell and block: they are gone through once, not once for each strategy."""
    spans = tuple(chunk.Span(f"{cell}", 0, 1) for cell in range(50))
    entries = entries_of((str(n), chunk.About("", 1, {"a": "", "b": "", "c": ""}, spans, {})) for n in range(2))
    unions = []
    monkeypatch.setattr(stored_entries, "union", lambda intervals: unions.append(1) or union(intervals))
    assert len(covered(entries).done) == 150
    assert len(unions) == 50


def test_spans_share_their_keys(stored):
    """Of a million datasets in as many spans, the keys of the cells are held once."""
    entries = Folder(stored).entries()
    assert len({id(span.key) for entry in entries for span in entry.about.spans}) == 2
    assert not hasattr(entries[0].about.spans[0], "__dict__")


def test_a_study_is_read_again_only_if_it_changed(stored, monkeypatch):
    """To describe 50,000 cells takes seconds."""
    folder, read = Folder(stored), []
    made = Study.from_json
    monkeypatch.setattr(Study, "from_json", lambda text: read.append(1) or made(text))
    assert folder.stored_study() is folder.study()
    assert folder.datasets() == 12_000
    assert len(read) == 1
