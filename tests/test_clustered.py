"""Strategies of one grouping factor on data with two: which factor it is, and what is said of one that is not there."""

from __future__ import annotations

import jax
import numpy as np
import oracle
import pytest
from crossed_rows import Experiment, crossed, fits

import jaxsim
from jaxsim import GEE, ClusterRobust, Grid, InputError, PooledOLS, Study, TwoStage
from jaxsim.data.context import Context
from jaxsim.seeding import group_keys

# Every predictor varies within subjects and within items, so that each of either has a regression of its own.
DATASETS = [
    rows.but(x=rows.x[:, :2], columns=rows.columns[:2])
    for rows in (crossed(1, missing=0.1), crossed(2, subjects=6, items=11, sd=0.3), crossed(3, repeats=2, items=4))
]


@pytest.mark.parametrize("factor", ["subject", "item", None])
@pytest.mark.parametrize(
    ("kind", "options", "dense"),
    [
        (ClusterRobust, {}, lambda rows: oracle.cluster_robust(rows, "CR1S")),
        (ClusterRobust, {"vcov": "CR2"}, lambda rows: oracle.cluster_robust(rows, "CR2")),
        (TwoStage, {}, oracle.two_stage),
        (GEE, {"working": "exchangeable"}, lambda rows: oracle.gee(rows, "exchangeable")),
    ],
    ids=["CR1S", "CR2", "two stages", "GEE"],
)
def test_the_factor_that_is_named(factor, kind, options, dense):
    for rows, fit in zip(DATASETS, fits(kind(**options, cluster=factor), DATASETS), strict=True):
        expected = dense(rows.by(factor or "subject"))
        assert fit.status == 0
        # Cross-products of a condition below 5 keep eleven digits; the correlation of a GEE is settled to 1e-11.
        np.testing.assert_allclose(fit.estimate, expected.beta, rtol=1e-9)
        np.testing.assert_allclose(fit.std_error, np.sqrt(np.diagonal(expected.vcov)), rtol=1e-9)
        np.testing.assert_allclose(fit.df, expected.df, rtol=1e-9)


def test_the_bootstrap_multiplies_by_items():
    """As it is of data whose first factor are the items."""
    keys = group_keys(jax.random.key(1, impl="threefry2x32"), 8)
    swapped = [rows.but(levels=rows.levels[:, ::-1], factors=("item", "subject")) for rows in DATASETS]
    context = Context(keys, 0.9)
    ours = fits(ClusterRobust(inference="wild", draws=199, cluster="item"), DATASETS, context)
    theirs = fits(ClusterRobust(inference="wild", draws=199), swapped, context)
    by_subject = fits(ClusterRobust(inference="wild", draws=199), DATASETS, context)
    for own, expected, other in zip(ours, theirs, by_subject, strict=True):
        np.testing.assert_array_equal(own.p_value, expected.p_value)
        np.testing.assert_allclose(own.conf_low, expected.conf_low, rtol=1e-9)  # sums over cells in another order
        assert not np.allclose(own.conf_low, other.conf_low)


def test_words():
    names = Experiment().names
    with pytest.raises(
        InputError, match=r"'lm': cluster='items' is not a grouping factor .* Did you mean 'item'\? It has subject, item"
    ):
        ClusterRobust(cluster="items").check(names)
    with pytest.raises(InputError, match=r"'lm2': cluster='Group' is not a grouping factor .* it has subject, item\.$"):
        TwoStage(cluster="Group").check(names)
    with pytest.raises(InputError, match=r"cluster=\('subject', 'item'\)\): give the name of one .* MultiwayCluster takes several"):
        ClusterRobust(cluster=("subject", "item"))
    with pytest.raises(InputError, match=r"cluster=3\): give the name"):
        GEE(cluster=3)
    GEE(cluster="item").check(names)


def test_a_study_by_subjects_and_by_items(tmp_path):
    """What is stored is what a fit of the dataset gives, whichever factor the strategy uses; the factor is part of the study."""
    strategies = (
        ClusterRobust(label="by subject"),
        ClusterRobust(label="by item", cluster="item"),
        TwoStage(label="items", cluster="item", formula="DV ~ within"),
        PooledOLS(),
    )
    study = Study(Experiment(), Grid(item_sd=[0.0, 1.0]), strategies, replicates=3, seed=2, group_coefficients=True)
    again = Study.from_json(study.to_json())
    assert again.estimators == study.estimators
    results = study.run(tmp_path / "out", progress=False)
    assert (results.fits["status"] == "ok").all()
    frame = study.dataset(1, 2)
    for model, cluster in (("by subject", "subject"), ("by item", "item")):
        stored = results.estimates.query(f"cell == 1 and replicate == 2 and model == {model!r}")
        fit = jaxsim.lm("DV ~ within + between", frame, cluster=cluster)
        np.testing.assert_allclose(stored["std_error"], fit.table["std_error"], rtol=1e-9)
    own = jaxsim.lm2("DV ~ within", frame, group="item")
    stored = results.estimates.query("cell == 1 and replicate == 2 and model == 'items'")
    np.testing.assert_allclose(stored["std_error"], own.table["std_error"], rtol=1e-9)
    # Of the coefficients of items the process tells nothing.
    told = results.estimates.groupby("model")["group_mse"].count()
    assert (told["items"], told["by item"], told["by subject"]) == (0, 0, 2 * 3 * 3)
