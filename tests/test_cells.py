"""Cells by the levels of their factors, whatever kind of level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from jaxsim.errors import InputError
from jaxsim.levels import freeze, shown
from jaxsim.measures.stream.cells import chosen_cells

LEVEL_CELLS = pd.DataFrame({"cell": [0, 1, 2, 3], "effects": ["0, 0.3", "0, 0.5", "0, 0.3", "1"], "n": [1, 1, 2, 2], "sd": 0.5})


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"effects": (0.0, 0.3)}, (0, 2)),
        ({"effects": (0, 0.3)}, (0, 2)),
        ({"effects": np.array([0, 0.5])}, (1,)),
        ({"effects": "0, 0.3"}, (0, 2)),
        ({"effects": [(0.0, 0.3), (0, 0.5)]}, (0, 1, 2)),
        ({"effects": [[0.0, 0.3]], "n": 2}, (2,)),
        ({"n": 1.0}, (0, 1)),
        ({"n": [np.int64(2), 1.0]}, (0, 1, 2, 3)),
        ({"sd": np.float64(0.5), "n": [2]}, (2, 3)),
    ],
    ids=str,
)
def test_cells_are_found_by_levels_of_any_kind(where, found):
    assert chosen_cells(LEVEL_CELLS, where) == found


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"effects": (0, 0.4)}, r"where=\{'effects': '0, 0.4'\}: no cell has that; the levels are '0, 0.3', '0, 0.5', '1'"),
        ({"effects": [0, 0.3]}, r"where=\{'effects': 0\}: no cell has that"),
        ({"effects": (0, 0.5), "n": 2}, "no cell has these levels together"),
        ({"n": "1"}, "no cell has that; the levels are 1, 2"),
    ],
    ids=str,
)
def test_levels_that_no_cell_has_are_refused(where, message):
    with pytest.raises(InputError, match=message):
        chosen_cells(LEVEL_CELLS, where)


def test_levels_are_shown_as_they_are_or_as_text():
    assert freeze([1, np.array([2.5]), (np.int64(3),)]) == (1, (2.5,), (3,))
    assert isinstance(freeze(np.float32(1)), float)
    assert shown((0, (0.5, 1), "x")) == "0, (0.5, 1), x"
    assert [shown(level) for level in (1, 0.5, "x", None)] == [1, 0.5, "x", "None"]
