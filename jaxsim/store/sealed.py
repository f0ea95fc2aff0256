"""Small JSON files that say when they are not what was written: with a format and a checksum of their content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jaxsim.store.chunk import digest
from jaxsim.store.errors import DamagedError

# A single flipped bit cannot remove both marks, and a file without both is one of an older version, which had neither.
FORMAT, CHECKSUM = "format", "checksum"
NOW = 2


def sealed(value: Mapping[str, Any]) -> bytes:
    """JSON for a person to read, with its marks last."""
    marked = {**value, FORMAT: NOW}
    return (json.dumps({**marked, CHECKSUM: _digest(marked)}, indent=2) + "\n").encode()


def opened(content: bytes) -> Any:
    """Undo :func:`sealed`, or read what an older version wrote.

    Raises:
        DamagedError: if the content is not what was written.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedError("it is no JSON") from error
    if not isinstance(value, dict) or not {FORMAT, CHECKSUM} & value.keys():
        return value
    given = value.pop(CHECKSUM, None)
    if given != _digest(value):
        raise DamagedError("its checksum is wrong")
    if value.pop(FORMAT) != NOW:
        raise DamagedError("its format is not known here; a newer jaxsim may read it")
    return value


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return digest(text.encode())
