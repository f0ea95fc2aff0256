"""Profile of the mixed-model kernel: seconds of one evaluation per group, against the arithmetic it needs.

    python benchmarks/kernel.py     # about two minutes on two cores

Times one Newton step (deviance, gradient, Hessian, next trial) on as many datasets as the fit works on at a time, so in
cache, and its pieces compiled on their own: `profile` (elimination and gradient), `curvature` (Hessian), `chart` (factor of T
and directions) and `propose` (trust-region step and the next T). The bound divides the flops, counted from the formulas, by the
fastest float64 rate that JAX attains in the same run. CPU seconds of all threads are used, so neither waiting nor a
second core counts. (Models with one random effect are fitted by a search of their own: `one_variance.py`.)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import flops
import jax
import jax.numpy as jnp
import pandas as pd
import table
from machine import attainable
from stopwatch import run_seconds
from tiles import Bench, in_threads

from jaxsim.data.cross_products import CrossProducts
from jaxsim.estimators import LinearMixed, PooledOLS
from jaxsim.estimators.linear_mixed import lanes
from jaxsim.lmm import newton
from jaxsim.lmm.chart import Chart, chart_of, directions, moved
from jaxsim.lmm.deviance import Curvature, Profile, Spec, curvature, profile
from jaxsim.lmm.problem import Problem, pose, unidentified
from jaxsim.lmm.start import starts
from jaxsim.processes import GaussianMultilevel
from jaxsim.study.grid import Grid
from jaxsim.study.study import Study
from jaxsim.sweep.compile import CPU_OPTIONS
from jaxsim.workers.cores import usable_cores

Array = jax.Array

MODELS = {
    "lmer": LinearMixed(label="lmer"),
    "lmer||": LinearMixed(covariance="diagonal", label="lmer||"),
    "lmer(1|g)": LinearMixed(random=("Intercept",), label="lmer(1|g)"),
}
# Evaluations in one call, so that starting a call does not count.
REPEATS = 20
TRACE = 1e-300
# In a search the datasets of a loop change: nothing of them can be computed before it. Here they are the same in every turn, and
# XLA would make arrays of them that each turn reads, with which a step seems to take longer than a whole fit has for it.
NOTHING_BEFORE = {"xla_disable_hlo_passes": "while-loop-invariant-code-motion"}
STEPS_FIRST = 3  # the pieces are timed at the point that so many Newton steps reach


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    head = table.header(Path(__file__).name, sys.argv[1:] if arguments is None else arguments)
    rates = attainable(options.runs)
    best = max(per_cpu for _, per_cpu in rates.values())
    rows, written = [], {}
    for name in options.models:
        for groups in options.groups:
            measured, pieces = measure(MODELS[name], groups, options.columns, options.runs)
            rows += [{"model": name, "groups": groups, **row} for row in against_bound(measured, pieces, groups, best)]
        written[f"The count, {name} (P = {options.columns})"] = _count_table(pieces)
    frame = pd.DataFrame(rows)
    machine = pd.DataFrame(
        [{"program": n, "GF/s on the clock": w / 1e9, "GF per CPU second": c / 1e9} for n, (w, c) in rates.items()]
    )
    steps = frame[frame["piece"] == "step"]
    notes = [
        f"`us` are CPU microseconds of one evaluation of one dataset, `ns/group` the same per padded group. The bound is flops / "
        f"({best / 1e9:.1f} GF per CPU second): `dense` counts products as the kernel writes them, `symmetric` what is left when "
        "symmetric results and triangular factors are exploited. Pieces compiled alone do not add up to the step, which also "
        "keeps the better point and moves its state. Programs are compiled as those of studies, but nothing is moved out of loops: "
        "here datasets are the same in every turn, and what was computed of them beforehand would be read in each.",
        *(
            f"**{r['model']}, {r['groups']} groups: {r['ns/group']:,.0f} ns per group, {r['x above dense']:.1f} times above the "
            f"dense count, {r['x above symmetric']:.1f} above the symmetric one**"
            for r in steps.to_dict("records")
        ),
    ]
    tables = {"By piece": frame, "What the machine attains": machine, **written}
    table.write(options.out, "kernel", "The mixed-model kernel against its arithmetic", head, tables, notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models",
        nargs="+",
        choices=list(MODELS),
        default=list(MODELS),
        metavar="NAME",
        help=f"some of: {', '.join(MODELS)}",
    )
    parser.add_argument("--groups", nargs="+", type=int, default=[32, 128], help="padded numbers of groups (default: 32 128)")
    parser.add_argument("--columns", type=int, default=4, help="fixed effects, intercept counted (default: 4)")
    parser.add_argument("--runs", type=int, default=3, help="runs whose median is reported (default: 3)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def measure(model: LinearMixed, groups: int, columns: int, runs: int) -> tuple[dict[str, float], list[flops.Count]]:
    """CPU seconds of one evaluation of one dataset by piece, and the counts of its flops."""
    count = lanes(groups)
    study = Study(GaussianMultilevel(n_groups=groups, n_obs=25, n_predictors=columns - 1), Grid(), (PooledOLS(),), replicates=count)
    bench = Bench(study)
    draws = bench.simulate(bench.tiles())
    data = jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[:count], *(draw.data for draw in draws))
    spec = model.spec(jax.tree.map(lambda leaf: leaf[0], data))
    pieces = _pieces(data, spec)
    seconds = {name: _seconds(call, *arguments, runs=runs) / count for name, (call, *arguments) in pieces.items()}
    return seconds, flops.counts(spec.structure, columns, spec.reml)


def _pieces(data: CrossProducts, spec: Spec) -> dict[str, tuple[Any, ...]]:
    """Each piece as (function for one dataset, its batched arguments), all at one point of the search.

    The first argument of a function is a trace of the last result, too small to change anything: what never changes would
    be computed once and kept.
    """
    problems, begins, states = _walked(data, spec)
    charts, along, profiles = _at_trial(problems, states, spec)

    def step(trace: Array, problem: Problem, begin: Array, state: newton.State) -> newton.State:
        return newton.step(problem, begin, state._replace(trial=state.trial + trace), spec)

    def profiled(trace: Array, problem: Problem, at: Chart) -> Profile:
        return profile(problem.products, problem.n_rows, at.factor + trace, spec)

    def curved(trace: Array, at: Profile, along: Array, order: Array) -> Curvature:
        return curvature(jax.tree.map(lambda leaf: leaf + trace, at), along, order, spec)

    def chart(trace: Array, relative: Array) -> tuple[Chart, Array]:
        found = chart_of(relative + trace, spec.structure)
        return found, directions(found, spec.structure)

    def propose(trace: Array, at: newton.Point, radius: Array) -> tuple[newton.Proposal, Array]:
        proposal = newton.propose(at.gradient + trace, at.hessian + trace, radius)
        return proposal, moved(at.chart, proposal.move, spec.structure)

    return {
        "step": (step, problems, begins, states),
        "profile": (profiled, problems, charts),
        "curvature": (curved, profiles, along, charts.order),
        "chart": (chart, states.trial),
        "propose": (propose, states.at, states.radius),
    }


@partial(jax.jit, static_argnums=1)
def _walked(data: CrossProducts, spec: Spec) -> tuple[Problem, Array, newton.State]:
    """The problems, their starts, and their states after some Newton steps."""
    problems = jax.vmap(pose)(data)
    begins = jax.vmap(lambda problem: starts(problem, spec, unidentified(problem, spec)))(problems)
    states = jax.vmap(lambda begin: newton.initial(begin, spec))(begins)
    step = jax.vmap(lambda problem, begin, state: newton.step(problem, begin, state, spec))
    return problems, begins, jax.lax.fori_loop(0, STEPS_FIRST, lambda _, now: step(problems, begins, now), states)


@partial(jax.jit, static_argnums=2)
def _at_trial(problems: Problem, states: newton.State, spec: Spec) -> tuple[Chart, Array, Profile]:
    """Chart, directions and profile at each state's trial point."""

    def one(problem: Problem, relative: Array) -> tuple[Chart, Array, Profile]:
        chart = chart_of(relative, spec.structure)
        return chart, directions(chart, spec.structure), profile(problem.products, problem.n_rows, chart.factor, spec)

    return jax.vmap(one)(problems, states.trial)


def _seconds(call: Callable[..., Any], *arguments: Any, runs: int) -> float:
    """CPU seconds of one evaluation of a whole batch, from a program that makes many in a row.

    As many copies run beside each other as there are cores, as in a study: what XLA's idle threads spend on looking for work is not
    the kernel's.
    """
    batched = jax.vmap(call)

    def trace(result: Any) -> Array:
        firsts = [leaf.reshape(leaf.shape[0], -1)[:, 0] for leaf in jax.tree.leaves(result) if leaf.dtype == float]
        return TRACE * sum(jnp.where(jnp.isfinite(first), first, 0.0) for first in firsts)

    def many(*arguments: Any) -> Any:
        return jax.lax.fori_loop(0, REPEATS, lambda _, last: batched(trace(last), *arguments), blank)

    datasets = jax.tree.leaves(arguments)[0].shape[0]
    shapes = jax.eval_shape(batched, jnp.zeros(datasets), *arguments)
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    lowered = jax.jit(many).lower(*arguments)
    if jax.default_backend() != "cpu":
        device = lowered.compile()
        return run_seconds(lambda: device(*arguments), runs).wall / REPEATS
    program = lowered.compile(compiler_options=CPU_OPTIONS | NOTHING_BEFORE)
    copies = usable_cores()
    taken = run_seconds(lambda: in_threads(lambda _: program(*arguments), range(copies), copies), runs)
    return taken.cpu / copies / REPEATS


def against_bound(measured: dict[str, float], pieces: list[flops.Count], groups: int, rate: float) -> list[dict[str, object]]:
    """One row per piece: what it took and what its flops would take at ``rate`` (flops per second)."""
    rows: list[dict[str, object]] = []
    for name, seconds in measured.items():
        own = [piece for piece in pieces if name in ("step", piece.piece)]
        dense, symmetric = flops.total(own, groups), flops.total(own, groups, symmetric=True)
        rows.append(
            {
                "piece": name,
                "us": 1e6 * seconds,
                "ns/group": 1e9 * seconds / groups,
                "flops/group": dense / groups,
                "GF/s": dense / seconds / 1e9,
                "bound ns/group": 1e9 * dense / rate / groups,
                "x above dense": seconds * rate / dense,
                "x above symmetric": seconds * rate / symmetric,
            }
        )
    return rows


def _count_table(pieces: list[flops.Count]) -> pd.DataFrame:
    per = ["group" if piece.per_group else "dataset" for piece in pieces]
    return pd.DataFrame(pieces).drop(columns="per_group").assign(per=per)


if __name__ == "__main__":
    main()
