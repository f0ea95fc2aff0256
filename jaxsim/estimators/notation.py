"""Formulas as text: of columns, for software; and of variables, as people write them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from jaxsim.data.names import INTERCEPT, Names
from jaxsim.data.random_effects import RandomEffects

# Names that a formula may have without backquotes.
SYNTACTIC = re.compile(r"(?:[^\W\d]|\.(?!\d))[\w.]*")


def quoted(name: str) -> str:
    """In backquotes where a formula needs them."""
    return name if SYNTACTIC.fullmatch(name) else f"`{name}`"


def formula_text(response: str, fixed: tuple[str, ...], random: Sequence[RandomEffects]) -> str:
    """The formula with these columns as fixed effects, and a random-effects term for each block of each grouping factor."""

    def side(columns: tuple[str, ...]) -> str:
        """One side of a formula or of a bar."""
        rest = [quoted(name) for name in columns if name != INTERCEPT]
        return " + ".join(["1" if INTERCEPT in columns else "0", *rest])

    groups = [f"({side(block)} | {quoted(part.factor)})" for part in random for block in part.blocks]
    return " + ".join([f"{quoted(response)} ~ {side(fixed)}", *groups])


def formula_in_words(response: str, fixed: tuple[str, ...], random: Sequence[RandomEffects], names: Names) -> str:
    """The same as people write it: variables in place of the columns that they stand for, ``||`` without correlations, no ``1``."""

    def side(columns: tuple[str, ...]) -> str:
        """One side of a formula or of a bar."""
        if INTERCEPT not in columns:  # where a factor has other columns
            return " + ".join(["0", *map(quoted, columns)])
        return " + ".join(variables(columns, names)) or "1"

    def bars(part: RandomEffects) -> list[str]:
        """The terms of a grouping factor."""
        if len(part.blocks) > 1 and INTERCEPT in part.columns and all(len(block) == 1 for block in part.blocks):
            return [f"({side(part.columns)} || {quoted(part.factor)})"]
        return [f"({side(block)} | {quoted(part.factor)})" for block in part.blocks]

    groups = [term for part in random for term in bars(part)]
    return " + ".join([f"{quoted(response)} ~ {side(fixed)}", *groups])


def variables(columns: Sequence[str], names: Names) -> tuple[str, ...]:
    """The terms whose columns, beside an intercept, these are: ``drug`` and ``drug:day`` for ``drugactive`` and ``drugactive:day``.

    A column stays what it is where its variable has others that are not there, or has none by itself.
    """
    there = {name for name in columns if name != INTERCEPT}
    coded = {column: one for one in names.coded if there.issuperset(one.contrasts) for column in one.contrasts}
    found = []
    for name in columns:
        if name == INTERCEPT:
            continue
        parts = name.split(":")
        every = itertools.product(*(coded[part].contrasts if part in coded else (part,) for part in parts))
        whole = there.issuperset(parts) and there.issuperset(":".join(each) for each in every)
        terms = [coded[part].variable if part in coded else quoted(part) for part in parts]
        found.append(":".join(terms) if whole else quoted(name))
    return tuple(dict.fromkeys(found))
