"""The engine of linear mixed models with one grouping factor, by REML or ML, on cross-products."""
