"""Least squares with cluster-robust variances, on the named conditions, against clubSandwich: stored values, and R itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from asking import STORED
from comparison import CONVENTIONS, beyond, conventions, exists, regression, robust_differences
from conditions import CONDITIONS


@pytest.fixture(scope="module", params=["stored", pytest.param("live", marks=pytest.mark.lme4)])
def results(request):
    """What R says about every condition."""
    if request.param == "stored":
        return json.loads(STORED.read_text())["results"]
    rows = {name: condition.for_r(method="none") for name, condition in CONDITIONS.items()}
    return request.getfixturevalue("ask_r")("fit_conditions.R", rows)


@pytest.mark.parametrize("name", CONDITIONS)
def test_lm(results, name):
    """Standard errors, degrees of freedom and p values."""
    found = {kind: robust_differences(name, kind, results) for kind in conventions(CONDITIONS[name])}
    assert {kind: beyond(differences) for kind, differences in found.items() if beyond(differences)} == {}


def test_what_clubsandwich_cannot_compute(results):
    """CR3 where a column lives in one cluster: ours leaves out what the cluster alone determines, as CR2 of both does."""
    lacking = {
        (name, kind)
        for name, condition in CONDITIONS.items()
        for kind in set(conventions(condition)) & set(CONVENTIONS)
        if not exists(results[name]["least_squares"]["robust"][kind])
    }
    assert lacking == {("treatment in one group", "CR3"), ("a column in one group", "CR3")}
    for name, kind in lacking:
        fit = regression(name, kind)
        assert fit.status == "ok"
        assert np.isfinite(fit.table["std_error"]).all()
