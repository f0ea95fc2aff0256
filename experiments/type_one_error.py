"""Which analysis of few groups keeps its promise? Type I error and coverage of every method, with true effects of zero.

One predictor that varies within groups and has a slope of its own in each; 5, 10 or 30 groups, all of 25 rows or of 4 to 46;
10,000 datasets a cell, so that a rate near .05 has a Monte Carlo standard error of .0022. Run it either way:

    python experiments/type_one_error.py
    jaxsim run experiments/type_one_error.py --out results/type_one_error
"""

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage, UniformSizes
from jaxsim.cli import run_script

process = GaussianMultilevel(n_predictors=1, fixed_effects=(0.0, 0.0), group_sd=0.5)

grid = Grid(n_groups=[5, 10, 30], n_obs=[25, UniformSizes(4, 46)])

estimators = (
    PooledOLS(label="ols"),
    # Cluster-robust least squares: conventions of the variance, degrees of freedom, bootstrap.
    ClusterRobust(vcov="CR0", df="normal", label="lm CR0 z"),
    ClusterRobust(vcov="CR1", label="lm CR1"),
    ClusterRobust(vcov="CR1S", label="lm CR1S"),
    ClusterRobust(vcov="pymer4", label="lm pymer4"),
    ClusterRobust(vcov="CR2", df="G-1", label="lm CR2 G-1"),
    ClusterRobust(vcov="CR2", label="lm CR2"),
    ClusterRobust(vcov="CR3", label="lm CR3"),
    ClusterRobust(inference="wild", label="lm wild"),
    ClusterRobust(inference="wild", weights="webb", label="lm wild Webb"),
    # A regression per group, then a test of the mean coefficient.
    TwoStage(label="lm2"),
    TwoStage(weights="precision", label="lm2 precision"),
    TwoStage(inference="bootstrap", label="lm2 bootstrap"),
    TwoStage(inference="bootstrap-t", label="lm2 bootstrap-t"),
    TwoStage(inference="sign-flip", label="lm2 sign-flip"),
    # Multilevel models, maximal and with a random intercept only, by degrees of freedom.
    LinearMixed(df="normal", label="lmer z"),
    LinearMixed(df="residual", label="lmer N-P"),
    LinearMixed(label="lmer Satt."),
    LinearMixed(df="kenward-roger", label="lmer KR"),
    LinearMixed(df="kenward-roger-observed", label="lmer KR obs."),
    LinearMixed(random=("Intercept",), label="lmer_mis Satt."),
)

study = Study(process, grid, estimators, replicates=10_000, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/type_one_error")
