"""``lmer`` with several grouping factors against lme4, lmerTest and pbkrtest (tests/reference/crossed.json)."""

from __future__ import annotations

import json
import warnings
from functools import cache
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.data.cross_products import CrossProducts
from jaxsim.formula.functions import column_names
from jaxsim.frames.postestimation.prediction_error import conditional_deviations
from jaxsim.numerics.arrays import on_numpy

FOLDER = Path(__file__).parent / "reference"
FITS = json.loads((FOLDER / "crossed.json").read_text())["fits"]
REML = [name for name, entry in FITS.items() if entry["reml"]]
ADJUSTED = [name for name, entry in FITS.items() if "kenward_roger" in entry]
INSIDE = [name for name, entry in FITS.items() if not entry["singular"]]


@cache
def data(name):
    """A data set as R has it."""
    if not (FOLDER / "data" / f"{name}.csv").exists():
        rows = pd.read_csv(FOLDER / "data" / "crossed.csv")
        return rows[rows["set"] == name].reset_index(drop=True)
    rows = pd.read_csv(FOLDER / "data" / f"{name}.csv")
    return rows.assign(replicate=rows["unit"].str.split(":").str[1].astype(int)) if name == "cake" else rows


@cache
def fitted(name, df="satterthwaite"):
    """The fit of an entry, made once for all tests."""
    entry = FITS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # singular fits
        return jaxsim.lmer(entry["formula"], data(entry["data"]), entry["reml"], df, weights=entry["weights"] or None)


@pytest.mark.parametrize("name", FITS)
def test_the_optimum_is_lme4s(name):
    entry, fit = FITS[name], fitted(name)
    assert fit.status == ("singular" if entry["singular"] else "ok")
    # lme4's polished optimum is good to 1e-8 and better; a lower criterion here would be a better optimum.
    assert -1e-6 < fit.criterion - entry["criterion"] < 1e-6
    np.testing.assert_allclose(fit.sigma, entry["sigma"], rtol=1e-6)
    assert fit.theta_names == tuple(entry["theta_names"]), "lme4's order of factors and terms"
    # Of a singular fit theta is known to the root of the criterion's rounding (1e-12).
    np.testing.assert_allclose(fit.theta, entry["theta"], atol=2e-5 if entry["singular"] else 1e-6, rtol=1e-4)
    np.testing.assert_allclose([fit.aic, fit.bic], [entry["aic"], entry["bic"]], rtol=1e-9)


@pytest.mark.parametrize("name", FITS)
def test_fixed_effects(name):
    entry, fit = FITS[name], fitted(name)
    assert list(fit.table["term"]) == entry["names"]
    error = np.array(entry["satterthwaite"]["se"])
    # Both are closed forms of theta, which lme4 knows to 1e-8, and at a singular fit to 1e-5.
    rate = 1e-5 if entry["singular"] else 1e-6
    np.testing.assert_allclose(fit.beta / error, np.array(entry["estimate"]) / error, atol=rate)
    np.testing.assert_allclose(fit.table["std_error"] / error, 1, atol=rate)
    size = np.outer(error, error)
    np.testing.assert_allclose(fit.vcov.to_numpy() / size, np.array(entry["vcov"]) / size, atol=2 * rate)


@pytest.mark.parametrize("name", INSIDE)
def test_satterthwaite(name):
    entry, fit = FITS[name]["satterthwaite"], fitted(name)
    # lmerTest differentiates numerically: its df are good to 1e-5 mostly and to 1e-3 always.
    np.testing.assert_allclose(fit.table["df"], entry["df"], rtol=1e-3)
    np.testing.assert_allclose(fit.table["p_value"], entry["p"], rtol=1e-3, atol=1e-7)
    check_anova(fit.anova(), entry["anova"], 1e-3)


@pytest.mark.parametrize("name", ADJUSTED)
def test_kenward_roger(name):
    entry, fit = FITS[name]["kenward_roger"], fitted(name, "kenward-roger")
    # pbkrtest is closed form in theta; at a singular fit lme4's theta is good to 1e-5.
    np.testing.assert_allclose(fit.table["std_error"], entry["se"], rtol=1e-5)
    np.testing.assert_allclose(fit.table["df"], entry["df"], rtol=1e-4)
    check_anova(fit.anova(), entry["anova"], 1e-4)
    check_anova(fitted(name).anova(df="kenward-roger"), entry["anova"], 1e-4)


def check_anova(ours, theirs, rate):
    """Tests of terms; of a model of the intercept alone there are none."""
    assert list(ours["term"]) == (theirs["term"] or [])
    if theirs["term"]:
        # F is made of what is compared above at 1e-6.
        np.testing.assert_allclose(ours["f"], theirs["f"], rtol=1e-5)
        np.testing.assert_allclose(ours["num_df"], theirs["num_df"])
        np.testing.assert_allclose(ours["den_df"], theirs["den_df"], rtol=rate)


@pytest.mark.parametrize("name", FITS)
def test_random_effects(name):
    entry, fit = FITS[name], fitted(name)
    assert list(fit.random_effects) == list(entry["modes"]), "lme4's order of factors"
    assert fit.n_groups == entry["groups"]
    deviations = conditional_deviations(fit)
    for (factor, modes), spread in zip(fit.random_effects.items(), deviations, strict=True):
        theirs = entry["modes"][factor]
        assert [str(label) for label in modes.index] == theirs["levels"]
        order = [list(modes.columns).index(column) for column in theirs["names"]]
        # Closed forms of theta, relative to the residual deviation (1e-5 of theta at a singular fit, where modes are near zero).
        np.testing.assert_allclose(modes.to_numpy()[:, order] / fit.sigma, np.array(theirs["modes"]) / fit.sigma, atol=1e-5)
        np.testing.assert_allclose(spread[:, order] / fit.sigma, np.array(theirs["deviations"]) / fit.sigma, atol=2e-5)
        own = fit.coef[factor]
        for column in modes:
            term = column if column in fit.table["term"].to_numpy() else None
            fixed = 0.0 if term is None else float(fit.table.set_index("term")["estimate"][term])
            np.testing.assert_allclose(own[column], modes[column] + fixed, rtol=1e-12)


@pytest.mark.parametrize("name", FITS)
def test_variance_components(name):
    entry, fit = FITS[name], fitted(name)
    table = fit.varcorr
    ours = []
    for block in fit.model.blocks:
        group = fit.model.factors[block.factor].name
        rows = table[table["group"] == group].set_index("term")
        for j, earlier in enumerate(block.names):
            ours += [rows.loc[earlier, "std_dev"]] + [rows.loc[later, f"corr_{earlier}"] for later in block.names[j + 1 :]]
    ours.append(table["std_dev"].iloc[-1])
    theirs = np.array(entry["components"], float)
    # R lists the deviations of a block first and its correlations after them.
    np.testing.assert_allclose(np.sort(ours), np.sort(theirs), rtol=1e-4, atol=2e-5 * fit.sigma)
    assert (table["group"].iloc[-1], len(table)) == ("Residual", len(fit.model.random_names) + 1)


@pytest.mark.parametrize("name", FITS)
def test_predictions(name):
    entry, fit = FITS[name], fitted(name)
    np.testing.assert_allclose(fit.fitted.head(5) / fit.sigma, np.array(entry["fitted"]) / fit.sigma, atol=1e-5)
    np.testing.assert_allclose(fit.fitted + fit.residuals, fit.model.y, rtol=1e-12)
    first = data(entry["data"]).head(4)
    columns = list(dict.fromkeys(column for factor in fit.model.factors for column in factor.names))
    fixed = {name for tokens in fit.model.formula.fixed.variables for name in column_names(tokens)}
    columns = [column for column in columns if column not in fixed]
    unknown = {"known": [], "first": columns[:1], "last": columns[-1:], "all": columns}
    for which, changed in unknown.items():
        given = first.assign(**{column: 999 if pd.api.types.is_number(first[column].iloc[0]) else "none" for column in changed})
        np.testing.assert_allclose(fit.predict(given) / fit.sigma, np.array(entry["predictions"][which]) / fit.sigma, atol=1e-5)


def test_strategies_find_the_better_of_two_optima():
    """Where x is far from zero and its slopes are independent of the intercepts, one start is not enough."""
    rows, entry = data("crossed_optima"), FITS["optima_reml"]
    codes = [np.unique(rows[name], return_inverse=True)[1] for name in ("s", "i")]
    columns = np.column_stack([np.ones(len(rows)), rows["f"] == "v", rows["x"], rows["y"]]).astype(float)
    cells = CrossProducts(
        products=columns[:, :, None] * columns[:, None, :],
        sizes=np.ones(len(rows), np.int32),
        columns=("Intercept", "fv", "x"),
        fixed=("Intercept", "fv"),
        levels=np.column_stack(codes).astype(np.int32),
        factors=("s", "i"),
        counts=tuple(int(own.max()) + 1 for own in codes),
    )
    strategy = jaxsim.LinearMixed("DV ~ fv + (x || s) + (1 | i)")
    assert float(on_numpy(strategy.fit)(cells).criterion) == pytest.approx(entry["criterion"], abs=1e-6)
    assert float(jax.jit(strategy.fit)(cells).criterion) == pytest.approx(entry["criterion"], abs=1e-6)
