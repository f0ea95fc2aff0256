"""What jaxsim 0.3.0 wrote this folder from; measures.csv is its ``results.measures()``."""

from jaxsim import GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage, UniformSizes

study = Study(
    GaussianMultilevel(n_predictors=1, n_obs=UniformSizes(1, 6)),
    Grid(n_groups=[6, 9], group_sd=[0.5]),
    (PooledOLS(), TwoStage(), LinearMixed(), LinearMixed(random=("Intercept",), df="kenward-roger", label="ri")),
    replicates=4,
    seed=5,
    group_coefficients=True,
)
