"""Coefficients of groups: every strategy's against row-wise computations, and what a study says of them."""

from __future__ import annotations

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from exactly import same
from group_effects import covariance_of, dense_blups, groups_of, own
from optimising import as_users_have_them
from oracle import cross_products, make_rows

from jaxsim import (
    ClusterRobust,
    GaussianMultilevel,
    Grid,
    HierarchicalBayes,
    InputError,
    LinearMixed,
    Lme4,
    PooledOLS,
    Study,
    TwoStage,
    UniformSizes,
    Until,
    load,
    measures,
    report,
)
from jaxsim.bayesian import engine, parameters
from jaxsim.bayesian.problem import pose
from jaxsim.measures.groups import GROUP_NUMBERS as COLUMNS
from jaxsim.measures.overview import overview
from jaxsim.measures.stream import Performance
from jaxsim.scores.group_recovery import recovery
from jaxsim.seeding import analysis_key

# Some groups have one row, so that the two-stage analysis fails for about half of the datasets; 5 and 7 groups are padded to 8.
PROCESS = GaussianMultilevel(n_predictors=1, n_obs=UniformSizes(1, 9))
STRATEGIES = (
    PooledOLS(label="ols"),
    ClusterRobust(label="lm"),
    TwoStage(label="lm2"),
    LinearMixed(label="lmer"),
    LinearMixed(random=("IV1", "Intercept"), reml=False, label="turned"),
    LinearMixed(random=("IV1",), label="slope"),
    HierarchicalBayes(random=("IV1",), method="fast", label="bayes"),
)
GRID = Grid(n_groups=[5, 7], group_sd=[0, 1])
STUDY = Study(PROCESS, GRID, STRATEGIES, replicates=12, seed=3, group_coefficients=True)
CHEAP = dataclasses.replace(STUDY, estimators=STRATEGIES[:3])
# Ten operations on numbers that cross-products carry to 16 digits; a mixed model's theta is good to half of them at worst.
CLOSED, ITERATED = 1e-10, 1e-6


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("groups") / "out", progress=False)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return dataclasses.replace(STUDY, group_coefficients=False).run(tmp_path_factory.mktemp("plain") / "out", progress=False)


def expected(estimated, frame):
    true = np.array(frame.attrs["truth"]["group_coefficients"])
    variances = [np.where(true.std(0) > 1e-12, values.var(0, ddof=1), np.nan) for values in (estimated, true)]
    return np.stack([((estimated - true) ** 2).mean(0), *variances], axis=1)


@pytest.mark.parametrize("model", ["ols", "lm", "lm2", "lmer", "turned", "slope"])
def test_recovery_is_that_of_coefficients_from_rows(results, model):
    estimates, fits = (table[table["model"] == model] for table in (results.estimates, results.fits))
    usable = fits[fits["status"].isin(["ok", "singular"])]
    assert len(usable) >= 12
    for fit in usable.to_dict("records"):
        frame = STUDY.dataset(fit["cell"], fit["replicate"])
        groups = groups_of(frame)
        rows = estimates[(estimates["cell"] == fit["cell"]) & (estimates["replicate"] == fit["replicate"])]
        if model == "lm2":
            coefficients = own(groups)
        elif model in ("ols", "lm"):
            coefficients = np.tile(rows["estimate"], (len(groups), 1))
        else:
            coefficients = dense_blups(groups, covariance_of(fit), fit["sigma"])
        tolerance = CLOSED if model in ("ols", "lm", "lm2") else ITERATED
        np.testing.assert_allclose(rows[list(COLUMNS)], expected(coefficients, frame), rtol=tolerance, atol=tolerance)


def test_posterior_means_are_averages_of_dense_conditional_means():
    """Every draw's groups from their rows, without a formula of the engine, averaged with the weights of the draws."""
    rows = make_rows(7, [6, 3, 1, 9, 5], n_fixed=3, group_sd=1.2)
    strategy = HierarchicalBayes(random=("IV2", "Intercept"), method="fast")
    data = cross_products(rows, 8)
    method = engine.Method(strategy.model(data), "equal-tailed", groups=True)
    batch, key = jax.tree.map(lambda leaf: leaf[None], (data, analysis_key(1)))
    run = jax.jit(lambda d, k: engine.fast(0, d, k, engine.prepare(d, 0.9, method), 0.9, method))
    found, draws = jax.device_get(run(batch, key))
    problem = pose(data, method.model)
    unit = np.asarray(problem.response_unit / problem.column_unit)
    beta = np.asarray(problem.shift)[:, None] + unit[:, None] * draws.given.mean[:, 0]
    hyper = parameters.unpack(jnp.asarray(draws.vector[:, 0]), method.model.structure)
    # Column k of the random effects has a unit of its own, and with it a sign.
    root = np.asarray(hyper.sd[:, None] * hyper.root) * unit[[2, 0], None, None]
    sigma = np.asarray(hyper.sigma) * float(problem.response_unit)
    total = np.zeros((5, 3))
    for s, weight in enumerate(draws.weight[0]):
        covariance = np.zeros((3, 3))
        covariance[np.ix_([2, 0], [2, 0])] = root[:, :, s] @ root[:, :, s].T
        for g, members in enumerate(rows.members()):
            x = rows.x[members]
            v = sigma[s] ** 2 * np.eye(len(x)) + x @ covariance @ x.T
            total[g] += weight * (beta[:, s] + covariance @ x.T @ np.linalg.solve(v, rows.y[members] - x @ beta[:, s]))
    np.testing.assert_allclose(found.summary.groups[0, :5], total, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(found.summary.groups[0, 5:], np.tile(found.summary.estimate[0], (3, 1)), rtol=1e-10)


def test_the_posterior_of_a_study_is_the_one_of_its_draws(results):
    """``results.posterior`` draws group effects; means differ by Monte Carlo error: SD / sqrt(ESS), with an ESS of 400 or more."""
    for cell, replicate in ((1, 0), (3, 5)):
        frame = STUDY.dataset(cell, replicate)
        found = results.posterior(cell, replicate, "bayes").draws
        draws = (found.beta[:, :, None, 1] + found.effects[:, :, :, 0]).reshape(2000, -1)
        row = results.estimates.query("cell == @cell and replicate == @replicate and model == 'bayes' and term == 'IV1'")
        true = np.array(frame.attrs["truth"]["group_coefficients"])[:, 1]
        mean, error = draws.mean(0), draws.std(0) / 20
        mse = ((mean - true) ** 2).mean()
        allowed = 4 * np.sqrt((4 * (mean - true) ** 2 * error**2).sum()) / len(true) + 16 * (error**2).mean()
        assert abs(row["group_mse"].item() - mse) < allowed


def test_other_columns_keep_their_bits(results, plain, tmp_path):
    """Of every strategy; and as users' programs are optimised, of closed forms and of one that searches."""
    assert_other_columns_are_the_same(results, plain)
    study = dataclasses.replace(STUDY, estimators=STRATEGIES[:4])
    with as_users_have_them():
        results = study.run(tmp_path / "groups", progress=False)
        plain = dataclasses.replace(study, group_coefficients=False).run(tmp_path / "plain", progress=False)
    assert_other_columns_are_the_same(results, plain)


def assert_other_columns_are_the_same(results, plain):
    for name in ("estimates", "fits"):
        with_groups, without = getattr(results, name), getattr(plain, name)
        kept = [c for c in with_groups.columns if c not in COLUMNS]
        pd.testing.assert_frame_equal(with_groups[kept], without, check_exact=True)
    assert not set(COLUMNS) & set(plain.estimates.columns)
    assert not set(COLUMNS) & set(results.fits.columns)
    assert "group_coefficients" not in plain.study.settings, "folders of versions that had no such option stay readable"


def test_failed_fits_and_equal_groups_are_blank(results):
    table = results.estimates
    failed = ~table["status"].isin(["ok", "singular"])
    assert failed[table["model"] == "lm2"].sum() > 5, "groups with one row"
    assert table.loc[failed, list(COLUMNS)].isna().all().all()
    assert table.loc[~failed, "group_mse"].notna().all()
    for name in ("group_variance", "group_true_variance"):
        assert (table.loc[~failed, name].isna() == (table.loc[~failed, "group_sd"] == 0)).all()
    assert (table.loc[~failed & table["model"].isin(["ols", "lm"]), "group_variance"].dropna() == 0).all()


@pytest.mark.usefixtures("optimised_here")
def test_batches_and_growth_have_the_same_bits(tmp_path):
    whole = CHEAP.run(tmp_path / "whole", progress=False)
    same(CHEAP.run(tmp_path / "small", progress=False, batch=5), whole)
    first = dataclasses.replace(CHEAP, replicates=4, estimators=(STRATEGIES[2],), grid=Grid(n_groups=[7], group_sd=[1]))
    first.run(tmp_path / "grown", progress=False)
    same(CHEAP.run(tmp_path / "grown", progress=False), whole)
    assert_companions_change_nothing(
        dataclasses.replace(CHEAP, estimators=STRATEGIES[:4]).run(tmp_path / "more", progress=False), whole
    )


def test_companions_change_no_bit(results, tmp_path):
    """Not even all of the others, a posterior among them."""
    assert_companions_change_nothing(results, CHEAP.run(tmp_path / "few", progress=False))


def assert_companions_change_nothing(more, whole):
    few = more.estimates[more.estimates["model"].isin(["ols", "lm", "lm2"])]
    few = few.assign(model=few["model"].cat.remove_unused_categories()).reset_index(drop=True)
    pd.testing.assert_frame_equal(few[list(whole.estimates.columns)], whole.estimates, check_exact=True)


def test_a_folder_with_groups_and_one_without_are_not_mixed(results, plain):
    for held, wanted in ((results, plain.study), (plain, STUDY)):
        with pytest.raises(InputError, match=r"group_coefficients: (True|False) there, (True|False) here"):
            wanted.run(held.out, progress=False)
    assert Study.from_json(STUDY.to_json()) == STUDY
    assert '"group_coefficients"' not in plain.study.to_json()
    assert load(results.out).study == STUDY


def test_padding_counts_nowhere():
    rng = np.random.default_rng(2)
    estimated, true = rng.normal(size=(2, 6, 3))
    true[:, 2] = 0.3  # the same for all
    present = np.array([True, True, False, True, True, False])
    estimated[~present], true[~present] = np.nan, 1e9
    got = recovery(jnp.asarray(estimated), jnp.asarray(true), jnp.asarray(present))
    e, t = estimated[present], true[present]
    np.testing.assert_allclose(got["group_mse"], ((e - t) ** 2).mean(0), rtol=1e-12)
    for name, values in (("group_variance", e), ("group_true_variance", t)):
        np.testing.assert_allclose(got[name][:2], values[:, :2].var(0, ddof=1), rtol=1e-12)
        assert np.isnan(got[name][2])


@pytest.mark.parametrize("policy", measures.POLICIES)
@pytest.mark.parametrize("by", [["model"], ["cell", "model", "term"], ["group_sd", "model"], []], ids="-".join)
def test_streamed_measures_are_those_in_memory(results, by, policy):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = results.performance.measures(by, policy=policy)
    wanted = measures.summarise(results.estimates, by, policy=policy)
    assert set(wanted["measure"]) == {*measures.CATALOGUE, *measures.GROUPS}
    pd.testing.assert_frame_equal(got, wanted, check_dtype=False, check_categorical=False, rtol=1e-9, atol=1e-9)
    memory = Performance.of_tables(results.estimates, results.fits, ["n_groups", "group_sd"])
    again = memory.measures(by, policy=policy, measures=["group_rmse"])
    wanted = wanted[wanted["measure"] == "group_rmse"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, wanted, check_dtype=False, check_categorical=False, rtol=1e-9, atol=1e-9)


def test_measures_are_root_mean_square_and_mean(results):
    lines = results.measures(["cell", "model", "term"], measures=["group_rmse", "group_shrinkage"]).set_index("measure")
    table = results.estimates[results.estimates["status"].isin(["ok", "singular"])]
    for name, lines_ in lines.groupby(level=0):
        for line in lines_.to_dict("records"):
            rows = table[(table["cell"] == line["cell"]) & (table["model"] == line["model"]) & (table["term"] == line["term"])]
            square, v, t = (rows[column].to_numpy() for column in COLUMNS)
            if name == "group_rmse":
                value = np.sqrt(square.mean())
                error = square.std(ddof=1) / (2 * value)
            else:
                root = np.sqrt(v.mean() / t.mean())
                value = 1 - root
                error = (v - root**2 * t).std(ddof=1) / (2 * root * t.mean()) if root else root
            np.testing.assert_allclose([line["value"], line["mcse"]], [value, error / np.sqrt(len(rows))], rtol=1e-9)


def test_two_strategies_are_compared_on_the_same_datasets(results):
    where = dict(cell=3, term="IV1")
    table = results.estimates[(results.estimates["cell"] == 3) & (results.estimates["term"] == "IV1")]
    wide = table.pivot(index="replicate", columns="model", values=list(COLUMNS))
    both = wide["group_mse"][["lmer", "ols"]].dropna()
    lines = results.compare("lmer", "ols", ["cell", "term"])
    memory = measures.paired(results.estimates, ["cell", "term"], "ols", policy="available")
    for found in (lines, memory[memory["model"] == "lmer"]):
        line = found[(found["cell"] == where["cell"]) & (found["term"] == where["term"])].set_index("measure")
        difference = np.sqrt(both["lmer"].mean()) - np.sqrt(both["ols"].mean())
        assert line["value"]["group_rmse"] == pytest.approx(difference, rel=1e-9)
        v, t = (wide[column].loc[both.index, "lmer"] for column in COLUMNS[1:])
        root = np.sqrt(v.mean() / t.mean())
        assert line["value"]["group_shrinkage"] == pytest.approx(-root, rel=1e-9)  # of ols: exactly 1
        error = (v - root**2 * t).std() / (2 * root * t.mean()) / np.sqrt(len(v))
        assert line["mcse"]["group_shrinkage"] == pytest.approx(error, rel=1e-9)
        assert 0 < line["mcse"]["group_rmse"] < np.inf


def test_tables_and_figures_show_them_where_they_were_asked_for(results, plain):
    assert "group RMSE" in overview(results.performance)
    assert "group RMSE" not in overview(plain.performance)
    for name in ("group_recovery", "group_shrinkage"):
        figure = report.draw(name, results)
        labels = {line.get_label() for ax in figure.axes for line in ax.lines}
        assert {"ols", "lm2", "lmer", "bayes"} <= labels
        assert report.draw(name, plain) is None
    assert {*measures.GROUPS} <= set(results.measures([])["measure"])
    assert not {*measures.GROUPS} & set(plain.measures([])["measure"])


def test_a_strategy_without_coefficients_has_blanks(tmp_path, monkeypatch):
    monkeypatch.setattr(ClusterRobust, "has_group_coefficients", property(lambda self: False))
    found = dataclasses.replace(CHEAP, replicates=3).run(tmp_path / "out", progress=False)
    assert found.estimates.loc[found.estimates["model"] == "lm", list(COLUMNS)].isna().all().all()
    line = found.measures(["model"], measures=["group_rmse"]).set_index("model")["value"]
    assert np.isnan(line["lm"])
    assert line["ols"] > 0
    figure = report.draw("group_recovery", found)
    assert "lm" not in {line.get_label() for ax in figure.axes for line in ax.lines}


def test_what_cannot_be_had_is_said(plain):
    with pytest.raises(InputError, match="True or False"):
        dataclasses.replace(STUDY, group_coefficients=1)
    with pytest.raises(InputError, match=r"none of the strategies .* \(lme4\)"):
        dataclasses.replace(STUDY, estimators=Lme4())
    with pytest.raises(InputError, match="group_coefficients=True"):
        plain.measures([], measures=["group_rmse"])
    with pytest.raises(InputError, match="until: group_rmse"):
        dataclasses.replace(plain.study, until=Until(group_rmse=0.1, minimum=5))
    assert dataclasses.replace(STUDY, until=Until(group_rmse=0.1, minimum=5)).until is not None
    data = cross_products(make_rows(1, [4, 4, 4]))
    fit = PooledOLS().fit(data)
    with pytest.raises(InputError, match="groups=True"):
        STRATEGIES[-1].group_coefficients(data, fit)


def test_rules_do_not_wait_for_what_cannot_be_had(tmp_path, monkeypatch):
    """Shrinkage of groups that do not differ, and of a strategy without coefficients of groups."""
    monkeypatch.setattr(ClusterRobust, "has_group_coefficients", property(lambda self: False))
    rule = Until(group_shrinkage=1e-9, minimum=2)
    study = dataclasses.replace(CHEAP, estimators=STRATEGIES[:2], replicates=8, until=rule)
    reached = study.run(tmp_path / "out", progress=False).reached.set_index("group_sd")["replicates"]
    assert (reached[0] == 2).all(), "nothing to wait for"
    assert (reached[1] == 2).all(), "complete pooling has a shrinkage of 1, without error"
    wait = dataclasses.replace(study, estimators=(STRATEGIES[3],))
    reached = wait.run(tmp_path / "wait", progress=False).reached.set_index("group_sd")["replicates"]
    assert (reached[0] == 2).all()
    assert (reached[1] == 8).all()


def test_shrinkage_does_not_depend_on_the_number_of_groups():
    """Best predictions at the true SDs shrink by ``1 - sqrt(share)``; a mean of ratios is .06 off with four groups."""
    rng, share, n = np.random.default_rng(0), 5 / 6, 20_000
    for groups in (3, 4, 16):
        true = rng.normal(size=(n, groups))
        best = share * (true + rng.normal(size=(n, groups)) * np.sqrt(1 / share - 1))
        fit = dict(truth=0.0, estimate=0.0, std_error=1.0, statistic=0.0, df=9.0, p_value=1.0, conf_low=-1.0, conf_high=1.0)
        numbers = (((best - true) ** 2).mean(1), best.var(1, ddof=1), true.var(1, ddof=1))
        table = pd.DataFrame(dict(cell=0, replicate=np.arange(n), model="best", term="Intercept", status="ok", **fit))
        table = table.assign(**dict(zip(COLUMNS, numbers, strict=True)))
        line = measures.summarise(table, ["model"], measures=["group_shrinkage"]).iloc[0]
        # Four Monte Carlo errors of 20,000 datasets, some .005 with three groups.
        assert abs(line["value"] - (1 - np.sqrt(share))) < 4 * line["mcse"] < 0.03
