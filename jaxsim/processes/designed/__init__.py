"""Processes written as experiments: a formula, and what its variables are."""
