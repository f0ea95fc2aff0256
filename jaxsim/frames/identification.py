"""Which variances of random effects the rows say anything about, and which coefficients do not depend on the others.

The restricted likelihood sees ``M V M`` alone, ``M = I - X (X'X)^-1 X'`` and ``V = I + Z T Z'``. A vector ``k`` of a block of
random effects with ``M Z_g k = 0`` in every group (:func:`jaxsim.data.verdicts.saturated`) leaves no trace there: neither its
variance nor its covariances with the others of the block can be known, and REML is flat in them. What is left when such
directions are taken out of the block is a model with the same restricted likelihood. With ``a = X (X'X)^-1 c`` a combination
``c'beta`` has the same estimate whatever is unknown if ``a_g'Z_g k = 0`` in every group or if nothing is left of the block, and
the same standard error in the first case: a slope within groups, say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from jaxsim.data.verdicts import SATURATED
from jaxsim.frames.mixed_model import Block, MixedModel
from jaxsim.numerics.row_basis import Basis, orthonormal

# Squares of what is zero but for rounding, relative to what they could be.
NOTHING = 1e-16


@dataclass(frozen=True, eq=False)
class Identified:
    """What the rows can tell, of a model with ``P`` fixed and ``Q`` random effects a group.

    Attributes:
        kept: weights of each block's columns in those that are left, ``[q, r]``, r from 0 to q.
        random: which random effects have a variance that can be known, ``[Q]``.
        modes: whose conditional modes can be, ``[Q]``: they are zero for a block of which nothing is left.
        estimates: which coefficients have an estimate that does not depend on what is unknown, ``[P]``.
        errors: those whose standard error does not either, ``[P]``.
    """

    kept: tuple[np.ndarray, ...]
    random: np.ndarray
    modes: np.ndarray
    estimates: np.ndarray
    errors: np.ndarray

    @property
    def everything(self) -> bool:
        """Whether all of the model is."""
        return bool(self.random.all())

    def left_of(self, model: MixedModel) -> tuple[Block, ...]:
        """Blocks of the random effects that are left."""
        parts = zip(model.blocks, self.kept, strict=True)
        named = [(block.values @ kept, f"{i}") for i, (block, kept) in enumerate(parts) if kept.shape[1]]
        return tuple(Block(values, tuple(f"{i}.{k}" for k in range(values.shape[1]))) for values, i in named)

    @property
    def back(self) -> np.ndarray:
        """From the random effects that are left to those of the model, ``[Q, R]``."""
        return block_diag(*self.kept)


def identified(products: np.ndarray, basis: Basis, blocks: list[Basis]) -> Identified:
    """What the rows can tell.

    Args:
        products: cross-products of the orthonormal columns ``[Q Z_1 Z_2 ..]`` (and more) of each group, ``[G, M, M]``.
        basis: of the fixed effects.
        blocks: bases of the blocks of random effects.
    """
    p = basis.q.shape[1]
    kept, random, modes = [], [], []
    estimates, errors = np.ones((2, p), bool)
    size = (basis.inverse**2).sum(1)
    at = p
    for block in blocks:
        z = slice(at, at + block.q.shape[1])
        at = z.stop
        cross = products[:, :p, z]
        left = products[:, z, z].sum(0) - np.einsum("gxa,gxb->ab", cross, cross)
        values, vectors = np.linalg.eigh(left)
        nothing, something = vectors[:, values <= SATURATED], vectors[:, values > SATURATED]
        weights = block.inverse @ nothing
        length = np.sqrt((block.r**2).sum(0))
        known = (np.square(weights * length[:, None]) <= NOTHING).all(1)
        kept.append(block.inverse @ something)
        random.append(known)
        modes.append(known if something.shape[1] else np.ones_like(known))
        pull = np.einsum("jx,gxk->gjk", basis.inverse, cross @ nothing)
        most = np.einsum("gab,ak,bk->gk", products[:, z, z], nothing, nothing).max(0)
        free = (np.square(pull).sum(0) <= NOTHING * np.outer(size, most)).all(1)
        errors &= free
        estimates &= free | (something.shape[1] == 0)
    return Identified(tuple(kept), np.concatenate(random), np.concatenate(modes), estimates, errors)


def of_model(model: MixedModel) -> Identified:
    """What the rows of a model can tell; its columns must have full rank."""
    basis, blocks = orthonormal(model.x.values), [orthonormal(block.values) for block in model.blocks]
    columns = np.column_stack([basis.q, *(block.q for block in blocks)])
    products = np.zeros((len(model.labels), columns.shape[1], columns.shape[1]))
    for g in range(len(products)):
        own = columns[model.codes == g]
        products[g] = own.T @ own
    return identified(products, basis, blocks)


def cause(found: Identified, model: MixedModel) -> str:
    """Why a variance is not identified."""
    unknown = listed(name for name, known in zip(model.random_names, found.random, strict=True) if not known)
    return (
        f"the fixed effects account for all that differs between the {len(model.labels)} groups of {model.groups.name} in "
        f"{unknown}: the data say nothing about its variance"
    )


def sentence(found: Identified, model: MixedModel, reml: bool) -> str:
    """What a user should know of a model that is identified in part."""
    lacking = listed(name for name, known in zip(model.x.names, found.errors, strict=True) if not known)
    if not reml:
        return (
            f"{cause(found, model)}. Maximum likelihood makes it as small as it can, whatever they are, and the standard errors of "
            f"{lacking} with it: REML says that they cannot be known"
        )
    others = "; the other coefficients do not depend on it" if found.errors.any() else ""
    return (
        f"{cause(found, model)}, and REML is the same whatever it is. The standard errors of {lacking} would depend on it and are "
        f"missing{others}"
    )


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first few of some names, and how many there are more."""
    given = list(names)
    return ", ".join(given) if len(given) <= most else f"{', '.join(given[: most - 1])} and {len(given) - most + 1} more"
