"""Fit a mixed model with several grouping factors on orthonormal bases of its columns, by NumPy, and carry the result back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from jaxsim.crossed import rows, solution
from jaxsim.crossed.curvature import evaluate
from jaxsim.crossed.model import Model, model_of
from jaxsim.crossed.problem import Problem
from jaxsim.crossed.start import moments, starts
from jaxsim.data.random_effects import RandomEffects
from jaxsim.errors import NotSupportedError
from jaxsim.frames.confounding import confounded, sentence
from jaxsim.frames.estimates import End, Estimates, at_optimum, nothing
from jaxsim.frames.mixed_model import MixedModel, check
from jaxsim.frames.mixed_tests import Optimum
from jaxsim.frames.original_columns import original_factor, theta_at
from jaxsim.lmm import newton
from jaxsim.lmm.start import Starts
from jaxsim.numerics.arrays import on_numpy
from jaxsim.numerics.row_basis import RANK_TOLERANCE, Basis, orthonormal, residual
from jaxsim.status import Status

# From this ratio of variances on, residual to all, the units of the search are those of the residuals.
TINY = 1e-4
# Below this one sums of squares no longer hold the residuals: with it the criterion has an error of some 1e-5.
HIDDEN = 1e-8
NO_RESIDUAL = (
    "the response hardly differs beyond what the predictors and the levels of {} explain: by less than 1/10,000 of what it "
    "differs altogether, which sums of squares cannot tell from rounding. If it was measured once a combination of levels, leave "
    "one of the factors out"
)
# Effects up to which a search is so short that all starts are tried: of local optima there are more where columns with independent
# effects are far from zero.
MANY = 1000
# Products up to which residuals are found by dense algebra.
DENSE = 1e9
# Numbers in the largest of the arrays that an evaluation makes some ten of.
MOST_NUMBERS = 2**26


class Engine(NamedTuple):
    """The model as the kernel has it, the ``problem`` it is posed in, and ``order`` ``[Q]``: which of the model's columns with
    random effects each of the kernel's is."""

    model: Model
    problem: Problem
    order: np.ndarray


def estimate(model: MixedModel, reml: bool, df: str) -> Estimates:
    """Fit a model without weights and offset; ``df`` as for :class:`jaxsim.LinearMixed`.

    Raises:
        NotSupportedError: for so many levels that the arrays would not fit into memory.
    """
    check_size(model)
    status, message = check(model)
    if status is not Status.OK:
        return nothing(model, status, message)
    basis, blocks = orthonormal(model.x.values), [orthonormal(block.values) for block in model.blocks]
    start, rest = residual(basis, model.y)
    engine = posed(model, basis, blocks, rest, reml)
    which = confounded(engine.problem, engine.model, reml)
    if which.any():
        return nothing(model, Status.UNIDENTIFIED, sentence(model, engine.model, engine.order, which))
    point = on_numpy(search)(engine)
    if not float(point.pw) / len(rest) > TINY:
        share = residual_share(model, basis, blocks, rest)
        if share < HIDDEN:
            return nothing(model, Status.ZERO_RESIDUAL, NO_RESIDUAL.format(" and ".join(one.name for one in model.factors)))
        if share < TINY:
            engine = posed(model, basis, blocks, rest, reml, far=1 / np.sqrt(share))
            point = on_numpy(search)(engine, from_units=True)
    optimum = Optimum(engine.model.spec, engine.problem, point, basis.inverse, engine.model)
    return at_optimum(model, End(optimum, basis, start, lambda: random_part(model, blocks, engine, point)), df)


def residual_share(model: MixedModel, basis: Basis, blocks: list[Basis], rest: np.ndarray) -> float:
    """Variance of the residuals when all effects are fixed, relative to that of ``rest`` ``[N]``; 1 where they leave nothing."""
    rows_ = np.arange(len(rest))
    parts = [
        sparse.csr_matrix((column, (rows_, model.factors[block.factor].codes)))
        for block, own in zip(model.blocks, blocks, strict=True)
        for column in own.q.T
    ]
    columns = sparse.hstack([sparse.csr_matrix(basis.q), *parts]).tocsr()
    size = columns.shape[1]
    if len(rest) * size**2 < DENSE:
        left, values, _ = np.linalg.svd(columns.toarray(), full_matrices=False)
        left = left[:, values > RANK_TOLERANCE * values[0]]
        rank, remaining = left.shape[1], rest - left @ (left.T @ rest)
        remaining = remaining - left @ (left.T @ remaining)
    else:
        rank = size
        remaining = rest - columns @ linalg.lsmr(columns, rest, atol=1e-14, btol=1e-14, maxiter=10 * size)[0]
    if rank >= len(rest):
        return 1.0
    return float(remaining @ remaining) / (len(rest) - rank) / (float(rest @ rest) / len(rest))


def unidentified(model: MixedModel) -> str:
    """Which variances of a model without weights and offset REML cannot tell apart, as a clause; nothing where it can."""
    blocks, basis = [orthonormal(block.values) for block in model.blocks], orthonormal(model.x.values)
    engine = posed(model, basis, blocks, residual(basis, model.y)[1], True)
    which = confounded(engine.problem, engine.model, True)
    return sentence(model, engine.model, engine.order, which) if which.any() else ""


def check_size(model: MixedModel) -> None:
    """Raise :class:`NotSupportedError` for a model that is too large."""
    sizes = sorted((len(model.names_of(f)) * len(factor.labels) for f, factor in enumerate(model.factors)), reverse=True)
    if sum(sizes) * (sum(sizes[1:]) + len(model.x.names) + 1) > MOST_NUMBERS:
        counts = " and ".join(f"{len(factor.labels):,} levels of {factor.name}" for factor in model.factors)
        raise NotSupportedError(
            f"{model.formula.text!r} has {sum(sizes):,} random effects ({counts}), {sum(sizes[1:]):,} of them not by the factor "
            f"that has most; lmer takes as many as have a product of at most {MOST_NUMBERS:,}, such as 20,000 and 3,000. Leave out "
            "a factor or a slope, or fit a part of the levels."
        )


def posed(model: MixedModel, basis: Basis, blocks: list[Basis], rest: np.ndarray, reml: bool, far: float = 1.0) -> Engine:
    """The problem of the residuals of least squares ``rest`` ``[N]`` on orthonormal columns; ``far`` as of
    :func:`jaxsim.crossed.rows.pose`."""
    columns = [model.columns_of(f) for f in range(len(model.factors))]
    counts = [len(factor.labels) for factor in model.factors]
    first = sorted(range(len(columns)), key=lambda f: -len(columns[f]) * counts[f])
    order = np.concatenate([columns[f] for f in first])
    p = basis.q.shape[1]
    places = {int(column): p + i for i, column in enumerate(order)}
    random = []
    for f in first:
        named = tuple(
            tuple(f"c{places[i]}" for i in at)
            for block, at in zip(model.blocks, model.structure.blocks, strict=True)
            if block.factor == f
        )
        effects = RandomEffects(model.factors[f].name, named)
        random.append((f, effects, [places[int(i)] for i in columns[f]], counts[f]))
    engine = model_of(range(p), random, reml)
    z = np.column_stack([block.q for block in blocks])[:, order]
    codes = [model.factors[f].codes for f in engine.factors]
    return Engine(engine, rows.pose(basis.q, z, rest, codes, engine, far), order)


def search(engine: Engine, from_units: bool = False) -> newton.Point:
    """The optimum; from variances of one, and of 1/100, where the units are made for it (rounding grows with variances)."""
    model, problem, _ = engine
    eye = np.eye(model.spec.structure.size)
    units: Any = np.stack([eye, eye / 100]), np.int32(2)
    begins = Starts(*units) if from_units else starts(problem, moments(problem, model), model)
    every: Any = np.int32(len(begins.values))
    if not from_units and model.widths[0] * model.counts[0] + model.dense <= MANY:
        begins = begins._replace(needed=every)
    state = newton.initial(begins, model.spec)
    while not state.done:
        state = newton.advance(evaluate(problem, state.trial, model), begins, state, model.spec)
    return polished(engine, state.best) if from_units else state.best


def polished(engine: Engine, point: newton.Point) -> newton.Point:
    """Newton steps from where the search ended, as long as they promise less and less: rounding of the deviance may have hidden
    from the search that its last steps were good ones."""
    model, problem, _ = engine
    far: Any = np.inf
    while point.decrement > 0 and not point.saddle:
        proposal = newton.propose(point.gradient, point.hessian, far)
        trial = evaluate(problem, newton.moved(point.chart, proposal.move, model.spec.structure), model)
        onward = newton.propose(trial.gradient, trial.hessian, far)
        if not onward.decrement < point.decrement / 2:
            break
        point = trial._replace(decrement=onward.decrement, saddle=onward.saddle)
    return point


def random_part(
    model: MixedModel, blocks: list[Basis], engine: Engine, point: newton.Point
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """Relative factor ``[Q, Q]`` and modes of each factor ``[G, q]`` of the columns themselves."""
    kernel, problem, order = engine
    theta = theta_at(kernel.spec.structure, problem, point)
    own = np.zeros((len(order), len(order)))
    own[np.ix_(order, order)] = on_numpy(kernel.spec.structure.factor)(theta)
    of_rows, of_columns = model.structure.entries.T
    found = dict(zip(kernel.factors, on_numpy(solution.modes)(problem, theta, kernel), strict=True))
    modes = []
    for f in range(len(model.factors)):
        inverses = [basis.inverse for basis, block in zip(blocks, model.blocks, strict=True) if block.factor == f]
        begins = np.cumsum([0, *(len(inverse) for inverse in inverses)])
        effects = found[f][0]
        parts = [effects[:, begin : begin + len(inverse)] @ inverse.T for begin, inverse in zip(begins, inverses, strict=False)]
        modes.append(np.column_stack(parts))
    return original_factor(model.structure, blocks, own[of_rows, of_columns]), tuple(modes)
