"""Power by MCPower, call after call in one process: `python power_mcpower.py < TASK` prints JSON.

Task and answer are those of power_jaxsim.py. Runs in an environment of its own, made by `against_native.py`. Methods are MCPower's
``df_method``; each is a call of its own of ``find_power``, with the default scenario, which fits without perturbing the design.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version

from mcpower import MCPower

METHODS = {"between-within": "between_within", "z": "asymptotic"}


def model(design):
    """The design as MCPower is told it."""
    names = [f"x{i + 1}" for i in range(len(design["effects"]))]
    random = "(1 + x1|g)" if design["slope"] else "(1|g)"
    made = MCPower(f"y = {' + '.join(names)} + {random}", family="lme")
    made.set_effects(dict(zip(names, design["effects"], strict=True)))
    more = {"random_slopes": ["x1"], "slope_variance": design["slope_variance"]} if design["slope"] else {}
    if design["between"]:
        more["cluster_level_vars"] = names[-design["between"] :]
    made.set_cluster("g", ICC=design["icc"], n_clusters=design["groups"], **more)
    return made.set_alpha(0.05), names


def call(design, datasets, seed, methods):
    """Seconds of one call, and the rates of rejection by method and predictor with how many fits they are of."""
    wall, cpu, rates = time.perf_counter(), time.process_time(), {}
    rows = design["groups"] * design["rows"]
    for name in methods:
        made, terms = model(design)
        settings = dict(n_sims=datasets, seed=seed, df_method=METHODS[name], progress_callback=False, verbose=False)
        found = made.find_power(rows, target_test="all", **settings)
        used = round(found["n_sims"] * found["convergence_rate"][0])
        rates[name] = {term: (rate, used) for term, rate in zip(terms, found["power_uncorrected"][0], strict=True)}
    taken = {"CPU s": time.process_time() - cpu, "wall s": time.perf_counter() - wall}
    return {**taken, "since start CPU s": time.process_time(), "at": time.time(), "rates": rates}


def main():
    """Read the task, call, print."""
    warnings.simplefilter("ignore")  # fewer than 10 rows a cluster
    task = json.load(sys.stdin)
    answers = [call(task["design"], **given) for given in task["calls"]]
    print(json.dumps({"version": f"MCPower {version('mcpower')}", "answers": answers}))


if __name__ == "__main__":
    main()
