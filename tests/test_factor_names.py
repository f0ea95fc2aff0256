"""Factors of results may be named by the last part of their names, wherever they are named."""

from __future__ import annotations

import pandas as pd
import pytest

from jaxsim import Design, Grid, InputError, PooledOLS, Study, within
from jaxsim.cli.main import main
from jaxsim.measures.factor_name import all_in_full, in_full

AMBIGUOUS = r"'day' may be any of 'effects\.day', 'sd\.person\.day'; give the whole name of one"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    design = Design(
        "y ~ day + (day | person)",
        {"person": 6},
        variables={"day": within(0, 1, 2)},
        effects={"day": 0.5},
        sd={"person": {"Intercept": 1.0, "day": 0.5}},
    )
    grid = Grid(**{"units.person": [6, 12], "effects.day": [0.5, 1.0], "sd.person.day": [0.5, 1.0]})
    return Study(design, grid, (PooledOLS(),), 10).run(tmp_path_factory.mktemp("named") / "run", progress=False)


def test_a_last_part_that_one_name_has_is_that_name():
    known = ("model", "units.person", "effects.day", "sd.person.day", "person.id")
    assert in_full("person", known) == "units.person"
    assert in_full("person.day", known) == "sd.person.day"
    assert in_full("model", known) == "model"
    assert in_full("erson", known) == "erson"  # no part of a name
    assert in_full(3, known) == 3
    assert all_in_full(["person", "units.person", "id"], known) == ("units.person", "person.id")
    with pytest.raises(InputError, match=AMBIGUOUS):
        in_full("day", known)
    assert in_full("day", (*known, "day")) == "day"


def test_tables_take_it(results):
    for asked in (results.measures, results.rates, results.reasons):
        pd.testing.assert_frame_equal(asked(by=["model", "person"]), asked(by=["model", "units.person"]))
        with pytest.raises(InputError, match=AMBIGUOUS):
            asked(by=["model", "day"])
    few = results.measures(by=["model"], where={"person": 12})
    pd.testing.assert_frame_equal(few, results.measures(by=["model"], where={"units.person": 12}))
    assert set(results.read("fits", where={"person": 12})["units.person"]) == {12}
    with pytest.raises(InputError, match=AMBIGUOUS):
        results.measures(where={"day": 0.5})


def test_a_number_that_is_needed_takes_it(results):
    asked = {"terms": ["day"], "by": ["person.day"]}
    found = results.needed("power", 0.5, over="person", **asked)
    assert "sd.person.day" in found
    pd.testing.assert_frame_equal(found, results.needed("power", 0.5, over="units.person", terms=["day"], by=["sd.person.day"]))
    with pytest.raises(InputError, match=AMBIGUOUS):
        results.needed("power", 0.5, over="day")
    with pytest.raises(InputError, match=r"units\.person is what is asked for"):
        results.needed("power", 0.5, over="person", by=["units.person"])


def test_figures_take_it(results):
    assert results.plot.bias(by="person")._repr_png_() == results.plot.bias(by="units.person")._repr_png_()
    with pytest.raises(InputError, match=AMBIGUOUS):
        results.plot.bias(by=["person", "day"])
    with pytest.raises(InputError, match="name each once"):
        results.plot.bias(by=["person", "units.person"])


def test_the_command_line_takes_it(results, capsys, tmp_path):
    def said(*options):
        """What a summary prints."""
        assert main(["summary", str(results.out), *options]) == 0
        return capsys.readouterr().out

    assert said("--by", "person") == said("--by", "units.person")
    assert "By units.person, averages of" in said("--by", "person")
    needed = ("--needed", "power:0.5", "--terms", "day", "--over")
    assert said(*needed, "person") == said(*needed, "units.person")
    assert "units.person needed for a power" in said(*needed, "person")
    said("--by", "person", "--csv", str(tmp_path / "a.csv"))
    assert "units.person" in pd.read_csv(tmp_path / "a.csv")
    assert main(["summary", str(results.out), "--by", "day"]) != 0
    assert "'effects.day', 'sd.person.day'" in capsys.readouterr().err
