"""What a results folder tells apart and keeps together: snapshots, settings, overlaps, damaged descriptions, failed beginnings."""

from __future__ import annotations

import dataclasses
import json
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
from exactly import same
from test_external import Numpy

import jaxsim
from jaxsim import ClusterRobust, GaussianMultilevel, Grid, InputError, LinearMixed, PooledOLS, Study, TwoStage, Until
from jaxsim.store.coverage import Coverage, repeated
from jaxsim.store.errors import DamagedWarning, StorageError
from jaxsim.store.folder import Folder
from jaxsim.sweep.forecast import forecast
from jaxsim.sweep.plan import plan
from jaxsim.sweep.rounds import precision
from jaxsim.sweep.worker import Worker, finish

STUDY = Study(
    GaussianMultilevel(n_obs=4, n_predictors=1),
    Grid(n_groups=[4, 12], group_sd=[0.2]),
    (PooledOLS(), TwoStage(weights="precision")),  # which shares no sizes
    12,
    seed=3,
)


def test_results_are_those_that_were_there_when_they_were_first_read(tmp_path):
    """A table of ten datasets and one of thirty must not come from one object because a run went on in between."""
    STUDY.run(tmp_path / "out", progress=False)
    held = jaxsim.load(tmp_path / "out")
    held.measures(measures=["bias"])
    dataclasses.replace(STUDY, replicates=30).run(tmp_path / "out", progress=False)
    assert set(held.measures(measures=["median_absolute_error", "coverage"])["n_used"]) == {12}
    assert len(held.estimates) == 2 * 12 * 2 * 2
    assert set(jaxsim.load(tmp_path / "out").measures(measures=["bias"])["n_used"]) == {30}


def store(folder, study, done, limit):
    """Compute what ``done`` lacks, in chunks of at most ``limit``, and store it in a folder."""
    with Worker(study) as worker:
        for chunk in plan(study, done, limit=limit):
            folder.write_chunk(*finish(study, worker.compute(chunk, lambda step: None), {}))


def test_a_chunk_with_two_stretches_of_a_cell_that_others_hold_is_read_once(tmp_path):
    """A run was killed while others' chunks were still being finished, and the next one divided the rest differently."""
    reference = STUDY.run(tmp_path / "reference", progress=False)
    folder = Folder(tmp_path / "out")
    folder.claim(STUDY)
    for low, high in [(4, 8), (0, 4), (8, 12)]:
        done = Coverage()
        for estimator in STUDY.estimators:
            for cell in STUDY.cells:
                done.add(estimator.name, cell.key, *((a, b) for a, b in [(0, low), (high, 12)] if b > a))
        store(folder, STUDY, done, 64)
    gap = Coverage()
    for estimator in STUDY.estimators:
        for cell in STUDY.cells:
            gap.add(estimator.name, cell.key, (4, 8))
    assert any(len(chunk.spans) == 2 and len(set(chunk.cells)) == 1 for chunk in plan(STUDY, gap, limit=64))
    store(folder, STUDY, gap, 64)
    assert sum(e.about.datasets for e in folder.entries()) == 24 + 16
    same(jaxsim.load(tmp_path / "out"), reference)
    assert jaxsim.load(tmp_path / "out").progress == (24, 24)


def test_intervals_that_are_held_twice():
    assert repeated([(0, (0, 4)), (1, (4, 8))]) == {}
    assert repeated([(0, (0, 4)), (1, (8, 12)), (2, (0, 12))]) == {2: ((0, 4), (8, 12))}
    assert repeated([(1, (0, 4)), (1, (6, 9)), (0, (2, 8))]) == {1: ((2, 4), (6, 8))}


def test_chunks_of_another_seed_are_not_taken_for_this_studys(tmp_path):
    """Somebody removed the description, or two runs without locks began at one place."""
    out, other = tmp_path / "out", dataclasses.replace(STUDY, seed=99)
    STUDY.run(out, progress=False)
    for name in ("study.json", "plan.json", "provenance.json", ".lock"):
        (out / name).unlink()
    same(other.run(out, progress=False), other.run(tmp_path / "fresh", progress=False))


def test_killed_while_it_wrote_the_first_file(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".study.json.{32 * 'a'}.partial").write_text("{")
    assert STUDY.run(tmp_path / "out", progress=False).progress == (24, 24)
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_run_that_cannot_begin_leaves_the_old_results_as_they_are(tmp_path):
    out = tmp_path / "out"
    STUDY.run(out, progress=False)
    with pytest.raises(InputError, match="memory"):
        dataclasses.replace(STUDY, replicates=500).run(out, progress=False, memory="1K")
    assert jaxsim.load(out).study == STUDY
    assert STUDY.run(out, progress=False).progress == (24, 24)


def test_a_grown_study_that_has_not_got_far_says_so(tmp_path, monkeypatch):
    out = tmp_path / "out"
    STUDY.run(out, progress=False)

    def stopped(self, chunk, listen):
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "compute", stopped)
    with pytest.raises(KeyboardInterrupt):
        dataclasses.replace(STUDY, replicates=50).run(out, progress=False)
    assert "UNFINISHED, 24 of 100" in repr(jaxsim.load(out))


@pytest.mark.parametrize("name", ["study.json", "plan.json", "provenance.json"])
def test_a_damaged_description_is_named(tmp_path, name):
    out = tmp_path / "out"
    reference = STUDY.run(out, progress=False)
    held = reference.estimates
    (out / name).write_bytes(b'{"type": "Stu\xff')
    if name == "study.json":
        with pytest.raises(StorageError, match=r"study\.json is damaged; give the command that began the run"):
            jaxsim.load(out)
    else:
        with pytest.warns(DamagedWarning, match=rf"{name} is damaged \(it is no JSON\) and left out"):
            assert not getattr(jaxsim.load(out).folder, name.removesuffix(".json"))()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedWarning)
        STUDY.run(out, progress=False)
    assert not Folder(out).lacks(name)
    pd.testing.assert_frame_equal(STUDY.run(out, progress=False).estimates, held, check_exact=True)


def test_columns_that_only_some_chunks_have(tmp_path, monkeypatch):
    out = tmp_path / "out"
    STUDY.run(out, progress=False)
    compute, seen = Worker.compute, []

    def once(self, chunk, listen):
        seen.append(chunk)
        if len(seen) > 1:
            raise KeyboardInterrupt
        return compute(self, chunk, listen)

    monkeypatch.setattr(Worker, "compute", once)
    with pytest.raises(KeyboardInterrupt):
        dataclasses.replace(STUDY, estimators=(*STUDY.estimators, LinearMixed())).run(out, progress=False)
    fits = jaxsim.load(out).read("fits", ["cell", "model", "sd_Group_Intercept"])
    assert fits["sd_Group_Intercept"].notna().sum() == 12
    with pytest.raises(InputError, match="'sd_Group_IV9' is not a column of the fits table"):
        jaxsim.load(out).read("fits", ["sd_Group_IV9"])
    for wrong in (-1, 7):
        with pytest.raises(InputError, match=f"cell={wrong}"):
            list(jaxsim.load(out).frames("fits", cells=[wrong]))


def test_float32_is_near_enough_for_screening(tmp_path):
    """Its datasets are others; the measures are the same within their Monte Carlo errors, and the study says what it is."""
    study = dataclasses.replace(STUDY, estimators=(PooledOLS(), ClusterRobust(), TwoStage()), replicates=400)
    double = study.run(tmp_path / "double", progress=False)
    single = dataclasses.replace(study, dtype="float32").run(tmp_path / "single", progress=False)
    assert np.array_equal(single.estimates["estimate"], single.estimates["estimate"].astype(np.float32))
    assert set(single.fits["status"]) == {"ok"}
    columns = ["value", "mcse"]
    one, other = (r.measures(by=["model", "n_groups"], measures=["coverage", "empirical_se"])[columns] for r in (double, single))
    # Two independent samples: five standard errors of their difference.
    assert (np.abs(one["value"] - other["value"]) < 5 * np.hypot(one["mcse"], other["mcse"])).all()
    assert single.provenance[0]["dtype"] == "float32"
    with pytest.raises(InputError, match="dtype: float64 there, float32 here"):
        dataclasses.replace(study, dtype="float32").run(tmp_path / "double", progress=False)


def test_what_was_reached_belongs_to_cells_not_to_their_numbers(tmp_path):
    rule = Until(bias=0.2, minimum=10)
    study = dataclasses.replace(STUDY, grid=Grid(group_sd=[0.1, 6.0]), replicates=160, until=rule)
    first = study.run(tmp_path / "out", progress=False).reached.set_index("group_sd")["replicates"]
    turned = dataclasses.replace(study, grid=Grid(group_sd=[6.0, 0.1])).run(tmp_path / "out", progress=False)
    assert turned.reached.set_index("group_sd")["replicates"].to_dict() == first.to_dict()
    assert first[0.1] < first[6.0]
    loose = dataclasses.replace(study, until=Until(bias=50.0, minimum=10)).run(tmp_path / "out", progress=False)
    assert set(loose.reached["replicates"]) == {10}
    assert "bias to 50" in json.loads((tmp_path / "out" / "reached.json").read_text())["rule"]


def test_strategies_that_fit_only_the_first_few(tmp_path):
    """They do not keep a rule from ending, nor a study from being finished, nor a plan from being made."""
    study = dataclasses.replace(STUDY, estimators=(PooledOLS(), Numpy(few=3)), until=Until(bias=0.1, minimum=5))
    lines = pd.DataFrame(dict(cell=[0, 0], model=["ols", "numpy"], value=0.0, mcse=[0.05, 9.0], low=0.0, high=0.0))
    assert precision(study, lambda *_: lines, 5, (0,))[0]["bias"] == 0.05
    alone = dataclasses.replace(STUDY, estimators=(Numpy(few=3),))
    assert alone.run(tmp_path / "alone", progress=False).progress == (6, 6)
    (shape, *_) = forecast(alone, plan(alone), 2**30).shapes
    assert shape.programs == 1
    mixed = dataclasses.replace(STUDY, estimators=(PooledOLS(), Numpy(few=3)), replicates=400)
    ours = dataclasses.replace(mixed, estimators=(PooledOLS(),))
    both, one = (forecast(study, plan(study), 2**30).total("bytes") for study in (mixed, ours))
    assert both == pytest.approx(one, rel=0.2)  # the file's description weighs a little differently


def test_a_copy_of_a_folder_is_a_folder(tmp_path):
    reference = STUDY.run(tmp_path / "out", progress=False)
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    same(jaxsim.load(tmp_path / "copy"), reference)
