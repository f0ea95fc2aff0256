"""Every measure of a summary, in the order it is shown."""

from __future__ import annotations

from collections.abc import Callable

from jaxsim.measures import accuracy, inference, precision
from jaxsim.measures.sample import Measured, Sample

CATALOGUE: dict[str, Callable[[Sample], Measured]] = {
    "bias": accuracy.bias,
    "relative_bias": accuracy.relative_bias,
    "empirical_se": accuracy.empirical_se,
    "mse": accuracy.mse,
    "rmse": accuracy.rmse,
    "median_absolute_error": accuracy.median_absolute_error,
    "model_se": precision.model_se,
    "model_se_error": precision.model_se_error,
    "mean_width": precision.mean_width,
    "coverage": inference.coverage,
    "bias_eliminated_coverage": inference.bias_eliminated_coverage,
    "rejection": inference.rejection,
}
