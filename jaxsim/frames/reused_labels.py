"""Whether a nested factor was taken for a crossed one because its labels are used again: class 1 to 5 in every school.

Labels alone do not tell: worker 1 to 6 at machine A, B and C look alike and are crossed. The rows do, where pairs of levels have
several: if class 1 of one school has nothing to do with that of another, rows of a pair resemble each other by more than both
factors explain, and the labels explain nothing beyond the differences between pairs. Two F tests of least squares with both
factors fixed say so: that of the pairs beyond both factors, and that of the labels against the pairs. Where both hold the model
lacks a term for the pairs in any case, so that the message is no false alarm for factors that are truly crossed.
"""

from __future__ import annotations

import itertools

import numpy as np

from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.whitening import whitened
from jaxsim.inference import f_tail

# The pairs must differ beyond doubt, the labels not even by the usual level.
PAIRS, LABELS = 1e-4, 0.05
# Products up to which the tests take no longer than the fit.
WORK = 2e8


def reused_labels(model: MixedModel) -> str:
    """What to tell a user whose model has two grouping factors with intercepts alone; nothing where there is nothing to be said."""
    found = []
    single = [f for f, factor in enumerate(model.factors) if len(factor.names) == 1 and _intercept_alone(model, f)]
    combined = {frozenset(factor.names) for factor in model.factors}
    for outer, inner in itertools.permutations(sorted(single, key=lambda f: -len(model.factors[f].labels)), 2):
        names = model.factors[outer].name, model.factors[inner].name
        if frozenset(names) not in combined and _look_nested(model, outer, inner):
            found.append((*names, model.factors[inner].labels[0]))
    if not found:
        return ""
    a, b, _ = found[0]
    cases = [
        f"if {inner} {label} of one {outer} is not that of another, write (1 | {outer}/{inner})" for outer, inner, label in found
    ]
    # Where both look so, rows do not tell which lies in which: its user does.
    alone = f"{b} by itself explains nothing" if len(found) == 1 else "neither explains anything by itself"
    return (
        f"rows of one {a} and one {b} resemble each other by more than the two explain, and {alone}: {'; '.join(cases)}; if both "
        f"are crossed, add (1 | {a}:{b})"
    )


def _intercept_alone(model: MixedModel, factor: int) -> bool:
    blocks = [block for block in model.blocks if block.factor == factor]
    return len(blocks) == 1 and blocks[0].values.shape[1] == 1 and bool(np.ptp(blocks[0].values) == 0)


def _look_nested(model: MixedModel, outer: int, inner: int) -> bool:
    """Whether the two tests say that the labels of ``inner`` mean something within levels of ``outer`` only."""
    a, b = model.factors[outer].codes, model.factors[inner].codes
    count = len(model.factors[inner].labels)
    pairs, cells = np.unique(a * count + b, return_inverse=True)
    n = len(a)
    if n < 2 * len(pairs) or n * (count + len(model.x.names)) ** 2 > WORK:
        return False
    if (np.bincount(pairs % count, minlength=count) < 2).any():  # a label of one group alone is not used again
        return False
    plain = whitened(model)
    root = np.ones(n) if model.weights is None else np.sqrt(model.weights)
    labels = np.eye(count)[b] * root[:, None]
    x, y = plain.x.values, plain.y
    alone, rank_alone = _left(x, y, a, root)
    both, rank_both = _left(np.column_stack([x, labels]), y, a, root)
    whole, rank_whole = _left(x, y, cells.reshape(-1), root)
    between, within = rank_whole - rank_both, n - rank_whole
    if rank_both == rank_alone or between <= 0 or within <= 0 or whole <= 0:
        return False
    pair_square = (both - whole) / between
    beyond = float(f_tail(pair_square / (whole / within), between, within))
    own = float(f_tail((alone - both) / (rank_both - rank_alone) / pair_square, rank_both - rank_alone, between))
    return beyond < PAIRS and own > LABELS


def _left(columns: np.ndarray, y: np.ndarray, codes: np.ndarray, root: np.ndarray) -> tuple[float, int]:
    """Sum of squares that least squares with an intercept for each group leaves, and its number of coefficients."""
    values = np.column_stack([columns, y])
    sums = np.stack([np.bincount(codes, root * column) for column in values.T], axis=1) / np.bincount(codes, root**2)[:, None]
    rest = values - root[:, None] * sums[codes]
    found, _, rank, _ = np.linalg.lstsq(rest[:, :-1], rest[:, -1], rcond=1e-9)
    left = rest[:, -1] - rest[:, :-1] @ found
    return float(left @ left), int(rank) + len(sums)
