"""Everything about a design that its numbers do not change: rows, columns and their names, and what is random. Made once for all
cells of a study that share it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPT, Coded
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, NotSupportedError, meant
from jaxsim.formula.coding import DEFAULT
from jaxsim.formula.columns import Column
from jaxsim.formula.functions import STATEFUL, plain, roles
from jaxsim.formula.model_matrix import check_levels
from jaxsim.formula.parse import Formula, parse
from jaxsim.formula.tokens import Token, show
from jaxsim.formula.variable import learn
from jaxsim.processes.designed.matrix import Coding, Matrix, Piece, Side, base_of, side
from jaxsim.processes.designed.schedule import Repeats, Schedule, schedule
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Variable, Within, factor

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
        random: random effects of the unit; None if the formula has none.
        coded: variables that formulas of strategies may name besides the columns.
    """

    formula: Formula
    schedule: Schedule
    variables: Mapping[str, Variable]
    matrix: Matrix
    fixed: Side
    random: RandomEffects | None
    coded: tuple[Coded, ...]

    @property
    def unit(self) -> str:
        """What a unit is called."""
        return self.schedule.unit

    @property
    def response(self) -> str:
        """The column that is explained."""
        return self.formula.response[0].text

    @property
    def random_terms(self) -> tuple[str, ...]:
        """Columns with a random effect."""
        return self.random.columns if self.random is not None else ()

    @functools.cached_property
    def constant(self) -> tuple[str, ...]:
        """Columns that are one number a unit."""
        return tuple(
            name for name in self.matrix.pieces
            if name != INTERCEPT and all(of_a_unit(self.variables[own]) for own in self.matrix.base(name))
        )  # fmt: skip

    @functools.cached_property
    def maximal(self) -> tuple[str, ...]:
        """Fixed effects of what varies within units alone: of an interaction with a variable of whole units, the slopes that can
        differ between units are those of its other variables."""
        return tuple(
            name for name in self.fixed.names
            if not any(of_a_unit(self.variables[own]) for own in self.matrix.base(name))
        )  # fmt: skip


def of_a_unit(variable: Variable) -> bool:
    """Whether a variable is one value a unit."""
    if isinstance(variable, Within):
        return len(variable.levels) == 1 and not variable.jitter
    return isinstance(variable, Between) or variable.level != ROW


def is_fixed(variable: Variable) -> bool:
    """Whether a variable is the same in every dataset."""
    if isinstance(variable, Within):
        return not variable.jitter
    return isinstance(variable, Between) and not variable.randomised


@functools.lru_cache(maxsize=1024)
def blueprint(formula: str, unit: str, units: int, repeats: Repeats, variables: tuple[tuple[str, Variable], ...]) -> Blueprint:
    """Read a formula, and what its variables are.

    Raises:
        InputError: for a formula that cannot be read or asks for what is not described, and a schedule that does not fit.
        NotSupportedError: for random effects of several factors, or of combinations of them.
    """
    described = dict(variables)
    parsed = parse(formula)
    _check_names(parsed, unit, described)
    rows = schedule(unit, units, repeats, described)
    sought = [tokens for terms in (parsed.fixed, *(term.terms for term in parsed.random)) for tokens in terms.variables]
    sought += [(Token("name", name),) for name in described]
    codings = {tokens: _coding(tokens, rows, described) for tokens in dict.fromkeys(sought)}
    fixed, sides = side(parsed.fixed, codings), [side(term.terms, codings) for term in parsed.random]
    if not fixed.names:
        raise InputError(f"the formula {formula!r} has no fixed effects; a design needs at least one, such as the intercept.")
    random = _random(parsed, sides, codings, rows)
    pieces = _pieces(fixed, sides, codings)
    for name in (parsed.response[0].text, unit):
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
) -> RandomEffects | None:
    """The random effects; None without any."""
    blocks: list[tuple[str, ...]] = []
    for term, own in zip(parsed.random, sides, strict=True):
        if term.independent and any(codings[tokens].variable.levels is not None for tokens in term.terms.variables):
            raise NotSupportedError(f"{parsed.text!r} has '||' with a factor; number its levels, or write (f | {rows.unit}).")
        if not own.names:
            raise InputError(f"{parsed.text!r} has a random-effects term without effects; write (1 | {rows.unit}).")
        blocks += [(name,) for name in own.names] if term.independent else [own.names]
    if not blocks:
        return None
    random = RandomEffects(rows.unit, tuple(blocks))
    _check_random(parsed.text, random, rows)
    return random


def _check_names(parsed: Formula, unit: str, described: Mapping[str, Variable]) -> None:
    """Raise :class:`InputError` unless variables, unit and formula speak of the same names."""
    text = parsed.text
    if len(parsed.response) != 1:
        raise InputError(f"the response of {text!r} must be a name, such as rt: a design says how it comes about.")
    response = parsed.response[0].text
    for term in parsed.random:
        if term.group != (unit,):
            raise InputError(f"{text!r} has random effects by {':'.join(term.group)!r}, which is no unit; units has {unit!r}.")
    for name in (response, unit, ROW):
        if name in described:
            what = {response: "the response", unit: "the unit"}.get(name, "what stands for every row")
            raise InputError(f"variables describes {name!r}, which is {what}; give the variable another name.")
    needed = [name for terms in (parsed.fixed, *(t.terms for t in parsed.random)) for v in terms.variables for name in base_of(v)]
    for name in needed:
        if name not in described:
            near = meant(name, described)
            hint = f" Did you mean {near!r}?" if near is not None else ""
            raise InputError(
                f"the formula {text!r} has the variable {name!r}, which variables does not describe; it describes "
                f"{', '.join(described) or 'none'}. Say what it is: between(..), within(..) or covariate(..).{hint}"
            )
    for name, variable in described.items():
        level = variable.unit if isinstance(variable, Between) else variable.level if isinstance(variable, Covariate) else unit
        if level not in (unit, *([ROW] if isinstance(variable, Covariate) else [])):
            raise InputError(f"variables: {name!r} belongs to {level!r}, which is no unit; units has {unit!r}.")


def _check_random(text: str, random: RandomEffects, rows: Schedule) -> None:
    """Raise :class:`InputError` for a column that is there twice, and for more effects than a unit has rows."""
    twice = next((name for name in random.columns if random.columns.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{twice!r} has two random effects by {random.factor} in {text!r}; each column may have one.")
    if rows.block < len(random.columns):
        raise InputError(
            f"every {random.factor} has at most {rows.block} rows, and {len(random.columns)} random effects "
            f"({', '.join(random.columns)}): no data could tell them apart. Give a longer schedule, more repeats, or fewer effects."
        )


def _coding(tokens: tuple[Token, ...], rows: Schedule, described: Mapping[str, Variable]) -> Coding:
    """Learn a variable: from all rows if it is the same in every dataset, else from a few that have each of its levels."""
    base = base_of(tokens)
    if all(is_fixed(described[name]) for name in base):
        return _fixed_coding(tokens, rows, described, base)
    learning = next((n for n, role in roles(tokens) if role == "call" and plain(n) in STATEFUL), None)
    if learning is not None:
        drawn = next(name for name in base if not is_fixed(described[name]))
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
    if stateful and rows.sizes is not None:
        raise InputError(f"{show(tokens)!r} learns from all rows, which are others in every dataset; give repeats as a number.")
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
