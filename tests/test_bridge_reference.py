"""``lmer``, ``lm``, ``lm2`` and ``ols`` against stored R output, published values and a dense computation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim.frames.result import FitResult

FOLDER = Path(__file__).parent / "reference"
REFERENCE = json.loads((FOLDER / "reference.json").read_text())
MIXED, LEAST_SQUARES = REFERENCE["mixed"], REFERENCE["least_squares"]
TWO_STAGE = [name for name, entry in LEAST_SQUARES.items() if "two_stage" in entry]


@cache
def rows(name: str) -> pd.DataFrame:
    """A reference data set."""
    return pd.read_csv(next((FOLDER / "data").glob(f"{name}.csv*")))


@cache
def mixed(name: str) -> FitResult:
    """A reference mixed model, fitted once for all tests."""
    entry = MIXED[name]
    return jaxsim.lmer(entry["formula"], rows(entry["data"]), reml=entry["reml"])


@cache
def kenward_roger(name: str, df: str = "kenward-roger") -> FitResult:
    """The same with Kenward-Roger inference."""
    return jaxsim.lmer(MIXED[name]["formula"], rows(MIXED[name]["data"]), df=df)


def close(value, expected, rtol, atol=0.0):
    np.testing.assert_allclose(np.asarray(value, float), np.asarray(expected, float), rtol=rtol, atol=atol)


# R's theta is polished to about 1e-10, and the rest follows it (README.md; measured: 1e-9, modes and components 3e-10).
ACCURACY = 1e-8


@pytest.mark.parametrize("name", MIXED)
class TestMixed:
    """Every mixed model of the reference file."""

    def test_description(self, name):
        fit, entry = mixed(name), MIXED[name]
        assert (fit.n_rows, fit.n_groups) == (entry["n_rows"], entry["n_groups"])
        assert list(fit.table["term"]) == list(fit.vcov.columns) == entry["fixef"]["names"]
        assert list(fit.covariance.columns) == entry["varcorr"]["names"]
        assert list(fit.theta_names) == entry["theta_names"]
        assert fit.singular == entry["singular"]
        assert fit.status == ("singular" if entry["singular"] else "ok")
        assert fit.converged
        assert any("boundary (singular) fit" in message for message in fit.messages) == bool(entry["lme4_messages"])

    def test_criterion(self, name):
        # R's criterion is good to 1e-13; rounding of sums of size 1e3 is 1e-12.
        close(mixed(name).criterion, MIXED[name]["criterion"], 1e-12, 1e-10)

    def test_variance_components(self, name):
        fit, entry = mixed(name), MIXED[name]
        covariance = np.array(entry["varcorr"]["cov"], float)
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        scale[scale == 0] = entry["sigma"] ** 2  # a variance of exactly zero is small beside the residual one
        close(fit.covariance / scale, covariance / scale, 0, ACCURACY)
        close(fit.sigma, entry["sigma"], ACCURACY)
        if not entry["singular"]:  # there theta is not unique
            close(fit.theta, entry["theta"], ACCURACY, ACCURACY)
        table = fit.varcorr
        close(table["variance"], [*np.diag(fit.covariance), fit.sigma**2], 1e-15)
        close(table["std_dev"] ** 2, table["variance"], 1e-14)

    def test_fixed_effects(self, name):
        fit, expected = mixed(name), MIXED[name]["fixef"]
        error = np.array(expected["se"])
        close(fit.table["std_error"], error, ACCURACY)
        # Estimates are compared in units of their standard error: one of them may be near zero.
        close(fit.table["estimate"] / error, np.array(expected["estimate"]) / error, 0, ACCURACY)
        close(fit.vcov / np.outer(error, error), MIXED[name]["vcov_fixef"] / np.outer(error, error), 0, ACCURACY)

    def test_inference(self, name):
        fit, expected = mixed(name), MIXED[name]["fixef"]
        # lmerTest differentiates numerically; the tail probability multiplies an error of t and df by up to t^2.
        close(fit.table["df"], expected["df"], 1e-4)
        close(fit.table["p_value"], expected["p"], 1e-3, 1e-300)
        close((fit.table["conf_high"] - fit.table["conf_low"]) / 2, expected["half_width"], 1e-5)
        close(fit.table["statistic"], fit.table["estimate"] / fit.table["std_error"], 1e-15)

    def test_modes(self, name):
        fit, entry = mixed(name), MIXED[name]["modes"]
        modes = fit.random_effects
        assert list(modes.columns) == entry["names"]
        assert modes.shape == (MIXED[name]["n_groups"], len(entry["names"]))
        assert [str(label) for label in modes.index[: len(entry["values"])]] == list(entry["values"])
        scale = np.sqrt(np.diag(MIXED[name]["varcorr"]["cov"]))
        scale[scale == 0] = MIXED[name]["sigma"]
        expected = np.array(list(entry["values"].values()), float)
        close(modes.iloc[: len(expected)] / scale, expected / scale, 0, ACCURACY)
        fixed = fit.table.set_index("term")["estimate"]
        for column in fit.coef:
            own = modes.get(column, 0.0)
            close(fit.coef[column], fixed.get(column, 0.0) + own, 1e-15)


@pytest.mark.parametrize("name", [name for name, entry in MIXED.items() if entry["reml"]])
def test_kenward_roger(name):
    """pbkrtest's standard errors and df, by lmerTest."""
    fit, plain, expected = kenward_roger(name), mixed(name), MIXED[name]["kenward_roger"]
    close(fit.table["std_error"], expected["se"], ACCURACY)  # closed forms in theta
    close(fit.table["df"], expected["df"], ACCURACY)
    close(fit.table["p_value"], expected["p"], 1e3 * ACCURACY, 1e-300)  # the condition of a tail probability is t^2
    close(np.sqrt(np.diag(fit.vcov)), fit.table["std_error"], 1e-15)
    close(fit.table["estimate"], plain.table["estimate"], 0)
    assert fit.status == plain.status


@pytest.mark.parametrize("name", LEAST_SQUARES)
class TestLeastSquares:
    """Every regression of the reference file. R works on rows in double precision; condition numbers here are below 1e4."""

    def test_ols(self, name):
        entry = LEAST_SQUARES[name]
        fit, expected = jaxsim.ols(entry["formula"], rows(entry["data"])), entry["ols"]
        self.check(fit, expected, expected["p"])
        assert fit.n_rows == entry["n_rows"]
        close(fit.table["estimate"] / expected["se"], np.array(expected["estimate"]) / expected["se"], 0, 1e-9)
        close(fit.table["df"], np.full(len(fit.table), expected["df"]), 0)
        close(fit.sigma, expected["sigma"], 1e-9)

    @pytest.mark.parametrize("convention", ["CR0", "CR1", "CR1S"])
    def test_cluster_robust(self, name, convention):
        entry = LEAST_SQUARES[name]
        fit = jaxsim.lm(entry["formula"], rows(entry["data"]), cluster=entry["group"], vcov=convention)
        self.check(fit, entry["robust"][convention], entry["robust"][convention]["p_g1"])
        assert (fit.n_rows, fit.n_groups) == (entry["n_rows"], entry["n_groups"])
        close(fit.table["df"], np.full(len(fit.table), entry["n_groups"] - 1), 0)

    @pytest.mark.parametrize("convention", ["CR2", "CR3"])
    def test_adjusted_scores(self, name, convention):
        """clubSandwich, with Satterthwaite's degrees of freedom."""
        entry = LEAST_SQUARES[name]
        expected = entry["robust"][convention]
        fit = jaxsim.lm(entry["formula"], rows(entry["data"]), cluster=entry["group"], vcov=convention)
        self.check(fit, expected, expected["p"])
        close(fit.table["df"], expected["df"], 1e-8)  # clubSandwich inverts blocks of I - H, which are well conditioned here

    @staticmethod
    def check(fit, expected, p_values):
        assert fit.status == "ok"
        error = np.array(expected["se"])
        close(fit.table["std_error"], error, 1e-9)
        close(fit.table["statistic"], expected["t"], 1e-9, 1e-9)
        close(fit.vcov / np.outer(error, error), expected["vcov"] / np.outer(error, error), 0, 1e-9)
        close(fit.table["p_value"], p_values, 1e-7, 1e-300)  # t^2 times the error of t


@pytest.mark.parametrize("convention", ["CR0", "CR1", "CR1p", "CR1S"])
def test_satterthwaite_of_other_conventions(convention):
    for name in ("grunfeld", "awkward_x"):
        entry = LEAST_SQUARES[name]
        fit = jaxsim.lm(entry["formula"], rows(entry["data"]), cluster=entry["group"], vcov=convention, df="satterthwaite")
        TestLeastSquares.check(fit, entry["robust"][convention], entry["robust"][convention]["p"])
        close(fit.table["df"], entry["robust"][convention]["df"], 1e-8)


@pytest.mark.parametrize("name", TWO_STAGE)
def test_two_stage(name):
    entry = LEAST_SQUARES[name]
    fit, expected = jaxsim.lm2(entry["formula"], rows(entry["data"]), group=entry["group"]), entry["two_stage"]
    assert (fit.status, fit.n_groups) == ("ok", expected["n_groups_used"])
    assert list(fit.table["term"]) == entry["ols"]["names"]
    close(fit.table["std_error"], expected["se"], 1e-9)  # as above
    close(fit.table["statistic"], expected["t"], 1e-9, 1e-9)
    close(fit.table["estimate"] / expected["se"], np.array(expected["estimate"]) / expected["se"], 0, 1e-9)
    close(fit.table["df"], np.full(len(fit.table), expected["df"]), 0)
    close(fit.table["p_value"], expected["p"], 1e-7, 1e-300)
    own = np.array(list(expected["first_groups"].values()), float)
    spread = np.array(expected["se"]) * np.sqrt(expected["n_groups_used"])
    close(fit.coef.iloc[: len(own)] / spread, own / spread, 0, 1e-9)


@pytest.mark.parametrize(
    ("name", "criterion", "theta", "df"),
    [
        ("sleepstudy_reml", 1743.6282719585, [0.966732952, 0.015169054, 0.230909595], [17, 17]),
        ("sleepstudy_ml", 1751.9393444632, [0.929225474, 0.018165707, 0.222645423], None),
        ("sleepstudy_zerocorr_reml", 1743.6692935813, [0.979896300, 0.234230578], [18.1562040, 18.1562040]),
        ("sleepstudy_intercept_reml", 1786.4650853949, [1.197881530], [22.810199, 161]),
        ("dyestuff_ml", 327.32705988, [0.75258069], None),
        ("dyestuff_reml", 319.65427684, None, None),
        ("dyestuff2_ml", 162.873036654, [0], None),
    ],
)
def test_published_mixed_models(name, criterion, theta, df):
    """Values that several programs agree on (lme4, MixedModels.jl, SAS); the tolerance is half a unit of the last digit given."""
    fit = mixed(name)
    close(fit.criterion, criterion, 0, 5e-9)
    if theta is not None:
        close(fit.theta, theta, 0, 5e-9)
    if df is not None:
        close(fit.table["df"], df, 0, 5e-7)


@pytest.mark.parametrize(
    ("name", "method", "df"),
    [
        ("sleepstudy_reml", "kenward-roger", [17, 17]),
        ("sleepstudy_reml", "kenward-roger-observed", [17, 17]),  # SAS
        ("sleepstudy_zerocorr_reml", "kenward-roger", [18.1874764, 18.1874764]),  # lmerTest
        ("sleepstudy_zerocorr_reml", "kenward-roger-observed", [18.15620597, 18.15620540]),  # SAS
        ("sleepstudy_intercept_reml", "kenward-roger", [22.810199, 161]),
        ("sleepstudy_intercept_reml", "kenward-roger-observed", [22.810199, 161]),
    ],
)
def test_published_kenward_roger(name, method, df):
    """SAS stops at variances good to six digits, of which the df are smooth functions; 1e-6 covers the digits given elsewhere."""
    fit = kenward_roger(name, method)
    close(fit.table["df"], df, 1e-6)
    close(fit.table["std_error"], mixed(name).table["std_error"], 1e-8)  # balanced data: no adjustment


def test_published_sleepstudy():
    fit = mixed("sleepstudy_reml")
    close(fit.sigma, 25.5918156267, 0, 5e-10)  # the last digit printed
    close(fit.table["std_error"], [6.824556532, 1.545788896], 0, 1e-9)
    close(fit.random_effects.loc[308], [2.25856555, 9.19897188], 0, 1e-8)
    close(mixed("dyestuff2_ml").table["std_error"], [0.66698574], 0, 1e-8)
    close(mixed("dyestuff2_reml").table["std_error"], [0.67838803], 0, 1e-8)


def test_published_cluster_robust():
    single = rows("grunfeld")[["invest", "value", "capital"]].astype("float32").astype(float)  # Stata stores four-byte numbers
    grunfeld = jaxsim.lm("invest ~ value + capital", single.assign(firm=rows("grunfeld")["firm"]), cluster="firm")
    close(grunfeld.table["std_error"], [20.425202580078, 0.01589433647768, 0.08496711097464], 1e-12)  # all digits given
    petersen = jaxsim.lm("y ~ x", rows("petersen"), cluster="firm")
    close(petersen.vcov, [[0.0044907, -0.00006474], [-0.00006474, 0.00255993]], 0, 5e-8)  # Stata, seven decimals of the first


def test_pymer4_convention_is_the_dense_formula():
    """``Lm(robust='cluster')`` of pymer4 0.8: G/(G-1) N/(N-K) scales the sandwich, t has G - K degrees of freedom."""
    data = rows("grunfeld")
    x = np.column_stack([np.ones(len(data)), data["value"], data["capital"]])
    y, group = data["invest"].to_numpy(), data["firm"].to_numpy()
    bread = np.linalg.inv(x.T @ x)
    residual = y - x @ bread @ x.T @ y
    same = group[:, None] == group[None, :]
    meat = x.T @ (np.outer(residual, residual) * same) @ x
    n, k, g = len(y), 3, len(np.unique(group))
    expected = g / (g - 1) * n / (n - k) * bread @ meat @ bread
    fit = jaxsim.lm("invest ~ value + capital", data, cluster="firm", vcov="pymer4")
    close(fit.vcov, expected, 1e-10)  # inverting X'X directly costs its condition number, 1e6
    close(fit.table["df"], [g - k] * 3, 0)


def test_the_better_of_two_optima():
    """Of a maximal model, where lme4 ends in one or the other by where it starts."""
    expected = json.loads((FOLDER / "two_optima.json").read_text())
    fit = jaxsim.lmer(expected["formula"], rows("two_optima"))
    assert fit.criterion < expected["next_criterion"] - 0.1
    # lme4 stops where the criterion no longer falls; the root of what is left is the error of the rest (3e-13, 1e-6, 9e-6).
    close(fit.criterion, expected["criterion"], 1e-11)
    for found, name in ((fit.sigma, "sigma"), (fit.beta, "estimate"), (fit.table["std_error"], "se")):
        close(found, expected[name], 1e-5)
    close(fit.covariance, expected["covariance"], 0, 1e-4 * np.max(expected["covariance"]))
