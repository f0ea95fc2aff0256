"""Finished chunks beside each other: what each holds that no earlier one does, and what they hold together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jaxsim.store.chunk import About
from jaxsim.store.coverage import Coverage, Interval, Intervals, repeated, union


@dataclass(frozen=True)
class Entry:
    """A finished chunk: its file, what that holds, and which of it an earlier file holds already, by strategy and cell."""

    name: str
    about: About
    again: Mapping[tuple[str, str], Intervals]


def entries_of(chunks: Iterable[tuple[str, About]]) -> tuple[Entry, ...]:
    """Entries of chunks, by name and content, in their order."""
    given = list(chunks)
    again: list[dict[tuple[str, str], Intervals]] = [{} for _ in given]
    for which, found in _intervals(about for _, about in given).items():
        for number, twice in repeated(found).items():
            again[number][which] = twice
    return tuple(Entry(name, about, twice) for (name, about), twice in zip(given, again, strict=True))


def covered(entries: Iterable[Entry]) -> Coverage:
    """Which datasets some chunks hold."""
    intervals = _intervals(entry.about for entry in entries)
    return Coverage({which: union(interval for _, interval in found) for which, found in intervals.items()})


def _intervals(abouts: Iterable[About]) -> dict[tuple[str, str], list[tuple[int, Interval]]]:
    """Replicates that chunks hold, by strategy and cell, each with the number of its chunk."""
    found: dict[tuple[str, str], list[tuple[int, Interval]]] = {}
    for number, about in enumerate(abouts):
        for model in about.models:
            for span in about.spans:
                found.setdefault((model, span.key), []).append((number, (span.start, span.stop)))
    return found
