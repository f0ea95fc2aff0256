"""How hard XLA's compiler tries in tests: not at all, but where it matters.

Compiling takes far longer than most programs of tests. Without LLVM's optimisation it takes two fifths of the time, and programs
run three times as long. With it loops over datasets are vectorised, as users have them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import jax

from jaxsim.sweep import recipe

SWITCH = "jax_disable_most_optimizations"


def optimise(wanted: bool) -> None:
    """What is compiled from now on here, and in processes that are started."""
    os.environ[SWITCH.upper()] = str(int(not wanted))
    jax.config.update(SWITCH, not wanted)


@contextlib.contextmanager
def as_users_have_them() -> Iterator[None]:
    """Everything that is compiled is optimised; nothing of before is used, and nothing of it later."""
    before = os.environ[SWITCH.upper()] == "0"
    _forget()
    optimise(True)
    try:
        yield
    finally:
        optimise(before)
        _forget()


def _forget() -> None:
    jax.clear_caches()
    recipe.forget()
