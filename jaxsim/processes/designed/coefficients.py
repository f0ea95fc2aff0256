"""Effects of one dataset of a design (traceable): fixed ones, and deviations of the units."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.random_effects import RandomEffects
from jaxsim.processes import normals
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.keys import Keys
from jaxsim.processes.designed.magnitudes import root
from jaxsim.processes.designed.scale import amounts
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.messy import befall
from jaxsim.processes.told import SIGMA
from jaxsim.seeding import Stream, stream_key

ByUnit = Mapping[str, jax.Array]


def effect_normals(keys: Keys, plan: Blueprint) -> dict[str, jax.Array]:
    """Standard normal numbers that the effects of units are made of, by unit ``[U, Q]``: those of a level are the same however many
    levels follow it, and whatever other units there are."""
    own = keys.of(Stream.GROUPS)
    return {
        unit: normals.kept(
            jax.random.fold_in(own.of_units, 1) if unit == plan.unit else own.place(plan, unit),
            (plan.tree.count(unit), len(plan.random_terms(unit))),
        )
        for unit in plan.tree.names
    }


def coefficients(
    key: jax.Array, design: Any, normal: ByUnit
) -> tuple[dict[str, Any], dict[str, dict[str, jax.Array]], dict[str, Any]]:
    """Fixed effects by term, deviations of the coefficients of units by unit and term ``[U]``, and the truth of one dataset.

    Args:
        key: of the dataset.
        design: of it.
        normal: what the deviations are made of, by unit ``[U, Q]``.
    """
    plan, (effects, sd) = design.plan, amounts(design)
    beta = drawn_effects(stream_key(key, Stream.TRUTH), plan.fixed.names, effects)
    truth: dict[str, Any] = dict(beta)
    deviations: dict[str, dict[str, jax.Array]] = {}
    for unit, random in plan.random.items():
        deviations[unit], spread = effects_of_units(key, normal[unit], design, random, sd.get(unit, {}))
        truth |= spread
        every = dict.fromkeys((*plan.fixed.names, *random.columns))
        truth[unit] = {t: beta.get(t, 0.0) + deviations[unit].get(t, jnp.zeros(plan.tree.count(unit))) for t in every}
    return beta, deviations, truth | {SIGMA: design.residual_sd}


def effects_of_units(
    key: jax.Array, normal: jax.Array, design: Any, random: RandomEffects, sd: Mapping[str, Any]
) -> tuple[dict[str, jax.Array], dict[str, Any]]:
    """Deviations of the coefficients of a unit's levels by term, ``[U]`` each, and their standard deviations and correlations.

    Args:
        key: of the dataset.
        normal: standard normal numbers, ``[U, Q]``.
        design: of the dataset; what is not ideal about units is about the first.
        random: effects of the unit.
        sd: their standard deviations, by term.
    """
    world = design.world if random.factor == design.plan.unit else {"sd_noise": None, "group_effects": None}
    factor = befall.sd_factor(befall.keys_of(stream_key(key, Stream.WORLD)), world["sd_noise"])
    own = [factor * jnp.asarray(sd.get(term, 0.0), float) for term in random.columns]
    correlation = design.correlation.get(random.factor, 0.0)
    standard = correlated(befall.shape(world["group_effects"])(normal), random, correlation)
    deviations = {term: own[k] * standard[:, k] for k, term in enumerate(random.columns)}
    return deviations, spreads(random, own, correlation)


def drawn_effects(key: jax.Array, terms: tuple[str, ...], effects: Mapping[str, Any]) -> dict[str, Any]:
    """True effects by term; those that are distributions are drawn, each from a key of its own."""
    return {
        term: value.of_normal(jax.random.normal(jax.random.fold_in(key, k)))
        if isinstance(value := effects.get(term, 0.0), Distribution)
        else value
        for k, term in enumerate(terms)
    }


def correlated(normal: jax.Array, random: RandomEffects, correlation: Any) -> jax.Array:
    """Standard normal numbers ``[U, Q]`` with the correlations of the random effects."""
    if isinstance(correlation, tuple):
        return normal @ jnp.asarray(root(np.array(correlation)))
    parts = []
    for block in random.structure.blocks:
        # The symmetric root of (1 - r) I + r J of size n is a I + c J with a = sqrt(1 - r), a + n c = sqrt(1 + (n - 1) r).
        n, own = len(block), normal[:, list(block)]
        a = jnp.sqrt(jnp.maximum(1 - correlation, 0.0))
        c = (jnp.sqrt(jnp.maximum(1 + (n - 1) * correlation, 0.0)) - a) / n
        parts.append(a * own + c * own.sum(axis=1, keepdims=True) if n > 1 else own)
    return jnp.concatenate(parts, axis=1)


def spreads(random: RandomEffects, sd: list[Any], correlation: Any) -> dict[str, Any]:
    """Standard deviations and correlations by their names in a truth."""
    terms, unit, together = random.columns, random.factor, random.structure.mask
    found = {f"sd_{unit}_{term}": value for term, value in zip(terms, sd, strict=True)}
    for i, j in itertools.combinations(range(len(terms)), 2):
        own = correlation[i][j] if isinstance(correlation, tuple) else correlation
        found[f"cor_{unit}_{terms[i]}_{terms[j]}"] = own if together[i, j] else 0.0
    return found
