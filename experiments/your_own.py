"""Parts of one's own: a process, strategies in JAX and in statsmodels, a measure, and a grid over the process's own fields.

A cluster-randomised trial with t errors, unequal variances, and rows that are lost the more often the larger the baseline is.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from statsmodels.api import cov_struct, formula

from jaxsim import ClusterRobust, FrameStrategy, FunctionEstimator, Grid, LinearMixed, OwnMeasure, RowProcess, Study
from jaxsim.cli import run_script


@dataclass(frozen=True)
class Trial(RowProcess):
    """Every second group is treated; every field is a factor that a grid may vary."""

    n_groups: int = 20
    n_obs: int = 15
    effect: float = 0.5
    icc: float = 0.1
    t_df: float = 5.0
    variance_ratio: float = 1.0  # of the errors, treated over control
    missing: float = 0.2  # share of rows

    def simulate(self, key):
        keys = jax.random.split(key, 4)
        group = jnp.repeat(jnp.arange(self.n_groups), self.n_obs)
        treat, baseline = group % 2, jax.random.normal(keys[0], group.shape)
        variance = (1 - self.icc) * jnp.where(treat == 1, self.variance_ratio, 1.0)
        error = jax.random.t(keys[1], self.t_df, group.shape) * jnp.sqrt(variance * (1 - 2 / self.t_df))
        effects = jnp.sqrt(self.icc) * jax.random.normal(keys[2], (self.n_groups,))
        keep = jax.random.uniform(keys[3], group.shape) > 2 * self.missing * jax.nn.sigmoid(baseline)
        y = self.effect * treat + 0.5 * baseline + effects[group] + error
        truth = {"Intercept": 0.0, "treat": self.effect, "baseline": 0.5, "sd_Group_Intercept": jnp.sqrt(self.icc)}
        return truth, {"Group": group, "DV": y, "treat": treat, "baseline": baseline, "keep": keep}


def group_means(data):
    """Least squares of group means: one dataset, as its groups' cross-products, in JAX."""
    there = (data.sizes > 0).astype(float)
    means = data.regression()[:, 0] / jnp.maximum(data.sizes, 1)[:, None]  # of Intercept, treat, baseline and DV
    x, y, df = means[:, :-1] * there[:, None], means[:, -1], there.sum() - len(data.fixed)
    inverse = jnp.linalg.inv(x.T @ x)
    estimate = inverse @ x.T @ y
    std_error = jnp.sqrt(((y - x @ estimate) ** 2).sum() / df * jnp.diagonal(inverse))
    return {"estimate": estimate, "std_error": std_error, "df": df}


def gee(data):
    """Generalised estimating equations: one dataset as a DataFrame, in a worker process."""
    fit = formula.gee("DV ~ treat + baseline", "Group", data, cov_struct=cov_struct.Exchangeable()).fit(cov_type="bias_reduced")
    return {"estimate": fit.params, "std_error": fit.bse}


def mixed_lm(data):
    """A random intercept by statsmodels; of its coefficients the study asks for two."""
    fit = formula.mixedlm("DV ~ treat + baseline", data, groups="Group").fit(method="powell")
    return {"estimate": fit.fe_params, "std_error": fit.bse_fe, "converged": fit.converged, "sigma": fit.scale**0.5}


study = Study(
    Trial(),
    Grid(n_groups=[10, 30], effect=[0.0, 0.5], variance_ratio=[1.0, 4.0]),
    (
        ClusterRobust(vcov="CR2"),
        LinearMixed("DV ~ treat + baseline + (1 | Group)"),
        LinearMixed("DV ~ treat + (1 | Group)", label="unadjusted"),
        FunctionEstimator(group_means),
        FrameStrategy(gee, first=50),
        FrameStrategy(mixed_lm, first=50, terms=("Intercept", "treat")),
    ),
    replicates=400,
    measures=(OwnMeasure("right_call", lambda rows: rows.rejects * rows.covers * (rows.estimate * rows.truth > 0)),),
)

if __name__ == "__main__":
    run_script(study, default_out="results/your_own")
