"""The code of the documentation runs, from top to bottom, and its studies run."""

from __future__ import annotations

import re
import runpy
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from jaxsim import Grid, Study

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/fits.md", "docs/messy_worlds.md", "docs/units.md"])
def test_what_a_page_says_runs(page, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    matplotlib.use("agg")
    blocks = BLOCK.findall((ROOT / page).read_text())
    assert len(blocks) > 1
    known: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto")  # ArviZ's, of three rows of sleepstudy
        for number, block in enumerate(blocks):
            known.pop("study", None)
            exec(compile(block, page, "exec"), known)
            if "study" in known:
                assert answers(known["study"], tmp_path / str(number))


def answers(study, folder):
    """Whether a study's strategies fit the datasets of its process, as it is without the grid."""
    fits = Study(study.process, Grid(), study.estimators, 2).run(folder, progress=False).fits
    return fits["status"].isin(["ok", "singular"]).all()


def test_what_the_readme_says_runs(monkeypatch, tmp_path):
    """Each part as a script, but for what asks finished results, which nobody has yet, and fits, which ``docs/fits.md`` has."""
    monkeypatch.chdir(ROOT)
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    scripts = [block for block in blocks if not re.search(r"^(results\b|fit\b)", block, re.MULTILINE)]
    assert len(scripts) > 4
    for block in scripts:
        script = tmp_path / "mine.py"
        script.write_text(block)
        runpy.run_path(str(script))
