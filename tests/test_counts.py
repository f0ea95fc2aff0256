"""Numbers of things in words, everywhere: one cell is no cells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import jaxsim
from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study
from jaxsim.cli.main import main
from jaxsim.counts import counted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((1, "cell"), "1 cell"),
        ((0, "cell"), "0 cells"),
        ((2000, "cell"), "2,000 cells"),
        ((3, "strategy", "strategies"), "3 strategies"),
    ],
)
def test_counted(given, said):
    assert counted(*given) == said


SEVERAL = r"cells|datasets|strategies|coefficients|tiles|chunks|programs|replicates|fits|draws|units|rows|workers|combinations"


def test_a_study_of_one_of_everything_says_one(tmp_path, monkeypatch, capsys):
    """On the command line, in the log, in the report and in a notebook."""
    (tmp_path / "one.py").write_text(
        "from jaxsim import *\nstudy = Study(GaussianMultilevel(n_groups=8, n_obs=5, n_predictors=1), Grid(), (PooledOLS(),), 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["run", "one.py", "--out", "out", "--threads", "1"]) == 0
    assert main(["plan", "one.py"]) == 0
    study = Study(GaussianMultilevel(n_groups=8, n_obs=5, n_predictors=1), Grid(), (PooledOLS(),), 1)
    results = jaxsim.load("out")
    page = re.sub(r"<(style|script)>.*?</\1>", "", (Path("out") / "report" / "index.html").read_text(), flags=re.DOTALL)
    logs = [path.read_text() for path in Path("out").rglob("*.log")]
    said = capsys.readouterr()
    texts = [said.out, said.err, page, *logs, study._repr_html_(), repr(results), results._repr_html_()]
    for text in texts:
        words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " | ", text))
        wrong = re.search(rf"(?<![\d.,/])1 ({SEVERAL})\b", words)
        assert wrong is None, words[max(0, wrong.start() - 60) : wrong.end() + 20]
