"""The text that a terminal shows: what is averaged, at which levels, and the lines and measures that are asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_components import fits as made_fits
from test_components import source as of_components
from test_measures import estimates, fits_of

from jaxsim import measures
from jaxsim.errors import InputError
from jaxsim.measures import OwnMeasure
from jaxsim.measures.overview import headline, in_words, overview
from jaxsim.measures.stream import Performance

component_fits = made_fits
TERMS = ("Intercept", "x")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(6)
    made = estimates(rng, n=40, cells=4, models=("a", "b"), terms=TERMS, truth=0.4, failed={("b", 2)})
    made["truth"] = made["truth"].where(made["term"] != "Intercept", 0.0)
    return made.assign(size=10 * (1 + made["cell"] % 2), place=np.where(made["cell"] < 2, "near", "far"))


def source(table, **options):
    fits = fits_of(table).drop(columns=["n_groups", "n_obs", "group_sd"])
    fits = fits.merge(table[["cell", "size", "place"]].drop_duplicates(), on="cell")
    return Performance.of_tables(table, fits, ["size", "place"], **options)


def lines(text):
    """The rows of the first table of a text, split into words."""
    body = text.split("\n\n")[1]
    return [line.split("  ") for line in body.splitlines()]


def as_printed(table):
    """The lines of a table of strategies."""
    if table.index.nlevels > 1:
        return table.reset_index().to_string(justify="right", index=False).splitlines()
    return table.rename_axis(index=None).to_string(justify="right").splitlines()


def body(text):
    """The rows of the first table of a text, without its head."""
    return text.split("\n\n")[1].splitlines()[1:]


def shown(table, by, measure, **options):
    """The text of each line that a measure of a table in memory has."""
    found = measures.summarise(table, by, measures=[measure], **options)
    return [in_words(row) for row in found.to_dict("records")]


def test_the_first_line_says_what_is_averaged_and_at_which_levels(table):
    first = overview(source(table)).splitlines()[0]
    assert first == (
        "Averaged over 4 cells and the coefficient x, 160 datasets "
        "(± Monte Carlo standard error; 95% intervals, tests at alpha = 0.05):"
    )
    narrow = source(table, conf_level=0.8)
    assert "; 80% intervals, tests at alpha = 0.2):" in overview(narrow)
    assert "; 80% intervals, tests at alpha = 0.01):" in overview(narrow, alpha=0.01)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (("(Intercept)", "x"), "4 cells and the coefficient x, 160"),
        (("y", "x"), "4 cells, each of 2 coefficients by itself, 160"),
        (("Intercept",), "4 cells and the coefficient Intercept, 160"),
    ],
    ids="-".join,
)
def test_the_intercept_is_there_only_if_it_is_asked_for_or_alone(table, terms, said):
    named = dict(zip(TERMS, terms, strict=False))
    some = table[table["term"].isin(list(named))].assign(term=lambda t: t["term"].astype(str).map(named))
    made = source(some.astype({"term": "category"}))
    assert said in overview(made)
    slopes = [term for term in made.present if "Intercept" not in term] or list(made.present)
    assert body(overview(made)) == as_printed(headline(made, terms=slopes))[1:]


def test_unlike_coefficients_have_lines_of_their_own(table):
    made = source(table)
    found = headline(made, terms=TERMS)
    assert list(found.index) == [(term, model) for term in TERMS for model in ("a", "b")]
    for term in TERMS:
        for name, title in (("bias", "bias"), ("coverage", "coverage"), ("rmse", "RMSE")):
            assert found.loc[term, title].tolist() == shown(table, ["model"], name, terms=[term])
    assert found.loc[("Intercept", "a"), "power"] == found.loc[("x", "a"), "type I error"] == "–"
    first, lines, whole, fits, *_ = overview(made, terms=TERMS).split("\n\n")
    assert first.startswith("Averaged over 4 cells, each of 2 coefficients by itself (Intercept, x), 160 datasets")
    assert lines.splitlines()[0].split()[:2] == ["term", "model"]
    assert "failed" not in lines
    assert (whole, fits.split()[0]) == ("Of whole fits:", "failed")
    divided = headline(made, by=["size"], terms=TERMS)
    assert list(divided.index.names) == ["term", "model", "size"]
    assert divided.loc["x", "bias"].tolist() == shown(table, ["model", "size"], "bias", terms=["x"])


def test_exchangeable_coefficients_are_averaged(table):
    alike = table.assign(term=table["term"].astype(str).map({"Intercept": "z", "x": "x"}).astype("category"))
    fits = fits_of(table).merge(table[["cell", "size", "place"]].drop_duplicates(), on="cell")
    every = Performance.of_tables(alike, fits, ["size", "place"])
    every.families = (("x", "z"),)
    assert headline(every)["coverage"].tolist() == shown(alike, ["model"], "coverage")
    assert "4 cells and 2 coefficients, 160" in overview(every)
    three = alike[alike["term"] == "x"].assign(term="w")
    made = pd.concat([alike.astype({"term": str}), three]).astype({"term": "category"})
    some = Performance.of_tables(made, fits, ["size", "place"])
    some.families = (("x", "z"), ("w",))
    found = headline(some)
    assert list(found.index) == [("w", "a"), ("w", "b"), ("x, z", "a"), ("x, z", "b")]
    assert found.loc["x, z", "coverage"].tolist() == shown(made, ["model"], "coverage", terms=["x", "z"])


def test_terms_can_be_chosen(table):
    text = overview(source(table), terms=["x"])
    assert "4 cells and the coefficient x, 160 datasets" in text
    assert "type I error" not in text
    assert headline(source(table), terms=["x"])["bias"].tolist() == shown(table, ["model"], "bias", terms=["x"])


def test_the_level_of_the_tests_can_be_chosen(table):
    for alpha in (0.05, 0.3):
        found = headline(source(table), alpha=alpha)
        assert found["power"].tolist() == shown(table, ["model"], "power", alpha=alpha)
        zero = headline(source(table), alpha=alpha, terms=["Intercept"])
        assert zero["type I error"].tolist() == shown(table, ["model"], "type_one_error", alpha=alpha)
    assert headline(source(table), alpha=0.3)["power"].tolist() != headline(source(table))["power"].tolist()


def test_lines_can_be_divided(table):
    made = source(table)
    found = headline(made, by=["place", "size"])
    assert list(found.index) == [(m, k, s) for m in ("a", "b") for k in ("near", "far") for s in (10, 20)]  # as cells are
    for name, title in (("bias", "bias"), ("rmse", "RMSE"), ("power", "power")):
        assert found[title].tolist() == shown(table, ["model", "place", "size"], name, terms=["x"])
    failed = made.rates(["model", "place", "size"])
    assert found["failed"].tolist() == [in_words(row) for row in failed[failed["measure"] == "failure"].to_dict("records")]
    text = overview(made, by=["place", "size"])
    assert text.startswith("By place and size, a line for each of 4 cells and the coefficient x, 160")
    assert overview(made, by=["size"]).startswith("By size, averages of 4 cells and the coefficient x, 160")
    (head, *body) = text.split("\n\n")[1].splitlines()
    assert head.split()[:4] == ["model", "place", "size", "coverage"]
    assert [row.split()[:3] for row in body] == [[m, k, str(s)] for m, k, s in found.index]
    assert "(listwise)" in text
    assert overview(made, by=["model"]) == overview(made)


def test_lines_of_coefficients_have_no_rates_of_fits(table):
    found = headline(source(table), by=["term"])
    assert list(found.index) == [(m, t) for m in ("a", "b") for t in TERMS]
    assert "failed" not in found
    assert found.loc[("a", "Intercept"), "power"] == "–"
    assert found.loc[("a", "x"), "type I error"] == "–"
    text = overview(source(table), by=["term"])
    assert "2 coefficients, 160" in text
    assert len(body(text)) == 2 * len(TERMS)


def test_measures_can_be_chosen(table):
    found = headline(source(table), measures=["exaggeration", "power", "bias"])
    assert list(found) == ["exaggeration", "power", "bias", "failed"]  # in this order; and some fits failed
    assert list(headline(source(table), measures=["bias", "power"], by=["term"])) == ["bias", "power"]
    assert found["exaggeration"].tolist() == shown(table, ["model"], "exaggeration", terms=["x"])
    text = overview(source(table), measures=["type_s"])
    assert "type_s" in text
    assert "RMSE" not in text
    with pytest.raises(InputError, match="measure='pover' is not known"):
        overview(source(table), measures=["pover"])
    with pytest.raises(InputError, match="'colour' is not a column"):
        overview(source(table), by=["colour"])


def test_own_measures_are_shown_with_the_others(table):
    own = [OwnMeasure("p90", lambda rows: np.quantile(np.abs(rows.error), 0.9))]
    found = headline(source(table, own=own))
    assert list(found)[-2:] == ["p90", "failed"]
    assert found["p90"].tolist() == shown(table, ["model"], "p90", own=own, terms=["x"])


def test_tables_without_tests_name_no_level(component_fits):
    text = overview(of_components(component_fits))
    lacks = "ols has no sd_Group_Intercept, sd_Group_IV1 or cor_Group_Intercept_IV1"
    assert text.splitlines()[0].startswith(
        f"Averaged over 2 cells, each of 4 coefficients by itself, 80 datasets; {lacks}; ri has no"
    )
    assert text.splitlines()[0].endswith(" (± Monte Carlo standard error):")
    (head, *_) = text.split("\n\n")[1].splitlines()
    assert head.split() == ["term", "model", "bias", "RMSE"]


def test_the_table_of_one_line_a_strategy_is_a_plain_one(table):
    found = headline(source(table))
    assert isinstance(found.index, pd.Index)
    assert found.index.name == "model"
    assert list(found.index) == ["a", "b"]
    assert list(found) == ["coverage", "power", "bias", "RMSE", "model SE error %", "failed"]


def test_a_factor_called_like_a_column_of_the_table_is_refused(table):
    for name in ("kind", "value", "measure", "policy", "n_used"):
        renamed = table.rename(columns={"place": name})
        with pytest.raises(InputError, match=f"lines by '{name}': tables of measures have a column of that name"):
            measures.summarise(renamed, ["model", name])
    fits = fits_of(table).merge(table[["cell", "place"]].drop_duplicates(), on="cell").rename(columns={"place": "low"})
    made = Performance.of_tables(table, fits, ["low"])
    for ask in (made.measures, made.rates, lambda: made.paired("a")):
        with pytest.raises(InputError, match="lines by 'low'"):
            ask()
    assert len(made.measures(["model"]))


def test_the_table_of_datasets_in_common_has_no_rates_of_all_fits(table):
    every, common = overview(source(table)).split("The same, only for datasets that every strategy fitted (listwise):")
    assert " failed" in every
    assert "failed" not in common
    assert common.split() == as_words(headline(source(table), "listwise", terms=["x"]))


def as_words(table):
    return " ".join(as_printed(table)).split()


def test_without_a_dataset_in_common_there_is_no_table_of_them(table):
    silent = estimates(np.random.default_rng(1), n=5, models=("a", "b"), failed={("b", i) for i in range(5)})
    text = overview(Performance.of_tables(silent, fits_of(silent)), notes=["why"])
    assert text.endswith("\n\nNo dataset was fitted by every strategy: there is no table of those alone (listwise).\n\nwhy")
    assert text.count("model SE error") == 1
