"""Bayesian fits in a study: a number does not depend on company, batch or interruption."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_invariance import fit
from unusual_priors import UNUSUAL

from jaxsim import GaussianMultilevel, Grid, HierarchicalBayes, Study
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.worker import Worker

pytestmark = pytest.mark.usefixtures("optimised")

# More than a part of 16, so that some datasets share a part with others; group SDs that are hard and easy, 6 groups padded to 8.
STRATEGY = HierarchicalBayes(random=("Intercept",), method="fast")
PROCESS = GaussianMultilevel(n_groups=6, n_obs=5, n_predictors=1)
STUDY = Study(PROCESS, Grid(group_sd=[0.1, 2]), STRATEGY, replicates=20, seed=3)


# The second one samples the fixed effects, too, and keeps the groups' coefficients.
UNUSUAL_STUDY = replace(STUDY, estimators=(replace(STRATEGY, priors=UNUSUAL["bounded"]),), group_coefficients=True)


@pytest.fixture(scope="module", params=[STUDY, UNUSUAL_STUDY], ids=["weak", "bounded"])
def programs(request):
    made = Programs(request.param)
    yield made
    made.close()


def test_a_posterior_has_the_same_bits_in_any_place_and_company(programs):
    cells, replicates = np.repeat(np.arange(2), 20), np.tile(np.arange(20), 2)
    whole = fit(programs, cells, replicates)
    rng = np.random.default_rng(1)
    for count in (1, 17, 40):
        some = rng.permutation(40)[:count]
        for one, other in zip(whole, fit(programs, cells[some], replicates[some]), strict=True):
            np.testing.assert_array_equal(one[some], other)


def test_an_interrupted_study_goes_on_to_the_same_bits_with_another_batch(tmp_path, monkeypatch):
    whole = STUDY.run(tmp_path / "whole", progress=False)
    assert whole.fits["status"].eq("ok").all()
    compute, seen = Worker.compute, []

    def stop_in_the_second_chunk(self, chunk, listen):
        seen.append(chunk)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return compute(self, chunk, listen)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "compute", stop_in_the_second_chunk)
        with pytest.raises(KeyboardInterrupt):
            STUDY.run(tmp_path / "broken", progress=False, batch=15)
    finished = set((tmp_path / "broken").rglob("*.parquet"))
    done = STUDY.run(tmp_path / "broken", progress=False, batch=7)
    assert finished
    assert finished < set((tmp_path / "broken").rglob("*.parquet")), "what was finished stays"
    assert sum(entry.about.datasets for entry in done.folder.entries()) == 40
    for name in ("estimates", "fits"):
        pd.testing.assert_frame_equal(getattr(done, name), getattr(whole, name), check_exact=True)
