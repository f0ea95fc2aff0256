"""Fit a pandas DataFrame with lme4's formula language: a mixed model, or regressions that take the groups into account or not."""
