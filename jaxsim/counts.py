"""Numbers of things in words."""

from __future__ import annotations


def counted(count: int, one: str, several: str = "") -> str:
    """How many there are of what: ``1 cell``, ``2,000 cells``.

    Args:
        count: whole and not negative.
        one: what one is called.
        several: what others are; ``one`` and an s when empty.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"
