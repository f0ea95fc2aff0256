"""Covariance structures of a group's residuals: what they make of the cross-products, as functions of a few free numbers.

``R_g(psi)`` is in units of the residual variance. A structure gives ``K_g = [X y]'R_g^-1 [X y]`` and ``sum log|R_g|``: with them
the model is an ordinary mixed model of whitened rows.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jaxsim.data.rows import sums_by_cell

Array = jax.Array


class Residuals(Protocol):
    """The structure of one dataset's residuals at any ``psi`` ``[K]``; a pytree."""

    def products(self, psi: Array) -> Array:
        """``K_g``, ``[M, M, G]``."""

    def log_determinant(self, psi: Array) -> Array:
        """``sum log|R_g|``, ``[]``."""


class Serial(NamedTuple):
    """``R_st = rho^|s - t|`` with ``rho = tanh(psi)``; what is known of a group is in :mod:`jaxsim.data.serial`.

    ``own``, ``neighbours``, ``inner`` ``[M, M, G]``; ``sizes`` of the groups ``[G]``.
    """

    own: Array
    neighbours: Array
    inner: Array
    sizes: Array

    def products(self, psi: Array) -> Array:
        rho = jnp.tanh(psi[0])
        return (self.own - rho * self.neighbours + rho**2 * self.inner) / (1 - rho**2)

    def log_determinant(self, psi: Array) -> Array:
        return jnp.maximum(self.sizes - 1, 0).sum() * jnp.log1p(-(jnp.tanh(psi[0]) ** 2))


class Continuous(NamedTuple):
    """``R_st = exp(-exp(psi) |t_s - t_t|)``: the correlation of unequally spaced times.

    With ``r`` the correlation with the row before, the whitened rows are ``(v_i - r v_(i-1)) / sqrt(1 - r^2)``. Rows are in order
    of time, group after group: ``values`` and those ``before`` ``[N, M]``; ``gap`` since then ``[N]``; ``follows`` bool ``[N]``,
    false for the first row of a group; ``code`` ``[N]``; ``sizes`` of the groups ``[G]``.
    """

    values: Array
    before: Array
    gap: Array
    follows: Array
    code: Array
    sizes: Array

    def _near(self, psi: Array) -> Array:
        return jnp.where(self.follows, jnp.exp(-jnp.exp(psi[0]) * self.gap), 0.0)

    def nearest(self, psi: Array) -> Array:
        """The strongest correlation of two rows, ``[]``."""
        return self._near(psi).max()

    def products(self, psi: Array) -> Array:
        near = self._near(psi)
        white = (self.values - near[:, None] * self.before) / jnp.sqrt(1 - near**2)[:, None]
        summed = sums_by_cell(white[:, :, None] * white[:, None, :], self.code, len(self.sizes))
        return jnp.moveaxis(summed, 0, -1)

    def log_determinant(self, psi: Array) -> Array:
        return jnp.log1p(-(self._near(psi) ** 2)).sum()


class Scaled(NamedTuple):
    """Independent residuals with the standard deviation ``exp(by'psi)`` a row.

    ``values`` ``[N, M]``, zero where there is no row; ``by`` ``[N, K]``, likewise; ``code`` of each row's group ``[N]``; ``sizes``
    of the groups ``[G]``.
    """

    values: Array
    by: Array
    code: Array
    sizes: Array

    def products(self, psi: Array) -> Array:
        scaled = self.values * jnp.exp(-(self.by * psi).sum(1))[:, None]
        summed = sums_by_cell(scaled[:, :, None] * scaled[:, None, :], self.code, len(self.sizes))
        return jnp.moveaxis(summed, 0, -1)

    def log_determinant(self, psi: Array) -> Array:
        return 2 * (self.by.sum(0) * psi).sum()


class Expansion(NamedTuple):
    """A structure at one ``psi`` with its derivatives: ``products`` ``[M, M, G]``, ``first`` ``[K, M, M, G]``, ``second``
    ``[K, K, M, M, G]``; ``log_determinant`` ``[]``, its ``slope`` ``[K]`` and ``bend`` ``[K, K]``."""

    products: Array
    first: Array
    second: Array
    log_determinant: Array
    slope: Array
    bend: Array


def expand(residuals: Residuals, psi: Array) -> Expansion:
    """The structure at ``psi`` with two derivatives; both functions are short, so differentiation costs little."""

    def both(psi: Array) -> tuple[Array, Array]:
        """Products and log determinant."""
        return residuals.products(psi), residuals.log_determinant(psi)

    def along(psi: Array, k: int) -> tuple[Array, Array]:
        """Their derivatives along one parameter."""
        unit = jnp.zeros(len(psi)).at[k].set(1.0)
        return jax.jvp(both, (psi,), (unit,))[1]

    size = range(len(psi))
    value, logdet = both(psi)
    firsts = [along(psi, k) for k in size]
    units = [jnp.zeros(len(psi)).at[k].set(1.0) for k in size]
    seconds = [[jax.jvp(lambda at, k=k: along(at, k), (psi,), (unit,))[1] for unit in units] for k in size]
    return Expansion(
        products=value,
        first=jnp.stack([first[0] for first in firsts]),
        second=jnp.stack([jnp.stack([entry[0] for entry in row]) for row in seconds]),
        log_determinant=logdet,
        slope=jnp.stack([first[1] for first in firsts]),
        bend=jnp.stack([jnp.stack([entry[1] for entry in row]) for row in seconds]),
    )
