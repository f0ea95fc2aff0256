"""A results folder: the study's description, a Parquet file per finished chunk, and where they came from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jaxsim.errors import InputError
from jaxsim.store import chunk as chunks
from jaxsim.store.chunk import About
from jaxsim.store.coverage import Coverage, union
from jaxsim.store.differences import refuse_other
from jaxsim.store.entries import Entry, covered, entries_of
from jaxsim.store.errors import DamagedError, StorageError
from jaxsim.store.place import LOCK, LocalPlace, Place, as_json, place_of
from jaxsim.store.provenance import version
from jaxsim.study import registry
from jaxsim.study.study import Study

STUDY, PLAN, PROVENANCE, REACHED = "study.json", "plan.json", "provenance.json", "reached.json"
AUDIT, LOG, CELLS, CHUNKS = "audit.parquet", "log.txt", "cells.csv", "chunks"
ABOUT_AUDIT = b"jaxsim.audit"
# What a run may have left that was stopped before it wrote the study, or whose description somebody removed.
BEGUN = frozenset({CHUNKS, PLAN, PROVENANCE, REACHED, AUDIT, LOG, LOCK, CELLS, "report"})
# Files looked at at a time: hashing releases Python's lock, and so does waiting for an address.
TOGETHER = 4


class Folder:
    """Reads and writes one results folder, here or at any address that fsspec can open.

    Args:
        out: the folder, its address, or a place.
        study: whose results are wanted, if that is not yet (or not only) the one that is stored.
    """

    def __init__(self, out: str | Path | Place, study: Study | None = None) -> None:
        self.place = place_of(out)
        self._wanted = study
        self._abouts: dict[str, About] = {}
        self._entries: tuple[list[str], tuple[Entry, ...]] | None = None
        self._stored: tuple[bytes, Study] | None = None

    def reopened(self) -> Folder:
        """The folder without what a run holds, without looking again at the chunks that are known here."""
        folder = Folder(self.place, self._wanted)
        folder._abouts = self._abouts
        return folder

    @property
    def path(self) -> Path:
        """The folder on this machine; raises :class:`InputError` for one elsewhere."""
        if not isinstance(self.place, LocalPlace):
            raise InputError(f"{self.place.url} is not a folder of this machine; name one with --out.")
        return self.place.path

    def check_study(self, study: Study) -> None:
        """Raise :class:`InputError` unless the folder is new, or holds this study or a part of it; writes nothing.

        A part has fewer replicates, levels or strategies. Refused are another study, results of another version of jaxsim, and
        files that are not results.
        """
        if not self.place.exists(STUDY):
            self.place.check_new(BEGUN)
            return
        held = self.stored_study()
        if held.to_json() != study.to_json():
            refuse_other(self.place.url, held, study)
        made = self.plan().get("jaxsim", version("jaxsim-studies"))
        if made != version("jaxsim-studies"):
            raise InputError(
                f"{self.place.url} was computed by jaxsim {made}, this is {version('jaxsim-studies')}: what is there can be "
                "read, not completed. Give another --out, or go on with that version."
            )

    def claim(self, study: Study) -> None:
        """Make the folder this study's, after :meth:`check_study`; call it while holding the place's lock."""
        self.check_study(study)
        if self.place.exists(STUDY) and self.stored_study().to_json() == study.to_json():
            return
        cells = study.cell_table().assign(cell_key=[cell.key for cell in study.cells])
        self.place.write(CELLS, cells.to_csv(index=False).encode())
        self.place.write(STUDY, study.to_json().encode())

    def stored_study(self) -> Study:
        """The study whose results these are; raises :class:`InputError` if the folder holds none, or its file is damaged."""
        try:
            content = self.place.read(STUDY)
            if self._stored is None or self._stored[0] != content:
                self._stored = content, Study.from_json(content.decode())
            return self._stored[1]
        except FileNotFoundError as error:
            raise InputError(
                f"{self.place.url} holds no jaxsim results (no study.json); give a folder that a run wrote."
            ) from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._damaged(STUDY, "remove it and give the command that began the run: its chunks are kept") from error

    def study(self) -> Study:
        """The study that is wanted, or else the one that is stored."""
        return self._wanted or self.stored_study()

    def _json(self, name: str, empty: Any) -> Any:
        """A small file's content; ``empty`` if it is not there."""
        if not self.place.exists(name):
            return empty
        try:
            return json.loads(self.place.read(name))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._damaged(name, "remove it: the numbers are not in it") from error

    def _damaged(self, name: str, advice: str) -> StorageError:
        return StorageError(f"{self.place.url}/{name} is damaged; {advice}.")

    def write_chunk(self, table: pa.Table, about: About) -> str:
        """Store one finished chunk; returns its file's name. Storing it twice is the same as once."""
        name, content = chunks.pack(table, about)
        self.place.write(f"{CHUNKS}/{name}", content)
        self._abouts[name] = about
        return name

    @contextlib.contextmanager
    def open_chunk(self, name: str, whole: bool = False) -> Iterator[BinaryIO]:
        """A chunk's file to read in, as it was written or damaged since; see :meth:`jaxsim.store.place.Place.open`.

        Raises:
            StorageError: if it is gone.
        """
        try:
            with self.place.open(f"{CHUNKS}/{name}", whole) as file:
                yield file
        except FileNotFoundError as error:
            raise StorageError(
                f"{self.place.url}/{CHUNKS}/{name} was removed while the results were read (a run that goes on removes damaged "
                "chunks); load them again."
            ) from error

    def check(self) -> tuple[str, ...]:
        """Read every chunk, piece by piece, and remove those that are not what was written; returns their names."""
        with ThreadPoolExecutor(TOGETHER) as pool:
            names = self._names()
            whole = list(pool.map(self._is_whole, names))
        damaged = tuple(name for name, good in zip(names, whole, strict=True) if not good)
        for name in damaged:
            self.place.remove(f"{CHUNKS}/{name}")
            self._abouts.pop(name, None)
        return damaged

    def _is_whole(self, name: str) -> bool:
        with self.open_chunk(name) as file:
            if not chunks.is_whole(name, file):
                return False
            try:
                self._abouts[name] = chunks.describe(name, file)
            except DamagedError:
                return False
        return True

    def _describe(self, names: Iterable[str]) -> None:
        """Learn what some chunks hold, from their footers."""

        def about(name: str) -> About:
            with self.open_chunk(name) as file:
                return chunks.describe(name, file)

        unknown = [name for name in names if name not in self._abouts]
        with ThreadPoolExecutor(TOGETHER) as pool:
            self._abouts.update(zip(unknown, pool.map(about, unknown), strict=True))

    def entries(self) -> tuple[Entry, ...]:
        """Every finished chunk of the study, in order of its name; those of other strategies or settings are left out.

        Raises:
            StorageError: if one is damaged.
        """
        names = self._names()
        if self._entries is None or self._entries[0] != names:
            self._entries = (names, entries_of(self._mine(names, self.study())))
        return self._entries[1]

    def _mine(self, names: list[str], study: Study) -> Iterator[tuple[str, About]]:
        """Chunks of this study's strategies and settings."""
        known = {(e.name, registry.canonical(e)) for e in study.estimators}
        self._describe(names)
        for name in names:
            about = self._abouts[name]
            if set(about.models.items()) <= known and dict(about.settings) == study.settings:
                yield name, about

    def coverage(self) -> Coverage:
        """What is finished."""
        return covered(self.entries())

    def _names(self) -> list[str]:
        return [name for name in self.place.names(CHUNKS) if chunks.is_chunk(name)]

    def datasets(self) -> int:
        """Datasets that every strategy of the study has finished (one that fits only the first few: so many of those)."""
        study, coverage, total = self.study(), self.coverage(), 0
        for cell in study.cells:
            reached = max((high for e in study.estimators for _, high in coverage.of(e.name, cell.key)), default=0)
            missing = [gap for e in study.estimators for gap in coverage.missing(e.name, cell.key, e.wanted(reached))]
            total += reached - sum(high - low for low, high in union(missing))
        return total

    def write_plan(self, plan: Mapping[str, object]) -> None:
        """Store what a run is going to do."""
        self.place.write(PLAN, as_json({"jaxsim": version("jaxsim-studies"), **plan}))

    def plan(self) -> dict[str, object]:
        """What the last run was going to do; empty if nothing is known."""
        return self._json(PLAN, {})

    def write_reached(self, record: Mapping[str, object]) -> None:
        """Store where a rule stopped the cells."""
        self.place.write(REACHED, as_json(record))

    def reached(self) -> dict[str, Any] | None:
        """Where a rule stopped the cells of the finished study; None before that."""
        return self._json(REACHED, None)

    def write_provenance(self, number: int, record: Mapping[str, object]) -> None:
        """Store the record of the session with this number: the next one, or a newer state of an old one."""
        records = self.provenance()
        self.place.write(PROVENANCE, as_json([*records[:number], record, *records[number + 1 :]]))

    def provenance(self) -> list[dict[str, object]]:
        """Records of the sessions that computed these results, oldest first."""
        return self._json(PROVENANCE, [])

    def write_audit(self, table: pd.DataFrame, about: Mapping[str, object]) -> None:
        """Store an audit (one row a fit) and what it is about, in place of an older one."""
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata({ABOUT_AUDIT: json.dumps(about)})
        buffer = pa.BufferOutputStream()
        pq.write_table(arrow, buffer, compression="zstd")
        self.place.write(AUDIT, buffer.getvalue().to_pybytes())

    def audit(self) -> tuple[pd.DataFrame, dict[str, object]] | None:
        """The last audit and what it is about; None if there was none."""
        if not self.place.exists(AUDIT):
            return None
        table = pq.read_table(pa.BufferReader(self.place.read(AUDIT)))
        return table.to_pandas(), json.loads(table.schema.metadata[ABOUT_AUDIT])
