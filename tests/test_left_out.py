"""Formulas that leave out effects of the truth: what is said of the coefficients that are others for it."""

from __future__ import annotations

import re

import jax
import numpy as np
import pytest
from own_parts import Trial

from jaxsim import (
    Design,
    FrameStrategy,
    GaussianMultilevel,
    Grid,
    LinearMixed,
    Normal,
    PooledOLS,
    Study,
    TwoStage,
    WithinRegression,
    between,
    covariate,
    within,
)
from jaxsim.study.left_out import left_out_in_words

VARIABLES = {
    "treat": between("person", ("old", "new")),
    "visit": within(0, 1, 2),
    "age": covariate("person", Normal(45, 10)),
    "iq": covariate("person", Normal(0, 15)),
    "sleep": covariate("person", Normal(0, 1)),
    "site": between("person", ("a", "b", "c")),
    "centred": within(-1, 0, 1),
}
EFFECTS = {"Intercept": 610, "visit": 1, "treatnew:visit": 2, "age": 3, "siteb": 1}
WHOLE = "y ~ treat * visit + age + site"


def design(formula=WHOLE, effects=EFFECTS, persons=12, **more) -> Design:
    named = re.findall(r"\w+", formula)
    variables = {name: one for name, one in VARIABLES.items() if name in named}
    return Design(formula, units={"person": persons}, variables=variables, effects=effects, **more)


def notes(*strategies, process=None, grid=None) -> list[str]:
    return list(left_out_in_words(Study(process or design(), Grid(**(grid or {})), strategies, 2)))


def dependent(formula, whole=WHOLE, **more) -> str:
    """Which coefficients a note names."""
    told = notes(PooledOLS(formula=formula), process=design(whole, **more))
    return re.search(": its (.*) (?:is that|are those) of a model", told[0])[1] if told else ""


def test_the_intercept_of_a_model_without_a_covariate_is_another_one():
    """That of two stages is the mean at the mean age, and the truth is at age 0."""
    process = design("y ~ visit + age", {"Intercept": 610, "age": 2})
    given = PooledOLS(), TwoStage(formula="y ~ visit", label="two-stage")
    (note,) = notes(*given, process=process)
    assert note == (
        "two-stage leaves out age: its Intercept is that of a model without it, but compared here with the truth of the model with "
        "it. The difference of the two counts as bias."
    )
    assert note in Study(process, Grid(), given, 2).caveats()


@pytest.mark.parametrize(
    ("formula", "whole", "more", "expected"),
    [
        ("y ~ treat * visit + site", WHOLE, {}, ["Intercept"]),
        ("y ~ treat + visit + age + site", WHOLE, {}, ["Intercept", "treatnew", "visit"]),
        ("y ~ visit + treat:visit", "y ~ visit * treat", {"effects": {"treatnew": 1}}, ["Intercept", "visit", "visit:treatnew"]),
        ("y ~ centred + age", "y ~ centred * age", {"effects": {"centred:age": 1}}, ["centred"]),
        ("y ~ age", "y ~ centred + age", {"effects": {"centred": 1}}, []),
        ("y ~ age", "y ~ iq + age", {"effects": {"iq": 1}}, []),
        ("y ~ age", "y ~ iq + age", {"effects": {"iq": 1}, "correlations": {("age", "iq"): 0.5}}, ["Intercept", "age"]),
        ("y ~ iq", "y ~ iq + age", {"effects": {"age": 1}, "correlations": {("age", "iq"): 0.5}}, ["Intercept", "iq"]),
        ("y ~ iq", "y ~ iq + sleep", {"effects": {"sleep": 1}, "correlations": {("sleep", "iq"): 0.5}}, ["iq"]),
    ],
)
def test_those_depend_on_it_onto_which_it_projects(formula, whole, more, expected):
    """The regression of what is left out on what is not, in one large dataset: its coefficients are what the others change by."""
    process = design(whole, **more, persons=40_000)
    strategy = PooledOLS(formula=formula)
    kept = strategy.coefficients(process.names)
    rows = process.rows(jax.random.key(1)).assign(Intercept=1.0)
    (left,) = [term for term in more.get("effects", EFFECTS) if term in process.names.fixed and term not in kept]
    x, z = rows[list(kept)].to_numpy(float), rows[left].to_numpy(float)
    slope, *_ = np.linalg.lstsq(x, z, rcond=None)
    standard = slope * np.where(x.std(0) > 0, x.std(0), 1) / z.std()
    assert [name for name, b in zip(kept, standard, strict=True) if abs(b) > 0.06] == expected
    said = dependent(formula, whole, **more)
    assert (re.split(", | and ", said) if said else []) == expected


def test_nothing_depends_on_what_is_there_or_zero():
    assert dependent(WHOLE) == ""
    assert dependent("y ~ age", "y ~ visit + age", effects={}) == ""


def test_an_effect_that_is_zero_in_some_cells_is_one():
    given, grid = PooledOLS(formula="y ~ treat + visit + age + site"), {"effects.treatnew:visit": [0, 0.5]}
    assert notes(given, process=design(effects={})) == []
    (note,) = notes(given, process=design(effects={}), grid=grid)
    assert note.startswith("ols leaves out treatnew:visit: its Intercept, treatnew and visit are those of a model without it")


def test_of_whom_it_is_not_said():
    """Of methods that absorb it, whose formula is not known, or of whose coefficients the user says what they are."""
    between_persons = design(effects={"treatnew": 1})
    assert notes(WithinRegression(formula="y ~ visit + treat:visit"), process=between_persons) == []
    assert notes(PooledOLS(formula="y ~ visit + treat:visit"), process=between_persons) != []
    assert notes(FrameStrategy(lambda data: {"visit": 1.0}, label="own", terms=("visit",))) == []
    (note,) = notes(TwoStage(formula="y ~ visit", estimand={"visit": "visit"}))
    assert ": its Intercept is that of" in note
    (note,) = notes(LinearMixed("y ~ visit + (1 | person)", label="a"), TwoStage(formula="y ~ visit"), PooledOLS())
    assert note.startswith(
        "a and lm2 leave out age, siteb and treatnew:visit: their Intercept and visit are those of a model without"
    )


def test_of_independent_centred_predictors_nothing_depends():
    process = GaussianMultilevel(n_predictors=2, fixed_effects=(0, 1, 1))
    assert notes(PooledOLS(formula="DV ~ IV1"), process=process) == []


def test_of_other_processes_it_is_not_known():
    (note,) = notes(PooledOLS(formula="DV ~ treat"), process=Trial())
    assert note.startswith(
        "ols leaves out x: unless it has a mean of zero and no correlation with the others, its Intercept and treat"
    )
