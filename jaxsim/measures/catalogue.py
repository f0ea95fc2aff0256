"""Every built-in measure of a summary, in the order it is shown."""

from __future__ import annotations

from collections.abc import Mapping

from jaxsim.measures import accuracy, inference, precision, shrinkage
from jaxsim.measures.measure import Measure
from jaxsim.measures.prediction import PREDICTION

CATALOGUE: dict[str, Measure] = {
    "bias": accuracy.BIAS,
    "relative_bias": accuracy.RELATIVE_BIAS,
    "empirical_se": accuracy.EmpiricalSE(),
    "mse": accuracy.MSE,
    "rmse": accuracy.RootMSE(),
    "median_absolute_error": accuracy.MedianAbsoluteError(),
    "model_se": precision.ModelSE(),
    "model_se_error": precision.ModelSEError(),
    "mean_width": precision.MEAN_WIDTH,
    "interval_score": inference.INTERVAL_SCORE,
    "coverage": inference.COVERAGE,
    "bias_eliminated_coverage": inference.BIAS_ELIMINATED_COVERAGE,
    "rejection": inference.REJECTION,
    "type_s": inference.TYPE_S,
    "exaggeration": inference.EXAGGERATION,
}

# Of the coefficients of groups: only in studies with ``group_coefficients=True``, and of strategies that have them.
GROUPS: dict[str, Measure] = {
    "group_rmse": accuracy.RootMSE("group_mse"),
    "group_shrinkage": shrinkage.GroupShrinkage(),
}

# Those of scores of ours, with what a study without the score lacks.
OF_SCORES: Mapping[str, str] = {
    **dict.fromkeys(GROUPS, "coefficients of groups, which these results lack; run a Study(group_coefficients=True)"),
    **dict.fromkeys(PREDICTION, "predictions, which these results lack; run a Study(scores=(Prediction(),))"),
}

# Names for the rejection of coefficients whose truth is not zero, or is.
REJECTIONS: Mapping[str, str] = {"power": "nonzero", "type_one_error": "zero"}

# Those that need estimates and truths alone.
OF_ESTIMATES = ("bias", "relative_bias", "empirical_se", "mse", "rmse", "median_absolute_error")

# Few tables show these: what only they need is computed where they are asked for.
RARE = ("interval_score", "type_s", "exaggeration")
