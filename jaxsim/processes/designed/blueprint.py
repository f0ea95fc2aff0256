"""Everything about a design that its numbers do not change: rows, columns and their names, and what is random. Made once for all
cells of a study that share it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPT, Coded
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.formula.coding import DEFAULT
from jaxsim.formula.columns import Column
from jaxsim.formula.functions import STATEFUL, plain, roles
from jaxsim.formula.model_matrix import check_levels
from jaxsim.formula.parse import Formula, parse
from jaxsim.formula.tokens import Token, show
from jaxsim.formula.variable import learn
from jaxsim.processes.designed.matrix import Coding, Matrix, Piece, Side, base_of, side
from jaxsim.processes.designed.meets import Meets
from jaxsim.processes.designed.named import check_names
from jaxsim.processes.designed.schedule import Repeats, Schedule, schedule
from jaxsim.processes.designed.units import Number, Tree
from jaxsim.processes.designed.variables import Between, Counterbalanced, Covariate, Variable, Within, factor

# Probabilities at which variables that are drawn are looked at, to find out what the formula makes of them.
PROBED = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False)
class Blueprint:
    """A design without its effects and spreads.

    Attributes:
        formula: taken apart.
        schedule: its rows.
        variables: as described.
        matrix: all columns.
        fixed: those with a fixed effect.
        random: random effects by unit, in the order of the units; of those that have some.
        coded: variables that formulas of strategies may name besides the columns.
    """

    formula: Formula
    schedule: Schedule
    variables: Mapping[str, Variable]
    matrix: Matrix
    fixed: Side
    random: Mapping[str, RandomEffects]
    coded: tuple[Coded, ...]

    @property
    def tree(self) -> Tree:
        """The units."""
        return self.schedule.crossing.tree

    @property
    def unit(self) -> str:
        """What the first unit is called."""
        return self.schedule.unit

    @property
    def response(self) -> str:
        """The column that is explained."""
        return self.formula.response[0].text

    def random_terms(self, unit: str) -> tuple[str, ...]:
        """Columns with a random effect of a unit."""
        return self.random[unit].columns if unit in self.random else ()

    @functools.cached_property
    def constant(self) -> Mapping[str, tuple[str, ...]]:
        """Columns that are one number in every level of a unit, by unit."""
        return {unit: tuple(n for n in self.matrix.pieces if n != INTERCEPT and self._all_of(unit, n)) for unit in self.tree.names}

    def _all_of(self, unit: str, column: str) -> bool:
        return all(self.is_of(unit, own) for own in self.matrix.base(column))

    @functools.cached_property
    def maximal(self) -> Mapping[str, tuple[str, ...]]:
        """Fixed effects of what varies within units alone, by unit: of an interaction with a variable of whole units, the slopes
        that can differ between units are those of its other variables."""
        return {
            unit: tuple(n for n in self.fixed.names if not any(self.is_of(unit, own) for own in self.matrix.base(n)))
            for unit in self.tree.names
        }

    def is_of(self, unit: str, variable: str) -> bool:
        """Whether a variable is one value in every level of a unit."""
        return is_of(self.schedule.crossing.fixed_with(unit), self.variables[variable])

    def is_fixed(self, variable: str) -> bool:
        """Whether a variable is the same in every dataset."""
        return is_fixed(self.schedule, variable, self.variables[variable])


def is_of(units: frozenset[str], variable: Variable) -> bool:
    """Whether a variable is one value where these units are."""
    if isinstance(variable, Within):
        return len(variable.levels) == 1 and not variable.jitter
    if isinstance(variable, Counterbalanced):
        return set(variable.over) <= units
    return (variable.unit if isinstance(variable, Between) else variable.level) in units


def is_fixed(rows: Schedule, name: str, variable: Variable) -> bool:
    """Whether a variable is the same in every dataset."""
    return name in rows.codes and not (isinstance(variable, Within) and variable.jitter)


@functools.lru_cache(maxsize=1024)
def blueprint(
    formula: str, units: tuple[tuple[str, Number], ...], meets: Meets, repeats: Repeats, variables: tuple[tuple[str, Variable], ...]
) -> Blueprint:
    """Read a formula, and what its variables are.

    Raises:
        InputError: for a formula that cannot be read or asks for what is not described, and a schedule that does not fit.
        NotSupportedError: for random effects of combinations of units that are crossed.
    """
    described, tree = dict(variables), Tree(units)
    parsed = parse(formula)
    check_names(parsed, tree, described)
    rows = schedule(tree, meets, repeats, described)
    sought = [tokens for terms in (parsed.fixed, *(term.terms for term in parsed.random)) for tokens in terms.variables]
    sought += [(Token("name", name),) for name in described]
    codings = {tokens: _coding(tokens, rows, described) for tokens in dict.fromkeys(sought)}
    fixed, sides = side(parsed.fixed, codings), [side(term.terms, codings) for term in parsed.random]
    if not fixed.names:
        raise InputError(f"the formula {formula!r} has no fixed effects; a design needs at least one, such as the intercept.")
    random = _random(parsed, sides, codings, rows)
    pieces = _pieces(fixed, sides, codings)
    for name in (parsed.response[0].text, *tree.names):
        if name in pieces:
            raise InputError(f"a column of the model would be named {name!r}, as the response or the unit is. Rename one of them.")
    levels = {name: variable.names for name, variable in described.items()}
    told = (_told(tokens, coding) for tokens, coding in codings.items())
    coded = tuple(one for one in told if one.levels or one.contrasts != (one.variable,))
    return Blueprint(parsed, rows, described, Matrix(codings, pieces, levels), fixed, random, coded)


def _pieces(fixed: Side, sides: Sequence[Side], codings: Mapping[tuple[Token, ...], Coding]) -> dict[str, tuple[Piece, ...]]:
    """All columns by name: with fixed effects, the intercept, with random effects, and those of described variables alone."""
    pieces = dict(zip(fixed.names, fixed.pieces, strict=True))
    pieces.setdefault(INTERCEPT, ())
    for own in sides:
        for name, product in zip(own.names, own.pieces, strict=True):
            pieces.setdefault(name, product)
    for tokens, coding in codings.items():
        if len(tokens) == 1:
            for j, name in enumerate(coding.names(True)):
                pieces.setdefault(name, ((tokens, True, j),))
    return pieces


def _random(
    parsed: Formula, sides: Sequence[Side], codings: Mapping[tuple[Token, ...], Coding], rows: Schedule
) -> dict[str, RandomEffects]:
    """The random effects by unit."""
    tree = rows.crossing.tree
    blocks: dict[str, list[tuple[str, ...]]] = {unit: [] for unit in tree.names}
    for term, own in zip(parsed.random, sides, strict=True):
        unit = tree.named(term.group)
        assert unit is not None
        if term.independent and any(codings[tokens].variable.levels is not None for tokens in term.terms.variables):
            raise NotSupportedError(f"{parsed.text!r} has '||' with a factor; number its levels, or write (f | {unit}).")
        if not own.names:
            raise InputError(f"{parsed.text!r} has a random-effects term without effects; write (1 | {unit}).")
        blocks[unit] += [(name,) for name in own.names] if term.independent else [own.names]
    random = {unit: RandomEffects(unit, tuple(found)) for unit, found in blocks.items() if found}
    for effects in random.values():
        _check_random(parsed.text, effects, rows)
    _check_apart(parsed.text, random, rows)
    return random


def _check_apart(text: str, random: Mapping[str, RandomEffects], rows: Schedule) -> None:
    """Raise :class:`InputError` for a column with random effects by two units whose levels are the same."""
    for one, other in itertools.combinations(random, 2):
        same = other in rows.crossing.fixed_with(one) and one in rows.crossing.fixed_with(other)
        both = [name for name in random[one].columns if name in random[other].columns]
        if same and both:
            raise InputError(
                f"every {one} meets one {other} and every {other} one {one}: no data could tell the random effects of {both[0]!r} "
                f"by {one!r} from those by {other!r} in {text!r}. Leave out one of them, or give more levels of {other!r}."
            )


def _check_random(text: str, random: RandomEffects, rows: Schedule) -> None:
    """Raise :class:`InputError` for a column that is there twice, and for more effects than a unit has rows."""
    twice = next((name for name in random.columns if random.columns.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{twice!r} has two random effects by {random.factor} in {text!r}; each column may have one.")
    most = rows.crossing.most_cells(random.factor) * rows.cell
    if most < len(random.columns):
        raise InputError(
            f"every {random.factor} has at most {most} rows, and {len(random.columns)} random effects "
            f"({', '.join(random.columns)}): no data could tell them apart. Give a longer schedule, more repeats, or fewer effects."
        )


def _coding(tokens: tuple[Token, ...], rows: Schedule, described: Mapping[str, Variable]) -> Coding:
    """Learn a variable: from all rows if it is the same in every dataset, else from a few that have each of its levels."""
    base = base_of(tokens)
    if all(is_fixed(rows, name, described[name]) for name in base):
        return _fixed_coding(tokens, rows, described, base)
    learning = next((n for n, role in roles(tokens) if role == "call" and plain(n) in STATEFUL), None)
    if learning is not None:
        drawn = next(name for name in base if not is_fixed(rows, name, described[name]))
        raise InputError(
            f"{show(tokens)!r} learns from all rows, and {drawn!r} is drawn anew in every dataset: its effect would be another "
            "in each. Describe the variable as it enters the model, such as covariate(.., Normal(0, 1)) for a scaled one."
        )
    probes = [_probe(described[name]) for name in base]
    grid = [part.reshape(-1) for part in np.meshgrid(*(np.arange(len(p)) for p in probes), indexing="ij")]
    frame = pd.DataFrame({name: probe[place] for name, probe, place in zip(base, probes, grid, strict=True)})
    variable, column = learn(tokens, frame, DEFAULT)
    if column.levels is not None and not column.logical and all(described[name].names is None for name in base):
        _countable(tokens, base, described)
    check_levels(Column(column.label, column.values, variable.levels))
    return Coding(variable, 1, base, None)


def _fixed_coding(tokens: tuple[Token, ...], rows: Schedule, described: Mapping[str, Variable], base: tuple[str, ...]) -> Coding:
    frame = pd.DataFrame({name: values_in(described[name], rows.codes[name]) for name in base}, index=range(rows.rows))
    stateful = any(role == "call" and plain(name) in STATEFUL for name, role in roles(tokens))
    if stateful and rows.is_random:
        raise InputError(
            f"{show(tokens)!r} learns from all rows, which are others in every dataset; give numbers of rows and of units."
        )
    variable, _ = learn(tokens, frame[rows.keep].reset_index(drop=True) if stateful else frame, DEFAULT)
    column = variable.on(frame)
    check_levels(column)
    return Coding(variable, 1 if column.values.ndim == 1 else column.values.shape[1], base, column.values)


def _countable(tokens: tuple[Token, ...], base: tuple[str, ...], described: Mapping[str, Variable]) -> None:
    """Raise :class:`InputError` for a factor made of numbers of which there is no end."""
    for name in base:
        variable = described[name]
        if isinstance(variable, Within) or (isinstance(variable, Covariate) and variable.distribution.points is None):
            raise InputError(
                f"{show(tokens)!r} makes a factor of {name!r}, which has other values in every dataset; use Categorical, or levels."
            )


def _probe(variable: Variable) -> np.ndarray | pd.Categorical:
    """A few values of a variable, each of its levels among them."""
    if isinstance(variable, Covariate):
        if variable.names is not None:
            return factor(np.arange(len(variable.names)), variable.names)
        points = variable.distribution.points
        return np.unique(points if points is not None else np.asarray(variable.distribution.quantile(np.array(PROBED)), float))
    return values_in(variable, np.arange(len(variable.levels)))


def values_in(variable: Variable, codes: np.ndarray) -> np.ndarray | pd.Categorical:
    """Levels at these positions, as people have them in their data."""
    if variable.names is not None:
        return factor(codes, variable.names)
    assert not isinstance(variable, Covariate)
    return np.array(variable.levels, float)[codes]


def _told(tokens: tuple[Token, ...], coding: Coding) -> Coded:
    variable = tokens[0].text if len(tokens) == 1 else show(tokens)
    return Coded(variable, coding.names(True), coding.names(False) if coding.variable.levels is not None else ())
