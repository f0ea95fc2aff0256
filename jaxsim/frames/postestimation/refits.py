"""Fit a model to many responses at once: rows and groups stay, so only the products with the response are made anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.cross_products import CrossProducts, from_rows, pad_groups
from jaxsim.data.fit import Fit
from jaxsim.data.padding import padded_groups
from jaxsim.frames.mixed_fit import estimate
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of
from jaxsim.frames.regression import Regression
from jaxsim.lmm.solution import LME4_SINGULAR
from jaxsim.numerics.compiling import FAST_TO_COMPILE, compiled
from jaxsim.numerics.row_basis import Basis, orthonormal
from jaxsim.status import Status

if TYPE_CHECKING:
    from jaxsim.estimators import LinearMixed

# Numbers in the cross-products of a tile at most, and datasets of a tile: as studies have them.
TILE_NUMBERS, FEWEST, MOST = 2**20, 8, 1024


@dataclass(frozen=True)
class Refits:
    """A model fitted to ``n`` responses: ``beta`` ``[n, P]``, ``covariance`` of the random effects ``[n, Q, Q]``, ``sigma`` and
    ``criterion`` ``[n]``, ``status`` codes ``[n]``; NaN where there is no fit."""

    beta: np.ndarray
    covariance: np.ndarray
    sigma: np.ndarray
    criterion: np.ndarray
    status: np.ndarray


def refit(model: MixedModel | Regression, responses: np.ndarray, reml: bool) -> Refits:
    """Fit the model to each of the responses ``[n, N]``; by least squares where it has no random effects, and one response after
    the other where it has several grouping factors."""
    if isinstance(model, MixedModel) and model.several:
        return _each(model, responses, reml)
    root = np.sqrt(weights_of(model))
    basis = orthonormal(model.x.values * root[:, None])
    given, responses = responses, (responses - offset_of(model)) * root
    # Twice, so that the residuals are orthogonal to the columns to the last digit.
    first = responses @ basis.q
    rest = responses - first @ basis.q.T
    second = rest @ basis.q
    rest = rest - second @ basis.q.T
    beta = (first + second) @ basis.inverse.T
    constant = 2 * np.log(root).sum()
    if not isinstance(model, MixedModel):
        found = _least_squares(beta, rest)
        return replace(found, criterion=found.criterion - constant)
    found = _mixed(model, basis, beta, rest, reml)
    return _one_by_one(model, given, replace(found, criterion=found.criterion - constant), reml)


def _each(model: MixedModel, responses: np.ndarray, reml: bool) -> Refits:
    n, p, q = len(responses), len(model.x.names), len(model.random_names)

    def nan(*shape: int) -> np.ndarray:
        """No numbers, of this shape for each response."""
        return np.full((n, *shape), np.nan)

    blank = Refits(nan(p), nan(q, q), nan(), nan(), np.full(n, int(Status.NOT_CONVERGED)))
    return _one_by_one(model, responses, blank, reml)


def _one_by_one(model: MixedModel, responses: np.ndarray, found: Refits, reml: bool) -> Refits:
    """Those whose search in the batch did not end, as :func:`jaxsim.lmer` fits: on rows split within groups if need be."""
    for i in np.flatnonzero(found.status == Status.NOT_CONVERGED):
        one = estimate(replace(model, y=responses[i]), reml, "normal")
        found.status[i] = one.status
        if one.status.usable:
            found.beta[i], found.covariance[i], found.sigma[i], found.criterion[i] = (
                one.beta,
                one.covariance,
                one.sigma,
                one.criterion,
            )
    return found


def _least_squares(beta: np.ndarray, rest: np.ndarray) -> Refits:
    n_rows, p = rest.shape[1], beta.shape[1]
    rss = (rest**2).sum(1)
    criterion = n_rows * (1 + np.log(2 * np.pi * rss / n_rows))
    status = np.full(len(beta), int(Status.OK))
    return Refits(beta, np.zeros((len(beta), 0, 0)), np.sqrt(rss / (n_rows - p)), criterion, status)


def _mixed(model: MixedModel, basis: Basis, start: np.ndarray, rest: np.ndarray, reml: bool) -> Refits:
    from jaxsim.estimators import LinearMixed  # noqa: PLC0415 - what studies need; a model that is not refitted does without

    root = np.sqrt(weights_of(model))[:, None]
    blocks = [orthonormal(block.values * root) for block in model.blocks]
    values = np.column_stack([basis.q, *(block.q for block in blocks)])
    names = tuple(f"c{i}" for i in range(values.shape[1]))
    p = basis.q.shape[1]
    random = tuple(tuple(names[p + i] for i in block) for block in model.structure.blocks)
    estimator = LinearMixed(random=random, reml=reml, df="normal")
    parts = [jax.device_get(_fit(estimator, tile)) for tile in tiles(values, rest, model.codes, names, p)]
    fits: Fit = jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(rest)], *parts)
    return in_own_units(model, basis, blocks, start, fits, reml)


@compiled(FAST_TO_COMPILE, static_argnums=0)
def _fit(estimator: LinearMixed, data: CrossProducts) -> Fit:
    return estimator.fit_batch(data)


def tiles(values: np.ndarray, rest: np.ndarray, codes: np.ndarray, names: tuple[str, ...], p: int) -> Iterator[CrossProducts]:
    """Cross-products of ``[values y]`` for each response ``y`` of ``rest`` ``[n, N]``, in batches of one size, filled with none."""
    design = pad_groups(from_rows(values, np.zeros(len(values)), codes, names, names[:p]), padded_groups(int(codes.max()) + 1))
    products, sizes = np.asarray(design.products), np.asarray(design.sizes)
    size = min(MOST, max(FEWEST, 2 ** int(np.log2(max(1, TILE_NUMBERS // products.size)))))
    order = np.argsort(codes, kind="stable")
    cuts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
    for begin in range(0, len(rest), size):
        y = rest[begin : begin + size, order]
        batch = np.zeros((size, *products.shape))
        batch[: len(y)] = products
        for g, (low, high) in enumerate(itertools.pairwise(cuts)):
            own = y[:, low:high] @ values[order[low:high]]
            batch[: len(y), g, :-1, -1] = batch[: len(y), g, -1, :-1] = own
            batch[: len(y), g, -1, -1] = np.einsum("bn,bn->b", y[:, low:high], y[:, low:high])
        used = np.where(np.arange(size)[:, None] < len(y), sizes, 0).astype(np.int32)
        yield replace(design, products=jnp.asarray(batch), sizes=jnp.asarray(used))


def in_own_units(model: MixedModel, basis: Basis, blocks: list[Basis], start: np.ndarray, fits: Fit, reml: bool) -> Refits:
    """Fits on the bases, carried back to the model's columns; a fit is singular where its factor is in the model's own units."""
    back = np.zeros((model.structure.size,) * 2)
    for at, block in zip(model.structure.blocks, blocks, strict=True):
        back[np.ix_(at, at)] = block.inverse
    own = np.asarray(next(iter(fits.covariance.values())))
    covariance, sigma = back @ own @ back.T, np.asarray(fits.sigma)
    status = np.asarray(fits.status).copy()
    usable = (status == Status.OK) | (status == Status.SINGULAR)
    status[usable] = np.where(singular(model, back, fits)[usable], Status.SINGULAR, Status.OK)
    blank = np.where(usable, 1.0, np.nan)
    return Refits(
        beta=(start + np.asarray(fits.estimate) @ basis.inverse.T) * blank[:, None],
        covariance=covariance * blank[:, None, None],
        sigma=sigma * blank,
        criterion=(np.asarray(fits.criterion) + (basis.log_determinant if reml else 0.0)) * blank,
        status=status,
    )


def singular(model: MixedModel, back: np.ndarray, fits: Fit) -> np.ndarray:
    """Which relative factors, in the model's own units, have a zero on the diagonal as lme4 judges it, ``[n]``."""
    rows, columns = model.structure.entries.T
    factor = np.zeros((len(fits.theta), *back.shape))
    factor[:, rows, columns] = np.nan_to_num(np.asarray(fits.theta))
    found = np.zeros(len(factor), bool)
    for block in model.structure.blocks:
        at = list(block)
        square = np.ix_(at, at)
        scaled: np.ndarray = back[square] @ factor[:, at][:, :, at]
        _, upper = np.linalg.qr(np.swapaxes(scaled, 1, 2))
        found |= (np.abs(np.diagonal(upper, axis1=1, axis2=2)) < LME4_SINGULAR).any(1)
    return found
