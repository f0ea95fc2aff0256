"""Numbers of things, and lists of them, in words."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, one: str, several: str = "") -> str:
    """How many there are of what: ``1 cell``, ``2,000 cells``.

    Args:
        count: whole and not negative.
        one: what one is called.
        several: what others are; ``one`` and an s when empty.
    """
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def listed(texts: Sequence[str], last: str = "and") -> str:
    """``a, b and c``; ``a, b or c`` with another ``last`` word."""
    return f" {last} ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
