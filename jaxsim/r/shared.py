"""One pool of R workers for all who need one at the same time."""

from __future__ import annotations

from contextlib import AbstractContextManager

from jaxsim.r.pool import Pool
from jaxsim.workers.shared import shared


def shared_pool() -> AbstractContextManager[Pool]:
    """A pool shared by all ``with`` blocks that are open at the same time; its workers end with the last of them.

    Raises:
        InputError: as :class:`~jaxsim.r.pool.Pool`.
    """
    return shared("R", Pool)
