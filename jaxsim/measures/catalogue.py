"""Every measure of a summary, in the order it is shown, and the statistics that they are made of."""

from __future__ import annotations

from dataclasses import replace

from jaxsim.measures import accuracy, inference, precision, shrinkage
from jaxsim.measures.measure import Measure, Recipe

CATALOGUE: dict[str, Measure] = {
    "bias": accuracy.BIAS,
    "relative_bias": accuracy.RelativeBias(),
    "empirical_se": accuracy.EmpiricalSE(),
    "mse": accuracy.MSE,
    "rmse": accuracy.RootMSE(),
    "median_absolute_error": accuracy.MedianAbsoluteError(),
    "model_se": precision.ModelSE(),
    "model_se_error": precision.ModelSEError(),
    "mean_width": precision.MEAN_WIDTH,
    "coverage": inference.COVERAGE,
    "bias_eliminated_coverage": inference.BIAS_ELIMINATED_COVERAGE,
    "rejection": inference.REJECTION,
}

# Of the coefficients of groups: only in studies with ``group_coefficients=True``, and of strategies that have them.
GROUPS: dict[str, Measure] = {
    "group_rmse": accuracy.RootMSE("group_squared_error"),
    "group_shrinkage": shrinkage.GroupShrinkage(),
}

RECIPE = Recipe(
    measures=CATALOGUE,
    means=("error", "truth", "squared_error", "variance", "width", "covers", "rejects", "null"),
    products=(
        ("error", "error"),
        ("error", "truth"),
        ("truth", "truth"),
        ("squared_error", "squared_error"),
        ("variance", "variance"),
        ("width", "width"),
    ),
    around={"covers_shifted": inference.covers_shifted},
    middle="absolute_error",
    late=frozenset({"median_absolute_error", "bias_eliminated_coverage"}),
)

GROUP_RECIPE = replace(
    RECIPE,
    measures=CATALOGUE | GROUPS,
    means=(*RECIPE.means, "group_squared_error", shrinkage.ESTIMATED, shrinkage.TRUE),
    products=(*RECIPE.products, ("group_squared_error", "group_squared_error"), *shrinkage.PRODUCTS),
)
