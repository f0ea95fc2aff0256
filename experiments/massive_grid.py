"""Which analysis may be trusted, and which finds most, from 5 groups of 3 rows to 200 groups of 200? A million datasets.

Groups 5 to 200 x rows per group 3 to 200 x between-group SD 0 to 4 x correlation of intercepts and slopes x size of the effect:
1,080 cells, 1,000 datasets each, every one fitted by every strategy. Run it either way:

    python experiments/massive_grid.py
    jaxsim run experiments/massive_grid.py --out results/massive_grid
    python experiments/massive_grid.py --replicates 20 --out results/massive_try    # first: 21,600 datasets

With 1,000 datasets the Monte Carlo standard error of a coverage near .95 is .007 in one cell, and .001 in a figure that averages
the 40 or so cells of one number of groups and rows; with 20 it is .05 and .007.

**Effects** are multiples of a standard error, ``sqrt((group_sd^2 + residual_sd^2 / n_obs) / n_groups)``: that of the mean of one
slope a group if its variance were known. A z test with it has a power of .05, .17, .52, .80 and .98 for the five effects here, in
every cell. A fixed effect would have told nothing over such a range: that standard error runs from .005 to 1.8, so .1 is found
always in one corner of the grid and never in the other. Power below those numbers is the price of estimating variances
(few degrees of freedom), of rows too few for a regression in each group, or of a strategy's inefficiency; power above them is
bought with false positives (effect 0). No analysis here depends on where the effect lies, so coverage may be averaged over it.

**What cannot be fitted.** Two coefficients and three rows leave a group's own regression one degree of freedom. Every strategy
gives an answer in every cell, but the error of ``lm2`` has no finite variance in the cells of three rows: its RMSE, empirical
SE, model SE error, and the Monte Carlo errors of these and of its bias do not settle there, whatever the replicates (the tables
say so); coverage, type I error, power and the median |error| do. Without variation between groups (SD 0) there is nothing to be
correlated: these cells exist once, and the grid is not a full crossing.
"""

import math
from typing import Any

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage
from jaxsim.cli import run_script

process = GaussianMultilevel(n_predictors=1)  # a slope of its own in every group: more predictors tell nothing new, and cost time


def fixed_effects(n_groups: int, n_obs: int, group_sd: float, correlation: float, effect_in_se: float) -> dict[str, Any] | None:
    """Intercept zero, and a slope of so many standard errors; None for a correlation of effects that do not vary."""
    if group_sd == 0 and correlation:
        return None
    standard_error = math.sqrt((group_sd**2 + process.residual_sd**2 / n_obs) / n_groups)
    return {"fixed_effects": (0.0, effect_in_se * standard_error)}


grid = Grid(
    n_groups=[5, 10, 20, 50, 100, 200],
    n_obs=[3, 10, 50, 200],
    group_sd=[0, 0.1, 0.3, 1, 4],  # SD of both group coefficients
    correlation=[0, 0.8],  # its sign makes no difference: the predictor is symmetric about zero
    effect_in_se=[0, 1, 2, 2.8, 4],
).linked(fixed_effects)

estimators = (
    PooledOLS(label="ols"),  # ignores the groups: the warning example
    ClusterRobust(vcov="CR1S", label="lm CR1S"),  # what Stata and fixest do
    ClusterRobust(vcov="CR2", label="lm CR2"),  # with Bell and McCaffrey's degrees of freedom
    TwoStage(label="lm2"),  # a regression per group, then a t test
    LinearMixed(label="lmer Satt."),  # maximal: (1 + IV1 | Group)
    LinearMixed(df="kenward-roger", label="lmer KR"),
    LinearMixed(random=("Intercept",), label="lmer_mis"),  # random intercept only
)

study = Study(process, grid, estimators, replicates=1000, seed=0)

if __name__ == "__main__":
    run_script(study, default_out="results/massive_grid")
