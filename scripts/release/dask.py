"""A study on worker processes of a cluster that the run starts, with a certificate of its own."""

import sys
from pathlib import Path

from jaxsim import Dask, GaussianMultilevel, Grid, PooledOLS, Study, TwoStage

if __name__ == "__main__":
    study = Study(GaussianMultilevel(n_obs=4, n_predictors=1), Grid(n_groups=[4, 7]), (PooledOLS(), TwoStage()), 40, seed=3)
    here = study.run(Path(sys.argv[1]) / "here", progress=False, batch=20)
    there = study.run(Path(sys.argv[1]) / "there", progress=False, batch=20, executor=Dask(workers=2))
    assert here.measures().equals(there.measures())
