"""Posteriors of two datasets under Student-t residuals, sampled by NumPyro from the model on rows:
``python tests/reference/make_robust_bayes.py`` writes robust_bayes.json.

Four chains of 5,000 draws after 1,500 of warm-up, target acceptance .95; group effects and all sampled, no mixture, no weights.
"""

import json
import sys
from pathlib import Path

import jax
import numpyro
from make_bayes import summary
from numpyro.infer import MCMC, NUTS

import jaxsim

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from oracle import cross_products  # noqa: E402
from robust_datasets import STORED, stored_rows  # noqa: E402

from jaxsim import RobustBayes  # noqa: E402
from jaxsim.bayesian.model import robust_on_rows  # noqa: E402
from jaxsim.bayesian.scales import scales  # noqa: E402


def sample(name, seed):
    """Draws by parameter, ``[chains, draws]``."""
    *_, random, priors = STORED[name]
    rows = stored_rows(name)
    data = cross_products(rows)
    model = RobustBayes(random=random, priors=priors).gaussian.model(data)
    known = scales(data.products.sum(0), data.n_rows.astype(float), model.intercept)
    kernel = NUTS(robust_on_rows, target_accept_prob=0.95)
    mcmc = MCMC(kernel, num_warmup=1500, num_samples=5000, num_chains=4, chain_method="vectorized", progress_bar=False)
    z = rows.x[:, list(model.random)]
    mcmc.run(jax.random.key(seed), rows.x, z, rows.group, rows.y, len(data.sizes), model, known)
    found = mcmc.get_samples(group_by_chain=True)
    draws = {column: found["beta"][..., j] for j, column in enumerate(rows.columns)}
    draws |= {f"sd_{column}": found["sd"][..., i] for i, column in enumerate(random)}
    if len(random) > 1:
        draws["cor"] = found["correlation"][..., 1, 0]
    for i, column in enumerate(random):
        draws |= {f"{column}_of_group_{g}": found["beta"][..., model.random[i]] + found["effects"][..., g, i] for g in (0, 3)}
    return {**draws, "sigma": found["sigma"], "nu": found["nu"]}


if __name__ == "__main__":
    out = {"versions": {"numpyro": numpyro.__version__, "jax": jax.__version__, "jaxsim": jaxsim.__version__}, "datasets": {}}
    for seed, name in enumerate(STORED):
        found = {key: summary(draws) for key, draws in sample(name, seed).items()}
        out["datasets"][name] = found
        print(name, "largest R-hat", max(value["rhat"] for value in found.values()), flush=True)
    (HERE / "robust_bayes.json").write_text(json.dumps(out, indent=1) + "\n")
