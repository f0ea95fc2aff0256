"""Chi-distributed numbers: the right law for few and many degrees of freedom, whatever is drawn beside them."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxsim.processes.chi import _table, chi, coefficients, shared_coefficients

# Within these bounds lie all normal numbers that are drawn.
GRID = np.linspace(-8.55, 8.55, 20_001)


def numbers(z, df, spare=None, shared=False):
    """Chi numbers of these normal ones."""
    spare = np.zeros(len(z)) if spare is None else spare
    terms = shared_coefficients(jnp.array([df]))[..., None] if shared else coefficients(jnp.full((1, len(z)), df), few=df < 8)
    return np.asarray(chi(jnp.asarray(z)[None], jnp.asarray(spare), jnp.full((1, len(z)), df), terms))[0]


@pytest.mark.parametrize("df", [3, 4, 5, 6, 7, 8, 9, 11, 16, 24, 60, 499, 10_000])
@pytest.mark.parametrize("shared", [False, True])
def test_law(df, shared):
    """The distribution function of what a normal number becomes, against the normal probability: within the promised 1e-9."""
    half = numbers(GRID, df, shared=shared) ** 2 / 2
    below, above = special.gammainc(df / 2, half), special.gammaincc(df / 2, half)
    error = np.where(GRID < 0, below - special.ndtr(GRID), special.ndtr(-GRID) - above)
    assert np.abs(error).max() < 1e-9


def test_law_of_very_many():
    """Where the incomplete gamma function has no digits left: the expansion of Cornish and Fisher, whose next term is df^-1.5."""
    df, z = 10_000_000, np.linspace(-5, 5, 101)
    root = 1 / np.sqrt(df)
    square = df + np.sqrt(2 * df) * z + 2 / 3 * (z**2 - 1) + root * (z**3 - 7 * z) / (9 * np.sqrt(2))
    np.testing.assert_allclose(numbers(z, df), np.sqrt(square), atol=2e-9)


def test_one_and_two_degrees_of_freedom_are_lengths_of_normal_numbers():
    z, spare = np.random.default_rng(0).normal(size=(2, 1000))
    np.testing.assert_array_equal(numbers(z, 1, spare), np.abs(z))
    np.testing.assert_allclose(numbers(z, 2, spare), np.hypot(z, spare), rtol=1e-15)
    assert not numbers(z, 0, spare).any()
    assert not numbers(z, -3, spare).any()


def test_both_ways_to_coefficients_agree():
    """As a product with the table and written out; to rounding of sums of numbers of size 10."""
    df = jnp.arange(3, 60)
    np.testing.assert_allclose(shared_coefficients(df), coefficients(df), rtol=0, atol=1e-14)
    np.testing.assert_allclose(coefficients(df[5:])[:23], coefficients(df[5:], few=False), rtol=0, atol=1e-14)


def test_the_table_is_what_its_script_makes():
    """To the digits that least squares keep; the law above is what counts."""
    place = Path(__file__).parent.parent / "scripts" / "chi_table.py"
    spec = importlib.util.spec_from_file_location("chi_table", place)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    stored = _table()
    np.testing.assert_allclose(stored["few"][0], script.fitted(3, script.FEW_DEGREE), atol=1e-8)
    np.testing.assert_allclose(stored["smooth"], script.smooth(), atol=1e-5)


def test_numbers_are_increasing():
    """So that each is the quantile at its probability, in the tails too."""
    for df in (3, 4, 7, 8, 12, 100):
        assert (np.diff(numbers(np.linspace(-6, 8.5, 5000), df)) > 0).all(), df


def test_single_precision():
    with jax.enable_x64(False):
        assert (
            stats.kstest(numbers(np.random.default_rng(1).normal(size=20_000).astype(np.float32), 5), stats.chi(5).cdf).pvalue
            > 1e-3
        )
