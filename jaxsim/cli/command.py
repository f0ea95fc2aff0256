"""``jaxsim`` as a process of its own, which ends once its work is done."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import Any, NoReturn

from jaxsim.cli.main import main


def command() -> NoReturn:
    """Run :func:`jaxsim.cli.main.main`, and end the process with its status.

    Threads are waited for and functions registered for the end are called, as Python does; but nothing is taken apart: modules,
    compiled programs and a million objects are the system's to forget, which Python would take a tenth of a second for.
    """
    status = main()
    threads: Any = threading
    threads._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)
