"""What is the prediction accuracy of each model? The question that the 2019 study ends with, asked over its grid.

Every strategy predicts responses that it has not seen: of further rows of the groups that it was fitted to, and of rows of new
groups. Errors are exact expectations given each dataset, so few datasets tell much. With 50 datasets a cell, 2,250 in all (41
CPU-seconds with compiling, and the report besides), root mean squared errors of responses, averaged over the grid, with Monte Carlo
errors:

                same groups                                      new groups
                all             25 or 100 rows   R2             all              95% intervals: same groups, new ones
    lm          3.279 ± 0.007   3.255 ± 0.009    0.237 ± .002   3.403 ± 0.002    0.965 ± .0004   0.959 ± .0005
    lm2         (2.3)           1.057 ± 0.0003   (-0.9)         3.445 ± 0.008    -               -
    lmer        1.257 ± 0.003   1.045 ± 0.0003   0.700 ± .002   3.384 ± 0.002    0.941 ± .0007   0.950 ± .0007
    lmer_mis    2.996 ± 0.007   2.929 ± 0.009    0.337 ± .002   3.402 ± 0.002    0.946 ± .0006   0.941 ± .0007

The noise has an SD of 1, and nothing predicts better. So for the groups at hand the maximal mixed model is the best, by far where
slopes differ: a random intercept alone is hardly better than no groups at all. With 25 rows a group the two-stage analysis comes
within 0.021 ± 0.0003 of it, with 100 within 0.002; with 5 rows (of 4 coefficients) its predictions have no finite variance. Partial
pooling is no free lunch: where groups hardly differ (SD .1 or .25, 5 rows) the maximal model predicts worse than the random
intercept, by 0.033 ± 0.003 and 0.035 ± 0.005. For new groups all are alike, for their own coefficients are nobody's to know: 0.046
± 0.005 between lmer and lm with 5 rows a group, 0.002 ± 0.001 with 100. Intervals of lmer for known groups are a little too narrow
with ten groups (0.929), those of lm, with 6 degrees of freedom there, too wide (0.986).

Run it either way:

    python experiments/prediction.py
    jaxsim run experiments/prediction.py --replicates 50 --out results/prediction
"""

from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, Prediction, Study, TwoStage, Uniform
from jaxsim.cli import run_script

process = GaussianMultilevel(
    n_predictors=3,
    fixed_effects=Uniform(0, 1),  # an intercept and three slopes, drawn anew for every dataset
    residual_sd=1.0,  # no prediction has a smaller root mean squared error
)

grid = Grid(n_groups=[10, 30, 100], n_obs=[5, 25, 100], group_sd=[0.1, 0.25, 1, 2, 4])

estimators = (
    ClusterRobust(vcov="pymer4", label="lm"),  # one coefficient for all groups, and the predictions of ols
    TwoStage(label="lm2"),  # each group's own regression; new groups by its mean
    LinearMixed(label="lmer"),  # maximal: (1 + IV1 + IV2 + IV3 | Group)
    LinearMixed(random=("Intercept",), label="lmer_mis"),  # misspecified: (1 | Group)
    # HierarchicalBayes(label="bayes"),  # posterior means: predictions without intervals
)

study = Study(process, grid, estimators, replicates=50, seed=0, scores=(Prediction(),))

if __name__ == "__main__":
    run_script(study, default_out="results/prediction")
