"""Tests of terms, marginal means, differences and comparisons of random designs against lmerTest, pbkrtest and emmeans, live."""

from __future__ import annotations

import warnings

import pytest
from asked import beyond, differences
from designs import FIXED, designs

pytestmark = pytest.mark.lme4


@pytest.fixture(scope="module")
def answers(ask_r):
    every = designs(len(FIXED), seed=7)
    asked = {name: every[name] for name in list(every)[::2]}  # a dozen compiled models are enough for each run
    return asked, ask_r("ask_of_fits.R", asked)


def test_answers_are_those_of_r(answers):
    asked, theirs = answers
    compared = 0
    for name, rows in asked.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # singular fits, cells without rows
            found = differences(rows, theirs[name])
        compared += found is not None
        assert not beyond(found or {}), (rows["formula"].iloc[0], beyond(found or {}))
    # lme4 may be at another optimum, or refuse.
    assert compared >= 0.8 * len(asked)
