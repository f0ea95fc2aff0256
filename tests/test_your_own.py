"""A study of nobody's parts but the user's, from a script outside the package: ``experiments/your_own.py``, made small.

It is run, killed, resumed, extended and run by Dask workers, with the same numbers; read elsewhere without the script; and refused
where its code has changed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from subprocesses import PATIENCE, environment, process, until

import jaxsim

pytest.importorskip("distributed")
pytest.importorskip("statsmodels")

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "your_own.py"
SMALL = {
    "n_groups=[10, 30], effect=[0.0, 0.5], variance_ratio=[1.0, 4.0]": "n_groups=[6, 8], variance_ratio=[4.0]",
    "first=50": "first=3",
    "replicates=400": "replicates=8",
}
LABELS = ["lm", "lmer", "unadjusted", "group_means", "gee", "mixed_lm"]


def write_script(folder: Path) -> Path:
    """The experiment with a small grid; its strategy in JAX comes from a module beside it."""
    text = EXPERIMENT.read_text()
    for old, new in SMALL.items():
        assert old in text
        text = text.replace(old, new)
    own = re.search(r"def group_means.*?\n\n\n", text, re.S).group()
    (folder / "helpers.py").write_text(f"import jax.numpy as jnp\n\n\n{own}")
    script = folder / "mine.py"
    script.write_text(text.replace(own, "").replace("import jax\n", "import jax\nfrom helpers import group_means\n"))
    return script


def command(*arguments: object) -> list[str]:
    return ["-m", "jaxsim", *map(str, arguments)]


def jaxsim_says(*arguments: object, cwd: Path, status: int = 0) -> str:
    """What a command prints, both ways."""
    done = subprocess.run(
        [sys.executable, *command(*arguments)], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=4 * PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    write_script(folder)
    jaxsim_says("run", "mine.py", "--out", "whole", "--no-report", "--quiet", cwd=folder)
    return folder


def tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    results = jaxsim.load(folder)
    return results.estimates, results.fits


def same(folder: Path, place: Path) -> None:
    for one, other in zip(tables(folder), tables(place / "whole"), strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_every_part_has_its_rows(place):
    results = jaxsim.load(place / "whole")
    assert results.progress == (16, 16)
    assert [strategy.name for strategy in results.study.estimators] == LABELS
    counts = results.fits.groupby("model", observed=True).size()
    assert counts.to_dict() == {name: 6 if name in ("gee", "mixed_lm") else 16 for name in LABELS}
    terms = results.estimates.groupby("model", observed=True)["term"].unique().map(list).to_dict()
    assert terms["mixed_lm"] == terms["unadjusted"] == ["Intercept", "treat"], "what a strategy does not estimate is absent"
    assert results.estimates["estimate"].notna().all()
    assert set(results.estimates.groupby("term", observed=True)["truth"].unique().map(tuple)) == {(0.0,), (0.5,)}
    # Two programs for REML of the same model: statsmodels' optimiser stops some 1e-4 standard errors from ours.
    wide = results.estimates.query("term == 'treat' and replicate < 3").pivot(
        index=["cell", "replicate"], columns="model", values="estimate"
    )
    assert (wide["mixed_lm"] - wide["lmer"]).abs().max() < 1e-2
    told = results.components(["model", "term"], measures=["bias"])
    assert set(zip(told["model"], told["term"], strict=True)) == {(m, "sd_Group_Intercept") for m in ("lmer", "unadjusted")}


def test_killed_resumed_and_extended(place):
    out = place / "killed"
    arguments = ["run", "mine.py", "--out", out, "--no-report", "--quiet", "--batch", 2]
    with process(command(*arguments, "--replicates", 5), place) as run:
        until("a chunk", lambda: list(out.glob("chunks/*.parquet")) or run.poll() is not None)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    done = jaxsim.load(out).progress[0]
    assert done < 10, "it was killed in the middle"
    kept = {file: file.stat().st_mtime_ns for file in out.glob("chunks/*.parquet")}
    assert kept
    jaxsim_says(*arguments, "--replicates", 5, cwd=place)
    assert jaxsim.load(out).progress == (10, 10)
    jaxsim_says(*arguments, cwd=place)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept, "what was finished is kept"
    same(out, place)


def test_dask_workers_that_never_saw_the_script(place):
    out = place / "dask"
    jaxsim_says("run", "mine.py", "--out", out, "--no-report", "--quiet", "--executor", "dask", "--workers", 2, cwd=place)
    same(out, place)


def test_read_elsewhere_without_the_script(place, tmp_path):
    out = place / "whole"
    table = jaxsim_says("summary", out, "--by", "variance_ratio", "--terms", "treat", cwd=tmp_path)
    assert all(name in table for name in LABELS)
    assert "right_call: a measure that is left out, for its function is not here" in table
    assert "right_call" in jaxsim_says("summary", out, "--measures", "right_call", "--script", place / "mine.py", cwd=tmp_path)
    assert "'right_call' is not known" in jaxsim_says("summary", out, "--measures", "right_call", cwd=tmp_path, status=2)
    jaxsim_says("report", out, "--out", tmp_path / "page", cwd=tmp_path)
    page = (tmp_path / "page" / "index.html").read_text()
    for words in ("Trial", "sd_Group_Intercept", "t_df", "group_means", "gee", "right_call: a measure that is left out"):
        assert words in page, words


def edited(place: Path, file: str, old: str, new: str, folder: Path) -> str:
    """What a run says after an edit of the script or its helper."""
    write_script(folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    return jaxsim_says("run", "mine.py", "--out", place / "whole", "--no-report", "--quiet", cwd=folder, status=2)


def test_changed_code_is_noticed(place, tmp_path):
    said = edited(place, "mine.py", "0.5 * baseline +", "0.4 * baseline +", tmp_path)
    assert "was computed with other code: the process Trial has changed (Trial" in said
    assert "so that all datasets here are of the old one" in said
    assert "Give another --out, or go back to that code" in said
    said = edited(place, "helpers.py", "estimate = inverse @ x.T @ y", "estimate = inverse @ (x.T @ y)", tmp_path)
    assert "the strategy 'group_means' has changed (group_means" in said
    said = edited(place, "mine.py", 'cov_type="bias_reduced"', 'cov_type="robust"', tmp_path)
    assert "the strategy 'gee' has changed (gee" in said


def test_comments_and_layout_are_no_change(place, tmp_path):
    script = write_script(tmp_path)
    script.write_text(script.read_text().replace("        keys = jax", "        # Four keys.\n\n        keys = jax"))
    jaxsim_says("run", script, "--out", place / "whole", "--no-report", "--quiet", cwd=tmp_path)
