"""What several test files need: the outside software, which must be there where JAXSIM_REQUIRE_R=1."""

from __future__ import annotations

import gc
import os
import sys

import jax
import numpy as np
import pytest
from optimising import as_users_have_them, optimise
from outside import absent

from jaxsim.errors import InputError
from jaxsim.numerics.compiling import FAST_TO_COMPILE

# Every program of the tests is compiled with the options of those of studies, in less than half the time, also where a test calls a
# strategy by itself, and in the processes that tests start. XLA reads this when it first compiles.
_options = [f"--{name}={str(value).lower()}" for name, value in FAST_TO_COMPILE.items()]
os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *_options]).strip()
# Thousands of programs take milliseconds each, in every file anew: they are kept too.
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
# Which line of Python each operation comes from is written into programs, where nobody reads it, in a twelfth of the tests' time.
os.environ["JAX_TRACEBACK_IN_LOCATIONS_LIMIT"] = "0"
jax.config.update("jax_traceback_in_locations_limit", 0)

# Compiled programs are mapped into memory; Linux lets a process have 65,530 maps, and XLA crashes without more.
MOST_MAPS = 8_000

# Files that take longest, the longest first: workers that begin with them end at about the same time.
LONGEST = (
    "test_contracts", "test_prediction_score", "test_structured", "test_without_rows", "test_robust_bayes", "test_bayes_posterior",
    "test_messy_worlds", "test_executors", "test_notebooks", "test_crossed_mixed", "test_bayes_coefficients",
    "test_design_process", "test_group_recovery", "test_audit", "test_bayes_calibration", "test_bayes_crossed_study",
    "test_crossed_design", "test_benchmarks", "test_your_own", "test_faults", "test_lme4_strategy", "test_invariance",
    "test_bayes_crossed_posterior", "test_bayes_importance", "test_one_variance", "test_arrays", "test_doctor",
    "test_crossed_power", "test_identification", "test_aliased", "test_words", "test_damage", "test_gee", "test_two_stage",
    "test_docs",
)  # fmt: skip


def pytest_addoption(parser):
    parser.addoption("--optimised", action="store_true", help="optimise every program, as users have them: twice the time")


def pytest_configure(config):
    optimise(config.getoption("--optimised"))


def pytest_collection_modifyitems(items):
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish():
    """Tracing makes millions of objects, hardly any of them garbage: looking for it every 700 takes a quarter of the time."""
    gc.freeze()
    gc.set_threshold(500_000, 20, 50)


@pytest.fixture(scope="module", autouse=True)
def _programs_of_one_module():
    """Forget compiled programs after a file with which they have become too many; the next files share those of before."""
    yield
    if _maps() > MOST_MAPS:
        sys.modules["jax"].clear_caches()
        if "jaxsim.sweep.recipe" in sys.modules:
            sys.modules["jaxsim.sweep.recipe"].forget()
        gc.collect()


@pytest.fixture(scope="session", autouse=True)
def _no_shelf():
    """Programs of this process are compiled from what they are made of: a test may have changed a constant of the code."""
    from jaxsim.sweep import shelf  # noqa: PLC0415 - after the settings above

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shelf, "place", lambda: None)
        yield


@pytest.fixture(scope="module")
def optimised():
    """For files about single bits, and those that compute for longer than they compile."""
    with as_users_have_them():
        yield


@pytest.fixture
def optimised_here():
    """The same for one test."""
    with as_users_have_them():
        yield


@pytest.fixture
def own_programs():
    """For a test that changes a constant which programs hold: it is compiled anew for it, and for the tests after it."""
    sys.modules["jax"].clear_caches()
    yield
    sys.modules["jax"].clear_caches()


def _maps() -> int:
    """Parts of this process's memory; where they cannot be counted, too many."""
    try:
        with open("/proc/self/maps", "rb") as parts:
            return sum(1 for _ in parts)
    except OSError:
        return MOST_MAPS + 1


@pytest.fixture
def rng():
    """Random numbers, the same in every test."""
    return np.random.default_rng(5)


@pytest.fixture(scope="session")
def pool():
    """Two workers for all files: R takes seconds to start. Without R the tests are skipped, or fail where R is required."""
    from jaxsim.r.pool import Pool  # noqa: PLC0415 - only where it is asked for

    try:
        made = Pool(2)
    except InputError as error:
        absent(f"needs R and pymer4: {error}")
    with made:
        yield made


@pytest.fixture
def pymer4_ready(pool):
    """lme4 through pymer4 works on this machine."""


@pytest.fixture
def running_workers(pool, monkeypatch):
    """Studies use the workers that run already, too."""
    from jaxsim.workers import shared  # noqa: PLC0415 - as above

    used = shared._Shared()
    used.join(lambda: pool)  # and never leaves
    monkeypatch.setitem(shared._pools, "R", used)


@pytest.fixture
def shared(pool, monkeypatch):
    """The functions for DataFrames use the workers that are there."""
    from jaxsim.frames import pymer4 as frame  # noqa: PLC0415 - as above

    monkeypatch.setattr(frame, "_shared", [pool])
