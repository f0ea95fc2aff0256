"""Draw the pictures of the gallery anew: ``python docs/draw.py``, a quarter of an hour on one core. They are in ``docs/pictures``.

With names of experiments, ``python docs/draw.py how_many_people``, only those of these.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jaxsim
from jaxsim import Grid, Study
from jaxsim.cli.script import study_of
from jaxsim.report import FIGURES

HERE = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Drawing:
    """The figure that an experiment's question is about, and the datasets that it is drawn from: few, to be drawn soon.

    Attributes:
        figure: a name of ``results.plot``.
        replicates: datasets of each cell.
        options: of the figure, such as the coefficient that is asked for.
        levels: of factors of the grid that are kept, where the whole grid takes long.
    """

    figure: str
    replicates: int
    options: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def call(self) -> str:
        """The code that draws it."""
        return f"results.plot.{self.figure}({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"

    @property
    def made_of(self) -> str:
        """What it is drawn from, for its caption."""
        kept = "; ".join(f"`{name}` {', '.join(map(str, levels))}" for name, levels in self.levels.items())
        part = f", in a part of the grid: {kept}" if kept else ""
        return f"`{self.call}`, drawn from {self.replicates:,} datasets of each cell{part}."

    def of(self, study: Study) -> Study:
        """The study that it is drawn from: what the figure does not show is not computed."""
        shown = self.options.get("strategies", [strategy.name for strategy in study.estimators])
        estimators = tuple(strategy for strategy in study.estimators if strategy.name in shown)
        factors = {name: self.levels.get(name, levels) for name, levels in study.grid.factors}
        return dataclasses.replace(study, grid=Grid(**factors), estimators=estimators, replicates=self.replicates, until=None)


EXPERIMENTS: dict[str, Drawing] = {
    "bayes_vs_freq": Drawing(
        "paired_rmse",
        100,
        {"by": ["group_sd", "n_groups"], "strategies": ["lm", "lmer", "bayes", "bayes_inf"]},
        {"n_groups": (10, 30), "n_obs": (5,), "group_sd": (0.1, 0.25, 1)},
    ),
    "crossed_items": Drawing(
        "type_one_error",
        1000,
        {
            "by": ["sd.item.cond", "sd.subject.cond"],
            "strategies": ["maximal", "backward", "intercepts", "F1", "F2", "min F'", "lm two-way"],
        },
        {"units.subject": (48,), "units.item": (8,), "effects.cond": (0,)},
    ),
    "growth_dropout": Drawing(
        "bias", 400, {"by": "scenario", "terms": "drugactive:week"}, {"units.person": (100,), "effects.drugactive:week": (-0.15,)}
    ),
    "how_many_people": Drawing("power", 400, {"terms": "drugactive:day"}),
    "messy_worlds": Drawing(
        "type_one_error_map",
        200,
        {
            "by": ["units.person", "scenario"],
            "strategies": ["ols", "lm CR2", "lm2", "lmer", "lmer_mis", "lmer_mis CR2", "gee exch.", "gee exch. MD"],
        },
    ),
    "prediction": Drawing("prediction_known", 20, {"by": ["group_sd", "n_obs"]}, {"n_obs": (25, 100)}),
    "prior_sensitivity": Drawing("group_shrinkage", 100, {"terms": "Intercept"}),
    "schools_and_classes": Drawing("type_one_error", 200),
    "type_one_error": Drawing(
        "type_one_error",
        1000,
        {"strategies": ["lm CR0 z", "lm CR1S", "lm CR2", "lm wild Webb", "lm2", "lmer z", "lmer Satt.", "lmer KR"]},
    ),
    "type_one_error_between": Drawing("type_one_error", 1000),
    "your_own": Drawing("coverage", 100),
}


def main() -> None:
    """Draw what the command line names, or everything."""
    asked = sys.argv[1:]
    (HERE / "pictures" / "experiments").mkdir(parents=True, exist_ok=True)
    if not asked:
        draw_figures()
        draw_own_study()
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


def draw_own_study() -> None:
    """Run the study of the page of one's own study, and draw its curve."""
    known: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block in BLOCK.findall((HERE / "how-to" / "own-study.md").read_text()):
            exec(block, known)
        known["results"].plot.power_curve(terms="treatnew:visit").savefig(HERE / "pictures" / "own_study.png", dpi=80)
    print("own_study")


def draw_experiment(name: str) -> None:
    """Run a small version of an experiment, and draw its figure."""
    drawing = EXPERIMENTS[name]
    study = study_of(HERE.parent / "experiments" / f"{name}.py")
    with tempfile.TemporaryDirectory() as folder:
        results = drawing.of(study).run(folder, progress=False)
        figure = getattr(results.plot, drawing.figure)(**drawing.options)
        figure.savefig(HERE / "pictures" / "experiments" / f"{name}.png", dpi=80)


if __name__ == "__main__":
    main()
