"""What can go wrong with results on disk, in words for a person."""

from __future__ import annotations

import errno

from jaxsim.errors import InputError

# What a failed write means to a person.
REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
}


class StorageError(InputError):
    """Results that cannot be written or reached, or a file of results that is damaged."""


class DamagedError(StorageError):
    """A file of results that is not what was written."""


class DamagedWarning(UserWarning):
    """A file of results is damaged, and left out."""


class BusyError(InputError):
    """Another process is writing results to this place."""


def unwritable(what: str, error: OSError) -> StorageError:
    """The error for a person."""
    moved = "its folder is not there (was it moved or removed meanwhile?)"
    reason = moved if error.errno == errno.ENOENT else REASONS.get(error.errno or 0, str(error))
    return StorageError(
        f"{what} cannot be written: {reason}. What was finished is kept; make room or give access, and the same command goes on."
    )
