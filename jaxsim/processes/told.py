"""What an own process tells of its datasets: found by tracing it once, before anything is computed."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.data.draw import Draw, Truth
from jaxsim.data.names import INTERCEPT, Names
from jaxsim.errors import InputError, in_brief, meant, suggestion

# Marks rows that are there.
KEEP = "keep"
SIGMA = "sigma"
SD, COR = "sd", "cor"
# What JAX raises when a program looks at a number that it is to be compiled for.
LOOKED_AT = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerBoolConversionError,
    jax.errors.TracerIntegerConversionError,
)


@dataclass(frozen=True)
class Sketch:
    """What is known of a process before it draws.

    Attributes:
        names: of its columns; which of them are constant takes a look at a dataset.
        rows: of a dataset, those that are missing included.
        traced: fields that are no part of the compiled program.
        has_sigma: whether it has the residual standard deviation.
    """

    names: Names
    rows: int
    traced: tuple[str, ...]
    has_sigma: bool


def hashable(values: Any) -> Hashable:
    """Field values as something that tells them apart in a dictionary."""
    if isinstance(values, Mapping):
        return tuple((name, hashable(value)) for name, value in values.items())
    if isinstance(values, list | tuple):
        return tuple(map(hashable, values))
    if hasattr(values, "__array__") and not isinstance(values, np.generic):
        array = np.asarray(values)
        return (array.shape, str(array.dtype), array.tobytes())
    return (type(values).__name__, values)


_SKETCHES: dict[Hashable, Sketch] = {}
_KINDS: dict[Hashable, Sketch | None] = {}


def sketch_of(process: Any) -> Sketch:
    """The sketch of a process; the same for all that differ in traced fields alone."""
    whole = (process.identity, hashable(process.leaves))
    if whole not in _SKETCHES:
        _SKETCHES[whole] = _sketch(process)
    return _SKETCHES[whole]


def _sketch(process: Any) -> Sketch:
    floats = process.float_fields
    found = _if_traced(process, floats)
    if found is None:
        alone = tuple(name for name in floats if len(floats) > 1 and _if_traced(process, (name,)) is not None)
        found = _if_traced(process, alone) or _if_traced(process, ())
    assert found is not None
    return found


def _if_traced(process: Any, traced: tuple[str, ...]) -> Sketch | None:
    """The sketch of all processes that differ in nothing but these fields; None if :meth:`simulate` looks at one of them."""
    rest = (process.identity, hashable({k: v for k, v in process.leaves.items() if k not in traced}), traced)
    if rest not in _KINDS:
        try:
            _KINDS[rest] = _described(process, traced, *_shapes(process, traced))
        except LOOKED_AT as error:
            if not traced:
                raise _untraceable(process, error) from error
            _KINDS[rest] = None
    return _KINDS[rest]


def _shapes(process: Any, traced: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and columns of one dataset as shapes, in the order in which they were given."""
    given: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def once(key: jax.Array, values: dict[str, jax.Array]) -> Any:
        """One dataset, for its shapes."""
        truth, columns = _pair(process, process.holding(values).simulate(key))
        given.append((truth, columns))
        return jax.tree.map(jnp.asarray, (truth, columns))

    numbers = {name: jax.ShapeDtypeStruct(process.traced_as(name).shape, jnp.result_type(float)) for name in traced}
    key = jax.eval_shape(lambda: jax.random.key(0, impl="threefry2x32"))
    try:
        truth, columns = jax.eval_shape(once, key, numbers)
    except (*LOOKED_AT, InputError):
        raise
    except Exception as error:
        raise _untraceable(process, error) from error
    return _ordered(truth, given[0][0]), _ordered(columns, given[0][1])


def _ordered(found: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Names in the order in which they were given: JAX sorts them."""
    return {k: _ordered(found[k], v) if isinstance(v, Mapping) else found[k] for k, v in given.items()}


def _untraceable(process: Any, error: Exception) -> InputError:
    return InputError(f"{process.kind} could not be traced by JAX: {in_brief(error)}")


def _pair(process: Any, returned: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Truth and columns, or what was returned instead."""
    ok = isinstance(returned, tuple) and len(returned) == 2 and all(isinstance(part, Mapping) for part in returned)
    if not ok:
        raise InputError(
            f"{process.kind} returned a {type(returned).__name__}; return two dictionaries: (truth, columns), such as "
            "({'Intercept': 0.0, 'x': 0.5}, {'Group': group, 'DV': y, 'x': x})."
        )
    return dict(returned[0]), dict(returned[1])


def _described(process: Any, traced: tuple[str, ...], truth: dict[str, Any], columns: dict[str, Any]) -> Sketch:
    kind = process.kind
    for name in (process.response, *process.factors):
        if name not in columns:
            near = meant(name, columns)
            hint = f" Is it {near!r}?" if near else ""
            raise InputError(f"{kind} returned no column {name!r}.{hint} It returned {', '.join(columns)}.")
    shapes = {name: tuple(value.shape) for name, value in columns.items()}
    rows = shapes[process.response]
    for name, shape in shapes.items():
        if len(shape) != 1 or shape != rows:
            raise InputError(f"{kind}: column {name!r} has shape {shape}; every column has one number a row, {rows or (1,)}.")
    predictors = [name for name in columns if name not in (process.response, *process.factors, KEEP)]
    every = (INTERCEPT, *(name for name in predictors if name != INTERCEPT))
    sorted_ = _sorted(kind, truth, every, process.factors)
    if not sorted_.fixed:
        raise InputError(
            f"{kind} tells no true fixed effect; its truth names {', '.join(truth) or 'nothing'}, its columns: {', '.join(every)}."
        )
    random = tuple((factor, tuple(truth[factor])) for factor in process.factors if factor in truth)
    names = Names(
        sorted_.fixed, every, tuple(process.factors), process.response, random=random, components=sorted_.components,
        estimands=sorted_.estimands,
    )  # fmt: skip
    return Sketch(names, rows[0], traced, SIGMA in truth)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


@dataclass(frozen=True)
class _Sorted:
    fixed: tuple[str, ...]
    estimands: tuple[str, ...]
    components: tuple[tuple[str, tuple[str, ...]], ...]


def _sorted(kind: str, truth: dict[str, Any], columns: tuple[str, ...], factors: tuple[str, ...]) -> _Sorted:
    """Which names of the truth are fixed effects, estimands, variance components."""
    fixed, estimands, spread = [], [], dict[str, list[str]]()
    either = "|".join(map(re.escape, sorted(factors, key=len, reverse=True)))  # of "a" and "a_b" the longer one first
    for name, value in truth.items():
        if name in factors:
            if not isinstance(value, Mapping):
                raise InputError(
                    f"{kind}: the truth of {name!r} must be the groups' own coefficients, {{term: numbers of the groups}}."
                )
            continue
        if tuple(getattr(value, "shape", ())) != ():
            raise InputError(f"{kind}: the truth of {name!r} has shape {tuple(value.shape)}; give one number.")
        match = re.fullmatch(rf"{SD}_({either})_(.+)", name)
        if match:
            spread.setdefault(match[1], []).append(match[2])
        elif name in columns:
            fixed.append(name)
        elif name != SIGMA and not name.startswith(f"{COR}_"):
            estimands.append(name)
    _check_spread(kind, truth, columns, factors)
    return _Sorted(tuple(fixed), tuple(estimands), tuple((factor, tuple(terms)) for factor, terms in spread.items()))


def _check_spread(kind: str, truth: dict[str, Any], columns: tuple[str, ...], factors: tuple[str, ...]) -> None:
    """Raise :class:`InputError` for a standard deviation or correlation of a factor, or of columns, that are not there."""
    sds = {f"{SD}_{factor}_{term}" for factor in factors for term in columns}
    told = {factor: [term for term in columns if f"{SD}_{factor}_{term}" in truth] for factor in factors}
    cors = {f"{COR}_{factor}_{a}_{b}" for factor, terms in told.items() for a in terms for b in terms if a != b}
    for name in truth.keys() - sds - cors - {*columns, *factors}:
        if not name.startswith((f"{SD}_", f"{COR}_")):
            continue
        hint = suggestion(name, sds | cors)
        raise InputError(
            f"{kind}: the truth names {name!r}, which is no sd_<factor>_<term>, and no cor_<factor>_<term>_<term> of terms whose "
            f"standard deviations are told.{hint} Factors are {', '.join(factors)}, terms {', '.join(columns)}. (Another true "
            "value has a name that does not begin with sd_ or cor_.)"
        )


def truth_of(truth: Mapping[str, Any], sketch: Sketch) -> Truth:
    """The truth as the engine has it (traceable)."""
    names = sketch.names
    covariance = {}
    for factor, terms in names.components:
        sd = jnp.stack([jnp.asarray(truth[f"{SD}_{factor}_{term}"], float) for term in terms])
        correlation = jnp.where(jnp.eye(len(terms)) > 0, 1.0, jnp.nan)  # a correlation that is not told is not known to be zero
        for i, a in enumerate(terms):
            for j, b in enumerate(terms[:i]):
                value = truth.get(f"{COR}_{factor}_{b}_{a}", truth.get(f"{COR}_{factor}_{a}_{b}", jnp.nan))
                correlation = correlation.at[i, j].set(value).at[j, i].set(value)
        covariance[factor] = correlation * sd[:, None] * sd
    return Truth(
        fixed=jnp.stack([jnp.asarray(truth[term], float) for term in names.fixed]),
        groups={f: jnp.stack([jnp.asarray(truth[f][t], float) for t in terms], axis=1) for f, terms in names.random},
        covariance=covariance,
        sigma=jnp.asarray(truth[SIGMA], float) if sketch.has_sigma else None,
        estimands={name: jnp.asarray(truth[name], float) for name in names.estimands},
        random=names.random,
    )


def frame_of(drawn: Draw, names: Names) -> pd.DataFrame:
    """A dataset on the host as ordinary rows, those that are missing left out."""
    data: Any = drawn.data
    there = np.asarray(data.weight) > 0
    columns = {factor: np.asarray(data.levels)[there, f] + 1 for f, factor in enumerate(names.factors)}
    columns[names.response] = np.asarray(data.y)[there]
    columns |= {c: np.asarray(data.x)[there, j] for j, c in enumerate(names.columns) if c != INTERCEPT}
    frame = pd.DataFrame(columns)
    frame.attrs["truth"] = {"fixed_effects": dict(zip(names.fixed, np.asarray(drawn.truth.fixed).tolist(), strict=True))}
    by_factor = {factor: np.asarray(coefficients).tolist() for factor, coefficients in drawn.truth.groups.items()}
    if names.factors[0] in by_factor:
        frame.attrs["truth"]["group_coefficients"] = by_factor[names.factors[0]]
    if len(names.factors) > 1:
        frame.attrs["truth"]["coefficients_by"] = {name: by_factor[name] for name in names.factors if name in by_factor}
    return frame


def float_fields(values: Mapping[str, Any], declared: Callable[[str], bool]) -> tuple[str, ...]:
    """Fields that hold one number and may be traced: floats, and whole numbers where the field is declared a float."""
    numbers = (name for name, v in values.items() if _is_number(v) and not isinstance(v, bool))
    return tuple(name for name in numbers if isinstance(values[name], float | np.floating) or declared(name))


@functools.cache
def declared_float(kind: type, name: str) -> bool:
    """Whether a dataclass declares a field as a float."""
    field = next((f for f in dataclasses.fields(kind) if f.name == name), None)
    return field is not None and field.type in (float, "float")
