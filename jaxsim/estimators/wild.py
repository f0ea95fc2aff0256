"""The wild cluster restricted bootstrap-t: p values, and confidence limits by inverting the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data.fit import Inference
from jaxsim.estimators.sandwich import Groups
from jaxsim.seeding import group_keys

WEIGHTS: tuple[str, ...] = ("rademacher", "webb", "mammen")
# A draw whose t* equals t, such as the one in which all weights are alike, does not exceed it. The two are sums of the same numbers
# in another order, which agree to 13 digits; draws that differ differ by more.
TIE = 1e-10
# Numerators this much smaller than the sizes of what they are sums of are zero.
NOTHING = 1e-12
# A confidence limit is sought up to this many standard errors from the estimate, in steps of an eighth of the way from 0 to 1, from
# 1 to 2, from 2 to 4 and so on, then by halving a step so often that 2^-32 of the way is left.
FARTHEST, STEPS, HALVINGS = 1024.0, 8, 28
WORD = 32

# Ends of the step in which a limit lies, and whether it was found, ``[R, 2]``; the way that is searched next, from and to, ``[]``.
Search = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]


class Draws(NamedTuple):
    """``weights`` ``[G, D]`` of the groups' residuals in each draw, and which of the draws count, ``[D]``."""

    weights: jax.Array
    counted: jax.Array


def draw(kind: str, key: jax.Array, present: jax.Array, draws: int) -> Draws:
    """Weights with mean 0 and variance 1; ``present`` ``[G]`` says which groups there are.

    ``rademacher`` -1 or 1; ``webb`` -+ sqrt(1/2), 1, sqrt(3/2) (Webb 2023); ``mammen`` (1 -+ sqrt 5)/2 with probabilities
    (sqrt 5 +- 1)/(2 sqrt 5) (Mammen 1993). When there are fewer than ``draws`` patterns of signs, Rademacher weights are all
    ``2^G`` of them, each once. A group's weights depend on the key and on the groups before it that have rows, not on padding.
    """
    place = jnp.cumsum(present) - 1
    keys = group_keys(key, len(present))[place]
    if kind != "rademacher":
        bits = jax.vmap(lambda k: jax.random.bits(k, (draws,), jnp.uint32))(keys)
        return Draws(_transform(kind, bits), jnp.ones(draws, bool))
    words = jax.vmap(lambda k: jax.random.bits(k, (-(-draws // WORD),), jnp.uint32))(keys)
    words = jax.lax.optimization_barrier(words)  # or each of its bits makes the word again
    random = ((words[:, :, None] >> jnp.arange(WORD, dtype=jnp.uint32)) & 1).reshape(len(present), -1)[:, :draws]
    number = jnp.arange(draws, dtype=jnp.uint32)
    listed = (number >> jnp.clip(place, 0, WORD - 1).astype(jnp.uint32)[:, None]) & 1
    most = (draws - 1).bit_length() - 1  # 2^most is the largest power below `draws`
    everything = present.sum() <= most
    counted = ~everything | (number < (1 << jnp.minimum(present.sum(), most)))
    return Draws(1.0 - 2.0 * jnp.where(everything, listed, random), counted)


def _transform(kind: str, bits: jax.Array) -> jax.Array:
    uniform = bits.astype(float) / 2.0**32
    if kind == "mammen":
        root = jnp.sqrt(5.0)
        return jnp.where(uniform < (root + 1) / (2 * root), (1 - root) / 2, (1 + root) / 2)
    number = jnp.floor(6 * uniform)
    return jnp.where(number < 3, -1.0, 1.0) * jnp.sqrt((number % 3 + 1) / 2)


def wild_bootstrap(groups: Groups, directions: jax.Array, distance: jax.Array, draws: Draws, alpha: jax.Array | float) -> Inference:
    """The wild cluster restricted bootstrap-t of contrasts ``c'beta`` (Cameron, Gelbach & Miller 2008), without a row of data.

    The residuals of the fit restricted to ``c'beta = r`` are multiplied by one weight per group; t* is the t statistic of the
    hypothesis in the data made so, with the same kind of standard error (any factor of it cancels). The p value is the share of
    draws with ``|t*| > |t|``, strictly, as in Stata's boottest and R's fwildclusterboot. Where all patterns of signs are enumerated
    two of them tie whatever the data: equal signs give the sample itself or its mirror image. As a tie does not count, p can be 0,
    and is with probability ``2^(1-G)`` where every pattern is as likely to be the sample: no level below that can be kept (with
    Webb's weights it can). A randomisation test (Canay, Santos & Shaikh 2021) would count the two: its p is larger by ``2^(1-G)``,
    with five groups never below .0625. The interval has the values r around the estimate with ``p(r) > alpha``, on either side up
    to the first that is rejected (with few groups p may rise again far beyond); a side on which none is, 1024 standard errors away,
    is infinite. With ``s = (estimate - r) / |a|^2`` the restricted scores are
    ``r_g + s K_g a``, linear in s, so every draw has numerator and denominator once for all r (for one r: Roodman, Nielsen,
    MacKinnon & Webb 2019).

    Args:
        groups, directions: see :mod:`jaxsim.estimators.sandwich`; ``directions`` ``[R, P]``.
        distance: estimate minus hypothesised value, ``[R]``.
        alpha: one minus the confidence level, ``[]``.

    Returns:
        The inference ``[R]``, limits as distances from the estimate.
    """
    error = jnp.sqrt(((directions @ groups.scores) ** 2).sum(1))
    margins = jax.lax.map(lambda a: _margin(groups, a, draws), directions)
    margins = jnp.where(draws.counted, margins, jnp.array([-1.0, 0, 0, 0, 0])[:, None])
    share = _share(margins, draws.counted.sum())
    limit = _limits(share, len(directions), alpha)
    return Inference(share(distance / error), -limit[:, 0] * error, limit[:, 1] * error)


def _margin(groups: Groups, a: jax.Array, draws: Draws) -> jax.Array:
    """Coefficients ``[5, D]`` of the quartics in t that are positive where ``|t*| > |t|``.

    t is here that of the standard error before any factor. Numerator and squared denominator of t* are ``x = x0 + x1 t`` and
    ``z = z0 + 2 z1 t + z2 t^2``; the quartic is ``x^2 - t^2 z``, less what ties and rounding errors may reach.
    """
    pull = (groups.blocks * a[None, :, None]).sum(1)
    size = a @ a
    score, slope = a @ groups.scores, a @ pull
    error = jnp.sqrt((score**2).sum())
    v = draws.weights
    total = groups.scores @ v / error, pull @ v / size
    residual = (
        v * (score / error)[:, None] - pull.T @ total[0],
        v * (slope / size)[:, None] - pull.T @ total[1],
    )
    x0, x1 = a @ total[0], a @ total[1]
    z0, z1, z2 = (residual[0] ** 2).sum(0), (residual[0] * residual[1]).sum(0), (residual[1] ** 2).sum(0)
    none, tie = NOTHING**2, 1 + TIE
    return jnp.stack([x0**2 - none, 2 * x0 * x1, x1**2 - tie * z0 - none, -2 * tie * z1, -tie * z2])


def _share(margins: jax.Array, count: jax.Array) -> Callable[[jax.Array], jax.Array]:
    """``t [R, ...] -> [R, ...]``: the share of draws whose margin ``[R, 5, D]`` is positive at t."""

    def share(t: jax.Array) -> jax.Array:
        """The share of draws whose statistic is beyond that of a value."""
        c0, c1, c2, c3, c4 = (margins[:, k].reshape(len(margins), *(1,) * (t.ndim - 1), -1) for k in range(5))
        t = t[..., None]
        return (c0 + t * (c1 + t * (c2 + t * (c3 + t * c4))) > 0).sum(-1) / count

    return share


def _limits(share: Callable[[jax.Array], jax.Array], contrasts: int, alpha: jax.Array | float) -> jax.Array:
    """The first ``|t|`` at which the share of draws is not above alpha, for positive and for negative t, ``[R, 2]``."""
    side = jnp.ones((contrasts, 1)) * jnp.array([1.0, -1.0])

    def above(t: jax.Array) -> jax.Array:
        """Whether a value is not rejected."""
        return share(t * side.reshape(side.shape + (1,) * (t.ndim - 2))) > alpha + 1e-12  # 1 - 0.9 is below 0.1

    def search(carry: Search) -> Search:
        """Twice as far out."""
        near, far, found, begin, end = carry
        points = begin + (end - begin) * jnp.arange(1, STEPS + 1) / STEPS
        out = ~above(jnp.broadcast_to(points, (*side.shape, STEPS)))
        last = points[jnp.argmax(out, -1)]
        now = ~found & out.any(-1)
        near = jnp.where(now, last - (end - begin) / STEPS, near)
        return near, jnp.where(now, last, far), found | now, end, 2 * end

    def searching(carry: Search) -> jax.Array:
        """Whether some end is not beyond yet."""
        return ~carry[2].all() & (carry[3] < FARTHEST)

    nowhere = jnp.zeros_like(side)
    near, far, found, _, _ = jax.lax.while_loop(
        searching, search, (nowhere, nowhere, jnp.zeros(side.shape, bool), jnp.asarray(0.0), jnp.asarray(1.0))
    )

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """The half in which the end lies."""
        near, far = ends
        middle = (near + far) / 2
        still = above(middle)
        return jnp.where(still, middle, near), jnp.where(still, far, middle)

    _, limit = jax.lax.fori_loop(0, HALVINGS, halve, (near, far))
    return jnp.where(found, limit, jnp.inf)
