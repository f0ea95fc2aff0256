"""What a run survives: killed at any moment, damaged files, no room, no access, another run beside it, an interrupt."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from exactly import same

import jaxsim
from jaxsim import GaussianMultilevel, Grid, InputError, PooledOLS, Study, TwoStage
from jaxsim.store.errors import BusyError, DamagedWarning, StorageError
from jaxsim.store.folder import Folder
from jaxsim.store.place import LocalPlace
from jaxsim.store.sealed import sealed
from jaxsim.sweep.worker import Worker

STUDY = Study(
    GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 7], group_sd=[0.2, 2]), (PooledOLS(), TwoStage()), 60, seed=3
)
BATCH = 8
CODE = """
import sys
from jaxsim import Study
study = Study.from_json(open(sys.argv[1]).read())
study.run(sys.argv[2], progress=False, batch=int(sys.argv[3]))
"""
# A process imports JAX and compiles within seconds; a machine that is busy with other things may need a minute.
PATIENCE = 240


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("reference") / "out", progress=False)


def start(out: Path, batch: int = BATCH) -> subprocess.Popen:
    """A run in a process of its own."""
    description = out.with_suffix(".study.json")
    description.write_text(STUDY.to_json())
    return subprocess.Popen([sys.executable, "-P", "-c", CODE, str(description), str(out), str(batch)], stderr=subprocess.PIPE)


# Importing takes far longer than what a run does until it is killed: one process imports, and forks another for each run.
FORKS = """
import os, sys
import jaxsim.sweep.run
from jaxsim import Study
for line in sys.stdin:
    study, out, batch = line[:-1].split("\\t")
    child = os.fork()
    if not child:
        Study.from_json(open(study).read()).run(out, progress=False, batch=int(batch))
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forked:
    """A run in a process that was forked, as much of :class:`subprocess.Popen` as is needed."""

    def __init__(self, parent: subprocess.Popen, out: Path, batch: int) -> None:
        self.parent, study = parent, out.with_suffix(".study.json")
        study.write_text(STUDY.to_json())
        print(study, out, batch, sep="\t", file=parent.stdin, flush=True)
        self.pid = int(parent.stdout.readline())

    def poll(self) -> bool | None:
        """None while it runs."""
        return None if Path(f"/proc/{self.pid}").exists() else True

    def kill(self) -> int:
        """SIGKILL; the status with which it ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return int(self.parent.stdout.readline())


def chunks(out: Path) -> list[Path]:
    return sorted((out / "chunks").glob("*.parquet"))


def wait_for(condition, process: subprocess.Popen | Forked | None = None) -> None:
    end = time.monotonic() + PATIENCE
    while not condition() and (process is None or process.poll() is None):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.002)


def test_killed_ten_times_at_random_moments(reference, tmp_path):
    """Killed while it writes or computes, the next one goes on; every fit is there once, and the numbers are the same."""
    out, rng, kills = tmp_path / "out", random.Random(7), 0
    forking = [sys.executable, "-P", "-W", "ignore", "-c", FORKS]  # of threads, which JAX has not started
    with subprocess.Popen(forking, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        while kills < 10:
            before = len(chunks(out))
            process = Forked(parent, out, batch=4)
            wait_for(lambda before=before: len(chunks(out)) > before + rng.randrange(4), process)
            time.sleep(rng.uniform(0, 0.02))
            if process.kill() == 0:
                break
            kills += 1
    assert kills >= 5, "it was not killed often enough while there was work"
    done = STUDY.run(out, progress=False, batch=4)
    same(done, reference)
    entries = done.folder.entries()
    assert sum(entry.about.datasets for entry in entries) == 240, "nothing is there twice"
    assert not list(out.rglob("*.partial")), "what a killed run left is cleared away"
    assert any(record["finished"] is None for record in done.provenance), "killed sessions are on record"


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "renamed"])
def test_a_damaged_chunk_is_found_and_computed_again(reference, tmp_path, damage, capsys):
    out = tmp_path / "out"
    STUDY.run(out, progress=False, batch=64)
    victim = chunks(out)[1]
    content = bytearray(victim.read_bytes())
    if damage == "truncated":
        victim.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 3] ^= 0x10
        victim.write_bytes(content)
    elif damage == "empty":
        victim.write_bytes(b"")
    else:  # under the name of other content
        victim.rename(victim.with_name(f"{'0' * 16}-{'1' * 16}.parquet"))
    with pytest.warns(DamagedWarning, match=r"is damaged .* run the study again .* count as missing"):
        assert jaxsim.load(out).progress[0] < 240
    again = STUDY.run(out, progress=True, batch=64)
    assert "1 damaged chunks were removed" in capsys.readouterr().out
    assert "damaged" in (out / "log.txt").read_text()
    same(again, reference)


def test_a_flipped_bit_is_found_when_results_are_read(tmp_path):
    """What was changed on the disk is not reported, also while the results are open."""
    out = tmp_path / "out"
    STUDY.run(out, progress=False)
    (victim,) = chunks(out)
    content = bytearray(victim.read_bytes())
    for place in range(200, len(content) // 2, 97):
        content[place] ^= 0x04
    opened = jaxsim.load(out)
    assert opened.progress == (240, 240)
    victim.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        opened.estimates  # noqa: B018
    with pytest.warns(DamagedWarning):
        assert jaxsim.load(out).progress == (0, 240)


@contextlib.contextmanager
def small_disk(folder: Path, size: str):
    """A file system of its own; skipped where this process may not mount one."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_with_a_message_and_loses_nothing(reference, tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk, "120k"):
        with pytest.raises(StorageError, match=r"the disk is full.*What was finished is kept"):
            STUDY.run(disk / "out", progress=False, batch=BATCH)
        kept = chunks(disk / "out")
        assert kept, "some chunks were finished"
        assert len(jaxsim.load(disk / "out").fits) == sum(e.about.datasets for e in Folder(disk / "out").entries()) * 2
        assert not list(disk.rglob("*.partial"))
        shutil.copytree(disk / "out", tmp_path / "out")
    done = STUDY.run(tmp_path / "out", progress=False, batch=BATCH)
    assert {path.name for path in kept} <= {path.name for path in chunks(tmp_path / "out")}
    same(done, reference)


def test_a_disk_that_is_full_from_the_start(tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk, "16k"):
        (disk / "full").write_bytes(b"0" * 4096 * 3)
        with pytest.raises(StorageError, match="the disk is full"):
            STUDY.run(disk / "out", progress=False)


def test_a_read_only_folder_is_refused_and_can_be_read(reference, tmp_path):
    disk = tmp_path / "disk"
    with small_disk(disk, "4m"):
        STUDY.run(disk / "out", progress=False)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(StorageError, match="read-only"):
            STUDY.run(disk / "out", progress=False)
        with pytest.raises(StorageError, match="read-only"):
            STUDY.run(disk / "other", progress=False)
        same(jaxsim.load(disk / "out"), reference)


def test_two_runs_at_once(reference, tmp_path):
    """The second is told who is at work; it disturbs nothing, and goes on when the first has gone."""
    out = tmp_path / "out"
    first = start(out, batch=1)
    try:
        wait_for(lambda: chunks(out), first)
        with pytest.raises(BusyError, match=f"another run writes there .process {first.pid} on "):
            STUDY.run(out, progress=False)
        assert first.poll() is None, "the first was still at work"
    finally:
        first.kill()
        first.wait()
    same(STUDY.run(out, progress=False), reference)


def test_chunks_that_overlap_are_read_once(reference, tmp_path):
    """Two runs on a file system without locks divided the same work differently."""
    whole, other = tmp_path / "whole", tmp_path / "other"
    STUDY.run(whole, progress=False, batch=64)
    STUDY.run(other, progress=False, batch=24)
    for file in chunks(other)[::2]:
        shutil.copy(file, whole / "chunks" / file.name)
    both = jaxsim.load(whole)
    assert sum(entry.about.datasets for entry in both.folder.entries()) > 240
    same(both, reference)
    assert both.progress == (240, 240)
    # The same rows in other frames: sums in another order.
    pd.testing.assert_frame_equal(both.measures(), reference.measures(), rtol=1e-9)


def test_an_interrupt_finishes_the_chunk_in_hand(reference, tmp_path, monkeypatch, capsys):
    compute, before = Worker.compute, signal.getsignal(signal.SIGINT)

    def interrupted(self, chunk, listen):
        os.kill(os.getpid(), signal.SIGINT)
        return compute(self, chunk, listen)

    monkeypatch.setattr(Worker, "compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        STUDY.run(tmp_path / "out", batch=BATCH)
    assert "stopping after the chunk in hand" in capsys.readouterr().err
    assert jaxsim.load(tmp_path / "out").progress[0] == BATCH
    assert signal.getsignal(signal.SIGINT) is before
    monkeypatch.setattr(Worker, "compute", compute)
    same(STUDY.run(tmp_path / "out", progress=False), reference)


def test_an_error_in_a_chunk_does_not_cost_the_one_before(tmp_path, monkeypatch):
    compute, seen = Worker.compute, []

    def broken(self, chunk, listen):
        seen.append(chunk)
        if len(seen) == 3:
            raise RuntimeError("the device fell off")
        return compute(self, chunk, listen)

    monkeypatch.setattr(Worker, "compute", broken)
    with pytest.raises(RuntimeError, match="fell off"):
        STUDY.run(tmp_path / "out", progress=False, batch=BATCH)
    assert len(chunks(tmp_path / "out")) == 2


def test_results_of_another_version_are_not_completed(tmp_path):
    out = tmp_path / "out"
    STUDY.run(out, progress=False)
    (out / "plan.json").write_bytes(sealed({**Folder(out).plan(), "jaxsim": "0.0.1"}))
    with pytest.raises(InputError, match=r"computed by jaxsim 0\.0\."):
        STUDY.run(out, progress=False)
    assert len(jaxsim.load(out).fits) == 480


def test_a_write_replaces_a_file_in_one_step(tmp_path):
    place = LocalPlace(tmp_path)
    place.write("a/b.json", b"one")
    place.write("a/b.json", b"two")
    assert place.read("a/b.json") == b"two"
    assert place.names("a") == ["b.json"]
    place.remove("a/b.json")
    place.remove("a/b.json")
    assert not place.exists("a/b.json")
    assert place.names("nowhere") == []
