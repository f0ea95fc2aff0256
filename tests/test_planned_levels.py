"""Designs in which all levels meet alike: which they are, and that their fits are those of all levels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from jaxsim import (
    MCAR,
    Design,
    LinearMixed,
    Normal,
    PoissonSizes,
    between,
    counterbalanced,
    covariate,
    lists,
    nested,
    sampled,
    within,
)
from jaxsim.numerics.arrays import on_numpy

FORMULA = "y ~ cond + x + (cond | subject) + (cond | item)"
ROTATED = counterbalanced(("a", "b"), over=("subject", "item"))
VARIABLES = {"cond": within("a", "b"), "x": covariate("row", Normal(0, 1))}


def design(formula: str = FORMULA, **changes: Any) -> Design:
    given: Any = {"units": {"subject": 7, "item": 6}, "variables": VARIABLES, "residual_sd": 1.0, "repeats": 2}
    given["sd"] = {"subject": {"Intercept": 1.0, "condb": 0.5}, "item": {"Intercept": 0.7, "condb": 0.4}}
    return Design(formula, **(given | changes))


def without_slopes(**changes: Any) -> Design:
    return design("y ~ cond + x + (1 | subject) + (1 | item)", sd={"subject": 1.0, "item": 0.5}, **changes)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (design, ("Intercept", "condb")),
        (lambda: without_slopes(variables=VARIABLES | {"cond": between("item", ("a", "b"))}), ("Intercept",)),
        (lambda: without_slopes(variables=VARIABLES | {"cond": ROTATED}), ("Intercept",)),
        (lambda: design(meets=sampled(4)), ()),
        (lambda: design(meets=lists(2)), ()),
        (lambda: design(repeats=PoissonSizes(3)), ()),
        (lambda: design(missing=MCAR(0.1)), ()),
        (lambda: design(units={"subject": 7, "item": nested("subject", 3)}), ()),
        (lambda: design("y ~ cond + x + (cond | subject)", units={"subject": 7}, sd={"subject": {"Intercept": 1.0}}), ()),
    ],
)
def test_which_columns_are_planned(made, expected):
    """Those of what all pairs of levels do, in designs in which all do it."""
    assert made().names.planned[: len(expected) or None] == expected


def dataset(process: Design) -> Any:
    """One dataset as strategies read it, on NumPy's arrays."""
    bounds = process.bounds.padded()
    rows = process.draw(jax.random.key(3, impl="threefry2x32"), process.parameters(bounds), bounds).data
    return jax.tree.map(np.asarray, rows.reduce(bounds.cells))


@pytest.mark.parametrize(
    "strategy",
    [
        LinearMixed(FORMULA, df="kenward-roger"),
        LinearMixed(FORMULA),
        LinearMixed("y ~ cond + x + (cond || subject) + (1 | item)", reml=False),
    ],
    ids=["kenward-roger", "satterthwaite", "ml"],
)
def test_fits_are_those_of_all_levels(strategy):
    """Estimates to the square root of what the search leaves of the criterion, in units of their errors."""
    data = dataset(design())
    assert strategy.setting(strategy.view(data)).model.planned
    one, every = (on_numpy(strategy.fit)(given) for given in (data, replace(data, planned=())))
    assert int(one.status) == int(every.status)
    np.testing.assert_allclose(one.criterion, every.criterion, atol=1e-8)
    np.testing.assert_allclose((one.estimate - every.estimate) / every.std_error, 0, atol=1e-5)
    for name in ("std_error", "df", "sigma"):
        np.testing.assert_allclose(getattr(one, name), getattr(every, name), rtol=1e-4, err_msg=name)
    modes, expected = (strategy.modes_by_factor(given, every.theta) for given in (data, replace(data, planned=())))
    for factor in ("subject", "item"):
        np.testing.assert_array_equal(modes[factor][0], expected[factor][0])


def test_a_slope_of_what_is_drawn_is_not_planned():
    strategy = LinearMixed("y ~ cond + x + (x | subject) + (1 | item)")
    data = dataset(design())
    assert not strategy.setting(strategy.view(data)).model.planned


def test_of_a_design_that_says_itself_which_rows_there_are_nothing_is_planned():
    class Lossy(Design):
        def simulate(self, key):
            truth, columns = super().simulate(key)
            return truth, columns | {"keep": columns["x"] > -1}

    lossy = Lossy(FORMULA, **{field: getattr(design(), field) for field in ("units", "variables", "sd", "residual_sd", "repeats")})
    assert lossy.names.planned == ()
