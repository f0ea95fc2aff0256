"""The last audit of a study, one row a fit: a Parquet file whose name is a checksum of its bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jaxsim.store.chunk import digest
from jaxsim.store.errors import DamagedError
from jaxsim.store.ours import AUDIT, is_audit
from jaxsim.store.place import Place

ABOUT = b"jaxsim.audit"


def write(place: Place, table: pd.DataFrame, about: Mapping[str, object]) -> None:
    """Store an audit and what it is about, in place of older ones."""
    arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata({ABOUT: json.dumps(about)})
    buffer = pa.BufferOutputStream()
    pq.write_table(arrow, buffer, compression="zstd")
    content = buffer.getvalue().to_pybytes()
    name = f"audit-{digest(content)}.parquet"
    place.write(name, content)
    for old in _names(place):
        if old != name:
            place.remove(old)


def read(place: Place) -> tuple[pd.DataFrame, dict[str, object]] | None:
    """The last audit and what it is about; None if there is none.

    Raises:
        DamagedError: if it is not what was written.
    """
    found = [_read(place, name) for name in _names(place)]
    return max(found, key=lambda one: str(one[1].get("date")), default=None)  # two only if a process died between them


def _read(place: Place, name: str) -> tuple[pd.DataFrame, dict[str, object]]:
    content = place.read(name)
    if name != AUDIT and name != f"audit-{digest(content)}.parquet":
        raise DamagedError(f"{name} is damaged (its checksum is wrong) and left out; run the audit again.")
    try:
        table = pq.read_table(pa.BufferReader(content))
        return table.to_pandas(), json.loads(table.schema.metadata[ABOUT])
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"{name} is damaged ({error}) and left out; run the audit again.") from error


def _names(place: Place) -> list[str]:
    return [name for name in place.names() if is_audit(name)]
