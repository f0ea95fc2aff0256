"""One finished chunk as one Parquet file, which says what it holds and whose name is a checksum of its bytes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from jaxsim.store.errors import DamagedError, StorageError

ABOUT = b"jaxsim.chunk"
SUFFIX = ".parquet"
DIGITS = 16
REMEDY = "run the study again to compute it anew."
# Bytes of a file that are held at a time while its checksum is computed.
PIECE = 2**23


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive replicates ``start .. stop - 1`` of the cell with this key."""

    key: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class About:
    """What a chunk file holds.

    Attributes:
        identity: of the work: equal for equal datasets and strategies.
        block: spans lie within blocks of so many replicates, a power of two, that begin at its multiples.
        models: the strategies' labels with their descriptions (canonical JSON).
        spans: the datasets.
        settings: of the study, that the numbers depend on besides: seed, level of the intervals, precision.
        columns: of the table.
        failures: fits without a usable answer.
        made: versions, device and the like.
        rows: of the table.
    """

    identity: str
    block: int
    models: Mapping[str, str]
    spans: tuple[Span, ...]
    settings: Mapping[str, Any]
    columns: tuple[str, ...] = ()
    failures: int = 0
    made: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 0

    @property
    def datasets(self) -> int:
        """Datasets of the chunk."""
        return sum(map(len, self.spans))

    def encode(self) -> bytes:
        """As metadata of the file."""
        body = {
            **{name: value for name, value in self.__dict__.items() if name != "rows"},
            "models": dict(self.models),
            "settings": dict(self.settings),
            "spans": [[s.key, s.start, s.stop] for s in self.spans],
        }
        return json.dumps(body).encode()

    @classmethod
    def decode(cls, text: bytes) -> About:
        """Undo :meth:`encode`."""
        body = json.loads(text)
        body["spans"], body["columns"] = (
            tuple(Span(sys.intern(key), start, stop) for key, start, stop in body["spans"]),
            tuple(body["columns"]),
        )
        return cls(**body)


def pack(table: pa.Table, about: About) -> tuple[str, bytes]:
    """Name and bytes of a chunk's file; pages carry checksums of their own, which reading verifies."""
    about = replace(about, columns=tuple(table.column_names))
    buffer = pa.BufferOutputStream()
    labels = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    numbers = [f.name for f in table.schema if pa.types.is_floating(f.type)]
    pq.write_table(
        table.replace_schema_metadata({ABOUT: about.encode()}),
        buffer,
        compression="zstd",
        compression_level=1,
        use_dictionary=[*labels, "replicate"],
        column_encoding=dict.fromkeys(numbers, "BYTE_STREAM_SPLIT"),
        write_page_checksum=True,
    )
    content = buffer.getvalue().to_pybytes()
    return f"{about.identity}-{digest(content)}{SUFFIX}", content


def digest(content: bytes) -> str:
    """The checksum of some bytes, such as in a file's name."""
    return hashlib.blake2b(content, digest_size=DIGITS // 2).hexdigest()


def is_whole(name: str, file: BinaryIO) -> bool:
    """Whether a file has the bytes that were written under this name; it is read piece by piece."""
    found = hashlib.blake2b(digest_size=DIGITS // 2)
    while piece := file.read(PIECE):
        found.update(piece)
    return name.removesuffix(SUFFIX).rsplit("-", 1)[-1] == found.hexdigest()


def describe(name: str, file: BinaryIO) -> About:
    """What a file holds, from its footer, and nothing else of it is read; raises :class:`DamagedError` if that is damaged."""
    try:
        footer = pq.read_metadata(file)
        about = replace(About.decode(footer.metadata[ABOUT]), rows=footer.num_rows)
        if about.columns != tuple(footer.schema.to_arrow_schema().names):
            raise DamagedError(f"the chunk {name} is damaged (its columns are others than it says); {REMEDY}")
        return about
    except (StorageError, FileNotFoundError):  # it cannot be reached, or is gone
        raise
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise damaged(name, error) from error


def unpack(name: str, file: BinaryIO, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file, or some of its columns; those that it lacks are left out, and the others are not read.

    Raises:
        DamagedError: if what is read is damaged.
    """
    try:
        opened = pq.ParquetFile(file, page_checksum_verification=True)
        there = set(opened.schema_arrow.names)
        return opened.read(None if columns is None else [column for column in columns if column in there])
    except (StorageError, FileNotFoundError):
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged(name, error) from error


def damaged(name: str, error: Exception | None = None) -> DamagedError:
    """The error for a file that is not what was written."""
    return DamagedError(f"the chunk {name} is damaged ({error or 'its checksum is wrong'}); {REMEDY}")
