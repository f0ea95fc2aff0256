"""Effective draws of Bambi's model sampled by nutpie: python bambi_fit.py DATA.csv DRAWS prints "result CPU-seconds smallest-ESS".

Runs in an environment of its own (pip install bambi nutpie). Bambi's priors are autoscaled as rstanarm's; it has no correlation
between the random effects of a group, so its posterior has six parameters less than the others'. 4 chains on one core; compiling
is not counted.
"""

import sys
import time

import arviz_stats
import bambi
import nutpie
import pandas as pd

FORMULA = "DV ~ IV1 + IV2 + IV3 + (IV1 + IV2 + IV3 | Group)"


def main(path: str, draws: int) -> None:
    """Fit once, say what it took."""
    model = bambi.Model(FORMULA, pd.read_csv(path))
    model.build()
    compiled = nutpie.compile_pymc_model(model.backend.model, backend="numba")
    settings = dict(chains=4, cores=1, progress_bar=False)
    nutpie.sample(compiled, draws=10, tune=10, seed=0, **settings)  # numba compiles at the first call
    begin = time.process_time()
    trace = nutpie.sample(compiled, draws=draws, tune=draws, seed=1, **settings)
    cpu = time.process_time() - begin
    posterior = trace.posterior
    shown = [name for name in posterior.data_vars if not name.endswith(("|Group", "|Group_offset", "mu")) and "__" not in name]
    ess = arviz_stats.ess(trace, var_names=shown, method="bulk")
    smallest = min(float(ess[name].min()) for name in shown)
    print("parameters", *shown, file=sys.stderr)
    print("result", cpu, smallest)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
