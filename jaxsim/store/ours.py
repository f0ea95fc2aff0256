"""Names of the files that jaxsim writes into a results folder: nothing else there is ever changed or removed."""

from __future__ import annotations

import re
from collections.abc import Collection

STUDY, PLAN, PROVENANCE, REACHED = "study.json", "plan.json", "provenance.json", "reached.json"
AUDIT, LOG, CELLS, LOCK = "audit.parquet", "log.txt", "cells.csv", ".lock"
CHUNKS, REPORT = "chunks", "report"
SMALL = frozenset({STUDY, PLAN, PROVENANCE, REACHED, AUDIT, LOG, CELLS})

_CHUNK = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.parquet")
_AUDIT = re.compile(r"audit-[0-9a-f]{16}\.parquet")
# A file in the making: the name that it will have, and a name of its own.
_PARTIAL = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{32}\.partial")
# How a line of the log begins.
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 ")


def is_chunk(name: str) -> bool:
    """Whether a file's name is a chunk's."""
    return _CHUNK.fullmatch(name) is not None


def is_audit(name: str) -> bool:
    """Whether a file's name is an audit's; those of older versions have no checksum in it."""
    return name == AUDIT or _AUDIT.fullmatch(name) is not None


def is_partial(name: str) -> bool:
    """Whether a file's name is that of one of ours in the making."""
    found = _PARTIAL.fullmatch(name)
    return found is not None and (found["name"] in SMALL or is_chunk(found["name"]) or is_audit(found["name"]))


def is_log(content: bytes) -> bool:
    """Whether a file's content is that of our log."""
    return _TIME.match(content) is not None


def foreign(names: Collection[str]) -> list[str]:
    """Of the names in a folder without a study, those that a run which was stopped early cannot have left.

    Args:
        names: of the files and folders directly in it and of those in ``chunks/``, relative; a folder's ends with ``/``.
    """
    begun = any(is_chunk(name.removeprefix(f"{CHUNKS}/")) for name in names)
    allowed = {*SMALL, LOCK, f"{CHUNKS}/", *([f"{REPORT}/"] if begun else [])}
    return sorted(name for name in names if name not in allowed and not _is_file_of_ours(name))


def _is_file_of_ours(name: str) -> bool:
    folder, _, last = name.rpartition("/")
    if folder == CHUNKS:
        return is_chunk(last) or is_partial(last)
    return not folder and (is_partial(last) or is_audit(last))
