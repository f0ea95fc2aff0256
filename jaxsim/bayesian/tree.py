"""The No-U-Turn sampler, one leapfrog step at a time, so that chains never wait for each other's trees.

Multinomial sampling with a bias to the new half (Betancourt 2017, appendix A.3), built iteratively: the turning criterion of a
half tree looks at momenta stored when a power of two of its leaves was reached (Phan, Pradhan & Jankowiak 2019, section 2; Lao &
Dillon 2019). Under ``vmap`` a recursive tree makes every chain wait for the deepest; here each call of :func:`step` takes one
leapfrog step in every lane, whatever the others do, and a lane whose tree is finished begins the next one at once.

The space is that in which the proposal of the Laplace fit is standard normal, so the metric is the identity. Lanes last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

Array = jax.Array
Lanewise = TypeVar("Lanewise")
Density = Callable[[Array], tuple[Array, Array]]

# Energy errors beyond this are divergences (Stan's and NumPyro's value).
DIVERGENCE = 1000.0
# Doublings: in a space that is nearly standard normal trees have two or three, and 256 steps mean that something is wrong.
MAX_DEPTH = 8


class Point(NamedTuple):
    """Position, its log density's gradient ``[D, lanes]`` and the log density ``[lanes]``."""

    at: Array
    slope: Array
    value: Array


class Tree(NamedTuple):
    """A trajectory while it grows.

    ``here``: where it began; ``left``, ``right``: its ends, with momenta ``p_left``, ``p_right`` ``[D, lanes]``; ``chosen``: the
    draw so far; ``weight``: log of the sum of its points' weights ``[lanes]``; ``p_sum``: sum of its momenta; ``energy``: at the
    beginning; ``depth``, ``forward``: doublings so far and the direction of the present one. The half under construction:
    ``half`` (its draw), ``half_weight``, ``half_p_sum``, ``leaf`` (leaves so far), ``kept`` and ``kept_sum`` ``[MAX_DEPTH, D,
    lanes]``: momenta and sums at powers of two. ``accept``, ``leaves``: sum of acceptance probabilities, and number of leapfrog
    steps, so far.
    """

    here: Point
    left: Point
    right: Point
    p_left: Array
    p_right: Array
    chosen: Point
    weight: Array
    p_sum: Array
    energy: Array
    depth: Array
    forward: Array
    half: Point
    half_weight: Array
    half_p_sum: Array
    leaf: Array
    kept: Array
    kept_sum: Array
    accept: Array
    leaves: Array


class Outcome(NamedTuple):
    """What a step found, ``[lanes]``: whether the tree is ``finished``, because of a ``divergence`` or of its ``depth``
    (``saturated``)."""

    finished: Array
    divergence: Array
    saturated: Array


def choose(mask: Array, a: Lanewise, b: Lanewise) -> Lanewise:
    """Elementwise choice by lane in arrays or tuples of arrays with lanes last."""
    return jax.tree.map(lambda x, y: jnp.where(mask, x, y), a, b)


def plant(here: Point, momentum: Array, forward: Array) -> Tree:
    """A trajectory of one point."""
    d, lanes = here.at.shape
    zero, count = jnp.zeros(lanes), jnp.zeros(lanes, jnp.int32)
    kept = jnp.zeros((MAX_DEPTH, d, lanes))
    energy = (momentum**2).sum(0) / 2 - here.value
    return Tree(
        here, here, here, momentum, momentum, here, zero, momentum, energy, count, forward,
        here, jnp.full(lanes, -jnp.inf), jnp.zeros((d, lanes)), count, kept, kept, zero, count,
    )  # fmt: skip


def turning(first: Array, last: Array, total: Array) -> Array:
    """Whether a trajectory turns back, from momenta at its ends and their sum over it (Betancourt 2017, A.4.2), ``[lanes]``."""
    middle = total - (first + last) / 2
    return ((first * middle).sum(-2) <= 0) | ((last * middle).sum(-2) <= 0)


def bits(number: Array) -> Array:
    """How many bits are set."""
    return jax.lax.population_count(number)


def step(tree: Tree, size: Array, uniform: Array, density: Density) -> tuple[Tree, Outcome]:
    """One leapfrog step in every lane and all that follows from it.

    Args:
        tree: trajectories.
        size: step size, ``[lanes]``.
        uniform: three uniform numbers for each lane, ``[3, lanes]``: to choose a leaf, a half, a direction.
        density: log density and gradient in this space.
    """
    sign = jnp.where(tree.forward, 1.0, -1.0) * size
    edge = choose(tree.forward, tree.right, tree.left)
    momentum = choose(tree.forward, tree.p_right, tree.p_left) + sign / 2 * edge.slope
    at = edge.at + sign * momentum
    value, slope = density(at)
    sound = jnp.isfinite(value) & jnp.isfinite(slope).all(0)
    value, slope = jnp.where(sound, value, -jnp.inf), jnp.where(sound, slope, 0.0)
    momentum = momentum + sign / 2 * slope
    new = Point(at, slope, value)
    error = (momentum**2).sum(0) / 2 - value - tree.energy
    error = jnp.where(jnp.isnan(error), jnp.inf, error)
    divergence = error > DIVERGENCE

    half_weight = jnp.logaddexp(tree.half_weight, -error)
    half = choose(jnp.log(uniform[0]) < -error - half_weight, new, tree.half)
    half_p_sum = tree.half_p_sum + momentum
    kept, kept_sum, turned = _checkpoints(tree, momentum, half_p_sum)
    leaf = tree.leaf + 1
    broken = turned | divergence
    complete = (leaf == 1 << tree.depth) & ~broken

    # A complete half joins the tree.
    chosen = choose(complete & (jnp.log(uniform[1]) < half_weight - tree.weight), half, tree.chosen)
    p_sum = jnp.where(complete, tree.p_sum + half_p_sum, tree.p_sum)
    ahead, back = tree.forward, ~tree.forward
    right, p_right = choose(ahead, (new, momentum), (tree.right, tree.p_right))
    left, p_left = choose(back, (new, momentum), (tree.left, tree.p_left))
    depth = tree.depth + complete
    whole = complete & turning(p_left, p_right, p_sum)
    saturated = complete & ~whole & (depth == MAX_DEPTH)
    grown = tree._replace(
        left=left,
        right=right,
        p_left=p_left,
        p_right=p_right,
        chosen=chosen,
        weight=jnp.where(complete, jnp.logaddexp(tree.weight, half_weight), tree.weight),
        p_sum=p_sum,
        depth=depth,
        forward=jnp.where(complete, uniform[2] < 0.5, tree.forward),
        half=half,
        half_weight=jnp.where(complete, -jnp.inf, half_weight),
        half_p_sum=jnp.where(complete, 0.0, half_p_sum),
        leaf=jnp.where(complete, 0, leaf),
        kept=kept,
        kept_sum=kept_sum,
        accept=tree.accept + jnp.minimum(1.0, jnp.exp(-error)),
        leaves=tree.leaves + 1,
    )
    return grown, Outcome(broken | whole | saturated, divergence, saturated)


def _checkpoints(tree: Tree, momentum: Array, half_p_sum: Array) -> tuple[Array, Array, Array]:
    """Store the momentum of an even leaf; at an odd one look whether a subtree that it completes turns back."""
    leaf = tree.leaf
    odd = (leaf & 1) == 1
    last = bits(leaf >> 1)  # checkpoint of the subtree of two that ends here or begins here
    trailing = bits(leaf ^ (leaf + 1)) - 1  # subtrees that an odd leaf completes
    number = jnp.arange(MAX_DEPTH)[:, None]
    write = (~odd & (number == last))[:, None]
    kept = jnp.where(write, momentum, tree.kept)
    kept_sum = jnp.where(write, half_p_sum, tree.kept_sum)
    looked_at = odd & (number <= last) & (number > last - trailing)
    total = half_p_sum - tree.kept_sum + tree.kept
    turned = turning(tree.kept, jnp.broadcast_to(momentum, tree.kept.shape), total)
    return kept, kept_sum, (looked_at & turned).any(0)
