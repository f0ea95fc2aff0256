"""Data that a strategy has not seen: further rows of the groups of its dataset, and rows of other groups."""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.rows import Rows


class Unseen(NamedTuple):
    """Rows of one population that a fit can be asked to predict, and what is known of all of them.

    Attributes:
        products: cross-products of such rows, or what these are expected to be, by cell of the grouping: all that errors of linear
            predictions depend on.
        variance: of the response in the population, ``[]``.
        means: the same cross-products with the expected response of each row in place of the response; None where it is not told.
        rows: such rows, one by one; a weight says how much a row counts. None where the process draws cross-products alone.
    """

    products: CrossProducts
    variance: jax.Array
    means: CrossProducts | None
    rows: Rows | None


class Fresh(NamedTuple):
    """Rows of the groups that the dataset has (``known``), and of ``new`` ones with the same fixed effects; None where a process
    does not say how they come about."""

    known: Unseen | None
    new: Unseen | None
