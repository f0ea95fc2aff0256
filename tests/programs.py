"""Programs that a test compiles to run them once, without optimisation where numbers alone are looked at."""

from __future__ import annotations

from functools import partial

import jax

from jaxsim.sweep import recipe

OPTIMISED = {"xla_backend_optimization_level": 3} if jax.default_backend() == "cpu" else None


@partial(jax.jit, static_argnums=0, static_argnames="groups")
def fit_batch(strategy, data, context=None, groups=False):
    """``strategy.fit_batch``."""
    return strategy.fit_batch(data, context, groups)


@partial(jax.jit, static_argnums=0, static_argnames="groups", compiler_options=OPTIMISED)
def optimised_fit_batch(strategy, data, context=None, groups=False):
    """``strategy.fit_batch``, as users have it: for what is said of single bits."""
    return strategy.fit_batch(data, context, groups)


@partial(jax.jit, static_argnums=0)
def fit(strategy, data, context=None):
    """``strategy.fit``."""
    return strategy.fit(data) if context is None else strategy.fit(data, context)


def counted(monkeypatch) -> list:
    """Programs that studies compile from now on, one after the other."""
    found: list = []

    def compiled(function, *arguments, original=recipe.compile_program, **options):
        found.append(function)
        return original(function, *arguments, **options)

    monkeypatch.setattr(recipe, "compile_program", compiled)
    return found
