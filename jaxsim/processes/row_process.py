"""Own processes, written as what one dataset's rows are: one method, in JAX, and everything else has a default."""

from __future__ import annotations

import abc
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.data.draw import Draw
from jaxsim.data.names import GROUP, INTERCEPT, RESPONSE, Names
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError
from jaxsim.processes import constant, told
from jaxsim.processes.checks import count_of_groups
from jaxsim.processes.instances import bare, derives
from jaxsim.processes.process import Process
from jaxsim.processes.program import Program
from jaxsim.processes.told import KEEP, Sketch
from jaxsim.seeding import Stream, stream_key

Truths = Mapping[str, Any]
Columns = Mapping[str, Any]


@dataclass(frozen=True)
class RowProcess(Process):
    """A process that says what the rows of ONE dataset are. A subclass is a frozen dataclass with :meth:`simulate`.

    Its fields are factors that a grid may vary. Floats are traced, so that all levels of such a field share a compiled program,
    unless ``simulate`` decides by them (``if self.df: ..``); every other field is known when the program is compiled.
    """

    # Names of the grouping factors and of the response among the columns; predictors that are one number a group (found out from
    # a dataset when None).
    factors: ClassVar[tuple[str, ...]] = (GROUP,)
    response: ClassVar[str] = RESPONSE
    between: ClassVar[tuple[str, ...] | None] = None

    @abc.abstractmethod
    def simulate(self, key: jax.Array) -> tuple[Truths, Columns]:
        """One dataset: what it was made with, and its rows (traceable; numbers follow from ``key`` alone).

        Returns:
            truth: numbers by name. A name that is a column, or ``Intercept``, is a fixed effect, in the order of the tables;
                ``sigma``, ``sd_<factor>_<term>`` and ``cor_<factor>_<term>_<term>`` are variance components; the name of a factor
                stands for the groups' own coefficients, ``{term: [G]}``; anything else is an estimand that a strategy may name.
            columns: arrays ``[N]`` by name: the response, the grouping factors (whole numbers from 0), predictors, and ``keep`` if
                some rows are missing (true where a row is there). The column of ones, ``Intercept``, need not be given.
        """

    def simulate_fresh(self, key: jax.Array, other: jax.Array, new_groups: bool) -> tuple[Truths, Columns] | None:
        """Further rows for the dataset that :meth:`simulate` makes of ``key``, for :class:`jaxsim.Prediction`: as it returns them,
        traceable; None for a process that does not say how they come about.

        Where the method draws a number from a part of ``key``, this one draws it from the same part, or from that of ``other``: the
        noise and predictors of single rows always; what belongs to a group (its coefficients, its predictors) with
        ``new_groups``; what belongs to all groups, such as fixed effects that are drawn for every dataset, never.

        Args:
            key: of the dataset.
            other: of what is drawn anew.
            new_groups: whether the rows are of groups that the dataset does not have.
        """
        return None

    @property
    def max_groups(self) -> int:
        """The largest number of groups: the field ``n_groups``, unless a subclass says otherwise."""
        return count_of_groups(
            self.kind, self.values.get("n_groups"), "a field n_groups (a whole number), or a property max_groups"
        )

    @property
    def max_levels(self) -> tuple[int, ...]:
        """The largest number of levels of each grouping factor; a process with several factors must say it."""
        if len(self.factors) > 1:
            raise InputError(
                f"{self.kind} groups rows by {', '.join(self.factors)}: give it a property max_levels, one number each."
            )
        return (self.max_groups,)

    @property
    def sketch(self) -> Sketch:
        """Names, shapes and which fields are traced; found by tracing :meth:`simulate` once for all processes alike."""
        return told.sketch_of(self)

    @property
    def terms(self) -> tuple[str, ...]:
        return self.sketch.names.fixed

    @property
    def columns(self) -> tuple[str, ...]:
        return self.sketch.names.columns

    @property
    def names(self) -> Names:
        return constant.names_of(self)

    @property
    def draws(self) -> type[Rows]:
        return Rows

    @property
    def bounds(self) -> Bounds:
        """All cells of the joint grouping may occur, but no more than there are rows."""
        levels, rows = self.max_levels, self.sketch.rows
        return Bounds(levels, levels[0] if len(levels) == 1 else min(int(np.prod(levels)), rows), rows)

    @property
    def float_fields(self) -> tuple[str, ...]:
        """Fields that may be traced: floats, and whole numbers in fields that are declared as floats; none where an instance keeps
        what it computed from them when it was made."""
        return () if derives(self) else told.float_fields(self.values, lambda name: told.declared_float(type(self), name))

    @property
    def leaves(self) -> dict[str, Any]:
        """The smallest parts that a program is compiled for, or that are traced: the fields, unless a subclass takes them apart."""
        return self.values

    @property
    def fixed_values(self) -> dict[str, Any]:
        """Fields that are known when a program is compiled."""
        return {name: value for name, value in self.leaves.items() if name not in self.sketch.traced}

    def traced_as(self, name: str) -> np.ndarray:
        """What stands for a traced field in compiled programs: the number itself, ``[]``, unless a subclass has something else."""
        return np.asarray(self.leaves[name], float)

    @property
    def identity(self) -> Hashable:
        """What tells this kind of process from others: its class, and the names that it gives."""
        return (type(self), tuple(self.factors), self.response, self.between and tuple(self.between))

    def program(self, bounds: Bounds) -> Hashable:
        return (self.identity, told.hashable(self.fixed_values), self.sketch.traced, bounds)

    def parameters(self, bounds: Bounds) -> dict[str, np.ndarray]:
        return {name: self.traced_as(name) for name in self.sketch.traced}

    def holding(self, values: Mapping[str, Any]) -> Self:
        """The same process with numbers that JAX traces in some fields: no validation, which would look at them, and nothing
        that was computed from other values."""
        traced: Self = bare(self)
        for name, value in values.items():
            object.__setattr__(traced, name, value)
        return traced

    def draw(self, key: jax.Array, parameters: Any, bounds: Bounds) -> Draw:
        return self._packed(*self.holding(parameters).simulate(key), bounds)

    def new_rows(self, key: jax.Array, drawn: Draw, parameters: Any, bounds: Bounds, new_groups: bool) -> Draw | None:
        other = jax.random.fold_in(stream_key(key, Stream.FRESH), int(new_groups))
        found = self.holding(parameters).simulate_fresh(key, other, new_groups)
        return None if found is None else self._packed(*found, bounds)

    def _packed(self, truth: Truths, columns: Columns, bounds: Bounds) -> Draw:
        """Truth and columns as the engine has them."""
        sketch, names = self.sketch, self.names
        n = sketch.rows
        keep = jnp.ones(n, bool) if KEEP not in columns else jnp.asarray(columns[KEEP]) != 0
        levels = jnp.stack([jnp.asarray(columns[f], jnp.int32) for f in names.factors], axis=1)
        predictors = [jnp.ones(n) if c == INTERCEPT else jnp.asarray(columns[c], float) for c in names.columns]
        rows = Rows(
            x=jnp.stack(predictors, axis=1),
            y=jnp.asarray(columns[names.response], float),
            levels=levels,
            weight=keep.astype(float),
            columns=names.columns,
            fixed=names.fixed,
            counts=bounds.levels,
            **names.carried(),
        )
        return Draw(told.truth_of(truth, sketch), rows)

    def rows(self, key: jax.Array) -> pd.DataFrame:
        """The dataset as rows, groups numbered from 1; ``attrs['truth']`` holds what it was made with."""
        bounds = self.bounds
        drawn = jax.device_get(_drawn(Program(self.program(bounds), self), bounds, key, self.parameters(bounds)))
        return told.frame_of(drawn, self.sketch.names)


@partial(jax.jit, static_argnums=(0, 1))
def _drawn(program: Program, bounds: Bounds, key: jax.Array, parameters: Any) -> Draw:
    return program.example.draw(key, parameters, bounds)
