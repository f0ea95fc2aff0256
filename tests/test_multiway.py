"""Multi-way clustered least squares in batches, against N x N computations, one-way oracles of each term, and :func:`jaxsim.lm`."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import oracle
import pytest
from crossed_rows import CELLS, Experiment, crossed, fits

import jaxsim
from jaxsim import Grid, InputError, MultiwayCluster, Study
from jaxsim.status import Status

REFERENCE = json.loads((Path(__file__).parent / "reference" / "multiway.json").read_text())


def with_labs(rows, labs=4):
    """A third factor, crossed with both."""
    lab = np.random.default_rng(len(rows.y)).integers(labs, size=len(rows.y))
    levels = np.column_stack([rows.levels, lab])
    return rows.but(levels=levels, factors=(*rows.factors, "lab"), counts=(*rows.counts, 8))


DATASETS = [crossed(1), crossed(2, subjects=12, items=4, missing=0.3), crossed(3, sd=0.2, missing=0.1), crossed(4, lists=True)]
THREE = [with_labs(rows) for rows in DATASETS]
BOTH, ALL = ("subject", "item"), ("subject", "item", "lab")
OF = {BOTH: DATASETS, ALL: THREE}


def made(strategy, factors):
    """Datasets of these factors with their fits."""
    return zip(OF[factors], fits(strategy, OF[factors], cells=CELLS if factors == BOTH else 2 * CELLS), strict=True)


def subsets(factors):
    return [s for order in range(1, len(factors) + 1) for s in itertools.combinations(factors, order)]


def difference(rows, factors, vcov, groups="each"):
    """The sum over subsets of dense one-way variances, before any repair, and the smallest number of groups of a factor."""
    fewest = min(len(rows.by(factor).members()) for factor in factors)
    total = np.zeros((rows.x.shape[1],) * 2)
    for subset in subsets(factors):
        one = rows.by(*subset)
        found = oracle.cluster_robust(one, "CR0" if groups == "min" else vcov).vcov
        if groups == "min":
            n, p = rows.x.shape
            found = found * {"CR1": 1.0, "CR1S": (n - 1) / (n - p)}[vcov] * fewest / (fewest - 1)
        total += (-1) ** (len(subset) + 1) * found
    return total, fewest


def repaired(matrix):
    """Without eigenvalues below zero."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def assert_vcov(fit, expected):
    size = np.sqrt(np.diagonal(expected))
    # Cross-products keep eleven digits at these conditions, of terms that are a few times as large as their difference.
    np.testing.assert_allclose(fit.vcov / np.outer(size, size), expected / np.outer(size, size), atol=1e-9)
    np.testing.assert_allclose(fit.std_error, size, rtol=1e-9)


@pytest.mark.parametrize(
    ("vcov", "groups"), [("CR0", "each"), ("CR1", "each"), ("CR1S", "each"), ("CR2", "each"), ("CR1", "min"), ("CR1S", "min")]
)
@pytest.mark.parametrize("factors", [BOTH, ALL], ids=["two", "three"])
def test_terms_of_one_way_each(factors, vcov, groups):
    for rows, fit in made(MultiwayCluster(vcov, groups=groups), factors):
        expected, fewest = difference(rows, factors, vcov, groups)
        smallest = np.linalg.eigvalsh(expected).min()
        assert fit.status == Status.OK
        assert fit.extra["repaired"] == (smallest < 0)
        assert_vcov(fit, repaired(expected) if smallest < 0 else expected)
        assert (fit.df == fewest - 1).all()
        plain = oracle.ols(rows.by("subject"))
        np.testing.assert_allclose(fit.estimate, plain.beta, rtol=1e-10)
        np.testing.assert_allclose([fit.sigma, fit.criterion], [plain.sigma, plain.criterion], rtol=1e-10)


@pytest.mark.parametrize("factors", [BOTH, ALL], ids=["two", "three"])
def test_rows_that_share_a_level_of_any_factor(factors):
    """CR0: the products of residuals of such rows, in the N x N matrix."""
    for rows, fit in made(MultiwayCluster("CR0"), factors):
        half = np.linalg.pinv(rows.x)
        residual = rows.y - rows.x @ (half @ rows.y)
        share = (rows.levels[:, None] == rows.levels[None]).any(-1)
        expected = half @ (np.outer(residual, residual) * share) @ half.T
        assert_vcov(fit, repaired(expected) if fit.extra["repaired"] else expected)


@pytest.mark.parametrize("chosen", [("lab", "item"), ["item", "subject"]])
def test_some_of_the_factors_in_any_order(chosen):
    """Cells of two of three factors are found among those of all."""
    for rows, fit in made(MultiwayCluster("CR1", cluster=chosen), ALL):
        expected, fewest = difference(rows, tuple(chosen), "CR1")
        assert_vcov(fit, repaired(expected) if fit.extra["repaired"] else expected)
        assert (fit.df == fewest - 1).all()


def test_a_repair():
    """Of some small datasets the differences have negative eigenvalues: what is left has none, and the fit says so."""
    datasets = [crossed(seed, subjects=5, items=4, sd=0.0, missing=0.4) for seed in range(48)]
    expected = [difference(rows, BOTH, "CR0")[0] for rows in datasets]
    negative = [np.linalg.eigvalsh(matrix).min() < 0 for matrix in expected]
    assert 3 < sum(negative) < 45
    for fit, matrix, was in zip(fits(MultiwayCluster("CR0"), datasets), expected, negative, strict=True):
        if fit.status == Status.OK:
            assert fit.extra["repaired"] == was
            assert_vcov(fit, repaired(matrix) if was else matrix)
            assert np.linalg.eigvalsh(fit.vcov).min() >= -1e-12 * np.trace(fit.vcov)
        else:
            assert fit.status == Status.ZERO_VARIANCE
            assert np.diagonal(repaired(matrix)).min() < 1e-12 * np.abs(matrix).max()


@pytest.mark.parametrize("groups", ["each", "min"])
@pytest.mark.parametrize("name", REFERENCE["results"])
def test_pyfixest(name, groups):
    entry = REFERENCE["results"][name]
    data = {key: np.array(values) for key, values in REFERENCE["data"].items()}
    factors = tuple(entry["cluster"])
    rows = crossed(1).but(
        x=np.column_stack([np.ones(len(data["y"])), data["x"], data["z"]]), y=data["y"], columns=("Intercept", "x", "z"),
        levels=np.column_stack([data[factor] for factor in factors]), factors=factors, counts=(16,) * len(factors),
    )  # fmt: skip
    (fit,) = fits(MultiwayCluster(groups=groups), [rows])
    np.testing.assert_allclose(fit.estimate, entry[groups]["estimate"], rtol=1e-9)
    np.testing.assert_allclose(fit.std_error, entry[groups]["std_error"], rtol=1e-9)


def test_a_study_and_a_frame_agree(tmp_path):
    """What is stored, by another way to the same numbers: :func:`jaxsim.lm` of the rows."""
    strategies = (MultiwayCluster(), MultiwayCluster("CR0", "normal", df="normal", formula="DV ~ within"))
    results = Study(Experiment(), Grid(item_sd=[0.0, 1.0]), strategies, replicates=3, seed=2).run(tmp_path / "out", progress=False)
    assert results.fits["repaired"].dtype == bool
    frame = results.study.dataset(1, 2)
    for model, formula, options in (
        ("multiway", "DV ~ within + between", {}),
        ("normal", "DV ~ within", dict(vcov="CR0", df="normal")),
    ):
        stored = results.estimates.query(f"cell == 1 and replicate == 2 and model == {model!r}")
        fit = jaxsim.lm(formula, frame, cluster=["subject", "item"], **options)
        for column in ("estimate", "std_error", "p_value", "conf_low"):
            np.testing.assert_allclose(stored[column], fit.table[column], rtol=1e-9)


class TestDeficient:
    """A status instead of numbers."""

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            (lambda rows: rows.but(levels=rows.levels * [1, 0]), Status.TOO_FEW_GROUPS),
            (lambda rows: rows.but(levels=rows.levels * [0, 1]), Status.TOO_FEW_GROUPS),
            (lambda rows: rows.but(x=rows.x * [1, 0, 1]), Status.RANK_DEFICIENT),
            (lambda rows: rows.but(x=np.column_stack([rows.x[:, :2], np.full(len(rows.y), 3.0)])), Status.RANK_DEFICIENT),
            (lambda rows: rows.but(x=rows.x[:3], y=rows.y[:3], levels=rows.levels[[0, 20, 40]]), Status.TOO_FEW_ROWS),
            (lambda rows: rows.but(y=rows.x @ [1.0, 2.0, 3.0]), Status.ZERO_RESIDUAL),
            (lambda rows: rows.but(y=np.where(np.arange(len(rows.y)) == 3, np.nan, rows.y)), Status.NON_FINITE),
        ],
        ids=["one item", "one subject", "zeros", "constant", "rows", "exact", "nan"],
    )
    @pytest.mark.parametrize("vcov", ["CR1S", "CR2"])
    def test_statuses(self, change, status, vcov):
        good, bad = fits(MultiwayCluster(vcov), [DATASETS[0], change(DATASETS[0])])
        assert good.status == Status.OK
        assert bad.status == status
        assert np.isnan(bad.std_error).all()
        assert not bad.extra["repaired"]


def test_words():
    with pytest.raises(InputError, match=r"'multiway' needs two grouping factors.*the process has Group\. Use ClusterRobust\(\)"):
        Study(jaxsim.GaussianMultilevel(), Grid(), (MultiwayCluster(),), 1)
    with pytest.raises(InputError, match=r"cluster='items' is not a grouping factor .* Did you mean 'item'\?"):
        MultiwayCluster(cluster=("subject", "items")).check(Experiment().names)
    for wrong in (("subject",), ("item", "item"), (), ("subject", "item", "subject")):
        with pytest.raises(InputError, match="give at least two different grouping factors"):
            MultiwayCluster(cluster=wrong)
    for wrong in ("subject", 3, ("subject", 3)):
        with pytest.raises(InputError, match="give a tuple of names"):
            MultiwayCluster(cluster=wrong)
    for options in (dict(vcov="CR3"), dict(groups="most"), dict(df="satterthwaite")):
        with pytest.raises(InputError, match=r"is not known.* [uU]se one of"):
            MultiwayCluster(**options)
    listed = MultiwayCluster(cluster=["subject", "item"])
    assert listed == MultiwayCluster(cluster=BOTH)
    assert hash(listed) == hash(dataclasses.replace(listed))
