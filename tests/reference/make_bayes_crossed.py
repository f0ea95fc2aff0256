"""Posteriors with two crossed factors sampled by NumPyro from the model on rows: ``python tests/reference/make_bayes_crossed.py``
writes bayes_crossed.json.

Four chains of 3,000 draws after 1,500 of warm-up, target acceptance .95; no cross-products, nothing integrated out.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpyro
from make_bayes import summary
from numpyro.infer import MCMC, NUTS

import jaxsim

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from crossed_data import cells_of  # noqa: E402
from crossed_posteriors import REFERENCES, STRATEGY, reference  # noqa: E402

from jaxsim.bayesian.model import on_rows  # noqa: E402
from jaxsim.bayesian.scales import scales  # noqa: E402


def sample(seed):
    """Draws by parameter, ``[chains, draws]``, from the model on rows."""
    table = reference(seed)
    data = STRATEGY.view(jax.tree.map(jnp.asarray, cells_of(table)))
    model = STRATEGY.model(data)
    known = scales(data.products.sum(0), data.n_rows.astype(float), model.intercept)
    kernel = NUTS(on_rows, target_accept_prob=0.95)
    mcmc = MCMC(kernel, num_warmup=1500, num_samples=3000, num_chains=4, chain_method="vectorized", progress_bar=False)
    x, z = table.x[:, list(model.fixed)], table.x[:, list(model.random)]
    mcmc.run(jax.random.key(seed), x, z, table.levels, table.y, table.counts, model, known)
    found = mcmc.get_samples(group_by_chain=True)
    draws = {name: found["beta"][..., j] for j, name in enumerate(data.fixed)}
    every = [(one.factor, name) for one in STRATEGY.random_effects(data.names) for name in one.columns]
    draws |= {f"sd_{factor}_{name}": found["sd"][..., i] for i, (factor, name) in enumerate(every)}
    draws |= {"cor_subject_Intercept_x": found["correlation"][..., 1, 0], "sigma": found["sigma"]}
    for f, factor in enumerate(("subject", "item")):
        effects = found[f"effects_{f}"]
        draws |= {f"{factor}_{g}_{k}": effects[..., g, k] for g in range(2) for k in range(effects.shape[-1])}
    return draws


if __name__ == "__main__":
    out = {"versions": {"numpyro": numpyro.__version__, "jax": jax.__version__, "jaxsim": jaxsim.__version__}, "datasets": {}}
    for seed in REFERENCES:
        found = {key: summary(draws) for key, draws in sample(seed).items()}
        out["datasets"][str(seed)] = found
        print(seed, "largest R-hat", max(value["rhat"] for value in found.values()), flush=True)
    (HERE / "bayes_crossed.json").write_text(json.dumps(out, indent=1) + "\n")
