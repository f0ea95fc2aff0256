"""Messages between this process and its workers: pickles with their length in front, on pipes that nobody else writes to."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, Any

LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Hello:
    """A worker's first message: versions by name, and what keeps it from answering anything (empty if nothing does)."""

    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def pack(message: Any) -> bytes:
    """The bytes of one message."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


def send(stream: IO[bytes], packed: bytes) -> None:
    """Write one packed message; ``OSError`` if nobody reads any more."""
    stream.write(packed)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; ``EOFError`` if the other side is gone."""
    return pickle.loads(_exactly(stream, LENGTH.unpack(_exactly(stream, LENGTH.size))[0]))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side closed the pipe")
    return data
