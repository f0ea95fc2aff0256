"""Fit a mixed model on orthonormal bases of its columns, and carry the result back to the columns themselves.

All of it is computed by NumPy: a user would wait a second or more for a compiler, and waits milliseconds for the fit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jaxsim.data.cross_products import CrossProducts, of_one
from jaxsim.data.random_effects import Structure
from jaxsim.frames import crossed_fit, within_groups
from jaxsim.frames.estimates import End, Estimates, at_optimum, nothing
from jaxsim.frames.identification import Identified, identified, sentence
from jaxsim.frames.linear_tests import FixedDf, PartialTests
from jaxsim.frames.mixed_model import MixedModel, check
from jaxsim.frames.mixed_tests import Optimum
from jaxsim.frames.original_columns import original_factor, original_modes, theta_at, triangular
from jaxsim.frames.whitening import is_plain, log_weights, whitened
from jaxsim.frames.within_groups import NO_RESIDUAL, TINY, residual_share
from jaxsim.lmm import newton, solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.one_variance_problem import one_variance
from jaxsim.lmm.one_variance_problem import optimum as one_variance_optimum
from jaxsim.lmm.problem import Problem, pose, unidentified
from jaxsim.lmm.start import starts
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.row_basis import Basis, orthonormal, residual
from jaxsim.status import Status


def estimate(model: MixedModel, reml: bool, df: str) -> Estimates:
    """Fit one model; ``df`` as for :class:`jaxsim.LinearMixed`."""
    if is_plain(model):
        return estimate_plain(model, reml, df)
    found = estimate_plain(whitened(model), reml, df)
    return replace(found, criterion=found.criterion - log_weights(model))


def estimate_plain(model: MixedModel, reml: bool, df: str) -> Estimates:
    """:func:`estimate` of a model without weights and offset."""
    if model.several:
        return crossed_fit.estimate(model, reml, df)
    status, message = check(model)
    if status is not Status.OK:
        return nothing(model, status, message)
    basis, blocks = orthonormal(model.x.values), [orthonormal(block.values) for block in model.blocks]
    start, rest = residual(basis, model.y)
    spec, data = pose_rows(model, basis, blocks, rest, reml)
    known = identified(np.asarray(data.products), basis, blocks)
    if reml and not known.everything:
        return in_part(model, known, df)
    if residual_share(data, len(start)) < TINY:
        posed = within_groups.pose(basis, np.column_stack([block.q for block in blocks]), model.y, model.codes, spec)
        if not posed.residual:
            return nothing(model, Status.ZERO_RESIDUAL, NO_RESIDUAL.format(n=len(model.labels), group=model.groups.name))
        basis, start, problem = posed.basis, posed.shift, posed.problem
        point = on_numpy(newton.search)(problem, posed.starts, spec).best
    else:
        problem, point = on_numpy(optimum)(spec, data)

    def random() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """The relative factor and the modes in the units of the data."""
        theta = theta_at(model.structure, problem, point)
        modes = on_numpy(solution.blups)(problem, theta, spec)[0]
        return original_factor(model.structure, blocks, theta), (original_modes(model.structure, blocks, modes),)

    note = "" if known.everything else sentence(known, model, spec.reml)
    return at_optimum(model, End(Optimum(spec, problem, point, basis.inverse), basis, start, random, note), df)


def in_part(model: MixedModel, known: Identified, df: str) -> Estimates:
    """What REML says of a model that is identified in part: numbers of the random effects that are left, NaN for the others."""
    left, back = known.left_of(model), known.back
    reduced = replace(model, blocks=left)
    found = estimate_plain(reduced, True, df) if left else least_squares(reduced, df)
    if not found.status.usable:
        return nothing(model, found.status, found.message)
    both = np.outer(known.random, known.random)
    relative = np.where(both, back @ (found.factor @ found.factor.T) @ back.T, np.nan)
    return replace(
        found,
        status=Status.UNIDENTIFIED,
        message=sentence(known, model, True),
        beta=np.where(known.estimates, found.beta, np.nan),
        vcov=np.where(np.outer(known.errors, known.errors), found.vcov, np.nan),
        df=np.where(known.errors, found.df, np.nan),
        factor=factor_in_part(model.structure, known, found.factor),
        modes=(np.where(known.modes, found.modes[0] @ back.T, np.nan),),
        known=relative,
        tests=None if found.tests is None else PartialTests(found.tests, known.errors),
    )


def factor_in_part(structure: Structure, known: Identified, left: np.ndarray) -> np.ndarray:
    """Relative factor ``[Q, Q]`` from that of the random effects that are left, ``[R, R]``; NaN for blocks known in part."""
    factor = np.zeros((structure.size, structure.size))
    begin = 0
    for at, back in zip(structure.blocks, known.kept, strict=True):
        own = slice(begin, begin + back.shape[1])
        begin = own.stop
        square = np.ix_(at, at)
        factor[square] = triangular(back @ left[own, own]) if known.random[list(at)].all() else np.nan
    return factor


def least_squares(model: MixedModel, df: str) -> Estimates:
    """REML of a model without random effects."""
    basis = orthonormal(model.x.values)
    beta, rest = residual(basis, model.y)
    nu, rss = float(len(rest) - len(beta)), float(rest @ rest)
    vcov, degrees = rss / nu * basis.inverse @ basis.inverse.T, np.inf if df == "normal" else nu
    return Estimates(
        status=Status.OK,
        message="",
        beta=beta,
        vcov=vcov,
        df=np.full(len(beta), degrees),
        criterion=nu * (1 + np.log(2 * np.pi * rss / nu)) + basis.log_determinant,
        sigma=np.sqrt(rss / nu),
        factor=np.zeros((0, 0)),
        modes=(np.zeros((len(model.labels), 0)),),
        converged=True,
        tests=FixedDf(vcov, degrees),
    )


def pose_rows(model: MixedModel, basis: Basis, blocks: list[Basis], rest: np.ndarray, reml: bool) -> tuple[Spec, CrossProducts]:
    """What is to be fitted to which cross-products of ``[Q Z e]``."""
    values = np.column_stack([basis.q, *(block.q for block in blocks)])
    columns = tuple(f"c{i}" for i in range(values.shape[1]))
    p = basis.q.shape[1]
    data = of_one(values, rest, model.codes, columns, columns[:p])
    return Spec(tuple(range(p)), tuple(range(p, len(columns))), model.structure, reml), data


def optimum(spec: Spec, data: CrossProducts) -> tuple[Problem, newton.Point]:
    """The search of :meth:`jaxsim.LinearMixed.fit`; its end is kept because the contrasts need the Hessian there."""
    problem = pose(data)
    if one_variance(spec):
        return problem, one_variance_optimum(problem, spec)[0]
    return problem, newton.search(problem, starts(problem, spec, unidentified(problem, spec)), spec).best
