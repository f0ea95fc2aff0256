"""Chi-distributed numbers, each from one standard normal number: the quantile at its probability, as a polynomial.

No rejection, no loop, no table to look up for each number, so that a batch of datasets costs what its arithmetic costs. Between the
polynomials and the law lie at most 1e-9 of probability (tests/test_chi.py): it would take some 10^18 numbers to see a difference.
With two degrees of freedom and one the numbers are exact: the length of two normal numbers, and of one.
"""

from __future__ import annotations

import functools
import json
from importlib.resources import files
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


@functools.lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    """The coefficients, as ``scripts/chi_table.py`` made them and says what they are."""
    found: dict[str, Any] = json.loads(files("jaxsim.processes").joinpath("chi_table.json").read_text())
    return {name: np.array(value) if isinstance(value, list) else value for name, value in found.items()}


def coefficients(df: Array, few: bool = True) -> Array:
    """Chebyshev coefficients of ``chi - sqrt(df)`` in the normal number, ``[D + 1, ..]``, where each number has its own, ``[..]``.

    Args:
        df: degrees of freedom, at least 3 (at least 8 unless ``few``); what they are of others means nothing.
        few: whether there may be fewer than 8, which takes more terms.
    """
    table, root = _table(), _root(df)
    smooth = [functools.reduce(lambda sum_, c: sum_ * root + c, column[::-1]) for column in table["smooth"].T]
    if not few:
        return jnp.stack(smooth)
    wide = smooth + [jnp.zeros_like(root)] * (table["few"].shape[1] - len(smooth))
    for k, row in enumerate(table["few"]):
        wide = [jnp.where(df == table["first_few"] + k, own, sum_) for own, sum_ in zip(row, wide, strict=True)]
    return jnp.stack(wide)


def shared_coefficients(df: Array) -> Array:
    """:func:`coefficients` ``[D + 1, K]`` of ``df`` ``[K]`` as a product with the table, which compiles faster."""
    table, root = _table(), _root(df)
    powers = jnp.cumprod(jnp.concatenate([jnp.ones((1, len(df))), jnp.tile(root, (len(table["smooth"]) - 1, 1))]), axis=0)
    own = df == table["first_few"] + np.arange(len(table["few"]))[:, None]
    both = jnp.concatenate([jnp.where(own.any(0), 0.0, powers), own.astype(powers.dtype)])
    wide = np.pad(table["smooth"], ((0, 0), (0, table["few"].shape[1] - table["smooth"].shape[1])))
    return jnp.asarray(np.concatenate([wide, table["few"]]).T, powers.dtype) @ both


def _root(df: Array) -> Array:
    """``sqrt(first_smooth / df)``, at most 1."""
    first = _table()["first_smooth"]
    return jnp.sqrt(first / jnp.maximum(df, first).astype(jnp.zeros(()).dtype))


def chi(normal: Array, spare: Array, df: Array, terms: Array) -> Array:
    """Numbers with a chi distribution, ``[K, G]``; zero without degrees of freedom.

    Args:
        normal: independent standard normal numbers, ``[K, G]``.
        spare: others, ``[G]``; used where there are two degrees of freedom, which no more than one of a group's numbers may have.
        df: degrees of freedom, int ``[K, G]``.
        terms: their :func:`coefficients`, ``[D + 1, K, G]``, or ``[D + 1, K, 1]`` if they are the same in all groups.
    """
    x = normal / _table()["width"]
    after, two_after = jnp.zeros_like(x), jnp.zeros_like(x)
    for term in terms[:0:-1]:  # Clenshaw's recurrence
        after, two_after = term + 2 * x * after - two_after, after
    many = jnp.sqrt(jnp.maximum(df, 0).astype(x.dtype)) + terms[0] + x * after - two_after
    two = jnp.sqrt(normal**2 + spare**2)
    some = jnp.where(df == 1, jnp.abs(normal), jnp.where(df == 2, two, jnp.abs(many)))
    return jnp.where(df > 0, some, 0.0)
