"""A file elsewhere, of which only what is read is fetched."""

from __future__ import annotations

import io
from collections.abc import Callable


class Ranges(io.RawIOBase):
    """A file to read in, range by range. The last range is kept: what lies in it is not fetched again.

    Args:
        fetch: gives the bytes from one place to before another.
        size: of the file, in bytes.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        self.fetch, self.size = fetch, size
        self.at, self.begin, self.kept = 0, 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        return self.at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from where the file stands, as far as it goes; what was fetched last is not fetched again."""
        start, stop = self.at, min(self.at + len(buffer), self.size)
        if start >= stop:
            return 0
        if start < self.begin or stop > self.begin + len(self.kept):
            self.kept, self.begin = self.fetch(start, stop), start
        found = self.kept[start - self.begin : stop - self.begin]
        buffer[: len(found)] = found
        self.at += len(found)
        return len(found)
