"""How much of the machine this process may use."""

from __future__ import annotations

import os
import platform


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if platform.system() == "Linux" else os.cpu_count() or 1
