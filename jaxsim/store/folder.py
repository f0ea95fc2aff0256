"""A results folder: the study's description, a pair of Parquet files per finished chunk, and where they came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jaxsim.design import Study
from jaxsim.errors import InputError

# How much of the difference between two studies an error shows.
SHOWN_DIFFERENCES, LONGEST_VALUE = 3, 80
# Under this name a chunk's files say how many datasets it holds.
DATASETS = b"jaxsim.datasets"
# Under this one an audit says with which seed and versions it was made.
ABOUT = b"jaxsim.audit"


class Folder:
    """Reads and writes one results folder. Every file appears whole or not at all: written beside its place, then renamed."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def study_file(self) -> Path:
        """The study's description; its presence makes a folder a results folder."""
        return self.path / "study.json"

    def claim(self, study: Study, plan: str) -> None:
        """Make the folder this study's, or check that it already is.

        Args:
            study: whose results go there.
            plan: fingerprint of which datasets its chunks hold: finished chunks are known by their numbers alone.

        Raises:
            InputError: if it holds another study, chunks of another plan, or files that are not results.
        """
        if self.study_file.exists():
            held = self.study_file.read_text()
            if held != study.to_json():
                raise InputError(f"{self.path} holds another study ({_difference(held, study)}); give another --out, or remove it.")
            if not self._plan_file.exists() or self._plan_file.read_text().strip() != plan:
                raise InputError(
                    f"{self.path} holds this study, but divided into other chunks (by another version of jaxsim): what is there "
                    "can be read, not completed. Give another --out, or go on with the version named in its provenance.json."
                )
            return
        begun = {self._chunks.name, self._plan_file.name}  # left by a run that was stopped before it wrote the study
        if self.path.is_file() or (self.path.is_dir() and any(p.name not in begun for p in self.path.iterdir())):
            raise InputError(f"{self.path} exists and holds no jaxsim results; give an empty or a new folder as --out.")
        self._chunks.mkdir(parents=True, exist_ok=True)
        self._write_text(self._plan_file, plan + "\n")
        self._write_text(self.study_file, study.to_json())

    def study(self) -> Study:
        """The study whose results these are; raises :class:`InputError` if the folder holds none."""
        if not self.study_file.exists():
            raise InputError(f"{self.path} holds no jaxsim results (no study.json); give a folder that a run wrote.")
        return Study.from_json(self.study_file.read_text())

    def has(self, index: int) -> bool:
        """Whether a chunk is finished; its fits are written last."""
        return self._file("fits", index).exists()

    def write(self, index: int, estimates: list[pa.Table], fits: list[pa.Table], datasets: int) -> None:
        """Store one finished chunk of so many datasets (a strategy need not have fitted them all)."""
        for name, tables in (("estimates", estimates), ("fits", fits)):
            target = self._file(name, index)
            partial = target.with_suffix(f".{os.getpid()}.partial")
            table = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
            table = table.replace_schema_metadata({DATASETS: str(datasets)})
            pq.write_table(table, partial, compression="zstd")
            os.replace(partial, target)

    def read(self, name: str) -> pa.Table:
        """All finished chunks of ``estimates`` or ``fits``, in order."""
        finished = self._finished(name)
        if not finished:
            raise InputError(f"{self.path} holds no finished chunk yet; run the study again to complete it.")
        return pa.concat_tables([pq.read_table(f) for f in finished], promote_options="permissive").unify_dictionaries()

    def datasets(self) -> int:
        """Datasets of all finished chunks, without reading them."""
        return sum(int(pq.read_metadata(file).metadata[DATASETS]) for file in self._finished("fits"))

    def write_provenance(self, record: dict[str, object]) -> None:
        """Add the record of one session to ``provenance.json``."""
        self._write_text(self.path / "provenance.json", json.dumps([*self.provenance(), record], indent=2) + "\n")

    def provenance(self) -> list[dict[str, object]]:
        """Records of the sessions that computed these results, oldest first."""
        file = self.path / "provenance.json"
        return json.loads(file.read_text()) if file.exists() else []

    def write_audit(self, table: pd.DataFrame, about: dict[str, object]) -> None:
        """Store an audit (one row a fit) and what it is about, in place of an older one."""
        partial = self._audit_file.with_suffix(f".{os.getpid()}.partial")
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        pq.write_table(arrow.replace_schema_metadata({ABOUT: json.dumps(about)}), partial, compression="zstd")
        os.replace(partial, self._audit_file)

    def audit(self) -> tuple[pd.DataFrame, dict[str, object]] | None:
        """The last audit and what it is about; None if there was none."""
        if not self._audit_file.exists():
            return None
        table = pq.read_table(self._audit_file)
        return table.to_pandas(), json.loads(table.schema.metadata[ABOUT])

    @property
    def _audit_file(self) -> Path:
        return self.path / "audit.parquet"

    @property
    def _plan_file(self) -> Path:
        return self.path / "plan.sha256"

    @property
    def _chunks(self) -> Path:
        return self.path / "chunks"

    def _finished(self, name: str) -> list[Path]:
        files = sorted(self._chunks.glob(f"{name}-*.parquet"))
        return [file for file in files if self.has(int(file.stem.split("-")[1]))]

    def _file(self, name: str, index: int) -> Path:
        return self._chunks / f"{name}-{index:06d}.parquet"

    @staticmethod
    def _write_text(target: Path, text: str) -> None:
        partial = target.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(text)
        os.replace(partial, target)


def _difference(held: str, study: Study) -> str:
    """The first differences of two descriptions, as ``path: one there, other here``."""
    found = list(_differences(json.loads(held), json.loads(study.to_json()), ""))
    more = f"; and {len(found) - SHOWN_DIFFERENCES} more" if len(found) > SHOWN_DIFFERENCES else ""
    return "; ".join(found[:SHOWN_DIFFERENCES]) + more


def _differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict) and old.get("type") == new.get("type"):
        for name in {**old, **new}:
            yield from _differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and not _is_flat(old):
        for i, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{path}[{i}]")
    elif old != new:
        yield f"{path}: {_brief(old)} there, {_brief(new)} here"


def _is_flat(values: list[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def _brief(value: Any) -> str:
    text = "the default" if value is None else json.dumps(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 2] + ".."
