"""Posteriors of seven datasets sampled by NumPyro from the model on rows: ``python tests/reference/make_bayes.py`` writes
bayes.json.

Four chains of 3,000 draws after 1,500 of warm-up, target acceptance .95; no cross-products, nothing integrated out.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
import numpyro
import pandas as pd
from arviz_stats.base import array_stats
from numpyro.infer import MCMC, NUTS

import jaxsim

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from oracle import make_rows  # noqa: E402
from unusual_priors import UNUSUAL, UNUSUAL_DATA  # noqa: E402

from jaxsim.bayesian.model import on_rows  # noqa: E402
from jaxsim.bayesian.priors import named  # noqa: E402
from jaxsim.bayesian.scales import scales  # noqa: E402
from jaxsim.frames.hierarchical import pose_rows  # noqa: E402
from jaxsim.frames.mixed_model import prepare  # noqa: E402

SIMULATED = {
    "few": (21, [6] * 5, 2, 1.0),
    "many_coefficients": (22, [5] * 10, 4, 0.25),
    "small_sd": (23, [25] * 30, 2, 0.1),
}


def datasets():
    """Name -> formula, DataFrame, name of the priors."""
    yield "sleepstudy", "Reaction ~ Days + (Days | Subject)", pd.read_csv(HERE / "data/sleepstudy.csv"), "weak"
    for name in SIMULATED:
        yield name, *simulated(name), "informative" if name == "few" else "weak"
    for priors, name in UNUSUAL_DATA.items():
        yield priors, *simulated(name), priors


def simulated(name):
    """Formula and DataFrame."""
    seed, sizes, n_fixed, group_sd = SIMULATED[name]
    rows = make_rows(seed, sizes, n_fixed=n_fixed, group_sd=group_sd)
    slopes = [f"x{j}" for j in range(1, n_fixed)]
    frame = pd.DataFrame(rows.x[:, 1:], columns=slopes).assign(y=rows.y, g=rows.group)
    return f"y ~ {' + '.join(slopes)} + ({' + '.join(slopes)} | g)", frame


def sample(formula, frame, priors, seed):
    """Draws by parameter, ``[chains, draws]``, from the model on rows."""
    mixed = prepare(formula, frame)
    data, model, _ = pose_rows(mixed, UNUSUAL.get(priors) or named(priors))
    uncentred = pd.DataFrame(mixed.x.values)
    known = scales(data.products.sum(0), data.n_rows.astype(float), model.intercept)._replace(response_mean=mixed.y.mean())
    z = np.column_stack([block.values for block in mixed.blocks])
    kernel = NUTS(on_rows, target_accept_prob=0.95)
    mcmc = MCMC(kernel, num_warmup=1500, num_samples=3000, num_chains=4, chain_method="vectorized", progress_bar=False)
    mcmc.run(jax.random.key(seed), uncentred.to_numpy(), z, mixed.codes, mixed.y, len(mixed.labels), model, known)
    found = mcmc.get_samples(group_by_chain=True)
    draws = {name: found["beta"][..., j] for j, name in enumerate(mixed.x.names)}
    draws |= {f"sd_{name}": found["sd"][..., i] for i, name in enumerate(mixed.random_names)}
    for i, j in model.structure.entries:
        if i != j:
            draws[f"cor_{mixed.random_names[j]}_{mixed.random_names[i]}"] = found["correlation"][..., i, j]
    return {**draws, "sigma": found["sigma"]}


def summary(draws):
    """Mean, SD, 5% and 95% quantiles with their Monte Carlo standard errors."""
    draws = np.asarray(draws)
    where = dict(chain_axis=0, draw_axis=1)
    values = dict(mean=draws.mean(), sd=draws.std(ddof=1), q5=np.quantile(draws, 0.05), q95=np.quantile(draws, 0.95))
    errors = dict(
        mean=array_stats.mcse(draws, **where, method="mean"),
        sd=array_stats.mcse(draws, **where, method="sd"),
        q5=array_stats.mcse(draws, **where, method="quantile", prob=0.05),
        q95=array_stats.mcse(draws, **where, method="quantile", prob=0.95),
    )
    rhat = float(array_stats.rhat(draws, **where))
    return {**{k: float(v) for k, v in values.items()}, "mcse": {k: float(v) for k, v in errors.items()}, "rhat": rhat}


if __name__ == "__main__":
    out = {"versions": {"numpyro": numpyro.__version__, "jax": jax.__version__, "jaxsim": jaxsim.__version__}, "datasets": {}}
    for seed, (name, formula, frame, priors) in enumerate(datasets()):
        found = {key: summary(draws) for key, draws in sample(formula, frame, priors, seed).items()}
        out["datasets"][name] = {"formula": formula, "priors": priors, "parameters": found}
        print(name, "largest R-hat", max(value["rhat"] for value in found.values()), flush=True)
    (HERE / "bayes.json").write_text(json.dumps(out, indent=1) + "\n")
