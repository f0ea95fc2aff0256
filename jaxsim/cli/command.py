"""``jaxsim`` as a process of its own, which ends once its work is done."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import threading
from typing import Any, NoReturn

from jaxsim.cli.main import main

# What holds text or bytes back that were written to it.
BUFFERED = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def command() -> NoReturn:
    """Run :func:`jaxsim.cli.main.main`, and end the process with its status.

    Threads are waited for, functions registered for the end are called and files that a script has left open are written out, as
    Python does; but nothing is taken apart: modules, compiled programs and a million objects are the system's to forget, which
    Python would take a tenth of a second for.
    """
    status = main()
    threads: Any = threading
    threads._shutdown()
    atexit._run_exitfuncs()
    gc.unfreeze()  # what is frozen is not among the objects
    for one in [one for one in gc.get_objects() if type(one) in BUFFERED]:
        with contextlib.suppress(OSError, ValueError):  # a full disk, a closed file: at its end Python says nothing of them either
            one.flush()
    os._exit(status)
