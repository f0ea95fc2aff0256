"""The engine of mixed models whose residuals have a covariance structure of their own, by REML or ML, on rows in order."""
