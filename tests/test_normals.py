"""Random numbers by counter and what they become: the cipher, uniform and normal numbers, stages that are computed once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxsim.numerics.counters import threefry, uniforms
from jaxsim.numerics.staging import stage
from jaxsim.processes.normals import _circle, standard_normals

KEY = jax.random.key(7, impl="threefry2x32")


def table(key, columns, groups):
    return jnp.concatenate(standard_normals(jnp.asarray(True), key, columns, groups))


def test_the_cipher_is_threefry():
    """The known answers of its authors' library for 20 rounds, and JAX's own cipher."""
    words = [np.uint32(x) for x in (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)]
    zeros, ones = (np.uint32(0),) * 2, (np.uint32(0xFFFFFFFF),) * 2
    known = {(zeros, zeros): (0x6B200159, 0x99BA4EFE), (ones, ones): (0x1CB996FC, 0xBB002BE7)}
    known[(words[2], words[3]), (words[0], words[1])] = (0xC4923A9C, 0x483DF7A0)
    for (key, counter), expected in known.items():
        assert tuple(int(word) for word in jax.jit(threefry)(key, counter)) == expected
    folded = jax.random.key_data(jax.random.fold_in(KEY, 12345))
    assert [int(w) for w in jax.jit(threefry)(tuple(jax.random.key_data(KEY)), (np.uint32(0), np.uint32(12345)))] == folded.tolist()


def test_a_number_depends_on_its_key_and_counters_alone():
    whole = np.asarray(jax.jit(lambda: uniforms(KEY, 6, 64))())
    np.testing.assert_array_equal(whole[:4, :8], uniforms(KEY, 4, 8))
    keys = jax.random.split(KEY, 16)
    many = np.asarray(jax.jit(jax.vmap(lambda key: table(key, 5, 16)))(keys))
    few = np.asarray(jax.jit(jax.vmap(lambda key: table(key, 5, 8)))(keys[8:]))
    np.testing.assert_array_equal(many[8:, :, :8], few)
    nested = jax.jit(jax.vmap(jax.vmap(lambda key: table(key, 5, 16))))(keys.reshape(4, 4))
    np.testing.assert_array_equal(many, nested.reshape(many.shape))


def test_uniform_numbers():
    numbers = np.asarray(uniforms(KEY, 20, 50_000))
    assert 0 < numbers.min() < numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    # All 52 bits: of numbers with 32 the remainder would always be the same.
    assert stats.kstest((numbers.ravel() * 2.0**32) % 1, "uniform").pvalue > 1e-3


def test_sine_and_cosine():
    """Of angles all round the circle, near the axes too; 4e-16 is two roundings of a number below 1."""
    turns = np.concatenate([np.linspace(0, 1, 100_001)[:-1], (np.arange(8)[:, None] / 8 + [-1e-12, 1e-12]).ravel() % 1])
    x, y = _circle(jnp.asarray(turns))
    exact = 2 * np.longdouble(np.pi) * turns.astype(np.longdouble)  # pi's own rounding shifts an angle by 1e-16
    np.testing.assert_allclose(x, np.cos(exact).astype(float), rtol=0, atol=1e-15)
    np.testing.assert_allclose(y, np.sin(exact).astype(float), rtol=0, atol=1e-15)


@pytest.mark.parametrize("x64", [True, False])
def test_normal_numbers(x64):
    """One law, its tails and no dependence between the two numbers of a pair nor their squares."""
    with jax.enable_x64(x64):
        first, second = jax.jit(lambda: standard_normals(jnp.asarray(True), KEY, 40, 50_000))()
    numbers = np.concatenate([first, second]).ravel().astype(float)
    # Seeded tests at level 0.001; counts are Poisson, within four SDs.
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    for bound in (3, 4, 4.5):
        expected = 2 * stats.norm.sf(bound) * numbers.size
        assert abs((np.abs(numbers) > bound).sum() - expected) < 4 * np.sqrt(expected)
    a, b = np.asarray(first).ravel(), np.asarray(second).ravel()
    for power in (1, 2, 4):
        assert abs(np.corrcoef(a**power, b**power)[0, 1]) < 4 / np.sqrt(a.size)


def test_columns_and_groups_are_independent():
    numbers = np.asarray(table(KEY, 10, 4000))
    off = np.corrcoef(numbers)[np.triu_indices(10, 1)]
    along = [np.corrcoef(row[:-1], row[1:])[0, 1] for row in numbers]
    assert np.abs(np.concatenate([off, along])).max() < 4 / np.sqrt(4000)


def test_stages_change_nothing():
    """A stage returns what its function returns, alone and in batches, nested ones and such in which only some are wanted."""

    def steps(wanted, x, y):
        a, b = stage(wanted, lambda u: (u + 1, jnp.sin(u)), x)
        return stage(wanted, lambda u, v, w: u * v - w, a, b, y)

    x = jnp.linspace(0, 1, 24).reshape(4, 6)
    expected = np.asarray((x + 1) * jnp.sin(x) - 2.0)
    wanted = jnp.array([True, False, True, True])
    np.testing.assert_allclose(steps(jnp.asarray(True), x, 2.0), expected)
    np.testing.assert_allclose(jax.jit(jax.vmap(steps, in_axes=(0, 0, None)))(wanted, x, 2.0), expected)
    nested = jax.vmap(jax.vmap(steps, in_axes=(None, 0, None)), in_axes=(0, 0, None))
    np.testing.assert_allclose(nested(wanted[jnp.array([0, 2, 3, 0])], x, 2.0), expected)
    assert not jax.vmap(steps, in_axes=(0, 0, None))(jnp.zeros(4, bool), x, 2.0).any()


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="stages are for CPU")
@pytest.mark.parametrize("batch", [(), (8,)], ids=["one", "batch"])
def test_stages_are_computed_once(batch):
    """Two readers of a stage do not each draw its numbers: the compiled program has as many rounds of the cipher with one as with
    both. Should a new XLA look into conditions, this fails and the simulator takes three times as long."""

    def rounds(readers):
        def draw(wanted, words):
            cipher = stage(wanted, lambda w: uniforms(jax.random.wrap_key_data(w, impl="threefry2x32"), 2, 8), words)
            return [cipher[0] + k for k in range(readers)]

        program = jax.jit(jax.vmap(draw) if batch else draw)
        text = program.lower(jnp.ones(batch, bool), jnp.zeros((*batch, 2), jnp.uint32)).compile().as_text()
        return text.count("shift-left(")

    assert rounds(1) == rounds(3) == 20
