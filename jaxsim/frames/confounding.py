"""Which variances of a model with several grouping factors the rows cannot tell apart.

As :mod:`jaxsim.crossed.identification` finds out; here it is told which they are.
"""

from __future__ import annotations

import numpy as np

from jaxsim.crossed.deviance import unrelated
from jaxsim.crossed.identification import UNIDENTIFIED, definite, traces, without_fixed
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.data.names import INTERCEPTS
from jaxsim.frames.identification import listed
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.numerics.arrays import on_numpy

# Eigenvalues and weights of a combination that is zero but for rounding.
ZERO, WEIGHT = 1e-8, 1e-3


def confounded(problem: Problem, engine: Model, reml: bool) -> np.ndarray:
    """Which entries of the relative covariance, in the order of the engine's structure, and the residual variance last, the rows
    cannot tell from others: bool ``[T + 1]``."""
    at = on_numpy(unrelated)(problem, engine)
    plain = np.asarray(on_numpy(traces)(without_fixed(at), problem.n_rows, engine))
    matrix = np.asarray(on_numpy(traces)(at, problem.n_rows - len(engine.spec.fixed), engine)) if reml else plain
    # Rounding is all that is left of effects that the fixed effects account for.
    gone = np.diagonal(matrix) <= UNIDENTIFIED * np.diagonal(plain)
    left = matrix[np.ix_(~gone, ~gone)]
    length = np.sqrt(np.diagonal(left))
    scaled = left / np.outer(length, length)
    if not on_numpy(definite)(scaled):
        values, vectors = np.linalg.eigh(scaled)
        none = vectors[:, values <= max(ZERO, values[0])]
        gone[~gone] = (np.abs(none) > WEIGHT).any(1)
    return gone


def sentence(model: MixedModel, engine: Model, order: np.ndarray, which: np.ndarray) -> str:
    """What to tell a user of :func:`confounded`; ``order`` leads from the engine's columns to those of the model."""
    names = ["1" if name in INTERCEPTS else name for name in model.random_names]
    factor_of = model.groups_of_columns
    parts = []
    for (i, j), lost in zip(order[engine.spec.structure.entries], which[:-1], strict=True):
        if lost:
            parts.append(f"({names[i]} | {factor_of[i]})" if i == j else f"({names[j]} with {names[i]} | {factor_of[i]})")
    parts += ["the residuals"] if which[-1] else []
    what = f"the variance of {parts[0]}" if len(parts) == 1 else f"the variances of {listed(parts)} apart"
    return (
        f"the rows cannot tell {what}: the likelihood is the same for many values. Look for factors that divide the rows alike, "
        "and for one of which the fixed effects leave nothing, and leave a term out"
    )
