"""The engine of linear mixed models with several grouping factors, crossed or nested, by REML or ML, on cross-products of cells."""
