"""What tests of the second stage share: coefficients in, a fit out, compiled once for each strategy."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim import Status
from jaxsim.data.context import Context
from jaxsim.estimators.second_stage import OwnRegressions
from jaxsim.sweep.compile import CPU_OPTIONS

KEY = jax.random.key(7, impl="threefry2x32")
# Every fit has so many groups, padding included, and so many coefficients at least.
PADDED, COEFFICIENTS = 16, 4
RESAMPLING = ("bootstrap", "bootstrap-t", "sign-flip")


def own_of(b, unit=None, padded=PADDED, **changes):
    """What the second stage is given: coefficients ``b`` ``[P, G]`` (a vector is one coefficient), padded with rubbish.

    Fewer coefficients than ``COEFFICIENTS`` are followed by copies of them.
    """
    b = np.atleast_2d(np.asarray(b, float))
    unit = np.ones_like(b) if unit is None else np.atleast_2d(unit)
    rows = np.arange(max(len(b), COEFFICIENTS)) % len(b)
    rubbish = np.full((len(rows), padded - b.shape[1]), 1e3)
    own = OwnRegressions(
        origin=np.zeros(len(rows)),
        beta=np.hstack([b[rows], rubbish]),
        unit=np.hstack([unit[rows], rubbish]),
        rss=np.asarray(1.0),
        residual_df=np.asarray(1),
        present=np.arange(padded) < b.shape[1],
    )
    return own._replace(**changes)


# Compiling is nearly all that these tests do.
QUICKLY = CPU_OPTIONS if jax.default_backend() == "cpu" else None


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def _compiled(strategy, own, resampling):
    return strategy.second_stage(own, jnp.int32(Status.OK), resampling)


def second_stage(strategy, own, key=KEY, conf_level=0.95):
    """The fit of a strategy."""
    return jax.device_get(_compiled(strategy, own, Context(key, conf_level)))


def coefficients(n_groups, seed, location=0.4):
    """One coefficient of each group, skewed."""
    return np.random.default_rng(seed).exponential(size=n_groups) - 1 + location
