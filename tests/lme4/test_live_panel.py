"""Within regressions against plm and clubSandwich, robust second stages against MASS, group means against lme4, live."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import batch, covariance_of, make_rows, with_means

from jaxsim import BetweenWithin, TwoStage, WithinRegression
from jaxsim.inference import t_table

pytestmark = pytest.mark.lme4

SIZES = ([5, 9, 4, 12], [8, 4, 12, 6, 15, 10, 5], [4, 7, 14, 5, 6, 9, 6, 18, 11, 5, 8])
DATASETS = {f"{len(sizes)} groups, SD {sd}": make_rows(7, sizes, n_fixed=3, group_sd=sd) for sizes in SIZES for sd in (0.3, 2.0)}
GROUPS = 11


def frames_of(datasets):
    return {
        name: pd.DataFrame({"DV": r.y, "Group": r.group} | {f"IV{j}": r.x[:, j] for j in range(1, r.x.shape[1])})
        for name, r in datasets.items()
    }


@pytest.fixture(scope="module")
def theirs(ask_r):
    return ask_r("fit_panel.R", frames_of(DATASETS))


def fits(strategy):
    made = jax.device_get(strategy.fit_batch(batch(list(DATASETS.values()), GROUPS)))
    return {name: jax.tree.map(lambda leaf, k=k: leaf[k], made) for k, name in enumerate(DATASETS)}


@pytest.mark.parametrize("vcov", ["iid", "CR0", "CR1", "CR2", "CR3"])
def test_within(theirs, vcov):
    for name, ours in fits(WithinRegression(vcov, df=None if vcov == "iid" else "satterthwaite")).items():
        expected = theirs[name]["within"]
        table = expected if vcov == "iid" else expected["robust"][vcov]
        close = dict(rtol=1e-9, err_msg=name)  # closed forms on rows of size 1, condition below 10
        np.testing.assert_allclose(ours.estimate, expected["estimate"], **close)
        np.testing.assert_allclose(ours.std_error, table["se"], **close)
        np.testing.assert_allclose(ours.df, table["df"], **close)
        if vcov == "iid":
            p_value = t_table(ours.estimate, ours.std_error, ours.df).p_value
            np.testing.assert_allclose(p_value, expected["p"], rtol=1e-6, err_msg=name)  # of relative condition t^2
        if vcov == "CR0":
            np.testing.assert_allclose(ours.std_error, expected["arellano"], **close)


@pytest.mark.parametrize(
    ("strategy", "key", "rtol"),
    [
        (TwoStage(mean="huber"), "huber", 1e-8),  # rlm stops when the residuals change by 1e-7 of their length, acc = 1e-14 squared
        (TwoStage(mean="trimmed"), "trimmed", 1e-9),
        (TwoStage(mean="trimmed", trim=0.1), "less", 1e-9),
    ],
)
def test_robust_means(theirs, strategy, key, rtol):
    for name, ours in fits(strategy).items():
        expected = np.array(theirs[name][key])
        np.testing.assert_allclose(ours.estimate, expected[:, 0], rtol=rtol, err_msg=name)
        np.testing.assert_allclose(ours.std_error, expected[:, 1], rtol=rtol, err_msg=name)


@pytest.mark.parametrize("between", ["contextual", "between"])
def test_group_means_beside_lme4(ask_r, between):
    """lme4 fits the columns that are made by hand; random effects are of the intercept, which has no mean."""
    made = {name: with_means(rows, between == "between") for name, rows in DATASETS.items() if len(rows.members()) > 4}
    theirs = ask_r("fit_lme4.R", frames_of(made), "DV ~ IV1 + IV2 + IV3 + IV4 + (1 | Group)", "REML", "tight")
    ours = fits(BetweenWithin(between=between, random=("Intercept",)))
    for name in made:
        fit, expected = ours[name], theirs[name]
        # lme4's theta, polished, is good to 1e-9; lmerTest's df are of a numerical Hessian.
        assert fit.criterion == pytest.approx(expected["criterion"], abs=1e-6)
        std_error = np.array(expected["fixef"]["se"])
        np.testing.assert_allclose(fit.estimate, expected["fixef"]["estimate"], atol=1e-6 * std_error.max(), rtol=0)
        np.testing.assert_allclose(fit.std_error, std_error, rtol=1e-6)
        np.testing.assert_allclose(fit.df, expected["fixef"]["df"], rtol=1e-3)
        assert covariance_of(fit)[0, 0] == pytest.approx(expected["varcorr"]["cov"][0][0], rel=1e-5, abs=1e-8)
