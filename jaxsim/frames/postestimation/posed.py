"""A fitted mixed model on orthonormal columns, in units in which nothing is far from 1.

Cross-products of a column far from zero keep few digits of its variation (a year of 2020 with a standard deviation of 3 loses six),
so nothing that follows from a fit is computed on the columns themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxsim.errors import InputError
from jaxsim.frames.fitted import Fitted
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.original_columns import triangular
from jaxsim.frames.postestimation.fit_components import is_reml
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of
from jaxsim.frames.postestimation.simulation import factor_of
from jaxsim.frames.postestimation.surface import Surface, surface
from jaxsim.numerics.row_basis import orthonormal

# How far the residual variance may be from what the fit says: rounding leaves 1e-16 of the squared ratio of standard deviations.
DIGITS = 1e-4


@dataclass(frozen=True, eq=False)
class Posed:
    """Rows of a fit times the root of their weights.

    Attributes:
        model: that was fitted.
        x: ``[N, P]``.
        z: ``[N, Q]``, of each block orthonormal columns times a number.
        y: less the offset, over the residual standard deviation, ``[N]``.
        back: from the effects of ``z`` to those of the model's columns, ``[Q, Q]``.
        factor: of the covariance of the effects of ``z`` over that of the residual, lower triangular within blocks, ``[Q, Q]``.
        unit: the residual standard deviation.
    """

    model: MixedModel
    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    back: np.ndarray
    factor: np.ndarray
    unit: float

    def surface(self, reml: bool, x: np.ndarray | None = None, y: np.ndarray | None = None) -> Surface:
        """The deviance; with other columns or another response where they are given."""
        x, y = self.x if x is None else x, self.y if y is None else y
        return surface(x, self.z, y, self.model.codes, self.model.structure, reml)

    @cached_property
    def relative(self) -> np.ndarray:
        """The relative covariance ``T`` of the effects of ``z``, ``[Q, Q]``."""
        return self.factor @ self.factor.T

    @cached_property
    def directions(self) -> np.ndarray:
        """``dT`` along each free entry of the factor, ``[T, Q, Q]``."""
        rows, columns = self.model.structure.entries.T
        half = np.eye(len(self.factor))[rows][:, :, None] * self.factor.T[columns][:, None, :]
        return half + np.swapaxes(half, 1, 2)


def posed(fit: Fitted) -> Posed:
    """Of a mixed model that has an answer.

    Raises:
        InputError: where the groups differ by so much more than the residuals that sums over rows do not tell the latter.
    """
    model = fit.model
    assert isinstance(model, MixedModel)
    assert fit.sigma is not None
    root, unit = np.sqrt(weights_of(model))[:, None], np.sqrt(len(model.y))
    blocks = [orthonormal(block.values * root) for block in model.blocks]
    back, ahead = np.zeros((2, model.structure.size, model.structure.size))
    for at, block in zip(model.structure.blocks, blocks, strict=True):
        back[np.ix_(at, at)], ahead[np.ix_(at, at)] = block.inverse * unit, block.r / unit
    found = Posed(
        model=model,
        x=model.x.values * root,
        z=np.column_stack([block.q * unit for block in blocks]),
        y=(model.y - offset_of(model)) * root[:, 0] / fit.sigma,
        back=back,
        factor=triangular(ahead @ factor_of(fit) / fit.sigma),
        unit=fit.sigma,
    )
    place = found.surface(is_reml(fit)).at(found.relative)
    # In these units the residual variance, which is pw / nu at the optimum, is 1.
    if not abs(place.pw / place.on.nu - 1) < DIGITS:
        raise InputError(
            f"the groups differ by so much more than the residuals (standard deviation {fit.sigma:.3g}) that 64 bits do not hold "
            "what intervals and profiles need; bootstrap or simulate instead."
        )
    return found
