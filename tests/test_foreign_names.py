"""Coefficients by the names that other software has for them."""

from __future__ import annotations

import pandas as pd
import pytest

from jaxsim import Design, between, within
from jaxsim.estimators.foreign_names import ours
from jaxsim.estimators.tabled import told
from jaxsim.status import Status

TERMS = ("Intercept", "treatnew", "time", "treatnew:time")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["Intercept", "treat[T.new]", "time", "treat[T.new]:time"], list(TERMS)),
        (["const", "C(treat)[T.new]", "time", "time:C(treat)[T.new]"], list(TERMS)),
        (["(Intercept)", "C(treat, Treatment('usual'))[T.new]", "time", "time:treatnew"], list(TERMS)),
        (["treat[usual]", "treat[new]"], ["treat[usual]", "treatnew"]),
        (["treat[T.new]", "treatnew"], ["treat[T.new]", "treatnew"]),  # two of one name are not one coefficient
        (["arm[T.new]", "Group Var"], ["arm[T.new]", "Group Var"]),
        ([0, 1.5], ["0", "1.5"]),
    ],
)
def test_labels_are_read_where_that_is_clear(labels, expected):
    assert ours(labels, TERMS) == expected


def test_numbers_stand_with_the_right_coefficients():
    names = ["time", "treat[T.new]:time", "Intercept", "treat[T.new]", "Group Var"]
    estimates = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0], names)
    assert told({"estimate": estimates, "std_error": estimates / 2}, TERMS).numbers["estimate"].tolist() == [3.0, 4.0, 1.0, 2.0]
    assert told(estimates, ("treatnew:time",)).numbers["estimate"].tolist() == [2.0]


def test_the_message_says_which_name_to_give():
    found = told(pd.Series({"Intercept": 1.0, "arm": 2.0, "time": 3.0}), TERMS)
    assert found.status is Status.CRASHED
    assert found.message == (
        "no estimate of 'treatnew' was returned; there are Intercept, arm, time; call it so where it is returned, or, if there is "
        "none of it, say so: terms=('Intercept', 'time')"
    )
    alone = told(pd.Series({"Intercept": 1.0, "time": 3.0}), TERMS).message
    assert alone.endswith("there are Intercept, time; if it has no others, say so: terms=('Intercept', 'time')")


def test_patsy_names_the_columns_of_a_design_so():
    patsy = pytest.importorskip("patsy")
    variables = {"treat": between("patient", ("usual", "new")), "time": within(0, 1, 2)}
    design = Design("y ~ treat * time + (1 | patient)", {"patient": 4}, variables=variables)
    frame = design.preview().rows
    for formula in ("treat * time", "C(treat) * time"):
        assert ours(patsy.dmatrix(formula, frame).design_info.column_names, TERMS) == list(TERMS)
