"""Coefficients of groups: how well they were recovered, and how much they were shrunk together."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from jaxsim.measures import shrinkage
from jaxsim.measures.addition import Addition
from jaxsim.measures.catalogue import GROUPS
from jaxsim.measures.differences import RootMSEDifference
from jaxsim.measures.kit import Kit
from jaxsim.measures.own import OwnMeasure
from jaxsim.measures.prediction import PREDICTION_ADDITION
from jaxsim.measures.sample import NUMBERS

# Columns of tables that have them.
GROUP_NUMBERS = ("group_mse", shrinkage.ESTIMATED, shrinkage.TRUE)
GROUPS_ADDITION = Addition(
    columns=GROUP_NUMBERS,
    measures=GROUPS,
    differences={"group_rmse": RootMSEDifference("group_mse"), "group_shrinkage": shrinkage.ShrinkageDifference()},
)


def kit_of(table: pd.DataFrame, own: Sequence[OwnMeasure], conf_level: float) -> Kit:
    """The kit of an estimates table in memory: with coefficients of groups and predictions if it has them, and with the columns
    that own measures ask for."""
    additions = tuple(one for one in (GROUPS_ADDITION, PREDICTION_ADDITION) if set(one.columns) <= set(table.columns))
    plain = Kit(conf_level, additions)
    known = {*NUMBERS, *plain.columns}
    asked = {name for measure in own if isinstance(measure, OwnMeasure) for name in measure.trial.columns}
    columns = tuple(str(name) for name in table.columns if name in asked - known)
    return Kit(conf_level, (*additions, Addition(columns=columns)) if columns else additions, tuple(own))
