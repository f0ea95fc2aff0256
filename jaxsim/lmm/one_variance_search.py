"""The optimum of the criterion of one variance ratio: a look at a few ratios, then safeguarded Newton steps.

In ``phi = T n / (1 + T n)``, n the mean of the ``n_g``, the function ``g = pw (1 - phi) df/dphi`` has the sign of f', and is linear
where all ``n_g`` are equal and the intercept is the only fixed effect: Newton steps on g then end at once, and nearly so elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np

from jaxsim.data.verdicts import SATURATED
from jaxsim.lmm.one_variance import Criterion, Groups, bends, slopes
from jaxsim.numerics.arrays import library, while_loop

Array = jax.Array

# T n of the look around, zero first, for n between the mean of the n_g and the least of them as the second line says: groups with
# little of the random effect's column make minima at large ratios. Minima lie where f' changes from falling to rising between two
# of these, or beyond the last. Of 3,000 datasets of six groups of four rows whose n_g differ by factors of 100 to 1e6, the best of
# several minima is missed in 7 (by the general kernel's starts in 57); of ordinary datasets in none.
LOOK = np.array([0.0, 0.3, 1.5, 5.0, 10.0, 64.0])
TOWARDS_LEAST = np.array([0.0, 0.0, 0.0, 1 / 3, 2 / 3, 1.0])
# A step below this fraction of the distance to both ends of [0, 1] is the last: convergence being quadratic, what is left of the
# error is its square.
CLOSE = 1e-6
# A slope below this fraction of its terms is rounding error of their sums: the ratio could not be told from zero.
NOISE = 1e-14
# A step in phi, relative to 1 - phi, below this is rounding error.
ROUNDING = 1e-14
# Bisections from [0, 1] to rounding error; 3 to 5 steps are usual.
MAX_STEPS = 60


class State(NamedTuple):
    """The searches of ``L`` datasets; all ``[L]`` but ``left``.

    ``trial`` is evaluated next, between ``low`` and ``high``; ``left`` ``[J, L]`` says which minima are still to be found,
    ``working`` whether one is being looked for; ``best`` is the ratio, ``value`` the criterion of the best so far; ``steps`` of
    this one, and ``evaluations`` in all.
    """

    trial: Array
    low: Array
    high: Array
    left: Array
    working: Array
    best: Array
    value: Array
    steps: Array
    evaluations: Array


class Look(NamedTuple):
    """The criterion ``at`` some ``ratios`` ``[J, L]``, which times the mean n are ``scaled``; which of them are followed by a
    minimum, ``minima`` ``[J, L]``; and whether the criterion is ``flat`` ``[L]`` (see :func:`jaxsim.data.verdicts.saturated`)."""

    ratios: Array
    scaled: Array
    at: Criterion
    minima: Array
    flat: Array


def look_around(data: Groups, usable: Array, reml: bool) -> Look:
    """f and f' at a few ratios; one that is not ``usable`` (``[L]``), or whose criterion is flat, has no minimum to look for."""
    xp = library(data.squares)
    least = xp.where(data.squares > 0, data.squares, xp.inf).min(1)
    share = xp.where(xp.isinf(least), 1.0, least / data.mean)
    ratios = xp.asarray(LOOK[:, None]) / (data.mean * share ** TOWARDS_LEAST[:, None])
    at = slopes(data, ratios, reml)
    left = at.stiffness[0] - at.absorbed[0]
    flat = (left <= SATURATED * at.stiffness[0]) & reml
    falling = at.slope < -NOISE * at.stiffness
    rises = xp.concatenate([~falling[1:], xp.ones_like(falling[:1])])
    return Look(ratios, ratios * data.mean, at, falling & rises & usable & ~flat, flat)


class Found(NamedTuple):
    """``ratio`` T at the optimum, how many were tried, and whether the criterion is ``flat``; ``[L]`` each."""

    ratio: Array
    evaluations: Array
    flat: Array


def search(data: Groups, usable: Array, reml: bool) -> Found:
    """The best minimum of each dataset; zero for one that is not ``usable`` (``[L]``)."""
    xp = library(data.squares)
    look = look_around(data, usable, reml)
    nothing = xp.zeros(data.nu.shape)
    # Zero is a minimum where the criterion does not fall from there, and all there is where no minimum is looked for.
    rises = ~(look.at.slope[0] < -NOISE * look.at.stiffness[0])
    begin = State(
        trial=nothing,
        low=nothing,
        high=nothing,
        left=look.minima,
        working=nothing > 0,
        best=nothing,
        value=xp.where(rises, look.at.value[0], xp.inf),
        steps=nothing.astype(np.int32),
        evaluations=xp.where(usable & ~look.flat, len(LOOK), 1).astype(np.int32),
    )
    final = while_loop(
        lambda state: state.working.any(), lambda state: step(data, look, state, reml), next_minimum(look, begin, data.mean)
    )
    return Found(final.best, final.evaluations, look.flat)


def next_minimum(look: Look, state: State, mean: Array) -> State:
    """Datasets that are not working on a minimum begin with the next one, if any is left."""
    xp = library(state.trial)
    begins = ~state.working & state.left.any(0)
    here = (xp.cumsum(state.left, axis=0) == 1) & state.left & begins
    low = xp.where(here, look.ratios, 0.0).sum(0)
    above = xp.concatenate([look.ratios[1:], xp.full_like(look.ratios[:1], xp.inf)])
    high = xp.where(here, above, 0.0).sum(0)
    # By linear interpolation of g, which is proportional to pw (1 + T n) f'.
    size = xp.abs(look.at.pw * (1 + look.scaled) * look.at.slope)
    after = xp.concatenate([size[1:], size[-1:]])
    share = xp.where(here, size / (size + after), 0.0).sum(0)
    return state._replace(
        trial=xp.where(begins, between(low, high, share, mean), state.trial),
        low=xp.where(begins, low, state.low),
        high=xp.where(begins, high, state.high),
        left=state.left & ~here,
        working=state.working | begins,
        steps=xp.where(begins, 0, state.steps),
    )


def between(low: Array, high: Array, share: Array | float, mean: Array) -> Array:
    """The ratio whose phi lies between those of two others, at a ``share`` of the way."""
    xp = library(low, high)
    rest_low, rest_high = 1 / (1 + low * mean), 1 / (1 + high * mean)
    phi_low = low * mean * rest_low
    phi_high = xp.where(xp.isinf(high), 1.0, high * mean * rest_high)
    phi, rest = phi_low + share * (phi_high - phi_low), rest_low + share * (rest_high - rest_low)
    return phi / (rest * mean)


def step(data: Groups, look: Look, state: State, reml: bool) -> State:
    """Evaluate the trial, narrow the bracket, and choose the next trial or end the search for this minimum."""
    xp = library(data.squares)
    at = bends(data, state.trial, reml)
    assert at.bend is not None
    low = xp.where(at.slope < 0, state.trial, state.low)
    high = xp.where(at.slope < 0, state.high, state.trial)
    scaled = state.trial * data.mean
    # The step in phi over 1 - phi, from g and its derivative.
    move = -at.slope / ((at.bend + at.steep * at.slope) * (1 + scaled) / data.mean + at.slope)
    newton = (state.trial + move / data.mean) / (1 - move)
    inside = (newton >= low) & (newton <= high)
    trial = xp.where(inside, newton, between(low, high, 0.5, data.mean))
    moved = xp.abs(trial - state.trial) * data.mean / (1 + trial * data.mean)
    close = moved < xp.where(inside, CLOSE * xp.minimum(scaled, 1.0), 0.0) + ROUNDING
    ended = state.working & (close | (at.slope == 0) | (state.steps >= MAX_STEPS))
    found = xp.where(at.slope == 0, state.trial, trial)
    better = ended & (at.value < state.value)
    return next_minimum(
        look,
        State(
            trial=trial,
            low=low,
            high=high,
            left=state.left,
            working=state.working & ~ended,
            best=xp.where(better, found, state.best),
            value=xp.where(better, at.value, state.value),
            steps=state.steps + 1,
            evaluations=state.evaluations + state.working,
        ),
        data.mean,
    )
