"""Parts that a user might write: a process of every kind, and strategies in JAX and of a DataFrame."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxsim import Estimator, Fit, RowProcess, Rows


@dataclass(frozen=True)
class Trial(RowProcess):
    """A cluster-randomised trial with t errors and rows that are missing at random."""

    n_groups: int = 10
    n_obs: int = 6
    effect: float = 0.5
    icc: float = 0.2
    missing: float = 0.1

    def simulate(self, key):
        ku, ke, km, kx = jax.random.split(key, 4)
        group = jnp.repeat(jnp.arange(self.n_groups), self.n_obs)
        treat, x = group % 2, jax.random.normal(kx, group.shape)
        error = jax.random.t(ke, 5.0, group.shape) * np.sqrt(3 / 5 * (1 - 0.2))
        y = self.effect * treat + jnp.sqrt(self.icc) * jax.random.normal(ku, (self.n_groups,))[group] + error
        truth = {"Intercept": 0.0, "treat": self.effect, "x": 0.0, "sd_Group_Intercept": jnp.sqrt(self.icc)}
        keep = jax.random.uniform(km, group.shape) > 2 * self.missing * jax.nn.sigmoid(x)
        return truth, {"Group": group, "DV": y, "treat": treat, "x": x, "keep": keep}


def walk(key, n_groups=8, n_obs=5, effect=0.3):
    """Rows of a function: a predictor x, and independent errors."""
    group = jnp.repeat(jnp.arange(n_groups), n_obs)
    kx, ke = jax.random.split(key)
    x = jax.random.normal(kx, group.shape)
    return {"Intercept": 0.0, "x": effect}, {"Group": group, "DV": effect * x + jax.random.normal(ke, group.shape), "x": x}


def survey(rng, n_groups=8, n_obs=5, effect=0.3):
    """Rows of a NumPy generator, with text for groups."""
    group = np.repeat(np.arange(n_groups), n_obs)
    x = rng.normal(size=group.size)
    frame = pd.DataFrame({"Group": [f"g{g:02d}" for g in group], "DV": effect * x + rng.normal(size=group.size), "x": x})
    return {"Intercept": 0.0, "x": effect}, frame


def group_means(data):
    """Least squares of the group means."""
    there = (data.sizes > 0).astype(float)
    means = data.regression()[:, 0] / jnp.maximum(data.sizes, 1)[:, None]
    x, y, df = means[:, :-1] * there[:, None], means[:, -1], there.sum() - len(data.fixed)
    inverse = jnp.linalg.inv(x.T @ x)
    estimate = inverse @ x.T @ y
    return {"estimate": estimate, "std_error": jnp.sqrt(((y - x @ estimate) ** 2).sum() / df * jnp.diagonal(inverse)), "df": df}


@dataclass(frozen=True)
class Median(Estimator):
    """The median response of all rows; it has an estimate and nothing else."""

    label: str = "median"
    reads = Rows

    def coefficients(self, names):
        return ("Intercept",)

    def fit(self, data, context=None):
        values = jnp.where(data.present, data.y, jnp.nan)
        return Fit(jnp.nanmedian(values)[None])


def least_squares(data):
    """NumPy's least squares of a DataFrame."""
    x = np.column_stack([np.ones(len(data)), data["x"]])
    estimate, rss, _, _ = np.linalg.lstsq(x, data["DV"], rcond=None)
    variance = rss[0] / (len(data) - 2) * np.linalg.inv(x.T @ x)
    return pd.DataFrame(
        {"term": ["Intercept", "x"], "estimate": estimate, "std_error": np.sqrt(np.diag(variance)), "df": len(data) - 2}
    )
