"""What a person waits for in a fresh process: the first fit, the next kind of model, the next size, and what follows a fit.

Each run is a process of its own (`fresh_process.py`), with an empty cache of compiled programs and with one that has all of them.
With ``--other`` another checkout is measured too, in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import table
from fresh_process import FORMULAS

HERE = Path(__file__).parent
CHILD = HERE / "fresh_process.py"
# A process has at most this long, seconds.
LONGEST = 600.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the processes, write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    trees = {"before": options.other, "now": HERE.parent} if options.other else {"now": HERE.parent}
    runs = pd.concat([measure(trees, kind) for _ in range(options.repeats) for kind in options.first], ignore_index=True)
    table.write(options.out, "first-fits", "First fits of a process", head, tables(runs), notes(runs))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", nargs="+", choices=list(FORMULAS), default=list(FORMULAS), help="kinds of the first model")
    parser.add_argument("--repeats", type=int, default=3, help="processes of each kind (default: 3; medians are shown)")
    parser.add_argument("--other", type=Path, help="another checkout to compare with")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables")
    return parser.parse_args(arguments)


def measure(trees: dict[str, Path], first: str) -> pd.DataFrame:
    """One run of each tree with an empty cache and, after it, with a full one: a row for each step."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for cache in ("empty", "full"):
            for name, tree in trees.items():
                for step, seconds in run(tree, first, Path(folder) / name).items():
                    found.append({"first model": first, "step": step, "tree": name, "cache": cache, **seconds})
    return pd.DataFrame(found)


def run(tree: Path, first: str, cache: Path) -> dict[str, dict[str, float]]:
    """Seconds of each step of one process that imports jaxsim from a tree."""
    environment = os.environ | {"PYTHONPATH": str(tree.absolute()), "JAXSIM_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, str(CHILD), first]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=LONGEST)
    return json.loads(done.stdout)


def tables(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Medians over the processes: a table of seconds on the clock, one of CPU seconds."""
    order = list(dict.fromkeys(zip(runs["first model"], runs["step"], strict=True)))
    columns = list(dict.fromkeys(zip(runs["cache"], runs["tree"], strict=True)))
    found = {}
    for what, caption in (("wall", "Seconds on the clock"), ("cpu", "CPU seconds")):
        middle = runs.groupby(["first model", "step", "cache", "tree"])[what].median()
        rows = [
            {
                "first model": first,
                "step": step,
                **{f"{cache} cache, {tree}": middle[first, step, cache, tree] for cache, tree in columns},
            }
            for first, step in order
        ]
        found[caption] = pd.DataFrame(rows)
    return found


def notes(runs: pd.DataFrame) -> list[str]:
    """What matters most: how long the first answer takes, and the slowest of the fits after it."""
    middle = runs.groupby(["tree", "cache", "first model", "step"])["wall"].median()
    found = []
    for tree, cache in dict.fromkeys(zip(runs["tree"], runs["cache"], strict=True)):
        own = middle[tree, cache].unstack()
        first = (own["imports"] + own["first fit"]).max()
        later = own[["another model", "other rows and groups", "other fixed effects"]].max().max()
        found.append(
            f"{tree.capitalize()}, {cache} cache: a first fit comes after {table.shown(first)} s at most, imports included; a fit "
            f"of another kind or size then takes {table.shown(later)} s at most."
        )
    return found


if __name__ == "__main__":
    main()
