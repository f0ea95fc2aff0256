"""Names in a design: units, variables and formula speak of the same things."""

from __future__ import annotations

from collections.abc import Mapping

from jaxsim.errors import InputError, NotSupportedError, advised, meant
from jaxsim.formula.parse import Formula, RandomTerm
from jaxsim.processes.designed.matrix import base_of
from jaxsim.processes.designed.units import Tree
from jaxsim.processes.designed.variables import ROW, Between, Counterbalanced, Covariate, Variable


def check_names(parsed: Formula, tree: Tree, described: Mapping[str, Variable]) -> None:
    """Raise :class:`InputError` unless variables, units and formula speak of the same names."""
    text = parsed.text
    if len(parsed.response) != 1:
        raise InputError(f"the response of {text!r} must be a name, such as rt: a design says how it comes about.")
    response = parsed.response[0].text
    if response in tree.names:
        raise InputError(f"{text!r} explains {response!r}, which is a unit; call one of them something else.")
    for term in parsed.random:
        _check_group(text, term, tree)
    for name in (response, *tree.names, ROW):
        if name in described:
            what = {response: "the response", ROW: "what stands for every row"}.get(name, "the unit")
            raise InputError(f"variables describes {name!r}, which is {what}; give the variable another name.")
    needed = [name for terms in (parsed.fixed, *(t.terms for t in parsed.random)) for v in terms.variables for name in base_of(v)]
    for name in needed:
        if name not in described:
            said = f"the formula {text!r} has the variable {name!r}, which variables does not describe"
            there = f"it describes {', '.join(described) or 'none'}. Say what it is: between(..), within(..) or covariate(..)"
            raise InputError(advised(said, name, described, there))
    for name, variable in described.items():
        _check_level(name, variable, tree)


def listed(tree: Tree) -> str:
    """The units, as messages have them."""
    return ", ".join(map(repr, tree.names))


def _check_group(text: str, term: RandomTerm, tree: Tree) -> None:
    if tree.named(term.group) is not None:
        return
    group = ":".join(term.group)
    if set(term.group) <= set(tree.names):
        raise NotSupportedError(
            f"{text!r} has random effects by {group!r}, combinations of units of which none lies in the other: only units, and "
            f"nested ones with those that they lie in, have random effects; units has {listed(tree)}."
        )
    unknown = next((name for name in term.group if name not in tree.names and meant(name, tree.names)), None)
    said = f"{text!r} has random effects by {group!r}, which is no unit"
    raise InputError(advised(said, unknown, tree.names, f"the units are {listed(tree)}"))


def _check_level(name: str, variable: Variable, tree: Tree) -> None:
    """Raise :class:`InputError` for a variable of units that there are not."""
    if isinstance(variable, Counterbalanced):
        for unit in variable.over:
            if unit not in tree.names:
                raise InputError(f"variables: {name!r} rotates over {unit!r}, which is no unit; units has {listed(tree)}.")
        for one, other in (variable.over, variable.over[::-1]):
            if one in tree.line(other):
                raise InputError(
                    f"variables: {name!r} rotates over {one!r} and {other!r}, which lies in it: each has one level of the other. "
                    "Give two units that are crossed."
                )
        return
    level = variable.unit if isinstance(variable, Between) else variable.level if isinstance(variable, Covariate) else tree.first
    if level not in (*tree.names, *([ROW] if isinstance(variable, Covariate) else [])):
        raise InputError(f"variables: {name!r} belongs to {level!r}, which is no unit; units has {listed(tree)}.")
