"""The largest differences between jaxsim and R over the conditions of the parity suite, beside the targets.

python tests/lme4/measure.py           against the stored values
python tests/lme4/measure.py --live    against R, now
python tests/lme4/measure.py --store   fit with R and store the values in tests/reference/parity.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # the oracle, which pytest finds by its configuration

from asking import STORED, ask
from comparison import (
    ENGINE,
    TARGETS,
    bridge_differences,
    conventions,
    engine_differences,
    robust_differences,
    worst,
)
from conditions import CONDITIONS, MIXED


def main() -> None:
    """Print a table; first fit with R if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", action="store_true", help="fit with R now")
    parser.add_argument("--store", action="store_true", help="fit with R now and store the values")
    options = parser.parse_args()
    found = fitted() if options.live or options.store else json.loads(STORED.read_text())
    if options.store:
        store(found)
    results = found["results"]
    print("R:", ", ".join(f"{name} {version}" for name, version in found["versions"].items()), "\n")
    show("jaxsim.lmer", [(name, bridge_differences(name, results)) for name in MIXED])
    show("LinearMixed on cross-products", [(name, engine_differences(name, results)) for name in ENGINE])
    kinds = [(name, kind) for name, condition in CONDITIONS.items() for kind in conventions(condition)]
    robust = [(f"{name}, {kind}", robust_differences(name, kind, results)) for name, kind in kinds]
    show("jaxsim.lm", robust)


def fitted() -> dict[str, Any]:
    """R's fits of all conditions, and the packages that made them."""
    program = shutil.which("Rscript")
    if program is None:
        sys.exit("Rscript is not on the PATH: scripts/install_r.sh installs R and the packages.")
    with tempfile.TemporaryDirectory() as folder:
        return ask(program, Path(folder), "fit_conditions.R", {name: c.for_r() for name, c in CONDITIONS.items()})


def store(found: dict[str, Any]) -> None:
    """Write the values, a line per condition, with checksums of the rows they belong to."""
    kept = ("formula", "method", "mixed", "least_squares")
    entries = {
        name: {"checksum": CONDITIONS[name].checksum(), **{key: entry[key] for key in kept}}
        for name, entry in found["results"].items()
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    STORED.write_text(f'{{"versions": {json.dumps(found["versions"])},\n"results": {{\n{lines}}}}}\n')


def show(title: str, found: list[tuple[str, dict[str, float]]]) -> None:
    """A table of what was compared."""
    print(f"{title}: {len(found)} fits\n{'what':<30}{'largest':>9}{'target':>9}  where")
    for what, (value, name) in worst(found).items():
        print(f"{what:<30}{value:>9.0e}{TARGETS[what]:>9.0e}  {name}")
    print()


if __name__ == "__main__":
    main()
