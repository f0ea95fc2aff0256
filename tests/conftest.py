"""What several test files need: the outside software, which must be there where JAXSIM_REQUIRE_R=1."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest
from outside import absent

from jaxsim.errors import InputError

# Files that take longest, the longest first: workers that begin with them end at about the same time.
LONGEST = (
    "test_contracts", "test_structured", "test_bayes_posterior", "test_bayes_crossed_posterior", "test_bayes_coefficients",
    "test_bayes_crossed_study", "test_messy_worlds",
    "test_notebooks", "test_executors", "test_crossed_design", "test_crossed_mixed", "test_group_recovery",
    "test_prediction_score", "test_benchmarks", "test_bayes_calibration", "test_your_own", "test_faults", "test_lme4_strategy",
    "test_invariance", "test_design_process", "test_identification", "test_aliased", "test_words", "test_damage",
    "test_bayes_importance", "test_two_stage", "test_docs",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="module", autouse=True)
def _programs_of_one_module():
    """Forget compiled programs after each file: thousands of them exhaust a process's memory maps, and XLA then crashes."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    if "jaxsim.sweep.recipe" in sys.modules:
        sys.modules["jaxsim.sweep.recipe"].forget()
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
