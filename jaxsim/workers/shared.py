"""One pool of workers for all who need the same at the same time: a process with R in it costs seconds to start and some 500 MB."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar


class Closable(Protocol):
    """A pool, as far as sharing goes."""

    @property
    def closed(self) -> bool:
        """Whether somebody closed it."""

    def close(self) -> None:
        """End it."""


P = TypeVar("P", bound=Closable)


class _Shared:
    """The pool, and how many use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Any = None
        self._users = 0

    def join(self, make: Callable[[], P]) -> P:
        """The pool, made for the first user, and anew for the first after somebody closed it."""
        with self._lock:
            if self._pool is None or self._pool.closed:
                self._pool, self._users = make(), 0
            self._users += 1
            pool: P = self._pool
            return pool

    def leave(self, pool: Closable) -> None:
        """Close the pool with its last user; one that was closed and replaced is nobody's."""
        with self._lock:
            if pool is not self._pool:
                return
            self._users -= 1
            if self._users == 0:
                self._pool = None
                pool.close()


_pools: dict[Hashable, _Shared] = {}


@contextmanager
def shared(key: Hashable, make: Callable[[], P]) -> Iterator[P]:
    """A pool shared by all ``with`` blocks of one key that are open at the same time; it ends with the last of them.

    Args:
        key: what the pool runs, and with how many workers if that is asked for.
        make: starts it; called for the first block.
    """
    one = _pools.setdefault(key, _Shared())
    pool = one.join(make)
    try:
        yield pool
    finally:
        one.leave(pool)
