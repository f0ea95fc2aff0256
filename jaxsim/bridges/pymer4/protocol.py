"""Messages between this process and its workers: pickles with their length in front, on pipes that nobody else writes to."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, Any

import pandas as pd

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Hello:
    """A worker's first message: versions by name, and what keeps it from fitting anything (empty if nothing does)."""

    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Task:
    """One dataset and what is to be fitted to it, as a worker needs it.

    Attributes:
        kind: ``lmer``, ``lm`` or ``lm2``.
        formula: R's, for ``lmer``; empty otherwise.
        frame: complete rows; numbers, booleans and unordered categories. For ``lm`` and ``lm2`` the columns ``y``, ``group`` and
            ``x0 .. xK``, the model matrix; ``terms`` are R's names of those.
        terms: see ``frame``; empty for ``lmer``.
    """

    kind: str
    formula: str
    frame: pd.DataFrame
    terms: tuple[str, ...]
    reml: bool
    df: str
    effort: str
    conf_level: float


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message; ``OSError`` if nobody reads any more."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; ``EOFError`` if the other side is gone."""
    return pickle.loads(_exactly(stream, _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side closed the pipe")
    return data
