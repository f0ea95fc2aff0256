"""Some seconds of the attacks that ``make fuzz`` runs for an hour."""

from __future__ import annotations

import time

import fuzz
import pytest
from fuzz import ATTACKS, Broken, attack, one


def test_nothing_breaks_the_rule():
    assert attack("in the tests", 5) > len(ATTACKS)


def test_what_breaks_it_is_told(monkeypatch):
    """With the numbers that make it again."""

    def raises(rng):
        raise KeyError(rng.random())

    monkeypatch.setitem(ATTACKS, "made up", raises)
    with pytest.raises(Broken, match=r"made up: KeyError: .*one\(1, 2, 'made up'\)"):
        one(1, 2, "made up")


def works():
    while True:
        pass


@pytest.mark.parametrize("hang", [lambda: time.sleep(20), works], ids=["waits", "works"])
def test_what_hangs_is_told(monkeypatch, hang):
    monkeypatch.setattr(fuzz, "SECONDS", 0.3)
    monkeypatch.setitem(ATTACKS, "made up", lambda rng: hang())
    with pytest.raises(Broken, match="made up: _Hang"):
        one(1, 2, "made up")
