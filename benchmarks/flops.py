"""Floating-point operations of one evaluation of the REML kernel, counted from its formulas.

An addition, a multiplication, a division, a square root and a logarithm count as one each (a bound from below: the last three
take longer). ``dense`` counts the products as the kernel writes them, ``symmetric`` only the distinct entries of symmetric
results and the nonzero ones of triangular factors (and one factorisation where the kernel makes several).
Notation of :mod:`jaxsim.lmm.deviance`: Q random effects, P fixed effects, M = P + 1 columns (all predictors have
a fixed effect), T entries of theta.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxsim.data.random_effects import Structure
from jaxsim.lmm.newton import LADDER


@dataclass(frozen=True)
class Count:
    """``piece`` of the kernel that does it, what is computed, the formula of its dense count; flops per group or per dataset."""

    piece: str
    what: str
    formula: str
    dense: float
    symmetric: float
    per_group: bool = True


def triangle(size: int) -> int:
    """Distinct entries of a symmetric matrix."""
    return size * (size + 1) // 2


def counts(structure: Structure, p: int, reml: bool = True) -> list[Count]:
    """Every piece of one Newton step, in the order of the code.

    Args:
        structure: of the random effects.
        p: fixed effects.
        reml: REML (with the terms of E_g) or ML.
    """
    return [*_profile(structure.size, p, reml), *_curvature(structure, p, reml), *_step(structure, p)]


def _profile(q: int, p: int, reml: bool) -> list[Count]:
    m = p + 1
    below = sum(k * (k + m) for k in range(q))  # entries of [A, L'K] below the pivots
    below_symmetric = sum(triangle(k) + k * m for k in range(q))
    rows = sum(k + m + 3 for k in range(q))  # each pivot: a row divided by a root, and a logarithm added up
    e_sum = q * q * p if reml else 0
    squares = 2 * q * q * m * m
    root = triangle(p) * 2 * q
    return [
        Count("profile", "L'K_z.", "(2 Q - 1) Q M", (2 * q - 1) * q * m, 2 * triangle(q) * m - q * m),
        Count("profile", "A = (L'K_z.)_z L + I", "(2 Q - 1) Q^2 + Q", (2 * q - 1) * q * q + q, q * (q + 1) * (q + 2) / 3 + q),
        Count("profile", "pivot rows and log|A|", "sum_k (k + M + 3), k < Q", rows, rows),
        Count("profile", "elimination below the pivots", "2 sum_k k (k + M), k < Q", 2 * below, 2 * below_symmetric),
        Count("profile", "D = K - R'R", "2 Q M^2", 2 * q * m * m, 2 * q * triangle(m)),
        Count("profile", "S = sum D, by products", "2 M^2", 2 * m * m, triangle(m)),
        Count("profile", "h = D_zx root", "Q P (2 P - 1)", q * p * (2 * p - 1), root),
        Count("profile", "s = D_zy - D_zx beta", "Q (2 P - 1)", q * (2 * p - 1), q * (2 * p - 1)),
        Count("profile", "sum [h s] (x) [h s]", "2 Q^2 M^2", squares, 2 * triangle(q * m)),
        Count(
            "profile", "Gamma = sum U - h h' - w s s'", "Q^2 (P + 2)", 2 * q * q + e_sum, triangle(q) * (2 + e_sum / q / q), False
        ),
        Count("profile", "factor of S_xx, root, beta, pw", "P^3 + 6 P^2", p**3 + 6 * p * p, 2 * p**3 / 3 + 4 * p * p, False),
    ]


def _curvature(structure: Structure, p: int, reml: bool) -> list[Count]:
    q, t = structure.size, len(structure.entries)
    per_n = 3 + (1 + 2 * p if reml else 0)  # w s s' - U, and 2 h h' added
    pairs = t * q**4 * 2 + t * t * q * q * 2
    rest = 2 * t * q * q * (p + 1) ** 2 + 2 * t * t * (p * p + p + 1)
    s = triangle(q)
    return [
        Count("curvature", "N = -U + 2 h h' + 2 w s s'", "Q^2 (4 + 2 P) + Q", q * q * per_n + q, s * per_n + q),
        Count("curvature", "sum U (x) N", "2 Q^4", 2 * q**4, 2 * s * s),
        Count(
            "curvature", "along the directions: U (x) N", "2 T Q^4 + 2 T^2 Q^2", pairs, 2 * t * s * s + 2 * triangle(t) * s, False
        ),
        Count(
            "curvature",
            "along the directions: M, v, c and their products",
            "2 T Q^2 M^2 + 2 T^2 (P^2 + P + 1)",
            rest,
            2 * (t * s + triangle(t)) * (triangle(p) + p + 1),
            False,
        ),
    ]


def _step(structure: Structure, p: int) -> list[Count]:
    q, t, ladder = structure.size, len(structure.entries), len(LADDER)
    steps = max(0, t - 2)
    chart = sum(len(block) * 2 * q * q for block in structure.blocks)
    chart_symmetric = sum(2 * triangle(k) for block in structure.blocks for k in range(len(block)))
    return [
        Count("chart", "pivoted factor of T", "2 Q^3", chart, chart_symmetric, False),
        Count("chart", "directions", "2 T Q^2", 2 * t * q * q, 2 * t * q, False),
        Count("propose", "tridiagonal form", "6 T^2 (T - 2)", 6 * t * t * steps, 4 * t * t * steps / 3, False),
        Count(
            "propose",
            f"{ladder} shifts of it, and back",
            f"10 * {ladder} T + 4 * {ladder + 1} T (T - 2)",
            10 * ladder * t + 4 * (ladder + 1) * t * steps,
            10 * ladder * t + 4 * (ladder + 1) * t * steps / 2,
            False,
        ),
        Count(
            "propose",
            "move, promise, new T",
            "4 T^2 + 4 Q^3",
            4 * t * t + 4 * q**3,
            2 * t * t + q**3,
            False,
        ),
    ]


def total(pieces: list[Count], groups: int, symmetric: bool = False) -> float:
    """Flops of one dataset with ``groups`` padded groups."""
    return sum((c.symmetric if symmetric else c.dense) * (groups if c.per_group else 1) for c in pieces)
