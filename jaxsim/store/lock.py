"""Keeping two runs out of one folder of this machine."""

from __future__ import annotations

import datetime
import os
import socket
from io import FileIO
from pathlib import Path

from jaxsim.store.errors import BusyError, unwritable

try:
    import fcntl
except ImportError:  # Windows: runs are not kept apart there; overlapping chunks are still read once
    fcntl = None  # type: ignore[assignment]


def hold(file: FileIO, path: Path) -> None:
    """Lock the open file of a folder; the system lets go of it when the process ends, however it ends.

    Raises:
        BusyError: if another process holds it.
        StorageError: if it cannot be written to.
    """
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise BusyError(
            f"{path}: another run writes there ({file.read().decode().strip() or 'it does not say which'}); wait until it is done, "
            "stop it, or give another --out."
        ) from error
    except OSError:  # a file system without locks
        return
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {started}\n".encode())
    except OSError as error:
        raise unwritable(str(path), error) from error
