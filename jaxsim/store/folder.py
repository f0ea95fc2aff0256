"""A results folder: the study's description, a Parquet file per finished chunk, and where they came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jaxsim import spec
from jaxsim.design import Study
from jaxsim.errors import InputError
from jaxsim.store import chunk as chunks
from jaxsim.store.chunk import About
from jaxsim.store.coverage import Coverage, Intervals, union
from jaxsim.store.differences import refuse_other
from jaxsim.store.place import LOCK, LocalPlace, Place, StorageError, as_json, place_of
from jaxsim.store.provenance import version

STUDY, PLAN, PROVENANCE, AUDIT, LOG, CELLS = "study.json", "plan.json", "provenance.json", "audit.parquet", "log.txt", "cells.csv"
CHUNKS = "chunks"
ABOUT_AUDIT = b"jaxsim.audit"
# What a run may have left that was stopped before it wrote the study.
BEGUN = frozenset({CHUNKS, PLAN, LOG, LOCK, CELLS})
# Files checked at a time: hashing releases Python's lock.
CHECKED_TOGETHER = 4


@dataclass(frozen=True)
class Entry:
    """A finished chunk: its file, what that holds, and which of it an earlier file holds already, by strategy and cell."""

    name: str
    about: About
    again: Mapping[tuple[str, str], Intervals]


class Folder:
    """Reads and writes one results folder, here or at any address that fsspec can open."""

    def __init__(self, out: str | Path | Place) -> None:
        self.place = place_of(out)
        self._abouts: dict[str, About] = {}

    @property
    def path(self) -> Path:
        """The folder on this machine; raises :class:`InputError` for one elsewhere."""
        if not isinstance(self.place, LocalPlace):
            raise InputError(f"{self.place.url} is not a folder of this machine; name one with --out.")
        return self.place.path

    def check_mine(self) -> None:
        """Raise :class:`InputError` if the place holds files that are not results, before anything is written there."""
        if not self.place.exists(STUDY):
            self.place.check_new(BEGUN)

    def claim(self, study: Study) -> None:
        """Make the folder this study's, or check that it holds this study or a part of it (fewer replicates, levels, strategies).

        Call it while holding the place's lock.

        Raises:
            InputError: if it holds another study, results of another version of jaxsim, or files that are not results.
        """
        if self.place.exists(STUDY):
            held = self.study()
            if held != study:
                refuse_other(self.place.url, held, study)
            made = self.plan().get("jaxsim", version("jaxsim-studies"))
            if made != version("jaxsim-studies"):
                raise InputError(
                    f"{self.place.url} was computed by jaxsim {made}, this is {version('jaxsim-studies')}: what is there can be "
                    "read, not completed. Give another --out, or go on with that version."
                )
            if held == study:
                return
        else:
            self.check_mine()
        self.place.write(CELLS, study.cell_table().assign(cell_key=[cell.key for cell in study.cells]).to_csv(index=False).encode())
        self.place.write(STUDY, study.to_json().encode())

    def study(self) -> Study:
        """The study whose results these are; raises :class:`InputError` if the folder holds none."""
        try:
            return Study.from_json(self.place.read(STUDY).decode())
        except FileNotFoundError as error:
            raise InputError(
                f"{self.place.url} holds no jaxsim results (no study.json); give a folder that a run wrote."
            ) from error

    def write_chunk(self, table: pa.Table, about: About) -> str:
        """Store one finished chunk; returns its file's name. Storing it twice is the same as once."""
        name, content = chunks.pack(table, about)
        self.place.write(f"{CHUNKS}/{name}", content)
        self._abouts[name] = about
        return name

    def read_chunk(self, name: str) -> bytes:
        """A chunk's file, as it was written or damaged since."""
        return self.place.read(f"{CHUNKS}/{name}")

    def check(self) -> tuple[str, ...]:
        """Read every chunk and remove those that are not what was written; returns their names."""
        with ThreadPoolExecutor(CHECKED_TOGETHER) as pool:
            names = self._names()
            whole = list(pool.map(self._is_whole, names))
        damaged = tuple(name for name, good in zip(names, whole, strict=True) if not good)
        for name in damaged:
            self.place.remove(f"{CHUNKS}/{name}")
            self._abouts.pop(name, None)
        return damaged

    def _is_whole(self, name: str) -> bool:
        content = self.read_chunk(name)
        if not chunks.is_whole(name, content):
            return False
        try:
            self._abouts[name] = chunks.describe(name, content)
        except StorageError:
            return False
        return True

    def entries(self) -> tuple[Entry, ...]:
        """Every finished chunk of the study, in order of its name; one that fits no strategy of the study is left out.

        Raises:
            StorageError: if one is damaged.
        """
        known = {(e.name, spec.canonical(e)) for e in self.study().estimators}
        seen, found = Coverage(), []
        for name in self._names():
            if name not in self._abouts:
                self._abouts[name] = chunks.describe(name, self.read_chunk(name))
            about, again = self._abouts[name], {}
            if not set(about.models.items()) <= known:
                continue
            for model in about.models:
                for span in about.spans:
                    twice = seen.add(model, span.key, (span.start, span.stop))
                    if twice:
                        again[model, span.key] = twice
            found.append(Entry(name, about, again))
        return tuple(found)

    def coverage(self) -> Coverage:
        """What is finished."""
        seen = Coverage()
        for entry in self.entries():
            for model in entry.about.models:
                for span in entry.about.spans:
                    seen.add(model, span.key, (span.start, span.stop))
        return seen

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
        return json.loads(self.place.read(PLAN)) if self.place.exists(PLAN) else {}

    def write_provenance(self, number: int, record: Mapping[str, object]) -> None:
        """Store the record of the session with this number: the next one, or a newer state of an old one."""
        records = self.provenance()
        self.place.write(PROVENANCE, as_json([*records[:number], record, *records[number + 1 :]]))

    def provenance(self) -> list[dict[str, object]]:
        """Records of the sessions that computed these results, oldest first."""
        return json.loads(self.place.read(PROVENANCE)) if self.place.exists(PROVENANCE) else []

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
