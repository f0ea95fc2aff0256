"""Which variances of a model with several grouping factors the rows cannot tell apart.

The likelihood sees ``V = sigma^2 (I + sum_k t_k Z_k Z_k')`` alone, ``t_k`` the free entries of the relative covariance: where these
matrices and the identity are linearly dependent, as of two factors that are one, it is the same along a line of parameters. The
restricted likelihood sees ``M V M``, ``M`` the residual maker of the fixed effects, whose matrices may be dependent where those of
``V`` are not. Either is told by the traces of their products two by two.
"""

from __future__ import annotations

import numpy as np

from jaxsim.crossed.deviance import Profile, unrelated
from jaxsim.crossed.kenward_roger import informations
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.crossed.start import UNIDENTIFIED
from jaxsim.data.names import INTERCEPTS
from jaxsim.frames.identification import listed
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.numerics import small
from jaxsim.numerics.arrays import on_numpy

# Eigenvalues and weights of a combination that is zero but for rounding.
ZERO, WEIGHT = 1e-8, 1e-3


def confounded(problem: Problem, engine: Model, reml: bool) -> np.ndarray:
    """Which entries of the relative covariance, in the order of the engine's structure, and the residual variance last, the rows
    cannot tell from others: bool ``[T + 1]``."""
    at = on_numpy(unrelated)(problem, engine)
    plain = products(at._replace(h=tuple(np.zeros_like(one) for one in at.h)), problem, engine, 0)
    matrix = products(at, problem, engine, len(engine.spec.fixed)) if reml else plain
    # Rounding is all that is left of effects that the fixed effects account for.
    gone = np.diagonal(matrix) <= UNIDENTIFIED * np.diagonal(plain)
    left = matrix[np.ix_(~gone, ~gone)]
    length = np.sqrt(np.diagonal(left))
    scaled = left / np.outer(length, length)
    _, pivots = on_numpy(small.cholesky)(scaled)
    if not (np.asarray(pivots) > UNIDENTIFIED).all():
        values, vectors = np.linalg.eigh(scaled)
        none = vectors[:, values <= max(ZERO, values[0])]
        gone[~gone] = (np.abs(none) > WEIGHT).any(1)
    return gone


def products(at: Profile, problem: Problem, engine: Model, p: int) -> np.ndarray:
    """The traces, ``[T + 1, T + 1]``; those of ``M V M`` with ``p`` fixed effects, of ``V`` where ``at`` has none."""
    _, information, traces = on_numpy(informations)(at, engine.spec.structure.basis, engine, observed=False)
    nu = float(np.asarray(problem.n_rows)) - p
    return np.block([[information, traces[:, None]], [traces[None], np.array([[nu]])]])


def sentence(model: MixedModel, engine: Model, order: np.ndarray, which: np.ndarray) -> str:
    """What to tell a user of :func:`confounded`; ``order`` leads from the engine's columns to those of the model."""
    names = ["1" if name in INTERCEPTS else name for name in model.random_names]
    factor_of = [model.factors[block.factor].name for block in model.blocks for _ in block.names]
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
