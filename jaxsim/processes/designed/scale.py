"""Effects of a design in standard units, and what raw ones are in them: both ways by the same formulas."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPT
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import InputError, NotSupportedError, check_probability
from jaxsim.processes.designed.sizes import ICC, Sized, noncentrality, power_of
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.told import KEEP, hashable

Pairs = tuple[tuple[Any, Any], ...]
# Datasets over which predictors that are drawn anew are averaged; those that are the same in every dataset need one. Of several
# units fewer do where a dataset is large: then it is itself an average over many levels.
DATASETS, FEWEST, MOST_NUMBERS = 200, 8, 20_000_000
# Fields of a design that sizes follow from.
NEEDED = ("formula", "units", "repeats", "variables", "correlations", "effects", "sd", "correlation", "residual_sd", "meets")
ABOUT = {"sd": "SD given the fixed effects", "icc": "ICC", "design_effect": "design effect"}


@dataclass(frozen=True, eq=False)
class Scale:
    """What effects are measured by in a design.

    Attributes:
        terms: of the fixed effects.
        sd: of a response given the fixed effects.
        variance: of each column that the others do not explain, ``[P]``.
        std_error: of generalised least squares with known variances, ``[P]``.
        icc: share of the random effects in that SD's square, over the rows; by unit.
        rows: of a level of the first unit, on average.
    """

    terms: tuple[str, ...]
    sd: float
    variance: np.ndarray
    std_error: np.ndarray
    icc: Mapping[str, float]
    rows: float

    def raw(self, term: str, sized: Sized) -> float:
        """The effect of a term in units of the response."""
        j, sign = self.terms.index(term), -1.0 if sized.negative else 1.0
        if sized.d is not None:
            return float(sized.d * self.sd)
        if sized.power is not None and len(self.icc) > 1:
            raise NotSupportedError(f"effects: {sized}: powers are those of tests with one unit; of several give d, f2 or r2.")
        if sized.power is not None:
            return float(sign * noncentrality(sized.power, sized.alpha) * self.std_error[j])
        if term == INTERCEPT:
            raise InputError(f"effects: {sized} of the intercept: it explains no variance; give d or power.")
        f2 = sized.f2 if sized.f2 is not None else sized.r2 / (1 - sized.r2)  # type: ignore[operator]  # one of them is there
        return float(sign * self.sd * np.sqrt(f2 / self.variance[j]))

    def table(self, effects: Mapping[str, float], alpha: float = 0.05) -> pd.DataFrame:
        """Raw effects in all units, a row for each term."""
        raw = np.array([effects[term] for term in self.terms])
        f2 = np.where(np.array(self.terms) == INTERCEPT, np.nan, raw**2 * self.variance / self.sd**2)
        power = power_of(abs(raw) / self.std_error, alpha)
        return pd.DataFrame({"term": self.terms, "effect": raw, "d": raw / self.sd, "f2": f2, "r2": f2 / (1 + f2), "power": power})


@functools.lru_cache(maxsize=256)
def _moments(
    kind: Hashable, formula: str, repeats: Hashable, units: Pairs, variables: Pairs, correlations: Pairs, meets: Hashable
) -> tuple[tuple[str, ...], np.ndarray, float]:
    """Names of the columns; cross-products of them, and of the same less their means, in every unit of some datasets,
    ``[S, U, 2M, 2M]``; and the rows of a dataset."""
    make: Any = kind
    design = make(formula, dict(units), repeats, dict(variables), dict(correlations), meets=meets)
    plan = design.plan
    same = all(map(plan.is_fixed, plan.variables)) and not plan.schedule.is_random
    count = DATASETS if len(units) == 1 else _datasets(plan.schedule.rows * len(plan.matrix.pieces))
    keys = jax.vmap(lambda s: jax.random.key(s, impl="threefry2x32"))(np.arange(1 if same else count, dtype=np.uint32))

    def columns(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Columns of one dataset ``[N, M]``, and which rows it has ``[N]``."""
        found = dict(design.simulate(key)[1])
        rows = plan.schedule.rows
        every = [jnp.ones(rows) if name == INTERCEPT else jnp.asarray(found[name], float) for name in plan.matrix.pieces]
        return jnp.stack(every, axis=1), jnp.asarray(found.get(KEEP, np.ones(rows, bool)), float)

    with jax.ensure_compile_time_eval():
        x, there = (np.asarray(a) for a in jax.jit(jax.vmap(columns))(keys))
    means = (x * there[..., None]).sum(1, keepdims=True) / there.sum(1)[:, None, None]
    both = np.concatenate([x, x - means], axis=2) * there[..., None]
    block = both.reshape(len(x), plan.schedule.units, plan.schedule.block, -1)
    return tuple(plan.matrix.pieces), np.einsum("subm,subn->sumn", block, block), float(there.sum() / len(x))


def _datasets(numbers: int) -> int:
    """How many of so many numbers are averaged over."""
    return max(FEWEST, min(DATASETS, MOST_NUMBERS // numbers))


def scale_of(design: Any, residual_sd: float, sd: Mapping[str, Mapping[str, float]] | None = None) -> Scale:
    """What effects of a design are measured by.

    Averages are over the rows of the design, those that go missing included: exact if all predictors are the same in every dataset,
    else over 200 datasets of fixed seeds (fewer where those of several units are large).

    Args:
        design: its predictors and correlations.
        residual_sd: of the residuals.
        sd: of the random effects, by unit and term; none when None.
    """
    plan, sd = design.plan, sd or {}
    kind: Any = type(design)
    pairs = (tuple(own.items()) for own in (design.units, design.variables, design.correlations))
    names, products, rows = _moments(kind, design.formula, design.repeats, *pairs, design.meets)
    x = [names.index(term) for term in plan.fixed.names]
    # With an intercept the other effects are the same of columns less their means, and have all their digits.
    centred = [j + len(names) * (INTERCEPT in plan.fixed.names and names[j] != INTERCEPT) for j in x]
    mean = products.sum((0, 1)) / (rows * len(products))
    own: dict[str, float] = {}
    for unit in plan.tree.names:
        z = [names.index(term) for term in plan.random_terms(unit)]
        covariance = covariance_of(plan.random.get(unit), sd.get(unit, {}), design.correlation.get(unit, 0.0))
        own[unit] = float(np.trace(covariance @ mean[np.ix_(z, z)]))
    error = np.full(len(x), np.nan)
    if residual_sd and len(own) == 1:
        raw, error = (inverse_diagonal(_information(products, i, z, covariance, residual_sd)) ** 0.5 for i in (x, centred))
        error = np.where([term == INTERCEPT for term in plan.fixed.names], raw, error)
    total = sum(own.values()) + residual_sd**2
    return Scale(
        terms=plan.fixed.names,
        sd=float(np.sqrt(total)),
        variance=1 / inverse_diagonal(mean[np.ix_(centred, centred)]),
        std_error=error,
        icc={unit: variance / total if total else 0.0 for unit, variance in own.items()},
        rows=rows / plan.schedule.units,
    )


def _information(products: np.ndarray, x: list[int], z: list[int], covariance: np.ndarray, residual_sd: float) -> np.ndarray:
    """``X' V^-1 X`` of a dataset on average, ``[P, P]``, by Woodbury's identity in every unit."""
    kxx, kxz, kzz = (products[..., rows, :][..., columns] for rows, columns in ((x, x), (x, z), (z, z)))
    inner = np.linalg.solve(residual_sd**2 * np.eye(len(z)) + covariance @ kzz, covariance @ kxz.swapaxes(-1, -2))
    return np.asarray((kxx - kxz @ inner).sum((0, 1)) / (residual_sd**2 * len(products)))


def inverse_diagonal(matrix: np.ndarray) -> np.ndarray:
    """Of the inverse of a positive definite matrix, ``[P]``, whatever the scales of its rows; of the pseudo-inverse of a
    semi-definite one, where columns are combinations of others: the size of such an effect means nothing."""
    scale = np.sqrt(np.maximum(np.diagonal(matrix), np.finfo(float).tiny))
    return np.asarray(np.diagonal(np.linalg.pinv(matrix / np.outer(scale, scale), hermitian=True)) / scale**2)


def covariance_of(random: RandomEffects | None, sd: Mapping[str, float], correlation: Any) -> np.ndarray:
    """Of the random effects of a unit, ``[Q, Q]``."""
    if random is None:
        return np.zeros((0, 0))
    own = [sd.get(term, 0.0) for term in random.columns]
    matrix = np.array(correlation, float) if isinstance(correlation, tuple) else float(correlation) * random.structure.mask
    matrix = np.where(np.eye(len(own)) > 0, 1.0, matrix)
    return np.asarray(matrix * np.outer(own, own))


_AMOUNTS: dict[Hashable, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {}


def amounts(design: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Effects by term, and SDs by unit and term, in units of the response.

    Raises:
        InputError: for a size that nothing can have in this design.
    """
    every = [*design.effects.values(), *(value for own in design.sd.values() for value in own.values())]
    if not any(isinstance(value, Sized | ICC) for value in every):
        return design.effects, design.sd
    key = hashable({name: getattr(design, name) for name in NEEDED})
    if key not in _AMOUNTS:
        _AMOUNTS[key] = _amounts(design)
    return _AMOUNTS[key]


def _amounts(design: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    if not design.residual_sd > 0:
        given = next(v for v in [*design.effects.values(), *(v for own in design.sd.values() for v in own.values())]
                     if isinstance(v, Sized | ICC))  # fmt: skip
        raise InputError(f"{given}: there is no residual SD to measure it by; give residual_sd above 0.")
    shares = [value for own in design.sd.values() for value in own.values() if isinstance(value, ICC)]
    if shares and len(design.units) > 1:
        raise NotSupportedError(
            f"sd: {shares[0]}: an ICC sets the SD of one unit by that of the residuals; of several units "
            f"({', '.join(design.units)}) give standard deviations."
        )
    rows = scale_of(design, 1.0).rows
    sd = {
        unit: {term: value.sd(design.residual_sd, rows) if isinstance(value, ICC) else value for term, value in own.items()}
        for unit, own in design.sd.items()
    }
    scale = scale_of(design, design.residual_sd, sd)
    sized = {term: value for term, value in design.effects.items() if isinstance(value, Sized)}
    return {**design.effects, **{term: scale.raw(term, value) for term, value in sized.items()}}, sd


def sizes(design: Any, alpha: float = 0.05) -> pd.DataFrame:
    """As of :meth:`jaxsim.Design.sizes`."""
    check_probability("alpha", alpha, 0.05)
    effects, sd = amounts(design)
    scale = scale_of(design, design.residual_sd, sd)
    numbers = {term: effects.get(term, 0.0) for term in scale.terms}
    found = scale.table({term: np.nan if isinstance(v, Distribution) else v for term, v in numbers.items()}, alpha)
    if len(scale.icc) > 1:
        found.attrs |= {"sd": scale.sd, "icc": dict(scale.icc), "rows": scale.rows}
        return found
    ((_, icc),) = scale.icc.items()
    found.attrs |= {"sd": scale.sd, "icc": icc, "design_effect": 1 + (scale.rows - 1) * icc, "rows": scale.rows}
    return found


def told(design: Any) -> list[str]:
    """The sizes as lines of text."""
    found = sizes(design)
    several = len(design.units) > 1
    lines = [
        f"  {term}: {effect:.4g} is d {d:.3g}, f2 {f2:.3g}, partial R2 {r2:.3g}{'' if several else f', power {power:.3g}'}"
        for term, effect, d, f2, r2, power in found.itertuples(index=False)
        if term != INTERCEPT
    ]
    if several:
        shares = ", ".join(f"{unit} {share:.4g}" for unit, share in found.attrs["icc"].items())
        return [f"Sizes; SD given the fixed effects {found.attrs['sd']:.4g}, shares of its square: {shares}", *lines]
    about = ", ".join(f"{what} {found.attrs[name]:.4g}" for name, what in ABOUT.items())
    return [f"Sizes, powers of tests that know the variances (level .05); {about}", *lines]
