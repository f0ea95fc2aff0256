"""R's lme4 through pymer4: a DataFrame, and the audit of a study."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import jaxsim
from jaxsim import GaussianMultilevel, Grid, LinearMixed, Study
from jaxsim.audit import audit
from jaxsim.frames import pymer4

if __name__ == "__main__":
    data = pd.DataFrame({"g": np.repeat(range(8), 6), "x": np.tile(range(6), 8)})
    data["y"] = data["x"] + data["g"] % 3 + np.random.default_rng(1).normal(size=48)
    ours, theirs = (fit("y ~ x + (1 | g)", data) for fit in (jaxsim.lmer, pymer4.lmer))
    assert np.allclose(ours.beta, theirs.beta, rtol=1e-5)

    study = Study(GaussianMultilevel(n_groups=8, n_obs=10, n_predictors=1), Grid(), (LinearMixed(),), 5)
    found = audit(study.run(Path(sys.argv[1]) / "run", progress=False), 2, progress=False)
    assert len(found) == 2
    assert not found["ours"].any()
