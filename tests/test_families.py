"""Families of coefficients: exchangeable by construction, or each by itself."""

from __future__ import annotations

import pytest
from own_parts import Trial

from jaxsim import MAR, Design, GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage, Uniform, within

MODELS = (PooledOLS(), LinearMixed(), TwoStage())
ALONE = [("Intercept",), ("IV1",), ("IV2",), ("IV3",)]
TOGETHER = [("Intercept",), ("IV1", "IV2", "IV3")]


def families(process=None, grid=None, models=MODELS, **fields):
    process = process or GaussianMultilevel(**{"n_predictors": 3, **fields})
    return list(Study(process, grid if isinstance(grid, Grid) else Grid(**(grid or {})), models, 2).families)


def test_predictors_that_are_drawn_alike_are_one_family():
    assert families() == TOGETHER
    assert families(fixed_effects=(0.3, 0.3, 0.3, 0.3)) == TOGETHER  # the intercept is nobody's like
    assert families(correlation=0.4, group_sd=(1, 0.5, 0.5, 0.5)) == TOGETHER
    grid = Grid(n_groups=[5, 9], effect=[0, 0.3]).linked(lambda effect, **_: {"fixed_effects": (0, effect, effect, effect)})
    assert families(grid=grid) == TOGETHER
    assert families(grid={"fixed_effects": [Uniform(0, 1), (0, 0, 0, 0)]}) == TOGETHER
    assert families(models=(LinearMixed(random=("Intercept",)), PooledOLS())) == TOGETHER


@pytest.mark.parametrize(
    ("found", "fields"),
    [
        ([("Intercept",), ("IV1", "IV2"), ("IV3",)], {"fixed_effects": (0, 0, 0, 0.3)}),
        ([("Intercept",), ("IV1", "IV2"), ("IV3",)], {"n_between": 1, "models": (PooledOLS(), LinearMixed())}),
        ([("Intercept",), ("IV1", "IV3"), ("IV2",)], {"group_sd": (1, 0.5, 0.6, 0.5)}),
        (ALONE, {"correlation": ((1, 0.1, 0.2, 0.3), (0.1, 1, 0, 0), (0.2, 0, 1, 0), (0.3, 0, 0, 1))}),
        ([("Intercept",), ("IV1",), ("IV2", "IV3")], {"missing": MAR(0.2, by="IV1")}),
        ([("Intercept",), ("IV1",), ("IV2", "IV3")], {"grid": {"fixed_effects": [(0, 0, 0, 0), (0, 0.1, 0, 0)]}}),
        ([("Intercept",), ("IV1",), ("IV2", "IV3")], {"models": (LinearMixed(random=("Intercept", "IV1")),)}),
        ([("Intercept",), ("IV1", "IV2"), ("IV3",)], {"models": (*MODELS, PooledOLS("own", formula="DV ~ IV1 + IV2"))}),
        (
            [("Intercept",), ("IV1",), ("IV2", "IV3")],
            {"models": (LinearMixed("DV ~ IV1 + IV2 + IV3 + (1 | Group) + (0 + IV1 | Group)"),)},
        ),
    ],
)
def test_what_differs_in_any_cell_or_strategy_is_apart(found, fields):
    assert families(**fields) == found


def test_coefficients_of_other_processes_are_each_by_themselves():
    design = Design("y ~ a + b + (1 | s)", {"s": 9}, variables={"a": within(0, 1), "b": within(0, 2)})
    assert families(design) == [("Intercept",), ("a",), ("b",)]

    class Own(GaussianMultilevel):
        """Its datasets may be anything."""

    assert families(Own(n_predictors=3), models=(PooledOLS(),)) == ALONE
    process = Trial()
    assert families(process, models=(PooledOLS(),)) == [(term,) for term in process.terms]
