"""One pool of workers for all who need one at the same time: every process with R in it costs seconds to start and some 500 MB."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jaxsim.bridges.pymer4.pool import Pool


class _Shared:
    """The pool, and how many use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._users = 0

    def join(self) -> Pool:
        """The pool, started for the first user, and anew for the first after somebody closed it."""
        with self._lock:
            if self._pool is None or self._pool.closed:
                self._pool, self._users = Pool(), 0
            self._users += 1
            return self._pool

    def leave(self, pool: Pool) -> None:
        """Close the pool with its last user; one that was closed and replaced is nobody's."""
        with self._lock:
            if pool is not self._pool:
                return
            self._users -= 1
            if self._users == 0:
                self._pool = None
                pool.close()


_shared = _Shared()


@contextmanager
def shared_pool() -> Iterator[Pool]:
    """A pool shared by all ``with`` blocks that are open at the same time; its workers end with the last of them.

    Raises:
        InputError: as :class:`~jaxsim.bridges.pymer4.pool.Pool`.
    """
    pool = _shared.join()
    try:
        yield pool
    finally:
        _shared.leave(pool)
