"""Effective draws per CPU second: the Bayesian engine beside NumPyro, rstanarm and Bambi, which fit one dataset after the other.

    python benchmarks/bayes.py [--datasets 16] [--peers 1] [--rstanarm 500] [--bambi PYTHON] [--grid 50] [--out FOLDER]

Datasets of 30 groups x 25 rows, four fixed and four correlated random effects. Every program is compiled once for all datasets,
apart; CPU seconds are user + system of all threads. The ESS of a fit is its smallest bulk ESS: over SDs, correlations, sigma,
fixed effects (by chains; in the engine their conditional means, and the log density), or that of the importance weights.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import table
from arviz_stats.base import array_stats
from stopwatch import timed_compile

from jaxsim import GaussianMultilevel, Grid, HierarchicalBayes, Resampling, Study, Uniform
from jaxsim.bayesian.engine import ENOUGH
from jaxsim.bayesian.model import on_rows
from jaxsim.bayesian.scales import scales
from jaxsim.data.cross_products import CrossProducts
from jaxsim.seeding import group_keys
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.shape import Shape, Tile

SDS = (0.1, 1.0, 4.0)
PREDICTORS = ("IV1", "IV2", "IV3")
DRAWS, CHAINS = 500, 4
# Times the effective draws per CPU second of a peer: (path, peer, target of the issue).
TARGETS = (
    ("nuts", "NumPyro", 10),
    ("fast", "NumPyro", 100),
    ("nuts", "rstanarm", 300),
    ("nuts", "Bambi, nutpie", None),
    ("fast", "Bambi, nutpie", None),
)
GRID = Grid(n_groups=[10, 30, 100], n_obs=[5, 25, 100], group_sd=[0.1, 0.25, 1, 2, 4])
Program = Callable[..., Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the tables."""
    options = _options(arguments)
    given = sys.argv[1:] if arguments is None else arguments
    head = table.header(Path(__file__).name, ["PYTHON" if text == options.bambi else text for text in given])  # no machine's path
    frame, compiled = measure(options)
    notes = [
        f"{options.groups} groups x {options.obs} rows, 4 fixed and 4 correlated random effects, weak priors (rstanarm and Bambi: "
        "their own; Bambi's model has no correlations). "
        "Every number is of one hot run; ESS is the smallest of a fit; `reliable`: by the engine's rules, or an ESS of "
        f"{ENOUGH}; ESS/CPU s counts the draws of every dataset, reliable or not, and the seconds of retries.",
        "A lane of `nuts` takes the next chain as soon as it has finished one, in warm-up or not, so lanes wait only when no chain "
        "is left: `warm-up`, `sampling` and `idle` are shares of the leapfrog steps executed in a dataset's last attempt.",
        "Compile seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in compiled.items()) + ".",
        *verdicts(frame),
    ]
    tables = {"By path": frame}
    if options.grid:
        tables["The seed grid by the fast path"] = seed_grid(options.grid)
    name, title = "bayes", "Posteriors per second"
    if options.rstanarm or options.bambi:  # which few have: a table of their own, which a run without them leaves
        name, title = "bayes-peers", f"{title}, beside Bambi and rstanarm"
    table.write(options.out, name, title, head, tables, notes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=16, help="in a batch of the engine, per SD (default: 16)")
    parser.add_argument("--peers", type=int, default=1, help="datasets for NumPyro, per SD (default: 1); 0 leaves it out")
    parser.add_argument("--rstanarm", type=int, default=0, help="draws of each of its chains, SD 1 alone (default: 0, left out)")
    parser.add_argument(
        "--bambi",
        metavar="PYTHON",
        help="interpreter of an environment with bambi and nutpie, 1,000 draws a chain (default: left out)",
    )
    parser.add_argument("--grid", type=int, default=0, help="replicates of the seed grid, fast path (default: 0, left out)")
    parser.add_argument("--groups", type=int, default=30, help="default: 30")
    parser.add_argument("--obs", type=int, default=25, help="rows per group (default: 25)")
    parser.add_argument("--out", type=Path, default=table.RESULTS, help="folder of the tables (default: benchmarks/results)")
    return parser.parse_args(arguments)


def process(options: argparse.Namespace, sd: float) -> GaussianMultilevel:
    """What a cell of the measurement simulates."""
    return GaussianMultilevel(
        n_predictors=len(PREDICTORS), fixed_effects=Uniform(0, 1), n_groups=options.groups, n_obs=options.obs, group_sd=sd
    )


def batch(simulator: GaussianMultilevel, keys: jax.Array) -> CrossProducts:
    """Cross-products of one dataset for each key."""
    bounds = simulator.bounds.padded()
    values = jax.tree.map(jnp.asarray, simulator.parameters(bounds))
    return jax.vmap(lambda key: simulator.draw(key, values, bounds).data)(keys)


def measure(options: argparse.Namespace) -> tuple[pd.DataFrame, dict[str, float]]:
    """A row for each path and SD; compile seconds of each path."""
    keys = group_keys(jax.random.key(1, impl="threefry2x32"), max(options.datasets, options.peers))
    own, rows, compiled = keys[: options.datasets], [], {}
    for method in ("fast", "nuts"):
        program, compiled[method] = timed_compile(_engine(method), batch(process(options, 1.0), own), own)
        rows += [_said({"SD": sd, "path": method, **engine(program, batch(process(options, sd), own), own)}) for sd in SDS]
    if options.peers:
        program, compiled["NumPyro"] = timed_compile(numpyro_chains(options.groups), keys[0], *peer(options, 1.0, keys[0]))
        for sd in SDS:
            data = [peer(options, sd, key) for key in keys[: options.peers]]
            rows.append(_said({"SD": sd, "path": "NumPyro", **numpyro(program, data, keys)}))
    here, first = Path(__file__).parent, {sd: process(options, sd).rows(keys[0]) for sd in SDS}
    if options.rstanarm:
        command = ["Rscript", str(here / "rstanarm.R")]
        rows.append(_said({"SD": 1.0, "path": "rstanarm", **outside(command, first[1.0], options.rstanarm)}))
    if options.bambi:
        command = [options.bambi, str(here / "bambi_fit.py")]
        rows += [_said({"SD": sd, "path": "Bambi, nutpie", **outside(command, first[sd], 2 * DRAWS)}) for sd in SDS]
    return pd.DataFrame(rows), compiled


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """The row, shown as soon as it is there."""
    print({name: table.shown(value) for name, value in row.items()}, file=sys.stderr, flush=True)
    return row


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a call returned, its CPU seconds and its seconds on the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = jax.device_get(call())
    return found, time.process_time() - cpu, time.perf_counter() - wall


def _engine(method: str) -> Program:
    strategy = HierarchicalBayes(method=method)
    return lambda data, keys: strategy.fit_batch(data, Resampling(keys, 0.95))


def engine(program: Program, data: CrossProducts, keys: jax.Array) -> dict[str, float]:
    """A batch by one path of the engine."""
    fit, cpu, wall = timed(lambda: program(data, keys))
    extra = {name: np.asarray(value, float) for name, value in fit.extra.items()}
    executed, warm, needed = (extra[f"leapfrog_{name}"].sum() for name in ("executed", "warm", "needed"))
    return {
        **shown(extra["ess"], fit.status == 0, cpu, wall),
        "warm-up": warm / executed,
        "sampling": (needed - warm) / executed,
        "idle": 1 - needed / executed,
    }


def shown(ess: np.ndarray, reliable: np.ndarray, cpu: float, wall: float) -> dict[str, float]:
    """The columns that every path has."""
    return {
        "datasets": len(ess),
        "CPU s/dataset": cpu / len(ess),
        "datasets/s": len(ess) / wall,
        "ESS, median": float(np.median(ess)),
        "reliable": float(np.mean(reliable)),
        "ESS/CPU s": float(np.sum(ess) / cpu),
    }


def peer(options: argparse.Namespace, sd: float, key: jax.Array) -> tuple[Any, ...]:
    """The rows of one dataset, and what autoscaled priors refer to."""
    simulator = process(options, sd)
    frame = simulator.rows(key)
    x = np.column_stack([np.ones(len(frame)), frame[list(PREDICTORS)].to_numpy()])
    products = batch(simulator, key[None]).products[0].sum(0)
    return x, frame["Group"].to_numpy() - 1, frame["DV"].to_numpy(), scales(products, jnp.float64(len(x)), 0)


def numpyro_chains(groups: int) -> Program:
    """NumPyro's NUTS on rows, non-centred, 4 vectorised chains of 500 + 500: one program, the data are arguments."""
    from numpyro.infer import MCMC, NUTS  # noqa: PLC0415 - only where it is measured

    terms = ("Intercept", *PREDICTORS)
    empty = CrossProducts(jnp.zeros((1, len(terms) + 1, len(terms) + 1)), jnp.ones(1, jnp.int32), terms, terms)
    model = HierarchicalBayes().model(empty)

    def run(key: jax.Array, x: jax.Array, group: jax.Array, y: jax.Array, known: Any) -> dict[str, jax.Array]:
        kernel = NUTS(partial(on_rows, n_groups=groups, model=model, known=known))
        mcmc = MCMC(kernel, num_warmup=DRAWS, num_samples=DRAWS, num_chains=CHAINS, chain_method="vectorized", progress_bar=False)
        mcmc.run(key, x, x, group, y)
        return {name: mcmc.get_samples(group_by_chain=True)[name] for name in ("beta", "sd", "sigma", "correlation")}

    return run


def numpyro(program: Program, data: list[tuple[Any, ...]], keys: jax.Array) -> dict[str, float]:
    """Those datasets, one after the other."""
    found, cpu, wall = timed(lambda: [program(key, *one) for key, one in zip(keys, data, strict=False)])
    ess = np.array([smallest_ess(draws) for draws in found])
    return shown(ess, ess >= ENOUGH, cpu, wall)


def smallest_ess(draws: dict[str, np.ndarray]) -> float:
    """Bulk, over fixed effects, SDs, correlations and sigma."""
    below = np.tril_indices(draws["sd"].shape[-1], -1)
    every = [*np.moveaxis(draws["beta"], -1, 0), *np.moveaxis(draws["sd"], -1, 0), draws["sigma"]]
    every += [draws["correlation"][..., i, j] for i, j in zip(*below, strict=True)]
    return min(float(array_stats.ess(np.asarray(d), chain_axis=0, draw_axis=1, method="bulk")) for d in every)


def outside(command: list[str], frame: pd.DataFrame, draws: int) -> dict[str, float]:
    """One dataset by another program, given a file and a number of draws; it prints ``result CPU-seconds smallest-ESS``."""
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "data.csv", index=False)
        wall = time.perf_counter()
        done = subprocess.run(
            [*command, str(Path(folder) / "data.csv"), str(draws)], check=False, capture_output=True, text=True, timeout=3600
        )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    cpu, smallest = map(float, done.stdout.split("result", 1)[1].split()[:2])
    ess = np.array([smallest])
    return shown(ess, ess >= ENOUGH, cpu, time.perf_counter() - wall)


def verdicts(frame: pd.DataFrame) -> list[str]:
    """Which targets hold, by SD."""
    rate = frame.set_index(["path", "SD"])["ESS/CPU s"]
    lines = []
    for path, other, target in TARGETS:
        ratios = {sd: rate[path, sd] / rate[other, sd] for sd in SDS if (other, sd) in rate.index}
        if ratios:
            found = ", ".join(f"{ratio:,.0f} at SD {sd:g}" for sd, ratio in ratios.items())
            wanted = f" (target: {target})" if target else ""
            lines.append(f"**`{path}` makes {found} times the effective draws per CPU second of {other}{wanted}.**")
    return lines


def seed_grid(replicates: int) -> pd.DataFrame:
    """Every dataset of the 2019 grid by the fast path, in the programs of a study, compiled apart."""
    process = GaussianMultilevel(n_predictors=len(PREDICTORS), fixed_effects=Uniform(0, 1))
    programs = Programs(Study(process, GRID, HierarchicalBayes(method="fast"), replicates=replicates, seed=0))
    shapes: dict[Shape, list[int]] = {}
    for cell in programs.study.cells:
        shapes.setdefault(Shape.of(cell), []).append(cell.index)
    rows = []
    for shape, cells in shapes.items():
        programs.prepare(shape, programs.study.cells[cells[0]], (0,))
        every = np.repeat(cells, replicates), np.tile(np.arange(replicates), len(cells))
        tiles = [Tile(shape, *(part[i : i + shape.tile] for part in every)) for i in range(0, len(every[0]), shape.tile)]
        drawn = [programs.simulate(tile) for tile in tiles]
        programs.wait(shape, (0,))
        fits, cpu, wall = timed(lambda: [programs.fit(tile, 0, draw) for tile, draw in zip(tiles, drawn, strict=True)])  # noqa: B023 - called at once
        ok = np.concatenate([fit.status[: len(tile)] == 0 for fit, tile in zip(fits, tiles, strict=True)])
        rows.append({"padded groups": shape.groups, "datasets": len(ok), "ok": int(ok.sum()), "CPU s": cpu, "clock s": wall})
    programs.close()
    frame = pd.DataFrame(rows)
    return pd.concat([frame, pd.DataFrame([{"padded groups": "all", **frame.drop(columns="padded groups").sum()}])])


if __name__ == "__main__":
    main()
