"""Running a study: what is stored, what a run survives, and that any dataset can be had again and refitted."""

import dataclasses
import json
import threading

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim import (
    ClusterRobust,
    Design,
    GaussianMultilevel,
    Grid,
    InputError,
    LinearMixed,
    PooledOLS,
    Study,
    TwoStage,
    between,
    within,
)
from jaxsim.measures.overview import overview
from jaxsim.store.folder import Folder
from jaxsim.store.schema import ESTIMATE_COLUMNS, FIT_COLUMNS
from jaxsim.sweep.executors import Local
from jaxsim.sweep.forecast import forecast
from jaxsim.sweep.plan import plan
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.worker import Worker

# One random slope, so that every part of the engine runs, and few columns, so that it compiles fast.
STUDY = Study(
    GaussianMultilevel(n_obs=4, n_predictors=1),
    Grid(n_groups=[4, 7], group_sd=[0.2, 2]),
    (PooledOLS(), ClusterRobust(vcov="pymer4"), TwoStage(), LinearMixed(), LinearMixed(random=("Intercept",), label="lmer_mis")),
    replicates=5,
    seed=3,
)
CHEAP = dataclasses.replace(STUDY, estimators=(PooledOLS(), TwoStage()))
# The same compiled arithmetic on the same numbers; a different batch shape may contract sums in another order.
REPEAT = dict(rtol=1e-12, atol=1e-13)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "results"
    STUDY.run(folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def results(out):
    return jaxsim.load(out)


def test_estimates_have_a_row_for_everything(results):
    table = results.estimates
    assert tuple(table.columns) == (*ESTIMATE_COLUMNS, "n_groups", "group_sd")
    assert len(table) == 4 * 5 * 5 * 2
    assert not table.duplicated(["cell", "replicate", "model", "term"]).any()
    assert list(table["model"].cat.categories) == ["ols", "lm", "lm2", "lmer", "lmer_mis"]
    assert set(table["status"]) <= {"ok", "singular"}
    numbers = table.drop(columns=["model", "term", "status"])
    assert np.isfinite(numbers.to_numpy(float)).all()


def test_fits_have_a_row_each(results):
    fits = results.fits
    assert tuple(fits.columns[: len(FIT_COLUMNS)]) == FIT_COLUMNS
    assert len(fits) == 4 * 5 * 5
    mixed = fits[fits["model"] == "lmer"]
    assert mixed[["criterion", "sigma", "sd_Group_Intercept", "sd_Group_IV1"]].notna().all(axis=None)
    assert (mixed["cor_Group_Intercept_IV1"].dropna().abs() <= 1 + 1e-12).all()  # rounding of a correlation of one
    assert fits[fits["model"] == "lmer_mis"]["sd_Group_IV1"].isna().all()
    assert (mixed["singular"] == (mixed["status"] == "singular")).all()


def test_conditions_and_truth_are_the_cells(results):
    table = results.estimates
    for cell, rows in table.groupby("cell"):
        conditions = dict(STUDY.cells[cell].conditions)
        assert (rows[list(conditions)] == pd.Series(conditions)).all(axis=None)
    truth = table.pivot_table(index=["cell", "replicate"], columns="term", values="truth", observed=True, aggfunc=["min", "max"])
    assert (truth["min"] == truth["max"]).all(axis=None), "one truth for every strategy"
    drawn = STUDY.dataset(2, 1).attrs["truth"]["fixed_effects"]
    stored = truth["min"].loc[(2, 1)]
    np.testing.assert_allclose([drawn[t] for t in stored.index], stored, **REPEAT)


FORMULAS = {
    "ols": lambda rows: jaxsim.ols("DV ~ IV1", rows),
    "lm": lambda rows: jaxsim.lm("DV ~ IV1", rows, cluster="Group", vcov="pymer4"),
    "lm2": lambda rows: jaxsim.lm2("DV ~ IV1", rows, group="Group"),
    "lmer": lambda rows: jaxsim.lmer("DV ~ IV1 + (IV1 | Group)", rows),
    "lmer_mis": lambda rows: jaxsim.lmer("DV ~ IV1 + (1 | Group)", rows),
}


@pytest.mark.parametrize("model", FORMULAS)
def test_a_dataset_fitted_as_rows_gives_the_stored_fit(results, model):
    """Two ways to the same numbers: cross-products drawn directly, and completed rows through a formula."""
    replicate = 2
    rows = STUDY.dataset({"n_groups": 7, "group_sd": 2}, replicate)
    assert list(rows.columns) == ["Group", "DV", "IV1"]
    fit = FORMULAS[model](rows)
    table = results.estimates.query("cell == 3 and replicate == @replicate and model == @model")
    # Rows reproduce cross-products to rounding (1e-14); df are second derivatives at an optimum known to about 1e-8.
    for column, tolerance in [("estimate", 1e-9), ("std_error", 1e-8), ("df", 1e-6), ("p_value", 1e-6), ("conf_low", 1e-6)]:
        np.testing.assert_allclose(fit.table[column], table[column], rtol=tolerance, atol=1e-9, err_msg=column)
    stored = results.fits.query("cell == 3 and replicate == @replicate and model == @model").iloc[0]
    assert fit.status == stored["status"]
    if model.startswith("lmer"):
        assert fit.criterion == pytest.approx(stored["criterion"], abs=1e-9)  # of about 70
        assert fit.sigma == pytest.approx(stored["sigma"], rel=1e-7)


def test_measures_of_a_run(results):
    table = results.measures()
    assert len(table) == 5 * 4 * 2 * len(jaxsim.measures.CATALOGUE)
    assert (table["n_used"] == 5).all()
    assert results.rates()["value"].between(0, 1).all()
    assert set(results.paired("lmer")["model"]) == {"ols", "lm", "lm2", "lmer_mis"}
    post = results.seed_post()
    assert len(post) == 100
    assert set(post["Num_obs_grp"]) == {4}, "a condition the grid does not vary comes from the process"


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    whole = CHEAP.run(tmp_path / "whole", progress=False, batch=8)
    broken, compute, seen = tmp_path / "broken", Worker.compute, []

    def stop_in_the_second_chunk(self, chunk, listen):
        seen.append(chunk)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return compute(self, chunk, listen)

    monkeypatch.setattr(Worker, "compute", stop_in_the_second_chunk)
    with pytest.raises(KeyboardInterrupt):
        CHEAP.run(broken, progress=False, batch=8)
    partial = jaxsim.load(broken)
    assert len(partial.fits) == 8 * 2, "the finished chunk can be read already"
    assert partial.progress == (8, 20)
    assert "UNFINISHED, 8 of 20" in repr(partial)
    assert "UNFINISHED: 8 of 20 datasets" in overview(partial.performance, partial.progress[1])
    assert len(partial.provenance) == 1, "the interrupted session is on record"
    again = []
    monkeypatch.setattr(Worker, "compute", lambda self, chunk, listen: again.append(chunk) or compute(self, chunk, listen))
    done = CHEAP.run(broken, progress=False, batch=8)
    assert sum(map(len, again)) == 12, "the first chunk is not computed again"
    pd.testing.assert_frame_equal(done.estimates, whole.estimates, check_exact=True)
    pd.testing.assert_frame_equal(done.fits, whole.fits, check_exact=True)


def test_a_finished_run_computes_nothing(out, monkeypatch):
    monkeypatch.setattr(Programs, "simulate", lambda *_: pytest.fail("simulated again"))
    before = (out / "provenance.json").read_text()
    assert len(STUDY.run(out, progress=False).fits) == 100
    assert (out / "provenance.json").read_text() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(seed=4), "seed: 3 there, 4 here"),
        (dict(replicates=4), "replicates: 5 there, 4 here"),
        (dict(conf_level=0.9), "conf_level: 0.95 there, 0.9 here"),
        (dict(grid=Grid(n_groups=[4, 7], group_sd=[0.2, 3])), r"grid\[1\]"),
        (
            dict(estimators=(PooledOLS(), TwoStage(weights="precision"))),
            r"estimators\[1\].weights: the default there, .precision. here",
        ),
        (dict(estimators=(PooledOLS(),)), "estimators: "),
        (dict(process=GaussianMultilevel(n_obs=5, n_predictors=1)), r"process.n_obs: 4 there, 5 here"),
    ],
)
def test_a_folder_of_another_study_is_refused(tmp_path, change, message):
    folder = tmp_path / "r"
    Folder(folder).claim(CHEAP)
    with pytest.raises(InputError, match=message):
        dataclasses.replace(CHEAP, **change).run(folder, progress=False)


def test_a_folder_without_a_finished_chunk_can_be_shown_and_completed(tmp_path):
    """Stopped before the first chunk, or even before the study was written."""
    folder = Folder(tmp_path / "r")
    folder.claim(CHEAP)
    assert "UNFINISHED, 0 of 20" in repr(jaxsim.load(tmp_path / "r"))
    folder.place.remove("study.json")
    assert jaxsim.load(CHEAP.run(tmp_path / "r", progress=False).out).progress == (20, 20)


def test_what_is_known_beforehand_is_said(results):
    """Four rows a group leave two coefficients' own regressions with finite variance, three do not; their squares need six."""

    def said(rows):
        return dataclasses.replace(STUDY, process=GaussianMultilevel(n_obs=rows, n_predictors=1)).caveats()

    assert STUDY.caveats() == results.study.caveats() == said(4)
    ((few,), (four,), (five,), enough) = map(said, (3, 4, 5, 6))
    assert few.startswith("lm2: in 4 of 4 cells")
    assert "no finite variance" in few
    assert four == five
    assert "4 or 5 rows" in four
    assert enough == ()


def test_liberal_tests_between_few_groups_are_said():
    """Of Satterthwaite's df, a predictor that is one number a group, a random slope, and ten groups at most."""

    def said(strategy, between=1, groups=(8, 10, 11)):
        process = GaussianMultilevel(n_obs=10, n_predictors=2, n_between=between)
        return Study(process, Grid(n_groups=groups), strategy, 2).caveats()

    (liberal,) = said(LinearMixed())
    assert liberal.startswith("lmer: 2 cells of 3 with at most 10 groups")
    assert "df='kenward-roger'" in liberal
    for other in (LinearMixed(df="kenward-roger"), LinearMixed(vcov="CR2"), LinearMixed(random=("Intercept",))):
        assert said(other) == ()
    assert said(LinearMixed("DV ~ IV1 + (IV1 | Group)")) == ()
    assert said(LinearMixed(), between=0) == said(LinearMixed(), groups=(11, 30)) == ()
    trial = Design(
        "y ~ arm * day + (day | s)", units={"s": 8}, variables={"arm": between("s", ("a", "b")), "day": within(0, 1, 2)},
    )  # fmt: skip
    assert len(Study(trial, Grid(), LinearMixed("y ~ arm * day + (day | s)"), 2).caveats()) == 1


def test_liberal_tests_of_several_units_are_said_of_the_one_that_a_model_has():
    """By items, of which there are few, the kind of item; by subjects, of which there are enough, the group of the subject."""
    reading = Design(
        "y ~ group + kind + cond + (1 | subject) + (1 | item)",
        units={"subject": 20, "item": 8},
        variables={"group": between("subject", ("a", "b")), "kind": between("item", ("n", "v")), "cond": within(0, 1)},
    )

    def said(random):
        return Study(reading, Grid(), LinearMixed(f"y ~ group + kind + cond + {random}"), 2).caveats()

    (few,) = said("(cond | item)")
    assert few.startswith("lmer: 1 cell of 1 with at most 10 groups (item)")
    assert said("(cond | subject)") == said("(cond | subject) + (cond | item)") == said("(1 | item)") == ()


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds no jaxsim results"):
        CHEAP.run(tmp_path, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"], "nothing is left in a stranger's folder"
    with pytest.raises(InputError, match="is a file; give a new or an empty folder"):
        CHEAP.run(tmp_path / "thesis.tex", progress=False)
    with pytest.raises(InputError, match=r"study\.json"):
        jaxsim.load(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_failures_are_rows(tmp_path):
    """Two rows a group cannot carry two coefficients and a residual: every strategy says why, none loses a row."""
    study = Study(GaussianMultilevel(n_obs=(1, 2, 2, 2), n_groups=4, n_predictors=1), Grid(), CHEAP.estimators, replicates=3)
    results = study.run(tmp_path / "r", progress=False)
    lost = results.fits[results.fits["model"] == "lm2"]
    assert list(lost["status"]) == ["too_few_rows"] * 3
    assert not lost["converged"].any()
    rows = results.estimates[results.estimates["model"] == "lm2"]
    assert len(rows) == 6
    assert rows[["estimate", "std_error", "df", "p_value"]].isna().all(axis=None)
    assert rows["truth"].notna().all()
    assert (results.fits[results.fits["model"] == "ols"]["status"] == "ok").all()
    bias = results.measures(measures=["bias"]).set_index("model")["n_failed"].groupby(level=0, observed=True).sum()
    assert bias["lm2"] == 6
    assert results.reasons().query("model == 'lm2'")["n"].sum() == 3


def test_provenance_says_how(out):
    (record,) = json.loads((out / "provenance.json").read_text())["records"]
    assert record["seed"] == 3
    assert record["dtype"] == "float64"
    assert {"python", "jax", "numpy", "jaxsim-studies"} <= set(record["versions"])
    assert record["seconds"]["total"] > 0
    assert "cpu" in record["device"] or "gpu" in record["device"]


def test_a_saved_study_is_the_study(results):
    assert results.study == STUDY
    assert "4 cells x 5 datasets" in repr(results)


def test_float32_is_computed_in_float32(tmp_path):
    study = dataclasses.replace(CHEAP, dtype="float32", replicates=40)
    table = study.run(tmp_path / "results", progress=False).estimates
    assert set(table["status"]) == {"ok"}
    estimate = table["estimate"].to_numpy()
    assert (estimate == estimate.astype(np.float32)).all()
    # The median of |N(0, 1)| is 0.67; standard errors are too small where groups are ignored.
    assert np.median(np.abs(estimate - table["truth"]) / table["std_error"]) < 1.5
    assert forecast(study, plan(study), 2**30).total("seconds") > 0


def test_a_run_may_do_something_else_meanwhile(tmp_path):
    """Once, beside the run; what goes wrong with it costs the run nothing."""
    threads = []

    def something_else():
        threads.append(threading.current_thread())
        raise ValueError

    results = CHEAP.run(tmp_path / "r", progress=False, executor=Local(meanwhile=something_else), batch=3)
    assert len(results.estimates) == len(CHEAP.cells) * CHEAP.replicates * 2 * 2
    (thread,) = threads
    assert thread is not threading.main_thread()
