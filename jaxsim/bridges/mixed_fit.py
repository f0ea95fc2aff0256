"""Fit a mixed model on orthonormal bases of its columns, and carry the result back to the columns themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.bridges.basis import Basis, orthonormal, residual
from jaxsim.bridges.mixed_model import MixedModel, check
from jaxsim.crossproduct import CrossProducts, from_rows, pad_groups
from jaxsim.estimators.lmm import newton, solution
from jaxsim.estimators.lmm.deviance import Spec
from jaxsim.estimators.lmm.problem import pose
from jaxsim.estimators.lmm.start import starts
from jaxsim.estimators.lmm.structure import Structure
from jaxsim.status import Status
from jaxsim.sweep.plan import padded_groups

BOUNDARY = "boundary (singular) fit: the random-effects covariance is singular"


@dataclass(frozen=True)
class Estimates:
    """In the units of the data: fixed effects ``[P]``, their covariance, df; relative factor ``[Q, Q]``; modes ``[G, Q]``."""

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


def estimate(model: MixedModel, reml: bool, df: str) -> Estimates:
    """Fit one model; ``df`` as for :class:`jaxsim.LinearMixed`."""
    status, message = check(model)
    if status is not Status.OK:
        return nothing(model, status, message)
    basis, blocks = orthonormal(model.x.values), [orthonormal(block.values) for block in model.blocks]
    start, rest = residual(basis, model.y)
    spec, data = pose_rows(model, basis, blocks, rest, reml)
    found, satterthwaite, own = jax.tree.map(np.asarray, solve(spec, data, jnp.asarray(basis.inverse)))
    if not np.isfinite(found.criterion):
        return nothing(model, Status.NON_FINITE, Status.NON_FINITE.message)
    factor = original_factor(model.structure, blocks, found.theta)
    # lme4's isSingular looks at theta in the units of the data.
    singular = bool((np.diagonal(factor) < solution.LME4_SINGULAR).any())
    status = (Status.SINGULAR if singular else Status.OK) if found.optimal else Status.NOT_CONVERGED
    if status.usable and not (np.isfinite(found.vcov).all() and (satterthwaite > 0).all()):
        return nothing(model, Status.NON_FINITE, Status.NON_FINITE.message)
    message = BOUNDARY if singular else ""
    residual_df = np.full(len(start), len(rest) - len(start), float)
    return Estimates(
        status=status,
        message=message if found.optimal else status.message,
        beta=start + basis.inverse @ found.beta,
        vcov=basis.inverse @ found.vcov @ basis.inverse.T,
        df={"satterthwaite": satterthwaite, "residual": residual_df}.get(df, np.full(len(start), np.inf)),
        criterion=float(found.criterion) + (basis.log_determinant if reml else 0.0),
        sigma=float(found.sigma),
        factor=factor,
        modes=original_modes(model.structure, blocks, own[: len(model.labels)]),
        converged=bool(found.optimal),
        singular=singular,
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
def solve(spec: Spec, data: CrossProducts, contrasts: jax.Array) -> tuple[solution.Solution, jax.Array, jax.Array]:
    """The fit, the Satterthwaite df of each contrast of its coefficients (rows of ``[K, P]``), and the modes ``[G, Q]``.

    The search is that of :meth:`jaxsim.LinearMixed.fit`; its end is kept because the contrasts need the Hessian there.
    """
    problem = pose(data)
    point = newton.search(problem, starts(problem, spec), spec).best
    nu = problem.n_rows - len(spec.fixed) if spec.reml else problem.n_rows
    scaled = contrasts / problem.column_scale[jnp.array(spec.fixed)]
    df = solution.satterthwaite(point._replace(root=scaled @ point.root), nu)
    found = solution.solve(problem, point, spec, "normal")
    return found, df, solution.blups(problem, found.theta, spec)[0]


def original_modes(structure: Structure, blocks: list[Basis], own: np.ndarray) -> np.ndarray:
    """Conditional modes for the columns themselves, ``[G, Q]``, from those for their bases."""
    return np.column_stack([own[:, list(at)] @ block.inverse.T for at, block in zip(structure.blocks, blocks, strict=True)])
