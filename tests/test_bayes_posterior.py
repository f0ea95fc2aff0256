"""Whole posteriors: against NumPyro on rows and rstanarm (stored), one path against the other, failures, batches."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from arviz_stats.base import array_stats
from oracle import batch, cross_products, deficient_datasets, make_rows
from programs import fit as fit_of
from programs import fit_batch, optimised_fit_batch
from unusual_priors import UNUSUAL, UNUSUAL_DATA

import jaxsim
from jaxsim import HierarchicalBayes, InputError, Priors, Resampling, prior
from jaxsim.bayesian import engine
from jaxsim.data.names import Names
from jaxsim.seeding import group_keys
from jaxsim.status import Status

HERE = Path(__file__).parent / "reference"
STORED = {name: json.loads((HERE / f"{name}.json").read_text())["datasets"] for name in ("bayes", "rstanarm")}
CASES = [(source, name) for source, datasets in STORED.items() for name in datasets]
SIMULATED = {"few": (21, [6] * 5, 2, 1.0), "many_coefficients": (22, [5] * 10, 4, 0.25), "small_sd": (23, [25] * 30, 2, 0.1)}


def frame_of(name):
    if name == "sleepstudy":
        return pd.read_csv(HERE / "data/sleepstudy.csv")
    seed, sizes, n_fixed, group_sd = SIMULATED[UNUSUAL_DATA.get(name, name)]
    rows = make_rows(seed, sizes, n_fixed=n_fixed, group_sd=group_sd)
    return pd.DataFrame(rows.x[:, 1:], columns=[f"x{j}" for j in range(1, n_fixed)]).assign(y=rows.y, g=rows.group)


def draws_of(fit):
    """By the names of the stored parameters."""
    found = {term: fit.draws.beta[..., j] for j, term in enumerate(fit.table["term"])}
    names = fit.model.random_names
    found |= {f"sd_{name}": fit.draws.sd[..., i] for i, name in enumerate(names)}
    below = [(i, j) for i, j in fit.model.structure.entries if i != j]
    return {**found, **{f"cor_{names[j]}_{names[i]}": fit.draws.correlation[..., i, j] for i, j in below}, "sigma": fit.draws.sigma}


# Chains and importance samples where the work is small; importance sampling alone where every coefficient varies.
@pytest.mark.parametrize(("source", "name"), CASES)
def test_posteriors_are_those_of_the_model_on_rows(source, name):
    """Means, SDs, 5% and 95% quantiles within 4 Monte Carlo standard errors of both samples."""
    stored = STORED[source][name]
    method = "nuts" if (source, name) in (("bayes", "few"), ("bayes", "heavy")) else "fast"
    priors = UNUSUAL.get(stored["priors"], stored["priors"])
    fit = jaxsim.bayes(stored["formula"], frame_of(name), priors=priors, method=method, seed=3)
    assert fit.status == "ok"
    where = dict(chain_axis=0, draw_axis=1)
    for parameter, expected in stored["parameters"].items():
        assert expected["rhat"] < 1.02
        draws = draws_of(fit)[parameter]
        ours = dict(mean=draws.mean(), sd=draws.std(ddof=1), q5=np.quantile(draws, 0.05), q95=np.quantile(draws, 0.95))
        # Resampled draws are worth no more than the importance sample: a quarter or more of their number, so errors up to twice
        # as large.
        inflate = 1.0 if method == "nuts" else np.sqrt(2000 / engine.ENOUGH)
        errors = dict(
            mean=array_stats.mcse(draws, **where, method="mean"),
            sd=array_stats.mcse(draws, **where, method="sd"),
            q5=array_stats.mcse(draws, **where, method="quantile", prob=0.05),
            q95=array_stats.mcse(draws, **where, method="quantile", prob=0.95),
        )
        for what, error in errors.items():
            allowed = 4 * np.hypot(inflate * error, expected["mcse"][what])
            assert abs(ours[what] - expected[what]) < allowed, (parameter, what, ours[what], expected[what], allowed)


GROUPS = 8
KEYS = group_keys(jax.random.key(8, impl="threefry2x32"), 20)
ROWS = [make_rows(40 + i, [6, 5, 7, 6, 8, 6], n_fixed=2, group_sd=0.7) for i in range(3)]


@pytest.fixture(scope="module")
def chains():
    """Three datasets and a few without a posterior by Markov chains, as the strategy runs them."""
    bad = deficient_datasets(make_rows(11, [5, 9, 4, 12, 6, 7], group_sd=1.5))
    bad = [rows.but(x=rows.x[:, :2]) for rows in (bad["one_group"], bad["constant_response"], bad["nan"])]
    strategy = HierarchicalBayes(random=("Intercept",), method="nuts")
    datasets = [bad[0], ROWS[0], bad[1], ROWS[1], ROWS[2], bad[2]]
    keys = KEYS[np.array([5, 0, 6, 1, 2, 7])]
    return strategy, jax.device_get(optimised_fit_batch(strategy, batch(datasets, GROUPS, 6), Resampling(keys, 0.9)))


def test_chains_tell_of_themselves(chains):
    _, fit = chains
    good = [1, 3, 4]
    assert [Status(int(code)).label for code in fit.status] == [
        "too_few_groups", "ok", "zero_residual", "ok", "ok", "non_finite",
    ]  # fmt: skip
    assert fit.extra["nuts"][good].all()
    assert (fit.extra["rhat"][good] < engine.RHAT).all()
    assert (fit.extra["ess"][good] >= engine.ENOUGH).all()
    assert (fit.extra["divergences"][good] == 0).all()
    assert (fit.extra["e_bfmi"][good] > engine.E_BFMI).all()
    assert (fit.extra["leapfrog_executed"][good] >= fit.extra["leapfrog_needed"][good]).all()
    assert not fit.extra["nuts"][[0, 2, 5]].any()
    assert np.isnan(fit.estimate[[0, 2, 5]]).all()


def test_both_paths_agree(chains):
    _, slow = chains
    strategy = HierarchicalBayes(random=("Intercept",), method="fast")
    fast = fit_batch(strategy, batch(ROWS, GROUPS, 3), Resampling(KEYS[:3], 0.9))
    at = np.array([1, 3, 4])
    # Given the SDs everything is exact, so errors are below SD / sqrt(ESS) with an ESS of 400 on both sides; 4 of them.
    allowed = 4 * np.sqrt(2 / engine.ENOUGH)
    for name in ("estimate", "conf_low", "conf_high"):
        assert np.abs((getattr(slow, name)[at] - getattr(fast, name)) / fast.std_error).max() < allowed, name
    np.testing.assert_allclose(slow.std_error[at], fast.std_error, rtol=allowed)
    np.testing.assert_allclose(slow.sigma[at], fast.sigma, rtol=allowed / 5)


def test_chains_do_not_depend_on_the_company(chains):
    """Another place, other neighbours, another batch size: the same draws, if no place in a vector register differs in the last
    bit; a chain that does is another chain of the same posterior, so that this would show in every number."""
    strategy, fit = chains
    alone = optimised_fit_batch(strategy, batch([ROWS[1]], GROUPS, 6), Resampling(KEYS[np.array([1, 1, 1, 1, 1, 1])], 0.9))
    for name in ("estimate", "std_error", "conf_low"):
        np.testing.assert_allclose(getattr(alone, name)[0], getattr(fit, name)[3], rtol=1e-9)


@pytest.mark.usefixtures("own_programs")
def test_a_posterior_that_is_not_sampled_is_flagged(monkeypatch):
    """With three draws a round nothing is reliable: numbers, but no usable status."""
    monkeypatch.setattr(engine, "ENOUGH", 10**6)
    strategy = HierarchicalBayes(random=("Intercept",), method="fast", label="never enough")
    fit = fit_of(strategy, cross_products(ROWS[0], GROUPS), Resampling(KEYS[0], 0.9))
    assert Status(int(fit.status)) is Status.NOT_CONVERGED
    assert not fit.converged
    assert fit.extra["attempts"] == engine.FAST_ATTEMPTS
    assert jnp.isfinite(fit.estimate).all()


def test_the_evidence_is_the_integral_of_likelihood_times_prior():
    """Against quadrature over log SD and log sigma of the dense marginal normal density."""
    from scipy.stats import halfnorm, multivariate_normal  # noqa: PLC0415 - only here

    rows = make_rows(5, [4, 5, 3], n_fixed=1)
    half = prior("HalfNormal", autoscale=False, scale=1.0)
    priors = Priors(prior("Normal", autoscale=False, loc=0.0, scale=2.0), sd=half, sigma=half, centre=False)
    strategy = HierarchicalBayes(priors=priors, method="fast")
    fit = fit_of(strategy, cross_products(rows, GROUPS), Resampling(KEYS[0], 0.9))
    same = (rows.group[:, None] == rows.group).astype(float)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    sds, scale = (nodes + 1) * 2.5, weights * 2.5
    total = 0.0
    for sd, w in zip(sds, scale, strict=True):
        for sigma, v in zip(sds, scale, strict=True):
            covariance = sd**2 * same + sigma**2 * np.eye(len(same)) + 4.0
            density = multivariate_normal(np.zeros(len(same)), covariance).pdf(rows.y)
            total += w * v * density * halfnorm.pdf(sd) * halfnorm.pdf(sigma)
    # An average of 2,048 weights with a relative variance near one: 2%, 4 of them; on the scale of -2 log.
    assert float(fit.criterion) == pytest.approx(-2 * np.log(total), abs=2 * 0.1)


def test_keys_are_needed_and_options_checked():
    with pytest.raises(InputError, match="key"):
        HierarchicalBayes().fit_batch(batch(ROWS, GROUPS))
    with pytest.raises(InputError, match="auto"):
        HierarchicalBayes(method="gibbs")
    with pytest.raises(InputError, match="hpd"):
        HierarchicalBayes(interval="wide")
    with pytest.raises(InputError, match="not a term"):
        HierarchicalBayes(random=("IV9",)).check(Names(("Intercept", "IV1")))
    with pytest.raises(InputError, match="priors for 2"):
        HierarchicalBayes(priors=Priors(sd=(prior("Flat"),) * 3)).check(Names(("Intercept", "IV1")))
