"""The Gaussian multilevel process: two samplers with one law, closed-form moments, rows that are the data that were fitted."""

import drawn
import jax
import numpy as np
import pytest
from scipy import stats

from jaxsim import GaussianMultilevel, Grid, InputError, Normal, PoissonSizes, PooledOLS, Study, Uniform, UniformSizes
from jaxsim.data.cross_products import from_rows
from jaxsim.processes import direct
from jaxsim.seeding import content_words, replicate_key

WORDS = content_words("test")


def draws(process, count, padded=8):
    """``count`` datasets of a process: truths and cross-products with a leading batch axis."""
    return drawn.draws(process, jax.vmap(lambda replicate: replicate_key(5, WORDS, replicate))(np.arange(count)), padded)


CONDITIONS = {
    "plain": dict(n_groups=3, n_obs=7, group_sd=0.8, n_predictors=2, fixed_effects=(0.5, -1.0, 2.0)),
    "smaller_than_columns": dict(n_groups=4, n_obs=(1, 2, 3, 9), group_sd=1.0, n_predictors=2, fixed_effects=(0.0, 1.0, 0.0)),
    "correlated": dict(
        n_groups=3, n_obs=6, group_sd=(1.0, 2.0, 0.5), n_predictors=2, correlation=0.4, fixed_effects=Uniform(0, 1), residual_sd=0.5
    ),
    "between": dict(
        n_groups=4, n_obs=(2, 5, 7, 3), group_sd=(1.0, 0.5), n_predictors=2, n_between=1, correlation=0.4, fixed_effects=(0.5, 1, 3)
    ),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_both_samplers_have_one_law(name):
    """Every entry of a group's cross-product has the same distribution on both paths (two-sample Kolmogorov-Smirnov).

    So have combinations of all entries of all groups, which a dependence between entries or groups would change.
    """
    size = 4000
    direct = draws(GaussianMultilevel(**CONDITIONS[name]), size).data.products
    rows = draws(GaussianMultilevel(**CONDITIONS[name], sampler="rows"), size).data.products
    p_values = []
    for group in range(CONDITIONS[name]["n_groups"]):
        for i in range(4):
            for j in range(i + 1):
                a, b = direct[:, group, i, j], rows[:, group, i, j]
                if np.ptp(a) > 1e-9:
                    p_values.append(stats.ks_2samp(a, b).pvalue)
                else:
                    np.testing.assert_allclose(a, b, rtol=1e-12)  # the number of rows: not random
    flat = [np.asarray(a)[:, : CONDITIONS[name]["n_groups"]].reshape(size, -1) for a in (direct, rows)]
    spread = flat[1].std(0)
    scaled = [(a - flat[1].mean(0)) / np.where(spread > 1e-9, spread, np.inf) for a in flat]
    weights = np.random.default_rng(0).normal(size=(flat[0].shape[1], 40))
    p_values += [stats.ks_2samp(a, b).pvalue for a, b in zip((scaled[0] @ weights).T, (scaled[1] @ weights).T, strict=True)]
    # Holm's first step at level 0.001 over all of them: a seeded test that a wrong law fails by many orders of magnitude.
    assert min(p_values) > 0.001 / len(p_values)


@pytest.mark.parametrize("sampler", ["cross_products", "rows"])
def test_moments_are_the_closed_forms(sampler):
    """E[K] of a group with n rows: X'X = n I, X'y = n beta, y'y = n (beta'beta + tr Sigma + residual variance)."""
    beta, sd, residual, n = np.array([0.5, -1.0, 2.0]), np.array([1.0, 2.0, 0.5]), 0.7, 9
    process = GaussianMultilevel(
        n_groups=6, n_obs=n, group_sd=tuple(sd), n_predictors=2, fixed_effects=tuple(beta), residual_sd=residual, sampler=sampler
    )
    products = draws(process, 6000).data.products[:, :6].reshape(-1, 4, 4)
    expected = np.zeros((4, 4))
    expected[:3, :3] = n * np.eye(3)
    expected[:3, 3] = expected[3, :3] = n * beta
    expected[3, 3] = n * (beta @ beta + (sd**2).sum() + residual**2)
    error = products.std(0) / np.sqrt(len(products))
    # 16 entries, 5 Monte Carlo standard errors: one false alarm in 100,000 seeds.
    assert (np.abs(products.mean(0) - expected) <= 5 * error + 1e-9).all()


def test_group_coefficients_have_the_covariance_asked_for():
    sd, r = np.array([1.0, 2.0]), 0.6
    process = GaussianMultilevel(
        n_groups=2000, n_obs=2, group_sd=tuple(sd), n_predictors=1, correlation=r, fixed_effects=(1.0, -1.0)
    )
    frame = process.rows(replicate_key(0, WORDS, 0))
    b = np.array(frame.attrs["truth"]["group_coefficients"])
    expected = np.array([[1.0, r * 2], [r * 2, 4.0]])
    # Standard error of each entry of a sample covariance; five of them.
    error = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / 2000)
    assert (abs(np.cov(b.T) - expected) < 5 * error).all()
    np.testing.assert_allclose(b.mean(0), [1.0, -1.0], atol=5 * 2 / np.sqrt(2000))


@pytest.mark.parametrize("n_obs", [25, (2, 5, 40), PoissonSizes(12.0, minimum=3), UniformSizes(1, 9)])
@pytest.mark.parametrize("sampler", ["cross_products", "rows"])
def test_rows_have_the_cross_products_that_were_fitted(n_obs, sampler):
    process = GaussianMultilevel(n_groups=3, n_obs=n_obs, sampler=sampler)
    study = Study(process, Grid(), PooledOLS(), 1, seed=2)
    frame = study.dataset(0, 4)
    key = replicate_key(2, study.cells[0].words, 4)
    truth, data = drawn.draw(process, key)
    x = np.column_stack([np.ones(len(frame)), frame[["IV1", "IV2", "IV3"]]])
    made = from_rows(x, frame["DV"].to_numpy(), frame["Group"].to_numpy() - 1, process.terms)
    # Rounding of sums of at most 40 products of numbers of size 10.
    np.testing.assert_allclose(np.asarray(data.products)[:3], np.asarray(made.products), atol=1e-11)
    assert np.asarray(data.sizes).tolist() == [*np.asarray(made.sizes), 0, 0, 0, 0, 0]
    assert list(frame.attrs["truth"]["fixed_effects"].values()) == pytest.approx(np.asarray(truth.fixed).tolist(), abs=0)


def test_completed_rows_are_independent_standard_normal():
    """The completion is uniform over the rows a factor allows: single rows are again N(0, 1) and uncorrelated."""
    process = GaussianMultilevel(n_groups=400, n_obs=6, group_sd=0.0, n_predictors=2, fixed_effects=(0.0, 0.0, 0.0))
    frame = process.rows(replicate_key(1, WORDS, 0))
    values = frame[["IV1", "IV2", "DV"]].to_numpy().reshape(400, 6, 3)
    first = values[:, 0]
    assert min(stats.kstest(first[:, j], "norm").pvalue for j in range(3)) > 1e-3
    between = np.corrcoef(values[:, 0].ravel(), values[:, 3].ravel())[0, 1]
    assert abs(between) < 4 / np.sqrt(1200)  # four standard errors of a correlation of 1200 pairs


@pytest.mark.usefixtures("optimised_here")
def test_padding_does_not_change_a_dataset():
    process = GaussianMultilevel(n_groups=5, n_obs=PoissonSizes(9.0))
    a, b = draws(process, 3, padded=8).data, draws(process, 3, padded=32).data
    np.testing.assert_array_equal(a.products[:, :5], b.products[:, :5])
    assert not b.products[:, 5:].any()
    assert not b.sizes[:, 5:].any()


def test_sizes_follow_their_distribution():
    sizes = draws(GaussianMultilevel(n_groups=8, n_obs=PoissonSizes(10.0, minimum=2)), 2000).data.sizes.ravel()
    assert sizes.min() >= 2
    counts = np.bincount(sizes - 2, minlength=30)[:18]
    expected = stats.poisson(8.0).pmf(np.arange(18))
    # A seeded goodness-of-fit test at level 0.001.
    assert stats.chisquare(counts, expected / expected.sum() * counts.sum()).pvalue > 0.001
    uniform = draws(GaussianMultilevel(n_groups=8, n_obs=UniformSizes(2, 4)), 500).data.sizes.ravel()
    assert set(uniform.tolist()) == {2, 3, 4}
    assert stats.chisquare(np.bincount(uniform)[2:]).pvalue > 0.001


def test_fixed_effects_are_drawn_as_asked():
    assert np.ptp(draws(GaussianMultilevel(fixed_effects=(1.0, 2.0, 3.0, 4.0), n_groups=2), 20).truth.fixed, axis=0).max() == 0
    uniform = draws(GaussianMultilevel(fixed_effects=Uniform(2, 3), n_groups=2), 500).truth.fixed
    assert uniform.min() >= 2
    assert uniform.max() <= 3
    normal = draws(GaussianMultilevel(fixed_effects=Normal(5.0, 2.0), n_groups=2), 2000).truth.fixed
    assert abs(normal.std() - 2.0) < 5 * 2 / np.sqrt(2 * normal.size)


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (dict(n_groups=0), "n_groups"),
        (dict(n_groups=2.5), "n_groups"),
        (dict(n_obs=0), "n_obs"),
        (dict(n_obs=(3, 4)), "one per group"),
        (dict(group_sd=-0.1), "standard deviation"),
        (dict(group_sd=float("nan")), "standard deviation"),
        (dict(group_sd="wide"), "standard deviation"),
        (dict(group_sd=(1.0, 2.0)), "one per term"),
        (dict(residual_sd=-1.0), "residual_sd"),
        (dict(correlation=((1, 0.9), (0.9, 1))), "4 x 4"),
        (dict(correlation=-0.9), "positive semi-definite"),
        (dict(correlation=((1, 2, 0, 0), (2, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))), "positive semi-definite"),
        (dict(correlation=((1, 0.5, 0, 0), (0.1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))), "symmetric"),
        (dict(fixed_effects=(1.0, 2.0)), "fixed_effects"),
        (dict(fixed_effects=(1.0, 2.0, np.inf, 0.0)), "finite"),
        (dict(sampler="fast"), "cross_products"),
    ],
)
def test_bad_conditions_are_refused_with_the_reason(bad, word):
    with pytest.raises(InputError, match=word):
        GaussianMultilevel(**bad)


@pytest.mark.parametrize(
    "make", [lambda: Uniform(1, 0), lambda: Normal(0, 0), lambda: PoissonSizes(1.0, 2), lambda: UniformSizes(3, 1)]
)
def test_bad_distributions_are_refused(make):
    with pytest.raises(InputError, match="give"):
        make()


@pytest.mark.parametrize("sampler", ["cross_products", "rows"])
def test_a_between_group_predictor_is_one_number_a_group(sampler):
    process = GaussianMultilevel(n_groups=5, n_obs=(1, 4, 6, 2, 9), n_predictors=2, n_between=1, group_sd=2.0, sampler=sampler)
    study = Study(process, Grid(), PooledOLS(), replicates=1, seed=1)
    rows = study.dataset(0, 0)
    assert (rows.groupby("Group")["IV2"].nunique() == 1).all()
    assert rows["IV2"].nunique() == 5
    assert rows.groupby("Group")["IV1"].nunique().tolist() == [1, 4, 6, 2, 9]
    coefficients = np.array(rows.attrs["truth"]["group_coefficients"])
    assert np.ptp(coefficients[:, 2]) == 0  # the same for all groups, whatever the group SD
    assert (np.ptp(coefficients[:, :2], axis=0) > 0).all()
    data = drawn.draw(process, replicate_key(1, study.cells[0].words, 0)).data
    again = from_rows(
        rows[["IV1", "IV2"]].assign(one=1.0)[["one", "IV1", "IV2"]].to_numpy(),
        rows["DV"].to_numpy(),
        rows["Group"].to_numpy() - 1,
        process.terms,
    )
    # Rows completed from a triangular factor: orthonormal frames to a few units of the last digit, squares of size 100.
    np.testing.assert_allclose(data.products[:5], again.products, atol=1e-11)


def test_between_group_predictors_are_counted():
    with pytest.raises(InputError, match="n_between=3: only 2 predictors"):
        GaussianMultilevel(n_predictors=2, n_between=3)
    with pytest.raises(InputError, match="one per term \\(2,"):
        GaussianMultilevel(n_predictors=2, n_between=1, group_sd=(1.0, 1.0, 1.0))


@pytest.mark.parametrize("between", [0, 2])
def test_many_columns_are_multiplied_as_matrices(monkeypatch, between):
    """Entries that are written out and products of matrices are the same cross-products; a hundred predictors compile."""
    process = GaussianMultilevel(n_groups=5, n_obs=(1, 2, 4, 6, 20), n_predictors=3, n_between=between, group_sd=0.5)
    entries = draws(process, 4)
    monkeypatch.setattr(direct, "WRITTEN_OUT", 2)
    matrices = draws(process, 4)
    # Sums of at most five products of numbers of size 10, added in another order.
    np.testing.assert_allclose(entries.data.products, matrices.data.products, rtol=0, atol=1e-12)
    np.testing.assert_allclose(entries.truth.groups["Group"], matrices.truth.groups["Group"], rtol=0, atol=1e-13)


def test_a_hundred_predictors():
    process = GaussianMultilevel(n_groups=3, n_obs=150, n_predictors=100)
    products = draws(process, 2).data.products[:, :3]
    assert (np.linalg.eigvalsh(products)[..., 0] > 0).all()
    assert abs(products[..., np.arange(1, 101), np.arange(1, 101)].mean() - 150) < 5 * np.sqrt(2 * 150 / 600)
