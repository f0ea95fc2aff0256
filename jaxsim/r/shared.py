"""One pool of R workers for all who need one at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jaxsim.r.pool import Pool
from jaxsim.workers.shared import shared


@contextmanager
def shared_pool() -> Iterator[Pool]:
    """A pool shared by all ``with`` blocks that are open at the same time; its workers end with the last of them.

    Raises:
        InputError: as :class:`~jaxsim.r.pool.Pool`.
    """
    with shared("R", Pool) as pool:
        yield pool
