"""Kenward and Roger (1997) with N x N matrices, term by term as in the paper; it shares nothing with jaxsim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


@dataclass(frozen=True)
class Model:
    """``y ~ N(X beta, sigma^2 (I + Z T Z'))`` in a group; ``x`` ``[N, P]``, ``z`` ``[N, Q]``; ``blocks`` of correlated effects."""

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray
    group: np.ndarray
    blocks: Any

    def within(self, t: np.ndarray) -> np.ndarray:
        """``Z T Z'`` where two rows share a group, ``[N, N]``."""
        return np.where(self.group[:, None] == self.group, self.z @ t @ self.z.T, 0.0)

    def unit_matrices(self) -> list[np.ndarray]:
        """A symmetric matrix of zeros and ones for each free entry of the covariance of the random effects."""
        made = []
        for block in self.blocks:
            for a, i in enumerate(block):
                for j in block[a:]:
                    unit = np.zeros((self.z.shape[1],) * 2)
                    unit[i, j] = unit[j, i] = 1.0
                    made.append(unit)
        return made

    def derivatives(self) -> list[np.ndarray]:
        """``V_i``: one for each of the unit matrices, and one for the residual variance."""
        return [*(self.within(unit) for unit in self.unit_matrices()), np.eye(len(self.y))]


class Answer(NamedTuple):
    """``vcov`` adjusted ``[P, P]``; ``df`` and ``scale`` (lambda) of each contrast ``[K]``; ``definite``: of the information."""

    vcov: np.ndarray
    df: np.ndarray
    scale: np.ndarray
    definite: bool


def kenward_roger(model: Model, t: np.ndarray, observed: bool, contrasts: np.ndarray | None = None) -> Answer:
    """At the relative covariance ``T`` and the residual variance that REML gives for it.

    X is replaced by the orthonormal factor of its QR decomposition: the same model, and no digits lost to the units of X.
    """
    (n, p), (x, r) = model.x.shape, np.linalg.qr(model.x)
    back = np.linalg.inv(r)
    rows = (np.eye(p) if contrasts is None else contrasts) @ back
    variance = np.eye(n) + model.within(t)
    variance = variance * (model.y @ projection(variance, x) @ model.y) / (n - p)
    inverse = np.linalg.inv(variance)
    phi = np.linalg.inv(x.T @ inverse @ x)
    v = model.derivatives()
    half = [x.T @ inverse @ d @ inverse for d in v]
    p_matrices = [-h @ x for h in half]
    q_matrices = [[a @ d @ inverse @ x for d in v] for a in half]

    def information(i: int, j: int) -> float:
        own = np.trace(inverse @ v[i] @ inverse @ v[j]) - 2 * np.trace(phi @ q_matrices[i][j])
        return own + np.trace(phi @ p_matrices[i] @ phi @ p_matrices[j])

    pairs = [(i, j) for i in range(len(v)) for j in range(len(v))]
    units = np.sqrt([np.trace(inverse @ d @ inverse @ d) for d in v])
    units = np.outer(units, units)
    w_inverse = np.array([information(i, j) / 2 for i, j in pairs]).reshape(len(v), len(v))
    if observed:
        p_matrix = projection(variance, x)
        errors = np.stack([d @ p_matrix @ model.y for d in v])
        w_inverse = errors @ p_matrix @ errors.T - w_inverse
    w = np.linalg.pinv(w_inverse / units, rcond=1e-11, hermitian=True) / units
    inner = sum(w[i, j] * (q_matrices[i][j] - p_matrices[i] @ phi @ p_matrices[j]) for i, j in pairs)
    tests = [one_contrast(row, phi, p_matrices, w) for row in rows]
    return Answer(
        vcov=back @ (phi + 2 * phi @ inner @ phi) @ back.T,
        df=np.array([df for df, _ in tests]),
        scale=np.array([scale for _, scale in tests]),
        definite=np.linalg.eigvalsh(w_inverse / units)[0] > 0,
    )


def reml(model: Model, t: np.ndarray) -> np.ndarray:
    """The relative covariance that maximises the restricted likelihood, by Fisher scoring from ``T``; no bounds are kept."""
    free = model.derivatives()
    units = [np.argwhere(unit) for unit in model.unit_matrices()]
    gamma = np.array([*(t[tuple(at[0])] for at in units), 1.0])
    for _ in range(40):
        p_matrix = projection(sum(g * d for g, d in zip(gamma, free, strict=True)), model.x)
        along = [p_matrix @ d for d in free]
        information = np.array([[np.trace(a @ b) for b in along] for a in along])
        score = np.array([model.y @ a @ p_matrix @ model.y - np.trace(a) for a in along])
        gamma = gamma + np.linalg.solve(information, score)
    return sum(g * unit for g, unit in zip(gamma, model.unit_matrices(), strict=False)) / gamma[-1]


def projection(v: np.ndarray, x: np.ndarray) -> np.ndarray:
    """``P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1``."""
    inverse = np.linalg.inv(v)
    return inverse - inverse @ x @ np.linalg.solve(x.T @ inverse @ x, x.T @ inverse)


def one_contrast(row: np.ndarray, phi: np.ndarray, p_matrices: list[np.ndarray], w: np.ndarray) -> tuple[float, float]:
    """Denominator degrees of freedom and scale of the F statistic, by the paper's formulas for any number of contrasts."""
    size = 1
    theta = np.outer(row, row) / (row @ phi @ row)
    u = [theta @ phi @ p @ phi for p in p_matrices]
    a1 = sum(w[i, j] * np.trace(u[i]) * np.trace(u[j]) for i in range(len(u)) for j in range(len(u)))
    a2 = sum(w[i, j] * np.trace(u[i] @ u[j]) for i in range(len(u)) for j in range(len(u)))
    b = (a1 + 6 * a2) / (2 * size)
    g = ((size + 1) * a1 - (size + 4) * a2) / ((size + 2) * a2)
    below = 3 * size + 2 * (1 - g)
    c1, c2, c3 = g / below, (size - g) / below, (size + 2 - g) / below
    mean = 1 / (1 - a2 / size)
    variance = 2 / size * (1 + c1 * b) / ((1 - c2 * b) ** 2 * (1 - c3 * b))
    rho = variance / (2 * mean**2)
    m = 4 + (size + 2) / (size * rho - 1)
    return m, m / (mean * (m - 2))
