"""The 2019 study: how well do five analyses of repeated measures recover the fixed effects?

Groups 10, 30, 100 x rows per group 5, 25, 100 x between-group SD .1 to 4, 50 datasets each: 2,250 datasets, and every one
of them is fitted by every strategy. Run it either way:

    python experiments/seed_grid.py
    jaxsim run experiments/seed_grid.py --replicates 50 --out results/seed_grid
"""

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage, Uniform
from jaxsim.cli import run_script

process = GaussianMultilevel(
    n_predictors=3,
    fixed_effects=Uniform(0, 1),  # an intercept and three slopes, drawn anew for every dataset
    residual_sd=1.0,
)

grid = Grid(
    n_groups=[10, 30, 100],
    n_obs=[5, 25, 100],
    group_sd=[0.1, 0.25, 1, 2, 4],  # SD of all four group coefficients (the post's prose calls it a variance)
)

estimators = (
    PooledOLS(label="ols"),  # ignores the groups
    ClusterRobust(vcov="pymer4", label="lm"),  # the convention of the software the post used
    TwoStage(label="lm2"),  # a regression per group, then a t test
    LinearMixed(label="lmer"),  # maximal: (1 + IV1 + IV2 + IV3 | Group)
    LinearMixed(random=("Intercept",), label="lmer_mis"),  # misspecified: (1 | Group)
)

study = Study(process, grid, estimators, replicates=50, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/seed_grid")
