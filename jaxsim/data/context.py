"""What a fit may need besides the data."""

from __future__ import annotations

from typing import NamedTuple

import jax


class Context(NamedTuple):
    """``key`` of the dataset's analysis stream, for methods that draw random numbers, and the ``conf_level`` ``[]`` of intervals.

    Strategies get the same key for the same dataset, so those with equal draws use the same ones.
    """

    key: jax.Array
    conf_level: jax.Array | float
