"""Cross-products of a design drawn without its rows, where each column is a number a cell times a pattern that all cells have.

A cell is a combination of levels of the units; of one unit, a level. In it ``X = W D`` with ``W`` the patterns in its rows and
``D`` its own numbers. With ``W = Q R`` its cross-products are those of ``[R D, R D b + sigma z]`` and of what is left of the
residuals outside of ``Q``'s span, ``sigma chi`` with the remaining degrees of freedom: normal numbers ``z`` and one chi number,
whatever the number of rows. Repeats multiply ``R`` by the root of their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts, pad_groups
from jaxsim.data.draw import Draw
from jaxsim.data.names import Names
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError
from jaxsim.processes import chi, normals
from jaxsim.processes.designed.coefficients import ByUnit, coefficients, effect_normals
from jaxsim.processes.designed.drawn import at_levels, covariates, given_to
from jaxsim.processes.designed.keys import Keys
from jaxsim.processes.designed.levels import levels_of_cells, repeats_there
from jaxsim.processes.designed.matrix import Apart, apart
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Within
from jaxsim.processes.told import Sketch, truth_of
from jaxsim.seeding import Stream, stream_key

# Singular values of the patterns, each of length 1, below this, relative to the largest, are rounding.
RANK = 1e-13
# Folded into the key of the groups for the residuals.
RESIDUALS = 2


class Cells(NamedTuple):
    """What the rows of one dataset follow from.

    Attributes:
        columns: every column taken apart.
        basis: orthonormal columns that span the patterns, ``[K, R]`` of the combinations of the within variables.
        triangle: the patterns in them, ``[R, M]``, in the order of the columns.
        levels: of the units, ``[C, F]`` int32.
        numbers: of the cells, ``[C, M]``.
        repeats: of the combinations, ``[C]``; none in a cell that the dataset does not have.
        coefficients: of each cell, ``[C, M]``.
        z: normal numbers, ``[R, C]``.
        chi: length of the residuals outside of the span over the residual SD, ``[C]``.
        truth: by name.
    """

    columns: Apart
    basis: np.ndarray
    triangle: np.ndarray
    levels: jax.Array
    numbers: jax.Array
    repeats: Any
    coefficients: jax.Array
    z: jax.Array
    chi: jax.Array
    truth: dict[str, Any]


def check(design: Any) -> None:
    """Raise :class:`InputError` if the cross-products of a design cannot be drawn without its rows."""
    why = None
    for name, variable in design.variables.items():
        if isinstance(variable, Covariate) and variable.level == ROW:
            why = f"{name!r} is drawn in every row"
        if isinstance(variable, Within) and variable.jitter:
            why = f"{name!r} is jittered"
    if design.measurement_error:
        why = "covariates have measurement error"
    if why is None:
        try:
            jax.eval_shape(lambda: _nothing(design))
        except InputError as error:
            why = str(error)
    if why is not None:
        raise InputError(f"sampler='cross_products' draws no rows, and {why}; use sampler='rows'.")


def _nothing(design: Any) -> Apart:
    """The columns of a dataset of no effects."""
    keys = Keys(*[jax.random.key(0, impl="threefry2x32")] * 4)
    return _columns(keys, design, _no_effects(design), levels_of_cells(keys, design.plan))


def drawn(key: jax.Array, design: Any, sketch: Sketch, names: Names, bounds: Bounds) -> Draw:
    """One dataset's cross-products (traceable), padded to ``bounds.cells``."""
    cell = _cells(key, design, names)
    sd, rows, there = design.residual_sd, design.plan.schedule, jnp.asarray(cell.repeats > 0)
    x = jnp.sqrt(jnp.asarray(cell.repeats, float))[:, None, None] * cell.triangle * cell.numbers[:, None, :]
    y = (x * cell.coefficients[:, None, :]).sum(2) + sd * cell.z.T
    both = jnp.concatenate([x, y[..., None]], axis=2)
    products = jnp.einsum("crm,crn->cmn", both, both)
    products = jnp.where(there[:, None, None], products.at[:, -1, -1].add((sd * cell.chi) ** 2), 0.0)
    sizes = jnp.asarray(rows.combinations * cell.repeats, jnp.int32)
    several: dict[str, Any] = {}
    if len(bounds.levels) > 1:
        several = {"levels": jnp.where(there[:, None], cell.levels, 0), "counts": bounds.levels}
    data = CrossProducts(products, sizes, names.columns, names.fixed, **several, **names.carried())
    return Draw(truth_of(cell.truth, sketch), pad_groups(data, bounds.cells))


def completed(key: jax.Array, design: Any, sketch: Sketch, names: Names) -> Draw:
    """The same dataset by rows (traceable): residuals in the span as they were drawn, the rest of random direction."""
    cell, rows = _cells(key, design, names), design.plan.schedule
    shape = (rows.crossing.cells, rows.combinations, rows.repeats)
    there = jnp.broadcast_to((jnp.arange(rows.repeats) < jnp.asarray(cell.repeats)[:, None])[:, None], shape)
    share = 1 / jnp.sqrt(jnp.maximum(jnp.asarray(cell.repeats, float), 1.0))[:, None, None]
    free = jnp.where(there, normals.kept(stream_key(key, Stream.COMPLETION), shape), 0.0)
    basis = jnp.asarray(cell.basis)
    inside = jnp.einsum("kr,ckn->cr", basis, free) * share[:, :, 0]
    left = jnp.where(there, free - jnp.einsum("kr,cr->ck", basis, inside)[..., None] * share, 0.0)
    length = jnp.sqrt((left**2).sum((1, 2), keepdims=True))
    # Without degrees of freedom what is left is rounding, and its length is to be zero.
    outside = jnp.where(cell.chi[:, None, None] > 0, left / jnp.where(length > 0, length, 1.0) * cell.chi[:, None, None], 0.0)
    residuals = (jnp.einsum("kr,rc->ck", basis, cell.z)[..., None] * share + outside) * design.residual_sd
    patterns = np.stack([cell.columns[name][1] for name in names.columns], axis=1)
    x = cell.numbers[:, None, :] * patterns
    y = jnp.where(there, (x * cell.coefficients[:, None, :]).sum(2)[..., None] + residuals, 0.0)
    every = jnp.broadcast_to(x[:, :, None], (*shape, x.shape[-1])).reshape(rows.rows, -1)
    levels, weight = jnp.repeat(cell.levels, rows.cell, axis=0), there.reshape(-1).astype(float)
    data = Rows(every, y.reshape(-1), levels, weight, names.columns, names.fixed, design.max_levels, **names.carried())
    return Draw(truth_of(cell.truth, sketch), data)


def _cells(key: jax.Array, design: Any, names: Names) -> Cells:
    plan, own_key = design.plan, stream_key(key, Stream.GROUPS)
    rows, keys = plan.schedule, Keys(key, key, key, key)
    normal, index = effect_normals(keys, plan), levels_of_cells(keys, plan)
    beta, by_unit, truth = coefficients(key, design, normal)
    columns = _columns(keys, design, normal, index)
    patterns = np.stack([columns[name][1] for name in names.columns], axis=1)
    scale = np.maximum(np.linalg.norm(patterns, axis=0), np.finfo(float).tiny)
    left, values, right = np.linalg.svd(patterns / scale, full_matrices=False)
    rank, count = int((values > RANK * values[0]).sum()), rows.crossing.cells
    repeats = repeats_there(keys, plan, index)
    draws = normals.kept(jax.random.fold_in(own_key, RESIDUALS), (rank + 2, count))
    df = jnp.maximum(jnp.asarray(rows.combinations * repeats - rank, jnp.int32), 0)[None]

    def of_cells(name: str) -> Any:
        """The coefficient of a column."""
        own = [deviations[name][index[unit]] for unit, deviations in by_unit.items() if name in deviations]
        return sum(own, jnp.full(count, beta.get(name, 0.0)))

    return Cells(
        columns,
        left[:, :rank],
        values[:rank, None] * right[:rank] * scale,
        jnp.stack([jnp.asarray(index[unit], jnp.int32) for unit in plan.tree.names], axis=1),
        jnp.stack([jnp.asarray(columns[name][0]) for name in names.columns], axis=1),
        repeats,
        jnp.stack([of_cells(name) for name in names.columns], axis=1),
        draws[:rank],
        chi.chi(draws[rank : rank + 1], draws[rank + 1], df, chi.coefficients(df))[0],
        truth,
    )


def _columns(keys: Keys, design: Any, normal: ByUnit, index: Mapping[str, Any]) -> Apart:
    """Every column of a dataset taken apart."""
    plan, own = design.plan, keys.of(Stream.PREDICTORS)
    rows = plan.schedule
    shape = (rows.crossing.cells, rows.combinations, rows.repeats)
    of_cells = {name: value[index[plan.variables[name].level]] for name, value in covariates(own, design, normal).items()}
    within: dict[str, Any] = {}
    for place, (name, variable) in enumerate(plan.variables.items(), start=2):
        if isinstance(variable, Covariate):
            continue
        codes: Any = rows.codes.get(name)
        if codes is not None:
            blocks = codes.reshape(shape)
            codes = blocks[0, :, 0] if isinstance(variable, Within) else blocks[:, 0, 0]
        elif isinstance(variable, Between):
            codes = given_to(jax.random.fold_in(own.of_unit(plan, variable.unit), place), name, variable, plan)
            codes = jnp.asarray(codes)[index[variable.unit]]
        else:
            codes = rows.squares[name].codes(index)
        side = within if isinstance(variable, Within) else of_cells
        side[name] = codes if variable.names is not None else at_levels(variable.levels, codes)
    return apart(plan.matrix, of_cells, within, shape)


def _no_effects(design: Any) -> ByUnit:
    plan = design.plan
    return {unit: jnp.zeros((plan.tree.count(unit), len(plan.random_terms(unit)))) for unit in plan.tree.names}
