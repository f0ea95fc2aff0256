"""Keys depend on (seed, cell content, replicate, stream) and on nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study
from jaxsim.seeding import Stream, content_words, group_keys, replicate_key, stream_key


def bits(key):
    return tuple(np.asarray(jax.random.key_data(key)).ravel().tolist())


def test_keys_are_threefry_whatever_the_default():
    with jax.default_prng_impl("rbg"):
        key = replicate_key(0, content_words("a"), 0)
    assert key.dtype == jax.random.key(0, impl="threefry2x32").dtype


def test_every_part_of_the_identity_changes_the_key():
    words = content_words("cell")
    keys = {
        bits(replicate_key(0, words, 0)),
        bits(replicate_key(1, words, 0)),
        bits(replicate_key(0, content_words("other"), 0)),
        bits(replicate_key(0, words, 1)),
        *(bits(stream_key(replicate_key(0, words, 0), stream)) for stream in Stream),
    }
    assert len(keys) == 4 + len(Stream)


def test_a_batch_gives_the_keys_of_its_members():
    words = np.stack([content_words(text) for text in "abc"])
    batched = jax.vmap(replicate_key, in_axes=(None, 0, 0))(7, words, jnp.arange(3))
    assert [bits(k) for k in batched] == [bits(replicate_key(7, w, i)) for i, w in enumerate(words)]


def test_group_keys_do_not_depend_on_padding():
    key = replicate_key(0, content_words("a"), 0)
    short, long = group_keys(key, 5), group_keys(key, 50)
    assert [bits(k) for k in short] == [bits(k) for k in long[:5]]


CONTENT_WORDS = [4131697139, 555303799, 1941577939, 1634328276]
REPLICATE_BITS = (658023684, 2664966627)


def test_stored_key_values_stay_what_they_were():
    """Published results are reproducible only as long as these numbers never change."""
    assert content_words("jaxsim").tolist() == CONTENT_WORDS
    assert bits(replicate_key(1, content_words("jaxsim"), 2)) == REPLICATE_BITS


@pytest.mark.parametrize("grid", [Grid(n_groups=[4]), Grid(n_groups=[9, 4, 6]), Grid(group_sd=[0.5, 0.25], n_groups=[4])])
def test_a_cell_gives_the_same_data_in_any_grid(grid):
    alone = Study(GaussianMultilevel(n_groups=4, n_obs=6), Grid(), PooledOLS(), 1, seed=3).dataset(0, 2)
    among = Study(GaussianMultilevel(n_groups=7, n_obs=6), grid, PooledOLS(), 5, seed=3)
    conditions = {"n_groups": 4, "group_sd": 0.25} if "group_sd" in grid.names else {"n_groups": 4}
    assert alone.equals(among.dataset(conditions, 2))
    assert not alone.equals(among.dataset(conditions, 3))
