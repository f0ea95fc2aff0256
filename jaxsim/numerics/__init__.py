"""Numerical parts that know nothing of statistics; importing this package loads no JAX (the processes with R in them use it)."""
