"""Make jaxsim/processes/chi_table.json: polynomials that map a standard normal number to one with a chi distribution.

``chi_df = sqrt(df) + sum_j c_j T_j(z / width)`` has the quantile of the chi distribution at the normal probability of ``z``. The
coefficients are least-squares fits at Chebyshev nodes, weighted with the root of the normal density: an error counts where numbers
fall. For few degrees of freedom each has its own row; for ``first_smooth`` and more they are polynomials in
``sqrt(first_smooth / df)``, because the quantile is smooth in it down to 0 (infinitely many), where the first of the terms of
Cornish and Fisher, ``z / sqrt(2)``, is left. Run from the repository's root: ``python scripts/chi_table.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.polynomial import chebyshev
from scipy import special, stats

TABLE = Path(__file__).parent.parent / "jaxsim" / "processes" / "chi_table.json"
# Normal numbers made from 53 random bits lie within 8.58 of zero.
WIDTH = 8.6
# Rows of their own for 3 .. 7 degrees of freedom, of degree 32; for more, degree 22 in z and 8 in the root. What
# error is left, at most 1e-9 of probability, is checked in tests/test_chi.py.
FEW, FEW_DEGREE = range(3, 8), 32
FIRST_SMOOTH, DEGREE, ROOT_DEGREE = 8, 22, 8
# Below this density of normal numbers (7.4 SDs) all are weighted alike.
LEAST_DENSITY = 1e-12
# Beyond so many degrees of freedom the quantile less its mean has too few digits to fit to.
MOST_FITTED = 3e4


def excess(z: np.ndarray, df: float) -> np.ndarray:
    """Quantile of the chi distribution at the probability of ``z``, less ``sqrt(df)``."""
    low, high = special.gammaincinv(df / 2, special.ndtr(z)), special.gammainccinv(df / 2, special.ndtr(-z))
    return np.sqrt(2 * np.where(z < 0, low, high)) - np.sqrt(df)


def fitted(df: float, degree: int) -> np.ndarray:
    """Chebyshev coefficients, ``[degree + 1]``."""
    x = np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    weight = np.sqrt(stats.norm.pdf(WIDTH * x) + LEAST_DENSITY) * (1 - x**2) ** -0.25
    design = chebyshev.chebvander(x, degree)
    return np.linalg.lstsq(design * weight[:, None], excess(WIDTH * x, df) * weight, rcond=None)[0]


def smooth() -> np.ndarray:
    """Coefficients of ``sqrt(first_smooth / df) ** k``, ``[ROOT_DEGREE + 1, DEGREE + 1]``."""
    nodes = (1 + np.cos(np.pi * (np.arange(60) + 0.5) / 60)) / 2
    nodes = nodes[FIRST_SMOOTH / nodes**2 < MOST_FITTED]
    limit = np.eye(DEGREE + 1)[1] * WIDTH / np.sqrt(2)
    values = np.array([fitted(FIRST_SMOOTH / u**2, DEGREE) for u in nodes] + [limit] * 3)
    at = np.concatenate([nodes, np.zeros(3)])
    weight = np.maximum(4 * at * (1 - at), 0.02) ** -0.5
    design = np.vander(at, ROOT_DEGREE + 1, increasing=True)
    return np.linalg.lstsq(design * weight[:, None], values * weight[:, None], rcond=None)[0]


if __name__ == "__main__":
    table = {"width": WIDTH, "first_few": FEW[0], "few": [fitted(df, FEW_DEGREE).tolist() for df in FEW]}
    TABLE.write_text(json.dumps({**table, "first_smooth": FIRST_SMOOTH, "smooth": smooth().tolist()}, indent=0) + "\n")
