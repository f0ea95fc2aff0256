"""A model with weights and an offset as one without: rows times the roots of their weights, the response less its offset.

With ``Var(e_i) = sigma^2 / w_i`` the rows ``sqrt(w_i) (y_i - offset_i, x_i, z_i)`` have one residual variance, and the same
coefficients, random effects and ``sigma``; densities of the two responses differ by the product of the ``sqrt(w_i)``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.regression import Regression

Model = TypeVar("Model", MixedModel, Regression)


def is_plain(model: MixedModel | Regression) -> bool:
    """Whether it has neither weights nor an offset."""
    return model.weights is None and model.offset is None


def whitened(model: Model) -> Model:
    """The same model without weights and offset."""
    if is_plain(model):
        return model
    y = model.y if model.offset is None else model.y - model.offset
    root = np.ones(len(y)) if model.weights is None else np.sqrt(model.weights)
    x = replace(model.x, values=model.x.values * root[:, None])
    if isinstance(model, Regression):
        return replace(model, y=y * root, x=x, weights=None, offset=None)
    blocks = tuple(replace(block, values=block.values * root[:, None]) for block in model.blocks)
    return replace(model, y=y * root, x=x, blocks=blocks, weights=None, offset=None)


def log_weights(model: MixedModel | Regression) -> float:
    """What the criterion of :func:`whitened` is larger by than that of the model."""
    return 0.0 if model.weights is None else float(np.log(model.weights).sum())
