"""Analysis strategies on cross-products. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.estimators.base import Estimator, Fit
from jaxsim.estimators.cluster_robust import ClusterRobust
from jaxsim.estimators.lmm import LinearMixed
from jaxsim.estimators.ols import PooledOLS
from jaxsim.estimators.two_stage import TwoStage

CATALOGUE: dict[str, type] = {
    "PooledOLS": PooledOLS,
    "ClusterRobust": ClusterRobust,
    "TwoStage": TwoStage,
    "LinearMixed": LinearMixed,
}

__all__ = ["CATALOGUE", "ClusterRobust", "Estimator", "Fit", "LinearMixed", "PooledOLS", "TwoStage"]
