"""Random numbers by counter: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw 2011, *Supercomputing*).

Number ``(column, group)`` of a dataset is the cipher of these two, with the dataset's key: it does not depend on how many columns
or groups there are, nor on anything beside it. The cipher is JAX's own, which makes a key for a group before it can draw for it;
written out here without loops it compiles and runs in a fraction of the time.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array

# Rotations of the rounds, and the constant of the key schedule, of Threefry-2x32.
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)


def threefry(key: tuple[Array, Array], counter: tuple[Array, Array]) -> tuple[Array, Array]:
    """Two words of 32 random bits for each counter, elementwise; all words are uint32."""
    schedule = (*key, key[0] ^ key[1] ^ PARITY)
    a, b = counter[0] + schedule[0], counter[1] + schedule[1]
    for block in range(5):
        for distance in ROTATIONS[block % 2]:
            a = a + b
            b = ((b << distance) | (b >> (32 - distance))) ^ a
        a = a + schedule[(block + 1) % 3]
        b = b + schedule[(block + 2) % 3] + np.uint32(block + 1)
    return a, b


def uniforms(key: Array, columns: int, groups: int) -> Array:
    """Numbers uniform in (0, 1), ``[columns, groups]``, in JAX's precision: centres of 2^52 cells (2^32 in single precision).

    Args:
        key: of the dataset, one of JAX's of the kind threefry2x32.
        columns, groups: how many of them.
    """
    words = jax.random.key_data(key)
    shape = (columns, groups)
    column = jax.lax.broadcasted_iota(jnp.uint32, shape, 0)
    group = jax.lax.broadcasted_iota(jnp.uint32, shape, 1)
    high, low = threefry((words[0], words[1]), (group, column))
    real = jnp.zeros(()).dtype
    if real == jnp.float32:
        return (high.astype(real) + 0.5) * 2.0**-32  # rounds to 24 digits, near 0 to as many: no number is 0
    return high.astype(real) * 2.0**-32 + ((low >> 12).astype(real) + 0.5) * 2.0**-52
