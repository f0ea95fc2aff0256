"""Where results lie: a local folder, or a folder of any file system that fsspec knows (``s3://bucket/study``).

Every file appears whole or not at all, and none is changed after it was written but for the few small ones that are replaced.
"""

from __future__ import annotations

import abc
import contextlib
import io
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from jaxsim.errors import InputError
from jaxsim.store.errors import StorageError, unwritable
from jaxsim.store.lock import hold
from jaxsim.store.ours import CHUNKS, LOCK, is_partial
from jaxsim.store.ranges import Ranges


class Place(abc.ABC):
    """A folder for results; names are relative, with ``/`` between folders."""

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """The place as a user would write it."""

    @property
    def name(self) -> str:
        """The last part of it."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def address(self) -> str:
        """The place by its whole path, wherever the process stands."""
        return self.url

    @abc.abstractmethod
    def read(self, name: str) -> bytes:
        """A file's content; raises FileNotFoundError."""

    @abc.abstractmethod
    def open(self, name: str, whole: bool = False) -> contextlib.AbstractContextManager[BinaryIO]:
        """A file to read in: only what is read is fetched, or all at once where requests take their time and most is wanted.

        Args:
            name: of the file.
            whole: whether most of it is wanted.

        Raises:
            FileNotFoundError: if it is not there.
            StorageError: then or when it is read, if the place cannot be reached.
        """

    @abc.abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file, or replace one, in one step; raises :class:`StorageError` if it cannot be."""

    @abc.abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Names of the files directly in a folder of the place, sorted; empty if there is no such folder."""

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file if it is there."""

    @abc.abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    @abc.abstractmethod
    def stamp(self, name: str) -> tuple[int, ...]:
        """What changes when a file does (its size, time and number), where the file system tells; else nothing.

        Raises:
            FileNotFoundError: if it is not there.
        """

    @abc.abstractmethod
    def lock(self) -> contextlib.AbstractContextManager[Callable[[], bool]]:
        """Keep other runs out while this one writes, where the file system can do that; raises :class:`BusyError`.

        The function that is handed over says whether the place is still the one that was locked.
        """

    @abc.abstractmethod
    def listing(self) -> list[str]:
        """Names of the files and folders (with a ``/`` after them) directly in the place and in its folder of chunks.

        Raises:
            InputError: if the place is no folder.
        """


class LocalPlace(Place):
    """A folder of this machine, or of a network file system mounted on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = False

    @property
    def url(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def address(self) -> str:
        return str(self.path.resolve())

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def open(self, name: str, whole: bool = False) -> contextlib.AbstractContextManager[BinaryIO]:
        return (self.path / name).open("rb")

    def write(self, name: str, content: bytes) -> None:
        """Whole or not at all: written beside it, brought to the disk, renamed. Raises :class:`StorageError` if that fails."""
        target = self.path / name
        partial = target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial")
        try:
            if not self._held:
                target.parent.mkdir(parents=True, exist_ok=True)
            elif target.parent != self.path:  # a place that was moved away during a run is not made again
                target.parent.mkdir(exist_ok=True)
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise unwritable(str(target), error) from error

    def names(self, folder: str = "") -> list[str]:
        place = self.path / folder
        if not place.is_dir():
            return []
        return sorted(p.name for p in place.iterdir() if p.is_file() and not p.name.startswith("."))

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def stamp(self, name: str) -> tuple[int, ...]:
        found = (self.path / name).stat()
        return found.st_size, found.st_mtime_ns, found.st_ino

    @contextlib.contextmanager
    def lock(self) -> Iterator[Callable[[], bool]]:
        """Held by this process until it ends; what a run that was killed left half written is cleared away."""

        def is_here() -> bool:
            """Whether the lock is still that of the folder."""
            try:
                return os.path.samestat(os.fstat(file.fileno()), (self.path / LOCK).stat())
            except OSError:
                return False

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / LOCK).open("a+b", buffering=0)
        except OSError as error:
            raise unwritable(str(self.path), error) from error
        with file:
            hold(file, self.path)
            for folder in (self.path, self.path / CHUNKS):
                for stale in folder.iterdir() if folder.is_dir() else ():
                    if is_partial(stale.name) and stale.is_file():  # of a run that was killed: nobody else writes now
                        stale.unlink(missing_ok=True)
            self._held = True
            try:
                yield is_here
            finally:
                self._held = False

    def listing(self) -> list[str]:
        """What is in the folder and in that of the chunks; raises :class:`InputError` for a file."""
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; give a new or an empty folder as --out.")
        found = []
        for prefix, folder in (("", self.path), (f"{CHUNKS}/", self.path / CHUNKS)):
            there = folder.iterdir() if folder.is_dir() else ()
            found += [f"{prefix}{p.name}{'/' if p.is_dir() else ''}" for p in there]
        return sorted(found)


class RemotePlace(Place):
    """A folder of an fsspec file system. An object store makes each object whole or not at all; there are no locks."""

    def __init__(self, url: str, **options: Any) -> None:
        import fsspec  # noqa: PLC0415 - only needed for results elsewhere

        self._url = url.rstrip("/")
        try:
            self.fs, self.root = fsspec.core.url_to_fs(self._url, **options)
        except (ImportError, ValueError) as error:
            raise InputError(
                f"{url}: {error} Give a folder, or an address that fsspec can open (for s3:// install the extra: "
                "pip install 'jaxsim-studies[s3]')."
            ) from error
        self.fs.use_listings_cache = False

    @property
    def url(self) -> str:
        return self._url

    def read(self, name: str) -> bytes:
        with self._asked(name):
            return self.fs.cat_file(self._at(name))

    @contextlib.contextmanager
    def open(self, name: str, whole: bool = False) -> Iterator[BinaryIO]:
        """The file, read in parts as they are asked for, or at once."""

        def fetch(start: int, stop: int) -> bytes:
            """Some bytes of the file."""
            with self._asked(name):
                return self.fs.cat_file(self._at(name), start=start, end=stop)

        if whole:
            yield io.BytesIO(self.read(name))
            return
        self.fs.invalidate_cache()
        with self._asked(name):
            size = self.fs.size(self._at(name))
        yield cast(BinaryIO, Ranges(fetch, size))

    def write(self, name: str, content: bytes) -> None:
        with self._asked(name, read=False):
            self.fs.makedirs(self._at(name).rsplit("/", 1)[0], exist_ok=True)
            self.fs.pipe_file(self._at(name), content)

    def names(self, folder: str = "") -> list[str]:
        """Files of a folder, none where it is not; asked anew each time."""
        self.fs.invalidate_cache()
        try:
            with self._asked(folder):
                found = self.fs.ls(self._at(folder), detail=True)
        except FileNotFoundError:
            return []
        return sorted(entry["name"].rsplit("/", 1)[1] for entry in found if entry["type"] == "file")

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._asked(name):
            self.fs.rm_file(self._at(name))

    def exists(self, name: str) -> bool:
        self.fs.invalidate_cache()
        with self._asked(name):
            return bool(self.fs.exists(self._at(name)))

    def stamp(self, name: str) -> tuple[int, ...]:
        return ()

    @contextlib.contextmanager
    def lock(self) -> Iterator[Callable[[], bool]]:
        yield lambda: True

    def listing(self) -> list[str]:
        return [*self.names(), *(f"{CHUNKS}/{name}" for name in self.names(CHUNKS))]

    @contextlib.contextmanager
    def _asked(self, name: str, read: bool = True) -> Iterator[None]:
        """Errors for a person: each file system has its own (no credentials, no server). What is read may be missing."""
        try:
            yield
        except Exception as error:
            if read and isinstance(error, FileNotFoundError):
                raise
            raise StorageError(
                f"{self._url}/{name} cannot be reached: {error} (check the address, the credentials and the settings of fsspec, "
                "such as FSSPEC_S3_ENDPOINT_URL). What was finished is kept, and the same command goes on."
            ) from error

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}".rstrip("/")


def place_of(out: str | Path | Place) -> Place:
    """The place that an ``--out`` names: a path, or an address with ``://`` in it."""
    if isinstance(out, Place):
        return out
    text = str(out)
    return RemotePlace(text) if "://" in text else LocalPlace(Path(text))
