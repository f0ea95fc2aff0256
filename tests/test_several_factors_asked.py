"""What one can ask of a fit with several grouping factors, by dense matrices and differences; and what is refused."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from test_several_factors import FITS, data, fitted

import jaxsim
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.frames.postestimation.fit_components import covariance_of
from jaxsim.frames.postestimation.row_terms import weights_of

NAMES = ["half_reml", "slopes_ml", "labs_reml", "pastes_nested_reml", "slopes_weighted_reml"]
# Differences of the deviance over steps of 1e-3 of its parameters: derivatives are good to 1e-6, second derivatives to 1e-4.
STEP = 1e-3


def whole(fit, z, codes):
    """Columns of all effects of all levels for rows, ``[N, r]``; none of a level that is not known."""
    parts = []
    for f, factor in enumerate(fit.model.factors):
        at = np.eye(len(factor.labels) + 1)[codes[:, f]][:, :-1]
        parts += [z[:, [j]] * at for j in fit.model.columns_of(f)]
    return np.hstack(parts)


def spread(fit, covariance):
    """Covariance of all effects of all levels, ``[r, r]``, in the order of :func:`whole`."""
    blocks = []
    for f, factor in enumerate(fit.model.factors):
        own = fit.model.columns_of(f)
        blocks.append(np.kron(covariance[np.ix_(own, own)], np.eye(len(factor.labels))))
    size = sum(map(len, blocks))
    found, begin = np.zeros((size, size)), 0
    for block in blocks:
        found[begin : begin + len(block), begin : begin + len(block)] = block
        begin += len(block)
    return found


def deviance(fit, covariance, sigma):
    """Minus twice the (restricted) log-likelihood by dense matrices."""
    model = fit.model
    z = whole(fit, model.z, model.levels)
    v = z @ spread(fit, covariance) @ z.T + np.diag(sigma**2 / weights_of(model))
    x, y, inverse = model.x.values, model.y, np.linalg.inv(v)
    xvx = x.T @ inverse @ x
    rest = y - x @ np.linalg.solve(xvx, x.T @ inverse @ y)
    value = np.linalg.slogdet(v)[1] + rest @ inverse @ rest + len(y) * np.log(2 * np.pi)
    if "REML" in fit.method:
        value += np.linalg.slogdet(xvx)[1] - x.shape[1] * np.log(2 * np.pi)
    return value


def parameters(fit):
    """Entries of an absolute factor and sigma, and the covariance and sigma that they stand for."""
    rows, columns = fit.model.structure.entries.T
    start = np.append(fit.sigma * fit.theta, fit.sigma)

    def at(values):
        factor = np.zeros((fit.model.structure.size,) * 2)
        factor[rows, columns] = values[:-1]
        return factor @ factor.T, values[-1]

    return start, at


def hessian(function, start):
    """By differences."""
    size, steps = len(start), STEP * np.eye(len(start))
    found = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
            values = [a * b * function(start + a * steps[i] + b * steps[j]) for a, b in signs]
            found[i, j] = found[j, i] = sum(values) / (4 * STEP**2)
    return found


def error_variance(fit, covariance, sigma, x, z, codes, effects, noise):
    """Of predictions, by the covariance of responses with what is predicted."""
    model = fit.model
    own, rows = whole(fit, model.z, model.levels), whole(fit, z, codes)
    t = spread(fit, covariance)
    v = own @ t @ own.T + np.diag(sigma**2 / weights_of(model))
    inverse = np.linalg.inv(v)
    middle = np.linalg.inv(model.x.values.T @ inverse @ model.x.values)
    cross = own @ t @ rows.T
    a = x - cross.T @ inverse @ model.x.values
    found = np.einsum("np,pr,nr->n", a, middle, a) + np.einsum("nr,rs,ns->n", rows, t, rows)
    found -= np.einsum("mn,mk,kn->n", cross, inverse, cross)
    if effects:
        for f in range(len(model.factors)):
            at, new = model.columns_of(f), codes[:, f] < 0
            found[new] += np.einsum("nq,qr,nr->n", z[new][:, at], covariance[np.ix_(at, at)], z[new][:, at])
    return found + noise * sigma**2


def new_rows(fit, entry):
    """Known and unknown levels, and the columns and codes of these rows."""
    rows = data(entry["data"]).iloc[[0, 17, 30, 41]].reset_index(drop=True)
    factors = list(dict.fromkeys(name for factor in fit.model.factors for name in factor.names))
    for i, name in enumerate(factors[:2]):
        unknown = 999 if pd.api.types.is_number(rows[name].iloc[0]) else "none"
        rows[name] = rows[name].where(rows.index != i + 1, unknown)
    x, z = fit.model.x.recipe.full_on(rows), fit.model.z_on(rows)
    return rows, x, z, np.column_stack([factor.on(rows) for factor in fit.model.factors])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("interval", ["confidence", "prediction"])
def test_intervals_of_predictions(name, interval):
    fit = fitted(name)
    rows, x, z, codes = new_rows(fit, FITS[name])
    assert (codes < 0).any()
    found, new = fit.predict(rows, interval=interval), interval == "prediction"
    start, at = parameters(fit)
    expected = error_variance(fit, *at(start), x, z, codes, new, new)
    # Closed forms on both sides.
    np.testing.assert_allclose(found["std_error"] ** 2, expected, rtol=1e-8)
    slopes = []
    for step in STEP * np.eye(len(start)):
        up, down = (error_variance(fit, *at(start + sign * step), x, z, codes, new, new) for sign in (1, -1))
        slopes.append((up - down) / (2 * STEP))
    w = 2 * np.linalg.inv(hessian(lambda values: deviance(fit, *at(values)), start))
    df = 2 * expected**2 / np.einsum("kn,kl,ln->n", np.array(slopes), w, np.array(slopes))
    reach = jaxsim.inference.t_point(0.975, df) * np.sqrt(expected)
    np.testing.assert_allclose(found["conf_high"] - found["estimate"], reach, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_wald_limits_of_variance_components(name):
    fit = fitted(name)
    start, at = parameters(fit)
    information = 2 * np.linalg.inv(hessian(lambda values: deviance(fit, *at(values)), start))
    found = fit.confint().set_index("term")
    components = [term for term in found.index if term.startswith(("sd_", "cor_"))]
    assert len(components) == len(fit.theta)

    def transformed(values):
        covariance, sigma = at(values)
        deviations = np.sqrt(np.diagonal(covariance))
        names, groups = fit.model.random_names, [fit.model.factors[b.factor].name for b in fit.model.blocks for _ in b.names]
        sds = {f"sd_{group}_{name}": np.log(sd) for group, name, sd in zip(groups, names, deviations, strict=True)}
        correlations = {
            f"cor_{groups[j]}_{names[j]}_{names[i]}": np.arctanh(covariance[i, j] / deviations[i] / deviations[j])
            for j, i in sorted((j, i) for i, j in fit.model.structure.entries if i != j)
        }
        return pd.Series(sds | correlations | {"sigma": np.log(sigma)})

    middle = transformed(start)
    assert list(middle.index) == [*components, "sigma"]
    jacobian = np.array(
        [(transformed(start + step) - transformed(start - step)) / (2 * STEP) for step in STEP * np.eye(len(start))]
    ).T
    reach = 1.959963985 * np.sqrt(np.einsum("ck,kl,cl->c", jacobian, information, jacobian))
    for sign, column in ((-1, "conf_low"), (1, "conf_high")):
        limit = middle + sign * reach
        expected = [np.tanh(v) if term.startswith("cor_") else np.exp(v) for term, v in limit.items()]
        np.testing.assert_allclose(found.loc[limit.index, column], expected, rtol=1e-4, atol=1e-4)


def test_simulated_responses_have_the_covariance_of_the_model():
    fit = fitted("tiny_reml")
    draws = fit.simulate(4000, seed=3).to_numpy()
    model = fit.model
    z = whole(fit, model.z, model.levels)
    v = z @ spread(fit, covariance_of(fit)) @ z.T + fit.sigma**2 * np.eye(len(model.y))
    error = np.sqrt((v**2 + np.outer(np.diagonal(v), np.diagonal(v))) / draws.shape[1])
    rest = draws - (model.x.values @ fit.beta)[:, None]
    # Of 4,656 covariances none should be five standard errors off.
    assert (np.abs(rest @ rest.T / draws.shape[1] - v) < 5 * error).all()
    kept = fit.simulate(2000, seed=3, conditional=True).to_numpy()
    assert (np.abs(kept.mean(1) - fit.fitted) < 5 * fit.sigma / np.sqrt(2000)).all()


def test_the_bootstrap_refits_as_lmer_does():
    fit = fitted("tiny_reml")
    found = fit.bootstrap(3, seed=5)
    responses = fit.simulate(3, seed=5)
    for k in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # singular refits
            again = jaxsim.lmer(fit.formula, data("tiny").assign(y=responses[f"sim_{k + 1}"]))
        assert found.loc[k, "status"] == again.status
        assert found.loc[k, "criterion"] == pytest.approx(again.criterion, abs=1e-9)  # the same search on the same rows
        assert found.loc[k, "x"] == pytest.approx(again.beta[1], rel=1e-9)
        assert found.loc[k, "sd_item_(Intercept)"] == pytest.approx(np.sqrt(again.covariance["item"].iloc[0, 0]), rel=1e-7)
    limits = fit.confint("bootstrap", draws=4, seed=5)
    assert (limits["conf_low"] <= limits["conf_high"]).all()


def test_shares_of_variance():
    fit = fitted("labs_reml")
    random = sum(
        float(np.einsum("nq,qr,nr->n", z, covariance.to_numpy(), z).mean())
        for z, covariance in zip([fit.model_z[:, fit.model.columns_of(f)] for f in range(3)], fit.covariance.values(), strict=True)
    )
    assert fit.icc == pytest.approx(random / (random + fit.sigma**2), rel=1e-12)
    assert fit.r2["conditional"] > fit.r2["marginal"] > 0


def test_models_are_compared():
    rows = data("labs")
    small, large = jaxsim.lmer("y ~ x + (1 | subject)", rows), fitted("labs_reml")
    table = jaxsim.anova(small, large)
    assert table["df"].iloc[-1] == 3
    assert table["deviance"].tolist() == [
        pytest.approx(jaxsim.lmer(fit.formula, rows, reml=False).criterion, abs=1e-8) for fit in (small, large)
    ]
    larger = jaxsim.lmer("y ~ x + f + (x | subject) + (1 | item)", rows)
    with pytest.raises(InputError, match="different groups"):
        jaxsim.anova(jaxsim.lmer("y ~ x + (1 | item) + (1 | lab)", rows), larger)
    with pytest.warns(UserWarning, match="singular"):
        other = jaxsim.lmer("y ~ x + (x | item) + (1 | subject)", rows)
    with pytest.raises(InputError, match=r"the random effects of .* \(\(Intercept\), x\)"):
        jaxsim.anova(other, larger)


def test_what_is_refused_says_what_to_use():
    fit = fitted("half_reml")
    with pytest.raises(NotSupportedError, match="method='wald', or method='bootstrap'"):
        fit.confint("profile")
    with pytest.raises(NotSupportedError, match=r"several grouping factors \(subject, item\), and bayes takes one"):
        jaxsim.bayes(fit.formula, data("half"))
    with pytest.raises(NotSupportedError, match="several grouping factors"):
        _ = fit.model.codes


def test_pictures():
    fit = fitted("half_reml")
    for factor, names in (("subject", ["(Intercept)", "x"]), ("item", ["(Intercept)"])):
        assert [axes.get_xlabel() for axes in fit.plot.random_effects(factor).axes] == names
    with pytest.raises(InputError, match="Did you mean 'item'"):
        fit.plot.random_effects("items")


def test_the_summary_has_every_factor():
    text = str(fitted("labs_reml"))
    assert "Number of obs: 160, groups:  subject, 16; item, 10; lab, 5" in text
    lines = [line.split() for line in text.splitlines()]
    assert [line[:2] for line in lines if line[:1] in (["subject"], ["item"], ["lab"])] == [
        ["subject", "(Intercept)"],
        ["item", "(Intercept)"],
        ["lab", "(Intercept)"],
    ]
