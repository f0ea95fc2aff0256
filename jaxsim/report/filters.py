"""What tables of a page can be narrowed to: levels of the grid's factors, strategies, coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.style import factor_label, level_label
from jaxsim.results import Results

MODEL, TERM = "model", "term"  # keys of columns with strategies and with coefficients
FACTOR = "factor "  # begins those of factors
LONGEST = 200  # characters of a level; lists of group sizes can be very long


@dataclass(frozen=True)
class Filter:
    """A control: the key of the columns that it narrows, its label, and the texts that it chooses from."""

    key: str
    label: str
    options: Sequence[str]


def filters(numbers: Numbers) -> list[Filter]:
    """One for each factor with two levels or more, the strategies that are shown, and the coefficients (all unless some are asked
    for)."""
    results = numbers.results
    by_factor = [Filter(key_of(name), factor_label(name), list(level_texts(results, name).values())) for name in results.factors]
    models = Filter(MODEL, "strategy", list(numbers.models))
    coefficients = Filter(TERM, "coefficient", [str(term) for term in numbers.terms or results.study.terms])
    return [one for one in (*by_factor, models, coefficients) if len(one.options) > 1]


def key_of(factor: str) -> str:
    """The key of a factor's columns: none of those of other columns, however the factor is called."""
    return f"{FACTOR}{factor}"


def is_level(key: str) -> bool:
    """Whether columns with a key have levels of a factor."""
    return key.startswith(FACTOR)


def level_texts(results: Results, factor: str) -> dict[Any, str]:
    """How tables show each level of a factor; no two alike."""
    levels = list(results.cells[factor].drop_duplicates())
    short = [level_label(level, LONGEST) for level in levels]
    texts = short if len(set(short)) == len(short) else [f"{level}" for level in levels]
    return dict(zip(levels, texts, strict=True))
