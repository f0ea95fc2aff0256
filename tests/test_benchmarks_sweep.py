"""The benchmarks of sweeps run at a tiny size; what they count, compare and draw is right. No speed is asserted."""

import importlib
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
BACKEND = jax.default_backend()


@pytest.fixture(scope="module")
def load():
    """Import a benchmark by its name, as running it does."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module
    sys.path.remove(str(BENCHMARKS))


def test_tiles_of_a_study_hold_every_dataset_once(load):
    from jaxsim import GaussianMultilevel, Grid, PooledOLS, Study  # noqa: PLC0415 - beside its only use

    study = Study(GaussianMultilevel(n_obs=5, n_predictors=1), Grid(n_groups=[4, 12], group_sd=[0, 1]), PooledOLS(), 3)
    tiles = load("tiles")
    bench = tiles.Bench(study)
    made = bench.tiles()
    assert sorted((c, r) for t in made for c, r in zip(t.cells, t.replicates, strict=True)) == [
        (c, r) for c in range(4) for r in range(3)
    ]
    fits = bench.fit(0, made, bench.simulate(made))
    assert all((tiles.wanted(tile, fit.status) == 0).all() for tile, fit in zip(made, fits, strict=True))
    assert bench.compile(made[0].shape, study.cells[0])["ols"] == bench.compile(made[0].shape, study.cells[1])["ols"]


def test_screening_compares_the_same_datasets(load, tmp_path):
    load("screening").main(
        ["--datasets", "4", "--groups", "6", "--sds", "1", "--columns", "2", "--runs", "1", "--out", str(tmp_path)]
    )
    frame = pd.read_csv(tmp_path / f"screening-{BACKEND}.csv")
    assert list(frame["strategy"]) == ["ols", "lm", "lm2"]
    assert (frame["status"] == 0).all()
    # Rounding of 24 bits, not zero; other datasets would differ by whole standard errors.
    assert frame["estimate / SE, worst"].between(1e-9, 1e-3).all()
    assert frame["SE, worst"].between(1e-9, 1e-3).all()


def test_refits_see_the_responses(load):
    refits = load("refits")
    y = refits.responses(5)
    (tile,) = refits.tiles(y)
    groups = refits.SUBJECTS
    np.testing.assert_allclose(tile.products[:5, :groups, 2, 2], (y**2).sum(-1))  # sums of ten squares in another order
    np.testing.assert_allclose(tile.products[:5, :groups, 1, 2], (y * refits.DAYS).sum(-1))
    assert (tile.sizes[:5, :groups] == 10).all()
    assert tile.sizes.sum() == 5 * 180
    assert y.mean() == pytest.approx(251 + 4.5 * 10.5, abs=20)


def test_agreement_of_refits_leaves_the_first_response_out(load):
    class Fit:
        criterion, std_error = np.array([9.0, 1.0, 2.0]), np.array([[9.0, 9.0], [1.0, 2.0], [1.0, 2.0]])

    theirs = pd.DataFrame({"criterion": [1.0, 1.5], "se0": 1.0, "se1": [2.0, 4.0], "refit0": 2.0, "refit1": 4.0})
    (row,) = load("refits").agreement([Fit], theirs).to_dict("records")
    assert (row["fits"], row["lmer()'s criterion lower"], row["jaxsim's lower"]) == (2, 1, 0)
    assert (row["worst"], row["SE apart from refit()"]) == (0.5, 0.5)


def test_simulation_is_timed_by_rows_and_by_piece(load):
    simulation = load("simulation")
    (row,) = simulation.by_rows(4, (2,), 1).to_dict("records")
    assert row["ratio"] == pytest.approx(row["500 rows: CPU ms"] / row["5 rows: CPU ms"])
    assert (simulation.shares(4, 2, 5, 1)["CPU ms"] > 0).all()


def test_a_whole_run_is_measured(load):
    whole = load("whole_runs")
    found = whole.measure(whole.Run(groups=4, columns=1, obs=5, datasets=40, strategies=("ols",), batch=8))
    assert found["datasets/s"] * found["run s"] == pytest.approx(40)
    assert found["first chunks"] > 0
    clock = whole.Clock(stored=[(8, 0.0, 10.0), (8, 0.0, 12.0), (8, 0.0, 16.0), (8, 0.0, 16.1)])
    assert whole._first_and_last(clock) == {"first chunks": 4.0, "last chunks": 2.0}


def test_many_small_chunks_are_timed(load, tmp_path):
    load("many_chunks").main(["--cases", "6x2/4", "5x1", "--out", str(tmp_path)])
    frame = pd.read_csv(tmp_path / f"many-chunks-{BACKEND}.csv")
    assert list(frame["chunks"]) == [3, 1]
    assert frame[["plan s", "run s", "summary s"]].sum(axis=1).tolist() == pytest.approx(frame["together s"].tolist())


def test_sweep_draws_what_was_measured(load, tmp_path, monkeypatch):
    sweep, asked = load("sweep"), []
    times = [
        {"software": "jaxsim", "fit": "REML, Satterthwaite df", "cores": 1, "wall s": 0.8, "CPU s": 0.6},
        {"software": "lme4 refit()", "fit": "REML, no df", "cores": 1, "wall s": 100.0, "CPU s": 90.0},
        sweep.refits.PUBLISHED,
    ]
    found = sweep.refits.Refits(pd.DataFrame(times), pd.DataFrame({"fits": [1]}), "R", 0.6)
    monkeypatch.setattr(sweep.refits, "measure", lambda *given: found)
    monkeypatch.setattr(sweep, "in_a_process", lambda run, cache: asked.append(run) or {"datasets/s": 900.0, "datasets/CPU s": 1e3})
    sweep.main(["--parts", "runs", "refits", "--out", str(tmp_path)])
    frame = pd.read_csv(tmp_path / f"sweep-{BACKEND}.csv")
    assert list(dict.fromkeys(frame["varied"])) == ["batch", "groups", "columns", "threads", "devices", "workers"]
    assert len(asked) == len(set(asked)) < len(frame)
    assert "0.60 CPU s on one thread, so 0.36 s on two idle cores" in (tmp_path / f"sweep-{BACKEND}.md").read_text()
    assert 10_000 < (tmp_path / f"sweep-{BACKEND}.png").stat().st_size < 200_000
