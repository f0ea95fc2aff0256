"""Analyses by subjects and by items against R's aov, multi-way clustered least squares against sandwich, live."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crossed_rows import CELLS, crossed, fits

from jaxsim import F1F2, Aggregated, MinF, MultiwayCluster
from jaxsim.inference import f_tail

pytestmark = pytest.mark.lme4

BALANCED = {f"{s} x {i}, SD {sd}": crossed(9, s, i, sd) for s, i in ((8, 6), (15, 4), (5, 12)) for sd in (0.2, 2.0)}
UNBALANCED = {f"{missing} missing": crossed(3, 12, 10, missing=missing) for missing in (0.1, 0.5)}
DATASETS = {name: data.but(counts=(16, 16)) for name, data in {**BALANCED, **UNBALANCED}.items()}
CELLS_OF_ALL = 2 * CELLS


def labs(rows):
    return np.random.default_rng(len(rows.y)).integers(5, size=len(rows.y))


def with_interaction(rows):
    x = np.column_stack([rows.x, rows.x[:, 1] * rows.x[:, 2]])
    return rows.but(x=x, columns=(*rows.columns, "within:between"))


@pytest.fixture(scope="module")
def theirs(ask_r):
    frames = {
        name: pd.DataFrame(
            {"DV": r.y, "Group": r.levels[:, 0], "item": r.levels[:, 1], "lab": labs(r), "within": r.x[:, 1], "between": r.x[:, 2]}
        )
        for name, r in DATASETS.items()
    }
    return ask_r("fit_crossed.R", frames)


@pytest.mark.parametrize("ways", ["two", "three"])
@pytest.mark.parametrize("vcov", ["CR0", "CR1", "CR1S", "CR2"])
def test_sandwich(theirs, vcov, ways):
    datasets = list(DATASETS.values())
    if ways == "three":
        datasets = [
            r.but(levels=np.column_stack([r.levels, labs(r)]), factors=(*r.factors, "lab"), counts=(16, 16, 8)) for r in datasets
        ]
    for name, fit in zip(DATASETS, fits(MultiwayCluster(vcov), datasets, cells=CELLS_OF_ALL), strict=True):
        expected = np.array(theirs[name]["clustered"][ways][vcov])
        size = np.sqrt(np.diagonal(expected))
        # Closed forms on rows of size 1, terms a few times as large as their difference.
        np.testing.assert_allclose(fit.vcov / np.outer(size, size), expected / np.outer(size, size), atol=1e-8, err_msg=name)


@pytest.mark.parametrize("model", ["full", "additive"])
@pytest.mark.parametrize("unit", ["subject", "item"])
def test_analysis_of_variance(theirs, unit, model):
    datasets = [with_interaction(rows) if model == "full" else rows for rows in BALANCED.values()]
    for name, rows, fit in zip(BALANCED, datasets, fits(Aggregated(cluster=unit), datasets), strict=True):
        for effect, (f, df, _) in theirs[name][model][unit].items():
            at = rows.columns.index(effect)
            assert (fit.estimate[at] / fit.std_error[at]) ** 2 == pytest.approx(f, rel=1e-8), (
                name,
                effect,
            )  # t^2 by sums of squares
            assert fit.df[at] == df


@pytest.mark.parametrize("model", ["full", "additive"])
def test_min_f_and_the_criterion(theirs, model):
    datasets = [with_interaction(rows) if model == "full" else rows for rows in BALANCED.values()]
    joined = zip(BALANCED, datasets, fits(MinF(), datasets), fits(F1F2(), datasets), strict=True)
    for name, rows, fit, criterion in joined:
        expected = theirs[name][model]
        for effect, (f, df, p) in expected["min_f"].items():
            at = rows.columns.index(effect)
            assert fit.p_value[at] == pytest.approx(p, rel=1e-7), (name, effect)  # as t^2, times the number of SE
            assert fit.df[at] == pytest.approx(df, rel=1e-8)
            assert (fit.estimate[at] / fit.std_error[at]) ** 2 == pytest.approx(f, rel=1e-8)
            assert f_tail(f, 1, df) == pytest.approx(p, rel=1e-9)
            both = [expected[unit][effect] for unit in ("subject", "item")]
            assert [fit.extra["f1"][at], fit.extra["f2"][at]] == pytest.approx([one[0] for one in both], rel=1e-8)
            assert criterion.p_value[at] == pytest.approx(max(one[2] for one in both), rel=1e-7)
