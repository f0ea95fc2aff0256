"""What a model says of single rows: weights and offset."""

from __future__ import annotations

import numpy as np

from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.regression import Regression


def weights_of(model: MixedModel | Regression) -> np.ndarray:
    """Of the rows ``[N]``: their residual variances are ``sigma^2 / weights``."""
    return np.ones(len(model.y)) if model.weights is None else model.weights


def offset_of(model: MixedModel | Regression) -> np.ndarray:
    """What is added to the linear predictor of each row, ``[N]``."""
    return np.zeros(len(model.y)) if model.offset is None else model.offset
