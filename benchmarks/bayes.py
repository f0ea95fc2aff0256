"""Effective draws per CPU-second of the Bayesian engine, beside NumPyro fitting the model on rows, one dataset at a time.

    python benchmarks/bayes.py [--datasets 32] [--rows 25] [--groups 30] [--peers 1] [--out FOLDER]

Four fixed and four correlated random effects, the same data and priors for all. Compile time is apart; every number is of a
second, hot run. The ESS of a fit is its smallest: over SDs, correlations, sigma and fixed effects (bulk), or that of the
importance weights.
"""

import argparse
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from table import RESULTS, header, write

from jaxsim import GaussianMultilevel, HierarchicalBayes, Resampling, Uniform
from jaxsim.crossproduct import CrossProducts
from jaxsim.estimators.bayes.model import on_rows
from jaxsim.estimators.bayes.problem import scales
from jaxsim.seeding import group_keys
from jaxsim.sweep.plan import padded_groups

SDS = (0.1, 1.0, 4.0)


def process(groups: int, rows: int, sd: float) -> GaussianMultilevel:
    return GaussianMultilevel(n_predictors=3, fixed_effects=Uniform(0, 1), n_groups=groups, n_obs=rows, group_sd=sd)


def batch(simulator: GaussianMultilevel, keys: jax.Array) -> CrossProducts:
    """Cross-products of one dataset for each key."""
    padded = padded_groups(simulator.n_groups)
    values = jax.tree.map(jnp.asarray, simulator.parameters(padded))
    return jax.vmap(lambda key: simulator.draw(key, values, padded).data)(keys)


def engine(method: str, simulator: GaussianMultilevel, keys: jax.Array) -> dict[str, float]:
    """A batch by one path of the engine."""
    data, strategy = batch(simulator, keys), HierarchicalBayes(method=method)
    begin = time.perf_counter()
    jax.block_until_ready(strategy.fit_batch(data, Resampling(keys, 0.95)))
    first = time.perf_counter() - begin
    cpu, wall = time.process_time(), time.perf_counter()
    fit = jax.device_get(strategy.fit_batch(data, Resampling(keys, 0.95)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    ess, needed, executed = (np.asarray(fit.extra[name]) for name in ("ess", "leapfrog_needed", "leapfrog_executed"))
    count = len(ess)
    return {
        "CPU s/dataset": cpu / count,
        "datasets/s": count / wall,
        "smallest ESS, median": float(np.median(ess)),
        "ESS/CPU s": float(ess.sum() / cpu),
        "reliable": float((fit.status == 0).mean()),
        "lane efficiency": float(needed.sum() / executed.sum()) if method == "nuts" else float("nan"),
        "first call s": first,
    }


def numpyro_rows(simulator: GaussianMultilevel, keys: jax.Array) -> dict[str, float]:
    """One dataset after the other by NumPyro's NUTS on rows: 4 chains of 500 + 500, vectorised."""
    from numpyro.infer import MCMC, NUTS  # noqa: PLC0415 - only where it is measured

    strategy = HierarchicalBayes()
    cpu = wall = total = 0.0
    smallest = []
    for key in keys:
        frame = simulator.rows(key)
        x = np.column_stack([np.ones(len(frame)), frame[["IV1", "IV2", "IV3"]].to_numpy()])
        data = jax.tree.map(lambda leaf: leaf[0], batch(simulator, key[None]))
        known = scales(data.products.sum(0), data.n_rows.astype(float), 0)
        kernel = NUTS(on_rows)
        mcmc = MCMC(kernel, num_warmup=500, num_samples=500, num_chains=4, chain_method="vectorized", progress_bar=False)
        group = frame["Group"].to_numpy() - 1
        arguments = (x, x, group, frame["DV"].to_numpy(), simulator.n_groups, strategy.model(data), known)
        mcmc.run(jax.random.key(0), *arguments)  # compiles
        start_cpu, start_wall = time.process_time(), time.perf_counter()
        mcmc.run(jax.random.key(1), *arguments)
        draws = jax.device_get(mcmc.get_samples(group_by_chain=True))
        cpu, wall = cpu + time.process_time() - start_cpu, wall + time.perf_counter() - start_wall
        below = np.tril_indices(4, -1)
        every = [*np.moveaxis(draws["beta"], -1, 0), *np.moveaxis(draws["sd"], -1, 0), draws["sigma"]]
        every += [draws["correlation"][..., i, j] for i, j in zip(*below, strict=True)]
        smallest.append(min(array_stats.ess(d, chain_axis=0, draw_axis=1, method="bulk") for d in every))
        total += smallest[-1]
    return {
        "CPU s/dataset": cpu / len(keys),
        "datasets/s": len(keys) / wall,
        "smallest ESS, median": float(np.median(smallest)),
        "ESS/CPU s": total / cpu,
        "reliable": float(np.mean(np.array(smallest) >= 400)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=32, help="in a batch of the engine")
    parser.add_argument("--peers", type=int, default=1, help="datasets for NumPyro on rows, per SD; 0 leaves it out")
    parser.add_argument("--groups", type=int, default=30)
    parser.add_argument("--rows", type=int, default=25)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    head = header("bayes.py", sys.argv[1:])
    rows = []
    for sd in SDS:
        simulator = process(arguments.groups, arguments.rows, sd)
        keys = group_keys(jax.random.key(1, impl="threefry2x32"), arguments.datasets)
        for method in ("fast", "nuts"):
            rows.append({"group SD": sd, "path": method, **engine(method, simulator, keys)})
        if arguments.peers:
            rows.append({"group SD": sd, "path": "NumPyro on rows", **numpyro_rows(simulator, keys[: arguments.peers])})
    frame = pd.DataFrame(rows)
    if arguments.peers:
        base = frame[frame["path"] == "NumPyro on rows"].set_index("group SD")["ESS/CPU s"]
        frame["x NumPyro"] = frame["ESS/CPU s"] / frame["group SD"].map(base)
    caption = f"{arguments.groups} groups of {arguments.rows} rows, 4 fixed and 4 random effects"
    write(arguments.out, "bayes", "Posteriors per second", head, {caption: frame}, [])


if __name__ == "__main__":
    main()
