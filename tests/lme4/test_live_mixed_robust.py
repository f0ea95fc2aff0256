"""Cluster-robust standard errors of mixed models against clubSandwich on lme4 fits, live, on small and unbalanced datasets."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import batch, make_rows

from jaxsim import LinearMixed
from jaxsim.inference import t_table

pytestmark = pytest.mark.lme4

SIZES = ([5, 9, 3, 12], [8, 4, 12, 6, 15, 10], [3, 7, 14, 5, 2, 9, 6, 18, 11, 1])
# Between-group SDs of 0.3 leave some fits singular.
DATASETS = {f"{len(sizes)} groups, SD {sd}": make_rows(0, sizes, n_fixed=3, group_sd=sd) for sizes in SIZES for sd in (0.3, 2.0)}
SIX = DATASETS["6 groups, SD 2.0"]
# A treatment of groups, far from zero; and a column that lives in one group, so that its part of the working model is singular.
DATASETS["treated groups"] = SIX.but(x=np.column_stack([SIX.x[:, :2], 30.0 + SIX.group % 2]))
DATASETS["a column in one group"] = SIX.but(x=np.column_stack([SIX.x[:, :2], np.where(SIX.group == 2, SIX.x[:, 2], 0.0)]))
GROUPS = 10
FORMULAS = {"DV ~ IV1 + IV2 + (IV1 | Group)": ("Intercept", "IV1"), "DV ~ IV1 + IV2 + (1 | Group)": ("Intercept",)}


def frame_of(rows):
    return pd.DataFrame({"DV": rows.y, "IV1": rows.x[:, 1], "IV2": rows.x[:, 2], "Group": rows.group})


@pytest.fixture(scope="module")
def compared(ask_r):
    """``[(name, convention, ours, theirs)]`` of every model and dataset at whose optimum both arrived."""
    found, frames = [], {name: frame_of(rows) for name, rows in DATASETS.items()}
    for formula, random in FORMULAS.items():
        theirs = ask_r("fit_mixed_robust.R", frames, formula)
        for convention in ("CR0", "CR2"):
            strategy = LinearMixed(random=random, vcov=convention)
            stacked = jax.device_get(strategy.fit_batch(batch(list(DATASETS.values()), GROUPS)))
            for k, name in enumerate(DATASETS):
                ours = jax.tree.map(lambda leaf, k=k: leaf[k], stacked)
                if abs(ours.criterion - theirs[name]["criterion"]) < 1e-6:
                    found.append((f"{formula}: {name}", convention, ours, theirs[name]))
    return found


def test_both_arrive_at_one_optimum(compared):
    assert len(compared) >= 0.8 * 2 * len(DATASETS) * len(FORMULAS)
    assert sum(bool(ours.singular) for _, _, ours, _ in compared) >= 4


def test_variances_and_degrees_of_freedom(compared):
    for name, convention, ours, theirs in compared:
        # lme4's theta, polished by Newton on difference quotients, is good to 1e-9; what follows is in closed form.
        close = dict(rtol=1e-6, err_msg=f"{name}, {convention}")
        expected = theirs[convention]
        std_error = np.array(expected["se"])
        np.testing.assert_allclose(ours.std_error, std_error, **close)
        size = np.outer(std_error, std_error)
        np.testing.assert_allclose(ours.vcov / size, np.array(expected["vcov"]) / size, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(ours.df, expected["df"], **close)
        p_value = t_table(ours.estimate, ours.std_error, ours.df).p_value
        np.testing.assert_allclose(p_value, expected["p"], rtol=1e-4, err_msg=name)  # of relative condition t^2
