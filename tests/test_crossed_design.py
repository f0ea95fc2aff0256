"""``Design`` with several units: who meets whom, the law of responses, truths by name, and what is refused."""

from __future__ import annotations

import itertools
import re

import jax
import numpy as np
import pytest
from scipy import stats

import jaxsim
from jaxsim import (
    MCAR,
    Design,
    Dropout,
    Grid,
    InputError,
    LinearMixed,
    Normal,
    NotSupportedError,
    PoissonSizes,
    PooledOLS,
    Sized,
    StudentT,
    Study,
    Uniform,
    UniformSizes,
    between,
    counterbalanced,
    covariate,
    lists,
    nested,
    sampled,
    within,
)
from jaxsim.formula.grouping import grouping
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.formula.parse import parse
from jaxsim.processes.designed.scale import _datasets
from jaxsim.processes.designed.units import Tree
from jaxsim.processes.fresh import fresh
from jaxsim.testing import check_process

COND = counterbalanced(("a", "b"), over=("subject", "item"))
READING = "rt ~ cond + (cond | subject) + (cond | item)"
SPREADS = {"subject": {"Intercept": 3, "condb": 1}, "item": {"Intercept": 2, "condb": 1.5}}


def key(seed):
    return jax.random.key(seed, impl="threefry2x32")


def reading(**changes):
    """Subjects and items, each pair in one of two conditions."""
    given = dict(
        formula=READING,
        units={"subject": 4, "item": 4},
        variables={"cond": COND},
        effects={"Intercept": 10, "condb": 2},
        sd=SPREADS,
        correlation={"subject": 0.4, "item": -0.3},
        residual_sd=1.5,
    )
    return Design(**{**given, **changes})


def schools(**changes):
    """Classes in schools, pupils as repeats."""
    given = dict(
        formula="y ~ arm + x + (1 | school) + (1 + x | class)",
        units={"school": 3, "class": nested("school", 2)},
        repeats=3,
        variables={"arm": between("class", ("c", "t")), "x": within(0, 1)},
        effects={"armt": 1},
        sd={"school": 2, "class": {"Intercept": 1, "x": 0.5}},
        correlation={"class": 0.5},
    )
    return Design(**{**given, **changes})


def datasets(design, count, seed=1):
    """Columns of many datasets, ``[count, N]`` by name."""
    columns = jax.jit(jax.vmap(lambda k: design.simulate(k)[1]))(jax.random.split(key(seed), count))
    return {name: np.asarray(value) for name, value in columns.items()}


def truth(design, seed=0):
    """Of one dataset."""
    bounds = design.bounds.padded()
    return jax.jit(lambda k: design.draw(k, design.parameters(bounds), bounds).truth)(key(seed))


def codes(rows, unit):
    return rows[unit].to_numpy() - 1


# Designs of different kinds; rows of each are the same in every dataset, so that responses have one covariance.
LAWS = {
    "crossed, slopes on both sides": reading(),
    "every pair meets all levels, twice": reading(variables={"cond": within("a", "b")}, units={"subject": 3, "item": 2}, repeats=2),
    "independent slopes, an unbalanced list": reading(
        formula="rt ~ x + (x || subject) + (1 | item)",
        variables={"x": within(-1, 2)},
        units={"subject": 4, "item": 5},
        meets=lists(2),
        effects={"x": 1},
        sd={"subject": {"Intercept": 2, "x": 1}, "item": 1},
        correlation=None,
    ),
    "classes in schools": schools(),
    "three crossed units": Design(
        "y ~ f + (1 | lab) + (1 | subject) + (f | item)",
        units={"lab": 2, "subject": 2, "item": 3},
        variables={"f": between("lab", ("u", "v"))},
        effects={"fv": 3},
        sd={"lab": 1, "subject": 2, "item": {"Intercept": 1.5, "fv": 1}},
        correlation={"item": 0.5},
    ),
    "pupils in classes in schools meet items": Design(
        "y ~ 1 + (1 | school/class) + (1 | item)",
        units={"class": nested("school", 2), "school": 2, "item": 3},
        sd={"class": 1, "school": 2, "item": 1.5},
        residual_sd=0.5,
    ),
    "subjects in schools meet the items of lists": Design(
        "y ~ f + (1 | school/subject) + (f | item)",
        units={"subject": nested("school", 3), "school": 2, "item": 5},
        meets=lists(2),
        variables={"f": counterbalanced((-1, 1), over=("subject", "item"))},
        sd={"subject": 1, "school": 2, "item": {"Intercept": 1.5, "f": 0.5}},
        effects={"f": 2},
        correlation={"item": -0.5},
    ),
}


def dense(design, rows):
    """Mean and covariance of the responses of these rows, by the formula as lmer reads it and the stated numbers."""
    parsed = parse(design.formula)
    fixed = model_matrix(parsed.fixed, rows)
    mean = fixed.values @ [design.effects.get(name.strip("()"), 0.0) for name in fixed.names]
    covariance = design.residual_sd**2 * np.eye(len(rows))
    for term in parsed.random:
        unit = Tree(tuple(design.units.items())).named(term.group)
        z = model_matrix(term.terms, rows)
        names = [name.strip("()") for name in z.names]
        sd = np.array([design.sd.get(unit, {}).get(name, 0.0) for name in names])
        r = 0.0 if term.independent else design.correlation.get(unit, 0.0)
        own = np.outer(sd, sd) * np.where(np.eye(len(sd)) > 0, 1.0, r)
        group = grouping(rows, list(term.group)).codes
        covariance += np.where(group[:, None] == group, z.values @ own @ z.values.T, 0.0)
    return mean, covariance


class TestLaw:
    @pytest.mark.parametrize("name", LAWS)
    def test_moments_of_all_rows(self, name):
        """Every mean and covariance of the responses of a design, by brute force, against the linear mixed model that its formula
        is: Gaussian, so that these are its law."""
        design = LAWS[name]
        count = 20_000
        columns, rows = datasets(design, count), design.rows(key(0))
        there = np.flatnonzero(columns["keep"][0]) if "keep" in columns else np.arange(len(rows))
        y = columns[design.response][:, there]
        mean, covariance = dense(design, rows)
        assert y.shape[1] == len(rows)
        variance = np.diagonal(covariance)
        # Five errors: of up to a thousand numbers one is further off by chance once in 2,000 times.
        assert (abs(y.mean(0) - mean) < 5 * np.sqrt(variance / count)).all()
        error = np.sqrt((np.outer(variance, variance) + covariance**2) / count)
        assert (abs(np.cov(y.T) - covariance) < 5 * error).all()

    def test_variance_components_of_balanced_crossed_data(self):
        """Their estimators by analysis of variance are unbiased (Searle, Casella & McCulloch 1992, section 4.7)."""
        s, i, r, count = 8, 6, 2, 4000
        design = Design(
            "y ~ 1 + (1 | s) + (1 | i)",
            units={"s": s, "i": i},
            repeats=r,
            sd={"s": 2, "i": 1.5},
            residual_sd=1,
            effects={"Intercept": 4},
        )
        y = datasets(design, count)["y"].reshape(count, s, i, r)
        mean = y.mean((1, 2, 3), keepdims=True)
        by_s, by_i = y.mean((2, 3), keepdims=True), y.mean((1, 3), keepdims=True)
        ms = i * r * ((by_s - mean) ** 2).sum((1, 2, 3)) / (s - 1)
        mi = s * r * ((by_i - mean) ** 2).sum((1, 2, 3)) / (i - 1)
        me = ((y - by_s - by_i + mean) ** 2).sum((1, 2, 3)) / (s * i * r - s - i + 1)
        for found, true in (((ms - me) / (i * r), 4), ((mi - me) / (s * r), 2.25), (me, 1)):
            assert abs(found.mean() - true) < 4 * found.std() / np.sqrt(count)  # four Monte Carlo errors

    def test_items_that_are_drawn_for_a_sample(self):
        """With ``sampled(k)``: two rows of different subjects share an item with probability 1 / I, and then its variance."""
        items, count = 5, 20_000
        design = Design(
            "y ~ 1 + (1 | s) + (1 | i)", units={"s": 2, "i": items}, meets=sampled(3), sd={"s": 1, "i": 3}, residual_sd=0.5
        )
        y = datasets(design, count)["y"]
        products = y[:, :3].mean(1) * y[:, 3:].mean(1)
        # Means of three of five items, twice: on average the mean of the items, of variance 9 / 5, by independence given them.
        assert abs(products.mean() - 9 / items) < 4 * products.std() / np.sqrt(count)
        within_one = y[:, 0] * y[:, 1]
        assert abs(within_one.mean() - 1) < 4 * within_one.std() / np.sqrt(count)  # other items, the same subject

    def test_rows_without_noise_are_the_coefficients_of_the_truth(self):
        """As columns of the model matrix that lmer makes of the rows, in every kind of design."""
        for design in LAWS.values():
            rows = design.having(residual_sd=0.0).rows(key(3))
            fixed = rows.attrs["truth"]["fixed_effects"]
            matrix = model_matrix(parse(design.formula).fixed, rows)
            assert [name.replace("(Intercept)", "Intercept") for name in matrix.names] == list(fixed)
            expected = matrix.values @ list(fixed.values())
            for factor, terms in design.names.random:
                own = np.array(rows.attrs["truth"]["coefficients_by"][factor]) - [fixed.get(term, 0.0) for term in terms]
                z = np.stack([np.ones(len(rows)) if term == "Intercept" else rows[term] for term in terms], axis=1)
                expected = expected + (own[codes(rows, factor)] * z).sum(1)
            # 1e-12: sums of a few products of numbers up to 20.
            np.testing.assert_allclose(expected, rows[design.response], atol=1e-12)


class TestTruth:
    def test_by_name(self):
        design = reading()
        names, found = design.names, truth(design)
        assert names.factors == ("subject", "item")
        assert dict(names.components) == {"subject": ("Intercept", "condb"), "item": ("Intercept", "condb")}
        np.testing.assert_allclose(found.covariance["subject"], [[9, 1.2], [1.2, 1]], rtol=1e-15)
        np.testing.assert_allclose(found.covariance["item"], [[4, -0.9], [-0.9, 2.25]], rtol=1e-15)
        assert {name: value.shape for name, value in found.groups.items()} == {"subject": (4, 2), "item": (4, 2)}
        assert (found.fixed.tolist(), float(found.sigma)) == ([10, 2], 1.5)

    def test_the_first_subjects_are_the_same_whatever_else_there_is(self):
        small, found = truth(reading()), truth(reading(units={"subject": 6, "item": 10}))
        for unit in ("subject", "item"):
            np.testing.assert_array_equal(small.groups[unit], found.groups[unit][:4])
        alone = truth(
            reading(formula="rt ~ cond + (cond | subject)", sd={"subject": SPREADS["subject"]}, correlation={"subject": 0.4})
        )
        np.testing.assert_array_equal(small.groups["subject"], alone.groups["subject"])
        one = Design(
            READING.partition(" + (cond | item)")[0],
            units={"subject": 4},
            variables={"cond": within("a", "b")},
            effects={"Intercept": 10, "condb": 2},
            sd={"subject": SPREADS["subject"]},
            correlation=0.4,
        )
        np.testing.assert_array_equal(small.groups["subject"], truth(one).groups["subject"])
        assert not np.isin(small.groups["subject"] - small.fixed, small.groups["item"] - small.fixed).any()

    @pytest.mark.parametrize("group", ["(1 | school/class)", "(1 | school) + (1 | class)", "(1 | school) + (1 | school:class)"])
    def test_nested_units_by_any_name(self, group):
        design = schools(formula=f"y ~ arm + {group}", sd={"school": 2, "class": 1}, correlation=None)
        assert design.names.components == (("school", ("Intercept",)), ("class", ("Intercept",)))
        np.testing.assert_array_equal(design.rows(key(1))["y"], schools(
            formula="y ~ arm + (1 | class) + (1 | school)", sd={"school": 2, "class": 1}, correlation=None
        ).rows(key(1))["y"])  # fmt: skip

    def test_what_can_vary_by_each_unit(self):
        design = Design(
            "y ~ group * cond * kind + freq + age + z + (1 | subject) + (1 | item)",
            units={"subject": 8, "item": 8},
            variables={
                "group": between("subject", ("g", "h")),
                "kind": between("item", ("k", "l")),
                "cond": COND,
                "freq": covariate("item", Normal()),
                "age": covariate("subject", Normal()),
                "z": covariate("row", Normal()),
            },
        )
        names = design.names
        assert set(names.constant_in("subject")) == {"grouph", "age"}
        assert set(names.constant_in("item")) == {"kindl", "freq"}
        assert names.maximal_in("subject") == ("Intercept", "condb", "kindl", "freq", "z", "condb:kindl")
        assert names.maximal_in("item") == names.varying_in("item") == ("Intercept", "grouph", "condb", "age", "z", "grouph:condb")
        bounds = design.bounds.padded()

        def looks(key):
            """Rows of both factors, and of one, as shapes."""
            data = design.draw(key, design.parameters(bounds), bounds).data
            return data, data.grouped("item"), data.reduce(bounds.cells).grouped("item")

        both, *alone = jax.eval_shape(looks, key(0))
        assert both.names.carried() == names.carried()
        for data in alone:
            assert data.names.varying == names.varying_in("item")
            assert data.names.constant == names.constant_in("item")

    def test_nested_names(self):
        names = schools().names
        assert names.nested == (("class", ("school",)),)
        assert names.constant_in("class") == ("armt",)
        assert names.constant_in("school") == ()
        assert [names.factor_of(group) for group in (("class",), ("school", "class"), ("school",), ("pupil",))] == [
            "class", "class", "school", None,
        ]  # fmt: skip
        above = schools(variables={"arm": between("school", ("c", "t")), "x": within(0, 1)}).names
        assert (above.constant, above.constant_in("class")) == (("armt",), ("armt",))


class TestWhoMeetsWhom:
    def test_rows_and_their_order(self):
        rows = reading(units={"subject": 3, "item": 2}, variables={"cond": within("a", "b")}, repeats=2).rows(key(0))
        assert list(rows.columns[:4]) == ["subject", "item", "cond", "rt"]
        assert rows["subject"].tolist() == np.repeat([1, 2, 3], 8).tolist()
        assert rows["item"].tolist() == np.tile(np.repeat([1, 2], 4), 3).tolist()
        assert rows["cond"].tolist() == ["a", "a", "b", "b"] * 6

    def test_a_latin_square(self):
        rows = reading(units={"subject": 6, "item": 9}, variables={"cond": counterbalanced((1, 2, 3), over=("item", "subject"))},
                       formula="rt ~ cond", sd={}, correlation={}, effects={}).rows(key(0))  # fmt: skip
        square = rows.pivot(index="subject", columns="item", values="cond").to_numpy()
        assert square[:3, :3].tolist() == [[1, 2, 3], [2, 3, 1], [3, 1, 2]]
        for lines in (square, square.T):
            assert all((np.unique(line, return_counts=True)[1] == len(line) // 3).all() for line in lines)

    def test_balanced_beside_what_units_are_given(self):
        """Each subject meets both conditions equally often among the items of each kind, and each item among the subjects of each
        group: with a rotation by the plain numbers, kind and condition would be one thing."""
        design = reading(
            formula="rt ~ group * kind * cond + (1 | subject)",
            units={"subject": 8, "item": 8},
            variables={"group": between("subject", ("g", "h")), "kind": between("item", ("k", "l")), "cond": COND},
            effects={}, sd={}, correlation={},
        )  # fmt: skip
        rows = design.rows(key(0))
        assert set(rows.groupby(["subject", "kind", "cond"], observed=False).size()) == {2}
        assert set(rows.groupby(["item", "group", "cond"], observed=False).size()) == {2}

    def test_several_latin_squares_go_through_all_combinations(self):
        variables = {"cond": COND, "size": counterbalanced(("s", "m", "l"), over=("subject", "item"))}
        design = reading(units={"subject": 6, "item": 12}, variables=variables, formula="rt ~ cond * size", sd={}, correlation={},
                         effects={})  # fmt: skip
        rows = design.rows(key(0))
        assert set(rows.groupby(["subject", "cond", "size"], observed=False).size()) == {2}
        assert set(rows.groupby(["item", "cond", "size"], observed=False).size()) == {1}

    def test_a_sample_of_items(self):
        units, k, count = {"subject": 5, "item": 9}, 4, 2000
        design = reading(units=units, meets=sampled(k))
        columns = datasets(design, count)
        met = columns["item"].reshape(count, 5, k)
        assert (np.diff(met, axis=2) > 0).all()  # in their order, none twice
        assert (met.min(), met.max()) == (0, 8)
        each = (met[..., None] == np.arange(9)).mean((0, 1, 2)) * 9
        # Each item is met by 4 in 9; of 10,000 subjects the share has an error of .005, relative to 4/9 one of .0112.
        assert abs(each - 1).max() < 4 * 0.0112
        # Subjects draw independently: two of them meet 16 / 9 of the same on average.
        both = (met[:, 0, :, None] == met[:, 1, None]).sum((1, 2))
        assert abs(both.mean() - 16 / 9) < 4 * both.std() / np.sqrt(count)
        number = columns["subject"][0].reshape(5, k)[:, 0][:, None] + met
        np.testing.assert_array_equal(columns["condb"].reshape(count, 5, k), number % 2)

    def test_subjects_in_schools_meet_samples(self):
        units = {"subject": nested("school", UniformSizes(1, 3)), "school": 12, "item": 7}
        design = reading(units=units, meets=sampled(3), formula="rt ~ cond + (1 | school/subject) + (1 | item)",
                         sd={"school": 1, "subject": 1, "item": 1}, correlation={})  # fmt: skip
        rows = design.rows(key(0))
        assert (rows.groupby("subject")["item"].nunique() == 3).all()
        assert (rows.groupby("subject").size() == 3).all()
        assert ((rows["subject"] - 1) // 3 + 1 == rows["school"]).all()
        assert set(rows.groupby("school")["subject"].nunique()) == {1, 2, 3}

    def test_lists(self):
        rows = reading(units={"subject": 6, "item": 8}, meets=lists(2)).rows(key(0))
        met = {subject: set(own["item"]) for subject, own in rows.groupby("subject")}
        assert met[1] == met[3] == met[5] == {1, 3, 5, 7}
        assert met[2] == met[4] == met[6] == {2, 4, 6, 8}
        assert set(rows.groupby(["subject", "cond"], observed=False).size()) == {2}
        assert sorted(rows.groupby(["item", "cond"], observed=False).size()) == [1] * 8 + [2] * 8

    def test_lists_of_unequal_length(self):
        design = reading(units={"subject": 4, "item": 5}, meets=lists(2))
        rows = design.rows(key(0))
        assert rows.groupby("subject").size().tolist() == [3, 2, 3, 2]
        assert rows.groupby("item").size().tolist() == [2] * 5

    def test_lists_have_their_share_of_each_kind(self):
        variables = {"cond": COND, "kind": between("item", ("k", "l"))}
        formula = "rt ~ cond * kind + (1 | item)"
        units = {"subject": 8, "item": 8}
        rows = reading(formula=formula, units=units, meets=lists(2), variables=variables, sd={}, correlation={}).rows(key(0))
        assert set(rows.groupby(["subject", "kind", "cond"], observed=False).size()) == {1}
        assert set(rows.groupby(["item", "cond"], observed=False).size()) == {2}

    def test_nested_levels_are_unique(self):
        rows = schools(units={"school": 3, "class": nested("school", 2)}).rows(key(0))
        assert [sorted(set(own)) for _, own in rows.groupby("school")["class"]] == [[1, 2], [3, 4], [5, 6]]
        assert rows.drop_duplicates("class")["arm"].tolist() == ["c", "t"] * 3

    def test_random_numbers_of_classes(self):
        design = schools(units={"school": 40, "class": nested("school", UniformSizes(1, 4))}, variables={"x": within(0, 1)},
                         formula="y ~ x + (1 | school/class)", effects={}, sd={"class": 1}, correlation=None)  # fmt: skip
        rows = design.rows(key(0))
        numbers = rows.groupby("school")["class"].nunique()
        assert (len(numbers), numbers.min(), numbers.max()) == (40, 1, 4)
        # Uniform on 1 to 4: mean 2.5, variance 1.25; the mean of 40 has an error of .18.
        assert abs(numbers.mean() - 2.5) < 4 * 0.18
        assert set(rows.groupby("class").size()) == {6}
        assert (rows.groupby("class")["school"].nunique() == 1).all()
        other = design.rows(key(1)).groupby("school")["class"].nunique()
        assert (numbers != other).any()

    @pytest.mark.parametrize("units", [
        {"school": 6, "class": nested("school", (1, 4, 3))}, {"class": nested("school", [1, 4, 3]), "school": 6},
    ])  # fmt: skip
    def test_numbers_of_classes_in_order(self, units):
        variables = {"arm": between("class", ("c", "t")), "x": within(0, 1)}
        design = Design("y ~ arm + x + (1 | school)", units, 3, variables, effects={"x": 1}, sd={"school": 1})
        for seed in range(2):
            rows = design.rows(key(seed))
            assert rows.groupby("school")["class"].nunique().tolist() == [1, 4, 3, 1, 4, 3]  # they begin again
            assert set(rows.groupby("class").size()) == {6}
            assert rows.drop_duplicates("class")["arm"].value_counts().tolist() == [8, 8]  # of those that there are
        assert "16 class" in str(design.preview())
        for words in (">16<", "they have (1, 4, 3) class", "96 rows a dataset"):
            assert words in design._repr_html_()
        again = Study.from_json(Study(design, Grid(), (PooledOLS(),), 2).to_json()).process
        assert again == design

    def test_numbers_in_order_within_numbers_in_order(self):
        units = {"town": 2, "school": nested("town", (1, 2)), "class": nested("school", (3, 1, 2))}
        rows = Design("y ~ 1 + (1 | town/school)", units, sd={"town": 1}, repeats=2).rows(key(0))
        assert rows.groupby("town")["school"].nunique().tolist() == [1, 2]
        assert rows.groupby("school")["class"].nunique().tolist() == [3, 1, 2]

    def test_numbers_in_order_are_levels_of_a_grid(self):
        sizes = [nested("school", (1, 3)), (2, 4), 3, nested("school", UniformSizes(1, 3))]
        study = Study(schools(units={"school": 2, "class": nested("school", 2)}), Grid(**{"units.class": sizes}), (PooledOLS(),), 2)
        assert [study.dataset(k, 0)["class"].nunique() for k in range(3)] == [4, 6, 6]
        assert study.cell_table()["units.class"].tolist()[0] == "nested('school', (1, 3))"

    @pytest.mark.parametrize("sampler", ["rows", "cross_products"])
    def test_numbers_in_order_meet_items(self, sampler):
        units = {"subject": nested("school", (2, 3)), "school": 2, "item": 4}
        made = Design("y ~ cond + (1 | subject) + (1 | item)", units, variables={"cond": within("a", "b")}, repeats=2,
                      sd={"subject": 1, "item": 1}, meets=lists(2), sampler=sampler)  # fmt: skip
        rows = made.rows(key(3))
        assert rows.groupby("school")["subject"].nunique().tolist() == [2, 3]
        assert set(rows.groupby("subject").size()) == {8}
        bounds = made.bounds.padded()
        data = made.draw(key(3), made.parameters(bounds), bounds).data
        products = data if sampler == "cross_products" else data.reduce(bounds.cells)
        assert int(np.asarray(products.sizes).sum()) == len(rows) == 40

    def test_random_numbers_of_pupils(self):
        rows = schools(repeats=PoissonSizes(4, 1), variables={"arm": between("class", ("c", "t"))}, formula="y ~ arm + (1 | class)",
                       sd={"class": 1}, correlation=None).rows(key(0))  # fmt: skip
        assert len(set(rows.groupby("class").size())) > 2

    def test_covariates_are_one_number_a_level_of_their_unit(self):
        variables = {"freq": covariate("item", Normal(3, 2)), "age": covariate("subject", Uniform(20, 60)), "cond": COND,
                     "arm": between("item", ("u", "v"), randomised=True)}  # fmt: skip
        design = reading(variables=variables, formula="rt ~ freq + age + arm + cond + (1 | item)", sd={}, correlation={},
                         effects={"condb": 2}, units={"subject": 5, "item": 7}, correlations={}, meets=sampled(4))  # fmt: skip
        rows = design.rows(key(2))
        for unit, columns in (("item", ["freq", "arm"]), ("subject", ["age"])):
            for column in columns:
                assert (rows.groupby(unit)[column].nunique() == 1).all()
        assert rows["freq"].nunique() == rows["item"].nunique()
        assert rows["age"].nunique() == 5

    def test_covariates_of_items_go_together(self):
        variables = {
            "freq": covariate("item", Normal()),
            "length": covariate("item", Normal(5, 2)),
            "age": covariate("subject", Normal()),
        }
        design = Design("y ~ freq + length + age", units={"subject": 2, "item": 1000}, variables=variables,
                        correlations={("length", "freq"): -0.6})  # fmt: skip
        rows = design.rows(key(0)).drop_duplicates("item")
        # A correlation of -.6 of a thousand pairs has an error of .02.
        assert abs(np.corrcoef(rows["freq"], rows["length"])[0, 1] + 0.6) < 4 * 0.02
        with pytest.raises(InputError, match="'freq' of 'item' and 'age' of 'subject' are drawn at different levels"):
            design.having(correlations={("freq", "age"): 0.1})


class TestStudies:
    @pytest.mark.parametrize(
        "design",
        [
            reading(meets=sampled(3), variables={"cond": COND, "freq": covariate("item", Normal())}),
            schools(units={"school": 3, "class": nested("school", UniformSizes(1, 3))}, repeats=PoissonSizes(3, 1)),
            schools(units={"school": 3, "class": nested("school", (1, 3, 2))}),
            LAWS["three crossed units"],
        ],
        ids=["sampled", "nested", "sizes", "three"],
    )
    def test_the_contract_of_processes(self, design):
        check_process(design)

    def test_numbers_are_factors_of_a_grid(self):
        factors = {"sd.item.Intercept": [0.0, 2.0], "correlation.item": [0.0, 0.4], "effects.condb": [0, 5], "residual_sd": [1, 2]}
        study = Study(reading(), Grid(**factors), (PooledOLS(),), 2)
        assert len({cell.process.program(cell.process.bounds.padded()) for cell in study.cells}) == 1
        last = study.cells[-1].process
        assert (last.sd["item"]["Intercept"], last.correlation["item"], last.effects["condb"]) == (2.0, 0.4, 5.0)

    def test_units_are_factors_of_a_grid(self):
        study = Study(reading(), Grid(**{"units.item": [4, 6], "meets": ["all", sampled(3)]}), (PooledOLS(),), 2)
        assert [len(study.dataset(cell=k, replicate=0)) for k in range(4)] == [16, 12, 24, 12]
        again = Study.from_json(study.to_json())
        assert [cell.key for cell in again.cells] == [cell.key for cell in study.cells]
        more = Study(schools(), Grid(**{"units.class": [2, 4]}), (PooledOLS(),), 2)
        assert [cell.process.units["class"] for cell in more.cells] == [nested("school", 2), nested("school", 4)]

    def test_strategies_of_one_factor_use_the_first_unit(self, tmp_path):
        strategy = LinearMixed("rt ~ cond + (1 | subject)")
        study = Study(reading(units={"subject": 12, "item": 6}), Grid(), (strategy,), 2, seed=5)
        stored = study.run(tmp_path / "out", progress=False).read("estimates")
        for replicate in range(2):
            own = stored[stored["replicate"] == replicate]
            fit = jaxsim.lmer(strategy.formula, study.dataset(cell=0, replicate=replicate))
            # 1e-9: two optimisers that end with Newton steps on the same cross-products; what differs is rounding.
            np.testing.assert_allclose(own["estimate"], fit.table["estimate"], rtol=1e-9)
            np.testing.assert_allclose(own["std_error"], fit.table["std_error"], rtol=1e-9)

    @pytest.mark.parametrize(
        ("design", "formula"),
        [
            (reading(units={"subject": 12, "item": 10}, residual_sd=0.5), READING),
            (schools(units={"school": 8, "class": nested("school", UniformSizes(1, 3))}), "y ~ arm + x + (1 | school/class)"),
            (schools(units={"school": 6, "class": nested("school", (1, 2, 4))}), "y ~ arm + x + (1 | school/class)"),
        ],
        ids=["crossed", "nested", "sizes"],
    )
    def test_models_with_all_units_are_those_of_the_rows(self, design, formula, tmp_path):
        study = Study(design, Grid(), (LinearMixed(formula),), 1, seed=2)
        stored = study.run(tmp_path / "out", progress=False).read("estimates")
        fit = jaxsim.lmer(formula, study.dataset(cell=0, replicate=0))
        # 1e-6: two optimisers on the same cells; what differs is where they stop.
        np.testing.assert_allclose(stored["estimate"], fit.table["estimate"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(stored["std_error"], fit.table["std_error"], rtol=1e-6)

    def test_its_null_twin(self):
        assert reading().null("cond") == reading(effects={"Intercept": 10})


def unseen(design, seed=0):
    """A dataset, and further rows for it."""
    bounds = design.bounds.padded()

    def both(key):
        """Both of one key."""
        drawn = design.draw(key, design.parameters(bounds), bounds)
        new = [design.new_rows(key, drawn, design.parameters(bounds), bounds, new_groups) for new_groups in (False, True)]
        return drawn, *new, fresh(design, key, drawn, design.parameters(bounds), bounds)

    return jax.device_get(jax.jit(both)(key(seed)))


class TestFreshRows:
    def test_known_subjects_with_the_items_that_they_met(self):
        drawn, known, _, _ = unseen(reading(meets=sampled(3)))
        for unit in ("subject", "item"):
            np.testing.assert_array_equal(drawn.truth.groups[unit], known.truth.groups[unit])
        np.testing.assert_array_equal(drawn.data.levels, known.data.levels)
        np.testing.assert_array_equal(drawn.data.x, known.data.x)
        assert not np.isin(known.data.y, drawn.data.y).any()

    def test_new_subjects_with_known_items(self):
        drawn, _, new, both = unseen(reading(meets=sampled(3), units={"subject": 5, "item": 9}))
        assert not np.isin(new.truth.groups["subject"], drawn.truth.groups["subject"]).any()
        np.testing.assert_array_equal(drawn.truth.groups["item"], new.truth.groups["item"])
        assert (new.data.levels[:, 1] != drawn.data.levels[:, 1]).any()
        assert both.known.rows is not None
        assert both.new.rows is not None

    def test_new_schools_have_new_classes(self):
        drawn, _, new, _ = unseen(schools())
        for unit in ("school", "class"):
            assert not np.isin(new.truth.groups[unit][:, 0], drawn.truth.groups[unit][:, 0]).any()


class TestMessyWorlds:
    def test_group_effects_are_those_of_the_first_unit(self):
        ideal, shaped = truth(reading()), truth(reading(group_effects=StudentT(4), sd_noise=0.3))
        np.testing.assert_array_equal(ideal.groups["item"], shaped.groups["item"])
        np.testing.assert_array_equal(ideal.covariance["item"], shaped.covariance["item"])
        assert not np.isin(ideal.groups["subject"], shaped.groups["subject"]).any()

    def test_subjects_drop_out_over_occasions(self):
        design = reading(variables={"day": within(0, 1, 2)}, formula="rt ~ day + (1 | subject) + (1 | item)", sd={"item": 1},
                         correlation={}, effects={}, units={"subject": 40, "item": 3},
                         missing=Dropout(0.3, time="day"))  # fmt: skip
        there = design.rows(key(0)).groupby(["subject", "day"])["item"].nunique().unstack(fill_value=0)
        assert set(np.unique(there)) == {0, 3}  # a subject that has left has left with all items
        assert (np.diff(there.to_numpy(), axis=1) <= 0).all()
        assert 0 < (there[2.0] == 0).mean() < 1

    def test_rows_go_missing(self):
        design = reading(units={"subject": 20, "item": 20}, missing=MCAR(0.3))
        # 400 rows, each there with probability .7: an SD of 9.2.
        assert abs(len(design.rows(key(0))) - 280) < 4 * 9.2

    def test_covariates_that_go_with_the_effects_of_their_unit(self):
        design = Design(
            "y ~ freq + (1 | s) + (1 | i)",
            units={"s": 2, "i": 200},
            variables={"freq": covariate("i", Normal())},
            sd={"s": 1, "i": 2},
            endogenous={"freq": 0.6},
            measurement_error={"freq": 0.5},
        )
        rows = design.rows(key(0)).drop_duplicates("i")
        own = np.array(rows.attrs["truth"]["coefficients_by"]["i"])[:, 0]
        # Seen with a reliability of .5: a correlation of .6 sqrt(.5) = .424, of 200 items with an error of .058.
        assert abs(np.corrcoef(own, rows["freq"])[0, 1] - 0.424) < 4 * 0.058
        assert rows["freq"].nunique() == 200


class TestSizes:
    def test_effects_over_the_sd_of_responses(self):
        """Westfall, Kenny & Judd (2014), eq. 5: intercepts of both, and of the slopes the mean square of the predictor."""
        design = reading(effects={"condb": Sized(d=0.5)})
        cond = np.array([0.0, 1.0])
        subject = 9 + 2 * 0.4 * 3 * 1 * cond.mean() + 1 * (cond**2).mean()
        item = 4 + 2 * -0.3 * 2 * 1.5 * cond.mean() + 2.25 * (cond**2).mean()
        total = subject + item + 1.5**2
        found = design.sizes()
        row = found.set_index("term").loc["condb"]
        # 1e-12: a few sums in double precision.
        np.testing.assert_allclose([row["effect"], row["d"]], [0.5 * np.sqrt(total), 0.5], rtol=1e-12)
        np.testing.assert_allclose(row["f2"], row["effect"] ** 2 * 0.25 / total, rtol=1e-12)
        assert found.attrs["icc"] == pytest.approx({"subject": subject / total, "item": item / total}, rel=1e-12)
        assert np.isnan(row["power"])

    def test_predictors_that_are_drawn_are_averaged_over_as_many_datasets_as_there_is_room_for(self):
        assert [_datasets(numbers) for numbers in (1, 100_000, 1_000_000, 10**9)] == [200, 200, 20, 8]
        design = reading(formula="rt ~ freq + (1 | subject) + (1 | item)", units={"subject": 3, "item": 60}, correlation={},
                         variables={"freq": covariate("item", Normal(0, 2))}, effects={"freq": Sized(f2=0.5)},
                         sd={"item": 2})  # fmt: skip
        effect = design.sizes().set_index("term")["effect"]["freq"]
        # f2 is the squared effect times the predictor's variance, 4 less the 1/60 that its mean takes, over that of responses, 4 +
        # 2.25. The variance of 200 datasets of 60 items, 12,000 numbers, has a relative error of .013, the effect half of that.
        assert abs(effect / np.sqrt(0.5 * 6.25 / 4 / (1 - 1 / 60)) - 1) < 4 * 0.0065


REFUSED = [
    (dict(units={"subject": 4, "item": nested("zoo", 3)}), "'item' is nested in 'zoo', which is no unit; the units are 'subject'"),
    (dict(units={"subject": 4, "item": nested("itm", 3)}), "Did you mean 'item'"),
    (dict(units={"subject": nested("item", 2), "item": nested("subject", 2)}), "'subject' in 'item' in 'subject': units cannot"),
    (dict(units={"subject": nested("subject", 2), "item": 4}), "'subject' in 'subject': units cannot lie in themselves"),
    (dict(units={"subject": 4}), "cond.* rotates over 'item', which is no unit|random effects by 'item', which is no unit"),
    (dict(units={"subject": 4, "row": 4}), "'row' stands for every row"),
    (dict(units={"subject": 4, "item": 4, "sigma": 2}), "'sigma' is what every dataset calls something else by"),
    (dict(units={"subject": 4, "item": 4, "rt": 2}), "explains 'rt', which is a unit"),
    (dict(units={"subject": 4, "item": 0}), "units: item=0: give a whole number of at least 1"),
    (dict(meets=sampled(5)), r"meets=sampled\(5\): there are 4 of 'item', and each subject would meet 5; give at most 4"),
    (dict(meets=lists(5)), "there are 4 of 'item', and for 5 lists; give at most 4"),
    (dict(meets="some"), "give 'all', sampled"),
    (dict(units={"subject": 3, "item": 4}, meets=lists(4)), "some lists would be met by none"),
    (dict(formula="rt ~ cond + (1 | subject:item)"), "combinations of units of which none lies in the other"),
    (dict(formula="rt ~ cond + (1 | subjects)"), "which is no unit. Did you mean 'subject'. The units are 'subject', 'item'"),
    (dict(sd=3), "sd=3: say of which unit, such as {'subject': 3}"),
    (dict(correlation=0.3), "correlation=0.3: say of which unit"),
    (dict(sd={"items": 3}), "sd: 'items' is no unit. The units are 'subject', 'item'"),
    (dict(sd={"condb": 3}), "Did you mean {'subject': {'condb': ..}}"),
    (dict(formula="rt ~ cond + (1 | subject)", sd={"item": 3}, correlation={}), "no random effects by 'item'; add \\(1 | item\\)"),
    (dict(repeats=(1, 2, 3, 4)), "with several units \\(subject, item\\) give one number"),
    (dict(units={"subject": 4, "item": 1}, variables={"cond": COND}), "every subject has at most 1 rows, and 2 random effects"),
    (dict(variables={"cond": COND, "f": between("word", ("a", "b"))}), "'f' belongs to 'word', which is no unit"),
    (dict(variables={"cond": COND, "item": within(0, 1)}), "variables describes 'item', which is the unit"),
    (dict(effects={"condb": Sized(power=0.8)}), "powers are those of tests with one unit; of several give d, f2 or r2"),
    (dict(sd={"item": {"Intercept": jaxsim.ICC(0.1)}}), "of several units \\(subject, item\\) give standard deviations"),
    (dict(variables={"cond": COND, "f": covariate("item", Normal())}, endogenous={"f": 0.3}, sd={}, correlation={},
          formula="rt ~ cond + f + (1 | subject)"), "no random intercepts by 'item' to correlate 'f' with"),
]  # fmt: skip


class TestRefused:
    @pytest.mark.parametrize(("changes", "words"), REFUSED)
    def test_crossed(self, changes, words):
        with pytest.raises(InputError, match=words):
            reading(**changes)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (dict(meets=sampled(1)), "only two crossed units can meet in part"),
            (dict(units={"school": 3, "class": nested("school", 1)}), "every school meets one class and every class one school"),
            (
                dict(variables={"arm": counterbalanced(("c", "t"), over=("school", "class")), "x": within(0, 1)}),
                "rotates over 'school' and 'class', which lies in it",
            ),
            (dict(units={"school": 70_000, "class": nested("school", 70_000)}), "up to 4,900,000,000 of 'class'"),
        ],
    )
    def test_nested(self, changes, words):
        with pytest.raises(InputError, match=words):
            schools(**changes)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: nested("", 3), "name the unit that they lie in"),
            (
                lambda: nested("school", 0),
                r"the number in each=0: give a whole number of at least 1, or one for each school, such as \(6, 8, 10\), or a "
                r"distribution, such as UniformSizes\(2, 6\)",
            ),
            (lambda: nested("school", (2, 0)), "the number in each=0: give a whole number of at least 1"),
            (lambda: nested("school", ()), "give at least one number"),
            (
                lambda: schools(units={"school": 6, "class": nested("school", (2, 1, 3, 4))}),
                r"units: 'class' has 4 sizes, \(2, 1, 3, 4\), and there are 6 of 'school': give one for each, or as many as 6 is",
            ),
            (lambda: sampled(0), "sampled\\(k\\): k=0"),
            (lambda: lists(1.5), "lists\\(n\\): n=1.5"),
            (lambda: counterbalanced(("a",), over=("s", "i")), "give at least two levels"),
            (lambda: counterbalanced(("a", "b"), over=("s", "s")), "give two units"),
            (lambda: counterbalanced(("a", "b"), over="si"), "give two units"),
        ],
    )
    def test_parts(self, make, words):
        with pytest.raises(InputError, match=words):
            make()

    def test_combinations_are_said_to_be_unsupported(self):
        with pytest.raises(NotSupportedError):
            reading(formula="rt ~ cond + (1 | subject:item)")


class TestPreview:
    def test_who_meets_whom(self):
        shown = str(reading(meets=sampled(3), units={"subject": 4, "item": 5}).preview())
        assert "Units: 4 subject, 5 item; 12 rows: 3 of each subject, " in shown
        assert "each subject meets 3 item, each item " in shown
        assert re.search(r"cond: each subject and item have one of a, b, in turn: \d to \d rows of each for every subject", shown)
        assert "Vary within subject: condb; one number each: no term" in shown
        assert "Vary within item: condb; one number each: no term" in shown
        assert "sd.item.condb 1.5" in shown
        assert "shares of its square: subject" in shown

    def test_nested(self):
        shown = str(schools().preview())
        assert "Units: 3 school, 6 class; 36 rows: 12 of each school, 6 of each class" in shown
        assert "  each school has 2 class" in shown
        assert "Class by arm: c: 3; t: 3" in shown

    def test_a_matrix_of_subjects_and_items(self):
        (axes,) = reading().preview().figure().axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("item", "subject")
        points = [set(map(tuple, part.get_offsets().tolist())) for part in axes.collections]
        assert [len(own) for own in points] == [8, 8]
        assert points[0] == {(i, s) for i, s in itertools.product(range(1, 5), repeat=2) if (i + s) % 2 == 0}


def test_effects_of_units_are_normal_and_independent():
    """Of 2,000 datasets: no correlation between the effects of subjects and those of items, nor between levels."""
    design = reading(formula="rt ~ cond + (1 | subject) + (1 | item)", sd={"subject": 1, "item": 1}, correlation={}, effects={})
    bounds = design.bounds.padded()
    found = jax.jit(jax.vmap(lambda k: design.draw(k, design.parameters(bounds), bounds).truth.groups))(
        jax.random.split(key(8), 2000)
    )
    every = np.concatenate([found["subject"][:, :, 0], found["item"][:, :, 0]], axis=1)
    assert stats.kstest(every.ravel(), "norm").pvalue > 1e-4  # 16,000 numbers of the law itself fall below once in 10,000 times
    # Correlations of 2,000 pairs have an error of .0224; four of them for 28 pairs.
    assert abs(np.corrcoef(every.T) - np.eye(8)).max() < 4 * 0.0224


def test_lists_and_kinds_leave_conditions_balanced():
    """Of every subject as many pairs are in one condition as in the other, whatever kinds items are of and lists there are."""
    for items, number in ((20, 2), (4, 2), (8, 4)):
        kind = between("item", ("noun", "verb"))
        made = reading(
            formula="rt ~ cond + kind", units={"subject": 24, "item": items}, variables={"cond": COND, "kind": kind},
            effects={}, sd={}, correlation={}, meets=lists(number),
        )  # fmt: skip
        rows = made.rows(key(1))
        met = rows.groupby(["subject", "cond"], observed=False).size().unstack()
        assert (met["a"] == met["b"]).all()


def test_what_an_outer_unit_does_not_have_one_of():
    """A subject meets one item, and a school the items of its subjects."""
    made = Design(
        "y ~ freq + (1 | school)",
        units={"subject": nested("school", 5), "school": 10, "item": 20},
        variables={"freq": covariate("item", Normal(0, 1))},
        meets=sampled(1),
    )
    assert made.names.constant == ("freq",)
    assert "freq" not in made.names.constant_in("school")
    assert "freq" in made.names.varying_in("school")
