"""Families of coefficients: those that are exchangeable by construction, so that an average of them is the number of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np

from jaxsim.data.names import Names
from jaxsim.estimators.strategy import Strategy
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.processes.process import Process
from jaxsim.study.outline import Outline


def families(study: Outline) -> tuple[tuple[str, ...], ...]:
    """The coefficients of a study, in its order, those of one family together.

    Two coefficients are of one family only if changing their names would change nothing: predictors of one
    :class:`jaxsim.GaussianMultilevel`, both within groups or both between them, that have in every cell the same true effect, or
    the same distribution of it, and the same spread and correlations in the groups, that no trouble of the world names, and that
    every strategy treats alike. Intercepts, and coefficients of any other process, are each a family of their own: their units and
    precisions differ, and an average of theirs is the number of none.

    Returns:
        Names by family; every coefficient is in one.
    """
    fixed = {term for cell in study.cells for term in cell.process.terms}
    marks: dict[str, list[Hashable]] = {term: [None if term in fixed else term] for term in study.terms}
    seen: set[Hashable] = set()
    for process in (cell.process for cell in study.cells):
        key = _settings(process)
        if key not in seen:
            seen.add(key)
            found = _numbered(process)
            for term, own in marks.items():
                own.append(found.get(term))
    for strategy in study.estimators:
        treated = _treated(strategy, study.names)
        for term, own in marks.items():
            own.append(treated.get(term))
    by_mark: dict[Hashable, list[str]] = {}
    for term, own in marks.items():
        by_mark.setdefault(tuple(own), []).append(term)
    return tuple(map(tuple, by_mark.values()))


def _settings(process: Process) -> Hashable:
    """All of a process that families depend on, so that equal ones are looked at once."""
    if type(process) is not GaussianMultilevel:
        return type(process), process.terms
    effects, spread = process.fixed_effects, (process.group_sd, process.correlation)
    return process.n_predictors, process.n_between, effects, spread, tuple(sorted(_texts(process.world)))


def _numbered(process: Process) -> dict[str, Hashable]:
    """A mark for each coefficient of a process, the same for those that are alike."""
    if type(process) is not GaussianMultilevel:
        return {term: term for term in process.terms}
    told, covariance = _texts(process.world), process.covariance()
    drawn = not isinstance(process.fixed_effects, tuple)
    leaders: dict[Hashable, list[int]] = {}
    found: dict[str, Hashable] = {}
    for k, term in enumerate(process.terms):
        if k == 0 or term in told:
            found[term] = term
            continue
        effect = process.fixed_effects if drawn else process.fixed_effects[k]  # type: ignore[index]
        same = leaders.setdefault((effect, k < process.n_varying, covariance[k, k]), [])
        leader = next((i for i in same if _exchangeable(covariance, i, k)), k)
        if leader == k:
            same.append(k)
        found[term] = process.terms[leader]
    return found


def _exchangeable(covariance: np.ndarray, i: int, k: int) -> bool:
    """Whether two coefficients of the groups, of one variance, have the same covariances with all others."""
    others = np.ones(len(covariance), bool)
    others[[i, k]] = False
    return bool((covariance[i, others] == covariance[k, others]).all())


def _treated(strategy: Strategy, names: Names) -> dict[str, Hashable]:
    """A mark for each coefficient of a strategy, the same for those that vary by the same factors in one block of correlated
    effects, or each in a block of its own."""
    random = strategy.random_effects(names)
    return {
        term: tuple((part.factor, len(block) > 1 and k) for part in random for k, block in enumerate(part.blocks) if term in block)
        for term in strategy.coefficients(names)
    }


def _texts(value: Any) -> set[str]:
    """All texts in a value made of dataclasses, mappings and sequences."""
    return set(_each_text(value))


def _each_text(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _each_text(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _each_text(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _each_text(getattr(value, field.name))
