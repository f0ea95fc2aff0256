"""The few shapes that programs are compiled for: groups are padded to one of some sizes, datasets are worked on in tiles.

Both depend on the cell alone, never on the study around it, on the size of chunks or on the number of devices: every dataset
goes through the same compiled arithmetic whatever is computed beside it, so its numbers are the same to the last bit.
"""

from __future__ import annotations

import jax

# Powers of two: at most half of the groups that are computed are padding.
PADDED_GROUPS = tuple(2**k for k in range(3, 16))
# Numbers in the cross-products of a tile at most (8 MB in float64 on CPU, where a tile should stay near the caches).
TILE_NUMBERS = {"cpu": 2**20, "gpu": 2**25}
# Datasets of a tile: a multiple of what a vector register holds, and not more than fill the lanes of the slowest estimator.
FEWEST, MOST = 8, {"cpu": 2048, "gpu": 65536}


def padded_groups(n_groups: int) -> int:
    """The smallest padded size that holds ``n_groups``."""
    for size in PADDED_GROUPS:
        if n_groups <= size:
            return size
    return -(-n_groups // PADDED_GROUPS[-1]) * PADDED_GROUPS[-1]


def tile_datasets(groups: int, columns: int, backend: str | None = None) -> int:
    """Datasets that one call of a compiled program works on, a power of two.

    Args:
        groups: padded number of groups, G.
        columns: of a cross-product, M (predictors and response).
        backend: JAX's name of the kind of device; the present one when None.
    """
    kind = "cpu" if (backend or jax.default_backend()) == "cpu" else "gpu"
    fit = max(1, TILE_NUMBERS[kind] // (groups * columns**2))
    return min(MOST[kind], max(FEWEST, 2 ** (fit.bit_length() - 1)))
