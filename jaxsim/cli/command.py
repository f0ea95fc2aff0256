"""``jaxsim`` as a process of its own, which ends once its work is done."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import stat
import sys
import threading
from typing import Any, NoReturn

from jaxsim.cli.main import main

SYSTEM = 2  # file descriptors up to which are the standard streams
NOT_WRITTEN = 120  # Python's status where the standard streams cannot be written to at its end
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
    written = _write_out()
    os._exit(status or (0 if written else NOT_WRITTEN))


def _write_out() -> bool:
    """What was written to files that are still open, and to the standard streams, and is held back; whether these took it."""
    if _writes():
        gc.unfreeze()  # what is frozen is not among the objects
        for one in [one for one in gc.get_objects() if type(one) in BUFFERED and one not in (sys.stdout, sys.stderr)]:
            with contextlib.suppress(Exception):  # a full disk, a closed file; whatever it is, nobody is left to mend it
                one.flush()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except OSError:
        return False
    return True


def _writes() -> bool:
    """Whether a file is open to be written to, as far as the system tells; going through all objects takes as long as taking them
    apart. Pipes do not count: libraries have some for themselves."""
    try:
        import fcntl  # noqa: PLC0415 - not on Windows

        names = [int(name) for name in os.listdir("/dev/fd")]
    except (ImportError, OSError):
        return True
    for number in names:
        with contextlib.suppress(OSError):  # that of the listing itself
            if number > SYSTEM and fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE and stat.S_ISREG(os.fstat(number).st_mode):
                return True
    return False
