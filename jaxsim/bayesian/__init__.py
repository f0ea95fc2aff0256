"""The Bayesian hierarchical model: readable in :mod:`model`, and an engine that fits many datasets at once."""
