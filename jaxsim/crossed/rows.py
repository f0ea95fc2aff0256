"""One dataset of rows as the problem that :func:`jaxsim.crossed.problem.pose` makes of cells.

Cross-products of every row by itself are as many squares of its columns as there are rows; here only the sums over rows are made,
of NumPy's arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsim.crossed.model import Model
from jaxsim.crossed.problem import Problem


def pose(x: np.ndarray, z: np.ndarray, y: np.ndarray, codes: Sequence[np.ndarray], model: Model, far: float = 1.0) -> Problem:
    """The problem of ``y`` ``[N]``, which must be orthogonal to the columns of ``x``.

    Args:
        x: columns with fixed effects, orthonormal, ``[N, P]``.
        z: columns with random effects in the order of the model, ``[N, Q]``, not all zero.
        y: the response.
        codes: level of each row in each factor of the model, ``[N]`` each.
        model: its ``counts`` are those of the levels that have rows.
        far: how many times larger than the residuals random effects are taken to be: in its units their deviations are near one.
    """
    n_rows, p = x.shape
    scale = np.sqrt(np.square(np.column_stack([x, z])).mean(0))
    scale[p:] /= far
    response_scale = np.sqrt(np.square(y).mean())
    outer = np.column_stack([x / scale[:p], y / response_scale])
    parts = [z[:, begin:end] / scale[p + begin : p + end] for begin, end in zip(model.ends, model.ends[1:], strict=False)]
    rest = range(1, len(parts))
    beside = [_pair(parts, codes, model, 0, g).reshape(parts[0].shape[1], model.counts[0], -1) for g in rest]
    edge = _sums(parts[0][:, :, None] * outer[:, None, :], codes[0], model.counts[0])
    blocks = [np.concatenate([_pair(parts, codes, model, f, g) for g in rest], axis=1) for f in rest]
    edges = [_edge(parts[f], outer, codes[f], model.counts[f]) for f in rest]
    sides = np.concatenate([np.zeros((0, p + 1)), *edges])
    inner = np.concatenate([np.zeros((0, model.dense)), *blocks])
    arrays: Any = dict(
        own=_sums(parts[0][:, :, None] * parts[0][:, None, :], codes[0], model.counts[0]),
        beside=np.concatenate([*beside, np.swapaxes(edge, 1, 2)], axis=2),
        rest=np.block([[inner, sides], [sides.T, outer.T @ outer]]),
        n_rows=np.float64(n_rows),
        levels=np.array(model.counts, float),
        free=(),
        column_scale=scale,
        response_scale=response_scale,
        shift=np.zeros(p),
        full_rank=np.True_,
        exact=np.False_,
    )
    return Problem(**arrays)


def _sums(values: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Sums of ``values`` ``[N, ..]`` by code, ``[.., count]``."""
    flat = values.reshape(len(values), -1)
    sums = [np.bincount(codes, column, count) for column in flat.T]
    return np.stack(sums).reshape(*values.shape[1:], count)


def _pair(parts: Sequence[np.ndarray], codes: Sequence[np.ndarray], model: Model, f: int, g: int) -> np.ndarray:
    """Cross-products of the effects of two factors, ``[q_f G_f, q_g G_g]``."""
    left, right, count, other = parts[f], parts[g], model.counts[f], model.counts[g]
    both = codes[f].astype(np.int64) * other + codes[g]
    rows = [
        np.concatenate([np.bincount(both, a * b, count * other).reshape(count, other) for b in right.T], axis=1) for a in left.T
    ]
    return np.concatenate(rows)


def _edge(own: np.ndarray, outer: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """Cross-products of a factor's effects with the fixed effects and the response, ``[q G, P + 1]``."""
    sums = [[np.bincount(codes, a * b, count) for b in outer.T] for a in own.T]
    return np.moveaxis(np.array(sums), 1, 2).reshape(-1, outer.shape[1])
