"""Bayesian or frequentist? The 2019 grid with every strategy of the post and a hierarchical model with two sets of priors.

The same 2,250 datasets as in ``seed_grid.py``. Run it either way:

    python experiments/bayes_vs_freq.py
    jaxsim run experiments/bayes_vs_freq.py --replicates 50 --out results/bayes_vs_freq

Prior sensitivity is the difference between the two last strategies; ``results.paired("lmer")`` has all differences with their
Monte Carlo errors.
"""

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, HierarchicalBayes, LinearMixed, PooledOLS, Study, TwoStage, Uniform
from jaxsim.cli import run_script

process = GaussianMultilevel(n_predictors=3, fixed_effects=Uniform(0, 1), residual_sd=1.0)

grid = Grid(n_groups=[10, 30, 100], n_obs=[5, 25, 100], group_sd=[0.1, 0.25, 1, 2, 4])

estimators = (
    PooledOLS(label="ols"),
    ClusterRobust(vcov="pymer4", label="lm"),
    TwoStage(label="lm2"),
    LinearMixed(label="lmer"),
    LinearMixed(random=("Intercept",), label="lmer_mis"),
    HierarchicalBayes(label="bayes"),  # weak priors, in units of the data
    HierarchicalBayes(priors="informative", label="bayes_inf"),
)

study = Study(process, grid, estimators, replicates=50, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/bayes_vs_freq")
