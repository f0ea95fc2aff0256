"""What is measured and how: additions of scores, levels, names of rejections, and what a strategy does not give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_measures import estimates, fits_of
from test_streaming import same

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures import CATALOGUE, Kit, OwnMeasure
from jaxsim.measures.accuracy import RootMSE
from jaxsim.measures.addition import Addition
from jaxsim.measures.differences import CATALOGUE as DIFFERENCES
from jaxsim.measures.differences import RootMSEDifference, pair_rows
from jaxsim.measures.groups import GROUPS_ADDITION
from jaxsim.measures.measure import Mean
from jaxsim.measures.needs import Needs
from jaxsim.measures.recipe import measure_all, recipe_of
from jaxsim.measures.sample import Rows
from jaxsim.measures.stream import Performance

LEVELS = Addition(
    columns=("level",),
    statistics={"level_square": lambda rows: rows["level"] ** 2},
    measures={"level": Mean("level"), "level_root": RootMSE("level_square")},
    differences={"level_root": RootMSEDifference("level_square")},
)


def source(table, kit=None, calls=None, factors=None, cells=None):
    fits = fits_of(table)

    def frames(name, columns, where=None):
        if calls is not None:
            calls.append(name)
        found = {"estimates": table, "fits": fits}[name]
        for _, frame in found.groupby(found["replicate"] % 3):
            yield frame[columns]

    cells = fits[["cell"]].drop_duplicates() if cells is None else cells
    models, terms = (list(table[name].cat.categories) for name in ("model", "term"))
    return Performance(frames, cells, models, terms, kit=kit, factors=factors)


@pytest.fixture
def table(rng):
    return zero_and_not(rng)


def zero_and_not(rng):
    """Coefficients that are zero always, sometimes and never."""
    made = estimates(rng, n=40, cells=2, models=("a", "b"), terms=("x", "y", "z"), truth=0.4, failed={("a", 3), ("b", 7)})
    made["truth"] = made["truth"].where(made["term"] != "y", 0.0)
    made["truth"] = made["truth"].where((made["term"] != "z") | (made["replicate"] % 2 == 0), 0.0)
    return made


def test_a_score_adds_columns_statistics_measures_and_differences(table, rng):
    scored = table.assign(level=rng.exponential(size=len(table)))
    made = source(scored, Kit(additions=(LEVELS,)))
    usable = scored[(scored["status"] == "ok")]
    by_stratum = usable.groupby(["cell", "model", "term"], observed=True)["level"]
    got = made.measures(["cell", "model", "term"])
    assert list(dict.fromkeys(got["measure"])) == [*CATALOGUE, "level", "level_root"]
    np.testing.assert_allclose(got[got["measure"] == "level"]["value"], by_stratum.mean(), rtol=1e-12)  # the same few sums
    roots = np.sqrt(by_stratum.agg(lambda x: (x**2).mean()))
    np.testing.assert_allclose(got[got["measure"] == "level_root"]["value"], roots, rtol=1e-12)
    both = made.compare("b", "a", ["cell", "term"])
    assert list(dict.fromkeys(both["measure"])) == [*DIFFERENCES, "level_root"]
    wide = usable.pivot(index=["cell", "replicate", "term"], columns="model", values="level").dropna()
    root = np.sqrt((wide**2).groupby(["cell", "term"], observed=True).mean())
    np.testing.assert_allclose(both[both["measure"] == "level_root"]["value"], root["b"] - root["a"], rtol=1e-9)  # of a difference


def test_additions_do_not_change_other_numbers(table, rng):
    scored = table.assign(level=rng.exponential(size=len(table)))
    plain, more = source(scored), source(scored, Kit(additions=(LEVELS,), own=(OwnMeasure("own", lambda rows: rows.level),)))
    for by in (["model"], ["cell", "model", "term"]):
        kept = more.measures(by)
        pd.testing.assert_frame_equal(
            kept[kept["measure"].isin(list(CATALOGUE))].reset_index(drop=True), plain.measures(by), check_exact=True
        )


def test_coefficients_of_groups_are_an_addition_like_others(table, rng):
    scored = table.assign(group_mse=1.0, group_variance=rng.exponential(size=len(table)), group_true_variance=2.0)
    made = Performance.of_tables(scored, fits_of(scored))
    assert made.kit.additions == (GROUPS_ADDITION,)
    assert set(made.measures([])["measure"]) == {*CATALOGUE, *measures.GROUPS}
    assert set(made.paired("a")["measure"]) == {*DIFFERENCES, *measures.GROUPS}
    with pytest.raises(InputError, match="run a Study\\(group_coefficients=True\\)"):
        source(table).measures([], measures=["group_rmse"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Kit(conf_level=1), "between 0 and 1"),
        (lambda: Kit(additions=(LEVELS, LEVELS)), "two measures are called 'level'"),
        (lambda: Kit(additions=(Addition(measures={"bias": Mean("error")}),)), "two measures are called 'bias'"),
        (lambda: Kit(additions=(Addition(measures={"power": Mean("error")}),)), "two measures are called 'power'"),
        (lambda: Kit(additions=(LEVELS,), own=(OwnMeasure("level", len),)), "two measures are called 'level'"),
        (lambda: Kit(additions=(Addition(columns=("error",)),)), "two columns are called 'error'"),
        (lambda: Kit(own=(OwnMeasure("own", lambda rows: rows.level),)), "rows have no 'level'"),
        (lambda: Kit(own=(3,)), r"give OwnMeasure\(name, function\)"),
    ],
)
def test_kits_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
    assert Kit(additions=(LEVELS,), own=(OwnMeasure("own", lambda rows: rows.level),)).columns == ("level",)


def test_a_recipe_has_what_its_measures_need():
    late = Needs(around={"shifted": lambda rows, summary: rows["error"]}), Needs(middle="error"), Needs(whole=True)
    assert all(needs.is_late for needs in late)
    assert not Needs(("error",), (("error", "error"),)).is_late
    recipe = recipe_of({name: CATALOGUE[name] for name in ("coverage", "rmse", "bias_eliminated_coverage")}, ["null"])
    assert set(recipe.means) == {"covers", "squared_error", "error", "null"}
    assert recipe.products == (("squared_error", "squared_error"),)
    assert set(recipe.around) == {"covers_shifted"}
    assert recipe.middle is None
    assert recipe.late == {"bias_eliminated_coverage"}
    assert recipe_of({"median": CATALOGUE["median_absolute_error"]}).middle == "absolute_error"

    class Middle(Mean):
        needs = Needs(middle="width")

    with pytest.raises(ValueError, match="absolute_error, width"):
        recipe_of({"one": CATALOGUE["median_absolute_error"], "other": Middle("width")})


def test_pairs_have_only_what_is_needed(rng):
    one, other = (Rows(np.zeros(4, int), {"x": rng.normal(size=4), "d_x": rng.normal(size=4)}) for _ in range(2))
    pair = pair_rows(one, other, ("x", "r_x", "d_x", "d_d_x", "r_d_x"))
    assert set(pair) == {"x", "r_x", "d_x", "d_d_x", "r_d_x"}
    np.testing.assert_array_equal(pair["d_x"], one["x"] - other["x"])
    np.testing.assert_array_equal(pair["d_d_x"], one["d_x"] - other["d_x"])
    np.testing.assert_array_equal(pair["r_d_x"], other["d_x"])


def of_estimates(kit, estimate, std_error):
    """Rows of some datasets with the truth 0, as tables have them."""
    half = 2 * std_error
    numbers = {
        "estimate": estimate, "truth": np.zeros(len(estimate)), "std_error": std_error, "p_value": np.full(len(estimate), 0.5),
        "conf_low": estimate - half, "conf_high": estimate + half,
    }  # fmt: skip
    return kit.rows(numbers, np.zeros(len(estimate), int), 0.05)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e6])
def test_the_same_number_by_another_algorithm_is_no_difference(rng, size):
    """Rounding is a share of the numbers: 8e-15 of estimates near one is nothing, and so is 1e-7 of millions; 1e-6 of one is a
    difference."""
    kit, estimate, std_error = Kit(), size * rng.normal(size=50), size * rng.uniform(1, 2, 50)
    rounding = 1e-14 * size * rng.normal(size=50)
    one, other = of_estimates(kit, estimate + rounding, std_error + rounding), of_estimates(kit, estimate, std_error)
    found = measure_all(kit.paired, pair_rows(one, other, kit.paired.means), 1, list(kit.paired.measures))
    for name, lines in found.items():
        assert lines.value.tolist() == [0.0], name
        assert lines.mcse.tolist() == [0.0], name
    apart = of_estimates(kit, estimate * (1 + 1e-6), std_error * (1 + 1e-6))
    found = measure_all(kit.paired, pair_rows(apart, other, kit.paired.means), 1, ["bias", "rmse", "std_error"])
    assert all(lines.value[0] != 0 and lines.mcse[0] > 0 for lines in found.values())


def test_statistics_are_computed_when_they_are_asked_for():
    asked = []
    rows = Rows(np.zeros(3, int), {"x": np.arange(3.0)}, {"y": lambda r: asked.append("y") or r["x"] * 2, "z": lambda r: 1 / 0})
    assert not asked
    assert list(rows["y"]) == list(rows["y"]) == [0, 2, 4]
    assert list(rows.with_more({"w": rows["x"]})["y"]) == [0, 2, 4]
    assert asked == ["y"]


def test_rare_measures_are_computed_when_they_are_asked_for(table):
    own = (OwnMeasure("own", lambda rows: rows.error), OwnMeasure("middle", lambda rows: np.median(rows.error)))
    calls = []
    made = source(table, Kit(own=own), calls)
    made._held.limit = 0  # as of a source that is too large to be kept from one look to the next
    first = made.measures(["cell", "model", "term"], measures=["bias", "rejection"])
    assert calls == ["estimates"]
    made.measures(["model"], measures=["bias", "median_absolute_error", "power"])
    assert calls == ["estimates"] * 5, (
        "the second look, the third, and those at power where the truth is zero in some datasets only"
    )
    calls.clear()
    got = made.measures(["cell", "model", "term"], measures=["type_s", "own"])
    assert calls == ["estimates"] * 2, "a first and a third look at what these need, as often as at the others"
    same(got, measures.summarise(table, ["cell", "model", "term"], measures=["type_s", "own"], own=own))
    calls.clear()
    every = made.measures(["model"], measures=[name for name in made.kit.measures if name != "middle"])
    assert calls == ["estimates"] * 2, "those of the interval score and exaggeration"
    same(every, measures.summarise(table, ["model"], measures=list(dict.fromkeys(every["measure"])), own=own))
    calls.clear()
    same(made.measures(["model"], measures=["middle"]), measures.summarise(table, ["model"], measures=["middle"], own=own))
    made.measures([], measures=["middle", "bias"])
    assert calls == ["estimates"], "one pass over rows that fit in memory"
    same(made.measures(["cell", "model", "term"], measures=["bias", "rejection"]), first)


@pytest.mark.parametrize("by", [["model"], ["cell", "model", "term"]], ids="-".join)
def test_measures_can_be_asked_for_one_after_the_other(table, by):
    """Of rows chosen by their truth only what is asked for is computed; what comes later is looked at as often."""
    made = source(table)
    for names in (["bias"], ["bias_eliminated_coverage"], ["median_absolute_error", "bias"], list(CATALOGUE)):
        for truth in ("nonzero", "zero"):
            options = dict(measures=names, truth=truth)
            same(made.measures(by, **options), measures.summarise(table, by, **options))


def test_the_level_that_is_asked_for_first_takes_the_census(table):
    calls = []
    made = source(table, calls=calls)
    made._held.limit = 0  # as above
    made.measures(["term"], measures=["rejection"], alpha=0.3)
    made.measures(["cell", "model", "term"], measures=["bias"], alpha=0.3)
    assert len(calls) == 3, "one look for the plain table, the two others for the average"


def test_columns_of_cells_that_are_no_factors_are_lines_when_they_are_asked_for(table):
    cells = pd.DataFrame({"cell": [0, 1], "size": [5, 5], "effect": [0.5, 1.0], "derived": ["0, 0.5", "0, 1"]})
    made = source(table, cells=cells, factors=["size", "effect"])
    assert made.factors == ("size", "effect")
    named = {"measure", "kind", "value", "mcse", "low", "high", "n_used", "n_failed", "policy"}
    assert [c for c in made.measures(measures=["bias"]) if c not in named] == ["model", "size", "effect", "term"]
    assert [c for c in made.rates() if c in cells] == ["size", "effect"]
    assert [c for c in made.paired("a") if c in cells] == ["size", "effect"]
    expected = measures.summarise(table.merge(cells, on="cell"), ["derived", "model"], measures=["bias"])
    same(made.measures(["derived", "model"], measures=["bias"]), expected)
    same(made.measures(["model"], where={"derived": (0, 1.0)}), measures.summarise(table[table["cell"] == 1], ["model"]))
    assert source(table, cells=cells).factors == ("size", "effect", "derived")
    with pytest.raises(InputError, match="factor='colour' is not known"):
        source(table, cells=cells, factors=["colour"])
