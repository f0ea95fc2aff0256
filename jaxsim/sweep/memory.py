"""How large a chunk may be for the memory there is."""

from __future__ import annotations

import math
import re

import jax
import psutil

from jaxsim.errors import InputError, brief
from jaxsim.study.study import Study
from jaxsim.sweep.plan import CHUNK_DATASETS
from jaxsim.sweep.shape import Shape

# Of the memory that is free (of the device, if that has less): the rest is for JAX itself, for others, and for wrong estimates.
SHARE = 0.25
# Temporary arrays of a fit, in copies of the tile's cross-products: the largest of the strategies measured needs nine.
COPIES = 12
# Bytes on the host for a row of a chunk's table: NumPy arrays, the Arrow table, its file, and a second chunk being written.
ROW_BYTES = 1200
UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse(text: str) -> int:
    """Bytes from ``2G``, ``500MB`` or a number; raises :class:`InputError`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?\s*", text, re.IGNORECASE)
    if not found or not 0 < float(found[1]) < 2**60:
        raise InputError(f"memory {brief(text)}: give a size such as 2G or 500M.")
    return int(float(found[1]) * UNITS[found[2].upper()])


def available() -> int:
    """Bytes a run uses by default."""
    free = psutil.virtual_memory().available
    stats = jax.local_devices()[0].memory_stats() or {}
    return int(SHARE * min(free, stats.get("bytes_limit", free)))


def tile_bytes(study: Study, shape: Shape) -> int:
    """Bytes of one tile in the making."""
    columns = len(study.names.columns) + 1
    return COPIES * 8 * shape.tile * max(shape.bounds.cells * columns**2, shape.bounds.rows * columns)


def chunk_bytes(study: Study, shape: Shape, datasets: int, beside: int = 1) -> int:
    """Bytes of a chunk of so many datasets, of which tiles are computed beside each other: the arrays of these, and its tables."""
    tiles = min(beside, math.ceil(datasets / shape.tile))
    return tiles * tile_bytes(study, shape) + datasets * dataset_bytes(study)


def dataset_bytes(study: Study) -> int:
    """Bytes of a dataset in the tables of a chunk."""
    return ROW_BYTES * len(study.estimators) * len(study.terms)


def chunk_datasets(study: Study, shape: Shape, memory: int, beside: int = 1, most: int | None = None) -> int:
    """Datasets of a chunk: as many as fit, at most ``most``.

    Args:
        study: what is computed.
        shape: of the chunk.
        memory: bytes.
        beside: tiles computed beside each other.
        most: datasets of a chunk in any case; when None ``CHUNK_DATASETS``, or a tile for each that is computed beside the others.

    Raises:
        InputError: if not even one tile fits.
    """
    tiles = beside * tile_bytes(study, shape)
    dataset = dataset_bytes(study)
    if tiles + dataset > memory:
        raise InputError(
            f"memory: {in_words(memory)} is too little for datasets with room for {shape.groups} groups, which are computed "
            f"{beside} x {shape.tile} at a time and need {in_words(tiles + dataset)}; give more, or fewer --threads."
        )
    return min(most or max(CHUNK_DATASETS, beside * shape.tile), (memory - tiles) // dataset)


def in_words(count: float) -> str:
    """A size for a person."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} TB"
