"""How well strategies predict rows that they have not seen: expectations, drawn rows, intervals, and what a study says of them."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import warnings
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from exactly import same
from group_effects import covariance_of, dense_blups, groups_of, own
from scipy import stats

import jaxsim
from jaxsim import (
    AutoregressiveMixed,
    ClusterRobust,
    Design,
    Estimator,
    Fit,
    FrameProcess,
    FunctionProcess,
    GaussianMultilevel,
    Grid,
    GroupRecovery,
    HeteroscedasticMixed,
    HierarchicalBayes,
    InputError,
    Limited,
    LinearMixed,
    Lme4,
    LostGroups,
    Normal,
    PooledOLS,
    Prediction,
    RowProcess,
    Rows,
    Score,
    Study,
    TwoStage,
    UniformSizes,
    Until,
    VarianceByMean,
    WithinRegression,
    between,
    covariate,
    load,
    measures,
    report,
    within,
)
from jaxsim.data.padding import Bounds
from jaxsim.measures.overview import overview
from jaxsim.measures.prediction import PREDICTION_NUMBERS as COLUMNS
from jaxsim.measures.stream import Performance
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.student import reach
from jaxsim.processes.fresh import fresh, variance_between
from jaxsim.processes.program import Program

# IV2 is one number a group; 5 and 7 groups are padded to 8, and of unequal size.
PROCESS = GaussianMultilevel(n_predictors=2, n_between=1, n_obs=UniformSizes(3, 9), residual_sd=1.5)
STRATEGIES = (
    PooledOLS(label="ols"),
    ClusterRobust("pymer4", label="lm"),
    ClusterRobust("CR2", label="cr2"),
    TwoStage(label="lm2", formula="DV ~ IV1"),
    LinearMixed(label="lmer"),
    LinearMixed("DV ~ IV2 + (0 + IV1 | Group)", reml=False, label="slope"),
    PooledOLS(label="other", formula="IV1 ~ IV2"),
    HierarchicalBayes(random=("IV1",), method="fast", label="bayes"),
)
GRID = Grid(n_groups=[5, 7], group_sd=[(0.0, 0.0), (1.0, 0.5)])
STUDY = Study(PROCESS, GRID, STRATEGIES, replicates=8, seed=3, scores=(Prediction(),))
CHEAP = dataclasses.replace(STUDY, estimators=(STRATEGIES[0], STRATEGIES[3]))
# Ten operations on numbers that cross-products carry to 16 digits; a mixed model's theta is good to half of them at worst.
CLOSED, ITERATED = 1e-10, 1e-6
# Values and weights with which sums of quadratic functions of a standard normal number are exact (Gauss and Hermite).
NODES = ((-np.sqrt(3), 1 / 6), (0.0, 2 / 3), (np.sqrt(3), 1 / 6))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("prediction") / "out", progress=False)


def coefficients_of(model, fit, estimate, frame):
    """Of known groups ``[G, 3]`` and of new ones ``[3]``, for intercept, IV1 and IV2."""
    groups = groups_of(frame, ("IV1", "IV2"))
    if model == "lm2":
        alone = own(groups_of(frame))
        return np.column_stack([alone, np.zeros(len(alone))]), np.array([*alone.mean(0), 0.0])
    if model in ("ols", "lm"):
        x, y = np.concatenate([x for x, _ in groups]), np.concatenate([y for _, y in groups])
        beta = np.linalg.lstsq(x, y, rcond=None)[0]
        return np.tile(beta, (len(groups), 1)), beta
    # The mixed models have no random effect of IV2; "slope" has no fixed effect of IV1.
    beta = np.array([estimate.get(term, 0.0) for term in ("Intercept", "IV1", "IV2")])
    covariance, sigma = covariance_of(fit, ("Intercept", "IV1", "IV2")), fit["sigma"]
    if model == "lmer":
        return dense_blups(groups, covariance, sigma), beta
    effects = [
        covariance @ x.T @ np.linalg.solve(sigma**2 * np.eye(len(y)) + x @ covariance @ x.T, y - x @ beta) for x, y in groups
    ]
    return beta + np.array(effects), beta


def moments(points):
    """Of a population of (weight, prediction, expectation): mean squared error, and mean and variance of the expectations."""
    weight, predicted, mean = (np.array(values) for values in zip(*points, strict=True))
    weight = weight / weight.sum()
    return weight @ (predicted - mean) ** 2, weight @ mean**2 - (weight @ mean) ** 2


def brute_force(known, new, frame, process):
    """Errors and variances of responses, a row of known groups, then of new ones: sums over nodes of everything that is random."""
    true, noise = np.array(frame.attrs["truth"]["group_coefficients"]), process.residual_sd**2
    beta = np.array(list(frame.attrs["truth"]["fixed_effects"].values()))
    rows = frame.groupby("Group")
    points = []
    for size, w, c, b in zip(rows.size(), rows["IV2"].first(), known, true, strict=True):
        for x, weight in NODES:
            row = np.array([1.0, x, w])
            points.append((size * weight, row @ c, row @ b))
    found = [moments(points)]
    points, sd = [], np.broadcast_to(process.group_sd, 2)
    for (x, p), (w, q), (u, r), (v, s) in itertools.product(NODES, repeat=4):
        row = np.array([1.0, x, w])
        points.append((p * q * r * s, row @ new, row @ (beta + np.array([sd[0] * u, sd[1] * v, 0.0]))))
    found.append(moments(points))
    return {
        name: value
        for where, (error, variance) in zip(("known", "new"), found, strict=True)
        for name, value in {
            f"prediction_mse_{where}": error + noise,
            f"prediction_mean_mse_{where}": error,
            f"prediction_variance_{where}": variance + noise,
        }.items()
    }


@pytest.mark.parametrize("model", ["ols", "lm", "lm2", "lmer", "slope"])
def test_expected_errors_are_sums_over_everything_that_is_random(results, model):
    estimates, fits = (table[table["model"] == model] for table in (results.estimates, results.fits))
    usable = fits[fits["status"].isin(["ok", "singular"])]
    assert len(usable) >= 8
    for fit in usable.to_dict("records"):
        frame = STUDY.dataset(fit["cell"], fit["replicate"])
        rows = estimates[(estimates["cell"] == fit["cell"]) & (estimates["replicate"] == fit["replicate"])]
        assert (rows[list(COLUMNS)].nunique() <= 1).all(), "the same in the rows of all terms"
        known, new = coefficients_of(model, fit, dict(zip(rows["term"], rows["estimate"], strict=True)), frame)
        tolerance = ITERATED if model in ("lmer", "slope") else CLOSED
        expected = brute_force(known, new, frame, STUDY.cells[fit["cell"]].process)
        predicted = (np.column_stack([np.ones(len(frame)), frame[["IV1", "IV2"]]]) * known[frame["Group"] - 1]).sum(1)
        expected["prediction_mse_fitted"] = ((frame["DV"] - predicted) ** 2).mean()
        got = rows.iloc[0]
        for name, value in expected.items():
            assert got[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name


@functools.cache
def drawn_by(program, bounds):
    """What is fresh for the dataset of a key, compiled for all processes with the same program."""
    process = program.example
    return jax.jit(lambda key, values: fresh(process, key, process.draw(key, values, bounds), values, bounds))


def fresh_of(study, cell, replicate):
    """The rows that a dataset's strategies have not seen."""
    process, key = study.cells[cell].process, study.key(study.cells[cell], replicate)
    bounds = process.bounds.padded()
    return jax.device_get(drawn_by(Program(process.program(bounds), process), bounds)(key, process.parameters(bounds)))


def table_of(rows, new_groups):
    """Rows that count, as a DataFrame; numbers of new groups are none of the dataset's."""
    there = rows.weight > 0
    found = pd.DataFrame(rows.x[there], columns=rows.columns).assign(DV=rows.y[there], weight=rows.weight[there])
    return found.assign(Group=rows.levels[there, 0] + 1 + 1000 * new_groups)


FRAMES = {
    "ols": lambda frame: jaxsim.ols("DV ~ IV1 + IV2", frame),
    "lm": lambda frame: jaxsim.lm("DV ~ IV1 + IV2", frame, cluster="Group", vcov="pymer4"),
    "lmer": lambda frame: jaxsim.lmer("DV ~ IV1 + IV2 + (IV1 | Group)", frame),
    "slope": lambda frame: jaxsim.lmer("DV ~ IV2 + (0 + IV1 | Group)", frame, reml=False),
}


@pytest.mark.parametrize("model", FRAMES)
@pytest.mark.parametrize("cell", [0, 1, 3])
def test_intervals_and_densities_are_those_of_fitted_frames(results, model, cell):
    """``predict(interval="prediction")``, which is compared with R, of the same rows: limits, and densities with their variance."""
    for replicate in (0, 3):
        fit = FRAMES[model](STUDY.dataset(cell, replicate))
        table = results.estimates.query("cell == @cell and replicate == @replicate and model == @model").iloc[0]
        for where, rows in (
            ("known", fresh_of(STUDY, cell, replicate).known.rows),
            ("new", fresh_of(STUDY, cell, replicate).new.rows),
        ):
            new = table_of(rows, where == "new")
            level = {} if model in ("ols", "lm") else {"level": "group"}
            said = fit.predict(new, interval="prediction", **level)
            covered = (said["conf_low"] <= new["DV"]) & (new["DV"] <= said["conf_high"])
            density = stats.norm.logpdf(new["DV"], said["estimate"], said["std_error"])
            got = [table[f"prediction_{kind}_{where}"] for kind in ("covered", "log_density")]
            wanted = [np.average(covered, weights=new["weight"]), np.average(density, weights=new["weight"])]
            np.testing.assert_allclose(got, wanted, rtol=ITERATED, atol=ITERATED)


@pytest.mark.parametrize(
    "options", [{}, {"df": "kenward-roger"}, {"covariance": "diagonal"}, {"df": "residual"}, {"reml": False}], ids=str
)
def test_errors_of_a_mixed_model_are_those_of_a_fitted_frame(options):
    """Standard deviations of prediction errors and their degrees of freedom, of known and of new groups."""
    process = GaussianMultilevel(6, UniformSizes(4, 8), (1.0, 0.6), n_predictors=1, fixed_effects=(1.0, 0.5))
    study = Study(process, Grid(), LinearMixed(**options), replicates=1, seed=5)
    bounds = process.bounds.padded()
    data = jax.jit(lambda key: process.draw(key, process.parameters(bounds), bounds).data)(study.key(study.cells[0], 0))
    frame, strategy = study.dataset(0, 0), study.estimators[0]
    fit = on_numpy(strategy.fit)(jax.device_get(data))  # what is of interest here needs a fit, and no compiled one
    bars = "||" if options.get("covariance") == "diagonal" else "|"
    other = {name: value for name, value in options.items() if name != "covariance"}
    in_frame = jaxsim.lmer(f"DV ~ IV1 + (IV1 {bars} Group)", frame, **other)
    rng = np.random.default_rng(1)
    groups = np.array([1, 2, 3, 4, 5, 6, 7, 8])
    new = pd.DataFrame({"Group": groups, "IV1": rng.normal(size=8) * 2})
    levels = np.where(groups <= 6, groups - 1, -1)[:, None]
    x = np.column_stack([np.ones(8), new["IV1"]])
    rows = Rows(jnp.asarray(x), jnp.zeros(8), jnp.asarray(levels), jnp.ones(8), data.columns, data.fixed, (8,))
    got, predicted = jax.jit(lambda *given: (strategy.prediction_error(*given), strategy.predict(*given)))(data, fit, rows)
    said = in_frame.predict(new, interval="prediction")
    np.testing.assert_allclose(np.sqrt(got.variance), said["std_error"], rtol=ITERATED)
    reach = stats.t.ppf(0.975, got.df) * np.sqrt(got.variance)
    np.testing.assert_allclose(reach, (said["conf_high"] - said["conf_low"]) / 2, rtol=1e-5)  # df from a Hessian: five digits
    np.testing.assert_allclose(predicted, said["estimate"], rtol=ITERATED)


def test_fresh_rows_have_the_expected_cross_products():
    """Means over 4,000 draws for one dataset; the largest of some 200 z values is below 4.5 in 999 of 1,000 such tests."""
    process = GaussianMultilevel(4, (3, 5, 2, 6), (1.0, 0.5), n_predictors=2, n_between=1, fixed_effects=(1.0, 0.5, 0.7))
    bounds = process.bounds.padded()
    values = process.parameters(bounds)
    drawn = process.draw(jax.random.key(1, impl="threefry2x32"), values, bounds)
    for new_groups in (False, True):
        expected = process.expected(drawn, values, new_groups)

        @jax.jit
        @jax.vmap
        def rows(seed, new_groups=new_groups):
            key = jax.random.key(seed, impl="threefry2x32")
            return process.new_rows(key, drawn, values, bounds, new_groups).data.reduce(bounds.cells)

        many = jax.device_get(rows(np.arange(4000, dtype=np.uint32)))
        per_row = many.products[:, :4] / many.sizes[0, 0]
        mean, error = per_row.mean(0), per_row.std(0, ddof=1) / np.sqrt(4000)
        wanted = np.asarray(expected.products.products) / np.asarray(expected.products.sizes)[:, None, None].clip(1)
        wanted = np.broadcast_to(wanted, (4, 4, 4)) if new_groups else wanted[:4]
        fixed = error < 1e-12  # what is one number a known group
        np.testing.assert_allclose(mean[fixed], wanted[fixed], rtol=1e-9)
        assert fixed.sum() == (4 if new_groups else 4 * 4), "ones, and of known groups IV2"
        assert (np.abs(mean - wanted)[~fixed] < 4.5 * error[~fixed]).all()


DESIGN = Design(
    "y ~ arm * day + age + mood + (day | unit)",
    units={"unit": 10},
    variables={
        "arm": between("unit", levels=("a", "b"), randomised=True),
        "day": within(0, 1, 3, 9),
        "age": covariate("unit", Normal(0, 1)),
        "mood": covariate("row", Normal(0, 1)),
    },
    effects={"Intercept": Normal(1, 1), "day": 0.5, "age": 0.3},
    sd={"unit": {"Intercept": 1.0, "day": 0.4}},
    residual_sd=1.0,
)


def test_further_rows_of_a_design_keep_what_belongs_to_their_units():
    study = Study(DESIGN, Grid(), PooledOLS(), replicates=1)
    bounds = DESIGN.bounds.padded()
    values = DESIGN.parameters(bounds)
    key = study.key(study.cells[0], 0)
    drawn = DESIGN.draw(key, values, bounds)
    known, new = (DESIGN.new_rows(key, drawn, values, bounds, new_groups) for new_groups in (False, True))
    at = {name: drawn.data.columns.index(name) for name in ("armb", "day", "age", "mood")}
    for name, kept in (("day", (True, True)), ("armb", (True, False)), ("age", (True, False)), ("mood", (False, False))):
        for other, is_kept in zip((known, new), kept, strict=True):
            assert np.array_equal(drawn.data.x[:, at[name]], other.data.x[:, at[name]]) == is_kept, name
    assert np.array_equal(drawn.truth.fixed, known.truth.fixed)
    assert np.array_equal(drawn.truth.fixed, new.truth.fixed), "drawn for the dataset, and its own"
    assert np.array_equal(drawn.truth.groups["unit"], known.truth.groups["unit"])
    assert not np.array_equal(drawn.truth.groups["unit"], new.truth.groups["unit"])
    noise = [one.data.y - jnp.einsum("nk,nk->n", one.data.x, ordered(one)[one.data.levels[:, 0]]) for one in (drawn, known, new)]
    assert not np.allclose(noise[0], noise[1])
    assert not np.allclose(noise[0], noise[2])
    assert max(float(jnp.abs(one).max()) for one in noise) < 5, "nothing but noise of SD 1: the largest of 40"


def ordered(draw):
    """Coefficients of the groups in the order of the columns."""
    told = dict(draw.truth.random)["unit"]
    return draw.truth.groups["unit"][:, np.array([told.index(name) for name in draw.data.columns])]


def test_drawn_rows_give_the_errors_that_brute_force_has(tmp_path):
    """Beside another score; the ten units are padded to sixteen."""
    study = Study(DESIGN, Grid(), PooledOLS(), replicates=3, seed=2, scores=(Prediction(), GroupRecovery()))
    found = study.run(tmp_path / "out", progress=False).estimates
    for replicate in range(3):
        rows, frame = found[found["replicate"] == replicate], study.dataset(0, replicate)
        beta, got = rows["estimate"].to_numpy(), rows.iloc[0]
        true = np.array(frame.attrs["truth"]["group_coefficients"])
        for where, part in fresh_of(study, 0, replicate)._asdict().items():
            x, y, unit = part.rows.x, part.rows.y, part.rows.levels[:, 0]
            assert got[f"prediction_mse_{where}"] == pytest.approx(((y - x @ beta) ** 2).mean(), rel=CLOSED)
            apart = (y[:, None] - y)[unit[:, None] != unit]
            variance = y.var() if where == "known" else (apart**2).mean() / 2
            assert got[f"prediction_variance_{where}"] == pytest.approx(variance, rel=CLOSED)
            if where == "known":
                mean = (x * true[unit]).sum(1)
                assert got["prediction_mean_mse_known"] == pytest.approx(((mean - x @ beta) ** 2).mean(), rel=CLOSED)
        fit = jaxsim.ols("y ~ arm * day + age + mood", frame)
        assert got["prediction_mse_fitted"] == pytest.approx((fit.residuals**2).mean(), rel=CLOSED)
        np.testing.assert_allclose(rows["group_mse"], ((beta - true) ** 2).mean(0), rtol=CLOSED)


def test_variance_of_a_population_does_not_depend_on_the_number_of_groups():
    """Pairs of rows from different groups, whose variance is 2 here: 1 of groups, 1 of rows."""
    rng, n = np.random.default_rng(0), 4000
    for groups in (2, 5):
        y = 3.0 + rng.normal(size=(n, groups, 1)) + rng.normal(size=(n, groups, 3))
        rows = np.stack([np.ones_like(y), y], axis=-1)
        products = jnp.asarray(np.einsum("dgni,dgnj->dgij", rows, rows))
        data = jaxsim.CrossProducts(products, jnp.full((n, groups), 3, jnp.int32), ("Intercept",), ("Intercept",))
        found = np.asarray(jax.vmap(variance_between)(data))
        assert abs(found.mean() - 2) < 3 * found.std() / np.sqrt(n)


def line_of(results, measure, **where):
    table = results.measures([*where], measures=[measure])
    for name, value in where.items():
        table = table[table[name] == value]
    return table.iloc[0]


def test_optimism_of_least_squares_at_a_fixed_design(tmp_path):
    """``2 p s^2 / n`` (Mallows 1973; Efron 2004): the same rows again have the error ``s^2 (1 + p / n)``, the fitted ones
    ``s^2 (1 - p / n)``. Within three Monte Carlo errors, of 1,500 datasets."""
    design = Design(
        "y ~ day * arm + (1 | unit)",
        units={"unit": 10},
        variables={"arm": between("unit", levels=("a", "b")), "day": within(0, 1, 3, 9)},
        effects={"day": 1.0},
        residual_sd=2.0,
    )
    study = Study(design, Grid(), PooledOLS(), replicates=1500, seed=1, scores=(Prediction(),))
    found = study.run(tmp_path / "out", progress=False)
    s2, p, n = 4.0, 4, 40
    wanted = {
        "prediction_optimism": 2 * p * s2 / n,
        "prediction_rmse_known": np.sqrt(s2 * (1 + p / n)),
        "prediction_mean_rmse_known": np.sqrt(p * s2 / n),
        "prediction_rmse_new": np.sqrt(s2 * (1 + p / n)),
    }
    for name, value in wanted.items():
        line = line_of(found, name, model="ols")
        assert abs(line["value"] - value) < 3 * line["mcse"] < 0.15 * value, name


def test_least_squares_with_normal_predictors(tmp_path):
    """``E (y - x'b)^2 = s^2 (1 + 1/n) (n - 2) / (n - k - 2)`` with k normal predictors (Stein 1960), and intervals are exact.
    Within three Monte Carlo errors, of 3,000 datasets."""
    process = GaussianMultilevel(6, 4, 0.0, n_predictors=2, residual_sd=1.5)
    study = Study(process, Grid(), (PooledOLS(), LinearMixed(random=("Intercept",))), 3000, seed=1, scores=(Prediction(),))
    found = study.run(tmp_path / "out", progress=False)
    n, k = 24, 2
    for where in ("known", "new"):
        line = line_of(found, f"prediction_rmse_{where}", model="ols")
        assert abs(line["value"] - 1.5 * np.sqrt((1 + 1 / n) * (n - 2) / (n - k - 2))) < 3 * line["mcse"] < 0.01
        line = line_of(found, f"prediction_coverage_{where}", model="ols")
        assert abs(line["value"] - 0.95) < 3 * line["mcse"] < 0.01
    # There is nothing to pool partially, and the mixed model mostly finds that out.
    compared = found.compare("lmer", "ols", []).set_index("measure")
    assert 0 < compared["value"]["prediction_rmse_known"] < 0.05


def test_a_mixed_model_predicts_known_groups_best_and_covers(tmp_path):
    """Nominal coverage to three Monte Carlo errors and half a per cent, which Satterthwaite's approximation may be off."""
    process = GaussianMultilevel(16, 6, 1.0, n_predictors=1)
    strategies = (LinearMixed(label="lmer"), PooledOLS(label="ols"), TwoStage(label="lm2"))
    found = Study(process, Grid(), strategies, 600, seed=4, scores=(Prediction(),)).run(tmp_path / "out", progress=False)
    for where in ("known", "new"):
        line = line_of(found, f"prediction_coverage_{where}", model="lmer")
        assert abs(line["value"] - 0.95) < 3 * line["mcse"] + 0.005
    for other in ("ols", "lm2"):
        line = found.compare("lmer", other, []).set_index("measure").loc["prediction_rmse_known"]
        assert line["high"] < 0, "partial pooling is better than both extremes"
    narrow = dataclasses.replace(found.study, scores=(Prediction(0.5),), replicates=100, estimators=strategies[0])
    line = line_of(narrow.run(tmp_path / "half", progress=False), "prediction_coverage_new", model="lmer")
    assert abs(line["value"] - 0.5) < 3 * line["mcse"] + 0.005


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
def test_quantiles_are_those_of_t(level):
    """To the digits in which a coverage shows: an error of 1e-8 of a quantile is 1e-9 of it."""
    df = np.array([0.3, 0.7, 1.0, 2.2, 3.0, 7.5, 41.5, 1e3, 1e9, np.inf])
    got = np.asarray(jax.jit(lambda df: reach(level, df))(jnp.asarray(df)))
    np.testing.assert_allclose(got, stats.t.ppf((1 + level) / 2, df), rtol=1e-8)


def test_what_a_strategy_does_not_have_is_blank(results):
    table = results.estimates[results.estimates["status"].isin(["ok", "singular"])]
    blank = {
        "cr2": ("covered", "log_density"), "lm2": ("covered", "log_density"), "bayes": ("covered", "log_density"),
        "other": ("mean_mse", "variance"), "ols": (), "lm": (), "lmer": (), "slope": (),
    }  # fmt: skip
    for model, rows in table.groupby("model", observed=True):
        for name in COLUMNS:
            lacks = any(name.startswith(f"prediction_{kind}_") for kind in blank[model])
            assert rows[name].isna().all() if lacks else rows[name].notna().all(), (model, name)
    failed = results.estimates[~results.estimates["status"].isin(["ok", "singular", "not_converged"])]
    assert failed[list(COLUMNS)].isna().all().all()


def test_companions_change_no_bit(results, tmp_path):
    """Not even all of the others, a posterior among them."""
    assert_companions_change_nothing(results, CHEAP.run(tmp_path / "few", progress=False))


def assert_companions_change_nothing(more, whole):
    few = more.estimates[more.estimates["model"].isin(["ols", "lm2"])]
    few = few.assign(model=few["model"].cat.remove_unused_categories()).reset_index(drop=True)
    few["term"] = few["term"].cat.set_categories(whole.estimates["term"].cat.categories)
    pd.testing.assert_frame_equal(few[list(whole.estimates.columns)], whole.estimates, check_exact=True)


def test_a_study_with_predictions_is_read_back(results):
    assert Study.from_json(STUDY.to_json()) == STUDY
    assert load(results.out).study == STUDY
    assert Study.from_json(dataclasses.replace(STUDY, scores=(Prediction(0.8),)).to_json()).scores == (Prediction(0.8),)


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("by", [["model"], ["cell", "model", "term"], []], ids="-".join)
def test_streamed_measures_are_those_in_memory(results, by, policy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = results.performance.measures(by, policy=policy)
    wanted = measures.summarise(results.estimates, by, policy=policy)
    assert set(wanted["measure"]) == {*measures.CATALOGUE, *measures.PREDICTION}
    pd.testing.assert_frame_equal(got, wanted, check_dtype=False, check_categorical=False, rtol=1e-9, atol=1e-9)
    memory = Performance.of_tables(results.estimates, results.fits, ["n_groups"])
    assert set(memory.measures([], measures=["prediction_r2_new"])["measure"]) == {"prediction_r2_new"}


def test_measures_follow_from_the_stored_numbers(results):
    table = results.estimates.query("cell == 3 and term == 'Intercept'").set_index("replicate")
    lmer, ols = (table[table["model"] == model] for model in ("lmer", "ols"))
    n = len(lmer)
    assert n == len(ols) == 8
    lines = results.measures(["cell", "model", "term"]).query("cell == 3 and term == 'Intercept' and model == 'lmer'")
    pairs = results.compare("lmer", "ols", ["cell", "term"]).query("cell == 3 and term == 'Intercept'").set_index("measure")
    lines = lines.set_index("measure")
    for where in ("known", "new"):
        mse, other, variance = (one[f"prediction_{k}_{where}"] for one, k in ((lmer, "mse"), (ols, "mse"), (lmer, "variance")))
        rmse, ratio = np.sqrt(mse.mean()), mse.mean() / variance.mean()
        expected = {
            f"prediction_rmse_{where}": (rmse, mse.std() / (2 * rmse)),
            f"prediction_r2_{where}": (1 - ratio, (mse - ratio * variance).std() / variance.mean()),
            f"prediction_coverage_{where}": (lmer[f"prediction_covered_{where}"].mean(), lmer[f"prediction_covered_{where}"].std()),
        }
        optimism = lmer["prediction_mse_known"] - lmer["prediction_mse_fitted"]
        expected["prediction_optimism"] = (optimism.mean(), optimism.std())
        for name, (value, spread) in expected.items():
            np.testing.assert_allclose(lines.loc[name, ["value", "mcse"]].astype(float), [value, spread / np.sqrt(n)], rtol=1e-9)
        difference, apart = mse - other, (mse - other).mean() / variance.mean()
        got = pairs.loc[f"prediction_r2_{where}", ["value", "mcse"]].astype(float)
        spread = (difference - apart * variance).std() / variance.mean() / np.sqrt(n)
        np.testing.assert_allclose(got, [-apart, spread], rtol=1e-9)
        got = pairs["value"][f"prediction_rmse_{where}"]
        assert got == pytest.approx(rmse - np.sqrt(other.mean()), rel=1e-9)
    assert {*measures.PREDICTION} <= set(pairs.index)


def test_tables_and_figures_show_them_where_they_were_asked_for(results, tmp_path):
    assert "predict known" in overview(results.performance)
    plain = dataclasses.replace(CHEAP, scores=(), replicates=2).run(tmp_path / "plain", progress=False)
    assert "predict known" not in overview(plain.performance)
    for name in ("prediction_known", "prediction_new"):
        labels = {line.get_label() for ax in report.draw(name, results).axes for line in ax.lines}
        assert {"ols", "lm2", "lmer", "bayes"} <= labels
        assert report.draw(name, plain) is None
    page = report.write(results, tmp_path / "report").read_text()
    assert "Prediction of new groups" in page
    assert page.count("predict known") == 1, "in the headline, not once more for each coefficient"


@dataclass(frozen=True)
class Trial(RowProcess):
    """Half of the groups are treated; effects may be drawn."""

    n_groups: int = 12
    drawn: bool = False

    def simulate(self, key):
        return self.made(key, key, key)

    def made(self, of_all, of_groups, of_rows):
        effect = jax.random.normal(jax.random.fold_in(of_all, 0)) if self.drawn else 0.5
        own = jax.random.normal(jax.random.fold_in(of_groups, 1), (self.n_groups,))
        group = jnp.repeat(jnp.arange(self.n_groups), 6)
        treat = group % 2
        y = effect * treat + own[group] + jax.random.normal(jax.random.fold_in(of_rows, 2), group.shape)
        return {"Intercept": 0.0, "treat": effect, "sigma": 1.0}, {"Group": group, "DV": y, "treat": treat}


@dataclass(frozen=True)
class Told(Trial):
    """The same, and it says how further rows come about."""

    def simulate_fresh(self, key, other, new_groups):
        return self.made(key, other if new_groups else key, other)


RANDOM_INTERCEPT = LinearMixed(random=("Intercept",))


def test_own_processes_say_how_further_rows_come_about_or_have_new_groups_alone(tmp_path):
    """Known groups are predicted with the variance of the noise, 1, and what is not known of the mean of six rows: between 1.14 and
    1.2; new groups with 2 and what is not known of the fixed effects, about 2 / 6."""
    lines = {}
    for process in (Told(drawn=True), Trial()):
        study = Study(process, Grid(), RANDOM_INTERCEPT, 400, seed=1, scores=(Prediction(),))
        found = study.run(tmp_path / type(process).__name__, progress=False)
        lines[type(process)] = found.measures([]).set_index("measure")
        assert found.estimates["prediction_mean_mse_new"].isna().all(), "it does not tell the groups' own coefficients"
    known = lines[Told].loc["prediction_rmse_known"]
    assert np.sqrt(1.14) - 3 * known["mcse"] < known["value"] < np.sqrt(1.2) + 3 * known["mcse"]
    coverage = lines[Told].loc["prediction_coverage_known"]
    assert abs(coverage["value"] - 0.95) < 3 * coverage["mcse"] + 0.005
    assert np.isnan(lines[Trial]["value"]["prediction_rmse_known"])
    for kind in (Told, Trial):
        new = lines[kind].loc["prediction_rmse_new"]
        assert abs(new["value"] - np.sqrt(2 + 2 / 6)) < 3 * new["mcse"] + 0.03
        assert new["mcse"] < 0.03


@dataclass(frozen=True)
class Nearest(Estimator):
    """Predicts the largest response that it has seen, and estimates as least squares do."""

    reads = Rows
    label: str = "nearest"

    def fit(self, data: Rows) -> Fit:
        return Fit(jnp.linalg.lstsq(data.x * data.weight[:, None], data.y * data.weight)[0])

    def predict(self, data, fit, new):
        return jnp.full(len(new.y), jnp.where(data.present, data.y, -jnp.inf).max())


def test_own_predictions_are_judged_row_by_row(tmp_path):
    study = Study(DESIGN, Grid(), (PooledOLS(), Nearest()), replicates=2, seed=2, scores=(Prediction(),))
    table = study.run(tmp_path / "out", progress=False).estimates
    for replicate in range(2):
        y = study.dataset(0, replicate)["y"]
        row = table[(table["model"] == "nearest") & (table["replicate"] == replicate)].iloc[0]
        for where, part in fresh_of(study, 0, replicate)._asdict().items():
            assert row[f"prediction_mse_{where}"] == pytest.approx(((part.rows.y - y.max()) ** 2).mean(), rel=CLOSED)
        assert row["prediction_mse_fitted"] == pytest.approx(((y - y.max()) ** 2).mean(), rel=CLOSED)


@dataclass(frozen=True)
class Careless(Trial):
    """Mistakes that a ``simulate_fresh`` may make."""

    drawn: bool = True
    mistake: str = "effects"

    def simulate_fresh(self, key, other, new_groups):
        if self.mistake == "raises":
            return self.made(key, other, self.nothing)
        if self.mistake == "fewer rows":
            truth, columns = self.made(key, other, other)
            return truth, {name: column[:12] for name, column in columns.items()}
        return self.made(other if self.mistake == "effects" else key, key, key)


@dataclass(frozen=True)
class Short(Nearest):
    """Predicts one row."""

    def predict(self, data, fit, new):
        return new.y[:1]


@pytest.mark.parametrize(
    ("process", "strategy", "words"),
    [
        (Careless(mistake="raises"), RANDOM_INTERCEPT, r"fresh rows could not be had from JAX: .*nothing"),
        (Careless(mistake="fewer rows"), RANDOM_INTERCEPT, r"fresh rows could not be had from JAX: .*\(12,\)"),
        (Careless(), RANDOM_INTERCEPT, r"simulate_fresh changes the fixed effects"),
        (Careless(mistake="same"), RANDOM_INTERCEPT, r"makes the rows of the dataset again: .* 'other'"),
        (Trial(), Short(), r"strategy 'nearest': predict gave an array of shape \(1,\) for 72 rows"),
    ],
    ids=["raises", "fewer rows", "effects", "same rows", "one prediction"],
)
def test_mistakes_are_found_before_anything_is_computed(process, strategy, words, tmp_path):
    with pytest.raises(InputError, match=words):
        Study(process, Grid(), strategy, 2, scores=(Prediction(),)).run(tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "chunks").exists()


def trial(key, n_groups=12):
    return Trial(n_groups, drawn=True).simulate(key)


def in_python(rng, n_groups=6):
    return {"Intercept": 0.0}, pd.DataFrame({"Group": np.repeat(range(n_groups), 3), "DV": rng.normal(size=3 * n_groups)})


def test_what_cannot_be_had_is_said_before_anything_is_computed(results, tmp_path):
    score = (Prediction(),)
    with pytest.raises(InputError, match=r"fixed effects of Trial are drawn anew .* simulate_fresh"):
        Study(Trial(drawn=True), Grid(), RANDOM_INTERCEPT, 2, scores=score)
    with pytest.raises(InputError, match=r"fixed effects of trial are drawn anew"):
        Study(FunctionProcess(trial), Grid(), RANDOM_INTERCEPT, 2, scores=score)
    with pytest.raises(InputError, match=r"in_python draws whole datasets"):
        Study(FrameProcess(in_python), Grid(), RANDOM_INTERCEPT, 2, scores=score)
    with pytest.raises(InputError, match=r"none of the strategies predicts \(lme4\)"):
        Study(PROCESS, Grid(), Lme4(), 2, scores=score)
    with pytest.raises(InputError, match="level"):
        Prediction(1.0)
    plain = dataclasses.replace(CHEAP, scores=(), replicates=1).run(tmp_path / "out", progress=False)
    with pytest.raises(InputError, match=r"predictions, .*scores=\(Prediction\(\),\)"):
        plain.measures([], measures=["prediction_rmse_new"])
    with pytest.raises(InputError, match="until: prediction_rmse_new"):
        dataclasses.replace(plain.study, replicates=9, until=Until(prediction_rmse_new=0.1, minimum=5))


def test_a_rule_may_be_about_predictions(tmp_path):
    """Coverage of a strategy that has no prediction intervals is nothing to wait for."""
    rule = Until(prediction_coverage_known=1e-9, minimum=2)
    study = dataclasses.replace(CHEAP, estimators=STRATEGIES[2:3], replicates=8, until=rule)
    assert (study.run(tmp_path / "out", progress=False).reached["replicates"] == 2).all()


class Held(Score):
    """A score of the user's that looks at data which no strategy has seen."""

    needs_fresh = True

    @property
    def addition(self):
        return jaxsim.Addition(columns=("held",))

    def of(self, draw, estimator, fit, key, fresh=None):
        return {"held": jnp.broadcast_to(fresh.new.rows.y.max(), fit.estimate.shape)}


def test_an_own_score_is_given_what_was_not_seen(tmp_path):
    study = dataclasses.replace(CHEAP, estimators=STRATEGIES[:1], replicates=2, scores=(Held(),))
    table = study.run(tmp_path / "out", progress=False).estimates
    for cell, replicate in ((0, 0), (3, 1)):
        row = table.query("cell == @cell and replicate == @replicate").iloc[0]
        assert row["held"] == pytest.approx(fresh_of(study, cell, replicate).new.rows.y.max(), rel=CLOSED)


def known_errors(study, out):
    table = study.run(out, progress=False).measures(
        measures=["prediction_rmse_known", "prediction_rmse_new", "prediction_mean_rmse_known"]
    )
    return table.drop_duplicates(["model", "measure"]).set_index(["model", "measure"])["value"]


def test_regressions_within_groups_predict_with_the_groups_own_intercepts(tmp_path):
    process = GaussianMultilevel(8, 10, (1.0, 0.5), n_predictors=1, fixed_effects=(50.0, 0.5))
    study = Study(process, Grid(), (WithinRegression(label="within"), LinearMixed()), 20, scores=(Prediction(),))
    errors = known_errors(study, tmp_path / "out")
    # The slope of all groups costs .5^2 a row, the mixed model's nothing: far from the 50 of a forgotten intercept.
    assert 1.0 < errors["within", "prediction_rmse_known"] < 1.4
    assert errors["within", "prediction_rmse_new"] < 2.0


def test_groups_without_rows_are_not_known(tmp_path):
    design = Design(
        "y ~ x + (1 | g)", units={"g": 12}, repeats=8, variables={"x": covariate("row", Normal())},
        effects={"Intercept": 20, "x": 1}, sd={"g": 0.5}, missing=LostGroups(0.3),
    )  # fmt: skip
    study = Study(design, Grid(), (TwoStage(formula="y ~ x"), PooledOLS(formula="y ~ x")), 20, scores=(Prediction(),))
    errors = known_errors(study, tmp_path / "out")
    # The noise has an SD of 1, a group's own regression on eight rows makes it about 1.2: not the 20 of an unknown intercept.
    assert errors["lm2", "prediction_rmse_known"] < 1.5


def test_expectations_that_are_no_lines_in_the_columns_are_blank(tmp_path):
    base = dict(units={"g": 12}, repeats=4, variables={"x": covariate("row", Normal())}, effects={"x": 1}, sd={"g": 0.5})
    for name, changes in {"measured": {"measurement_error": {"x": 0.5}}, "recorded": {"recorded": Limited(0, 2)}}.items():
        study = Study(
            Design("y ~ x + (1 | g)", **base, **changes), Grid(), (PooledOLS(formula="y ~ x"),), 4, scores=(Prediction(),)
        )
        errors = known_errors(study, tmp_path / name)
        assert np.isnan(errors["ols", "prediction_mean_rmse_known"])
        assert np.isfinite(errors["ols", "prediction_rmse_known"])


def test_fresh_rows_have_the_residual_variance_that_is_stated_however_many_groups_are_padded():
    """Five groups among 5, 8 and 16: rows of padding do not count for the mean square of unequal standard deviations."""
    process = GaussianMultilevel(5, 20, 0.0, 1, (10.0, 1.0), variance=VarianceByMean(1.0))
    for groups in (5, 8, 16):
        bounds = Bounds.of_groups(groups, 20 * groups)
        values = process.parameters(bounds)

        def squares(key, bounds=bounds, values=values):
            new = process.new_rows(key, process.draw(key, values, bounds), values, bounds, False).data
            mean = new.x @ jnp.array([10.0, 1.0])
            return (new.weight * (new.y - mean) ** 2).sum() / new.weight.sum()

        found = jax.jit(jax.vmap(squares))(jax.random.split(jax.random.key(1, impl="threefry2x32"), 2000))
        # Four Monte Carlo errors of a mean of 2,000.
        assert abs(found.mean() - 1) < 4 * found.std() / np.sqrt(2000)


def test_models_with_structured_residuals_predict_known_groups_by_their_effects(tmp_path):
    """As the mixed model does where nothing is structured: group intercepts of SD 2 are known from ten rows to about .3."""
    design = Design("y ~ x + (1 | g)", units={"g": 12}, repeats=10, variables={"x": covariate("row", Normal())}, sd={"g": 2})
    structured = (AutoregressiveMixed("y ~ x + (1 | g)"), HeteroscedasticMixed("y ~ x + (1 | g)", variance=("x",)))
    study = Study(design, Grid(), (*structured, LinearMixed("y ~ x + (1 | g)")), 30, scores=(Prediction(), GroupRecovery()))
    errors = known_errors(study, tmp_path / "out")
    for model in ("lme_ar1", "lme_var", "lmer"):
        assert 1.0 < errors[model, "prediction_rmse_known"] < 1.15
        assert 2.0 < errors[model, "prediction_rmse_new"] < 2.8
    # A parameter that is not needed costs little: the same datasets.
    assert abs(errors["lme_ar1", "prediction_mean_rmse_known"] - errors["lmer", "prediction_mean_rmse_known"]) < 0.05


def test_intervals_have_the_degrees_of_freedom_that_were_asked_for():
    data = jax.jit(lambda key: PROCESS.draw(key, PROCESS.parameters(PROCESS.bounds), PROCESS.bounds).data)(
        jax.random.key(3, impl="threefry2x32")
    )
    estimator = LinearMixed(vcov="CR2", df="G-1")
    rows = Rows(jnp.ones((2, 3)), jnp.zeros(2), jnp.array([[0], [-1]]), jnp.ones(2), data.columns, data.fixed, (len(data.sizes),))

    seen = estimator.view(jax.device_get(data))
    error = jax.jit(estimator.prediction_error)(seen, on_numpy(estimator.fit)(seen), rows)
    np.testing.assert_array_equal(error.df, float((data.sizes > 0).sum() - 1))


@pytest.mark.usefixtures("optimised_here")
def test_batches_growth_and_other_columns_have_the_same_bits(tmp_path):
    whole = CHEAP.run(tmp_path / "whole", progress=False)
    first = dataclasses.replace(CHEAP, replicates=3, estimators=(STRATEGIES[3],), grid=Grid(n_groups=[7], group_sd=[(1.0, 0.5)]))
    first.run(tmp_path / "grown", progress=False)
    same(CHEAP.run(tmp_path / "grown", progress=False, batch=3), whole)
    more = dataclasses.replace(CHEAP, estimators=(*STRATEGIES[:2], STRATEGIES[3])).run(tmp_path / "more", progress=False)
    assert_companions_change_nothing(more, whole)
    plain = dataclasses.replace(CHEAP, scores=()).run(tmp_path / "plain", progress=False)
    kept = [name for name in whole.estimates.columns if name not in COLUMNS]
    pd.testing.assert_frame_equal(whole.estimates[kept], plain.estimates, check_exact=True)
    pd.testing.assert_frame_equal(whole.fits, plain.fits, check_exact=True)
    with pytest.raises(InputError, match="scores"):
        CHEAP.run(plain.out, progress=False)
