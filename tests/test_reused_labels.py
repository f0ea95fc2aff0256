"""The message that a nested factor may have been taken for a crossed one, and that it does not come where it should not."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from test_several_factors import data

import jaxsim


def classes(seed, schools=12, per_school=5, pupils=8, sizes=False):
    """Pupils of classes 1 to 5 of every school; their effects are the classes' own."""
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame(
        [(s, c) for s in range(schools) for c in range(1, per_school + 1 - (s % 3 if sizes else 0)) for _ in range(pupils)],
        columns=["school", "class"],
    )
    own = draw.normal(size=(schools, per_school + 1))[rows["school"], rows["class"]]
    return rows.assign(
        x=draw.normal(size=len(rows)), y=draw.normal(size=schools)[rows["school"]] + own + draw.normal(size=len(rows))
    )


def crossed(seed, repeats, pairs=0.0, items=6):
    """Subjects who meet every item so many times; ``pairs`` is the deviation between pairs."""
    draw = np.random.default_rng(seed)
    rows = pd.DataFrame([(s, i) for s in range(15) for i in range(items) for _ in range(repeats)], columns=["subject", "item"])
    y = draw.normal(size=15)[rows["subject"]] + draw.normal(size=items)[rows["item"]] + draw.normal(size=len(rows))
    return rows.assign(y=y + pairs * draw.normal(size=(15, items))[rows["subject"], rows["item"]])


def said(formula, rows, **options):
    """Whether the message comes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fit = jaxsim.lmer(formula, rows, **options)
    return any("resemble each other" in message for message in fit.messages)


@pytest.mark.parametrize("sizes", [False, True])
def test_classes_in_schools_that_were_taken_for_crossed(sizes):
    made = [said("y ~ x + (1 | school) + (1 | class)", classes(seed, sizes=sizes)) for seed in range(20)]
    # The labels pass for effects at the level .05: of 20 one, and of 20 seldom four.
    assert sum(made) >= 16
    with pytest.warns(UserWarning, match=r"if class 1 of one school is not that of another, write \(1 \| school/class\)"):
        jaxsim.lmer("y ~ x + (1 | school) + (1 | class)", classes(1, sizes=sizes))


@pytest.mark.parametrize("formula", ["y ~ x + (1 | school/class)", "y ~ x + (1 | school) + (1 | class) + (1 | school:class)"])
def test_it_does_not_come_where_pairs_have_a_term(formula):
    assert not any(said(formula, classes(seed)) for seed in range(5))


def test_weights_count():
    rows = classes(1).assign(w=lambda d: np.arange(len(d)) % 3 + 1.0)
    assert said("y ~ x + (1 | school) + (1 | class)", rows, weights="w")


@pytest.mark.parametrize(("repeats", "pairs"), [(1, 0.0), (1, 1.0), (3, 0.0), (3, 1.0)])
def test_crossed_factors_are_no_cause(repeats, pairs):
    """Items with effects of their own: with one row a pair or several, whether pairs differ or not."""
    made = [said("y ~ 1 + (1 | subject) + (1 | item)", crossed(seed, repeats, pairs)) for seed in range(20)]
    # Where pairs differ, six items' own effects of the same size may pass for none: then the model does lack a term.
    assert sum(made) <= (3 if pairs and repeats > 1 else 0)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)"),
        ("pastes", "strength ~ 1 + (1 | batch) + (1 | sample)"),
        ("machines", "score ~ 1 + (1 | Worker) + (1 | Machine)"),
        ("slopes", "y ~ x + f + (x | subject) + (1 | item)"),
    ],
)
def test_known_data(name, formula):
    assert not said(formula, data(name))


def test_known_data_with_labels_that_are_used_again():
    """Casks A, B and C of every batch of Pastes: 60 rows, two of each cask."""
    assert said("strength ~ 1 + (1 | batch) + (1 | cask)", data("pastes"))


def test_few_schools_leave_open_which_lies_in_which():
    """Where neither school nor class explains anything by itself, both ways are named, the right one among them."""
    both = 0
    for seed in range(30):
        rows = classes(seed, schools=4, pupils=6)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            fit = jaxsim.lmer("y ~ 1 + (1 | school) + (1 | class)", rows)
        message = " ".join(message for message in fit.messages if "resemble each other" in message)
        if "(1 | class/school)" in message and "(1 | school/class)" in message:
            both += 1
            assert "neither explains anything by itself" in message
    assert both > 0
