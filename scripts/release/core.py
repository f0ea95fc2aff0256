"""What everybody has: the installed package and its command, a study with its report, own code in a worker process, one fit."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import jaxsim
from jaxsim import FrameProcess, FrameStrategy, Grid, PooledOLS, Study, TwoStage, report

HERE = Path(sys.argv[1])
STUDY = """
from jaxsim import GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study

study = Study(GaussianMultilevel(n_predictors=1), Grid(n_groups=[6, 8, 12]), (PooledOLS(), LinearMixed()), replicates=20, seed=1)
"""


def drawn(rng, n_groups=6):
    group = np.repeat(np.arange(n_groups), 5)
    x = rng.normal(size=len(group))
    return {"Intercept": 0.0, "x": 0.5}, pd.DataFrame({"Group": group, "x": x, "DV": 0.5 * x + rng.normal(size=len(group))})


def slope(data):
    return {"estimate": {"x": np.polyfit(data["x"], data["DV"], 1)[0]}, "std_error": {"x": 0.2}}


def command(*words):
    return subprocess.run([Path(sys.executable).parent / "jaxsim", *words], cwd=HERE, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    installed = Path(jaxsim.__file__)
    assert installed.is_relative_to(sys.prefix), installed
    assert (installed.parent / "py.typed").exists()

    doctor = command("doctor", "--json")
    core = [finding for finding in json.loads(doctor.stdout)["findings"] if finding["needed_for"] == "core"]
    assert core, doctor
    assert all(finding["state"] == "ok" for finding in core), core

    (HERE / "mine.py").write_text(STUDY)
    ran = command("run", "mine.py", "--quiet")
    assert ran.returncode == 0, ran.stderr
    results = jaxsim.load(HERE / "results" / "mine")
    assert results.progress == (60, 60)
    page = (HERE / "results" / "mine" / "report" / "index.html").read_text()
    assert "Coverage" in page
    assert results.measures(["model"], measures=["coverage"])["value"].between(0.5, 1).all()

    study = Study(FrameProcess(drawn), Grid(n_groups=[6, 8]), (PooledOLS(), TwoStage(), FrameStrategy(slope, terms=("x",))), 3)
    done = study.run(HERE / "own", progress=False)
    assert set(done.fits["status"]) == {"ok"}, done.fits
    assert report.write(done).exists()

    data = pd.DataFrame({"g": np.repeat(range(8), 6), "x": np.tile(range(6), 8)})
    data["y"] = data["x"] + data["g"] % 3 + np.random.default_rng(1).normal(size=48)
    fit = jaxsim.lmer("y ~ x + (1 | g)", data)
    assert fit.status == "ok"
    assert abs(fit.beta[1] - 1) < 0.5
