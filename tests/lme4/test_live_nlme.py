"""Mixed models with structured residuals against nlme, live, on small and unbalanced datasets.

nlme differentiates numerically and stops early, so it is run at tight tolerances with both of its optimisers, and its criterion is
compared one-sided: ours may be lower.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import Rows, covariance_of, row_arrays

from jaxsim import AutoregressiveMixed, HeteroscedasticMixed

pytestmark = pytest.mark.lme4


def made(seed, groups, size, rho, group_sd, ratio):
    """Unequal groups, intercepts and slopes that vary, residuals with a serial correlation and a larger SD in one arm."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(max(size - 3, 2), size + 4, groups)
    group = np.repeat(np.arange(groups), sizes)
    n = len(group)
    day = np.concatenate([np.sort(rng.uniform(0, 2 * k, k)) for k in sizes])
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2)), np.arange(n) % 2, day])
    e = rng.normal(size=n)
    for t in range(1, n):
        if group[t] == group[t - 1]:
            e[t] = rho * e[t - 1] + np.sqrt(1 - rho**2) * e[t]
    own = group_sd * rng.normal(size=(groups, 2))[group] * [1.0, 0.3]
    return Rows(x, x[:, :3] @ [1, 0.5, -0.3] + (own * x[:, :2]).sum(1) + e * np.where(x[:, 3] > 0, ratio, 1.0), group)


DATASETS = {
    "ten groups": made(0, 10, 12, 0.6, 1.0, 1.0),
    "small groups": made(1, 20, 6, 0.3, 0.5, 1.0),
    "negative correlation": made(2, 8, 25, -0.4, 0.3, 1.0),
    "no correlation": made(3, 12, 10, 0.0, 1.0, 2.0),
    "no group variance": made(4, 30, 5, 0.5, 0.0, 0.5),
    "strong correlation": made(5, 15, 15, 0.8, 1.0, 1.5),
}
GROUPS, ROWS = 32, 240
COLUMNS = ("Intercept", "IV1", "IV2", "arm", "day")
STRATEGIES = {
    "ar1_intercept": AutoregressiveMixed(random=("Intercept",)),
    "ar1_slope": AutoregressiveMixed(random=("Intercept", "IV1"), covariance="diagonal"),
    "car1": AutoregressiveMixed(random=("Intercept",), time="day"),
    "ident": HeteroscedasticMixed(random=("Intercept",), variance=("arm",)),
    "exp": HeteroscedasticMixed(random=("Intercept",), variance=("IV1",)),
}


@pytest.fixture(scope="module")
def compared(ask_r):
    """``[(name, ours, theirs)]`` of every model, criterion and dataset."""
    frames = {
        name: pd.DataFrame(dict(zip(COLUMNS[1:], r.x.T[1:], strict=True)) | {"DV": r.y, "Group": r.group})
        for name, r in DATASETS.items()
    }
    theirs, found = ask_r("fit_nlme.R", frames), []
    named = [
        dataclasses.replace(row_arrays(r, GROUPS, ROWS), columns=COLUMNS, fixed=("Intercept", "IV1", "IV2"))
        for r in DATASETS.values()
    ]
    data = jax.tree.map(lambda *leaves: np.stack(leaves), *named)
    for model, strategy in STRATEGIES.items():
        for method in ("REML", "ML") if model in ("ar1_intercept", "ident") else ("REML",):
            fits = jax.device_get(dataclasses.replace(strategy, reml=method == "REML").fit_batch(data))
            for k, name in enumerate(DATASETS):
                ours = jax.tree.map(lambda leaf, k=k: leaf[k], fits)
                found.append((f"{model}, {method}: {name}", ours, theirs[name][model][method]))
    return found


def test_our_criterion_is_never_higher(compared):
    """1e-6 deviance units, as of lme4."""
    assert [name for name, _, theirs in compared if "error" in theirs] == []
    assert {n: o.criterion - t["criterion"] for n, o, t in compared if o.criterion > t["criterion"] + 1e-6} == {}
    assert all(ours.converged for _, ours, _ in compared)
    assert np.mean([abs(ours.criterion - theirs["criterion"]) < 1e-6 for _, ours, theirs in compared]) > 0.9


def test_fits_agree(compared):
    for name, ours, theirs in compared:
        if abs(ours.criterion - theirs["criterion"]) > 1e-6:
            continue
        # nlme stops when the criterion changes by 1e-12 or so: where it bends little, as in a correlation near zero, variances are
        # good to 1e-5, estimates to that of a standard error.
        std_error = np.array(theirs["se"])
        np.testing.assert_allclose(ours.estimate, theirs["estimate"], rtol=0, atol=1e-5 * std_error.max(), err_msg=name)
        np.testing.assert_allclose(ours.std_error, std_error, rtol=2e-5, err_msg=name)
        assert ours.sigma == pytest.approx(theirs["sigma"], rel=2e-5), name
        covariance = np.array(theirs["covariance"])
        np.testing.assert_allclose(covariance_of(ours), covariance, rtol=0, atol=5e-5 * (covariance.max() + ours.sigma**2))
        (parameter,) = ours.extra.values()
        if name.startswith("car1") and parameter < 1e-3:
            continue  # nlme is on its way to zero, where the criterion is flat
        assert parameter == pytest.approx(theirs["parameter"], abs=2e-5), name
