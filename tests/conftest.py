"""What several test files need: the outside software, which must be there where JAXSIM_REQUIRE_R=1."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest
from outside import absent

from jaxsim.errors import InputError


@pytest.fixture(scope="module", autouse=True)
def _programs_of_one_module():
    """Forget compiled programs after each file: thousands of them exhaust a process's memory maps, and XLA then crashes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture
def rng():
    """Random numbers, the same in every test."""
    return np.random.default_rng(5)


@pytest.fixture(scope="session")
def pymer4_ready():
    """lme4 through pymer4 works on this machine."""
    from jaxsim.r.pool import check  # noqa: PLC0415 - only where it is asked for

    try:
        check()
    except InputError as error:
        absent(str(error))


@pytest.fixture(scope="module")
def pool():
    """Two workers; without R the tests are skipped, or fail where R is required."""
    from jaxsim.r.pool import Pool  # noqa: PLC0415 - as above

    try:
        made = Pool(2)
    except InputError as error:
        absent(f"needs R and pymer4: {error}")
    with made:
        yield made


@pytest.fixture
def shared(pool, monkeypatch):
    """The functions for DataFrames use the workers that are there."""
    from jaxsim.frames import pymer4 as frame  # noqa: PLC0415 - as above

    monkeypatch.setattr(frame, "_shared", [pool])
