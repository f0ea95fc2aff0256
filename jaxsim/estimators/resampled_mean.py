"""Inference about the mean of a sample by resampling it: the bootstrap of the groups, and random signs.

A sample is what each group's own regression says of one coefficient. Everything here is done for the P coefficients side by side,
each of which is a sample of its own; coefficients share the random numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.fit import Inference
from jaxsim.seeding import group_keys

# Two statistics that differ by less than this, relative to what they are sums of, count as equal: a sum over G groups has a
# rounding error of about G 1e-16, the coefficients themselves carry 11 digits.
TIE = 1e-10
# A rank is the floor of (draws + 1) alpha / 2, and alpha = 1 - 0.95 is not 0.05: a count this close to an integer is one.
INTEGER = 1e-9
# Below this fraction of the mean square a variance that was got by subtraction is rounding error.
NO_SPREAD = 1e-12
WORD = 32


class Sample(NamedTuple):
    """Coefficients of ``size`` groups ``[]``: ``mean``, its ``std_error`` ``[P]``; ``deviation`` ``[P, G]``, 0 after the last one.

    Each row is in an order of its own, by distance from the mean. So groups that change places, and a response or a predictor that
    changes its sign, get the random numbers they had, and the answer does not depend on them.
    """

    mean: jax.Array
    std_error: jax.Array
    deviation: jax.Array
    size: jax.Array

    @property
    def present(self) -> jax.Array:
        """Where there is a group, ``[G]``."""
        return jnp.arange(self.deviation.shape[1]) < self.size


def ordered_sample(mean: jax.Array, deviation: jax.Array, present: jax.Array) -> Sample:
    """A sample from ``mean`` ``[P]``, deviations ``[P, G]`` (0 where there is no group) and ``present`` ``[G]``."""
    size = present.sum()
    # At equal distance (always so for two groups) the lower comes first, whatever the rounding.
    distance = jnp.where(present, jnp.abs(deviation) + 1e-9 * deviation, jnp.inf)
    ordered = jax.lax.sort((distance, deviation), dimension=1, num_keys=1)[1]
    return Sample(mean, jnp.sqrt((ordered**2).sum(1) / (size - 1) / size), ordered, size)


def bootstrap(sample: Sample, draws: int, context: Context, studentised: bool) -> Inference:
    """Bootstrap of the groups: percentile interval, or bootstrap-t (Davison & Hinkley 1997, sections 5.2.1 and 5.3.1).

    With m the mean, s its standard error and ``k = floor((R + 1) alpha / 2)`` of R draws: the percentile interval goes from the
    k-th smallest to the k-th largest ``m*``; bootstrap-t takes those of ``t* = (m* - m) / s*`` and goes from ``m - s t*_high`` to
    ``m - s t*_low``. The p value is twice the smaller tail, each ``(1 + #) / (R + 1)``, so it is at most alpha exactly when 0 is
    outside of the interval. A resample of equal coefficients (one group over and over) has s* = 0 and hence an infinite t*: with
    two or three groups such resamples are so frequent that a 95% interval is the whole line.

    Args:
        sample: coefficients of the groups.
        draws: R, resamples.
        context: key and level.
        studentised: bootstrap-t.
    """
    shift, square = resample(sample, draws, context.key)
    if studentised:
        variance = square - shift**2
        error = jnp.sqrt(jnp.where(variance > NO_SPREAD * square, variance, 0.0) / (sample.size - 1))
        step = jnp.where(shift == 0, 0.0, -shift / error)
    else:
        step = shift / sample.std_error[:, None]
    zero = (-sample.mean / sample.std_error)[:, None]
    slack = TIE * (1 + jnp.abs(zero))
    tail = jnp.minimum((step <= zero + slack).sum(1), (step >= zero - slack).sum(1))
    rank = floor((draws + 1) * (1 - context.conf_level) / 2)
    return Inference(
        jnp.minimum(2 * (1 + tail) / (draws + 1), 1.0),
        sample.mean + sample.std_error * order_statistic(step, rank),
        sample.mean - sample.std_error * order_statistic(-step, rank),
    )


def sign_flip(sample: Sample, draws: int, context: Context) -> Inference:
    """Permutation test of a symmetric distribution about zero by flipping signs, and the interval of all values it does not reject.

    All ``2^(G-1)`` sign patterns that differ by more than a common sign are used where there are no more than ``draws``; the p
    value then is the share of patterns whose mean is at least as far from zero as the observed one. Otherwise patterns are drawn,
    and the observed one counts as one of them (Phipson & Smyth 2010). The sum of squares is the same under every pattern, so the
    t statistic and the mean give the same test.

    A pattern is as extreme as the observation just when the hypothesised mean lies between the means of the groups with a plus and
    of those with a minus: the limits are order statistics of means of subsets (Hartigan 1969). The pattern of equal signs is
    always as extreme, so the limits are infinite where alpha is below the smallest p value, ``2^(1-G)`` with all patterns.

    Args:
        sample: coefficients of the groups.
        draws: sign patterns at most.
        context: key and level.
    """
    signs, counted, everything = sign_patterns(context.key, sample.size, sample.deviation.shape[1], draws)
    balance = jnp.where(sample.present[:, None], signs, 0.0).sum(0)
    lower, upper = subset_means(sample.deviation @ signs, balance, sample.size)
    zero = -sample.mean[:, None]
    slack = TIE * (jnp.abs(zero) + sample.std_error[:, None])
    extreme = (lower <= zero + slack) & (upper >= zero - slack)
    observed = jnp.where(everything, 0, 1)
    patterns = counted.sum() + observed
    rank = floor(patterns * (1 - context.conf_level) - observed) + 1
    return Inference(
        ((extreme & counted).sum(1) + observed) / patterns,
        sample.mean + order_statistic(jnp.where(counted, lower, jnp.inf), rank),
        sample.mean - order_statistic(jnp.where(counted, -upper, jnp.inf), rank),
    )


def subset_means(total: jax.Array, balance: jax.Array, size: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean deviation of the groups on either side of a pattern, the lower and the higher one ``[P, R]``; infinite for one side.

    ``total`` ``[P, R]`` is the sum of signed deviations, ``balance`` ``[R]`` that of the signs. Deviations add to zero, so the
    groups with a plus have the sum ``total / 2``, the others minus that.
    """
    plus, minus = size + balance, size - balance
    sided = (plus > 0) & (minus > 0)
    of_plus, of_minus = total / jnp.where(sided, plus, 1.0), -total / jnp.where(sided, minus, 1.0)
    lower = jnp.where(sided, jnp.minimum(of_plus, of_minus), -jnp.inf)
    return lower, jnp.where(sided, jnp.maximum(of_plus, of_minus), jnp.inf)


def resample(sample: Sample, draws: int, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Means of the deviations and of their squares in resamples of the groups, ``[P, R]`` each.

    The g-th group of all resamples is drawn from the g-th key, so that the padding changes nothing.
    """
    size, (p, groups) = sample.size, sample.deviation.shape
    bits = jax.vmap(lambda k: jax.random.bits(k, (draws,), jnp.uint32))(group_keys(key, groups))
    chosen = ((bits.astype(jnp.uint64) * size.astype(jnp.uint64)) >> 32).astype(jnp.int32)
    both = jnp.concatenate([sample.deviation, sample.deviation**2]).T

    def add(g: jax.Array, sums: jax.Array) -> jax.Array:
        """The sums with those of one more group."""
        return sums + jnp.where(g < size, both[chosen[g]], 0.0)

    means = jax.lax.fori_loop(0, groups, add, jnp.zeros((draws, 2 * p))).T / size
    return means[:p], means[p:]


def sign_patterns(key: jax.Array, size: jax.Array, groups: int, draws: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Signs ``[G, R]``, which of the R patterns count ``[R]``, and whether they are all there are ``[]``.

    All of them have the first sign +1 (the others are the same with the signs exchanged); pattern 0 is the observed one.
    """
    words = jax.vmap(lambda k: jax.random.bits(k, (-(-draws // WORD),), jnp.uint32))(group_keys(key, groups))
    drawn = ((words[:, :, None] >> jnp.arange(WORD, dtype=jnp.uint32)) & 1).reshape(groups, -1)[:, :draws]
    place = jnp.minimum(jnp.arange(groups, dtype=jnp.uint32), WORD - 1)[:, None]
    number = jnp.arange(draws, dtype=jnp.uint32)
    listed = ((2 * number) >> place) & 1
    most = draws.bit_length() - 1
    everything = size - 1 <= most
    counted = ~everything | (number < (1 << jnp.clip(size - 1, 0, most)))
    return jnp.where(jnp.where(everything, listed, drawn) == 1, -1.0, 1.0), counted, everything


def floor(value: jax.Array | float) -> jax.Array:
    """The floor of what may be an integer but for rounding, int32."""
    return jnp.floor(value + INTEGER).astype(jnp.int32)


def order_statistic(values: jax.Array, rank: jax.Array) -> jax.Array:
    """The ``rank``-th smallest of every row of ``values`` ``[P, R]``, -inf for a rank below 1.

    Bisection on the floats as integers of the same order: 64 counts find it exactly, at a fraction of the cost of sorting.
    """
    top = jnp.int64(0x7FFFFFFFFFFFFFFF)

    def exchange(bits: jax.Array) -> jax.Array:
        """Bits in the order of the numbers, and back."""
        return jnp.where(bits < 0, bits ^ top, bits)

    ordered = exchange(jax.lax.bitcast_convert_type(values, jnp.int64))

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        """The half in which the quantile lies."""
        low, high = ends
        middle = (low >> 1) + (high >> 1) + (low & high & 1)
        enough = (ordered <= middle[:, None]).sum(1, dtype=jnp.int32) >= rank
        return jnp.where(enough, low, middle + 1), jnp.where(enough, middle, high)

    ends = jnp.full(values.shape[0], -top - 1), jnp.full(values.shape[0], top)
    found = jax.lax.bitcast_convert_type(exchange(jax.lax.fori_loop(0, 64, halve, ends)[0]), jnp.float64)
    return jnp.where(rank >= 1, found, -jnp.inf)
