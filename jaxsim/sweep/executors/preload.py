"""Run by Dask in each worker process of this machine: Ctrl-C reaches all processes of a terminal, and is for the run alone."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Let the run decide when its workers end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
