"""Which strategies kept what they promise of each coefficient that a figure shows, as tables have it, and how figures say so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from jaxsim.measures.promises import LEVEL, Record, record_of
from jaxsim.measures.sufficiency import KEPT_IN_WORDS
from jaxsim.report.figures.layout import COEFFICIENT, Layout
from jaxsim.report.figures.numbers import Numbers

PROMISED = {"level": "the level of their tests", "coverage": "the coverage of their intervals"}
DASHED = (0, (4, 2))  # lines of strategies that did not keep their promise
_MARK = re.compile(r" \((?:level|coverage|level or coverage) not kept[^()]*\)$")


@dataclass(frozen=True)
class Verdicts:
    """What is known of every drawn coefficient, or family of exchangeable ones, by its label; nothing where no figure asks."""

    records: dict[str, Record] = field(default_factory=dict)

    def is_kept(self, model: str, label: str) -> bool:
        """Whether a strategy is known to keep its promise of a coefficient."""
        record = self.records.get(label)
        return record is not None and model in record.verdicts and record.verdicts[model].is_kept

    def mark(self, model: str, label: str) -> str:
        """Behind a strategy's name: `` (level not kept)``; empty where it is kept, or not known."""
        record = self.records.get(label)
        verdict = record.verdicts.get(model) if record is not None else None
        return "" if record is None or verdict is None or verdict.is_kept else f" ({_what(record)} {KEPT_IN_WORDS[verdict.name]})"

    def name(self, model: str) -> str:
        """A strategy's name in a legend: with what it does not keep, and that lines say where if it keeps it elsewhere."""
        marks = [self.mark(model, label) for label in self.records]
        if len(set(marks)) < 2:
            return f"{model}{''.join(marks[:1])}"
        broken = {_what(record) for record, mark in zip(self.records.values(), marks, strict=True) if mark}
        return f"{model} ({' or '.join(sorted(broken, reverse=True))} not kept{'' if all(marks) else ' where dashed'})"

    def note(self, models: Sequence[str]) -> str:
        """What dashed lines are; empty if there are none."""
        broken = {_what(record) for label, record in self.records.items() if any(self.mark(model, label) for model in models)}
        said = [text for name, text in PROMISED.items() if name in broken]
        return f"Dashed: strategies that do not keep {' or '.join(said)}; their power counts for nothing." if said else ""


def verdicts_of(numbers: Numbers) -> Verdicts:
    """Of the drawn coefficients, over all strategies of the study."""
    known = zip(numbers.labels, numbers.drawn, strict=True)
    return Verdicts({label: record_of(numbers.results.performance, family, numbers.policy) for label, family in known})


def label_of(layout: Layout, place: tuple[int, int], labels: Sequence[str]) -> str:
    """The coefficient of the panel in a row and column, one of some labels."""
    if layout.columns == COEFFICIENT:
        return labels[place[1]]
    return labels[place[0]] if layout.rows == COEFFICIENT else labels[0]


def unmarked(label: str) -> str:
    """A strategy's name without what :meth:`Verdicts.mark` has put behind it."""
    return _MARK.sub("", label)


def _what(record: Record) -> str:
    return "level" if record.promise is LEVEL else "coverage"
