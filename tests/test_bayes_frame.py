"""``jaxsim.bayes``: tables, draws, predictions, ArviZ, and what cannot be sampled."""

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import deficient_datasets, make_rows

import jaxsim
from jaxsim import GaussianMultilevel, Grid, HierarchicalBayes, InputError, Study
from jaxsim.bayesian.posterior import systematic

FORMULA = "Reaction ~ Days + (Days | Subject)"


@pytest.fixture(scope="module")
def sleepstudy():
    return pd.read_csv("tests/reference/data/sleepstudy.csv")


@pytest.fixture(scope="module")
def fit(sleepstudy):
    return jaxsim.bayes(FORMULA, sleepstudy, method="fast", seed=1)


def test_tables_and_draws_tell_the_same(fit):
    draws = fit.draws
    assert fit.status == "ok"
    # 2,000 resampled draws: Monte Carlo standard errors below, 4 of them; the table is exact given the SDs.
    np.testing.assert_allclose(draws.beta.mean((0, 1)), fit.table["estimate"], atol=4 * 7.5 / np.sqrt(1000))
    np.testing.assert_allclose(draws.beta.std((0, 1)), fit.table["std_error"], rtol=4 / np.sqrt(2 * 1000))
    inside = (draws.beta > fit.table["conf_low"].to_numpy()) & (draws.beta < fit.table["conf_high"].to_numpy())
    np.testing.assert_allclose(inside.mean((0, 1)), 0.95, atol=4 * 0.007)
    own = ["sd_Subject_(Intercept)", "sd_Subject_Days", "cor_Subject_(Intercept)_Days", "sigma"]
    assert list(fit.parameters["parameter"]) == own
    assert (fit.diagnostics["rhat"] < 1.02).all()
    assert "Days" in str(fit)


def test_group_effects_shrink_towards_zero_around_those_of_lmer(fit, sleepstudy):
    with np.testing.suppress_warnings():
        modes = jaxsim.lmer(FORMULA, sleepstudy).random_effects.to_numpy()
    ours = fit.draws.effects.mean((0, 1))
    # The posterior averages over SDs that lmer fixes: a few units of 25 apart, in the same order.
    assert np.corrcoef(ours[:, 0], modes[:, 0])[0, 1] > 0.99
    assert np.abs(ours - modes).max() < 5


def test_predictions_of_known_and_of_new_groups(fit, sleepstudy):
    first = sleepstudy["Subject"].iloc[0]
    new = pd.DataFrame({"Days": [5.0, 5.0], "Subject": [first, 999]})
    expected = fit.predict(new, noise=False)
    index = list(fit.model.labels).index(first)
    beta, effects = fit.draws.beta.reshape(-1, 2), fit.draws.effects.reshape(2000, -1, 2)[:, index]
    np.testing.assert_allclose(expected[:, 0], (beta + effects) @ [1.0, 5.0], rtol=1e-12)
    with_noise = fit.predict(new)
    # A new subject varies by the group SDs, a known one does not; noise adds the residual variance.
    assert expected[:, 1].std() > 2 * expected[:, 0].std()
    variance = expected[:, 0].var() + (fit.draws.sigma**2).mean()
    assert with_noise[:, 0].var() == pytest.approx(variance, rel=4 * np.sqrt(2 / 2000))
    with pytest.raises(InputError, match="Subject"):
        fit.predict(new[["Days"]])


def test_marginal_means_and_contrasts_are_those_of_the_draws(fit):
    beta = fit.draws.beta.reshape(-1, 2)
    at = {"Days": [0, 4, 9]}
    means, pairs = fit.emmeans("Days", at=at), fit.contrasts("Days", at=at)
    assert list(means.columns) == ["Days", "mean", "std_error", "median", "conf_low", "conf_high"]
    own = beta @ [1, 4]
    expected = [4, own.mean(), own.std(ddof=1), *np.quantile(own, [0.5, 0.025, 0.975])]
    np.testing.assert_allclose(means.iloc[1].astype(float), expected, rtol=1e-10)
    columns = ["contrast", "estimate", "std_error", "median", "conf_low", "conf_high", "prob_direction"]
    assert list(pairs.columns) == columns
    assert list(pairs["contrast"]) == ["Days0 - Days4", "Days0 - Days9", "Days4 - Days9"]
    np.testing.assert_allclose(pairs["estimate"], -beta[:, 1].mean() * np.array([4, 9, 5]), rtol=1e-10)
    np.testing.assert_allclose(pairs["prob_direction"], (beta[:, 1] > 0).mean(), rtol=1e-12)


def test_the_datatree_has_every_parameter_by_name(fit):
    tree = fit.to_datatree()
    assert tree.posterior.sizes["chain"] == 4
    np.testing.assert_array_equal(tree.posterior["beta"].sel(term="Days"), fit.draws.beta[..., 1])
    assert set(tree.posterior.data_vars) == {"beta", "sd", "correlation", "sigma", "effects"}
    arviz_stats = pytest.importorskip("arviz_stats")
    summary = arviz_stats.summary(tree, var_names=["beta", "sd"])
    assert len(summary) == 4


def test_the_same_seed_gives_the_same_draws_and_another_seed_others(fit, sleepstudy):
    again = jaxsim.bayes(FORMULA, sleepstudy, method="fast", seed=1)
    jax.tree.map(np.testing.assert_array_equal, again.draws, fit.draws)
    other = jaxsim.bayes(FORMULA, sleepstudy, method="fast", seed=2)
    assert not np.array_equal(other.draws.beta, fit.draws.beta)
    # Two importance samples with an ESS of 1,000 or so; the table is exact given the SDs, so its errors are much smaller than this.
    np.testing.assert_allclose(other.table["estimate"], fit.table["estimate"], atol=4 * 7.5 / np.sqrt(1000))


def test_units_change_nothing_but_the_units(fit, sleepstudy):
    scaled = sleepstudy.assign(Reaction=sleepstudy["Reaction"] / 1000, Days=-24 * sleepstudy["Days"])
    other = jaxsim.bayes(FORMULA, scaled, method="fast", seed=1)
    unit = np.array([1e-3, -1e-3 / 24])
    limits = np.sort(fit.table[["conf_low", "conf_high"]] * unit[:, None], axis=1)
    # As in the contract tests.
    np.testing.assert_allclose(other.table[["conf_low", "conf_high"]], limits, rtol=1e-6)
    np.testing.assert_allclose(other.table["estimate"], fit.table["estimate"] * unit, rtol=1e-6)
    np.testing.assert_allclose(other.table["std_error"], fit.table["std_error"] * abs(unit), rtol=1e-6)
    signs = np.where(fit.parameters["parameter"].str.startswith("cor"), -1.0, 1.0)
    units = np.array([1e-3, 1e-3 / 24, 1.0, 1e-3])
    np.testing.assert_allclose(other.parameters["mean"], fit.parameters["mean"] * signs * units, rtol=1e-6)


def frame_of(rows):
    return pd.DataFrame({"y": rows.y, "x1": rows.x[:, 1], "x2": rows.x[:, 2], "g": rows.group})


@pytest.mark.parametrize(
    ("case", "status", "words"),
    [
        ("duplicated_column", "rank_deficient", "combination"),
        ("exact", "zero_residual", "exactly"),
        ("constant_response", "zero_residual", "exactly"),
        ("two_rows", "too_few_rows", "cannot determine"),
    ],
)
def test_data_without_a_posterior_get_a_status(case, status, words):
    rows = deficient_datasets(make_rows(11, [5, 9, 4, 12, 6, 7], group_sd=1.5))[case]
    with pytest.warns(UserWarning, match=words):
        found = jaxsim.bayes("y ~ x1 + x2 + (1 | g)", frame_of(rows), method="fast", aliased="refuse")
    assert found.status == status
    assert found.draws is None
    assert found.table[["estimate", "conf_low", "conf_high"]].isna().all(axis=None)
    with pytest.raises(InputError, match="no draws"):
        found.to_datatree()


def test_what_can_never_be_sampled_is_refused(sleepstudy, fit):
    for wrong, words in (
        (dict(method="gibbs"), "nuts"),
        (dict(priors="vague"), "weak"),
        (dict(seed=-1), "seed"),
        (dict(interval="wide"), "hpd"),
        (dict(conf_level=95), "conf_level"),
    ):
        with pytest.raises(InputError, match=words):
            jaxsim.bayes(FORMULA, sleepstudy, **wrong)
    with pytest.raises(InputError, match="two groups"):
        jaxsim.bayes(FORMULA, sleepstudy[sleepstudy["Subject"] == 308])


def test_systematic_resampling_keeps_the_weights():
    weight = np.random.default_rng(0).dirichlet(np.ones(30))
    counts = np.bincount(systematic(weight, 1000, np.random.default_rng(1)), minlength=30)
    assert np.abs(counts - 1000 * weight).max() <= 1


def test_a_study_gives_back_any_of_its_posteriors(tmp_path):
    strategy = HierarchicalBayes(random=("Intercept",), method="fast")
    study = Study(GaussianMultilevel(n_predictors=1, n_obs=8), Grid(n_groups=[6]), (strategy,), replicates=3, seed=4)
    results = study.run(tmp_path / "out", progress=False)
    assert (results.estimates["status"] == "ok").all()
    assert {"median", "prob_direction"} <= set(results.estimates)
    assert {"nuts", "pareto_k", "ess", "rhat", "divergences", "attempts"} <= set(results.fits)
    rows = results.estimates.query("replicate == 2")
    again = results.posterior({"n_groups": 6}, 2)
    # Cross-products of completed rows, centred: other roundings, magnified as in the contract tests.
    for name in ("estimate", "std_error", "conf_low", "conf_high"):
        np.testing.assert_allclose(again.table[name], rows[name], rtol=1e-5, atol=1e-6)
    # Rejection is the interval without zero.
    outside = (results.estimates["conf_low"] > 0) | (results.estimates["conf_high"] < 0)
    np.testing.assert_array_equal(results.estimates["p_value"] < 0.05, outside)
    with pytest.raises(InputError, match="bayes"):
        results.posterior(0, 0, model="lmer")
    assert Study.from_json(study.to_json()) == study
