"""The code of the documentation runs, page by page from top to bottom, and its studies run."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from jaxsim import GaussianMultilevel, Grid, Study, TwoStage

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"Save this as `(\w+)\.py`")
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if "made" not in path.parts]
WITH_CODE = [path.relative_to(ROOT).as_posix() for path in PAGES if BLOCK.search(path.read_text())]
# What asks for levels of a factor, or draws them.
LEVELS = re.compile(r"where=|^results\.plot", re.MULTILINE)
# Enough for every measure to be a number.
REPLICATES = 3


@pytest.fixture
def place(tmp_path):
    """A folder that has what a clone has, and results that were run there."""
    for name in ("tests", "experiments", "notebooks"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.fixture
def few(page, monkeypatch, place):
    """Studies of pages have few datasets of few conditions, and their scripts can be imported."""
    whole = Study.run
    text = (ROOT / page).read_text()
    levels = 3 if "_curve(" in text else 2 if LEVELS.search(text) else 1
    monkeypatch.setattr(Study, "run", lambda study, out, **options: whole(thinned(study, levels), out, progress=False))
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(place))
    matplotlib.use("agg")
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) and Path(sys.modules[name].__file__).parent == place:
            del sys.modules[name]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("page", WITH_CODE)
def test_what_a_page_says_runs(page, place):
    text = (ROOT / page).read_text()
    if "jaxsim.load(" in text and ".run(" not in text:
        Study(GaussianMultilevel(10, 5, n_predictors=1), Grid(), (TwoStage(),), 2).run("results/mine")
    known: dict[str, Any] = {"__name__": "page"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto")  # ArviZ's, of three rows of sleepstudy
        for found in BLOCK.finditer(text):
            block, before = found[1], text[: found.start()].rsplit("```", 1)[-1]
            if script := SCRIPT.search(before):
                (place / f"{script[1]}.py").write_text(block)
            last = known.get("study")
            # Functions of a page are found by inspect, as those of a script are.
            path = place / f"block_{os.getpid()}_{found.start()}.py"
            path.write_text(block)
            exec(compile(block, str(path), "exec", dont_inherit=True), known)
            if known.get("study") is not last and ".run(" not in block:
                assert answers(known["study"], place / f"{Path(page).stem}_{found.start()}")


def thinned(study, levels):
    """A study with few datasets and some levels of each factor."""
    grid = Grid(**{name: known[:levels] for name, known in study.grid.factors})
    return dataclasses.replace(study, grid=grid, replicates=REPLICATES)


def answers(study, folder):
    """Whether a study's strategies fit the datasets of its process, as it is without the grid."""
    fits = Study(study.process, Grid(), study.estimators, 2).run(folder).fits
    return fits["status"].isin(["ok", "singular"]).all()


def scripts(page):
    """Scripts that a page has its readers save, by name."""
    text = (ROOT / page).read_text()
    found = [(SCRIPT.search(text[: block.start()].rsplit("```", 1)[-1]), block[1]) for block in BLOCK.finditer(text)]
    return {name[1]: block for name, block in found if name}


def test_scripts_of_one_name_are_one_script():
    """A reader of two pages saves both in one folder, and their results under the script's name."""
    every = [(name, page, block) for page in WITH_CODE for name, block in scripts(page).items()]
    assert {"how_many", "trial", "stroop"} <= {name for name, *_ in every}
    assert {len({block for other, _, block in every if other == name}) for name, *_ in every} == {1}
    assert "how_many" in scripts("README.md")


def test_the_readme_has_the_number_of_the_page():
    said = re.compile(r"needs \((\d+) for `drugactive:day`, with 95% Monte Carlo limits (\d+ to \d+)\)")
    needed, limits = said.search((ROOT / "README.md").read_text()).groups()
    assert re.search(rf"lmer drugactive:day +{needed} {limits} between", (ROOT / "docs/how-to/how-many.md").read_text())
