"""Draw the pictures of the gallery anew: ``python docs/draw.py``, some minutes. They are in ``docs/pictures``.

With names of experiments, ``python docs/draw.py how_many_people``, only those of these.
"""

from __future__ import annotations

import dataclasses
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jaxsim
from jaxsim.cli.script import study_of
from jaxsim.report import FIGURES

HERE = Path(__file__).parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The figure that an experiment's question is about, and the datasets of each cell that it is drawn from: few, to be drawn soon.
# With the coefficient that is asked for, where it is one of several. Experiments that take long have no picture here.
EXPERIMENTS: dict[str, tuple[Any, ...]] = {
    "how_many_people": ("power", 400, "drugactive:day"),
    "schools_and_classes": ("type_one_error", 200),
    "type_one_error_between": ("type_one_error", 1000),
    "your_own": ("coverage", 100),
}


def main() -> None:
    """Draw what the command line names, or everything."""
    asked = sys.argv[1:]
    (HERE / "pictures" / "experiments").mkdir(parents=True, exist_ok=True)
    if not asked:
        draw_figures()
    for name in asked or EXPERIMENTS:
        draw_experiment(name)
        print(name)


def draw_figures() -> None:
    """Run the study of the page, and draw every figure of the catalogue."""
    found = BLOCK.search((HERE / "gallery.md").read_text())
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        known: dict[str, Any] = {"jaxsim": jaxsim}
        exec(found[1].replace("results/gallery", f"{folder}/gallery"), known)
        for name in FIGURES:
            figure = getattr(known["results"].plot, name)()
            figure.savefig(HERE / "pictures" / f"{name}.png", dpi=80)
            print(name)


def draw_experiment(name: str) -> None:
    """Run a small version of an experiment, and draw its figure."""
    figure, replicates, *terms = EXPERIMENTS[name]
    study = study_of(HERE.parent / "experiments" / f"{name}.py")
    with tempfile.TemporaryDirectory() as folder:
        results = dataclasses.replace(study, replicates=replicates, until=None).run(folder, progress=False)
        getattr(results.plot, figure)(terms=terms or None).savefig(HERE / "pictures" / "experiments" / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
