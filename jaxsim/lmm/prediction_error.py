"""How far predictions of a mixed model may lie from what they predict: the formulas, for arrays of NumPy and of JAX.

Henderson's mixed-model equations (Henderson 1975, *Biometrics* 31, 423-447) give the joint covariance of ``beta^ - beta`` and
``b^ - b``. Of a row ``(x, z)`` of group g, with the names of :mod:`jaxsim.lmm.deviance`, ``B_g = Z'X`` and
``K_g = T (I + A_g T)^-1`` (lme4's ``condVar`` over ``sigma^2``), the error is::

    x'(beta^ - beta) + z'(b^ - b) = a'(beta^ - beta) + z'(b~ - b),  a = x - B_g' K_g z

where ``b~`` is the prediction with known fixed effects: its error has covariance ``sigma^2 K_g`` and is independent of the
responses, hence of ``beta^``. So the variance is ``a' Var(beta^) a + sigma^2 z'K_g z``; of a group without rows ``K_g`` is ``T``.
Variances are taken as known, as lme4's ``predict(se.fit = TRUE)`` does; that they are estimated is allowed for by Satterthwaite's
degrees of freedom ``2 v^2 / Var(v)`` of the variance ``v`` (as SAS's MIXED has for predictions).
"""

from __future__ import annotations

from typing import Any

from jaxsim.lmm.solution import HESSIAN_RIDGE
from jaxsim.numerics import small
from jaxsim.numerics.arrays import library


def through_fixed(x: Any, pull: Any, zx: Any) -> Any:
    """``a = x - B_g' K_g z`` of each row, ``[N, P]``; ``pull`` is ``K_g z`` ``[N, Q]``, ``zx`` its ``B_g`` ``[N, Q, P]``."""
    return x - (pull[:, :, None] * zx).sum(1)


def variance(a: Any, vcov: Any, rest: Any) -> Any:
    """``a' Var(beta^) a + rest`` of each row, ``[N]``; ``rest`` is the variance given the fixed effects."""
    return ((a @ vcov) * a).sum(1) + rest


def slope(own: Any, through: Any) -> Any:
    """Derivative in ``T`` of a row's variance over that of the residual, ``[N, Q, Q]``, but for what moves ``Var(beta^)``.

    Args:
        own: ``(I + A_g T)^-1 z``, ``[N, Q]``.
        through: ``(I + A_g T)^-1 B_g C a`` with ``C`` the covariance of the fixed effects over that of the residual, ``[N, Q]``.
    """
    crossed = through[:, :, None] * own[:, None, :]
    return own[:, :, None] * own[:, None, :] - crossed - crossed.swapaxes(1, 2)


def degrees(variances: Any, slopes: Any, hessian: Any) -> Any:
    """Satterthwaite's ``2 v^2 / g'W g`` of variances ``v``, ``[N]``.

    Args:
        variances: ``[N]``.
        slopes: their derivatives ``g`` in the parameters, ``[K, N]``.
        hessian: of the deviance in these, ``[K, K]``; ``W`` is twice its inverse.
    """
    xp = library(slopes, hessian)
    scale = xp.sqrt(xp.maximum(xp.diagonal(hessian), 1e-300))
    factor, _ = small.cholesky(hessian / xp.outer(scale, scale) + HESSIAN_RIDGE * xp.eye(len(scale)))
    white = small.inverse_lower(factor) @ (slopes / scale[:, None])
    return variances**2 / (white**2).sum(0)
