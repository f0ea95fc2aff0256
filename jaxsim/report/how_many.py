"""How many are needed for a power of .8, in sentences: of the strategies that kept what they promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jaxsim.counts import counted, listed
from jaxsim.levels import amount
from jaxsim.measures.crossing import ABOVE, BELOW, FOUND, NOTHING, SIZES, UNITS
from jaxsim.measures.promises import LEVEL, Promise
from jaxsim.measures.sufficiency import COLUMNS, amount_in_words, limits_in_words
from jaxsim.report.figures.curves import FEWEST
from jaxsim.report.figures.layout import is_numeric
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.figures.rates import TARGET_POWER, effect_factors
from jaxsim.report.standings import Standings

MOST_EFFECTS, MOST_CONDITIONS = 6, 3  # that are told one by one
MOST_CELLS = 200  # whose levels are kept apart
TOLD = (ABOVE, FOUND, BELOW)  # from few to many
Rows = list[dict[Any, Any]]


def how_many(numbers: Numbers, standings: Standings) -> list[str]:
    """A sentence for each effect, of the first factor of sizes that has at least three levels; none without such a factor, an
    effect, or a strategy that kept the level of its tests (where that is not known, the coverage of its intervals)."""
    over, kept = size_factor(numbers), standings.keepers
    if over is None or not standings.has("power"):
        return []
    results, by = numbers.results, _apart(numbers, over)
    if len(results.cells[[over, *by]].drop_duplicates()) > MOST_CELLS:
        return []
    options: dict[str, Any] = {"terms": standings.terms, "policy": numbers.policy, "alpha": numbers.alpha}
    table = results.needed("power", TARGET_POWER, over=over, by=by, **options)
    promise = standings.promise
    broken = [name for name in standings.verdicts(promise) if name not in kept]
    of = {s.name: f" (on the first {counted(s.only, 'dataset')})" for s in standings.strategies if s.only is not None}
    told = sentences(table, over, kept, broken, promise, _each(numbers, over), of)
    pooled = [name for name in results.factors if name not in (over, *by)]
    return [*told, *([f"All levels of {listed(pooled)} are averaged."] if pooled else [])]


def _apart(numbers: Numbers, over: str) -> list[str]:
    """Factors that are kept apart: all others; in large grids those alone over which power must not be averaged."""
    others = [name for name in numbers.results.factors if name != over]
    if len(numbers.results.cells) <= MOST_CELLS:
        return others
    return [name for name in effect_factors(numbers) if name in others]


def size_factor(numbers: Numbers) -> str | None:
    """The factor that says how many, of those with at least three levels that are numbers: units first, then groups, then rows."""
    levels = {name: list(numbers.results.cells[name].astype(object).unique()) for name in numbers.results.factors}
    long = [name for name, own in levels.items() if len(own) >= FEWEST and is_numeric(own)]
    sizes = [name for name in long if name.startswith(UNITS)] + [name for name in SIZES if name in long]
    return sizes[0] if sizes else None


def _each(numbers: Numbers, over: str) -> str:
    """What nested units are so many in each of."""
    own = amount(numbers.results.study.cells[0].process.values.get(over))
    return "" if own is None else f" in each {own[0]}"


def sentences(
    table: pd.DataFrame,
    over: str,
    kept: Sequence[str],
    broken: Sequence[str] = (),
    promise: Promise = LEVEL,
    each: str = "",
    of: Mapping[str, str] | None = None,
) -> list[str]:
    """A sentence for each effect.

    Args:
        table: of :meth:`jaxsim.Results.needed`, by strategy, all other factors and coefficient.
        over: the factor whose number it has.
        kept, broken: strategies that kept their promise, and that did not; of others it is not known.
        promise: which it is.
        each: of what it is the number in each, such as `` in each clinic``.
        of: on which datasets, by strategy, where these are not all: `` (on the first 500 datasets)``.
    """
    of = {} if of is None else of
    by_term: dict[str, dict[str, Rows]] = {}
    for row in table.to_dict("records"):
        by_term.setdefault(str(row["term"]), {}).setdefault(str(row["model"]), []).append(row)
    found = []
    for term, by_model in list(by_term.items())[:MOST_EFFECTS]:
        rows = [row for model in by_model.values() for row in model]
        factors = [f for f in table.columns if f not in ("model", "term", *COLUMNS) and len({row[f] for row in rows}) > 1]
        told = [name for name, part in by_model.items() if name in kept and any(row["status"] in TOLD for row in part)]
        judged = {f"{name}{of.get(name, '')}": by_model[name] for name in told}
        parts = [f"needs {_amounts(judged, factors, (SIZES.get(over) or _several(over)) + each)}"] if judged else []
        parts += _untold(by_model, kept, broken, promise)
        start = f"A power of {TARGET_POWER:g} for {term}{' ' if judged else ': '}"
        found += [f"{start}{'; '.join(parts)}."] if parts else []
    left = len(by_term) - MOST_EFFECTS
    return [*found, *([f"For {counted(left, 'more effect')} see results.needed(over={over!r})."] if left > 0 else [])]


def _amounts(judged: Mapping[str, Rows], factors: Sequence[str], noun: str) -> str:
    """How many each strategy needs: in every condition if there are few, else from the least to the most."""
    conditions = list(dict.fromkeys(_condition(row, factors) for rows in judged.values() for row in rows))
    if len(conditions) > MOST_CONDITIONS:
        return ", ".join(f"{_range(rows, factors, noun)} by {name}" for name, rows in judged.items())
    told = []
    for condition in conditions:
        here = [(name, row) for name, rows in judged.items() for row in rows if _condition(row, factors) == condition]
        texts = [f"{_amount(row, '' if i else noun)} by {name}" for i, (name, row) in enumerate(here)]
        told.append((", ".join(texts), condition))
    if len(told) > 1 and len({text for text, _ in told}) == 1:
        return f"{told[0][0]} in all conditions"
    return "; ".join(f"{text}{condition}" for text, condition in told)


def _range(rows: Rows, factors: Sequence[str], noun: str) -> str:
    """From the condition in which a strategy needs fewest to the one in which it needs most."""
    known = sorted((row for row in rows if row["status"] in TOLD), key=lambda row: (TOLD.index(row["status"]), _size(row)))
    least, most = known[0], known[-1]
    left = f" (not told in {len(rows) - len(known)} of {len(rows)} conditions)" if len(known) < len(rows) else ""
    if least["status"] == most["status"] != FOUND:
        return f"{_amount(least, noun)} in all {'other ' if left else ''}conditions{left}"
    if len(known) == 1:
        return f"{_amount(least, noun)}{_condition(least, factors)}{left}"
    return f"from {_amount(least, noun)}{_condition(least, factors)} to {_amount(most, '')}{_condition(most, factors)}{left}"


def _size(row: Mapping[Any, Any]) -> float:
    return float(row["needed"]) if row["status"] == FOUND else 0.0


def _amount(row: Mapping[Any, Any], noun: str) -> str:
    """``23 subjects (22 to 24)``; ``more than 120`` or ``at most 20`` where all levels are too few, or enough."""
    if row["status"] not in TOLD:
        return f"an unknown number{' of ' * bool(noun)}{noun}"
    limits = f" ({limits_in_words(row) or 'limits beyond the levels'})" if row["status"] == FOUND else ""
    return amount_in_words(row, noun) + limits


def _untold(by_model: Mapping[str, Rows], kept: Sequence[str], broken: Sequence[str], promise: Promise) -> list[str]:
    """Which strategies have no number, and why; those without tests are not named."""
    tested = [name for name, rows in by_model.items() if any(row["status"] != NOTHING for row in rows)]
    groups = {
        "broken": [name for name in tested if name in broken and name not in kept],
        "unknown": [name for name in tested if name not in broken and name not in kept],
        "falls": [name for name in tested if name in kept and not any(row["status"] in TOLD for row in by_model[name])],
    }
    told = []
    for why, names in groups.items():
        several = len(names) > 1
        their = "their" if several else "its"
        what = f"{their} level" if promise is LEVEL else f"the coverage of {their} intervals"
        reasons = {
            "broken": f"which {'do' if several else 'does'} not keep {what}",
            "unknown": f"{'whose level' if promise is LEVEL else 'the coverage of whose intervals'} is not known",
            "falls": "whose power falls between levels",
        }
        told += [f"no number for {listed(names)}, {reasons[why]}"] if names else []
    return told


def _condition(row: Mapping[Any, Any], factors: Sequence[str]) -> str:
    return " with " + listed([f"{name} {_level(row[name])}" for name in factors]) if factors else ""


def _level(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else str(level)


def _several(over: str) -> str:
    """What the units of a design are called when there are several."""
    one = over.removeprefix(UNITS)
    if one.endswith(("s", "x", "ch", "sh")):
        return f"{one}es"
    return f"{one[:-1]}ies" if one.endswith("y") and one[-2:-1] not in tuple("aeiou") else f"{one}s"
