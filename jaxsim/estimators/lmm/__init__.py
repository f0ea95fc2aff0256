"""Linear mixed models with one grouping factor, by REML or ML, on cross-products."""

from jaxsim.estimators.lmm.estimator import LinearMixed

__all__ = ["LinearMixed"]
