"""Reading and writing pipes until a deadline, without a thread that watches the clock."""

from __future__ import annotations

import os
import select
import time

# Longest wait that select.poll takes in one piece, milliseconds.
LONGEST_MS = 10**9


def write_all(descriptor: int, data: bytes, deadline: float) -> None:
    """Write to a pipe that does not block.

    Args:
        descriptor, data: where and what.
        deadline: on the clock of ``time.monotonic``.

    Raises:
        TimeoutError: if the other side has not read enough of it by then.
        BrokenPipeError: if the other side is gone.
    """
    left = memoryview(data)
    while left:
        _wait(descriptor, select.POLLOUT, deadline)
        left = left[os.write(descriptor, left) :]


def read_exactly(descriptor: int, count: int, deadline: float) -> bytearray:
    """Read so many bytes from a pipe.

    Raises:
        TimeoutError: if they have not come by the deadline.
        EOFError: if the other side closed the pipe first.
    """
    data = bytearray(count)
    left = memoryview(data)
    while left:
        _wait(descriptor, select.POLLIN, deadline)
        got = os.readv(descriptor, [left])
        if not got:
            raise EOFError("the other side closed the pipe")
        left = left[got:]
    return data


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    while not poll.poll(max(0.0, min((deadline - time.monotonic()) * 1e3, LONGEST_MS))):
        if time.monotonic() >= deadline:
            raise TimeoutError
