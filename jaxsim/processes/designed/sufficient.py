"""Cross-products of a design drawn without its rows, where each column is a number a unit times a pattern that all units meet.

Of a unit ``X = W D`` with ``W`` the patterns in its rows and ``D`` its own numbers. With ``W = Q R`` its cross-products are those
of ``[R D, R D b + sigma z]`` and of what is left of the residuals outside of ``Q``'s span, ``sigma chi`` with the remaining
degrees of freedom: normal numbers ``z`` and one chi number, whatever the number of rows. Repeats multiply ``R`` by the root of
their number.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts, pad_groups
from jaxsim.data.draw import Draw
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError
from jaxsim.processes import chi, normals
from jaxsim.processes.designed.coefficients import ByUnit, coefficients, effect_normals
from jaxsim.processes.designed.drawn import assigned, at_levels, covariates
from jaxsim.processes.designed.keys import Keys
from jaxsim.processes.designed.levels import repeats_of_cells
from jaxsim.processes.designed.matrix import Apart, apart
from jaxsim.processes.designed.variables import ROW, Between, Covariate, Within
from jaxsim.processes.told import Sketch, truth_of
from jaxsim.seeding import Stream, stream_key

# Singular values of the patterns, each of length 1, below this, relative to the largest, are rounding.
RANK = 1e-13
# Folded into the key of the groups for the residuals.
RESIDUALS = 2


class Unit(NamedTuple):
    """What the rows of one dataset follow from.

    Attributes:
        columns: every column taken apart.
        basis: orthonormal columns that span the patterns, ``[C, R]``.
        triangle: the patterns in them, ``[R, M]``, in the order of the columns.
        numbers: of the units, ``[U, M]``.
        repeats: of the combinations, ``[U]``.
        coefficients: of each unit, ``[U, M]``.
        z: normal numbers, ``[R, U]``.
        chi: length of the residuals outside of the span over the residual SD, ``[U]``.
        truth: by name.
    """

    columns: Apart
    basis: np.ndarray
    triangle: np.ndarray
    numbers: jax.Array
    repeats: Any
    coefficients: jax.Array
    z: jax.Array
    chi: jax.Array
    truth: dict[str, Any]


def check(design: Any) -> None:
    """Raise :class:`InputError` if the cross-products of a design cannot be drawn without its rows."""
    why = f"units has several ({', '.join(design.units)})" if len(design.units) > 1 else None
    for name, variable in design.variables.items():
        if isinstance(variable, Covariate) and variable.level == ROW:
            why = f"{name!r} is drawn in every row"
        if isinstance(variable, Within) and variable.jitter:
            why = f"{name!r} is jittered"
    if design.measurement_error:
        why = "covariates have measurement error"
    if why is None:
        try:
            jax.eval_shape(lambda: _columns(jax.random.key(0, impl="threefry2x32"), design, _no_effects(design)))
        except InputError as error:
            why = str(error)
    if why is not None:
        raise InputError(f"sampler='cross_products' draws no rows, and {why}; use sampler='rows'.")


def drawn(key: jax.Array, design: Any, sketch: Sketch, names: Names, cells: int) -> Draw:
    """One dataset's cross-products (traceable), padded to ``cells``."""
    unit = _unit(key, design, names)
    sd, rows = design.residual_sd, design.plan.schedule
    x = jnp.sqrt(jnp.asarray(unit.repeats, float))[:, None, None] * unit.triangle * unit.numbers[:, None, :]
    y = (x * unit.coefficients[:, None, :]).sum(2) + sd * unit.z.T
    both = jnp.concatenate([x, y[..., None]], axis=2)
    products = jnp.einsum("urm,urn->umn", both, both)
    products = products.at[:, -1, -1].add((sd * unit.chi) ** 2)
    sizes = jnp.asarray(rows.combinations * unit.repeats, jnp.int32)
    data = pad_groups(CrossProducts(products, sizes, names.columns, names.fixed, **names.carried()), cells)
    return Draw(truth_of(unit.truth, sketch), data)


def completed(key: jax.Array, design: Any, sketch: Sketch, names: Names) -> Draw:
    """The same dataset by rows (traceable): residuals in the span as they were drawn, the rest of random direction."""
    unit, rows = _unit(key, design, names), design.plan.schedule
    shape = (rows.units, rows.combinations, rows.repeats)
    there = jnp.broadcast_to((jnp.arange(rows.repeats) < jnp.asarray(unit.repeats)[:, None])[:, None], shape)
    share = 1 / jnp.sqrt(jnp.asarray(unit.repeats, float))[:, None, None]
    free = jnp.where(there, normals.kept(stream_key(key, Stream.COMPLETION), shape), 0.0)
    basis = jnp.asarray(unit.basis)
    inside = jnp.einsum("cr,ucn->ur", basis, free) * share[:, :, 0]
    left = jnp.where(there, free - jnp.einsum("cr,ur->uc", basis, inside)[..., None] * share, 0.0)
    length = jnp.sqrt((left**2).sum((1, 2), keepdims=True))
    # Without degrees of freedom what is left is rounding, and its length is to be zero.
    outside = jnp.where(unit.chi[:, None, None] > 0, left / jnp.where(length > 0, length, 1.0) * unit.chi[:, None, None], 0.0)
    residuals = (jnp.einsum("cr,ru->uc", basis, unit.z)[..., None] * share + outside) * design.residual_sd
    patterns = np.stack([unit.columns[name][1] for name in names.columns], axis=1)
    x = unit.numbers[:, None, :] * patterns
    y = jnp.where(there, (x * unit.coefficients[:, None, :]).sum(2)[..., None] + residuals, 0.0)
    every = jnp.broadcast_to(x[:, :, None], (*shape, x.shape[-1])).reshape(rows.rows, -1)
    levels = jnp.repeat(jnp.arange(rows.units, dtype=jnp.int32), rows.block)[:, None]
    own: Any = {"factors": names.factors, "response": names.response, "constant": names.constant}
    data = Rows(every, y.reshape(-1), levels, there.reshape(-1).astype(float), names.columns, names.fixed, (rows.units,), **own)
    return Draw(truth_of(unit.truth, sketch), data)


def _unit(key: jax.Array, design: Any, names: Names) -> Unit:
    plan, own_key = design.plan, stream_key(key, Stream.GROUPS)
    rows = plan.schedule
    normal = effect_normals(Keys(key, key, key, key), plan)
    beta, by_unit, truth = coefficients(key, design, normal)
    deviations = by_unit.get(plan.unit, {})
    columns = _columns(key, design, normal)
    patterns = np.stack([columns[name][1] for name in names.columns], axis=1)
    scale = np.maximum(np.linalg.norm(patterns, axis=0), np.finfo(float).tiny)
    left, values, right = np.linalg.svd(patterns / scale, full_matrices=False)
    rank = int((values > RANK * values[0]).sum())
    repeats = repeats_of_cells(stream_key(key, Stream.SIZES), rows)
    draws = normals.kept(jax.random.fold_in(own_key, RESIDUALS), (rank + 2, rows.units))
    df = jnp.asarray(rows.combinations * repeats - rank, jnp.int32)[None]
    zero = jnp.zeros(rows.units)
    own = [beta.get(name, 0.0) + deviations.get(name, zero) for name in names.columns]
    return Unit(
        columns,
        left[:, :rank],
        values[:rank, None] * right[:rank] * scale,
        jnp.stack([jnp.asarray(columns[name][0]) for name in names.columns], axis=1),
        repeats,
        jnp.stack(own, axis=1),
        draws[:rank],
        chi.chi(draws[rank : rank + 1], draws[rank + 1], df, chi.coefficients(df))[0],
        truth,
    )


def _columns(key: jax.Array, design: Any, normal: ByUnit) -> Apart:
    """Every column of a dataset taken apart."""
    plan, key = design.plan, stream_key(key, Stream.PREDICTORS)
    rows = plan.schedule
    of_units: dict[str, Any] = covariates(Keys(key, key, key, key), design, normal)
    within: dict[str, Any] = {}
    for place, (name, variable) in enumerate(plan.variables.items(), start=2):
        if isinstance(variable, Covariate):
            continue
        codes: Any = rows.codes.get(name)
        if isinstance(variable, Between) and variable.randomised:
            codes = assigned(jax.random.fold_in(key, place), variable, rows.units)
        else:
            blocks = codes.reshape(rows.units, rows.combinations, rows.repeats)
            codes = blocks[:, 0, 0] if isinstance(variable, Between) else blocks[0, :, 0]
        side = of_units if isinstance(variable, Between) else within
        side[name] = codes if variable.names is not None else at_levels(variable.levels, codes)
    return apart(plan.matrix, of_units, within, (rows.units, rows.combinations, rows.repeats))


def _no_effects(design: Any) -> ByUnit:
    return {design.plan.unit: jnp.zeros((design.plan.schedule.units, len(design.plan.random_terms(design.plan.unit))))}
