"""What is asked of a mixed model, here and of R: a fit, its predictions, tests of its terms, means and differences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from asking import FOLDER, run
from frames_for_r import write_frames

METHODS = ("satterthwaite", "kenward-roger")
# Joins names of columns, which may hold anything else.
BETWEEN = "\t"


@dataclass(frozen=True, eq=False)
class Question:
    """One model of ``rows``.

    Attributes:
        rows: with the response and everything that the formula names.
        formula: as jaxsim reads it.
        theirs: as R reads it, with contrasts in ``contrasts`` (R expressions by factor); the same formula if empty.
        written: what jaxsim's formula has in place of a variable of R's.
        ordered: contrasts of ordered factors.
        reml: REML or maximum likelihood.
        weights: a column of weights; none if empty.
        specs, by: columns of which means are taken, and within which; no means without ``specs``.
        adjust, adjust_pairs: of intervals of means, and of comparisons.
        smaller: a formula to compare with; none if empty.
        new: rows to predict; none if None.
        methods, types: of degrees of freedom, and of tests.
    """

    rows: pd.DataFrame
    formula: str
    theirs: str = ""
    contrasts: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    ordered: str = "treatment"
    reml: bool = True
    weights: str = ""
    specs: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    adjust: str = "none"
    adjust_pairs: str = "none"
    smaller: str = ""
    new: pd.DataFrame | None = None
    methods: tuple[str, ...] = METHODS
    types: tuple[int, ...] = (1, 2, 3)

    @property
    def for_r(self) -> dict[str, str]:
        """A line of ``questions.csv``."""
        return {
            "formula": self.theirs or self.formula,
            "contrasts": ";".join(f"{name.strip('`')}={how}" for name, how in self.contrasts.items()),
            "reml": str(self.reml).upper(),
            "weights": self.weights,
            "specs": BETWEEN.join(self.specs),
            "by": BETWEEN.join(self.by),
            "adjust": self.adjust,
            "adjust_pairs": self.adjust_pairs,
            "smaller": self.smaller,
            "new": "" if self.new is None else "yes",
            "methods": BETWEEN.join(self.methods),
            "types": BETWEEN.join(map(str, self.types)),
        }

    def as_in_r(self, names: Iterable[str]) -> list[str]:
        """Terms with R's names."""
        found = list(names)
        for ours, theirs in self.written.items():
            found = [name.replace(ours, theirs) for name in found]
        return found


def ask(program: str, folder: Path, questions: dict[str, Question]) -> dict[str, Any]:
    """R's answers by the name of the question."""
    frames = {name: question.rows for name, question in questions.items()}
    frames |= {f"{name}_new": question.new for name, question in questions.items() if question.new is not None}
    write_frames(folder, frames)
    lines = [{"dataset": name, **question.for_r} for name, question in questions.items()]
    pd.DataFrame(lines).to_csv(folder / "questions.csv", index=False)
    run(program, FOLDER / "ask_of_fits.R", folder)
    found = json.loads((folder / "answers.json").read_text(encoding="utf-8"))["results"]
    assert [entry["dataset"] for entry in found] == list(questions)
    return {entry["dataset"]: entry for entry in found}
