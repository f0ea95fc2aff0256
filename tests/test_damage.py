"""Bits that flip, files that vanish, folders that move: nothing is wrong in silence, and a run repairs what it can."""

from __future__ import annotations

import errno
import os
import random
import shutil
import warnings

import pandas as pd
import pytest

import jaxsim
from jaxsim import GaussianMultilevel, Grid, InputError, PooledOLS, Study, TwoStage, report
from jaxsim.cli.main import main
from jaxsim.store import inventory
from jaxsim.store.errors import DamagedWarning, StorageError
from jaxsim.store.folder import Folder
from jaxsim.sweep import run as runs

STUDY = Study(
    GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 7], group_sd=[0.2, 2]), (PooledOLS(), TwoStage()), 40, seed=3
)
BATCH = 16
# What numbers are read from; cells.csv is for others to read, and is compared with what it was.
NUMBERS = ("chunks/*.parquet", "study.json", "plan.json", "provenance.json", "cells.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("whole") / "out", progress=False, batch=BATCH)


@pytest.fixture
def out(whole, tmp_path):
    shutil.copytree(whole.out, tmp_path / "out")
    return tmp_path / "out"


def tables(out):
    results = jaxsim.load(out)
    return results.estimates, results.fits


def same(one, other):
    return all(a.equals(b) for a, b in zip(one, other, strict=True))


def flip(file, rng):
    content = bytearray(file.read_bytes())
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    file.write_bytes(content)


def looked_at(out, reference):
    """Whether the tables are those that were written, and what was said."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            results = jaxsim.load(out)
            unchanged = results.progress == (160, 160) and same((results.estimates, results.fits), reference)
            results.provenance, results.folder.plan()
        except InputError as error:
            return False, [error]
    return unchanged, said


@pytest.mark.parametrize("name", NUMBERS)
def test_flipped_bits(whole, out, name):
    """Every flip is said, or changes nothing that is read; the same command repairs it to identical bits."""
    rng, reference = random.Random(name), tables(whole.out)
    cells = (out / "cells.csv").read_bytes()
    for _ in range(12 if "parquet" in name else 4):
        flip(rng.choice(sorted(out.glob(name))), rng)
        unchanged, said = looked_at(out, reference)
        assert unchanged or said
        if name != "cells.csv":
            assert said, "nothing of these files may change without a word"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedWarning)
            STUDY.run(out, progress=False, batch=BATCH)
        assert same(tables(out), reference)
        assert (out / "cells.csv").read_bytes() == cells


def loaded(out):
    """Results whose chunks were looked at."""
    results = jaxsim.load(out)
    results.folder.entries()
    return results


def test_every_table_counts_a_damaged_chunk_as_missing(out, capsys):
    victim = sorted(out.glob("chunks/*.parquet"))[0]
    content = bytearray(victim.read_bytes())
    at = content.rindex(b"truth")  # a name in the footer: the column would be another one
    content[at] ^= 1
    victim.write_bytes(content)
    with pytest.warns(DamagedWarning, match=rf"{victim.name} is damaged \(its checksum is wrong\); run the study again"):
        results = loaded(out)
    done = results.progress[0]
    assert 0 < done < 160
    assert results.folder.damaged == (victim.name,)
    assert len(results.fits) == 2 * done
    assert sum(len(part) for part in results.frames("fits")) == 2 * done
    assert main(["summary", str(out)]) == 0
    told = capsys.readouterr()
    assert f"UNFINISHED: {done} of 160 datasets." in told.out
    assert told.err.count(victim.name) == 1, "in one line"


def test_a_file_is_read_once_a_process(out, monkeypatch):
    read = []
    monkeypatch.setattr(inventory.chunks, "is_whole", lambda name, file: read.append(name) or True)
    jaxsim.load(out).estimates  # noqa: B018
    assert sorted(read) == sorted(p.name for p in out.glob("chunks/*.parquet"))
    jaxsim.load(out).fits  # noqa: B018
    assert len(read) == len(set(read))
    os.utime(out / "chunks" / read[0])
    jaxsim.load(out).fits  # noqa: B018
    assert read.count(read[0]) == 2, "it may be another file now"


def test_rows_that_a_chunk_lacks(out):
    """Written with a right checksum by somebody else's hand."""
    folder = Folder(out)
    entry = folder.entries()[0]
    with folder.open_chunk(entry.name) as file:
        table = inventory.chunks.unpack(entry.name, file)
    folder.place.remove(f"chunks/{entry.name}")
    name = folder.write_chunk(table.slice(1), entry.about)
    with pytest.warns(DamagedWarning, match=rf"{name} has {len(table) - 1} rows instead of {len(table)}"):
        assert jaxsim.load(out).progress[0] < 160


FOREIGN = ["thesis.docx", "thesis.partial", "log.txt", "report/index.html", "chunks/data.parquet", "sub/x"]


class TestWhatIsNotOurs:
    def test_files_of_somebody_else_are_not_removed(self, out):
        for name in ("thesis.partial", ".thesis.docx.partial", f".thesis.{'a' * 32}.partial", "chunks/notes.partial"):
            (out / name).write_text("years of work")
        (out / "sub.partial").mkdir()
        (out / f".study.json.{'b' * 32}.partial").write_text("{")
        (out / "chunks" / f".{'0' * 16}-{'1' * 16}.parquet.{'c' * 32}.partial").write_text("half of a chunk")
        before = {p for p in out.rglob("*") if "years" in (p.read_text(errors="replace") if p.is_file() else "")}
        STUDY.run(out, progress=False, batch=BATCH)
        assert set(out.rglob("*.partial")) == before | {out / "sub.partial"}

    @pytest.mark.parametrize("name", FOREIGN)
    def test_a_folder_with_them_is_not_taken(self, tmp_path, name):
        file = tmp_path / "out" / name
        file.parent.mkdir(parents=True)
        file.write_text("years of work")
        with pytest.raises(InputError, match=rf"{name.split('/')[0]}.*is not of a run"):
            STUDY.run(tmp_path / "out", progress=False)
        assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [file]

    def test_a_page_of_somebody_else_is_not_replaced(self, whole, tmp_path):
        page = tmp_path / "index.html"
        page.write_text("<h1>My home page</h1>")
        with pytest.raises(InputError, match="is no report of jaxsim and is not replaced"):
            report.write(whole, tmp_path)
        assert page.read_text() == "<h1>My home page</h1>"

    def test_a_table_that_cannot_be_written_leaves_nothing(self, whole, tmp_path, capsys, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        assert main(["summary", str(whole.out), "--csv", str(tmp_path / "table.csv")]) == 2
        assert "the disk is full" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


class TestStatusZeroMeansComplete:
    """Somebody removes what a run has finished, while it is at work."""

    def run_while(self, monkeypatch, out, harm, times=1):
        """A run during which ``harm`` is done after each of the first so many chunks."""
        noted, left = runs._Work._note, [times]

        def note(work, *arguments):
            noted(work, *arguments)
            if left[0]:
                left[0] -= 1
                harm()

        monkeypatch.setattr(runs._Work, "_note", note)
        return STUDY.run(out, progress=False, batch=BATCH)

    def test_a_chunk_that_is_removed_is_computed_again(self, whole, tmp_path, monkeypatch):
        out = tmp_path / "out"
        results = self.run_while(monkeypatch, out, lambda: next(out.glob("chunks/*.parquet")).unlink())
        assert results.progress == (160, 160)
        assert same((results.estimates, results.fits), tables(whole.out))
        assert "1 chunk that had been finished must be computed again: gone" in (out / "log.txt").read_text()

    def test_a_run_whose_chunks_go_on_vanishing_says_so(self, tmp_path, monkeypatch):
        out = tmp_path / "out"

        def harm():
            for file in out.glob("chunks/*.parquet"):
                file.unlink()

        with pytest.raises(StorageError, match=r"lacks [\d,]+ datasets that were computed: something removes"):
            self.run_while(monkeypatch, out, harm, times=1000)

    @pytest.mark.parametrize("harm", [lambda out: out.rename(out.with_name("elsewhere")), shutil.rmtree])
    def test_a_folder_that_is_moved(self, tmp_path, monkeypatch, harm):
        out = tmp_path / "out"
        with pytest.raises(StorageError, match="moved or removed"):
            self.run_while(monkeypatch, out, lambda: harm(out))
        assert not out.exists(), "it is not made again"

    @pytest.mark.parametrize("name", ["cells.csv", "plan.json", "provenance.json"])
    def test_small_files_that_are_missing_are_written_again(self, out, name):
        (out / name).unlink()
        STUDY.run(out, progress=False, batch=BATCH)
        assert (out / name).stat().st_size > 0
        if name == "cells.csv":
            assert len(pd.read_csv(out / name)) == 4


ASKED_WRONGLY = {
    "columns that are one name": (dict(columns="model"), r"columns='model': give a tuple of names"),
    "columns that are a number": (dict(columns=5), "columns=5: give a tuple of names"),
    "no datasets a part": (dict(datasets=0), "datasets=0: give a whole number of at least 1"),
    "half a dataset": (dict(datasets=2.5), "datasets=2.5: give a whole number"),
    "replicates that are text": (dict(replicates="ab"), "replicates='ab': give a whole number"),
    "replicates below none": (dict(replicates=(-1, 5)), "the first of replicates=-1: give a whole number of at least 0"),
    "replicates from behind": (dict(replicates=(3, 2)), "the end of replicates=2: give a whole number of at least 3"),
    "three ends": (dict(replicates=(0, 5, 6)), r"replicates=\(0, 5, 6\): give how many of each cell, or a pair"),
    "cells that are text": (dict(cells="a"), "cells='a': give a list of cells' numbers"),
    "a cell that is not there": (dict(cells=[99]), "cell=99: this study has cells 0 to 3"),
}


@pytest.mark.parametrize("case", ASKED_WRONGLY)
def test_odd_questions(whole, case):
    options, words = ASKED_WRONGLY[case]
    with pytest.raises(InputError, match=words):
        whole.read("fits", **options)


def test_no_cells_are_none_and_not_all(whole):
    assert not list(whole.frames("fits", cells=[]))
    assert len(whole.read("fits", cells=[1], replicates=(3, 7))) == 8


def disk_that_fills_at(monkeypatch, number):
    """From the ``number``-th file on nothing can be written; the number of files that were."""
    written = []

    def sync(_):
        written.append(1)
        if len(written) > number:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jaxsim.store.place.os.fsync", sync)
    return written


def test_a_disk_that_is_full_at_any_write(whole, tmp_path, monkeypatch):
    """A run says so and keeps what was finished; when there is room again, the same command makes the rest, to the same bits."""
    out, reference = tmp_path / "out", tables(whole.out)
    with monkeypatch.context() as patch:
        written = disk_that_fills_at(patch, 10**9)
        STUDY.run(tmp_path / "counted", progress=False, batch=BATCH)
    assert len(written) >= 14, "ten chunks and the small files"
    for number in range(len(written)):
        with monkeypatch.context() as patch:
            disk_that_fills_at(patch, number)
            with pytest.raises(StorageError, match="the disk is full"):
                STUDY.run(out, progress=False, batch=BATCH)
        assert not list(out.rglob("*.partial"))
        if (out / "study.json").exists():
            done = jaxsim.load(out).progress[0]
            assert done == sum(entry.about.datasets for entry in Folder(out).entries())
        if number % 4 == 3:
            assert same((made := STUDY.run(out, progress=False, batch=BATCH)) and tables(made.out), reference)
        shutil.rmtree(out, ignore_errors=True)


def test_files_that_vanish_or_move_at_random_while_a_run_is_at_work(whole, tmp_path, monkeypatch):
    """It ends complete or says what it lacks, and the next one ends complete."""
    reference, noted = tables(whole.out), runs._Work._note
    for seed in range(8):
        rng, out = random.Random(seed), tmp_path / str(seed)

        def note(work, *arguments, rng=rng, out=out):
            noted(work, *arguments)
            files = sorted(file for file in out.rglob("*") if file.is_file() and rng.random() < 0.1)
            for file in files:
                if rng.random() < 0.5:
                    file.unlink(missing_ok=True)
                else:
                    file.rename(file.with_name(f"{file.name}.moved"))

        with monkeypatch.context() as patch:
            patch.setattr(runs._Work, "_note", note)
            said = ""
            try:
                complete = STUDY.run(out, progress=False, batch=BATCH).progress == (160, 160)
            except StorageError as error:
                complete, said = False, str(error)
        if complete:
            assert same(tables(out), reference)
        else:
            assert "lacks" in said or "moved or removed" in said, "never quietly incomplete"
