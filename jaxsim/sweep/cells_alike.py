"""That the datasets of all cells of a study have the same columns: tables, models and comparisons rely on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from jaxsim.data.names import Names
from jaxsim.errors import InputError
from jaxsim.processes.frame_process import FrameProcess
from jaxsim.processes.row_process import RowProcess
from jaxsim.processes.told import hashable
from jaxsim.study.cell import Cell
from jaxsim.study.study import Study

# Cells that differ in nothing but floats are looked at until they are so many, then as many of them, evenly spread.
FLOATS = 64


def check_cells(study: Study) -> None:
    """Raise :class:`InputError` for cells whose datasets have other columns than those of the first."""
    looked_at = _looked_at(study.cells)
    for k, cell in enumerate(study.cells):
        names = _names(cell.process) if k in looked_at else _sketched(study, cell.process)
        if names is not None:
            _check(study, cell, names)


def _looked_at(cells: Sequence[Cell]) -> set[int]:
    """A cell of every kind, and cells spread over the grid: a dataset of each takes too long where there are many."""
    kinds: dict[Hashable, int] = {}
    for k, cell in enumerate(cells):
        process: Any = cell.process
        rest = {name: value for name, value in process.values.items() if not isinstance(value, float | np.floating)}
        kinds.setdefault((process.identity, hashable(rest)), k)
    spread = np.linspace(0, len(cells) - 1, min(len(cells), FLOATS)).astype(int).tolist()
    return {*kinds.values(), *spread}


def _sketched(study: Study, process: Any) -> Names | None:
    """What is known without a dataset: all names of rows, but not which columns are constant."""
    if not isinstance(process, RowProcess):
        return None
    return dataclasses.replace(process.sketch.names, constant=study.names.constant)


def _names(process: Any) -> Names | None:
    """Names of a cell's datasets; None where a DataFrame could not be drawn, which the results will say of each of them."""
    try:
        found: Names = process.names
    except InputError:
        raise
    except Exception:
        if isinstance(process, FrameProcess):
            return None
        raise
    return found


def _check(study: Study, cell: Cell, names: Names) -> None:
    mine, others = (dataclasses.replace(one, constant=(), constant_by=(), planned=(), balanced=()) for one in (names, study.names))
    if mine != others:
        raise InputError(
            f"cell {cell.index} {dict(cell.conditions)} has the terms {', '.join(names.fixed)} and columns "
            f"{', '.join(names.columns)}; the others {', '.join(study.names.fixed)} and {', '.join(study.names.columns)}. All "
            "cells of a study must have the same."
        )
    if names.constant != study.names.constant:
        odd = sorted({*names.constant} ^ {*study.names.constant})
        raise InputError(
            f"{odd[0]!r} is one number a group in some cells and varies within groups in others; say which are "
            f"constant by between=(..) of {study.process.kind}."
        )
