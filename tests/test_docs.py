"""The code of the documentation runs, from top to bottom."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import matplotlib
import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/fits.md", "docs/messy_worlds.md", "docs/units.md"])
def test_what_a_page_says_runs(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    matplotlib.use("agg")
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert len(blocks) > 1
    known: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto")  # ArviZ's, of three rows of sleepstudy
        for block in blocks:
            exec(compile(block, page, "exec"), known)
