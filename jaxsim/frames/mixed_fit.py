"""Fit a mixed model on orthonormal bases of its columns, and carry the result back to the columns themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts, from_rows, pad_groups
from jaxsim.data.padding import padded_groups
from jaxsim.data.random_effects import Structure
from jaxsim.frames.mixed_model import MixedModel, check
from jaxsim.frames.mixed_tests import Optimum
from jaxsim.lmm import newton, solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import Problem, pose
from jaxsim.lmm.start import starts
from jaxsim.numerics.row_basis import Basis, orthonormal, residual
from jaxsim.status import Status

BOUNDARY = "boundary (singular) fit: the random-effects covariance is singular"
NO_ADJUSTMENT = (
    "there are no Kenward-Roger degrees of freedom: the data say nothing about a variance that matters, or the observed "
    "information is indefinite or so nearly that less than one is left, as can happen at a singular fit; use df='satterthwaite' "
    "or another method"
)


@dataclass(frozen=True)
class Estimates:
    """In the units of the data: fixed effects ``[P]``, their covariance, df; relative factor ``[Q, Q]``; modes ``[G, Q]``.

    ``optimum`` is where the search ended, None where the estimates are no answer.
    """

    status: Status
    message: str
    beta: np.ndarray
    vcov: np.ndarray
    df: np.ndarray
    criterion: float
    sigma: float
    factor: np.ndarray
    modes: np.ndarray
    converged: bool = False
    singular: bool = False
    optimum: Optimum | None = None


def estimate(model: MixedModel, reml: bool, df: str) -> Estimates:
    """Fit one model; ``df`` as for :class:`jaxsim.LinearMixed`."""
    status, message = check(model)
    if status is not Status.OK:
        return nothing(model, status, message)
    basis, blocks = orthonormal(model.x.values), [orthonormal(block.values) for block in model.blocks]
    start, rest = residual(basis, model.y)
    spec, data = pose_rows(model, basis, blocks, rest, reml)
    adjusted = df.startswith("kenward-roger")
    method = df if adjusted else "satterthwaite"  # the other methods share its compiled program
    problem, point = optimum(spec, data)
    found = jax.tree.map(np.asarray, conclude(spec, problem, point, jnp.asarray(basis.inverse), method))
    if not np.isfinite(found.criterion):
        return nothing(model, Status.NON_FINITE, Status.NON_FINITE.message)
    factor = original_factor(model.structure, blocks, found.theta)
    # lme4's isSingular looks at theta in the units of the data.
    singular = bool((np.diagonal(factor) < solution.LME4_SINGULAR).any())
    status = (Status.SINGULAR if singular else Status.OK) if found.optimal else Status.NOT_CONVERGED
    if status.usable and not (np.isfinite(found.vcov).all() and (found.df > 0).all()):
        return nothing(model, Status.NON_FINITE, NO_ADJUSTMENT if adjusted else Status.NON_FINITE.message)
    message = BOUNDARY if singular else ""
    residual_df = np.full(len(start), len(rest) - len(start), float)
    return Estimates(
        status=status,
        message=message if found.optimal else status.message,
        beta=start + basis.inverse @ found.beta,
        vcov=basis.inverse @ found.vcov @ basis.inverse.T,
        df={method: found.df, "residual": residual_df}.get(df, np.full(len(start), np.inf)),
        criterion=float(found.criterion) + (basis.log_determinant if reml else 0.0),
        sigma=float(found.sigma),
        factor=factor,
        modes=original_modes(model.structure, blocks, np.asarray(modes(spec, problem, found.theta))[: len(model.labels)]),
        converged=bool(found.optimal),
        singular=singular,
        optimum=Optimum(spec, problem, point, basis.inverse) if status.usable else None,
    )


def nothing(model: MixedModel, status: Status, message: str) -> Estimates:
    """What is reported of a model that could not be estimated: NaN of the right shapes."""
    p, q = len(model.x.names), len(model.random_names)

    def nan(*shape: int) -> np.ndarray:
        return np.full(shape, np.nan)

    return Estimates(status, message, nan(p), nan(p, p), nan(p), np.nan, np.nan, nan(q, q), nan(len(model.labels), q))


def original_factor(structure: Structure, blocks: list[Basis], theta: np.ndarray) -> np.ndarray:
    """Relative factor ``[Q, Q]`` for the columns themselves, with a non-negative diagonal.

    ``Z = Q R`` in a block, so ``b = R^-1 b~`` and ``T = M M'`` with ``M = R^-1 L~``; triangular by the QR of ``M'``, which keeps
    the digits that a Cholesky factor of ``T`` would lose.
    """
    factor = np.zeros((structure.size, structure.size))
    factor[structure.entries[:, 0], structure.entries[:, 1]] = theta
    for at, block in zip(structure.blocks, blocks, strict=True):
        square = np.ix_(at, at)
        _, upper = np.linalg.qr((block.inverse @ factor[square]).T)
        factor[square] = np.where(np.diagonal(upper) < 0, -1.0, 1.0) * upper.T
    return np.tril(factor)


def pose_rows(model: MixedModel, basis: Basis, blocks: list[Basis], rest: np.ndarray, reml: bool) -> tuple[Spec, CrossProducts]:
    """What is to be fitted to which cross-products of ``[Q Z e]``; neutral names let data sets share a compiled program."""
    values = np.column_stack([basis.q, *(block.q for block in blocks)])
    columns = tuple(f"c{i}" for i in range(values.shape[1]))
    p = basis.q.shape[1]
    data = pad_groups(from_rows(values, rest, model.codes, columns, columns[:p]), padded_groups(len(model.labels)))
    return Spec(tuple(range(p)), tuple(range(p, len(columns))), model.structure, reml), data


@partial(jax.jit, static_argnums=0)
def optimum(spec: Spec, data: CrossProducts) -> tuple[Problem, newton.Point]:
    """The search of :meth:`jaxsim.LinearMixed.fit`; its end is kept because the contrasts need the Hessian there."""
    problem = pose(data)
    return problem, newton.search(problem, starts(problem, spec), spec).best


@partial(jax.jit, static_argnums=(0, 4))
def conclude(spec: Spec, problem: Problem, point: newton.Point, contrasts: jax.Array, df: str) -> solution.Solution:
    """What follows from the optimum, with the df of each contrast of the coefficients (rows of ``[K, P]``).

    Compiled apart from the search, which takes most of the time to compile and is the same for all ``df``.
    """
    return solution.solve(problem, point, spec, df, contrasts)


@partial(jax.jit, static_argnums=0)
def modes(spec: Spec, problem: Problem, theta: jax.Array) -> jax.Array:
    """Conditional modes, ``[G, Q]``."""
    return solution.blups(problem, theta, spec)[0]


def original_modes(structure: Structure, blocks: list[Basis], own: np.ndarray) -> np.ndarray:
    """Conditional modes for the columns themselves, ``[G, Q]``, from those for their bases."""
    return np.column_stack([own[:, list(at)] @ block.inverse.T for at, block in zip(structure.blocks, blocks, strict=True)])
