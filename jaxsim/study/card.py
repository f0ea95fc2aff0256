"""A study as a notebook shows it: its size, its process, its grid, and its strategies."""

from __future__ import annotations

import dataclasses

from jaxsim import markup
from jaxsim.counts import counted
from jaxsim.levels import in_a_row, shown
from jaxsim.study.outline import Outline

# Characters of a list of levels, and of options: those of large grids can be very long.
LONGEST = 200
STRATEGIES = ("strategy", "kind", "what it is", "how it is done")


def study_card(study: Outline) -> str:
    """See the module; nothing is simulated for it, and no code of the user's is needed."""
    return markup.card(
        markup.title("Study", size(study)),
        markup.facts([*process(study), *settings(study)]),
        markup.table(["factor", "levels"], factors(study), 2, "Grid")
        if study.grid.factors
        else markup.line("One condition: no grid."),
        markup.table(STRATEGIES, strategies(study), len(STRATEGIES), "Strategies"),
    )


def size(study: Outline) -> str:
    """``6 cells x 1,000 datasets, each fitted by 3 strategies: 18,000 fits``; the most, where a rule may stop it before."""
    cells, count, most = len(study.cells), study.datasets(), "up to " * (study.until is not None)
    fits = sum(strategy.wanted(study.replicates) for strategy in study.estimators) * cells
    each = counted(len(study.estimators), "strategy", "strategies")
    datasets = counted(count // cells, "dataset")
    return f"{counted(cells, 'cell')} x {most}{datasets}, fitted by {each}: {most}{counted(fits, 'fit')}"


def process(study: Outline) -> list[tuple[str, str]]:
    """The data-generating process, and those of its fields that are neither defaults nor factors of the grid."""
    made = study.process
    defaults = {field.name: repr(field.default) for field in dataclasses.fields(made)} if dataclasses.is_dataclass(made) else {}
    fields = {name: value for name, value in made.values.items() if "." not in name and name not in study.grid.names}
    given = ", ".join(f"{name}={value!r}" for name, value in fields.items() if repr(value) != defaults.get(name))
    facts = [("process", f"{made.kind}: {made.about}" if made.about else made.kind)]
    return [*facts, ("fields", _short(given))] if given else facts


def settings(study: Outline) -> list[tuple[str, str]]:
    """What else was asked for."""
    pairs = [("seed", str(study.seed)), ("confidence level", f"{study.conf_level:g}")]
    if study.dtype != "float64":
        pairs.append(("dtype", study.dtype))
    if study.until is not None:
        pairs.append(("stops", study.until.in_words()))
    scores = [type(score).__name__ for score in study.every_score]
    if scores:
        pairs.append(("scores", ", ".join(scores)))
    if study.measures:
        pairs.append(("own measures", ", ".join(measure.name for measure in study.measures)))
    return pairs


def factors(study: Outline) -> list[tuple[str, str]]:
    """Each factor with its levels."""
    found = []
    for name, levels in study.grid.factors:
        found.append((name, _short(in_a_row([str(shown(level)) for level in levels]))))
    return found


def strategies(study: Outline) -> list[tuple[str, str, str, str]]:
    """Label, kind, what it is, and all that is set in it, as :meth:`jaxsim.estimators.strategy.Strategy.told` says it."""
    return [(one.name, one.kind, one.about, one.told(study.names) or "–") for one in study.estimators]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
