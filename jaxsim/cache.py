"""Compiled programs kept from one process to the next, in the user's cache folder: a study that ran once starts at once.

What lies there is machine code that this user will run, so it must be nobody else's to write: see :func:`distrust`.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import sys
import time
from pathlib import Path

from jaxsim.version import VERSION

# When this process began to import jaxsim: what its files say since then may not be what it runs.
IMPORTED = time.time()
# Programs that compile faster than this are not worth a file, seconds.
WORTH_KEEPING = "0.3"
# Rights to write that somebody else than a file's owner may have.
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OFF = ("0", "off", "no", "false")
# Holds what was said of a folder that was refused, so that the processes which this one starts do not say it again.
TOLD = "JAXSIM_CACHE_REFUSED"


def folder() -> Path | None:
    """Where they are kept; None if the user wants none kept (``JAXSIM_CACHE=off``), or the folder cannot be made or trusted.

    ``JAXSIM_CACHE`` names another folder. Each version of jaxsim has its own programs, and machine code runs on the kind of
    processor it was made for: each version and each kind of processor has a folder of its own.
    """
    place = _wanted()
    if place is None or distrust(place):
        return None
    try:
        place.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        place.mkdir(mode=stat.S_IRWXU, exist_ok=True)
    except OSError:
        return None
    # Again: it may be another's who was faster.
    return place if os.access(place, os.W_OK) and not distrust(place) else None


def distrust(place: Path) -> str:
    """Why programs of a folder must not be run, in words; empty if they may, or if it is not there yet.

    The folder must be the user's own and for nobody else to write. So must the one above it, in which the folder could be exchanged
    for another, unless that is root's, or keeps everybody to their own files (as ``/tmp`` does).
    """
    if not hasattr(os, "geteuid"):  # Windows keeps users' folders apart by itself
        return ""
    for path, owners, sticky in ((place.parent, {0, os.geteuid()}, True), (place, {os.geteuid()}, False)):
        for look in (os.lstat, os.stat):  # the link, if it is one, and where it leads
            try:
                found = look(path)
            except OSError:
                continue  # what is not there is made; what cannot be made is not used
            if found.st_uid not in owners:
                return f"{path} belongs to another user"
            open_to_others = found.st_mode & OTHERS_WRITE and not stat.S_ISLNK(found.st_mode)
            if open_to_others and not (sticky and found.st_mode & stat.S_ISVTX):
                return f"others may write to {path}"
    return ""


def enable() -> None:
    """Tell JAX, unless it was told before by its own environment variable or the cache is off; imports nothing of it."""
    jax = sys.modules.get("jax")
    if "JAX_COMPILATION_CACHE_DIR" in os.environ or (jax is not None and jax.config.jax_compilation_cache_dir is not None):
        return
    place = folder()
    if place is None:
        _complain()
    elif jax is not None:
        jax.config.update("jax_compilation_cache_dir", str(place))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", float(WORTH_KEEPING))
    else:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(place)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", WORTH_KEEPING)


def refused() -> str:
    """What to tell a person whose folder is not trusted; empty if it is, or if the cache is off."""
    place = _wanted()
    why = distrust(place) if place is not None else ""
    if not why:
        return ""
    return (
        f"{why}, so compiled programs are not kept there: they could be somebody else's. Name a folder of your own in JAXSIM_CACHE "
        "(it may be a new one), or set JAXSIM_CACHE=off."
    )


def _complain() -> None:
    """One line about a folder that is not trusted: not for every process of a run."""
    said = refused()
    if said and os.environ.get(TOLD) != said:
        os.environ[TOLD] = said
        print(f"jaxsim: {said}", file=sys.stderr)


def _wanted() -> Path | None:
    """The folder that the user's settings name; None if the cache is off."""
    wanted = os.environ.get("JAXSIM_CACHE", "")
    if wanted.lower() in OFF and wanted:
        return None
    return (Path(wanted) if wanted else _user_cache()) / f"programs-{VERSION}-{_processor()}"


def _user_cache() -> Path:
    import platformdirs  # noqa: PLC0415 - not needed where the user names a folder

    return Path(platformdirs.user_cache_dir("jaxsim", appauthor=False))


def _processor() -> str:
    """A name for what machine code depends on: the processor's model and abilities."""
    words = [platform.machine(), platform.processor()]
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(errors="replace").split("\n\n")[0].splitlines()
        words += [line for line in lines if line.split("\t")[0].strip() in ("model name", "flags", "Features")]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]
