"""What a fit with several grouping factors reports once it is found."""

from __future__ import annotations

import jax
import numpy as np

from jaxsim.crossed.deviance import profile
from jaxsim.crossed.kenward_roger import kenward_roger
from jaxsim.crossed.level_sums import level_blocks
from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem
from jaxsim.lmm import solution
from jaxsim.lmm.kenward_roger import degrees_of_freedom
from jaxsim.lmm.newton import Point
from jaxsim.numerics.arrays import library

Array = jax.Array


def infer(problem: Problem, point: Point, model: Model, df: str, contrasts: Array | None = None) -> solution.Inference:
    """As :func:`jaxsim.lmm.solution.infer`."""
    if df.startswith("kenward-roger"):
        rows = point.root if contrasts is None else contrasts @ point.root
        adjustment = kenward_roger(problem, point, model, observed=df.endswith("observed"))
        return solution.Inference(point.root @ adjustment.vcov @ point.root.T, degrees_of_freedom(adjustment, rows))
    return solution.unadjusted(problem, point, model.spec, df, contrasts)


def solve(problem: Problem, point: Point, model: Model, df: str, contrasts: Array | None = None) -> solution.Solution:
    """As :func:`jaxsim.lmm.solution.solve`; theta and the covariance are of all factors in the order of the model."""
    scaled = None if contrasts is None else contrasts / problem.column_scale[np.array(model.spec.fixed)]
    return solution.report(problem, point, model.spec, infer(problem, point, model, df, scaled))


def modes(problem: Problem, theta: Array, model: Model) -> list[tuple[Array, Array]]:
    """Of each factor, in the order of the model, the conditional modes ``T s_g`` ``[G, q]`` and lme4's conditional covariances
    ``sigma^2 (T - T U_gg T)`` ``[G, q, q]``.

    Args:
        problem: the dataset.
        theta: of all factors in the order of the model, as :func:`solve` has it.
        model: the model.
    """
    xp, spec = library(problem.rest), model.spec
    z_scale = problem.column_scale[np.array(spec.random)]
    factor = spec.structure.factor(theta) * z_scale[:, None]
    at = profile(problem, factor, model)
    nu = problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows
    found = []
    for k, (begin, end) in enumerate(zip(model.ends, model.ends[1:], strict=False)):
        own = factor[begin:end, begin:end]
        relative, scale = own @ own.T, z_scale[begin:end]
        mode = problem.response_scale * (at.s[k].T @ relative) / scale
        spread = relative[None] - xp.einsum("ab,bcg,cd->gad", relative, level_blocks(at.u, model, k), relative)
        found.append((mode, at.pw / nu * spread * problem.response_scale**2 / xp.outer(scale, scale)))
    return found
