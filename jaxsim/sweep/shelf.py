"""Compiled programs on disk, found by what they are made of, so that nothing has to be traced for them.

JAX's own cache finds a program by its text, which a process must first make: seconds for a study of a few strategies. Here the name
of a file follows from what the text follows from: the recipe and the shapes of its arguments, jaxsim's source files, versions,
settings of JAX, and the device. The folder is that of :mod:`jaxsim.cache`, which only this user can write to. A process whose
source files have changed since it imported jaxsim neither keeps nor finds anything: what it runs may be what they said before.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pickle
import platform
import secrets
import stat
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable

import jaxsim
from jaxsim import cache
from jaxsim.sweep.content import UnknownError, content

ROOT = Path(jaxsim.__file__).parent
# Settings of JAX that say where and when programs are kept, not what they are.
OF_CACHES = ("jax_compilation_cache", "jax_persistent_cache", "jax_enable_compilation_cache")
DIGEST = hashlib.sha256().digest_size
_KEEPER = ThreadPoolExecutor(1, thread_name_prefix="keep")
# XLA loses parts of a program that it did not compile in this process, when it is taken out of it once more.
FROM_CACHE = "/jax/compilation_cache/cache_hits"


class _Heard(threading.local):
    """How many programs JAX has found in its own cache for this thread."""

    found = 0

    def __call__(self, event: str, **_: Any) -> None:
        if event == FROM_CACHE:
            self.found += 1


_HEARD = _Heard()
jax.monitoring.register_event_listener(_HEARD)


@contextlib.contextmanager
def compiling() -> Iterator[list[bool]]:
    """Holds True, once it is over, if what was compiled meanwhile was compiled, and not found by JAX in its own cache."""
    said: list[bool] = []
    before = _HEARD.found
    yield said
    said.append(_HEARD.found == before)


def is_on() -> bool:
    """Whether JAX keeps programs, in our folder or where the user has told it to."""
    settings: Any = jax.config
    return bool(settings.jax_enable_compilation_cache and settings.jax_compilation_cache_dir)


def place() -> Path | None:
    """The folder; None where nothing is to be kept, or the user keeps JAX's programs elsewhere."""
    settings: Any = jax.config
    folder = cache.folder() if is_on() else None
    return folder if folder is not None and settings.jax_compilation_cache_dir == str(folder) else None


def name_of(kind: str, key: Any, device: jax.Device | None = None) -> str | None:
    """What a file with this key is called; None for a key with something in it that cannot be described, or :func:`changed` files.

    Args:
        kind: of the file, the beginning of its name.
        key: what its content follows from.
        device: which it is for.
    """
    where = () if device is None else (device.platform, device.device_kind, device.id, device.client.platform_version)
    try:
        told = content((key, where, _surroundings(), _settings()))
    except UnknownError:
        return None
    if changed():  # perhaps while it was described
        return None
    return f"{kind}-{hashlib.sha256(repr(told).encode()).hexdigest()}"


def load(name: str | None) -> Any:
    """What was kept under a name; None if there is nothing, or it is damaged."""
    folder = place()
    if name is None or folder is None:
        return None
    try:
        stored = _own(folder / name)
        if hashlib.sha256(stored[DIGEST:]).digest() != stored[:DIGEST]:
            return None
        return pickle.loads(zlib.decompress(stored[DIGEST:]))
    except (OSError, zlib.error, pickle.UnpicklingError, AttributeError, ImportError, EOFError, ValueError, TypeError):
        return None


def _own(path: Path) -> bytes:
    """What a file holds that is this user's, and for nobody else to write.

    Raises:
        OSError: for another's, also one that lies there from days on which the folder was open to others.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or found.st_mode & cache.OTHERS_WRITE):
            raise PermissionError(f"{path} may be another's.")
        return file.read()


def save(name: str | None, value: Any) -> None:
    """Keep a value, in one step; not being able to is no error, for it can be made again."""
    folder = place()
    if name is None or folder is None or changed():
        return
    beside = folder / f"{name}-{secrets.token_hex(4)}"
    try:
        packed = zlib.compress(pickle.dumps(value), 1)
        with open(beside, "xb", opener=lambda path, flags: os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)) as file:
            file.write(hashlib.sha256(packed).digest() + packed)
        os.replace(beside, folder / name)
    except (OSError, pickle.PicklingError, AttributeError, TypeError, ValueError):
        beside.unlink(missing_ok=True)


def load_program(name: str | None, device: jax.Device) -> Any:
    """A compiled program, ready on a device; None if there is none, or this version of JAX does not take it."""
    stored = load(name)
    if stored is None:
        return None
    try:
        code, taken, given = stored
        return serialize_executable.deserialize_and_load(code, taken, given, device.client, [device])
    except Exception:  # whatever JAX and XLA say of a program that is not theirs: it is compiled anew
        return None


def save_program(name: str | None, program: Any) -> None:
    """Keep a compiled program: on a thread of its own, so that whoever runs it need not wait. A process waits at its end."""
    if name is None or place() is None:
        return
    with contextlib.suppress(RuntimeError):  # the process is ending
        _KEEPER.submit(_save_program, name, program)


def wait() -> None:
    """Until all programs are kept."""
    _KEEPER.submit(lambda: None).result()


def _save_program(name: str, program: Any) -> None:
    try:
        stored = serialize_executable.serialize(program)
    except Exception:  # a device whose programs cannot be taken out of it
        return
    save(name, stored)


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What programs follow from that does not change while a process runs: jaxsim's source files, versions, XLA's flags."""
    source = hashlib.sha256()
    for path in _source():
        source.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    versions = (f"{name} {_version(name)}" for name in ("jax", "jaxlib", "numpy", "scipy", "numpyro"))
    return (source.hexdigest(), platform.python_version(), *versions, os.environ.get("XLA_FLAGS", ""))


@functools.cache
def _source() -> list[Path]:
    """jaxsim's own files; tables of constants, too."""
    found = (path for path in sorted(ROOT.rglob("*")) if path.suffix != ".pyc" and path.parent.name != "__pycache__")
    return [path for path in found if path.is_file()]


def changed() -> bool:
    """Whether one of these files is younger than this process's import of jaxsim, or is no longer there."""
    try:
        times = [path.stat() for path in _source()]
    except OSError:
        return True
    return any(max(found.st_mtime, found.st_ctime) > cache.IMPORTED for found in times)


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _settings() -> tuple[tuple[str, str], ...]:
    """JAX's own settings."""
    settings: Any = jax.config
    return tuple(sorted((name, repr(value)) for name, value in settings.values.items() if not name.startswith(OF_CACHES)))
