"""Parameters drawn from their priors, and data drawn from the parameters: what calibrations begin with."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bayesian.parameters import Hyper
from jaxsim.bayesian.prior import distributions
from jaxsim.bayesian.priors import Decov, Priors
from jaxsim.bayesian.problem import Model
from jaxsim.data.cross_products import CrossProducts
from jaxsim.errors import InputError

Array = jax.Array


class Sizes(NamedTuple):
    """Grouping factors and their levels, ``rows`` of each combination of levels, columns; and ``by`` which factors effects are."""

    factors: tuple[str, ...]
    counts: tuple[int, ...]
    rows: int
    terms: tuple[str, ...]
    by: tuple[str, ...]

    @property
    def levels(self) -> np.ndarray:
        """Of every combination, ``[C, F]``."""
        return np.indices(self.counts).reshape(len(self.counts), -1).T.astype(np.int32)


def check_generative(priors: Priors) -> None:
    """Raise :class:`InputError` unless parameters can be drawn from these priors without data."""
    if isinstance(priors.sd, Decov):
        raise InputError("sbc needs a prior for each SD, such as prior('HalfNormal', autoscale=False, scale=1.0), not Decov.")
    each = (*priors.of_fixed_effects, *priors.of_scales)
    if priors.centre or any(p.flat or p.autoscale for p in each):
        raise InputError(
            "sbc draws parameters before there are data: give proper Priors with centre=False and autoscale=False in each, such as "
            "prior('Normal', autoscale=False, loc=0.0, scale=1.0)."
        )


def draw_truth(key: Array, model: Model, priors: Priors) -> tuple[Array, Hyper]:
    """Fixed effects ``[P]`` and SDs, correlations, sigma from the priors."""
    dist, q = distributions(), model.structure.size
    key_beta, key_sd, key_root, key_sigma = jax.random.split(key, 4)
    keys = jax.random.split(key_beta, len(model.fixed))
    beta = jnp.stack([p.of_coefficient().sample(k) for p, k in zip(replace(model, priors=priors).of_fixed, keys, strict=True)])
    sd = jnp.stack([p.positive().sample(k) for p, k in zip(priors.of_sds(q), jax.random.split(key_sd, q), strict=True)])
    root = jnp.eye(q)
    for number, block in enumerate(model.structure.blocks):
        if len(block) > 1:
            own = dist.LKJCholesky(len(block), priors.correlation).sample(jax.random.fold_in(key_root, number))
            root = root.at[np.ix_(block, block)].set(own)
    return beta, Hyper(sd, root, priors.sigma.positive().sample(key_sigma))


def draw_data(key: Array, beta: Array, hyper: Hyper, model: Model, sizes: Sizes) -> CrossProducts:
    """A dataset's rows, reduced to cross-products."""
    key_x, key_b, key_e = jax.random.split(key, 3)
    levels, factor, end = sizes.levels, hyper.sd[:, None] * hyper.root, 0
    x = jax.random.normal(key_x, (len(levels), sizes.rows, len(sizes.terms))).at[..., 0].set(1.0)
    y = x @ beta
    for f, (name, width) in enumerate(zip(sizes.by, model.widths, strict=True)):
        begin, end, place = end, end + width, sizes.factors.index(name)
        own = key_b if len(sizes.by) == 1 else jax.random.fold_in(key_b, f)
        effects = jax.random.normal(own, (sizes.counts[place], width)) @ factor[begin:end, begin:end].T
        z = x[..., np.array(model.random[begin:end])]
        y = y + jnp.einsum("gnq,gq->gn", z, effects[levels[:, place]])
    y = y + hyper.sigma * jax.random.normal(key_e, y.shape)
    return reduced(jnp.concatenate([x, y[..., None]], axis=-1), sizes)


def reduced(rows: Array, sizes: Sizes) -> CrossProducts:
    """Cross-products of the rows ``[C, rows, M]`` of all combinations of levels."""
    products, count = jnp.einsum("gni,gnj->gij", rows, rows), jnp.full(len(rows), sizes.rows, jnp.int32)
    if len(sizes.factors) == 1:
        return CrossProducts(products, count, sizes.terms, sizes.terms, factors=sizes.factors)
    levels = jnp.asarray(sizes.levels)
    return CrossProducts(products, count, sizes.terms, sizes.terms, levels, sizes.factors, counts=sizes.counts)
