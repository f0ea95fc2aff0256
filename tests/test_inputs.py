"""Tables, names, labels and columns as people have them: they work, or a sentence says what to do."""

from __future__ import annotations

import io
import re
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from test_prediction import SAME, rows

import jaxsim
from jaxsim.errors import InputError

NFC, NFD = (unicodedata.normalize(form, "größe") for form in ("NFC", "NFD"))


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return rows().assign(dose=lambda d: d["dose"].astype(str))


@pytest.fixture(scope="module")
def plain(data):
    return jaxsim.lmer("y ~ dose + x + (1 | g)", data)


def polars(data: pd.DataFrame):
    return pytest.importorskip("polars").from_pandas(data)


TABLES = {
    "polars": polars,
    "pyarrow": pa.table,
    "arrow types": lambda data: data.convert_dtypes(dtype_backend="pyarrow"),
    "nullable types": lambda data: data.convert_dtypes(),
    "group in the index": lambda data: data.set_index("g"),
    "levels of an index": lambda data: data.set_index(["g", "dose"]),
    "an index of the group's name": lambda data: data.set_index(pd.Index(range(72), name="g")),
}


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_any_kind_give_one_fit(data, plain, table):
    given = TABLES[table](data)
    fit = jaxsim.lmer("y ~ dose + x + (1 | g)", given)
    pd.testing.assert_frame_equal(fit.table, plain.table, rtol=1e-12)
    assert fit.messages == plain.messages
    np.testing.assert_allclose(fit.predict(given), plain.fitted, **SAME)
    np.testing.assert_allclose(plain.predict(given), plain.fitted, **SAME)


def test_other_fits_take_tables_too(data):
    table = pa.table(data)
    for fit in (lambda d: jaxsim.ols("y ~ x", d), lambda d: jaxsim.lm("y ~ x", d, "g"), lambda d: jaxsim.lm2("y ~ x", d, "g")):
        pd.testing.assert_frame_equal(fit(table).table, fit(data).table)


def test_levels_in_polars():
    pl = pytest.importorskip("polars")
    data = rows()
    names = ["low", "mid", "high"]
    text = pl.from_pandas(data.assign(dose=data["dose"].astype(str)))
    given = text.with_columns(pl.col("dose").cast(pl.Enum(names)))
    assert list(jaxsim.ols("y ~ dose", given).table["term"][1:]) == ["dosemid", "dosehigh"]  # the order that was given
    assert jaxsim.ols("y ~ dose", given).messages == ()
    sorted_ = text.with_columns(pl.col("dose").cast(pl.Categorical))
    assert list(jaxsim.ols("y ~ dose", sorted_).table["term"][1:]) == ["doselow", "dosemid"]  # as text
    with pytest.raises(InputError, match=r"call .collect\(\) first"):
        jaxsim.ols("y ~ dose", text.lazy())


@pytest.mark.parametrize("given", [{"y": [1.0]}, np.zeros((3, 2)), [1, 2], "y", None, 3])
def test_what_is_no_table_is_refused(given):
    with pytest.raises(InputError, match="data must be a pandas DataFrame with one row per observation, or a table of polars"):
        jaxsim.ols("y ~ x", given)


def test_the_users_frame_is_not_changed(data):
    given = data.rename(columns={"x": NFD, "day": 3}).set_index("g")
    before = given.copy()
    jaxsim.lmer(f"y ~ {NFC} + `3` + (1 | g)", given)
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize(
    ("formula", "names", "term"),
    [
        ("`1` ~ `2`", {"y": 1, "x": 2}, "`2`"),
        ("y ~ `2020`", {"x": np.int64(2020)}, "`2020`"),
        (f"y ~ {NFC}", {"x": NFD}, NFC),
        (f"y ~ {NFD}", {"x": NFC}, NFC),
        ("y ~ `1st`", {"x": "1st"}, "`1st`"),
        ("y ~ scale(`my x`)", {"x": "my x"}, "scale(`my x`)"),
    ],
)
def test_names_of_columns(data, formula, names, term):
    fit = jaxsim.ols(formula, data.rename(columns=names))
    assert list(fit.table["term"]) == ["(Intercept)", term]
    np.testing.assert_allclose(fit.predict(data.rename(columns=names)), fit.fitted, **SAME)


def test_names_that_a_formula_cannot_have(data):
    with pytest.raises(InputError, match=re.escape("'1st' in the formula 'y ~ 1st' begins with a digit") + ".*`1st`"):
        jaxsim.ols("y ~ 1st", data)
    wide = data.groupby("g")[["y", "x"]].agg(["mean", "std"])
    with pytest.raises(InputError, match=r"names of 2 levels, such as \('y', 'mean'\)"):
        jaxsim.ols("y ~ x", wide)
    joined = wide.set_axis(["_".join(name) for name in wide.columns], axis=1)  # what the message says
    assert jaxsim.ols("y_mean ~ x_mean", joined).status == "ok"


NUMBERS = "holds numbers as text, such as '{}'; pandas.to_numeric makes numbers of them"


@pytest.mark.parametrize(
    ("change", "formula", "said"),
    [
        (lambda d: d.assign(x=d["x"].astype(str)), "y ~ x", "the column 'x' " + NUMBERS),
        (
            lambda d: d.assign(x=d["x"].astype(str)),
            "y ~ scale(x)",
            "'scale(x)' does arithmetic with text: the column 'x' " + NUMBERS,
        ),
        (
            lambda d: d.assign(x=d["x"].astype(str).mask(d.index == "r13", "n/a")),
            "y ~ x",
            "the first that is not is 'n/a' in row 'r13'",
        ),
        (lambda d: d.assign(x=d["x"].astype(str).mask(d.index == "r0", "1,5")), "y ~ dose + x", "71 of 72 values are numbers"),
        (lambda d: d.assign(y=d["y"].astype(str)), "y ~ x", "the response 'y' must be numeric"),
        (lambda d: d.assign(x=["a"] * 71 + [1.5]), "y ~ x", "The first text is 'a'"),
        (lambda d: d.assign(x=d.index), "y ~ x", "holds 72 different texts in 72 rows, such as 'r0'"),
    ],
)
def test_numbers_as_text(data, change, formula, said):
    given = change(data.set_index(pd.Index([f"r{i}" for i in range(72)])))
    value = str(given["x"].iloc[0])
    for fit in (jaxsim.ols, lambda f, d: jaxsim.lmer(f + " + (1 | g)", d)):
        with pytest.raises(InputError, match=re.escape(said.format(value))):
            fit(formula, given)


def test_a_factor_of_digits_is_one_with_a_message(data):
    given = data.assign(day=data["day"].astype(str))
    with pytest.warns(UserWarning, match=re.escape("the column 'day' " + NUMBERS.format("1")) + r".*C\(day\)"):
        fit = jaxsim.ols("y ~ day", given)
    assert list(fit.table["term"][1:]) == ["day2", "day3"]
    assert jaxsim.ols("y ~ C(day)", given).messages == ()
    assert jaxsim.ols("y ~ day", given.astype({"day": "category"})).messages == ()


@pytest.mark.parametrize(
    "convert", [lambda s: s, lambda s: s.sample(frac=1, random_state=1), lambda s: s.to_numpy(), pd.Categorical]
)
def test_clusters_may_be_given_as_a_column(data, convert):
    expected = jaxsim.lm("y ~ x", data, "g")
    fit = jaxsim.lm("y ~ x", data.drop(columns="g"), cluster=convert(data["g"]))
    pd.testing.assert_frame_equal(fit.table, expected.table)
    groups = jaxsim.lm2("y ~ x", data.drop(columns="g"), group=convert(data["g"]))
    pd.testing.assert_frame_equal(groups.table, jaxsim.lm2("y ~ x", data, "g").table)
    assert groups.coef.index.name == ("g" if isinstance(convert(data["g"]), pd.Series) else "group")


def test_clusters_beside_the_data(data):
    gaps = data["g"].where(data["g"] > 0)
    with pytest.warns(UserWarning, match="9 rows with missing values"):
        fit = jaxsim.lm("y ~ x", data, cluster=gaps)
    pd.testing.assert_frame_equal(fit.table, jaxsim.lm("y ~ x", data[data["g"] > 0], "g").table)
    two = jaxsim.lm("y ~ x", data, cluster=[data["g"] // 2, "day"], vcov="CR0")
    expected = jaxsim.lm("y ~ x", data.assign(pair=data["g"] // 2), cluster=["pair", "day"], vcov="CR0")
    pd.testing.assert_frame_equal(two.table, expected.table)
    for given, said in [
        (data["g"].head(5), "cluster= has 5 values, and the data have 72 rows"),
        (data["g"].set_axis(range(100, 172)), "the index of cluster= is not that of the data"),
        (list(data["g"]), "values go into a Series or an array"),
        (data[["g", "day"]].to_numpy(), "must have one dimension"),
    ]:
        with pytest.raises(InputError, match=said):
            jaxsim.lm("y ~ x", data, cluster=given)


def test_labels_that_are_tuples(data, plain):
    given = data.assign(g=[(int(g), "site") for g in data["g"]])
    fit = jaxsim.lmer("y ~ dose + x + (1 | g)", given)
    pd.testing.assert_frame_equal(fit.table, plain.table)
    assert list(fit.random_effects.index[:2]) == [(0, "site"), (1, "site")]
    np.testing.assert_allclose(fit.predict(given.tail(5)), plain.fitted.tail(5), **SAME)
    assert "72" in str(fit)


def test_combinations_of_labels_are_told_apart(data):
    first = np.where(data["g"] < 4, "a:b", "a")
    given = data.assign(p=np.where(data["g"] % 4 == 3, "z", first), q=np.where(data["g"] < 4, "c", "b:c"))
    fit = jaxsim.lmer("y ~ x + (1 | p:q)", given)
    whole = jaxsim.lmer("y ~ x + (1 | w)", given.assign(w=given["p"] + " " + given["q"]))
    pd.testing.assert_frame_equal(fit.table, whole.table)
    assert list(fit.random_effects.index) == ["a:`b:c`", "`a:b`:c", "z:`b:c`", "z:c"]
    np.testing.assert_allclose(fit.predict(given.sample(frac=1, random_state=2)).loc[data.index], fit.fitted, **SAME)


DRESSES = {
    "through a file": lambda d: pd.read_csv(io.StringIO(d.to_csv(index=False))),
    "text": lambda d: d.astype({"old": str}),
    "other text": lambda d: d.assign(old=d["old"].map({True: "TRUE", False: "false"})),
    "categories": lambda d: d.assign(old=d["old"].astype("category"), day=pd.Categorical(d["day"], [3, 1, 2])),
    "objects": lambda d: d.astype(object),
    "floats": lambda d: d.astype({"day": float}),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("learned", ["as they were", "text", "categories"])
def test_truth_and_numbers_come_back_in_another_dress(data, learned, dress):
    given = DRESSES.get(learned, lambda d: d)(data)
    fit = jaxsim.ols("y ~ old * x + day", given)
    np.testing.assert_allclose(fit.predict(DRESSES[dress](data)), fit.fitted, **SAME)


def test_one_and_zero_are_true_and_false_where_truth_was_learned(data):
    fit = jaxsim.ols("y ~ old", data)
    np.testing.assert_allclose(fit.predict(data.astype({"old": int})), fit.fitted, **SAME)
    with pytest.raises(InputError, match="'old' has the level '2', which no fitted row has; there were 'FALSE', 'TRUE'"):
        fit.predict(data.assign(old=2))
