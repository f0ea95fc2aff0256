"""What `jaxsim run` takes from the command to the report's address, with an empty cache of compiled programs and with a full one.

    python benchmarks/whole_commands.py     # about four minutes on two idle cores

Each run is a process of its own: a study of one strategy and 1,000 datasets, with and without its report, and the 2019 study. With
``--other`` another checkout is measured too, in turns.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import table

HERE = Path(__file__).parent
ONE_STRATEGY = """
from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study

study = Study(GaussianMultilevel(n_predictors=3), Grid(n_groups=[30], n_obs=[25], group_sd=[0.5]), LinearMixed(), 1000, seed=1)
"""
# By the study's name: its script (None: that of the checkout), and what `jaxsim run` is told.
STUDIES = {
    "one strategy, 1,000 datasets": (ONE_STRATEGY, ()),
    "the same without a report": (ONE_STRATEGY, ("--no-report",)),
    "seed grid, 2,250 datasets": (None, ()),
}
SEED_GRID = Path("experiments", "seed_grid.py")
# A process has at most this long, seconds.
LONGEST = 900.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the processes, write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    trees = {"before": options.other, "now": HERE.parent} if options.other else {"now": HERE.parent}
    studies = [name for name in STUDIES if options.studies is None or any(name.startswith(one) for one in options.studies)]
    runs = pd.DataFrame([row for _ in range(options.turns) for name in studies for row in measure(trees, name)])
    found = {"Medians": medians(runs), "Every run": runs}
    note = "Seconds on the clock and CPU seconds (user + system, all threads) of whole processes, imports and the report included."
    table.write(options.out, "whole-commands", "From the command to the report", head, found, [note], csv="Every run")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--studies", nargs="+", metavar="NAME", help=f"beginnings of their names (default: all): {', '.join(STUDIES)}"
    )
    parser.add_argument("--turns", type=int, default=5, help="processes of each kind (default: 5; medians are shown)")
    parser.add_argument("--other", type=Path, help="another checkout to compare with")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables")
    return parser.parse_args(arguments)


def measure(trees: dict[str, Path], name: str) -> list[dict[str, object]]:
    """A row for one run of a study by each tree with an empty cache, and then with the full one that it left."""
    found: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "full"):
            for tree, place in trees.items():
                seconds = run(place, name, Path(folder, tree))
                found.append({"study": name, "tree": tree, "cache": cache, **seconds})
    return found


def run(tree: Path, name: str, folder: Path) -> dict[str, float]:
    """Seconds of one process that runs a study with the jaxsim of a tree; its cache stays in the folder."""
    script, options = STUDIES[name]
    folder.mkdir(exist_ok=True)
    shutil.rmtree(folder / "results", ignore_errors=True)
    file = tree.absolute() / SEED_GRID
    if script is not None:
        file = folder / "study.py"
        file.write_text(script)
    environment = os.environ | {"PYTHONPATH": str(tree.absolute()), "JAXSIM_CACHE": str(folder / "cache"), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-m", "jaxsim", "run", str(file), "--out", str(folder / "results"), *options]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True, timeout=LONGEST)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"wall s": wall, "CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def medians(runs: pd.DataFrame) -> pd.DataFrame:
    """A row for each study and cache; the ratio of the CPU seconds where there are two trees."""
    middle = runs.groupby(["study", "cache", "tree"], sort=False)[["wall s", "CPU s"]].median().unstack("tree")
    frame = pd.DataFrame({f"{what}, {tree}": middle[what, tree] for what in ("wall s", "CPU s") for tree in runs["tree"].unique()})
    if "CPU s, before" in frame:
        frame["CPU s, now / before"] = frame["CPU s, now"] / frame["CPU s, before"]
    return frame.reset_index()


if __name__ == "__main__":
    main()
