"""Analysis strategies on cross-products. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.bayesian.prior import Prior
from jaxsim.bayesian.priors import Decov, Priors
from jaxsim.estimators.base import Estimator, Fit, Resampling, Strategy
from jaxsim.estimators.bayes.estimator import HierarchicalBayes
from jaxsim.estimators.cluster_robust import ClusterRobust
from jaxsim.estimators.external import External
from jaxsim.estimators.lme4 import Lme4
from jaxsim.estimators.lmm import LinearMixed
from jaxsim.estimators.ols import PooledOLS
from jaxsim.estimators.two_stage import TwoStage

CATALOGUE: dict[str, type] = {
    "PooledOLS": PooledOLS,
    "ClusterRobust": ClusterRobust,
    "TwoStage": TwoStage,
    "LinearMixed": LinearMixed,
    "HierarchicalBayes": HierarchicalBayes,
    "Lme4": Lme4,
}

__all__ = [
    "CATALOGUE", "ClusterRobust", "Decov", "Estimator", "External", "Fit", "HierarchicalBayes", "LinearMixed", "Lme4", "PooledOLS",
    "Prior", "Priors", "Resampling", "Strategy", "TwoStage",
]  # fmt: skip
