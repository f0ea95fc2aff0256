"""Cluster-robust variances of least-squares coefficients: small-sample conventions, adjusted scores, degrees of freedom.

Everything is done in coordinates in which ``X'X`` is the identity: with ``(X'X)^-1 = C C'`` a group is ``K_g = C'X_g'X_g C`` (its
eigenvalues are those of the group's block of the hat matrix) and ``r_g = C'X_g'e_g``; the groups add up to ``I`` and ``0``. A
contrast ``c'beta`` is the direction ``a = C'c``, and the sandwich is ``m sum_g (a'f(K_g) r_g)^2``.
"""

from __future__ import annotations

from typing import NamedTuple

import jax

from jaxsim.numerics import small
from jaxsim.numerics.arrays import library, over_groups, scan
from jaxsim.numerics.least_squares import LeastSquares

# Exponents of I - K_g in the adjusted scores; the other conventions leave the scores as they are and scale the sandwich.
POWERS = {"CR2": -0.5, "CR3": -1.0}
CONVENTIONS: tuple[str, ...] = ("CR0", "CR1", "CR1p", "CR1S", "pymer4", "CR2", "CR3")
DEGREES: tuple[str, ...] = ("satterthwaite", "G-1", "G-P", "normal")
# clubSandwich's threshold: a part of a group's hat matrix that is this close to 1 is not adjusted but left out.
SINGULAR = 1e-12
# Cross-products carry 16 digits of squared lengths; this many units in the last place are lost before conditioning is counted.
ROUNDING = 8 * 2.2e-16


def default_degrees(vcov: str) -> str:
    """The degrees of freedom that go with a convention."""
    return {"CR2": "satterthwaite", "CR3": "satterthwaite", "pymer4": "G-P"}.get(vcov, "G-1")


def scale(vcov: str, groups: jax.Array, rows: jax.Array, n_fixed: int) -> jax.Array:
    """Factor ``m`` of the sandwich, with G groups, N rows and P coefficients.

    ``CR0``, ``CR2`` and ``CR3`` 1 (clubSandwich's CR3; the jackknife has (G-1)/G of it); ``CR1`` G/(G-1); ``CR1p`` G/(G-P);
    ``CR1S`` G(N-1)/((G-1)(N-P)), Stata's and fixest's; ``pymer4`` (``Lm(robust='cluster')`` up to 0.8) G/(G-1) * N/(N-P).
    """
    g, n = groups.astype(float), rows.astype(float)
    match vcov:
        case "CR1":
            return g / (g - 1)
        case "CR1p":
            return g / (g - n_fixed)
        case "CR1S":
            return g * (n - 1) / ((g - 1) * (n - n_fixed))
        case "pymer4":
            return g / (g - 1) * n / (n - n_fixed)
        case _:
            return library(g).ones_like(g)


def sandwich(vcov: str, half: jax.Array, groups: jax.Array, rows: jax.Array, n_fixed: int) -> jax.Array:
    """``m sum_g h_g h_g'`` ``[R, R]``, of what every group adds to the estimates: ``half`` h ``[R, G]``, zero for padding."""
    return scale(vcov, groups, rows, n_fixed) * half @ half.T


class Groups(NamedTuple):
    """The groups in coordinates in which they add up to the identity.

    ``blocks`` K_g ``[P, P, G]``; ``scores`` r_g ``[P, G]``; ``rounding`` ``[]``: below it an eigenvalue of I - K_g cannot be told
    from zero.
    """

    blocks: jax.Array
    scores: jax.Array
    rounding: jax.Array


def standardise(products: jax.Array, ls: LeastSquares) -> Groups:
    """The groups of ``products`` ``[G, P + 1, P + 1]``, whose sum has the solution ``ls``."""
    xp = library(products)
    xx, xy = products[:, :-1, :-1], products[:, :-1, -1]
    half = small.times(ls.root.T[:, :, None, None], xp.moveaxis(xx, 0, -1))
    blocks = small.times(half[:, :, None], ls.root[:, :, None])
    scores = ls.root.T @ (xy - xx @ ls.beta).T
    length = xp.sqrt(xp.diagonal(xx.sum(0)))
    condition = ((xp.abs(ls.root) * length[:, None]).sum(0) ** 2).max()
    return Groups(blocks, scores, xp.maximum(SINGULAR, ROUNDING * condition))


class Adjustment(NamedTuple):
    """``f(K_g)`` by the eigenvectors of ``I - K_g`` ``[P, P, G]``, its eigenvalues ``gap`` and ``factor = f`` ``[P, G]``."""

    vectors: jax.Array
    gap: jax.Array
    factor: jax.Array


def adjust(vcov: str, groups: Groups) -> Adjustment:
    """``f``: ``(I - K)^(-1/2)`` for CR2, ``(I - K)^-1`` for CR3, else 1.

    Where ``I - K_g`` is singular (a column that lives in one group) the power is that of the Moore-Penrose inverse of the group's
    block of ``I - H``, as in clubSandwich's CR2; its CR3 stops with an error there.
    """
    xp = library(groups.blocks)
    eye = xp.eye(groups.blocks.shape[0])[:, :, None]
    gap, vectors = small.eigh(eye - groups.blocks)
    regular = gap > groups.rounding
    factor = xp.where(regular, xp.where(regular, gap, 1.0) ** POWERS.get(vcov, 0.0), 0.0 if vcov in POWERS else 1.0)
    return Adjustment(vectors, xp.clip(gap, 0.0, 1.0), factor)


def adjusted_scores(adjustment: Adjustment, groups: Groups) -> jax.Array:
    """``f(K_g) r_g``, ``[P, G]``."""
    inside = (adjustment.vectors * groups.scores[:, None]).sum(0)
    return (adjustment.vectors * (adjustment.factor * inside)[None]).sum(1)


def satterthwaite(adjustment: Adjustment, directions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Degrees of freedom of each direction's variance (Bell & McCaffrey 2002), and its expectation, both ``[R]``.

    With independent errors of variance 1 the contributions of the groups have the covariances ``q_gh = [g = h] d_g - b_g'b_h``,
    ``d_g = a'f^2 K_g a``, ``b_g = f K_g a``; ``df = (tr q)^2 / sum_gh q_gh^2``. Squares of b_g, which may be huge, are never
    subtracted: ``d_g - b_g'b_g`` is got from the eigenvalues, the pairs of groups one group at a time.

    Args:
        adjustment: of the groups, as :func:`adjust` makes it.
        directions: ``[R, P]``.
    """
    xp = library(adjustment.gap, directions)
    vectors, gap, factor = adjustment
    inside = xp.swapaxes(small.times(directions[:, :, None, None], vectors), 0, 1)
    weight = (factor * (1 - gap))[:, None]
    own = (weight * (factor * gap)[:, None] * inside**2).sum(0)
    return degrees_of_freedom(own, small.times(vectors[:, :, None], weight * inside).transpose(2, 1, 0))


def degrees_of_freedom(own: jax.Array, pull: jax.Array) -> tuple[jax.Array, jax.Array]:
    """``(tr q)^2 / sum_gh q_gh^2`` and ``tr q`` ``[R]``, of ``q_gg`` = ``own`` ``[R, G]`` and b_g = ``pull`` ``[G, R, P]``."""
    xp = library(own, pull)

    def add(carry: tuple[jax.Array, jax.Array], b: jax.Array) -> tuple[tuple[jax.Array, jax.Array], None]:
        """The sums with those of one more group."""
        before, pairs = carry
        pairs = pairs + (b[:, :, None] * before * b[:, None, :]).sum((1, 2))
        return (before + b[:, :, None] * b[:, None, :], pairs), None

    _, r, p = pull.shape
    (_, pairs), _ = scan(add, (xp.zeros((r, p, p)), xp.zeros(r)), pull)
    expected = over_groups(own)
    return expected**2 / (over_groups(own**2) + 2 * pairs), expected
