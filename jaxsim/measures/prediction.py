"""How well responses are predicted that were not seen: of the groups of a dataset (``known``), and of ``new`` ones.

What a fit's errors are expected to be is kept as means of squares and a variance, so that Monte Carlo errors are those of means:
the RMSE is the root of the mean of the squared errors over datasets, R^2 is ``1 - mean(mse) / mean(variance)``.
"""

from __future__ import annotations

from jaxsim.measures.accuracy import RootMSE
from jaxsim.measures.addition import Addition
from jaxsim.measures.differences import RootMSEDifference
from jaxsim.measures.explained import Explained, ExplainedDifference
from jaxsim.measures.measure import Mean, Measure

POPULATIONS: tuple[str, ...] = ("known", "new")
KINDS: tuple[str, ...] = ("mse", "mean_mse", "variance", "covered", "log_density")
FITTED, OPTIMISM = "prediction_mse_fitted", "prediction_optimism"


def column(kind: str, where: str) -> str:
    """What a kind of number about a population is called in the estimates table."""
    return f"prediction_{kind}_{where}"


PREDICTION_NUMBERS = (*(column(kind, where) for where in POPULATIONS for kind in KINDS), FITTED)


def _measures(where: str) -> dict[str, Measure]:
    """Of one population, in the order they are shown."""
    return {
        f"prediction_rmse_{where}": RootMSE(column("mse", where)),
        f"prediction_mean_rmse_{where}": RootMSE(column("mean_mse", where)),
        f"prediction_r2_{where}": Explained(column("mse", where), column("variance", where)),
        f"prediction_coverage_{where}": Mean(column("covered", where)),
        f"prediction_log_density_{where}": Mean(column("log_density", where)),
    }


def _differences(where: str) -> dict[str, Measure]:
    """The same between two strategies on the same datasets."""
    return {
        f"prediction_rmse_{where}": RootMSEDifference(column("mse", where)),
        f"prediction_mean_rmse_{where}": RootMSEDifference(column("mean_mse", where)),
        f"prediction_r2_{where}": ExplainedDifference(column("mse", where), column("variance", where)),
        f"prediction_coverage_{where}": Mean(f"d_{column('covered', where)}"),
        f"prediction_log_density_{where}": Mean(f"d_{column('log_density', where)}"),
    }


PREDICTION: dict[str, Measure] = {**_measures("known"), **_measures("new"), OPTIMISM: Mean(OPTIMISM)}
PREDICTION_ADDITION = Addition(
    columns=PREDICTION_NUMBERS,
    statistics={OPTIMISM: lambda rows: rows[column("mse", "known")] - rows[FITTED]},
    measures=PREDICTION,
    differences={**_differences("known"), **_differences("new"), OPTIMISM: Mean(f"d_{OPTIMISM}")},
)
