"""A results folder: the study's description, a Parquet file per finished chunk, and where they came from."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from jaxsim.errors import InputError
from jaxsim.store import audits, ours
from jaxsim.store import chunk as chunks
from jaxsim.store.chunk import About
from jaxsim.store.coverage import Coverage, union
from jaxsim.store.differences import refuse_other
from jaxsim.store.entries import Entry, covered, entries_of
from jaxsim.store.errors import DamagedError, DamagedWarning
from jaxsim.store.inventory import Inventory
from jaxsim.store.ours import CELLS, CHUNKS, LOG, PLAN, PROVENANCE, REACHED, STUDY
from jaxsim.store.place import LocalPlace, Place, place_of
from jaxsim.store.provenance import version
from jaxsim.store.sealed import opened, sealed
from jaxsim.study import registry
from jaxsim.study.study import Study


class Folder:
    """Reads and writes one results folder, here or at any address that fsspec can open.

    Args:
        out: the folder, its address, or a place.
        study: whose results are wanted, if that is not yet (or not only) the one that is stored.
    """

    def __init__(self, out: str | Path | Place, study: Study | None = None) -> None:
        self.place = place_of(out)
        self._wanted = study
        self._chunks = Inventory(self.place)
        self._entries: tuple[list[str], tuple[Entry, ...]] | None = None
        self._stored: tuple[bytes, Study] | None = None

    def reopened(self) -> Folder:
        """The folder without what a run holds, without looking again at the chunks that are known here."""
        folder = Folder(self.place, self._wanted)
        folder._chunks = Inventory(self.place, self._chunks.known)
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
            self._check_new()
            return
        try:
            held = self.stored_study()
        except DamagedError:
            self._check_chunks(study)
        else:
            if held.to_json() != study.to_json():
                refuse_other(self.place.url, held, study)
        made = self._made_by()
        if made not in (None, version("jaxsim-studies")):
            raise InputError(
                f"{self.place.url} was computed by jaxsim {made}, this is {version('jaxsim-studies')}: what is there can be "
                "read, not completed. Give another --out, or go on with that version."
            )

    def _check_new(self) -> None:
        """Raise :class:`InputError` unless all that is there may be of a run that was stopped before it wrote the study."""
        there = self.place.listing()
        foreign = ours.foreign(there)
        if LOG in there and not ours.is_log(self.place.read(LOG)):
            foreign.append(LOG)
        if foreign:
            raise InputError(
                f"{self.place.url} exists and holds no jaxsim results ({foreign[0]!r} is not of a run); give an empty or a new "
                "folder as --out."
            )

    def _check_chunks(self, study: Study) -> None:
        """Raise :class:`StorageError` if the description is damaged and chunks are there that are not of this study."""
        names = self._chunks.names()
        if len(dict(self._mine(names, study))) + len(self._chunks.damaged) < len(names):
            raise self._damaged(STUDY, "its chunks are not all of this study. Give another --out, or the study that began it")

    def _made_by(self) -> str | None:
        """The version of jaxsim that computed what is here, as its plan says, or else a chunk."""
        made = self.plan().get("jaxsim")
        if made is None:
            abouts = self._chunks.whole(self._chunks.names()[:1]).values()
            made = next((about.made.get("jaxsim") for about in abouts), None)
        return None if made is None else str(made)

    def claim(self, study: Study) -> None:
        """Make the folder this study's, after :meth:`check_study`; call it while holding the place's lock.

        Its description is written anew if it is damaged.
        """
        self.check_study(study)
        cells = study.cell_table().assign(cell_key=[cell.key for cell in study.cells])
        described = sealed(json.loads(study.to_json()))
        for name, content in ((CELLS, cells.to_csv(index=False).encode()), (STUDY, described)):
            if not self.place.exists(name) or self.place.read(name) != content:
                self.place.write(name, content)

    def stored_study(self) -> Study:
        """The study whose results these are; raises :class:`InputError` if the folder holds none, or its file is damaged."""
        try:
            content = self.place.read(STUDY)
            if self._stored is None or self._stored[0] != content:
                self._stored = content, Study.from_json(json.dumps(opened(content)))
            return self._stored[1]
        except FileNotFoundError as error:
            raise InputError(
                f"{self.place.url} holds no jaxsim results (no study.json); give a folder that a run wrote."
            ) from error
        except DamagedError as error:
            raise self._damaged(STUDY, "give the command that began the run: it writes it again, and chunks are kept") from error

    def study(self) -> Study:
        """The study that is wanted, or else the one that is stored."""
        return self._wanted or self.stored_study()

    def _json(self, name: str) -> Any:
        """A small file's content; None if it is not there, or damaged, which is said: no numbers of fits are in it."""
        if not self.place.exists(name):
            return None
        try:
            return opened(self.place.read(name))
        except DamagedError as error:
            self._warn(f"{name} is damaged ({error}) and left out; a run of the study writes it anew.")
            return None

    def _damaged(self, name: str, advice: str) -> DamagedError:
        return DamagedError(f"{self.place.url}/{name} is damaged; {advice}.")

    def _warn(self, text: str) -> None:
        warnings.warn(f"{self.place.url}: {text}", DamagedWarning, stacklevel=2)

    def write_chunk(self, table: pa.Table, about: About) -> str:
        """Store one finished chunk; returns its file's name. Storing it twice is the same as once."""
        name, content = chunks.pack(table, about)
        self.place.write(f"{CHUNKS}/{name}", content)
        self._chunks.add(name, dataclasses.replace(about, columns=tuple(table.column_names), rows=len(table)))
        return name

    @contextlib.contextmanager
    def open_chunk(self, name: str, whole: bool = False) -> Iterator[BinaryIO]:
        """A chunk's file to read in; see :meth:`jaxsim.store.inventory.Inventory.open`."""
        with self._chunks.open(name, whole) as file:
            yield file

    def check(self) -> tuple[str, ...]:
        """Read every chunk, piece by piece, and remove those that are not what was written; returns their names."""
        self._entries = None
        return self._chunks.check()

    def entries(self) -> tuple[Entry, ...]:
        """Every finished chunk of the study, in order of its name; those of other strategies or settings are left out.

        So are damaged ones, as if they were not there, with a :class:`jaxsim.store.errors.DamagedWarning` that names them.
        """
        names = self._chunks.names()
        if self._entries is None or self._entries[0] != names:
            self._entries = (names, entries_of(self._mine(names, self.study())))
            damaged = self._chunks.damaged
            if damaged:
                more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
                self._warn(f"{next(iter(damaged.values()))}{more} Until then its datasets count as missing.")
        return self._entries[1]

    @property
    def damaged(self) -> tuple[str, ...]:
        """Names of the chunks that are left out since they are damaged."""
        self.entries()
        return tuple(sorted(self._chunks.damaged))

    def _mine(self, names: list[str], study: Study) -> Iterator[tuple[str, About]]:
        """Chunks of this study's strategies and settings."""
        known = {(e.name, registry.canonical(e)) for e in study.estimators}
        terms = {e.name: len(e.coefficients(study.names)) for e in study.estimators}
        for name, about in self._chunks.whole(names).items():
            if not (set(about.models.items()) <= known and dict(about.settings) == study.settings):
                continue
            rows = about.datasets * sum(terms[model] for model in about.models)
            if about.rows == rows:
                yield name, about
            else:
                self._chunks.leave_out(name, f"the chunk {name} has {about.rows} rows instead of {rows}; {chunks.REMEDY}")

    def coverage(self) -> Coverage:
        """What is finished."""
        return covered(self.entries())

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
        self.place.write(PLAN, sealed({"jaxsim": version("jaxsim-studies"), **plan}))

    def plan(self) -> dict[str, object]:
        """What the last run was going to do; empty if nothing is known."""
        return self._json(PLAN) or {}

    def lacks(self, name: str) -> bool:
        """Whether a small file is missing or damaged."""
        return self._json(name) is None

    def write_reached(self, record: Mapping[str, object]) -> None:
        """Store where a rule stopped the cells."""
        self.place.write(REACHED, sealed(record))

    def reached(self) -> dict[str, Any] | None:
        """Where a rule stopped the cells of the finished study; None before that."""
        found: dict[str, Any] | None = self._json(REACHED)
        return found

    def write_provenance(self, number: int, record: Mapping[str, object]) -> None:
        """Store the record of the session with this number: the next one, or a newer state of an old one."""
        records = self.provenance()
        self.place.write(PROVENANCE, sealed({"records": [*records[:number], record, *records[number + 1 :]]}))

    def provenance(self) -> list[dict[str, object]]:
        """Records of the sessions that computed these results, oldest first."""
        found = self._json(PROVENANCE)
        records: list[dict[str, object]] = found["records"] if isinstance(found, dict) else found or []
        return records

    def write_audit(self, table: pd.DataFrame, about: Mapping[str, object]) -> None:
        """Store an audit (one row a fit) and what it is about, in place of an older one."""
        audits.write(self.place, table, about)

    def audit(self) -> tuple[pd.DataFrame, dict[str, object]] | None:
        """The last audit and what it is about; None if there was none, or it is damaged, which is said."""
        try:
            return audits.read(self.place)
        except DamagedError as error:
            self._warn(str(error))
            return None
