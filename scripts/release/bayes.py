"""Posteriors: a strategy of a study, and of a DataFrame, with ArviZ's own summaries."""

import sys
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd

import jaxsim
from jaxsim import GaussianMultilevel, Grid, HierarchicalBayes, LinearMixed, Study

if __name__ == "__main__":
    process = GaussianMultilevel(n_groups=8, n_obs=10, n_predictors=1)
    results = Study(process, Grid(), (LinearMixed(), HierarchicalBayes()), 4).run(Path(sys.argv[1]) / "run", progress=False)
    assert (results.fits["status"].isin(["ok", "singular"])).all()

    data = pd.DataFrame({"g": np.repeat(range(8), 6), "x": np.tile(range(6), 8)})
    data["y"] = data["x"] + data["g"] % 3 + np.random.default_rng(1).normal(size=48)
    fit = jaxsim.bayes("y ~ x + (1 | g)", data)
    assert fit.status == "ok"
    assert "beta[x]" in arviz_stats.summary(fit.to_datatree(), var_names=["beta"]).index
    assert np.isfinite(fit.loo().elpd)
