"""Within regressions: pyfixest's numbers, what is absorbed, what is refused; and models with group means beside them."""

import json
import runpy
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import batch, make_rows
from scipy import stats

import jaxsim
from jaxsim import (
    BetweenWithin,
    ClusterRobust,
    Design,
    GaussianMultilevel,
    Grid,
    InputError,
    LinearMixed,
    Names,
    Normal,
    Prediction,
    Rows,
    Study,
    WithinRegression,
    covariate,
)
from jaxsim.data.cross_products import from_rows
from jaxsim.inference import t_table
from jaxsim.status import Status
from jaxsim.testing import check_estimator

REFERENCE = Path(__file__).parent / "reference"
NAMES = Names(("Intercept", "x", "z", "w"), constant=("w",))


def made(monkeypatch):
    """The rows of the script, which needs pyfixest only for its main function."""
    monkeypatch.setitem(sys.modules, "pyfixest", types.ModuleType("pyfixest"))
    return runpy.run_path(str(REFERENCE / "make_within.py"))["made"]()


@pytest.mark.parametrize("vcov", ["CR1S", "iid"])
def test_pyfixest(monkeypatch, vcov):
    rows = made(monkeypatch)
    expected = json.loads((REFERENCE / "within.json").read_text())["results"][vcov]
    x = np.column_stack([np.ones(len(rows)), rows[["x", "z"]]])
    data = from_rows(x, rows["y"].to_numpy(), rows["Group"].to_numpy(), ("Intercept", "x", "z"))
    fit = jax.device_get(WithinRegression(vcov).fit_batch(jax.tree.map(lambda leaf: leaf[None], data)))
    # pyfixest demeans by iteration to 1e-6 of a column and better with one effect, which is exact here.
    np.testing.assert_allclose(fit.estimate[0], expected["estimate"], rtol=1e-8)
    np.testing.assert_allclose(fit.std_error[0], expected["std_error"], rtol=1e-8)
    p_value = t_table(fit.estimate, fit.std_error, fit.df).p_value
    np.testing.assert_allclose(p_value[0], expected["p_value"], rtol=1e-6)  # of relative condition t^2


def test_within_and_between_are_the_same_where_every_mean_is_zero():
    """Predictors less their means: the pooled slope is the within slope, and CR0 the same sandwich."""
    rows = make_rows(3, [5, 9, 4, 12, 6, 7], group_sd=1.0)
    centred = rows.x.copy()
    for i in rows.members():
        centred[i, 1:] -= centred[i, 1:].mean(0)
    data = batch([rows.but(x=centred)], 8)
    within, pooled = WithinRegression("CR0").fit_batch(data), ClusterRobust("CR0").fit_batch(data)
    # Sums of a few dozen products in another order.
    np.testing.assert_allclose(within.estimate, pooled.estimate[:, 1:], rtol=1e-10)
    np.testing.assert_allclose(within.std_error, pooled.std_error[:, 1:], rtol=1e-10)


@pytest.mark.parametrize(
    ("between", "means", "df"),
    [("contextual", None, "satterthwaite"), ("between", None, "satterthwaite"), ("between", ("IV1",), "residual")],
)
def test_predictions_are_those_of_a_fitted_frame_with_means(between, means, df):
    """Rows of known groups with the group's mean; of new ones with the mean that least squares have for the row."""
    strategy = BetweenWithin("DV ~ IV1 + IV2 + (IV1 | Group)", means=means, between=between, df=df)
    rows = make_rows(3, [9, 9, 6, 12, 7, 8], group_sd=(1.0, 1.0, 0.0))
    rows = rows.but(x=np.column_stack([rows.x[:, 0], rows.x[:, 1:] + rows.group[:, None] / 2]))
    data = strategy.view(jax.tree.map(lambda leaf: leaf[0], batch([rows], 8)))
    frame = pd.DataFrame(rows.x[:, 1:], columns=["IV1", "IV2"]).assign(DV=rows.y, Group=rows.group)
    added = list(means or ("IV1", "IV2"))
    own = frame.groupby("Group")[added].mean()
    whole = frame.join(own.add_suffix("_m"), on="Group")
    fit = jax.jit(strategy.fit)(data)
    in_frame = jaxsim.lmer(f"DV ~ IV1 + IV2 + {' + '.join(name + '_m' for name in added)} + (IV1 | Group)", whole, df=df)
    new = pd.DataFrame(np.random.default_rng(1).normal(size=(9, 2)) * 2, columns=["IV1", "IV2"])
    new = new.assign(Group=[0, 1, 2, 3, 4, 5, -1, -1, -2])
    slopes = np.linalg.lstsq(rows.x, whole[[name + "_m" for name in added]], rcond=None)[0]
    left = whole[[name + "_m" for name in added]].to_numpy() - rows.x @ slopes
    x = np.column_stack([np.ones(9), new[["IV1", "IV2"]]])
    there = np.where(new["Group"].to_numpy()[:, None] >= 0, own.to_numpy()[new["Group"].clip(0)], x @ slopes)
    said = in_frame.predict(new.assign(**{f"{name}_m": there[:, k] for k, name in enumerate(added)}), interval="prediction")
    effects = in_frame.table.set_index("term")["estimate"][[name + "_m" for name in added]].to_numpy()
    rest = np.where(new["Group"] < 0, effects @ left.T @ left @ effects / len(frame), 0.0)
    table = Rows(
        jnp.asarray(x), jnp.zeros(9), jnp.asarray(new[["Group"]].to_numpy()), jnp.ones(9), data.columns, data.fixed, (8,)
    )  # fmt: skip
    # Two searches for the same optimum: each good to about 1e-9 of a parameter.
    predicted, error = jax.jit(lambda: (strategy.predict(data, fit, table), strategy.prediction_error(data, fit, table)))()
    np.testing.assert_allclose(predicted, said["estimate"], rtol=1e-6)
    np.testing.assert_allclose(error.variance, said["std_error"] ** 2 + rest, rtol=1e-6)
    reach = stats.t.ppf(0.975, error.df) * said["std_error"]
    np.testing.assert_allclose(reach, (said["conf_high"] - said["conf_low"]) / 2, rtol=1e-5)  # df from a Hessian: five digits


def test_new_groups_are_predicted_as_well_as_a_row_allows(tmp_path):
    """What is usual in a group has an effect of 3 on ``y``, a row's deviation 1, both with a variance of a half: of a new group the
    sum alone is known, whose slope is ``1 + 2 / 2``, and an error of variance ``(3 - 1)^2 / 4`` is left."""
    design = Design(
        "y ~ own + usual + I(own + usual) + (1 | g)", units={"g": 40}, repeats=30,
        variables={"own": covariate("row", Normal(0, 0.5**0.5)), "usual": covariate("g", Normal(0, 0.5**0.5))},
        effects={"own": 1, "usual": 3}, sd={"g": 0.5}, residual_sd=1,
    )  # fmt: skip
    strategies = tuple(kind("y ~ I(own + usual) + (1 | g)") for kind in (BetweenWithin, LinearMixed))
    study = Study(design, Grid(), strategies, 100, seed=1, scores=(Prediction(),))
    lines = study.run(tmp_path / "out", progress=False).measures(["model"]).set_index(["model", "measure"])
    for where, rest, estimated in (
        ("known", 0.0, 1 / 30),  # of the group's intercept
        ("new", 1.25, 1.25 * 3 / 40),  # of three coefficients of groups, roughly
    ):
        error, coverage = (lines.loc["mundlak", f"prediction_{kind}_{where}"] for kind in ("rmse", "coverage"))
        assert -3 * error["mcse"] < error["value"] - np.sqrt(1 + rest) < 3 * error["mcse"] + estimated
        assert abs(coverage["value"] - 0.95) < 3 * coverage["mcse"] + 0.005, "and half a per cent of Satterthwaite's"
    assert lines.loc["mundlak", "prediction_rmse_new"]["value"] < 0.95 * lines.loc["lmer", "prediction_rmse_new"]["value"]
    assert lines.loc["mundlak", "prediction_mean_rmse_known"]["value"] < 0.3


def test_confounded_slopes():
    """Groups with larger means of x have larger intercepts: within estimates do not see it, a plain mixed model does."""
    rng, datasets = np.random.default_rng(5), []
    for seed in range(100):
        rows = make_rows(seed, [6] * 30, 2, group_sd=0.0)
        own = rng.normal(size=30)[rows.group]
        x = np.column_stack([rows.x[:, 0], rows.x[:, 1] + own])
        datasets.append(rows.but(x=x, y=x @ [0.0, 0.5] + 1.0 * own + rng.normal(size=180)))
    data = batch(datasets, 32)
    fits = {
        s.name: s.fit_batch(data)
        for s in (WithinRegression(), BetweenWithin(random=("Intercept",)), LinearMixed(random=("Intercept",)))
    }
    slopes = {name: np.asarray(fit.estimate)[:, 0 if name == "within" else 1] for name, fit in fits.items()}
    error = slopes["within"].std() / 10
    assert abs(slopes["within"].mean() - 0.5) < 4 * error
    # In a model with all means, generalised least squares of the deviations is least squares, to rounding.
    np.testing.assert_allclose(slopes["mundlak"], slopes["within"], rtol=1e-8)
    assert slopes["lmer"].mean() > 0.5 + 8 * error
    # The contextual effect is what intercepts and means share, less what six rows a group blur: .5 of it or more.
    assert np.asarray(fits["mundlak"].estimate)[:, 2].mean() > 0.5


def test_what_is_absorbed_has_no_coefficient():
    strategy = WithinRegression()
    assert strategy.coefficients(NAMES) == ("x", "z")
    strategy.check(NAMES)
    with pytest.raises(InputError, match="'w' is one number a group"):
        WithinRegression(formula="DV ~ x + w").check(NAMES)
    with pytest.raises(InputError, match="no predictor varies within groups"):
        strategy.check(Names(("Intercept", "w"), constant=("w",)))
    with pytest.raises(InputError, match="needs the sums of every group's rows"):
        strategy.check(Names(("x", "z")))


def test_a_study_asks_for_its_own_coefficients(tmp_path):
    process = GaussianMultilevel(n_groups=8, n_obs=6, n_predictors=2, n_between=1)
    study = Study(process, Grid(), (WithinRegression(), BetweenWithin(random=("Intercept",)), LinearMixed()), 20, seed=3)
    estimates = study.run(tmp_path / "run", progress=False).estimates
    terms = estimates.groupby("model", observed=True)["term"].unique().map(sorted)
    between = [name for name in process.names.fixed if name in process.names.constant]
    within = [name for name in process.names.fixed if name not in (*between, "Intercept")]
    assert terms["within"] == within
    assert terms["mundlak"] == sorted(["Intercept", *within, *between, *(f"{name}_contextual" for name in within)])


@pytest.mark.parametrize("strategy", [WithinRegression("CR2"), BetweenWithin(random=("Intercept",))], ids=lambda s: s.name)
def test_promises(strategy):
    check_estimator(strategy)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WithinRegression("HC1"), "'CR2', 'CR3', 'iid'"),
        (lambda: WithinRegression(df="G-P"), "'satterthwaite', 'G-1', 'residual', 'normal'"),
        (lambda: WithinRegression("iid", df="satterthwaite"), "use 'residual'"),
        (lambda: BetweenWithin(between="both"), "'contextual', 'between'"),
        (lambda: BetweenWithin(means="x"), "tuple of names"),
        (lambda: BetweenWithin(df="guess"), "satterthwaite"),
        (lambda: BetweenWithin(random="Intercept"), "tuple"),
        (lambda: BetweenWithin(means=("w2",)).check(NAMES), "'w2'; use fixed effects: x, z, w"),
        (lambda: BetweenWithin().check(Names(("x", "z"))), "needs the sums"),
        (lambda: BetweenWithin().check(Names(("Intercept", "w"), constant=("w",))), "no predictor varies"),
        (lambda: BetweenWithin().check(Names(("Intercept", "x", "x_contextual"))), "has a column 'x_contextual'"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_means_that_do_not_differ_are_rank_deficient():
    rows = make_rows(0, [4] * 6, 2)
    balanced = rows.but(x=np.column_stack([np.ones(24), np.tile([0.0, 1.0, 3.0, 9.0], 6)]))
    (status,) = BetweenWithin(random=("Intercept",)).fit_batch(batch([balanced], 8)).status
    assert Status(int(status)) is Status.RANK_DEFICIENT
    assert jaxsim.BetweenWithin is BetweenWithin
