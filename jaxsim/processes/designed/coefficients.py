"""Effects of one dataset of a design (traceable): fixed ones, and deviations of the units."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.random_effects import RandomEffects
from jaxsim.processes.designed.magnitudes import root
from jaxsim.processes.designed.scale import amounts
from jaxsim.processes.distribution import Distribution
from jaxsim.processes.messy import befall
from jaxsim.processes.told import SIGMA
from jaxsim.seeding import Stream, stream_key


def coefficients(key: jax.Array, design: Any, normal: jax.Array) -> tuple[dict[str, Any], dict[str, jax.Array], dict[str, Any]]:
    """Fixed effects by term, deviations of the units' coefficients by term ``[U]``, and the truth of one dataset.

    Args:
        key: of the dataset.
        design: of it.
        normal: what the deviations are made of, ``[U, Q]``.
    """
    plan, (effects, sd) = design.plan, amounts(design)
    beta = drawn_effects(stream_key(key, Stream.TRUTH), plan.fixed.names, effects)
    truth: dict[str, Any] = dict(beta)
    deviations: dict[str, jax.Array] = {}
    if plan.random is not None:
        factor = befall.sd_factor(befall.keys_of(stream_key(key, Stream.WORLD)), design.world["sd_noise"])
        deviations, spread = effects_of_units(normal, design, sd, factor)
        truth |= spread
        every = dict.fromkeys((*plan.fixed.names, *plan.random_terms))
        truth[plan.unit] = {t: beta.get(t, 0.0) + deviations.get(t, jnp.zeros(plan.schedule.units)) for t in every}
    return beta, deviations, truth | {SIGMA: design.residual_sd}


def effects_of_units(
    normal: jax.Array, design: Any, sd: Mapping[str, Any], factor: Any
) -> tuple[dict[str, jax.Array], dict[str, Any]]:
    """Deviations of the units' coefficients by term, ``[U]`` each, and their standard deviations and correlations.

    Args:
        normal: standard normal numbers, ``[U, Q]``.
        design: of the dataset.
        sd: standard deviations, by unit and term.
        factor: of all of them.
    """
    plan, unit = design.plan, design.plan.unit
    own = [factor * jnp.asarray(sd.get(unit, {}).get(term, 0.0), float) for term in plan.random_terms]
    correlation = design.correlation.get(unit, 0.0)
    standard = correlated(befall.shape(design.world["group_effects"])(normal), plan.random, correlation)
    deviations = {term: own[k] * standard[:, k] for k, term in enumerate(plan.random_terms)}
    return deviations, spreads(plan.random, own, correlation)


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
