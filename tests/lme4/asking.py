"""R as a program: rows go there as CSV with all their digits, results come back as JSON."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent
STORED = FOLDER.parent / "reference" / "parity.json"
# R's time for all conditions is about a minute on an idle core.
PATIENCE = 1500


def run(program: str, script: Path, *arguments: Any) -> None:
    """Run an R script on one core; an error shows what R said."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [program, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def ask(program: str, folder: Path, script: str, rows: dict[str, pd.DataFrame], *arguments: str) -> dict[str, Any]:
    """What a script of this folder writes about the stacked datasets: ``versions`` and the like, ``results`` by dataset."""
    stacked = pd.concat([frame.assign(dataset=name) for name, frame in rows.items()])
    stacked.to_csv(folder / "rows.csv", index=False)
    run(program, FOLDER / script, folder / "rows.csv", folder / "fits.json", *arguments)
    found = json.loads((folder / "fits.json").read_text())
    found["results"] = {entry.pop("dataset"): entry for entry in found["results"]}
    assert found["results"].keys() == rows.keys()
    return found
