"""How well a posterior predicts rows that it has not seen: log-likelihoods of single rows, and WAIC from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

# Vehtari, Gelman & Gabry (2017), section 2.2: with a row whose penalty is larger, WAIC is not to be trusted.
LARGEST_PENALTY = 0.4


@dataclass(frozen=True, eq=False)
class Waic:
    """The widely applicable information criterion, on the scale of ArviZ's ``loo``: larger is better.

    Attributes:
        elpd: expected log pointwise predictive density of new rows of the same groups.
        se: its standard error over rows.
        p: effective number of parameters.
        elpd_i: contributions of the rows, with their labels in the data.
        warning: whether a row's penalty is so large that ``loo`` is to be preferred.
    """

    elpd: float
    se: float
    p: float
    elpd_i: pd.Series
    warning: bool

    def __str__(self) -> str:
        note = f"\nSome rows have a penalty above {LARGEST_PENALTY}: use loo." if self.warning else ""
        return f"elpd_waic {self.elpd:.2f} (SE {self.se:.2f}), p_waic {self.p:.2f}{note}"


def normal_log_density(y: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Of each row in each draw: ``y`` ``[N]``, ``mean`` and ``deviation`` ``[.., N]``."""
    return -0.5 * ((y - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)


def waic(log_likelihood: np.ndarray, index: pd.Index) -> Waic:
    """Watanabe (2010), *JMLR* 11, 3571-3594, as in Vehtari, Gelman & Gabry (2017), *Statistics and Computing* 27, equation 12.

    Args:
        log_likelihood: of each row in each draw, ``[draws, N]``.
        index: labels of the rows.
    """
    largest = log_likelihood.max(0)
    density = largest + np.log(np.exp(log_likelihood - largest).mean(0))
    penalty = log_likelihood.var(0, ddof=1)
    own = density - penalty
    warning = bool((penalty > LARGEST_PENALTY).any())
    se = float(np.sqrt(len(own) * own.var(ddof=1)))
    return Waic(float(own.sum()), se, float(penalty.sum()), pd.Series(own, index=index, name="elpd"), warning)
