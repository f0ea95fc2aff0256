"""Grids and studies: what they accept, how they are saved, how cells are found."""

import pytest

from jaxsim import (
    ClusterRobust,
    GaussianMultilevel,
    Grid,
    InputError,
    LinearMixed,
    PoissonSizes,
    PooledOLS,
    Study,
    TwoStage,
    Uniform,
    UniformSizes,
)  # fmt: skip
from jaxsim.study.registry import canonical


def study(**changes):
    given = dict(
        process=GaussianMultilevel(), grid=Grid(n_groups=[5, 10], group_sd=[0.1, 1]), estimators=(PooledOLS(),), replicates=3
    )
    return Study(**{**given, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict(grid=Grid()),
        dict(grid=Grid(n_obs=[PoissonSizes(8.0), UniformSizes(3, 5), 7]), seed=9, conf_level=0.9),
        dict(process=GaussianMultilevel(group_sd=(1, 2, 3, 4), correlation=0.3, fixed_effects=Uniform(2, 3))),
        dict(estimators=(LinearMixed(random=(("Intercept",), ("IV1", "IV2")), reml=False), TwoStage(), ClusterRobust("CR0"))),
    ],
)
def test_a_study_survives_its_json(changes):
    made = study(**changes)
    assert Study.from_json(made.to_json()) == made
    assert Study.from_json(made.to_json()).to_json() == made.to_json()


def test_cells_are_the_full_crossing_in_order():
    cells = study().cells
    crossed = [(5, 0.1), (5, 1), (10, 0.1), (10, 1)]
    assert [c.conditions for c in cells] == [(("n_groups", g), ("group_sd", sd)) for g, sd in crossed]
    assert [c.process.n_groups for c in cells] == [5, 5, 10, 10]
    assert study().cell_table().columns.tolist() == ["cell", "n_groups", "group_sd"]
    assert len(study().grid) == 4


def test_content_ignores_how_a_number_is_written_and_defaults_that_are_spelled_out():
    assert canonical(GaussianMultilevel(group_sd=1)) == canonical(GaussianMultilevel(group_sd=1.0))
    assert canonical(GaussianMultilevel(n_groups=30)) == canonical(GaussianMultilevel())
    assert canonical(GaussianMultilevel(n_groups=31)) != canonical(GaussianMultilevel())


def test_a_cell_is_found_by_number_or_conditions():
    made = study()
    assert made.find(2) == made.find({"n_groups": 10, "group_sd": 0.1})
    with pytest.raises(InputError, match="2 cells match"):
        made.find({"n_groups": 10})
    with pytest.raises(InputError, match="0 cells match"):
        made.find({"n_groups": 11})
    with pytest.raises(InputError, match=r"0 cells match .*; there are no factors, and one cell, 0"):
        study(grid=Grid()).find({"n_groups": 11})
    with pytest.raises(InputError, match="cells 0 to 3"):
        made.find(4)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        (dict(replicates=0), "replicates"),
        (dict(replicates=2.5), "replicates"),
        (dict(seed=-1), "seed"),
        (dict(seed=2**32), "seed"),
        (dict(conf_level=95), "conf_level"),
        (dict(estimators=()), "at least one strategy"),
        (dict(estimators=(PooledOLS(), PooledOLS())), "share a label"),
        (dict(estimators=(LinearMixed(random=("IV9",)),)), "IV9"),
        (dict(grid={"n_groups": [5]}), "Grid"),
        (dict(grid=Grid(groups=[5])), "not a field"),
        (dict(grid=Grid(n_groups=[5, -5])), "n_groups=-5"),
        (dict(grid=Grid(group_sd=[-1.0])), "group_sd"),
    ],
)
def test_bad_studies_are_refused_before_anything_runs(changes, word):
    with pytest.raises(InputError, match=word):
        study(**changes)


@pytest.mark.parametrize("bad", [dict(n_groups=[]), dict(n_groups=[5, 5]), dict(n_groups=5), dict(n_groups="5")])
def test_bad_grids_are_refused(bad):
    with pytest.raises(InputError, match="n_groups"):
        Grid(**bad)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: ClusterRobust("HC1"), "CR1S"),
        (lambda: LinearMixed(covariance="ar1"), "diagonal"),
        (lambda: LinearMixed(df="guess"), "satterthwaite"),
        (lambda: LinearMixed(vcov="CR1"), "'model', 'CR0', 'CR2'"),
        (lambda: LinearMixed(vcov="CR2", df="kenward-roger"), "'satterthwaite', 'G-1', 'normal'"),
        (lambda: LinearMixed(vcov="CR2", df="guess"), "'satterthwaite', 'G-1', 'normal'"),
        (lambda: LinearMixed(df="G-1"), "does not go with vcov='model'"),
        (lambda: LinearMixed(random="Intercept"), "tuple"),
        (lambda: LinearMixed(random=("a", "a")), "twice"),
    ],
)
def test_bad_estimators_are_refused_with_what_is_allowed(make, word):
    with pytest.raises(InputError, match=word):
        make()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("lmer", "has 'lmer'; give instances such as"),
        (LinearMixed, r"has the class LinearMixed; give an instance: LinearMixed\(\.\.\)"),
        (None, "has None; give instances such as"),
    ],
)
def test_estimators_are_instances(given, words):
    with pytest.raises(InputError, match=words):
        Study(GaussianMultilevel(), Grid(), (given,), replicates=1)


def effects(n_groups, group_sd, effect):
    """Linked fields: an effect in units that depend on two factors; a combination that makes no sense is left out."""
    return None if group_sd == 1 and n_groups == 5 else {"fixed_effects": (0.0, effect * group_sd / n_groups)}


def linked(function=effects, **changes):
    levels = dict(n_groups=[5, 10], group_sd=[0.1, 1], effect=[0, 2]) | changes
    return study(process=GaussianMultilevel(n_predictors=1), grid=Grid(**levels).linked(function))


def test_a_linked_grid_sets_fields_that_follow_from_the_factors_and_leaves_cells_out():
    made = linked()
    kept = [(5, 0.1, 0), (5, 0.1, 2), (10, 0.1, 0), (10, 0.1, 2), (10, 1, 0), (10, 1, 2)]
    assert [tuple(level for _, level in c.conditions) for c in made.cells] == kept
    assert len(made.grid) == 6
    for cell, (groups, sd, effect) in zip(made.cells, kept, strict=True):
        process = GaussianMultilevel(n_predictors=1, n_groups=groups, group_sd=sd, fixed_effects=(0, effect * sd / groups))
        assert cell.process == process
    assert made.cell_table().columns.tolist() == ["cell", "n_groups", "group_sd", "effect", "fixed_effects"]
    assert made.find({"n_groups": 10, "group_sd": 1, "effect": 2}).index == 5
    with pytest.raises(InputError, match="0 cells match"):
        made.find({"n_groups": 5, "group_sd": 1, "effect": 2})
    assert Study.from_json(made.to_json()) == made
    assert "links" not in study().to_json()  # studies without links are described as before


def test_a_cell_of_a_linked_grid_has_the_random_numbers_of_the_same_cell_in_any_other():
    plain = study(process=GaussianMultilevel(n_predictors=1), grid=Grid(n_groups=[10], group_sd=[1], fixed_effects=[(0, 0.2)]))
    assert plain.cells[0].words.tolist() == linked().cells[5].words.tolist()


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda **_: None, "keeps no combination"),
        (lambda **_: {"n_groups": 7}, "one of its factors"),
        (lambda n_groups, **_: {"fixed_effects": (0, 0)} if n_groups == 5 else {}, "the same fields in every cell"),
        (lambda **_: {"slope": 1}, "'slope' is not a field"),
        (lambda **_: {"fixed_effects": (0, 0, 0)}, "give 2 finite numbers"),
    ],
)
def test_links_that_make_no_study_are_refused(function, word):
    with pytest.raises(InputError, match=word):
        linked(function)


def test_levels_that_are_no_numbers_are_readable():
    grid = Grid(fixed_effects=[(0, 0.5), (0, 1)], n_obs=[5, UniformSizes(3, 9)], correlation=[None, ((1, 0.25), (0.25, 1))])
    table = study(process=GaussianMultilevel(n_predictors=1), grid=grid).cell_table()
    assert table["fixed_effects"].unique().tolist() == ["0, 0.5", "0, 1"]
    assert table["n_obs"].astype(str).unique().tolist() == ["5", "UniformSizes(low=3, high=9)"]
    assert table["correlation"].unique().tolist() == ["None", "(1, 0.25), (0.25, 1)"]
