"""Analysis strategies. To add one: a file, and a line in ``CATALOGUE``."""

from jaxsim.bayesian.prior import Prior
from jaxsim.bayesian.priors import Decov, Priors
from jaxsim.calls import spoken_class
from jaxsim.data.context import Context
from jaxsim.data.fit import Fit
from jaxsim.estimators.aggregated import Aggregated
from jaxsim.estimators.autoregressive_mixed import AutoregressiveMixed
from jaxsim.estimators.between_within import BetweenWithin
from jaxsim.estimators.cluster_robust import ClusterRobust
from jaxsim.estimators.estimator import Estimator
from jaxsim.estimators.external import External
from jaxsim.estimators.f1_f2 import F1F2
from jaxsim.estimators.frame_strategy import FrameStrategy
from jaxsim.estimators.function_estimator import FunctionEstimator
from jaxsim.estimators.gee import GEE
from jaxsim.estimators.heteroscedastic_mixed import HeteroscedasticMixed
from jaxsim.estimators.hierarchical_bayes import HierarchicalBayes
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.estimators.lme4 import Lme4
from jaxsim.estimators.min_f import MinF
from jaxsim.estimators.multiway_cluster import MultiwayCluster
from jaxsim.estimators.ols import PooledOLS
from jaxsim.estimators.r_strategy import RStrategy
from jaxsim.estimators.robust_bayes import RobustBayes
from jaxsim.estimators.selected_mixed import SelectedMixed
from jaxsim.estimators.strategy import Strategy
from jaxsim.estimators.two_stage import TwoStage
from jaxsim.estimators.within_regression import WithinRegression

# The name of a context in versions before 0.4.
Resampling = Context

CATALOGUE: dict[str, type] = {
    "PooledOLS": PooledOLS,
    "ClusterRobust": ClusterRobust,
    "MultiwayCluster": MultiwayCluster,
    "TwoStage": TwoStage,
    "Aggregated": Aggregated,
    "MinF": MinF,
    "F1F2": F1F2,
    "WithinRegression": WithinRegression,
    "GEE": GEE,
    "LinearMixed": LinearMixed,
    "SelectedMixed": SelectedMixed,
    "BetweenWithin": BetweenWithin,
    "AutoregressiveMixed": AutoregressiveMixed,
    "HeteroscedasticMixed": HeteroscedasticMixed,
    "HierarchicalBayes": HierarchicalBayes,
    "RobustBayes": RobustBayes,
    "Lme4": Lme4,
    "FunctionEstimator": FunctionEstimator,
    "FrameStrategy": FrameStrategy,
    "RStrategy": RStrategy,
}

for _kind in CATALOGUE.values():
    spoken_class(_kind)

__all__ = [
    "CATALOGUE", "F1F2", "GEE", "Aggregated", "AutoregressiveMixed", "BetweenWithin", "ClusterRobust", "Context", "Decov",
    "Estimator", "External", "Fit", "FrameStrategy", "FunctionEstimator", "HeteroscedasticMixed", "HierarchicalBayes",
    "LinearMixed", "Lme4", "MinF", "MultiwayCluster", "PooledOLS", "Prior", "Priors", "RStrategy", "Resampling", "RobustBayes",
    "SelectedMixed", "Strategy", "TwoStage", "WithinRegression",
]  # fmt: skip
