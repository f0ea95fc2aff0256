"""The only place that folds random keys: (study seed, cell content, replicate, stream) -> key.

A replicate's key depends on nothing else: not on the batch it is computed in, its position in the grid, the number of
devices or the other cells. Threefry is asked for by name, because JAX's ``rbg`` generator gives other numbers in another batch.
"""

from __future__ import annotations

import enum
import hashlib

import jax
import jax.numpy as jnp
import numpy as np


class Stream(enum.IntEnum):
    """Independent uses of randomness inside one replicate."""

    TRUTH = 0
    GROUPS = 1
    PREDICTORS = 2
    COMPLETION = 3
    SIZES = 4
    ANALYSIS = 5
    SCORES = 6
    WORLD = 7
    FRESH = 8


def content_words(content: str) -> np.ndarray:
    """Fold a cell's canonical text into four 32-bit words (the first 128 bits of SHA-256), shape ``[4]``, uint32."""
    return np.frombuffer(hashlib.sha256(content.encode()).digest()[:16], dtype=">u4").astype(np.uint32)


def replicate_key(seed: int | jax.Array, words: jax.Array | np.ndarray, replicate: int | jax.Array) -> jax.Array:
    """Key of one replicate of one cell.

    Args:
        seed: study seed, a non-negative integer below 2**32.
        words: the cell's ``content_words``, ``[4]`` uint32.
        replicate: number of the replicate within its cell, from 0.
    """
    key = jax.random.key(jnp.asarray(seed, jnp.uint32), impl="threefry2x32")
    words = jnp.asarray(words, jnp.uint32)
    key = jax.lax.fori_loop(0, 4, lambda i, k: jax.random.fold_in(k, words[i]), key)  # a loop compiles once
    return jax.random.fold_in(key, jnp.asarray(replicate, jnp.uint32))


def stream_key(key: jax.Array, stream: Stream) -> jax.Array:
    """Key of one stream of a replicate."""
    return jax.random.fold_in(key, int(stream))


def analysis_key(seed: int) -> jax.Array:
    """Key of the analysis of one dataset that no study has simulated; ``seed`` is a non-negative integer below 2**32."""
    return stream_key(jax.random.key(jnp.asarray(seed, jnp.uint32), impl="threefry2x32"), Stream.ANALYSIS)


def group_keys(key: jax.Array, n_groups: int) -> jax.Array:
    """One key per group, ``[G]``; group ``g`` gets the same key however many groups follow it (so padding changes nothing)."""
    return jax.vmap(lambda g: jax.random.fold_in(key, g))(jnp.arange(n_groups, dtype=jnp.uint32))
