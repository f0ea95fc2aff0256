"""Compiled programs kept from one process to the next, in the user's cache folder: a study that ran once starts at once."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path

# Programs that compile faster than this are not worth a file, seconds.
WORTH_KEEPING = "0.3"
OFF = ("0", "off", "no", "false")


def folder() -> Path | None:
    """Where they are kept; None if the user does not want them kept (``JAXSIM_CACHE=off``), or the folder cannot be made.

    ``JAXSIM_CACHE`` names another folder. Machine code runs on the kind of processor it was made for: each has a folder of its own.
    """
    wanted = os.environ.get("JAXSIM_CACHE", "")
    if wanted.lower() in OFF and wanted:
        return None
    place = (Path(wanted) if wanted else _user_cache()) / f"programs-{_processor()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return place if os.access(place, os.W_OK) else None


def enable() -> None:
    """Tell JAX, unless it was told before by its own environment variable or the cache is off; imports nothing of it."""
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    place = folder()
    if place is None:
        return
    if "jax" in sys.modules:
        jax = sys.modules["jax"]
        if jax.config.jax_compilation_cache_dir is None:
            jax.config.update("jax_compilation_cache_dir", str(place))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", float(WORTH_KEEPING))
    else:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(place)
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", WORTH_KEEPING)


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
