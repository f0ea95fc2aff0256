"""Generalised estimating equations against geepack, live, on small and unbalanced datasets."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import batch, make_rows, row_arrays

from jaxsim import GEE
from jaxsim.inference import t_table

pytestmark = pytest.mark.lme4

SIZES = ([5, 9, 3, 12], [8, 4, 12, 6, 15, 10], [3, 7, 14, 5, 2, 9, 6, 18, 11, 1])
DATASETS = {f"{len(sizes)} groups, SD {sd}": make_rows(0, sizes, n_fixed=3, group_sd=sd) for sizes in SIZES for sd in (0.3, 2.0)}
FAR = DATASETS["6 groups, SD 0.3"]
DATASETS["far from zero"] = FAR.but(x=FAR.x + np.array([0.0, 30.0, 0.0]), y=1000.0 + FAR.y)
GROUPS, ROWS = 10, 80


@pytest.fixture(scope="module")
def theirs(ask_r):
    """By dataset and working correlation; geepack's name of a working correlation is ours."""
    frames = {name: pd.DataFrame({"DV": r.y, "IV1": r.x[:, 1], "IV2": r.x[:, 2], "Group": r.group}) for name, r in DATASETS.items()}
    return ask_r("fit_gee.R", frames)


@pytest.mark.parametrize("working", ["independence", "exchangeable", "ar1"])
def test_geepack(theirs, working):
    if working == "ar1":
        data = jax.tree.map(lambda *leaves: np.stack(leaves), *(row_arrays(r, GROUPS, ROWS) for r in DATASETS.values()))
    else:
        data = batch(list(DATASETS.values()), GROUPS)
    stacked = jax.device_get(GEE(working).fit_batch(data))
    for k, name in enumerate(DATASETS):
        ours, expected = jax.tree.map(lambda leaf, k=k: leaf[k], stacked), theirs[name][working]
        # Both solve the equations to 1e-11 of a correlation; far from zero the condition of X is 1e3, that of its squares 1e6.
        close = dict(rtol=1e-6 if name == "far from zero" else 1e-8, err_msg=name)
        assert ours.converged
        np.testing.assert_allclose(ours.estimate, expected["estimate"], **close)
        np.testing.assert_allclose(ours.std_error, expected["se"], **close)
        size = np.outer(ours.std_error, ours.std_error)
        np.testing.assert_allclose(ours.vcov / size, np.array(expected["vcov"]) / size, rtol=0, atol=close["rtol"], err_msg=name)
        np.testing.assert_allclose(ours.sigma**2, expected["phi"], **close)
        if working != "independence":
            # The exchangeable correlation of three groups can be as small as 1e-3.
            np.testing.assert_allclose(ours.extra["working_correlation"], expected["alpha"][0], atol=1e-9, rtol=close["rtol"])
        p_value = t_table(ours.estimate, ours.std_error, ours.df).p_value
        np.testing.assert_allclose(p_value, expected["p"], rtol=1e-4, atol=1e-15, err_msg=name)  # of relative condition z^2
