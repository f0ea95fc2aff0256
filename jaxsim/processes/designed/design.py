"""``Design``: a process written as people think of an experiment."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

import jax
import numpy as np
import pandas as pd

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.names import Names
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.errors import choose, whole_number
from jaxsim.processes.designed import by_unit, dotted, frame, magnitudes, sufficient, trouble
from jaxsim.processes.designed.blueprint import Blueprint, blueprint
from jaxsim.processes.designed.card import design_card
from jaxsim.processes.designed.meets import ALL, Meets, checked_meets
from jaxsim.processes.designed.preview import Preview, preview
from jaxsim.processes.designed.scale import amounts, sizes, told
from jaxsim.processes.designed.schedule import checked_repeats
from jaxsim.processes.designed.simulated import Again, dataset
from jaxsim.processes.designed.sizes import Sized
from jaxsim.processes.designed.units import Nested, Tree, checked_units
from jaxsim.processes.designed.variables import Variable, checked_variables
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.distributions import GroupSizes
from jaxsim.processes.messy.parts import Kind
from jaxsim.processes.messy.world import Messy
from jaxsim.processes.program import Program
from jaxsim.processes.row_process import Columns, RowProcess, Truths
from jaxsim.processes.shapes import table_of
from jaxsim.processes.told import frame_of

SAMPLERS: tuple[str, ...] = ("rows", "cross_products")
HINTS = {
    "n_groups": "The number of units is Grid(**{'units.subject': [20, 40]}), with the unit's name.",
    "n_obs": "Rows of a unit follow from within(..) and repeats: Grid(repeats=[1, 5]).",
    "icc": "An ICC sets two SDs: Grid(icc=[..]).linked(lambda icc: {'sd.subject': icc**.5, 'residual_sd': (1 - icc)**.5}).",
}


@dataclass(frozen=True)
class Design(Messy, RowProcess):
    """An experiment: a formula with lme4's random terms, and what its variables are.

    ``y = X beta + Z b_unit + residual_sd e`` with normal ``b_unit`` and ``e``, one ``Z b_unit`` for each unit. Columns, their order
    and their names are those that :func:`jaxsim.lmer` of the same formula makes; the intercept is ``Intercept`` (``(Intercept)`` is
    understood). A dataset has a row for every unit (of several, every combination that meets), combination of the within variables
    in their order, and repeat.

    Every argument is a grid factor, and so is every number in it, by a dotted name: ``units.subject``, ``variables.day``,
    ``effects.drugactive:day``, ``sd.subject.day``, ``correlation.subject``. Cells that differ in effects, standard deviations and
    correlations share one compiled program.

    What is not as in an ideal world (``residual``, ``group_effects``, ``variance``, ``serial``, ``outliers``, ``recorded``,
    ``missing``, ``sd_noise``, or a whole ``scenario``) is as of :class:`jaxsim.Messy`.

    Args:
        formula: such as ``"rt ~ drug * day + (day | subject)"``.
        units: how many there are, ``{"subject": 40}``. Several are crossed, ``{"subject": 40, "item": 20}``, unless one lies in
            another: ``{"school": 20, "class": nested("school", 4)}`` (:func:`nested`). The first is the first grouping factor.
        repeats: rows of each combination of the within variables: one number, one per unit (of a single one), or a distribution of
            them (:class:`jaxsim.PoissonSizes`), drawn for every unit, or combination of units.
        variables: what each is: :func:`between`, :func:`within`, :func:`covariate` or :func:`counterbalanced`.
        correlations: of pairs of covariates of one level, ``{("age", "stress"): .3}``: a Gaussian copula, so that for others than
            normal ones it is the correlation of the normal numbers which they are made of.
        effects: by term; what is not named is 0. A distribution is drawn from for each dataset; a :class:`jaxsim.Sized` is in
            standard units, ``Sized(d=.4)``.
        sd: of the random effects, by unit and term, ``{"subject": {"Intercept": 60, "day": 8}}``; one number stands for all terms
            of the unit, :class:`jaxsim.ICC` for an intercept's share of the variance. What is not named is 0.
        correlation: of the random effects, by unit: one number for every pair within a term, or a matrix.
        residual_sd: SD of the noise.
        measurement_error: reliability of covariates, ``{"age": .8}``: strategies see a covariate with normal error added, of which
            the true one is this share of the variance.
        endogenous: correlations of covariates with the random intercepts of their units, ``{"age": .3}``, of the normal numbers
            that both are made of (others are correlated a little less); of a covariate of rows, of the part that is the unit's
            (``covariate("row", .., icc=.3)``).
        sampler: ``rows`` draws every row. ``cross_products`` draws what most strategies read of them directly, at a cost that does
            not depend on the number of repeats, in an ideal world (in others rows are drawn); rows are completed on demand. Both
            have the same law.
        meets: which levels of two crossed units meet: ``"all"``, ``sampled(k)`` (:func:`sampled`), ``lists(n)`` (:func:`lists`).

    Raises:
        InputError: for a formula that cannot be read, an effect of a term that it does not make, variables that are not described,
            correlations that nothing can have, more random effects than a unit has rows, units that lie in none or in themselves.
        NotSupportedError: for random effects by combinations of crossed units, ``meets`` of other than two crossed units, powers
            and ICCs with several units.
    """

    formula: str
    units: Mapping[str, int | Nested]
    repeats: int | tuple[int, ...] | GroupSizes = 1
    variables: Mapping[str, Variable] = field(default_factory=dict)
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)
    effects: Mapping[str, float | Sized | Distribution] = field(default_factory=dict)
    sd: Mapping[str, Any] = field(default_factory=dict)
    correlation: Mapping[str, Any] = field(default_factory=dict)
    residual_sd: float = 1.0
    measurement_error: Mapping[str, float] = field(default_factory=dict)
    endogenous: Mapping[str, float] = field(default_factory=dict)
    sampler: str = "rows"
    meets: Meets = ALL

    def __post_init__(self) -> None:
        super().__post_init__()
        put = partial(object.__setattr__, self)
        put("units", checked_units(self.units))
        put("meets", checked_meets(self.meets, Tree(tuple(self.units.items()))))
        put("repeats", checked_repeats(self.repeats, self.units))
        put("variables", checked_variables(self.variables))
        made = self.plan
        put("correlations", magnitudes.copula(self.correlations, made))
        put("effects", magnitudes.effects(self.effects, made))
        put("sd", magnitudes.deviations(self.sd, made))
        put("correlation", magnitudes.correlations(self.correlation, made))
        put("residual_sd", magnitudes.deviation("residual_sd", self.residual_sd))
        for name, value in trouble.checked(self).items():
            put(name, value)
        amounts(self)
        if choose("sampler", self.sampler, SAMPLERS) == "cross_products":
            sufficient.check(self)

    @property
    def plan(self) -> Blueprint:
        """Rows, columns and random effects: what the numbers do not change."""
        return blueprint(self.formula, tuple(self.units.items()), self.meets, self.repeats, tuple(self.variables.items()))

    @property
    def factors(self) -> tuple[str, ...]:  # type: ignore[override]
        """The units."""
        return tuple(self.units)

    @property
    def response(self) -> str:  # type: ignore[override]
        """Of the formula."""
        return self.plan.response

    @property
    def between(self) -> tuple[str, ...]:  # type: ignore[override]
        """Columns that are one number in every level of the first unit."""
        return self.plan.constant[self.plan.unit]

    @property
    def names(self) -> Names:
        return by_unit.names(self.sketch.names, self.plan, complete=not self.is_messy and type(self).simulate is Design.simulate)

    @property
    def max_groups(self) -> int:
        """The number of levels of the first unit."""
        return self.plan.schedule.units

    @property
    def max_levels(self) -> tuple[int, ...]:
        """Of each unit."""
        return tuple(map(self.plan.tree.count, self.units))

    @property
    def linear(self) -> bool:
        """Whether responses are recorded as they are, and predictors measured without error."""
        return super().linear and not self.measurement_error

    @property
    def by_rows(self) -> bool:
        """Whether every row is drawn."""
        return self.sampler == "rows" or self.is_messy

    @property
    def draws(self) -> type[CrossProducts] | type[Rows]:  # type: ignore[override]
        return Rows if self.by_rows else CrossProducts

    @property
    def same_when_padded(self) -> bool:
        """Datasets are padded when they are drawn."""
        return True

    @property
    def bounds(self) -> Bounds:
        rows = self.plan.schedule
        return Bounds(self.max_levels, rows.crossing.cells, rows.rows if self.by_rows else 0)

    @property
    def leaves(self) -> dict[str, Any]:
        """Every number and variable by its dotted name, and the fields that have no parts."""
        return dotted.leaves(self)

    @property
    def values(self) -> dict[str, Any]:
        """The fields, and every part of them by its dotted name."""
        whole = {name: value for name, value in super().values.items() if name != "meets" or len(self.units) > 1}
        units = {f"sd.{unit}": self.sd.get(unit, {}) for unit in self.plan.random}
        parts = {name: v for name, v in self.leaves.items() if name not in whole and not isinstance(v, Kind)}
        return {**whole, **units, **parts}

    @property
    def idle(self) -> frozenset[str]:
        """Correlations of units that have a single random effect, or independent ones."""
        return dotted.idle(self)

    def having(self, **changes: Any) -> Self:
        """The same design with other values; ``having(**{"units.subject": 20})`` changes one of several."""
        return dataclasses.replace(self, **dotted.merged(self, changes))

    def holding(self, values: Mapping[str, Any]) -> Self:
        return dotted.holding(self, values)

    @property
    def float_fields(self) -> tuple[str, ...]:
        """Numbers among effects, standard deviations, correlations and troubles, and shapes that a table stands for."""
        return tuple(name for name, v in self.leaves.items() if dotted.traced(name, v))

    def traced_as(self, name: str) -> np.ndarray:
        value = self.leaves[name]
        return table_of(value) if isinstance(value, Distribution) else np.asarray(value, float)

    @property
    def identity(self) -> Hashable:
        """Its class: names follow from the fields."""
        return type(self)

    def hint(self, field: str) -> str:
        return HINTS.get(field, "")

    def simulate(self, key: jax.Array) -> tuple[Truths, Columns]:
        return dataset(key, self)

    def simulate_fresh(self, key: jax.Array, other: jax.Array, new_groups: bool) -> tuple[Truths, Columns]:
        return dataset(key, self, Again(other, new_groups))

    def draw(self, key: jax.Array, parameters: Any, bounds: Bounds) -> Draw:
        """As of any process by rows; or cross-products."""
        if not self.by_rows:
            return sufficient.drawn(key, self.holding(parameters), self.sketch, self.names, bounds)
        return super().draw(key, parameters, bounds)

    def _packed(self, truth: Truths, columns: Columns, bounds: Bounds) -> Draw:
        """As of any process by rows; they come in a block for each unit, or combination of several."""
        drawn, rows = super()._packed(truth, columns, bounds), self.plan.schedule
        assert isinstance(drawn.data, Rows)
        several = len(self.units) > 1
        blocks = dataclasses.replace(drawn.data, block=0 if several else rows.block, cell=rows.cell if several else 0)
        return drawn._replace(data=blocks)

    def rows(self, key: jax.Array) -> pd.DataFrame:
        """The dataset as people have it: the unit, the variables (factors as categories, the reference first), the response, and
        the other columns of the model; units are numbered from 1, ``attrs['truth']`` holds what it was made with."""
        return frame.as_written(super().rows(key) if self.by_rows else _completed(self, key), self.plan)

    def preview(self, seed: int = 0) -> Preview:
        """One dataset's design before anything runs: ``print(design.preview())``, and ``design.preview().figure()`` draws who sees
        what when.

        Args:
            seed: of the dataset.
        """
        rows = self.rows(jax.random.key(whole_number("seed", seed, 0), impl="threefry2x32"))
        leaves = self.leaves
        effects = {name.removeprefix("effects."): value for name, value in leaves.items() if name.startswith("effects.")}
        spreads = dotted.spreads(self) | {"residual_sd": leaves["residual_sd"]}
        return preview(rows, self.plan, effects, spreads, trouble.told(self), told(self))

    def sizes(self, alpha: float = 0.05) -> pd.DataFrame:
        """The effects in all units, a row for each term: ``effect`` (raw), ``d``, ``f2``, ``r2`` (partial) and ``power``, as of
        :class:`jaxsim.Sized`; ``attrs`` has the ``sd`` given the fixed effects, ``icc``, ``design_effect``, mean ``rows`` a unit.

        Args:
            alpha: level of the tests whose power it is.
        """
        return sizes(self, alpha)

    def null(self, term: str) -> Self:
        """Its twin without the effect of a term: for type I error at the same nuisance values.

        Args:
            term: of the formula, such as ``"drug:day"``, or one of its columns, ``"drugactive:day"``.

        Raises:
            InputError: for a term that the formula does not make.
        """
        made = self.plan.fixed
        known = magnitudes.known_term("null", term, dict.fromkeys((*made.terms, *made.names)), self.plan)
        gone = made.terms.get(known, (known,))
        return self.having(effects={name: value for name, value in self.effects.items() if name not in gone})

    def _repr_html_(self) -> str:
        return design_card(self)


def _completed(design: Design, key: jax.Array) -> pd.DataFrame:
    program = Program(design.program(design.bounds), design)
    values = {name: design.traced_as(name) for name in design.sketch.traced}
    return frame_of(jax.device_get(_rows(program, key, values)), design.names)


@partial(jax.jit, static_argnums=0)
def _rows(program: Program, key: jax.Array, values: Any) -> Draw:
    design = program.example
    return sufficient.completed(key, design.holding(values), design.sketch, design.names)
