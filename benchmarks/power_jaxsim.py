"""Power by jaxsim, call after call in one process: `python benchmarks/power_jaxsim.py < TASK` prints JSON.

`against_native.py` starts it. The task is ``{"design": .., "calls": [{"datasets": .., "seed": .., "methods": [..]}, ..]}``. Each
call is a whole run, stored in a folder, and the measure of rejection; CPU seconds are of this process with all its threads.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
from native_designs import Design


def call(design: Design, datasets: int, seed: int, methods: list[str], folder: Path) -> dict[str, Any]:
    """Seconds of one run, and the rates of rejection by method and predictor with how many fits they are of."""
    wall, cpu = time.perf_counter(), time.process_time()
    results = design.study(datasets, seed, tuple(methods)).run(folder, progress=False)
    found = results.measures(["model", "term"], measures=["rejection"])
    taken = {"CPU s": time.process_time() - cpu, "wall s": time.perf_counter() - wall}
    rates: dict[str, dict[str, Any]] = {name: {} for name in methods}
    for row in found[found["term"] != "Intercept"].to_dict("records"):
        rates[row["model"]][row["term"].replace("IV", "x")] = (row["value"], row["n_used"])
    return {**taken, "since start CPU s": time.process_time(), "at": time.time(), "rates": rates}


def main() -> None:
    """Read the task, call, print."""
    task = json.load(sys.stdin)
    design = Design(**{**task["design"], "effects": tuple(task["design"]["effects"])})
    with tempfile.TemporaryDirectory() as folder:
        answers = [call(design, **given, folder=Path(folder, str(i))) for i, given in enumerate(task["calls"])]
    print(json.dumps({"version": f"JAX {jax.__version__}", "answers": answers}))


if __name__ == "__main__":
    main()
