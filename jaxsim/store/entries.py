"""Finished chunks beside each other: what each holds that no earlier one does, and what they hold together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    for models, found in _intervals([about for _, about in given]):
        for key, intervals in found.items():
            for number, twice in repeated(intervals).items():
                again[number].update(((model, key), twice) for model in models)
    return tuple(Entry(name, about, twice) for (name, about), twice in zip(given, again, strict=True))


def covered(entries: Iterable[Entry]) -> Coverage:
    """Which datasets some chunks hold."""
    done: dict[tuple[str, str], Intervals] = {}
    for models, found in _intervals([entry.about for entry in entries]):
        for key, intervals in found.items():
            whole = union(interval for _, interval in intervals)
            done.update(((model, key), whole) for model in models)
    return Coverage(done)


def _intervals(abouts: Sequence[About]) -> Iterator[tuple[tuple[str, ...], dict[str, list[tuple[int, Interval]]]]]:
    """Strategies that stand in the same chunks, and the replicates of each cell in these, each with the number of its chunk."""
    for models in _together(abouts):
        found: dict[str, list[tuple[int, Interval]]] = {}
        for number, about in enumerate(abouts):
            if models[0] in about.models:
                for span in about.spans:
                    found.setdefault(span.key, []).append((number, (span.start, span.stop)))
        yield models, found


def _together(abouts: Iterable[About]) -> list[tuple[str, ...]]:
    """The strategies, those together that always are: in a study of many cells that saves half of the work."""
    sets = list(dict.fromkeys(tuple(about.models) for about in abouts))
    every = sorted({model for models in sets for model in models})
    return sets if sum(map(len, sets)) == len(every) else [(model,) for model in every]
