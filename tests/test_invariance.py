"""Numbers do not depend on how they are computed: on companions, place in a tile, size of chunks, threads, devices, order."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from exactly import same

import jaxsim
from jaxsim import ClusterRobust, GaussianMultilevel, Grid, LinearMixed, Local, PooledOLS, Study, TwoStage
from jaxsim.data.padding import PADDED_GROUPS, padded_groups
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.shape import FEWEST, MOST, Shape, Tile, tile_datasets

pytestmark = pytest.mark.usefixtures("optimised")

# A strategy of every kind of arithmetic; few columns, so that programs compile fast.
STRATEGIES = (
    PooledOLS(),
    ClusterRobust(vcov="CR2"),
    ClusterRobust(vcov="CR3", label="cr3"),
    ClusterRobust(inference="wild", label="wild"),
    TwoStage(),
    TwoStage(inference="bootstrap", label="boot"),
    TwoStage(inference="sign-flip", label="flip"),
    TwoStage(weights="precision", label="precision"),
    LinearMixed(),
    LinearMixed(df="kenward-roger", label="kr"),
    LinearMixed(df="kenward-roger-observed", label="kro"),
    LinearMixed(covariance="diagonal", reml=False, label="ml"),
    LinearMixed(random=("Intercept",), label="ri"),
)
PROCESS = GaussianMultilevel(n_obs=5, n_predictors=1)
CHEAP = Study(PROCESS, Grid(n_groups=[9, 14], group_sd=[0.2, 2]), (PooledOLS(), TwoStage()), replicates=30, seed=3)


def fit(programs, cells, replicates, device=0):
    """Every strategy's numbers of some datasets, by one call each."""
    shape = Shape.of(programs.study.cells[0])
    tile = Tile(shape, cells, replicates, device)
    programs.prepare(shape, programs.study.cells[0], tuple(range(len(programs.study.estimators))))
    drawn = programs.simulate(tile)
    found = [np.asarray(drawn.truth.fixed)[: len(tile)]]
    for i in range(len(programs.study.estimators)):
        fitted = jax.device_get(programs.fit(tile, i, drawn))
        found += [np.asarray(leaf)[: len(tile)] for leaf in jax.tree.leaves(fitted)]
    return found


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_a_dataset_has_the_same_bits_in_any_place_and_company(strategy):
    """More datasets than lanes (64), so that some wait in a queue; then some of them, elsewhere in the tile."""
    study = dataclasses.replace(CHEAP, estimators=(strategy,), replicates=60)
    programs = Programs(study)
    cells, replicates = np.repeat(np.arange(4), 60), np.tile(np.arange(60), 4)
    whole = fit(programs, cells, replicates)
    rng = np.random.default_rng(1)
    for count in (1, 7, 133, 240):
        some = rng.permutation(240)[:count]
        for one, other in zip(whole, fit(programs, cells[some], replicates[some]), strict=True):
            np.testing.assert_array_equal(one[some], other)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return CHEAP.run(tmp_path_factory.mktemp("reference") / "out", progress=False)


@pytest.mark.parametrize(
    "options", [dict(batch=7), dict(batch=1), dict(executor=Local(threads=1)), dict(executor=Local(threads=5), batch=50)]
)
def test_runs_with_other_options_have_the_same_bits(reference, tmp_path, options):
    same(CHEAP.run(tmp_path / "out", progress=False, **options), reference)


def test_a_grown_study_is_the_study_that_was_run_at_once(reference, tmp_path):
    """Begun with one strategy, one level and fewer replicates; each addition computes only what is new."""
    out = tmp_path / "out"
    first = dataclasses.replace(CHEAP, replicates=11, grid=Grid(n_groups=[14], group_sd=[0.2, 2]), estimators=(TwoStage(),))
    sizes = []
    steps = (first, dataclasses.replace(first, replicates=30), dataclasses.replace(first, replicates=30, grid=CHEAP.grid), CHEAP)
    for study in steps:
        results = study.run(out, progress=False, batch=16)
        sizes.append(sum(entry.about.datasets * len(entry.about.models) for entry in results.folder.entries()))
    assert sizes == [22, 60, 120, 240], "every fit once"
    assert not any(entry.again for entry in results.folder.entries())
    same(results, reference)
    assert len(results.provenance) == 4


def test_eight_devices_have_the_same_bits(reference, tmp_path):
    """In a process of its own, because the number of CPU devices is fixed when JAX starts."""
    (tmp_path / "study.json").write_text(CHEAP.to_json())
    code = (
        "import sys; from jaxsim import Local, Study; import jax; assert len(jax.devices()) == 8;"
        "study = Study.from_json(open(sys.argv[1]).read());"
        "study.run(sys.argv[2], progress=False, executor=Local(devices=8))"
    )
    env = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    command = [sys.executable, "-P", "-c", code, str(tmp_path / "study.json"), str(tmp_path / "out")]
    subprocess.run(command, check=True, timeout=300, env=env)
    same(jaxsim.load(tmp_path / "out"), reference)


def test_several_devices_share_a_chunk_of_several_tiles(tmp_path, monkeypatch):
    """Tiles of eight datasets, so that there are many; dealt to one device they must give what one tile gives."""
    whole = CHEAP.run(tmp_path / "whole", progress=False)
    monkeypatch.setattr("jaxsim.sweep.shape.tile_datasets", lambda groups, columns, rows: 8)
    parts = CHEAP.run(tmp_path / "parts", progress=False)
    # Another size of tile is another program: the same numbers up to rounding.
    for column in ("truth", "estimate", "std_error", "df", "p_value"):
        np.testing.assert_allclose(parts.estimates[column], whole.estimates[column], rtol=1e-12, atol=1e-13)


def test_shapes_depend_on_the_cell_alone():
    asked = (1, 8, 9, 10, 13, 30, 65, 100, 105, PADDED_GROUPS[-1] + 1)
    assert [padded_groups(n) for n in asked] == [8, 8, 12, 12, 16, 32, 104, 104, 128, 2 * PADDED_GROUPS[-1]]
    for backend, groups, columns in [("cpu", 8, 2), ("cpu", 16, 5), ("cpu", 32768, 21), ("gpu", 16, 5), ("gpu", 8, 2)]:
        size = tile_datasets(groups, columns, backend)
        assert FEWEST <= size <= MOST[backend]
        assert size & (size - 1) == 0, "a power of two: loops over datasets have no remainder"
    assert tile_datasets(16, 5, "gpu") > tile_datasets(16, 5, "cpu") > tile_datasets(64, 5, "cpu")
