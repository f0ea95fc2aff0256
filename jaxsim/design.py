"""What is to be simulated, as pure data: cells, the grid they come from, the study."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pandas as pd

from jaxsim import spec
from jaxsim.caveats import caveats
from jaxsim.errors import InputError, choose
from jaxsim.estimators import CATALOGUE as ESTIMATORS
from jaxsim.estimators import Decov, Estimator, Prior, Priors, Strategy
from jaxsim.grid import Grid, freeze, shown
from jaxsim.processes import CATALOGUE as PROCESSES
from jaxsim.processes import Normal, PoissonSizes, Process, Uniform, UniformSizes
from jaxsim.processes.checks import whole_number
from jaxsim.seeding import content_words, replicate_key
from jaxsim.until import Until

if TYPE_CHECKING:
    from jaxsim.store.results import Results


@dataclass(frozen=True)
class Cell:
    """One combination of conditions: its number in the grid and the process with those conditions filled in."""

    index: int
    conditions: tuple[tuple[str, Any], ...]
    process: Process

    @functools.cached_property
    def words(self) -> np.ndarray:
        """The cell's content as seeding sees it, ``[4]`` uint32: the process alone, not its place in any grid."""
        return content_words(spec.canonical(self.process))

    @functools.cached_property
    def key(self) -> str:
        """The same as 32 hexadecimal digits: how stored results know the cell, whatever grid it stands in."""
        return "".join(f"{word:08x}" for word in self.words.tolist())


@dataclass(frozen=True)
class Study:
    """A process, a grid over its fields, the strategies to compare, and how many datasets each cell gets.

    Args:
        process: where the fields that the grid does not vary come from.
        grid: the conditions.
        estimators: strategies, each with its own label; all of them fit every dataset.
        replicates: datasets per cell.
        seed: with the cell's content and the replicate's number it decides every random number.
        conf_level: of the confidence intervals.
        dtype: ``float64``, or ``float32`` for screening on devices that are faster with it: only strategies in closed form can be
            had in it, and its random numbers are others.
        until: stop the cells that are precise enough before they have all their replicates; see :class:`jaxsim.Until`.
        group_coefficients: measure, too, how well every strategy recovers the coefficients of the groups, and how much it shrinks
            them together (see :mod:`jaxsim.estimators.recovery`). All other numbers stay what they are.

    Raises:
        InputError: for anything that cannot be simulated, before anything is.
    """

    process: Process
    grid: Grid
    estimators: tuple[Strategy, ...]
    replicates: int
    seed: int = 0
    conf_level: float = 0.95
    dtype: str = "float64"
    until: Until | None = None
    group_coefficients: bool = False

    def __post_init__(self) -> None:
        estimators = (self.estimators,) if isinstance(self.estimators, Strategy) else tuple(self.estimators)
        object.__setattr__(self, "estimators", estimators)
        object.__setattr__(self, "replicates", whole_number("replicates", self.replicates, 1))
        object.__setattr__(self, "seed", whole_number("seed", self.seed, 0))
        if self.seed >= 2**32:
            raise InputError(f"seed={self.seed}: give a whole number below 2**32.")
        if not 0 < self.conf_level < 1:
            raise InputError(f"conf_level={self.conf_level}: give a number between 0 and 1, such as 0.95.")
        if not isinstance(self.grid, Grid):
            raise InputError(f"grid={self.grid!r}: give a Grid, such as Grid(n_groups=[10, 30]).")
        choose("dtype", self.dtype, DTYPES)
        if self.until is not None:
            if not isinstance(self.until, Until):
                raise InputError(f"until={self.until!r}: give a rule such as Until(power=0.005).")
            self.until.check(self.replicates, self.group_coefficients)
        self._check_factors()
        self._check_estimators()
        self._check_cells()
        self._check_groups()

    def _check_factors(self) -> None:
        fields = [f.name for f in dataclasses.fields(self.process)]
        for name in self.grid.must_be_fields:
            if name not in fields:
                raise InputError(f"grid factor {name!r} is not a field of {type(self.process).__name__}; use {', '.join(fields)}.")

    def _check_estimators(self) -> None:
        if not self.estimators:
            raise InputError("a study needs at least one estimator.")
        for estimator in self.estimators:
            if not isinstance(estimator, Strategy):
                raise InputError(f"estimators has {estimator!r}; give instances such as LinearMixed() or TwoStage(label='lm2').")
        labels = [estimator.name for estimator in self.estimators]
        if len(set(labels)) != len(labels):
            raise InputError(f"two estimators share a label in {labels}; give each its own with label=...")
        for estimator in self.estimators:
            estimator.check(self.process.terms)

        double = [e.name for e in self.estimators if isinstance(e, Estimator) and not e.closed_form]
        if self.dtype != "float64" and double:
            raise InputError(
                f"dtype={self.dtype!r} is too coarse for {', '.join(double)}, which iterate; leave them out, or take float64."
            )

    def _check_groups(self) -> None:
        """That coefficients of groups, if they are asked for, are there."""
        asked = self.group_coefficients
        if not isinstance(asked, bool):
            raise InputError(f"group_coefficients={asked!r}: give True or False.")
        if asked and not self.process.has_group_coefficients:
            raise InputError(
                f"group_coefficients=True: {type(self.process).__name__} does not tell the coefficients of its groups."
            )
        if asked and not any(isinstance(e, Estimator) and e.has_group_coefficients for e in self.estimators):
            names = ", ".join(e.name for e in self.estimators)
            raise InputError(
                f"group_coefficients=True: none of the strategies has coefficients of groups ({names}); add one that has, such as "
                "LinearMixed(), or leave it out."
            )

    def _check_cells(self) -> None:
        first: dict[str, Cell] = {}
        for cell in self.cells:
            twin = first.setdefault(cell.key, cell)
            if twin is not cell:
                raise InputError(
                    f"cells {twin.index} {dict(twin.conditions)} and {cell.index} {dict(cell.conditions)} are the same process, "
                    "and would be the same datasets; leave one out."
                )

    @functools.cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, in the order of the grid."""
        known = {f.name for f in dataclasses.fields(self.process)}
        return tuple(
            Cell(i, conditions, dataclasses.replace(self.process, **{k: v for k, v in conditions if k in known}, **dict(linked)))
            for i, (conditions, linked) in enumerate(self.grid.cells())
        )

    @property
    def settings(self) -> dict[str, Any]:
        """What the numbers depend on besides cells, replicates and strategies."""
        groups = {"group_coefficients": True} if self.group_coefficients else {}  # folders from before this was there have none
        return {"seed": self.seed, "conf_level": self.conf_level, "dtype": self.dtype, **groups}

    def datasets(self, replicates: Mapping[int, int] | None = None) -> int:
        """Datasets of the whole study, or with so many replicates of each cell (by its number), that some strategy fits."""
        wanted = [self.replicates if replicates is None else replicates.get(cell.index, 0) for cell in self.cells]
        return sum(max(e.wanted(count) for e in self.estimators) for count in wanted)

    def cell_table(self) -> pd.DataFrame:
        """One row a cell: its number and its conditions (a condition that is not a number or a string is shown as text)."""
        rows = [{"cell": c.index, **{k: shown(v) for k, v in c.conditions}} for c in self.cells]
        return pd.DataFrame(rows)

    def find(self, cell: int | Mapping[str, Any]) -> Cell:
        """A cell by its number or by its conditions; raises :class:`InputError` if there is not exactly one."""
        if isinstance(cell, Mapping):
            matches = [c for c in self.cells if all(dict(c.conditions).get(k) == freeze(v) for k, v in cell.items())]
            if len(matches) != 1:
                raise InputError(f"{len(matches)} cells match {dict(cell)}; the factors are {', '.join(self.grid.names)}.")
            return matches[0]
        if not 0 <= cell < len(self.cells):
            raise InputError(f"cell={cell}: this study has cells 0 to {len(self.cells) - 1}.")
        return self.cells[cell]

    def dataset(self, cell: int | Mapping[str, Any], replicate: int) -> pd.DataFrame:
        """The rows of one simulated dataset, as ``Group, DV, IV1, ..``; fits of them are the fits in the results.

        Args:
            cell: a cell's number or its conditions, such as ``{"n_groups": 10, "n_obs": 5, "group_sd": 0.1}``.
            replicate: from 0; may lie beyond ``replicates``, which only says how many were summarised.

        Returns:
            The rows; ``attrs["truth"]`` holds the fixed effects and the group coefficients they were made with.
        """
        found = self.find(cell)
        number = whole_number("replicate", replicate, 0)
        return found.process.rows(_replicate_key(np.uint32(self.seed), found.words, np.uint32(number)))

    def run(self, out: str | Path, **options: Any) -> Results:
        """Simulate, fit and store everything; see :func:`jaxsim.sweep.run.run` for the options."""
        from jaxsim.sweep.run import run  # noqa: PLC0415 - the design layer does not depend on the engine

        return run(self, out, **options)

    def caveats(self) -> tuple[str, ...]:
        """What is known beforehand about the measures of this study, a sentence each; see :mod:`jaxsim.caveats`."""
        return caveats(self)

    def to_json(self) -> str:
        """The study as text that :meth:`from_json` reads back to an equal study."""
        body = spec.encode(self)
        body["grid"] = [[name, spec.encode(levels)] for name, levels in self.grid.factors]
        if self.grid.links is not None:
            body["links"] = spec.encode(self.grid.links)
        return json.dumps(body, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Study:
        """Read :meth:`to_json`."""
        body = json.loads(text)
        body.pop("type")
        grid = Grid(tuple((name, spec.decode(levels, CATALOGUE)) for name, levels in body.pop("grid")))
        if "links" in body:
            grid = grid.with_links(spec.decode(body.pop("links"), CATALOGUE))
        return cls(grid=grid, **{name: spec.decode(value, CATALOGUE) for name, value in body.items()})


_replicate_key = jax.jit(replicate_key)
DTYPES: tuple[str, ...] = ("float64", "float32")

CATALOGUE: dict[str, type] = {
    **PROCESSES,
    **ESTIMATORS,
    **{kind.__name__: kind for kind in (Uniform, Normal, UniformSizes, PoissonSizes, Prior, Priors, Decov, Until)},
}
