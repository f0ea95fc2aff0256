"""The command line: what it prints, what it leaves, and what it says about mistakes."""

import re
import subprocess
import sys

import pandas as pd
import pytest

from jaxsim.cli.main import main
from jaxsim.report import ahead

SCRIPT = """
from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study, TwoStage
from jaxsim.cli import run_script

study = Study(GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 6]), (PooledOLS(), TwoStage()), replicates=3)

if __name__ == "__main__":
    run_script(study, default_out="by_script")
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiment.py").write_text(SCRIPT)
    return tmp_path / "experiment.py"


def test_run_prints_a_table_and_where_the_results_are(script, capsys):
    assert main(["run", str(script), "--replicates", "2", "--out", "there", "--no-report"]) == 0
    printed = capsys.readouterr()
    assert "2 cells x 2 = 4 datasets" in printed.out
    assert "coverage" in printed.out
    assert "lm2" in printed.out
    assert "results: there" in printed.out
    assert "100%" in printed.err, "the progress bar"
    assert (script.parent / "there" / "study.json").exists()
    assert main(["summary", "there"]) == 0
    assert "coverage" in capsys.readouterr().out


def test_measures_as_a_file(script, capsys):
    assert main(["run", str(script), "--out", "there", "--no-report", "--quiet"]) == 0
    assert main(["summary", "there", "--csv", "all.csv"]) == 0
    assert "measures: all.csv" in capsys.readouterr().out
    every = pd.read_csv("all.csv")
    assert {"model", "n_groups", "term", "measure", "value", "mcse", "n_used"} <= set(every.columns)
    assert set(every["model"]) == {"ols", "lm2"}
    assert main(["summary", "there", "--csv", "models.csv", "--by", "model", "--measures", "bias", "coverage"]) == 0
    few = pd.read_csv("models.csv")
    assert "n_groups" not in few.columns
    assert set(few["measure"]) == {"bias", "coverage"}
    capsys.readouterr()
    assert main(["summary", "there", "--by", "n_groups", "--terms", "IV1", "--alpha", "0.1", "--measures", "power"]) == 0
    told = capsys.readouterr().out
    assert "By n_groups, a line for each of 2 cells and the coefficient IV1" in told
    assert "tests at alpha = 0.1" in told
    assert "bias" not in told.splitlines()[2]
    assert main(["summary", "there", "--terms", "IV7"]) == 2
    assert "'IV7' is not known" in capsys.readouterr().err
    assert main(["summary", "there", "--csv", "sizes.csv", "--by", "n_groups"]) == 0
    assert set(pd.read_csv("sizes.csv")["model"]) == set(every["model"]), "a line for each strategy, as on the screen"
    assert main(["summary", "there", "--csv", "no/such/folder.csv"]) == 2


def test_run_ends_with_the_report(script, capsys, monkeypatch):
    prepared = []
    monkeypatch.setattr(ahead, "prepare", lambda study: prepared.append(len(study.cells)))
    assert main(["run", str(script), "--quiet", "--no-report", "--out", "another"]) == 0
    assert prepared == []
    assert main(["run", str(script), "--quiet"]) == 0
    assert prepared == [2], "while programs are compiled"
    printed = capsys.readouterr().out.strip().splitlines()
    assert printed[-2] == "results: results/experiment"
    assert printed[-1].endswith("results/experiment/report/index.html")
    page = script.parent / "results/experiment/report/index.html"
    assert page.exists()
    page.unlink()
    assert main(["report", "results/experiment", "--out", "elsewhere"]) == 0
    assert (script.parent / "elsewhere" / "index.html").exists()


def test_a_script_runs_itself(script):
    command = [sys.executable, str(script), "--replicates", "2", "--no-report", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "results: by_script" in done.stdout
    refused = subprocess.run([*command[:-1], "8"], capture_output=True, text=True, timeout=200, check=False)
    assert refused.returncode != 0
    assert "seed: 7 there, 8 here" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "missing.py"], "missing.py is not a file"),
        (["run", "empty.py"], "defines no `study`"),
        (["run", "experiment.py", "--replicates", "0"], "replicates=0"),
        (["run", "experiment.py", "--seed", "-1"], "seed=-1"),
        (["run", "experiment.py", "--out", "full"], "no jaxsim results"),
        (["run", "experiment.py", "--memory", "1K"], "too little for datasets with room for 8 groups"),
        (["run", "experiment.py", "--memory", "lots"], "give a size such as 2G"),
        (["run", "experiment.py", "--batch", "0"], "--batch 0"),
        (["run", "experiment.py", "--devices", "99"], "JAX sees"),
        (["run", "experiment.py", "--workers", "2"], "give --executor dask"),
        (["run", "experiment.py", "--executor", "dask", "--threads", "2"], "about this process"),
        (["run", "experiment.py", "--executor", "dask", "--cluster-option", "queue"], "give NAME=VALUE"),
        (["run", "experiment.py", "--until", "beauty:1"], "measure of Until='beauty'"),
        (["run", "experiment.py", "--minimum", "5"], "give --until"),
        (["run", "experiment.py", "--out", "nofs://x/y"], "an address that fsspec can open"),
        (["plan", "missing.py"], "missing.py is not a file"),
        (["report", "full"], "no jaxsim results"),
        (["summary", "nowhere"], "no jaxsim results"),
    ],
)
def test_mistakes_get_one_line_and_status_two(script, capsys, arguments, message):
    (script.parent / "empty.py").write_text("studies = 3\n")
    (script.parent / "full").mkdir()
    (script.parent / "full" / "notes.txt").write_text("mine")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("jaxsim: ")
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_plan_says_what_a_run_will_take(script, capsys):
    assert main(["plan", str(script), "--mcse", "coverage:0.01,rmse:0.1", "--replicates", "40", "--batch", "30"]) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"80 datasets in 5 chunks, 3 programs; about \d+ s to compute on this machine, [\d.]+ KB of disk, [\d.]+ [MG]B", printed
    )  # of memory: that of this process, too, which has run other tests
    assert re.search(r"or to find them in the cache, took \d+ s just now; the run (finds|compiles) them", printed)
    assert re.search(r"up to [\d.]+ GB of memory \(--memory\), however many datasets there are: that is no estimate", printed)
    assert "a tile is the datasets that they work on\nat a time" in printed
    for column in ("room for groups", "cells", "tile", "chunks", "programs"):
        assert column in printed.splitlines()[0]
        assert column.removesuffix("s").split()[0] in printed.split("A line is")[1], "what a table says is explained"
    assert "coverage: about 475 replicates per cell (this plan has 40)" in printed
    assert "rmse: cannot be said beforehand" in printed
    assert not (script.parent / "results").exists(), "nothing is stored"
    assert main(["run", str(script), "--out", "there", "--no-report", "--quiet"]) == 0
    assert main(["plan", str(script), "--out", "there", "--no-trial"]) == 0
    assert "Nothing is left to compute." in capsys.readouterr().out
    assert main(["plan", str(script), "--out", "there", "--replicates", "5", "--no-trial"]) == 0
    printed = capsys.readouterr().out
    assert "4 datasets in 1 chunk, 3 programs. What they take is not known without a trial; programs are" in printed


def test_a_study_grows_and_stops_by_a_rule(script, capsys):
    assert main(["run", str(script), "--out", "there", "--no-report", "--quiet"]) == 0
    command = ["run", str(script), "--out", "there", "--no-report", "--replicates", "64", "--until", "bias:10", "--minimum", "8"]
    assert main([*command, "--batch", "5", "--memory", "1G", "--threads", "1"]) == 0
    printed = capsys.readouterr()
    assert "16 datasets" in printed.out, "3 of each cell were there, 5 more were computed"
    assert "UNFINISHED" not in printed.out
    assert len(pd.read_csv(script.parent / "there" / "cells.csv")) == 2


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("run", "plan", "report", "summary", "audit", "doctor", "experiments/seed_grid.py"):
        assert word in text


def test_an_interrupt_is_no_traceback(script, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxsim.study.study.Study.run", interrupted)
    assert main(["run", str(script), "--quiet"]) == 130
    assert "goes on from there" in capsys.readouterr().err
