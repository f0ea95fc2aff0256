"""Levels of a grid's factors in tables: in the order of the grid, and as numbers where they say how many there are in each unit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from made_up import results_of, standings_of

from jaxsim import Design, Grid, InputError, LinearMixed, PooledOLS, Study, UniformSizes, between, measures, nested
from jaxsim.measures.overview import overview
from jaxsim.report.figures.layout import choose_layout
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.how_many import how_many, size_factor

MODELS = (PooledOLS(formula="y ~ arm", label="ols"), LinearMixed("y ~ arm + (1 | clinic)", label="lmer"))
IN_EACH = [5, 10, 20, 40]


def clinics(patients=None, **options):
    units = {"clinic": 4, "patient": nested("clinic", UniformSizes(5, 15)) if patients is None else patients}
    return Design("y ~ arm + (1 | clinic)", units, variables={"arm": between("patient", ("old", "new"))}, **options)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    grid = Grid(**{"units.patient": [nested("clinic", n) for n in IN_EACH], "residual_sd": [2, 1]})
    design = clinics(effects={"armnew": 0.9})
    return results_of(tmp_path_factory.mktemp("levels") / "run", grid, MODELS, 20, process=design)


def test_numbers_in_each_unit_are_numbers_in_tables(results):
    assert list(results.cells.columns) == ["cell", "units.patient", "residual_sd"]
    assert results.cells["units.patient"].tolist() == list(np.repeat(IN_EACH, 2))
    assert pd.api.types.is_integer_dtype(results.cells["units.patient"])
    plain = Study(clinics(), Grid(**{"units.patient": IN_EACH}), MODELS, 2)
    mixed = Study(clinics(), Grid(**{"units.patient": [nested("clinic", 5), 10, 20, 40]}), MODELS, 2)
    for study in (plain, mixed):  # to this design, a number is one in each clinic
        assert study.cell_table()["units.patient"].tolist() == IN_EACH


def test_what_is_no_number_in_each_stays_text():
    drawn = [nested("clinic", 5), nested("clinic", UniformSizes(5, 15))]
    table = Study(clinics(), Grid(**{"units.patient": drawn}), MODELS, 2).cell_table()
    assert table["units.patient"].tolist() == list(map(str, drawn))
    # Five in each clinic and 20 in all would not be told apart as numbers.
    units = Study(clinics(20), Grid(**{"units.patient": [nested("clinic", 5), 20]}), MODELS[:1], 2).cell_table()
    assert units["units.patient"].tolist() == ["nested('clinic', 5)", 20]


def test_a_cell_is_found_by_the_number_and_by_the_level(results):
    wanted = {"units.patient": 10, "residual_sd": 1}
    assert results.study.find(wanted).index == 3
    assert results.study.find(wanted | {"units.patient": nested("clinic", 10)}).index == 3
    with pytest.raises(InputError, match="0 cells match"):
        results.study.find(wanted | {"units.patient": nested("ward", 10)})
    for level in (10, nested("clinic", 10)):
        assert set(results.read("fits", where={"units.patient": level})["cell"]) == {2, 3}
    with pytest.raises(InputError, match="no cell has that; the levels are 5, 10, 20, 40"):
        results.read("fits", where={"units.patient": nested("clinic", 11)})


def test_how_many_in_each_unit_are_needed(results):
    table = results.needed("power", 0.8, over="units.patient", by=[])
    assert set(table["status"]) - {"no number"}
    numbers = Numbers(results)
    assert size_factor(numbers) == "units.patient"
    assert choose_layout(results.cells, results.factors).x == "units.patient"
    (sentence,) = how_many(numbers, standings_of(numbers))
    assert "patients in each clinic" in sentence


def test_levels_stand_in_the_order_of_the_grid(tmp_path):
    levels = {"repeats": [UniformSizes(2, 9), UniformSizes(10, 11), 30, 4], "residual_sd": [2, 0.5, 1]}
    run = results_of(tmp_path / "run", levels, MODELS, 3, process=clinics(20, effects={"armnew": 0.5}))
    shown = [str(level) for level in levels["repeats"]]
    by = ["repeats", "residual_sd"]
    expected = [(r, s) for r in shown for s in levels["residual_sd"]]
    tables = [
        run.measures(by, measures=["bias"]),
        measures.summarise(run.estimates, by, measures=["bias"]),
        run.rates(by).query("measure == 'success'"),
        measures.rates(run.fits, by).query("measure == 'success'"),
        run.reasons(by),
        measures.reasons(run.fits, by),
        run.compare("lmer", "ols", by).query("measure == 'rmse'"),
        measures.paired(run.estimates, by, "ols").query("measure == 'rmse'"),
    ]
    for table in tables:
        assert list(zip(table["repeats"].astype(str), table["residual_sd"], strict=True)) == expected
    words = [line for line in overview(run.performance, by=["residual_sd"]).splitlines() if line.strip().startswith("ols")]
    assert [line.split()[1] for line in words] == ["2.0", "0.5", "1.0"]
