"""Effects, standard deviations and correlations of a design, checked: what is not named is zero, and is not kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jaxsim.data.names import INTERCEPT, INTERCEPTS
from jaxsim.errors import InputError, brief, finite, suggestion
from jaxsim.processes.checks import HUGE, SEMIDEFINITE_TOLERANCE, numbers
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.named import listed
from jaxsim.processes.designed.sizes import ICC, Sized
from jaxsim.processes.designed.variables import ROW, Covariate
from jaxsim.processes.distribution import Distribution

Matrix = tuple[tuple[float, ...], ...]


def effects(given: object, plan: Blueprint) -> dict[str, float | Sized | Distribution]:
    """True effects by column, in the order of the model; zeros are left out.

    Raises:
        InputError: for a term that the formula does not make, and for what is neither a number nor a distribution of numbers.
    """
    named = by_name("effects", given, "{'Intercept': 500, 'day': 10}")
    found: dict[str, float | Sized | Distribution] = {}
    for name, value in named.items():
        term = known_term("effects", name, plan.fixed.names, plan)
        if isinstance(value, Sized) or (isinstance(value, Distribution) and value.levels is None):
            found[term] = value
        elif finite(value) and abs(value) <= HUGE:
            found[term] = float(value)
        else:
            raise InputError(
                f"effects: {name!r} is {brief(value)}; give a finite number, a size such as Sized(d=.4), or a "
                "distribution such as Normal(0, 1)."
            )
    kept = {term: found.get(term, 0.0) for term in plan.fixed.names}
    return {term: value for term, value in kept.items() if value != 0.0}


def deviations(given: object, plan: Blueprint) -> dict[str, dict[str, float | ICC]]:
    """Standard deviations of the random effects, by unit and column; zeros are left out.

    Raises:
        InputError: for a unit or term without random effects, and for what is no finite number of at least 0.
    """
    found: dict[str, dict[str, float | ICC]] = {}
    for unit, own in by_unit("sd", given, plan).items():
        if isinstance(own, Mapping):
            named = {known_term(f"sd of {unit!r}", name, plan.random_terms(unit), plan): value for name, value in own.items()}
        else:
            named = dict.fromkeys(plan.random_terms(unit), own)
        found[unit] = {term: _sd(unit, term, named[term]) for term in plan.random_terms(unit) if term in named}
    kept = {unit: {term: value for term, value in own.items() if value} for unit, own in found.items()}
    return {unit: own for unit, own in kept.items() if own}


def _sd(unit: str, term: str, value: Any) -> float | ICC:
    if not isinstance(value, ICC):
        return deviation(f"sd of {unit!r}: {term!r}", value)
    if term != INTERCEPT:
        raise InputError(f"sd of {unit!r}: {term!r} is {value}; an ICC is about random intercepts. Give a standard deviation.")
    return value


def correlations(given: object, plan: Blueprint) -> dict[str, float | Matrix]:
    """Correlations of the random effects, by unit: one number for every pair, or a matrix; zeros are left out.

    Raises:
        InputError: for a unit without correlated random effects, and for what no random effects can have.
    """
    found: dict[str, float | Matrix] = {}
    for unit, value in by_unit("correlation", given, plan).items():
        what, random = f"correlation of {unit!r}", plan.random[unit]
        terms, widest = random.columns, max(map(len, random.blocks))
        array = numbers(value)
        if widest < 2 and np.any(array):
            raise InputError(f"{what} is {brief(value)}, and no two random effects of {plan.formula.text!r} are correlated.")
        if array.ndim == 0:
            if not np.isfinite(array):
                raise InputError(f"{what} is {brief(value)}; give a number, or a matrix of {len(terms)} x {len(terms)} numbers.")
            matrix = np.full((widest, widest), float(array))
            np.fill_diagonal(matrix, 1.0)
            definite(what, matrix)
            found[unit] = float(array)
            continue
        definite(what, array, len(terms))
        if np.any(array[random.structure.mask == 0]):
            raise InputError(
                f"{what}: random effects of different terms of {plan.formula.text!r} are independent; give zeros there."
            )
        found[unit] = tuple(tuple(float(v) for v in row) for row in array)
    return {unit: value for unit, value in found.items() if value != 0.0}


def copula(given: object, plan: Blueprint) -> dict[tuple[str, str], float]:
    """Correlations of pairs of covariates, pairs in the order of the variables; zeros are left out.

    Raises:
        InputError: for what is no covariate, pairs of different levels, and correlations that are not consistent.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"correlations={brief(given)}: give a dictionary of pairs, such as {{('age', 'stress'): .3}}.")
    drawn = {name: v.level for name, v in plan.variables.items() if isinstance(v, Covariate)}
    found: dict[tuple[str, str], float] = {}
    for pair, value in given.items():
        if not isinstance(pair, list | tuple) or len(pair) != 2 or pair[0] == pair[1]:
            raise InputError(f"correlations: {brief(pair)} is no pair of variables; write ('age', 'stress').")
        for name in pair:
            if name not in drawn:
                raise InputError(f"correlations: {brief(name)} is no covariate; these are: {', '.join(drawn) or 'none'}.")
        if drawn[pair[0]] != drawn[pair[1]]:
            levels = " and ".join(f"{name!r} of {drawn[name]!r}" for name in pair)
            raise InputError(
                f"correlations: {levels} are drawn at different levels; only covariates of one level can be correlated."
            )
        if not finite(value) or abs(value) > 1:
            raise InputError(f"correlations: {brief(pair)} is {brief(value)}; give a number from -1 to 1.")
        first, second = sorted(pair, key=list(drawn).index)
        found[first, second] = float(value)
    for level in (*plan.tree.names, ROW):
        own = [name for name in drawn if drawn[name] == level]
        definite(f"correlations of {', '.join(own)}", latent(own, found))
    order = list(drawn)
    return {pair: found[pair] for pair in sorted(found, key=lambda p: tuple(map(order.index, p))) if found[pair]}


def latent(names: list[str], pairs: Mapping[tuple[str, str], float]) -> np.ndarray:
    """Correlations of the normal numbers that covariates are made of, ``[K, K]``."""
    matrix = np.eye(len(names))
    for (a, b), value in pairs.items():
        if a in names and b in names:
            matrix[names.index(a), names.index(b)] = matrix[names.index(b), names.index(a)] = value
    return matrix


def root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T)


def definite(what: str, array: np.ndarray, size: int | None = None) -> None:
    """Raise :class:`InputError` unless it is a correlation matrix (of that size)."""
    if size is not None and array.shape != (size, size):
        raise InputError(f"{what} has the shape {array.shape}; give {size} x {size} numbers, a row for each random effect.")
    ones = np.isfinite(array).all() and np.allclose(array, array.T, atol=1e-12) and np.allclose(np.diagonal(array), 1.0)
    if not ones:
        raise InputError(f"{what}: give a symmetric matrix of finite numbers with ones on its diagonal.")
    lowest = np.linalg.eigvalsh(array)[0] if len(array) else 0.0
    if lowest < -SEMIDEFINITE_TOLERANCE:
        raise InputError(
            f"{what}: not positive semi-definite (smallest eigenvalue {lowest:.3g}): nothing can be correlated so; make the "
            "correlations smaller, or consistent with each other."
        )


def deviation(what: str, value: Any) -> float:
    """A finite standard deviation of at least 0."""
    if not finite(value) or not 0 <= value <= HUGE:
        raise InputError(f"{what} is {brief(value)}: a standard deviation is a finite number of at least 0.")
    return float(value)


def by_name(what: str, given: object, example: str) -> dict[str, Any]:
    """A dictionary with names as keys."""
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InputError(f"{what}={brief(given)}: give a dictionary by name, such as {example}.")
    return dict(given)


def by_unit(what: str, given: object, plan: Blueprint) -> dict[str, Any]:
    """What is given for each unit; a value alone is the only unit's, and None is nothing."""
    units = plan.tree.names
    if not isinstance(given, Mapping) and given is not None and len(units) > 1:
        raise InputError(
            f"{what}={brief(given)}: say of which unit, such as {{{units[0]!r}: {brief(given)}}}; units has {listed(plan.tree)}."
        )
    named = given if isinstance(given, Mapping) else {} if given is None else {plan.unit: given}
    for unit, value in named.items():
        if unit not in units:
            of = next((u for u in units if unit in plan.random_terms(u)), plan.unit if unit in INTERCEPTS else None)
            near = f" Did you mean {{{of!r}: {{{unit!r}: ..}}}}?" if of is not None else ""
            raise InputError(f"{what}: {brief(unit)} is no unit.{near} The units are {listed(plan.tree)}.")
        if unit not in plan.random and np.any(numbers(list(value.values()) if isinstance(value, Mapping) else value)):
            raise InputError(
                f"{what}: the formula {plan.formula.text!r} has no random effects by {unit!r}; add (1 | {unit}), or leave it out."
            )
    return {unit: named[unit] for unit in units if named.get(unit) is not None and unit in plan.random}


def known_term(what: str, name: str, terms: Iterable[str], plan: Blueprint) -> str:
    """The name of a column that the formula makes; ``(Intercept)`` is understood."""
    terms = tuple(terms)
    found = INTERCEPT if name in INTERCEPTS else name
    if found in terms:
        return found
    turned = next((term for term in terms if sorted(term.split(":")) == sorted(name.split(":"))), None)
    hint = f" Did you mean {turned!r}?" if turned else suggestion(name, terms)
    for factor, levels in ({} if turned else plan.matrix.levels).items():
        if levels is not None and factor in name:
            hint += f" The levels of {factor!r} are {', '.join(map(repr, levels))}; {levels[0]!r} is the reference."
    raise InputError(f"{what}: {plan.formula.text!r} makes no term {name!r}.{hint} Its terms are {', '.join(terms) or 'none'}.")
