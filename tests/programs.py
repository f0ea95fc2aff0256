"""Programs that a test compiles to run them once: the compiler takes far longer than they do, and does not optimise them."""

from __future__ import annotations

from functools import partial

import jax

# Programs compile in two fifths of the time, and run three times as long. Not for what is said of single bits: studies optimise.
NOT_OPTIMISED = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


@partial(jax.jit, static_argnums=0, static_argnames="groups", compiler_options=NOT_OPTIMISED)
def fit_batch(strategy, data, context=None, groups=False):
    """``strategy.fit_batch``."""
    return strategy.fit_batch(data, context, groups)


@partial(jax.jit, static_argnums=0, compiler_options=NOT_OPTIMISED)
def fit(strategy, data, context=None):
    """``strategy.fit``."""
    return strategy.fit(data) if context is None else strategy.fit(data, context)
