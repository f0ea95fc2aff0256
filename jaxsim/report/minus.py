"""The minus sign of numbers that people read on a page."""

from __future__ import annotations

import re

_HYPHEN = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)")


def typeset(text: str) -> str:
    """Text with U+2212 before negative numbers, as figures have it, in place of the hyphen of terminals and files; hyphens within
    words, ranges, dates and exponents (``1e-05``) stay.
    """
    return _HYPHEN.sub("\N{MINUS SIGN}", text)
