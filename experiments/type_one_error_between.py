"""The same question where it is hardest: a predictor that is one number a group, such as a treatment given to whole groups.

5, 10 or 30 groups, all of 25 rows or of 4 to 46; a random intercept; true effects of zero; 10,000 datasets a cell. A regression
per group cannot estimate the coefficient, so two-stage analyses are left out. Run it either way:

    python experiments/type_one_error_between.py
    jaxsim run experiments/type_one_error_between.py --out results/type_one_error_between
"""

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, UniformSizes
from jaxsim.cli import run_script

process = GaussianMultilevel(n_predictors=1, n_between=1, fixed_effects=(0.0, 0.0), group_sd=0.5)

grid = Grid(n_groups=[5, 10, 30], n_obs=[25, UniformSizes(4, 46)])

estimators = (
    PooledOLS(label="ols"),
    ClusterRobust(vcov="CR0", df="normal", label="lm CR0 z"),
    ClusterRobust(vcov="CR1", label="lm CR1"),
    ClusterRobust(vcov="CR1S", label="lm CR1S"),
    ClusterRobust(vcov="pymer4", label="lm pymer4"),
    ClusterRobust(vcov="CR2", df="G-1", label="lm CR2 G-1"),
    ClusterRobust(vcov="CR2", label="lm CR2"),
    ClusterRobust(vcov="CR3", label="lm CR3"),
    ClusterRobust(inference="wild", label="lm wild"),
    ClusterRobust(inference="wild", weights="webb", label="lm wild Webb"),
    LinearMixed(random=("Intercept",), df="normal", label="lmer z"),
    LinearMixed(random=("Intercept",), df="residual", label="lmer N-P"),
    LinearMixed(random=("Intercept",), label="lmer Satt."),
    LinearMixed(random=("Intercept",), df="kenward-roger", label="lmer KR"),
    LinearMixed(random=("Intercept",), df="kenward-roger-observed", label="lmer KR obs."),
)

study = Study(process, grid, estimators, replicates=10_000, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/type_one_error_between")
