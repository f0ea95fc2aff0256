"""Sums over levels, and over pairs of levels, of which the derivatives of the deviance are made.

Along a change ``B`` of the covariance of one factor's effects (``[q, q]``, the same in all levels) and ``C`` of another's,
``tr(U B U C)`` and ``e'B U C e`` are linear in ``B (x) C``: their coefficients are the sums below, of one pair of factors each.
"""

from __future__ import annotations

import functools
import itertools
import operator
from typing import NamedTuple

import jax

from jaxsim.crossed.deviance import Inner, Profile, by_factor
from jaxsim.crossed.free import forms_of, slopes_of, squares_of
from jaxsim.crossed.model import Model
from jaxsim.numerics.arrays import library

Array = jax.Array

# Effects of the first factor, relative to those of all others, up to which its own part of U is formed: the products take as long
# either way.
MOST_FORMED = 1.5


class Pairs(NamedTuple):
    """For each pair of factors (the first not after the second), flattened over the columns of each, ``[q_f^2, q_g^2]``.

    ``squares``: of ``U[ga, hb] U[gd, hc]`` at ``[(a, d), (b, c)]``; ``forms``: of ``e[gb] U[ga, hc] e[hd]`` at
    ``[(a, b), (c, d)]``, over all columns of e.
    """

    squares: dict[tuple[int, int], Array]
    forms: dict[tuple[int, int], Array]


def pair_sums(at: Profile, scale: Array, model: Model) -> Pairs:
    """The sums of U and of columns ``e``: ``[h, s]`` times ``scale`` ``[P + 1]``."""
    squares, forms, u, e = {}, {}, at.u, tuple(both * scale for both in columns_of(at))
    for f, g in itertools.combinations_with_replacement(range(len(model.widths)), 2):
        if g == 0 and not worth_forming(u):
            squares[f, g], forms[f, g] = own_squares(u), own_forms(u, e[0])
            continue
        block = between_factors(u, model, f, g) if g else whole_own(u)
        squares[f, g], forms[f, g] = _squares(block), _forms(block, e[f], e[g])
    for f, one in enumerate(at.free):
        squares[f, f] = squares[f, f] + squares_of(one)
        forms[f, f] = forms[f, f] + forms_of(one, scale)
    return Pairs(squares, forms)


def columns_of(at: Profile) -> tuple[Array, ...]:
    """``[h, s]`` of each factor, ``[q, G, P + 1]``."""
    xp = library(at.root)
    return tuple(xp.concatenate([h, s[..., None]], axis=2) for h, s in zip(at.h, at.s, strict=True))


def own_sums(at: Profile, scale: Array) -> list[Array]:
    """``sum_g e_g e_g'`` of each factor, ``[q, q]``, of columns ``[h, s]`` times ``scale`` ``[P + 1]``."""
    xp, j = library(at.root), len(scale)
    found = []
    for one, h in zip(product_sums(at), at.h, strict=True):
        q = h.shape[0]
        found.append((xp.diagonal(one.reshape(q, q, j, j), axis1=2, axis2=3) * scale**2).sum(-1))
    return found


def worth_forming(u: Inner) -> bool:
    """Whether the part of the first factor with itself costs less to form than the sums without it do."""
    q, _, count = u.own.shape
    return u.through is not None and q > 1 and q * count <= MOST_FORMED * u.dense.shape[0]


def whole_own(u: Inner) -> Array:
    """The part of U that belongs to the first factor with itself, ``[q, G, q, G]``."""
    assert u.through is not None
    xp, (q, _, count) = library(u.own), u.own.shape
    flat = u.through.reshape(-1, q * count)
    diagonal = xp.swapaxes(u.own, 1, 2)[..., None] * xp.eye(count)[:, None]  # [a, g, b, h]
    return diagonal - (flat.T @ flat).reshape(q, count, q, count)


def between_factors(u: Inner, model: Model, f: int, g: int) -> Array:
    """The part of U that belongs to two factors, ``[q_f, G_f, q_g, G_g]``; of the first with itself see :func:`whole_own`."""
    rows = u.across if f == 0 else by_factor(u.dense, model)[f - 1]
    begin = sum(q * count for q, count in zip(model.widths[1:g], model.counts[1:g], strict=True))
    q, count = model.widths[g], model.counts[g]
    return rows[..., begin : begin + q * count].reshape(*rows.shape[:2], q, count)


def _squares(block: Array) -> Array:
    xp, (q, _, r, _) = library(block), block.shape
    flat = xp.transpose(block, (0, 2, 1, 3)).reshape(q * r, -1)
    both = (flat @ flat.T).reshape(q, r, q, r)  # [a, b, d, c]
    return xp.transpose(both, (0, 2, 1, 3)).reshape(q * q, r * r)


def _forms(block: Array, left: Array, right: Array) -> Array:
    xp, (q, count, r, other) = library(block), block.shape
    spread = block.reshape(-1, other) @ xp.transpose(right, (1, 2, 0)).reshape(other, -1)
    spread = spread.reshape(q, count, r, right.shape[2], r)  # [a, g, c, j, d]
    spread = xp.transpose(spread, (1, 3, 0, 2, 4)).reshape(count * right.shape[2], -1)  # [(g, j), (a, c, d)]
    found = left.reshape(q, -1) @ spread  # [b, (a, c, d)]
    return xp.transpose(found.reshape(q, q, r * r), (1, 0, 2)).reshape(q * q, r * r)


def own_squares(u: Inner) -> Array:
    """``squares`` of the first factor with itself."""
    xp, q = library(u.own), u.own.shape[0]
    own = u.own.reshape(q * q, -1)
    found = own @ own.T  # [(a, b), (d, c)]
    if u.through is not None:
        n = u.through  # [i, a, g]
        cross = own @ level_squares(n).reshape(q * q, -1).T
        found = found - cross - cross.T + _gram_squares(n)
    return xp.transpose(found.reshape(q, q, q, q), (0, 2, 1, 3)).reshape(q * q, q * q)


def _gram_squares(n: Array) -> Array:
    """``sum_gh (n_ga.n_hb)(n_gd.n_hc)`` at ``[(a, b), (d, c)]``: of the sums ``S_ad = sum_g n_ga n_gd'`` ``sum S_ad * S_bc``."""
    xp, (_, q, _) = library(n), n.shape
    products = {(a, d): n[:, a] @ n[:, d].T for a in range(q) for d in range(a, q)}
    every = {(a, d): products[a, d] if a <= d else products[d, a].T for a in range(q) for d in range(q)}
    sums = {}
    for (a, d), (b, c) in itertools.product(every, every):
        key = min(((a, d), (b, c)), ((b, c), (a, d)))
        if key not in sums:
            sums[key] = (every[key[0]] * every[key[1]]).sum()
    rows = [[sums[min(((a, d), (b, c)), ((b, c), (a, d)))] for d in range(q) for c in range(q)] for a in range(q) for b in range(q)]
    return xp.stack([xp.stack(row) for row in rows])


def own_forms(u: Inner, e: Array) -> Array:
    """``forms`` of the first factor with itself."""
    xp, (q, _, _) = library(e), e.shape
    squares = (e[:, None] * e).sum(-1).reshape(q * q, -1)
    found = (u.own.reshape(q * q, -1) @ squares.T).reshape(q, q, q, q)  # [a, c, b, d]
    found = xp.transpose(found, (0, 2, 1, 3)).reshape(q * q, q * q)
    if u.through is None:
        return found
    i, _, count = u.through.shape
    spread = u.through.reshape(-1, count) @ xp.transpose(e, (1, 0, 2)).reshape(count, -1)
    spread = spread.reshape(i, q, q, e.shape[2])  # [i, a, b, j]
    spread = xp.transpose(spread, (1, 2, 0, 3)).reshape(q * q, -1)
    return found - spread @ spread.T


def diagonal_sums(at: Profile, model: Model) -> list[Array]:
    """``sum_g U_gg`` of each factor, ``[q, q]``."""
    found = [level_blocks(at.u, model, f).sum(-1) for f in range(len(model.widths))]
    return [one + more.many * more.u for one, more in zip(found, at.free, strict=True)] if at.free else found


def level_blocks(u: Inner, model: Model, f: int) -> Array:
    """``U_gg`` of a factor, ``[q, q, G]``."""
    xp = library(u.own)
    if f:
        return xp.einsum("agbg->abg", between_factors(u, model, f, f))
    return u.own if u.through is None else u.own - level_squares(u.through)


def level_squares(n: Array) -> Array:
    """``sum_i n[i, a, g] n[i, b, g]``, ``[q, q, G]``."""
    xp, (_, q, _) = library(n), n.shape
    half = {(a, b): (n[:, a] * n[:, b]).sum(0) for a in range(q) for b in range(a, q)}
    return xp.stack([xp.stack([half[min(a, b), max(a, b)] for b in range(q)]) for a in range(q)])


def product_sums(at: Profile) -> list[Array]:
    """``sum_g e_ga[j] e_gb[k]`` of each factor's columns ``[h, s]``, at ``[(a, b), (j, k)]``."""
    found = []
    for one in columns_of(at):
        xp, (q, count, j) = library(one), one.shape
        flat = xp.swapaxes(one, 1, 2).reshape(q * j, count)
        found.append(xp.transpose((flat @ flat.T).reshape(q, j, q, j), (0, 2, 1, 3)).reshape(q * q, j * j))
    return [one + slopes_of(more) for one, more in zip(found, at.free, strict=True)] if at.free else found


def slopes(at: Profile, flat: list[Array]) -> tuple[Array, Array, Array]:
    """``sum h'B_k h`` ``[T, P, P]``, ``sum h'B_k s`` ``[T, P]`` and ``sum s'B_k s`` ``[T]``.

    Args:
        at: where.
        flat: of each factor the changes ``[T, q^2]``.
    """
    sums, j = product_sums(at), len(at.beta) + 1
    every = functools.reduce(operator.add, (change @ one for change, one in zip(flat, sums, strict=True))).reshape(-1, j, j)
    return every[:, :-1, :-1], every[:, :-1, -1], every[:, -1, -1]
