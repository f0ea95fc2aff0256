"""Software that is not installed with jaxsim: what its absence means for a test."""

from __future__ import annotations

import os

import pytest


def absent(message: str, required: str = "JAXSIM_REQUIRE_R") -> None:
    """Skip the test, or fail it where the software is required (``JAXSIM_REQUIRE_R=1``, or another such variable)."""
    if os.environ.get(required) == "1":
        pytest.fail(message)
    pytest.skip(message)
