"""The profiled criterion in the structure's parameters and the random effects' together, with gradient and Hessian in closed form.

Notation of :mod:`jaxsim.lmm.deviance`, with ``K_g`` and ``sum log|R_g|`` functions of ``psi``. In the coordinates
``Y = [X root, e]``, ``e = y - X beta``, in which ``X'V^-1 X`` is the identity, let
``W_a = Y'(dV^-1/da)Y = [[M_a, v_a], [v_a', c_a]]``, summed over groups, and ``l = sum log|A_g| + sum log|R_g|``. Then for any
parameters a, b (checked against automatic differentiation in the tests)::

    f_a  = l_a + tr M_a [REML] + w c_a
    f_ab = l_ab + (tr M_ab - tr M_a M_b) [REML] + w (c_ab - 2 v_a'v_b) - (w / pw) c_a c_b

With ``P = L A^-1 L'``, ``F = I - E_z P K_z.`` (so that ``dD = F'dK F``), ``Q_k = (dK/dk) F Y``, ``N = I - K_zz P``, for parameters
k, l of the structure and a direction ``dT_t`` of the random effects' covariance::

    l_k  = tr(P K_k,zz) + log|R|_k             W_k  = Y'F'Q_k
    l_kl = tr(P K_kl,zz) - tr(P K_k,zz P K_l,zz) + log|R|_kl
    W_kl = Y'F'K_kl F Y - Q_k,z'P Q_l,z - Q_l,z'P Q_k,z
    l_kt = tr(N K_k,zz N'dT_t)                 W_kt = -(N Q_k,z)'dT_t [h s] - [h s]'dT_t N Q_k,z
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.lmm.chart import Chart, directions
from jaxsim.lmm.deviance import Profile, Spec, curvature, gradient, profile, slope_sums
from jaxsim.numerics import small
from jaxsim.structured.residuals import Expansion, Residuals, expand

Array = jax.Array


class Surface(NamedTuple):
    """The criterion at one point: ``deviance`` ``[]``, ``gradient`` ``[K + T]``, ``hessian`` ``[K + T, K + T]``, psi first; ``at``
    of the mixed model; ``m`` = -M_a ``[K + T, P, P]`` and ``c`` = -c_a ``[K + T]``, as in :class:`jaxsim.lmm.newton.Point`."""

    deviance: Array
    gradient: Array
    hessian: Array
    at: Profile
    m: Array
    c: Array


def deviance(residuals: Residuals, psi: Array, factor: Array, n_rows: Array, spec: Spec) -> Array:
    """The criterion alone."""
    return profile(residuals.products(psi), n_rows, factor, spec).deviance + residuals.log_determinant(psi)


class Slopes(NamedTuple):
    """Of the structure's parameters: ``w`` W_k ``[K, P + 1, P + 1]`` and ``logdet`` l_k ``[K]``, their second derivatives ``w2``
    ``[K, K, P + 1, P + 1]`` and ``logdet2`` ``[K, K]``; and for the mixed ones ``zz`` N K_k,zz N' ``[K, Q, Q, G]`` and ``zy``
    N Q_k,z ``[K, Q, P + 1, G]``."""

    w: Array
    logdet: Array
    w2: Array
    logdet2: Array
    zz: Array
    zy: Array


def slopes(found: Expansion, factor: Array, at: Profile, spec: Spec) -> Slopes:
    """Sums over groups, whose axis is the last."""
    products, z = found.products, jnp.array(spec.random)
    zz = products[z][:, z]
    a = jnp.einsum("ai,abg,bj->ijg", factor, zz, factor) + jnp.eye(len(spec.random))[:, :, None]
    chol, _ = small.cholesky(a)
    half = small.solve_lower(chol[:, :, None], jnp.broadcast_to(factor.T[:, :, None], a.shape))
    p = jnp.einsum("iag,ibg->abg", half, half)
    y = jnp.zeros((products.shape[0], len(at.beta) + 1))
    y = y.at[jnp.array(spec.fixed), :-1].set(at.root).at[jnp.array(spec.fixed), -1].set(-at.beta).at[-1, -1].set(1.0)
    fy = jnp.broadcast_to(y[:, :, None], (*y.shape, products.shape[-1]))
    fy = fy.at[z].add(-jnp.einsum("abg,bmg,mr->arg", p, products[z], y))
    q = jnp.einsum("kmng,nrg->kmrg", found.first, fy)
    n = jnp.eye(len(spec.random))[:, :, None] - jnp.einsum("abg,bcg->acg", zz, p)
    first_zz, q_z = found.first[:, z][:, :, z], q[:, z]
    pulled = jnp.einsum("abg,kbcg->kacg", p, first_zz)
    cross = jnp.einsum("karg,abg,lbsg->klrs", q_z, p, q_z)
    return Slopes(
        w=jnp.einsum("mrg,kmsg->krs", fy, q),
        logdet=jnp.einsum("kaag->k", pulled) + found.slope,
        w2=jnp.einsum("mrg,klmng,nsg->klrs", fy, found.second, fy) - cross - jnp.swapaxes(cross, 2, 3),
        logdet2=jnp.einsum("abg,klbag->kl", p, found.second[:, :, z][:, :, :, z])
        - jnp.einsum("kabg,lbag->kl", pulled, pulled)
        + found.bend,
        zz=jnp.einsum("abg,kbcg,dcg->kadg", n, first_zz, n),
        zy=jnp.einsum("abg,kbrg->karg", n, q_z),
    )


def surface(residuals: Residuals, psi: Array, chart: Chart, n_rows: Array, spec: Spec) -> Surface:
    """The criterion with its derivatives in ``psi`` and in the chart's free entries."""
    found = expand(residuals, psi)
    at = profile(found.products, n_rows, chart.factor, spec)
    along = directions(chart, spec.structure)
    second = curvature(at, along, chart.order, spec)
    own = slopes(found, chart.factor, at, spec)
    beside = jnp.einsum("karg,tab,sbg->ktrs", own.zy, along, at.slopes)
    w_mixed = -beside - jnp.swapaxes(beside, 2, 3)
    logdet_mixed = jnp.einsum("kabg,tba->kt", own.zz, along)
    v_random = slope_sums(at, along.reshape(len(along), -1))[0][:, :, -1]
    m, v, c = own.w[:, :-1, :-1], own.w[:, :-1, -1], own.w[:, -1, -1]
    reml = float(spec.reml)

    def bend(logdet: Array, w2: Array, m_b: Array, v_b: Array, c_b: Array) -> Array:
        """``f_ab`` of the structure's parameters with others, ``[K, B]``."""
        traces = jnp.trace(w2[..., :-1, :-1], axis1=2, axis2=3) - jnp.einsum("kxy,bxy->kb", m, m_b)
        squares = w2[..., -1, -1] - 2 * jnp.einsum("kx,bx->kb", v, v_b)
        return logdet + reml * traces + at.weight * squares - at.weight / at.pw * c[:, None] * c_b

    own_bend = bend(own.logdet2, own.w2, m, v, c)
    mixed_bend = bend(logdet_mixed, w_mixed, -second.m, -v_random, -second.c)
    slope = own.logdet + reml * jnp.trace(m, axis1=1, axis2=2) + at.weight * c
    return Surface(
        deviance=at.deviance + found.log_determinant,
        gradient=jnp.concatenate([slope, gradient(at, along)]),
        hessian=jnp.block([[own_bend, mixed_bend], [mixed_bend.T, second.hessian]]),
        at=at,
        m=jnp.concatenate([-m, second.m]),
        c=jnp.concatenate([-c, second.c]),
    )
