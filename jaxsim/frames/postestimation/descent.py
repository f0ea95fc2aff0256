"""Newton's method for a smooth function of a few variables whose second derivatives are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]

# A step that promises less is the last: quadratic convergence leaves an error far below the 1e-8 that is asked for.
PROMISE = 1e-10
# Curvature below this fraction of the largest is rounding: such a direction is damped, and a negative one is no saddle.
FLOOR = 1e-8
# A gain below this fraction of the value is rounding, which badly conditioned variables otherwise follow for long.
NOISE = 1e-13
LONGEST, MOST, HALVINGS = 2.0, 100, 40


def minimise(function: Function, start: np.ndarray) -> tuple[float, np.ndarray]:
    """The least value near ``start`` and where it is.

    Steps use the absolute values of the Hessian's eigenvalues, so that a saddle repels, and are halved until the value falls. A
    stationary point with negative curvature is left along it.

    Args:
        function: value, gradient ``[n]`` and Hessian ``[n, n]`` at a point ``[n]``.
        start: ``[n]``; may be of no variables.
    """
    point = start
    value, gradient, hessian = function(point)
    if not len(point):
        return value, point
    for _ in range(MOST):
        curvature, axes = np.linalg.eigh(hessian)
        largest = max(float(np.abs(curvature).max()), 1e-8)
        step = -axes @ (axes.T @ gradient / np.maximum(np.abs(curvature), FLOOR * largest))
        closing = -gradient @ step < PROMISE
        if closing and curvature[0] < -10 * FLOOR * largest:
            step, closing = 0.1 * axes[:, 0], False
        step *= min(1.0, LONGEST / max(float(np.linalg.norm(step)), 1e-300))
        for _ in range(HALVINGS):
            trial = function(point + step)
            if trial[0] <= value and np.isfinite(trial[2]).all():
                break
            step = step / 2
        else:
            return value, point
        gain = value - trial[0]
        point, (value, gradient, hessian) = point + step, trial
        if closing or gain < NOISE * abs(value):
            break
    return value, point
