"""The finished chunks of a results folder: which are what was written, and what each holds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import BinaryIO

from jaxsim.store import chunk as chunks
from jaxsim.store.chunk import About
from jaxsim.store.errors import DamagedError, StorageError
from jaxsim.store.ours import CHUNKS, is_chunk
from jaxsim.store.place import Place

# Files looked at at a time: hashing releases Python's lock, and so does waiting for an address.
TOGETHER = 4
# Files whose bytes this process has compared with the checksum in their name, as they were then.
_seen: dict[str, tuple[int, ...]] = {}


class Inventory:
    """Chunks of one place. Each is read once a process to compare its bytes with the checksum in its name; of an address when its
    rows are fetched, so that its footer alone says what is there.

    Args:
        place: of the results.
        known: what some chunks hold that were looked at before.
    """

    def __init__(self, place: Place, known: Mapping[str, About] = MappingProxyType({})) -> None:
        self.place = place
        self._abouts = dict(known)
        self._damaged: dict[str, str] = {}

    @property
    def damaged(self) -> Mapping[str, str]:
        """Chunks that were found damaged, and how."""
        return MappingProxyType(self._damaged)

    @property
    def known(self) -> Mapping[str, About]:
        """What the chunks hold that were looked at and are whole."""
        return MappingProxyType(self._abouts)

    def names(self) -> list[str]:
        """Names of the chunks' files, sorted."""
        return [name for name in self.place.names(CHUNKS) if is_chunk(name)]

    def add(self, name: str, about: About) -> None:
        """A chunk that this process has just written."""
        self._abouts[name] = about

    def whole(self, names: Iterable[str]) -> dict[str, About]:
        """Those of some chunks that are what was written, and what they hold; the others are noted as damaged."""
        wanted = list(names)
        self._look_at([n for n in wanted if n not in self._abouts and n not in self._damaged], self._verify)
        return {name: self._abouts[name] for name in wanted if name in self._abouts}

    def check(self) -> tuple[str, ...]:
        """Read every chunk, whenever it was read before, and remove those that are damaged; returns their names."""
        names = self.names()
        self._abouts, self._damaged = {}, {}
        self._look_at(names, self._verify_all)
        found = tuple(sorted(self._damaged))
        for name in found:
            self.place.remove(f"{CHUNKS}/{name}")
        self._damaged = {}
        return found

    def leave_out(self, name: str, why: str) -> None:
        """A chunk that is not what the study says it is."""
        self._abouts.pop(name, None)
        self._damaged[name] = why

    @contextlib.contextmanager
    def open(self, name: str, whole: bool = False) -> Iterator[BinaryIO]:
        """A chunk's file to read in; see :meth:`jaxsim.store.place.Place.open`.

        Raises:
            DamagedError: if it has changed since it was looked at, and is not what was written.
            StorageError: if it is gone.
        """
        with self._there(name):
            stamp = self.place.stamp(f"{CHUNKS}/{name}")
            if stamp and _seen.get(self._key(name)) != stamp:
                self._verify(name)
            with self.place.open(f"{CHUNKS}/{name}", whole) as file:
                if whole and self._key(name) not in _seen:
                    self._compare(name, file)
                    _seen[self._key(name)] = stamp
                yield file

    @contextlib.contextmanager
    def _there(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise StorageError(
                f"{self.place.url}/{CHUNKS}/{name} was removed while the results were read (a run that goes on removes damaged "
                "chunks); load them again."
            ) from error

    def _look_at(self, names: Iterable[str], verify: Callable[[str], About]) -> None:
        def look(name: str) -> None:
            """What one file says of itself."""
            try:
                with self._there(name):
                    self._abouts[name] = verify(name)
            except DamagedError as error:
                self._damaged[name] = str(error)

        with ThreadPoolExecutor(TOGETHER) as pool:
            list(pool.map(look, names))

    def _verify(self, name: str) -> About:
        """What a chunk holds, after its bytes were compared with its name; of an address they are when its rows are fetched."""
        stamp = self.place.stamp(f"{CHUNKS}/{name}")
        if stamp and _seen.get(self._key(name)) != stamp:
            return self._verify_all(name)
        with self.place.open(f"{CHUNKS}/{name}") as file:
            return chunks.describe(name, file)

    def _verify_all(self, name: str) -> About:
        """The same, wherever it is."""
        stamp = self.place.stamp(f"{CHUNKS}/{name}")
        with self.place.open(f"{CHUNKS}/{name}") as file:
            self._compare(name, file)
            about = chunks.describe(name, file)
        _seen[self._key(name)] = stamp
        return about

    def _compare(self, name: str, file: BinaryIO) -> None:
        """Raise :class:`DamagedError` unless a file has the bytes that its name says."""
        if not chunks.is_whole(name, file):
            raise chunks.damaged(name)
        file.seek(0)

    def _key(self, name: str) -> str:
        return f"{self.place.address}/{CHUNKS}/{name}"
