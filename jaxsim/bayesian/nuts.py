"""Markov chains for many datasets at once: lanes that take chains from a queue, warm up, draw, and load the next.

Every chain adapts its own step size (dual averaging, Hoffman & Gelman 2014); the metric comes from a proposal that fits the
posterior already, so warm-up is short. Lanes run asynchronously (:mod:`tree`): a lane is idle only when the queue is empty.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.bayesian import tree
from jaxsim.bayesian.density import value_and_gradient
from jaxsim.bayesian.problem import Model, Problem
from jaxsim.bayesian.white import White

Array = jax.Array

# Dual averaging as in Stan: gamma, t0, kappa.
PULL, DELAY, FORGET = 0.05, 10.0, 0.75
# In a standard normal space of ten dimensions this step is accepted eight times in ten.
FIRST_STEP = 0.6


class Schedule(NamedTuple):
    """``warm_up`` draws, then one draw of every ``thin`` kept; ``target`` acceptance of the step size. Arrays ``[]`` or numbers."""

    warm_up: Array | int
    thin: Array | int
    target: Array | float


class Chains(NamedTuple):
    """What is sampled: ``dataset`` ``[chains]``, ``key`` ``[chains]``, ``begin`` ``[D, chains]`` in the white space of its
    dataset."""

    dataset: Array
    key: Array
    begin: Array


class Sample(NamedTuple):
    """``vector`` ``[chains, N, D]`` (white), ``energy`` ``[chains, N]``; ``divergences``, ``saturated``, ``steps`` (leapfrog,
    after warm-up), ``warm_steps``, ``accept`` (mean after warm-up), all ``[chains]``; ``executed``: steps that lanes took, idle
    ones included, ``[]``."""

    vector: Array
    energy: Array
    divergences: Array
    saturated: Array
    steps: Array
    warm_steps: Array
    accept: Array
    executed: Array


class _Adaptation(NamedTuple):
    """Dual averaging, ``[lanes]``: log step size in use, its average, the mean error, draws so far."""

    log_step: Array
    log_average: Array
    error: Array


class _Lanes(NamedTuple):
    item: Array
    active: Array
    fresh: Array
    key: Array
    ticks: Array
    draws: Array
    problem: Problem
    white: White
    tree: tree.Tree
    adaptation: _Adaptation
    counts: Array
    queue: Array
    executed: Array
    out: tuple[Array, Array, Array]


# Rows of ``counts``: divergences, saturated trees, leapfrog steps after warm-up, those before, sum of acceptance, trees after
# warm-up.
COUNTS = 6


def sample(
    problem: Problem,
    model: Model,
    white: White,
    chains: Chains,
    wanted: Array | int,
    kept: int,
    schedule: Schedule,
    lanes: int,
) -> Sample:
    """Run the first ``wanted`` chains; the rows of the others are zero.

    Args:
        problem: lanes ``[datasets]``.
        model: what is sampled.
        white: the space that each dataset's chains move in, lanes ``[datasets]``.
        chains: which datasets, from where.
        wanted: how many of them, ``[]``.
        kept: draws of each chain that are kept, N.
        schedule: warm-up, thinning, target acceptance.
        lanes: chains worked on at a time.
    """
    queue = _Queue(problem, white, chains, wanted, model, kept, schedule)
    now = queue.first(lanes)
    final = jax.lax.while_loop(lambda now: now.active.any(), queue.advance, now)
    vector, energy, counts = final.out
    count = chains.dataset.shape[0]
    return Sample(
        vector=vector[:-1].reshape(count, kept, -1),
        energy=energy[:-1].reshape(count, kept),
        divergences=counts[:-1, 0],
        saturated=counts[:-1, 1],
        steps=counts[:-1, 2],
        warm_steps=counts[:-1, 3],
        accept=counts[:-1, 4] / jnp.maximum(counts[:-1, 5], 1),
        executed=final.executed,
    )


class _Queue(NamedTuple):
    problem: Problem
    white: White
    chains: Chains
    wanted: Array | int
    model: Model
    kept: int
    schedule: Schedule

    def first(self, lanes: int) -> _Lanes:
        """Lanes with nothing in them yet: in every one a chain is to begin."""
        count, d = self.chains.dataset.shape[0], len(self.white.mean)
        item = jnp.minimum(jnp.arange(lanes), count - 1)
        zero = jnp.zeros(lanes)
        blank = tree.Point(jnp.zeros((d, lanes)), jnp.zeros((d, lanes)), zero)
        problem, white = self._load(item)
        out = (jnp.zeros((count * self.kept + 1, d)), jnp.zeros(count * self.kept + 1), jnp.zeros((count + 1, COUNTS)))
        adaptation = _Adaptation(zero + jnp.log(FIRST_STEP), zero, zero)
        return _Lanes(
            item=item,
            active=jnp.arange(lanes) < self.wanted,
            fresh=jnp.ones(lanes, bool),
            key=self.chains.key[item],
            ticks=jnp.zeros(lanes, jnp.uint32),
            draws=jnp.zeros(lanes, jnp.int32),
            problem=problem,
            white=white,
            tree=tree.plant(blank, blank.at, jnp.ones(lanes, bool)),
            adaptation=adaptation,
            counts=jnp.zeros((COUNTS, lanes)),
            queue=jnp.asarray(lanes),
            executed=jnp.asarray(0.0),
            out=out,
        )

    def _load(self, item: Array) -> tuple[Problem, White]:
        place = self.chains.dataset[item]
        problem = self.problem.each(lambda leaf: leaf[..., place])
        return problem, White(self.white.mean[..., place], self.white.root[..., place])

    def density(self, now: _Lanes, at: Array) -> tuple[Array, Array]:
        """Log posterior and gradient in the white space."""
        sds = self.model.structure.size
        value, slope = value_and_gradient(now.white.vector(at, sds), now.problem, self.model)
        return value + now.white.log_volume(at, sds), now.white.slope(at, slope, sds)

    def _begin(self, now: _Lanes) -> tuple[tree.Tree, _Adaptation, Array, Array, Array]:
        """Trees, adaptation, counts, draws and ticks with the first trees of the chains in fresh lanes."""
        at, fresh = self.chains.begin[:, now.item], now.fresh
        value, slope = self.density(now, at)
        point = tree.Point(at, slope, value)
        normal, uniform = _randoms(now.key, now.ticks, at.shape[0])
        planted = tree.plant(point, normal, uniform[2] < 0.5)
        zero = jnp.zeros_like(value)
        adaptation = _Adaptation(zero + jnp.log(FIRST_STEP), zero, zero)
        return (
            tree.choose(fresh, planted, now.tree),
            tree.choose(fresh, adaptation, now.adaptation),
            jnp.where(fresh, 0.0, now.counts),
            jnp.where(fresh, 0, now.draws),
            jnp.where(fresh, jnp.uint32(1), now.ticks),
        )

    def _begun(self, now: _Lanes) -> _Lanes:
        """With a tree in every lane: one copy of the density for all chains' first trees, as it takes long to compile."""

        def as_they_are(now: _Lanes) -> tuple[tree.Tree, _Adaptation, Array, Array, Array]:
            """Where no chain begins."""
            return now.tree, now.adaptation, now.counts, now.draws, now.ticks

        planted, adaptation, counts, draws, ticks = jax.lax.cond(now.fresh.any(), self._begin, as_they_are, now)
        own = {"tree": planted, "adaptation": adaptation, "counts": counts, "draws": draws, "ticks": ticks}
        return now._replace(**own, fresh=jnp.zeros_like(now.fresh))

    def advance(self, now: _Lanes) -> _Lanes:
        """One leapfrog step in every lane, the first one of chains that are fresh; finished trees give a draw, finished chains
        leave."""
        schedule, now = self.schedule, self._begun(now)
        warm = now.draws < schedule.warm_up
        normal, uniform = _randoms(now.key, now.ticks, len(now.white.mean))
        grown, outcome = tree.step(now.tree, jnp.exp(now.adaptation.log_step), uniform, lambda at: self.density(now, at))
        finished = outcome.finished & now.active
        accept = grown.accept / jnp.maximum(grown.leaves, 1)
        last_warm = now.draws + 1 >= schedule.warm_up
        adapted = _adapt(now.adaptation, now.draws, accept, schedule.target, last_warm)
        adaptation = tree.choose(finished & warm, adapted, now.adaptation)
        after = ~warm & finished
        one = jnp.ones_like(accept)
        tally = jnp.stack(
            [
                jnp.where(after & outcome.divergence, one, 0.0),
                jnp.where(after & outcome.saturated, one, 0.0),
                jnp.where(~warm & now.active, one, 0.0),
                jnp.where(warm & now.active, one, 0.0),
                jnp.where(after, accept, 0.0),
                jnp.where(after, one, 0.0),
            ]
        )
        counts = now.counts + tally
        drawn = now.draws - schedule.warm_up + 1
        keep = after & (drawn % schedule.thin == 0)
        out = self._store(now, grown, keep, drawn // schedule.thin - 1)
        draws = now.draws + finished
        planted = tree.plant(grown.chosen, normal, uniform[2] < 0.5)
        moved = now._replace(
            tree=tree.choose(finished, planted, grown),
            adaptation=adaptation,
            counts=counts,
            draws=draws,
            ticks=now.ticks + 1,
            executed=now.executed + now.item.shape[0],
            out=out,
        )
        done = now.active & (draws >= schedule.warm_up + schedule.thin * self.kept)
        return jax.lax.cond(done.any(), lambda lanes: self._refill(lanes, done), lambda lanes: lanes, moved)

    def _store(self, now: _Lanes, grown: tree.Tree, keep: Array, place: Array) -> tuple[Array, Array, Array]:
        vector, energy, counts = now.out
        row = jnp.where(keep, now.item * self.kept + place, len(energy) - 1)  # the last row is for what is not kept
        return vector.at[row].set(grown.chosen.at.T), energy.at[row].set(grown.energy), counts

    def _refill(self, now: _Lanes, done: Array) -> _Lanes:
        vector, energy, counts = now.out
        counts = counts.at[jnp.where(done, now.item, len(counts) - 1)].set(now.counts.T)
        item = jnp.where(done, now.queue + jnp.cumsum(done) - 1, now.item)
        count = self.chains.dataset.shape[0]
        fresh = done & (item < self.wanted)
        item = jnp.minimum(item, count - 1)
        problem, white = self._load(item)
        return now._replace(
            item=item,
            active=now.active & (~done | fresh),
            fresh=fresh,
            key=self.chains.key[item],
            problem=problem,
            white=white,
            queue=now.queue + done.sum(),
            out=(vector, energy, counts),
        )


def _randoms(key: Array, ticks: Array, d: int) -> tuple[Array, Array]:
    """Normal numbers ``[D, lanes]`` and uniform ones ``[3, lanes]`` of each chain's own key and its own count of steps."""

    def one(key: Array, tick: Array) -> Array:
        """The uniform numbers of one step of one chain."""
        return jax.random.uniform(jax.random.fold_in(key, tick), (d + 3,), minval=1e-15)

    uniform = jax.vmap(one)(key, ticks).T
    return jax.scipy.special.ndtri(uniform[:d]), uniform[d:]


def _adapt(now: _Adaptation, draws: Array, accept: Array, target: Array | float, last: Array) -> _Adaptation:
    """Dual averaging after one more draw; the last one of the warm-up sets the step size to its average."""
    count = draws + 1.0
    share = 1 / (count + DELAY)
    error = (1 - share) * now.error + share * (target - accept)
    log_step = jnp.log(10 * FIRST_STEP) - jnp.sqrt(count) / PULL * error
    forget = count**-FORGET
    average = forget * log_step + (1 - forget) * now.log_average
    return _Adaptation(jnp.where(last, average, log_step), average, error)
