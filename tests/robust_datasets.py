"""Datasets whose posteriors under Student-t residuals are stored (tests/reference/robust_bayes.json)."""

import numpy as np
from oracle import Rows, make_rows

# Name -> seed, sizes of the groups, degrees of freedom of the residuals, random effects, priors.
STORED = {
    "intercepts": (61, [6, 7, 5, 8, 6, 7, 6, 5], 3.0, ("Intercept",), "weak"),
    "slopes": (62, [6, 7, 5, 8, 6, 7, 6, 5], 30.0, ("Intercept", "IV1"), "informative"),
}


def heavy_rows(seed: int, sizes: list[int], df: float, **options: float) -> Rows:
    """Rows of ``make_rows`` with one predictor, to whose residuals numbers from t are added."""
    rows = make_rows(seed, sizes, n_fixed=2, **options)
    return rows.but(y=rows.y + np.random.default_rng(seed).standard_t(df, len(rows.y)))


def stored_rows(name: str) -> Rows:
    """A dataset by its name."""
    seed, sizes, df, *_ = STORED[name]
    return heavy_rows(seed, sizes, df, group_sd=0.8)
