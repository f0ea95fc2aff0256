"""Who meets whom in one dataset of a design, counted."""

from __future__ import annotations

from typing import Any

import pandas as pd

from jaxsim.counts import counted
from jaxsim.processes.designed.blueprint import Blueprint


def told(rows: pd.DataFrame, plan: Blueprint) -> list[str]:
    """Units, rows, and of several units how many of the others each meets, as lines of text."""
    tree = plan.tree
    if len(tree.names) == 1:
        sizes = rows.groupby(plan.unit).size()
        return [f"{counted(len(sizes), 'unit')} ({plan.unit}), {counted(len(rows), 'row')}: {span(sizes)} each"]
    counts = ", ".join(f"{rows[unit].nunique()} {unit}" for unit in tree.names)
    sizes_of = ", ".join(f"{span(rows.groupby(unit).size())} of each {unit}" for unit in tree.names)
    lines = [f"Units: {counts}; {counted(len(rows), 'row')}: {sizes_of}"]
    for k, unit in enumerate(tree.names):
        lines += [_pair(rows, plan, unit, other) for other in tree.names[k + 1 :]]
    return lines


def _pair(rows: pd.DataFrame, plan: Blueprint, one: str, other: str) -> str:
    """How two units go together."""
    tree = plan.tree
    outer, inner = (one, other) if one in tree.line(other) else (other, one)
    pairs = rows[[one, other]].drop_duplicates()
    if outer in tree.line(inner):
        return f"  each {outer} has {span(pairs.groupby(outer).size())} {inner}"
    of_one, of_other = pairs.groupby(one).size(), pairs.groupby(other).size()
    return f"  each {one} meets {span(of_one)} {other}, each {other} {span(of_other)} {one}"


def span(counts: pd.Series[Any]) -> str:
    """Counts, or the least and the most of them."""
    low, high = counts.min(), counts.max()
    return f"{low}" if low == high else f"{low} to {high}"
