"""Generalised estimating equations for a Gaussian response: a working correlation, and standard errors that do not trust it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, closed_form, first_status
from jaxsim.data.group_means import require_intercept, sums
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.data.serial import in_order, lagged, serial_products
from jaxsim.errors import choose
from jaxsim.estimators import wording
from jaxsim.estimators.clustered import Clustered
from jaxsim.estimators.sandwich import DEGREES, adjust, adjusted_scores, satterthwaite, standardise
from jaxsim.estimators.strategy import Reads
from jaxsim.numerics.least_squares import solve
from jaxsim.status import Status

WORKING: tuple[str, ...] = ("independence", "exchangeable", "ar1")
# What the corrections are called among the sandwiches of least squares.
CORRECTIONS: dict[str, str] = {"none": "CR0", "kauermann-carroll": "CR2", "mancl-derouen": "CR3"}
# The correlation is found when a turn changes it by less: far above rounding (1e-13 where predictors are 30 SDs from zero), far
# below what anybody reads.
STEP_TOLERANCE = 1e-11
MAX_STEPS = 200
# Variances below this fraction of the naive one are rounding errors of scores that are zero.
ZERO_VARIANCE = 1e-20


class Working(NamedTuple):
    """One working correlation of a dataset: ``white(alpha)``, the cross-products of the whitened rows ``[G, P + 1, P + 1]``;
    ``step(alpha, c)``, the next alpha from the residuals ``[X y] c``; ``definite(alpha)``, whether it is one, bool ``[]``."""

    white: Callable[[jax.Array], jax.Array]
    step: Callable[[jax.Array, jax.Array], jax.Array]
    definite: Callable[[jax.Array], jax.Array]


@dataclass(frozen=True)
class GEE(Clustered):
    """Generalised estimating equations (Liang & Zeger 1986) with the identity link, as geepack's ``geeglm``.

    ``sum X_g'R_g(alpha)^-1 (y_g - X_g beta) = 0``, solved in turns with moments of the residuals for alpha (divisors as geepack has
    them: ``phi = sum e^2 / N``)::

        exchangeable: alpha = sum_pairs e_s e_t / (phi pairs)
        ar1: sum_pairs k alpha^(k - 1) (e_s e_t / phi - alpha^k) = 0, of all pairs, k places apart

    The variance is ``B [sum u_g u_g'] B`` with ``B = (sum X_g'R_g^-1 X_g)^-1`` and ``u_g = X_g'R_g^-1 A_g e_g``; with
    ``H_g = X_g B X_g'R_g^-1``, ``A_g`` is the identity, ``(I - H_g)^(-1/2)`` (Kauermann & Carroll 2001) or ``(I - H_g)^-1``
    (Mancl & DeRouen 2001).

    Args:
        working: the correlation of the rows of a group: ``independence``, ``exchangeable``, or ``ar1`` by their order (which needs
            a process that draws rows).
        correction: of the variance for few groups: ``none`` (geepack's ``san.se``), ``kauermann-carroll``, ``mancl-derouen``.
        df: degrees of freedom of t: ``normal``, ``G-P``, ``G-1``, or ``satterthwaite`` (Bell & McCaffrey's, if the working
            correlation is right). None: ``normal`` without a correction (geepack's Wald test), else ``G-P`` (Li & Redden 2015).
        label: name in the tables.
        cluster: the grouping factor whose rows are correlated, such as ``"item"``; the process's first when None.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option.
    """

    working: str = "exchangeable"
    correction: str = "none"
    df: str | None = None
    label: str = "gee"

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("working", self.working, WORKING)
        choose("correction", self.correction, CORRECTIONS)
        if self.df is not None:
            choose("df", self.df, DEGREES)

    def in_words(self, names: Names) -> tuple[str, ...]:
        """The model, the working correlation, and how standard errors and degrees of freedom are corrected."""
        within = f"within the groups of {self.grouping(names)}"
        working = "independence" if self.working == "independence" else f"{self.working} correlation"
        corrected = "without a correction for few groups" if self.correction == "none" else f"corrected by {self.correction}"
        told = (f"working {working} {within}", f"robust standard errors {corrected}", wording.ROBUST[self.degrees])
        return (self.model_in_words(names), *told)

    @property
    def reads(self) -> Reads:  # type: ignore[override]  # a class has it once, a correlation each time
        return Rows if self.working == "ar1" else CrossProducts

    @property
    def reads_order(self) -> bool:
        return self.working == "ar1"

    @property
    def degrees(self) -> str:
        """The kind of degrees of freedom that is used."""
        return self.df or ("normal" if self.correction == "none" else "G-P")

    @property
    def closed_form(self) -> bool:
        return self.working == "independence" and self.correction != "kauermann-carroll"

    def check(self, names: Names) -> None:
        super().check(names)
        if self.working == "exchangeable":
            require_intercept(names, self.name, "an exchangeable correlation")

    def group_coefficients(self, data: Any, fit: Fit) -> jax.Array:
        """The same for all groups."""
        groups = len(data.sizes) if isinstance(data, CrossProducts) else data.counts[0]
        return jnp.broadcast_to(fit.estimate, (groups, len(fit.estimate)))

    def fit(self, data: Any, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        plain = data if isinstance(data, CrossProducts) else data.reduce(data.counts[0])
        total = plain.regression().sum(0)
        pooled = solve(total)
        n_rows, n_groups, n_fixed = plain.n_rows, plain.n_groups, len(plain.fixed)
        # From here on the response is the residual of least squares: of its squares no digits are lost.
        working = self.working_of(data, jnp.where(pooled.full_rank, pooled.beta, 0.0))
        alpha, settled = settle(working)
        products = working.white(alpha)
        ls = solve(products.sum(0))
        groups = standardise(products, ls)
        adjustment = adjust(CORRECTIONS[self.correction], groups)
        half = ls.root @ adjusted_scores(adjustment, groups)
        vcov = half @ half.T
        own_df, expected = satterthwaite(adjustment, ls.root)
        df = {"G-1": n_groups - 1, "G-P": n_groups - n_fixed, "satterthwaite": own_df}.get(self.degrees, jnp.asarray(jnp.inf))
        phi = quadratic(working.white(jnp.zeros(())).sum(0), contrast(ls.beta)) / n_rows
        unit = (ls.root**2).sum(1)
        none = jnp.diagonal(vcov) <= jnp.maximum(ZERO_VARIANCE, groups.rounding**2) * phi * unit
        status = first_status(
            (~jnp.isfinite(total).all(), Status.NON_FINITE),
            (n_rows <= n_fixed, Status.TOO_FEW_ROWS),
            ((n_groups < 2) | ((n_groups <= n_fixed) & (self.degrees == "G-P")), Status.TOO_FEW_GROUPS),
            (~pooled.full_rank, Status.RANK_DEFICIENT),
            (pooled.exact, Status.ZERO_RESIDUAL),
            (~settled | ~working.definite(alpha), Status.NOT_CONVERGED),
            ((none | (expected <= groups.rounding * unit)).any(), Status.ZERO_VARIANCE),
        )
        fit = closed_form(pooled.beta + ls.beta, vcov, df, status, jnp.asarray(jnp.nan), jnp.sqrt(phi))
        if self.working == "independence":
            return fit
        return replace(fit, extra={"working_correlation": jnp.where(jnp.isfinite(fit.sigma), alpha, jnp.nan)})

    def working_of(self, data: Any, shift: jax.Array) -> Working:
        """The working correlation of one dataset whose response is less ``X shift``."""
        change = jnp.eye(len(shift) + 1).at[:-1, -1].set(-shift)
        if isinstance(data, Rows):
            return serial(data, change)
        products = change.T @ data.regression() @ change
        if self.working == "independence":
            return Working(lambda alpha: products, lambda alpha, c: alpha * 0.0, lambda alpha: jnp.asarray(True))
        index = np.append(data.fixed_index, len(data.columns))
        return exchangeable(products, sums(data)[:, index] @ change, data.sizes.astype(float))


def contrast(beta: jax.Array) -> jax.Array:
    """``(-beta, 1)``, with which ``[X y]`` are the residuals, ``[P + 1]``."""
    return jnp.append(-beta, 1.0)


def quadratic(matrix: jax.Array, c: jax.Array) -> jax.Array:
    """``c'Mc`` of the last two axes."""
    return jnp.einsum("...ij,i,j->...", matrix, c, c)


def settle(working: Working) -> tuple[jax.Array, jax.Array]:
    """The correlation at which both equations hold, from independence, one step of each in turn; whether it was found."""

    def turn(state: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        """One turn: coefficients, then the working correlation."""
        alpha, _, count = state
        new = working.step(alpha, contrast(solve(working.white(alpha).sum(0)).beta))
        return new, jnp.abs(new - alpha), count + 1

    def unfinished(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        """Whether the correlation still moves."""
        return (state[1] > STEP_TOLERANCE) & (state[2] < MAX_STEPS)

    alpha, moved, _ = jax.lax.while_loop(unfinished, turn, (jnp.zeros(()), jnp.asarray(jnp.inf), jnp.asarray(0)))
    return alpha, moved <= STEP_TOLERANCE


def exchangeable(products: jax.Array, rows: jax.Array, sizes: jax.Array) -> Working:
    """``R_g^-1 = (I - kappa 1 1') / (1 - alpha)`` with ``kappa = alpha / (1 + (n_g - 1) alpha)``.

    Args:
        products: of ``[X y]``, ``[G, P + 1, P + 1]``.
        rows: sums of each group's, ``[G, P + 1]``.
        sizes: rows, ``[G]``.
    """
    pairs = (sizes * (sizes - 1)).sum() / 2

    def white(alpha: jax.Array) -> jax.Array:
        """Products of whitened rows."""
        kappa = alpha / (1 + (sizes - 1) * alpha)
        return (products - kappa[:, None, None] * rows[:, :, None] * rows[:, None, :]) / (1 - alpha)

    def step(alpha: jax.Array, c: jax.Array) -> jax.Array:
        """The next working correlation, from the residuals of the coefficients."""
        squares = quadratic(products.sum(0), c)
        together = (((rows @ c) ** 2).sum() - squares) / 2
        return jnp.where(pairs > 0, together / jnp.maximum(pairs, 1.0) * sizes.sum() / squares, 0.0)

    def definite(alpha: jax.Array) -> jax.Array:
        """Whether a working correlation is definite in all groups."""
        return (alpha < 1) & (1 + (sizes.max() - 1) * alpha > 0)

    return Working(white, step, definite)


def serial(data: Rows, change: jax.Array) -> Working:
    """``R_st = alpha^|s - t|`` by the order of a group's rows; ``change`` turns ``[X y]`` into what is whitened."""
    index = np.append(data.index_of(data.fixed), len(data.columns))
    rows, groups = in_order(data), data.counts[0]
    rows = rows._replace(values=rows.values[:, index] @ change)
    own, neighbours, inner, sizes = serial_products(rows, groups)
    by_lag = lagged(rows, groups, data.block)
    lags = jnp.arange(len(by_lag.pairs), dtype=float)

    def white(alpha: jax.Array) -> jax.Array:
        """Products of whitened rows."""
        return (own - alpha * neighbours + alpha**2 * inner) / (1 - alpha**2)

    def step(alpha: jax.Array, c: jax.Array) -> jax.Array:
        """The next working correlation, from the residuals of the coefficients."""
        together = quadratic(by_lag.products, c) * sizes.sum() / quadratic(own.sum(0), c)
        slope = jnp.where(lags > 0, lags * alpha ** jnp.maximum(lags - 1, 0), 0.0)
        size = (by_lag.pairs * slope**2).sum()
        move = (slope * (together - by_lag.pairs * alpha**lags)).sum()
        return alpha + jnp.where(size > 0, move / jnp.where(size > 0, size, 1.0), 0.0)

    return Working(white, step, lambda alpha: jnp.abs(alpha) < 1)
