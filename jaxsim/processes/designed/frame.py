"""Datasets of a design as people have theirs: variables with their levels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from jaxsim.formula.tokens import Token
from jaxsim.processes.designed.blueprint import Blueprint
from jaxsim.processes.designed.variables import factor


def as_written(rows: pd.DataFrame, plan: Blueprint) -> pd.DataFrame:
    """The units, the variables in their order, the response, and columns of the model that are no variables; ``attrs`` are kept."""
    found = {unit: rows[unit] for unit in plan.tree.names}
    for name, variable in plan.variables.items():
        columns = plan.matrix.codings[(Token("name", name),)].names(True)
        if variable.names is None:
            found[name] = rows[columns[0]]
            continue
        codes = sum(((k + 1) * rows[column].to_numpy() for k, column in enumerate(columns)), np.zeros(len(rows)))
        found[name] = factor(np.rint(codes), variable.names)
    found[plan.response] = rows[plan.response]
    found |= {name: rows[name] for name in rows.columns if name not in found}
    frame = pd.DataFrame(found, index=rows.index)
    frame.attrs.update(rows.attrs)
    return frame
