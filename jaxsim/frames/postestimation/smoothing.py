"""A smooth line through a cloud of points."""

from __future__ import annotations

import numpy as np

# The share of the points that each value of the line is fitted to, and how many values it has.
SPAN, VALUES = 2 / 3, 80


def local_line(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Local linear regression with tricube weights of the nearest two thirds of the points (Cleveland 1979), not made robust.

    Args:
        x, y: of the points, ``[N]`` each.

    Returns:
        Values between the least and the largest ``x``, and the line there.
    """
    at = np.linspace(x.min(), x.max(), VALUES)
    nearest = max(2, int(np.ceil(SPAN * len(x))))
    distance = np.abs(at[:, None] - x)
    reach = np.partition(distance, nearest - 1, axis=1)[:, [nearest - 1]]
    weight = np.clip(1 - (distance / np.maximum(reach, 1e-300)) ** 3, 0, 1) ** 3
    weight = np.where(weight.sum(1, keepdims=True) > 0, weight, distance <= reach)
    total = weight.sum(1)
    centre, level = weight @ x / total, weight @ y / total
    moved = x - centre[:, None]
    spread = (weight * moved**2).sum(1)
    slope = (weight * moved) @ y / np.where(spread > 0, spread, 1.0)
    return at, level + np.where(spread > 1e-12 * total * np.ptp(x) ** 2, slope, 0.0) * (at - centre)
