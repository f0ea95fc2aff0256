"""Measures as labelled arrays."""

import sys
from pathlib import Path

from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study

if __name__ == "__main__":
    study = Study(GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 7]), (PooledOLS(),), 20)
    arrays = study.run(Path(sys.argv[1]) / "run", progress=False).to_xarray()
    assert arrays.value.sel(measure="coverage", term="IV1").sizes["n_groups"] == 2
