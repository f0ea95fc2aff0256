"""Kenward-Roger inference against pbkrtest, live, on small and unbalanced simulated datasets."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import batch, make_rows

import jaxsim
from jaxsim import LinearMixed
from jaxsim.inference import t_table

pytestmark = pytest.mark.lme4

SIZES = ([5, 9, 3, 12], [8, 4, 12, 6, 15, 10], [3, 7, 14, 5, 2, 9, 6, 18, 11, 5])
# Between-group SDs of 0.3 leave some fits singular.
DATASETS = {f"{len(sizes)} groups, SD {sd}": make_rows(0, sizes, n_fixed=3, group_sd=sd) for sizes in SIZES for sd in (0.3, 2.0)}
GROUPS = 10
STRATEGIES = {
    "": LinearMixed(df="kenward-roger"),
    "DV ~ IV1 + IV2 + (IV1 || Group)": LinearMixed(random=("Intercept", "IV1"), covariance="diagonal", df="kenward-roger"),
    "DV ~ IV1 + IV2 + (1 | Group)": LinearMixed(random=("Intercept",), df="kenward-roger"),
}


def frame_of(rows):
    return pd.DataFrame({"DV": rows.y, "IV1": rows.x[:, 1], "IV2": rows.x[:, 2], "Group": rows.group})


@pytest.fixture(scope="module")
def compared(ask_r):
    """``[(name, ours, theirs)]`` of every model and dataset at whose optimum both arrived."""
    pairs, frames = [], {name: frame_of(rows) for name, rows in DATASETS.items()}
    for formula, strategy in STRATEGIES.items():
        theirs = ask_r("fit_lme4.R", frames, formula, "REML", "tight", "KR")
        stacked = jax.device_get(strategy.fit_batch(batch(list(DATASETS.values()), GROUPS)))
        for k, name in enumerate(DATASETS):
            ours = jax.tree.map(lambda leaf, k=k: leaf[k], stacked)
            if abs(ours.criterion - theirs[name]["criterion"]) < 1e-6:
                pairs.append((f"{formula or 'maximal'}: {name}", ours, theirs[name]))
    return pairs


def test_both_arrive_at_one_optimum(compared):
    assert len(compared) >= 0.8 * len(DATASETS) * len(STRATEGIES)
    assert sum(not ours.singular for _, ours, _ in compared) >= 9
    assert sum(bool(ours.singular) for _, ours, _ in compared) >= 4


def test_standard_errors_and_degrees_of_freedom(compared):
    for name, ours, theirs in compared:
        # lme4's theta, polished by Newton on difference quotients, is good to 1e-9; closed forms follow it.
        rtol = 1e-7
        close = dict(rtol=rtol, err_msg=name)
        expected = theirs["kenward_roger"]
        std_error = np.array(expected["se"])
        np.testing.assert_allclose(ours.std_error, std_error, **close)
        np.testing.assert_allclose(ours.df, expected["df"], **close)
        np.testing.assert_allclose(
            ours.vcov / np.outer(std_error, std_error), expected["vcov"] / np.outer(std_error, std_error), atol=rtol
        )
        p_value = t_table(ours.estimate, ours.std_error, ours.df).p_value
        np.testing.assert_allclose(p_value, expected["p"], rtol=100 * rtol, err_msg=name)  # of relative condition t^2


def test_a_contrast_has_degrees_of_freedom_of_its_own(compared):
    """The prediction at IV1 = IV2 = 1 is the intercept of the model whose predictors are counted from there."""
    theirs = {name: entry for name, _, entry in compared}
    formula = "DV ~ IV1 + IV2 + (1 | Group)"
    checked = 0
    for name, rows in DATASETS.items():
        entry = theirs.get(f"{formula}: {name}")
        if entry is None or entry["singular"]:
            continue
        checked += 1
        fit = jaxsim.lmer(formula, frame_of(rows.but(x=rows.x - [0.0, 1.0, 1.0])), df="kenward-roger")
        assert fit.table["df"][0] == pytest.approx(entry["kenward_roger"]["contrast_df"], rel=1e-7), name  # as above
    assert checked >= 2
