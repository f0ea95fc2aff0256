"""Small studies pad cells to the size of larger ones: fewer programs, and the same numbers to the last bit."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from exactly import same

from jaxsim import (
    MCAR,
    ClusterRobust,
    Design,
    Dropout,
    GaussianMultilevel,
    Grid,
    HierarchicalBayes,
    LinearMixed,
    LogNormalSizes,
    Normal,
    PooledOLS,
    StudentT,
    Study,
    TwoStage,
    UniformSizes,
    between,
    within,
)  # fmt: skip
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.padding import Bounds
from jaxsim.sweep import shared_sizes as sharing
from jaxsim.sweep.compile import compile_program, precision
from jaxsim.sweep.functions import fitter, simulator
from jaxsim.sweep.plan import plan
from jaxsim.sweep.programs import Programs
from jaxsim.sweep.shape import Shape, Tile
from jaxsim.sweep.shared_sizes import LARGEST, shared_sizes

pytestmark = pytest.mark.usefixtures("optimised")

# Every kind of arithmetic for which ``same_when_padded`` is said.
STRATEGIES = (
    PooledOLS(),
    ClusterRobust(vcov="CR0"),
    ClusterRobust(vcov="pymer4"),
    ClusterRobust(vcov="CR2"),
    ClusterRobust(vcov="CR3"),
    TwoStage(),
    LinearMixed(),
    LinearMixed(covariance="diagonal", reml=False),
    LinearMixed(random=("Intercept", "IV1")),
    LinearMixed(random=("Intercept",)),
    LinearMixed(random=("Intercept",), reml=False, df="residual"),
)
SIZES = (12, 32, LARGEST)
DATASETS = 60


def drawn(process, size):
    """Cross-products of datasets of two cells, padded to a number of groups."""
    name = "residual_sd" if isinstance(process, Design) else "group_sd"
    study = Study(process, Grid(**{name: [0.2, 1.5]}), PooledOLS(), DATASETS, seed=4)
    bounds = Bounds.of_groups(size, process.bounds.rows)
    shape = Shape.of(study.cells[0], bounds)
    cells, replicates = np.repeat([0, 1], DATASETS // 2), np.tile(np.arange(DATASETS // 2), 2)
    arguments = Programs(study).arguments(Tile(shape, cells, replicates))
    with precision("float64"):
        return compile_program(simulator(process, bounds, CrossProducts).function, *arguments)(*arguments)


def numbers(tree, groups):
    """Arrays of the wanted datasets and groups."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(tree)):
        name, part = jax.tree_util.keystr(path), leaf[:DATASETS]
        found[name] = part[:, :groups] if name.endswith((".products", ".sizes")) else part
    return found


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.fixture(scope="module")
def datasets():
    """By groups and padded size."""
    made = {}
    for groups in (10, 30):
        process = GaussianMultilevel(n_predictors=2, n_groups=groups, n_obs=6)
        made |= {(groups, size): drawn(process, size).data for size in SIZES if size >= groups}
    return made


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: f"{strategy.name} {strategy.told(PROCESS.names)}"[:70])
def test_fits_do_not_change_by_a_bit_with_padding(strategy, datasets):
    assert strategy.same_when_padded
    found = {}
    with precision("float64"):
        for size in SIZES:
            program = compile_program(fitter(strategy, 0.95).function, datasets[10, size])
            found |= {key: numbers(program(data), key[0]) for key, data in datasets.items() if key[1] == size}
    for (groups, _), numbers_of_some in found.items():
        assert_same(found[groups, LARGEST], numbers_of_some)


PROCESS = GaussianMultilevel(n_predictors=2, n_groups=10, n_obs=5)
DESIGN = Design(
    "y ~ arm * day + (day | person)",
    units={"person": 10},
    variables={"arm": between("person", ["old", "new"]), "day": within(range(4))},
    effects={"day": 0.2},
    sd={"person": 0.5},
)
PROCESSES = {
    "equal sizes": PROCESS,
    "many rows": dataclasses.replace(PROCESS, n_obs=60),
    "drawn sizes": dataclasses.replace(PROCESS, n_obs=UniformSizes(3, 12)),
    "skewed sizes": dataclasses.replace(PROCESS, n_obs=LogNormalSizes(10, 0.5)),
    "one number a group": dataclasses.replace(PROCESS, n_between=1),
    "correlated, drawn effects": dataclasses.replace(PROCESS, correlation=0.3, fixed_effects=Normal(0, 1)),
    "many columns": GaussianMultilevel(n_predictors=9, n_groups=10, n_obs=30),
    "by rows": dataclasses.replace(PROCESS, sampler="rows"),
    "a messy world": dataclasses.replace(PROCESS, residual=StudentT(5), missing=MCAR(0.2)),
    "a design": DESIGN,
    "a design without rows": dataclasses.replace(DESIGN, sampler="cross_products"),
    "a messy design": dataclasses.replace(DESIGN, residual=StudentT(5), missing=Dropout(0.1)),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_datasets_do_not_change_by_a_bit_with_padding(name):
    process = PROCESSES[name]
    assert process.same_when_padded
    first, *others = (numbers(drawn(process, size), 10) for size in SIZES)
    for other in others:
        assert_same(first, other)


SMALL = Study(
    GaussianMultilevel(n_predictors=1, n_obs=5), Grid(n_groups=[6, 10, 30, 100], group_sd=[0.2, 1]), (PooledOLS(), TwoStage()), 20
)


def test_a_small_study_has_one_size():
    assert shared_sizes(SMALL) == {8: 104, 12: 104, 32: 104}
    assert {chunk.shape.groups for chunk in plan(SMALL)} == {104}


def test_each_size_joins_the_next_only_while_padding_costs_less_than_compiling():
    # Of two cells: 12 -> 104 adds 184 groups a replicate, 32 -> 104 144, 12 -> 32 40 and 8 -> 32 48; 100,000 are worth a program.
    found = {n: shared_sizes(dataclasses.replace(SMALL, replicates=n)) for n in (500, 600, 1000, 3000)}
    assert found[500] == {8: 104, 12: 104, 32: 104}
    assert found[600] == {8: 12, 32: 104}
    assert found[1000] == {8: 32, 12: 32}
    assert found[3000] == {8: 12}
    larger = dataclasses.replace(SMALL, grid=Grid(n_groups=[30, 100, 200, 300]))
    assert shared_sizes(larger) == {32: 104}, "from 128 groups on sums are taken in other pieces"


def test_whoever_is_not_known_to_be_the_same_has_sizes_of_its_own():
    def alone(**changes):
        return shared_sizes(dataclasses.replace(SMALL, **changes)) == {}

    assert alone(estimators=(PooledOLS(), HierarchicalBayes()))
    assert alone(estimators=(TwoStage(inference="bootstrap"),))
    assert alone(estimators=(LinearMixed(df="kenward-roger"),))
    assert alone(group_coefficients=True)
    assert alone(dtype="float32")
    assert alone(process=Own(n_predictors=1, n_obs=5)), "a subclass may draw otherwise"


@dataclasses.dataclass(frozen=True)
class Own(GaussianMultilevel):
    """Somebody's own."""


def test_a_study_by_shared_sizes_is_the_study_without(tmp_path, monkeypatch):
    shared = SMALL.run(tmp_path / "shared", progress=False)
    monkeypatch.setattr(sharing, "WORTH", 0)
    assert shared_sizes(SMALL) == {}
    same(SMALL.run(tmp_path / "own", progress=False), shared)


def test_designs_of_one_unit_share_the_programs_of_their_fits():
    study = Study(DESIGN, Grid(**{"units.person": [10, 20, 60]}), (LinearMixed(), ClusterRobust()), 50)
    assert shared_sizes(study) == {12: 64, 32: 64}
    assert {chunk.shape.groups for chunk in plan(study)} == {64}
