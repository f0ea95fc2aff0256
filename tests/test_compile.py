"""How a program is compiled does not show in its numbers."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxsim import GaussianMultilevel, LinearMixed
from jaxsim.seeding import replicate_key
from jaxsim.sweep.compile import compile_program, precision

pytestmark = pytest.mark.usefixtures("optimised")


def test_two_code_generators_give_the_same_bits_as_one():
    process, strategy = GaussianMultilevel(12, 5, n_predictors=3), LinearMixed()
    with precision("float64"):
        keys = jax.vmap(lambda number: replicate_key(np.uint32(1), np.zeros(2, np.uint32), number))(np.arange(150, dtype=np.uint32))
        values, bounds = process.parameters(process.bounds), process.bounds
        data = jax.jit(jax.vmap(lambda key: process.draw(key, values, bounds)[1]))(keys)
        one, two = (compile_program(strategy.fit_batch, data, alone=alone)(data) for alone in (False, True))
    assert np.isfinite(one.estimate).all()
    for ours, theirs in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_array_equal(ours, theirs)
