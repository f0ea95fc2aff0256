"""OLS with standard errors that are clustered by several grouping factors at once, such as subjects and items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, closed_form, first_status
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import choose
from jaxsim.estimators import wording
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.multiway import ROUNDING, Way, require_factors, semidefinite, several_given, ways
from jaxsim.estimators.prediction import PredictionError, of_least_squares
from jaxsim.estimators.sandwich import POWERS, adjust, adjusted_scores, scale, standardise
from jaxsim.numerics.least_squares import gaussian_deviance, solve
from jaxsim.status import Status

CONVENTIONS: tuple[str, ...] = ("CR0", "CR1", "CR1S", "CR2")
GROUPS: tuple[str, ...] = ("each", "min")
DEGREES: tuple[str, ...] = ("G-1", "normal")
# Squared rounding errors of scores relative to the classical variance are about 1e-30; nothing real is as small as this.
ZERO_VARIANCE = 1e-20


@dataclass(frozen=True)
class MultiwayCluster(Formulated):
    """Pooled OLS whose standard errors allow dependence within the groups of any of several factors.

    Cameron, Gelbach & Miller (2011). Of subjects crossed with items ``V = V_subject + V_item - V_cells``; of three factors there
    are seven terms. The difference need not be positive semi-definite: negative eigenvalues are then set to zero, and
    ``repaired`` of the fit is true.

    Args:
        vcov: convention of every term, ``CR0``, ``CR1``, ``CR1S`` (see :func:`jaxsim.estimators.sandwich.scale`) or ``CR2``: each
            term with the adjusted scores of its own groups, as ``vcovCL(type = "HC2")`` of R's sandwich has it (Zeileis, Koell &
            Graham 2020, *Journal of Statistical Software* 95(1)). The sum is not unbiased, as CR2 of one factor is.
        label: name in the tables.
        groups: the number of groups G in the factors of CR1 and CR1S: ``each`` term's own (Cameron, Gelbach & Miller; sandwich;
            :func:`jaxsim.lm`), or ``min``, the smallest of the factors' for all terms (fixest's default, ivreg2, reghdfe).
        df: degrees of freedom of t: ``G-1`` with the smallest G of the factors, or ``normal``.
        cluster: the grouping factors; all of the process's when None.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, fewer than two factors, or the same one twice.
    """

    vcov: str = "CR1S"
    label: str = "multiway"
    groups: str = "each"
    df: str = "G-1"
    cluster: Sequence[str] | None = field(default=None, kw_only=True)

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("vcov", self.vcov, CONVENTIONS)
        choose("groups", self.groups, GROUPS)
        choose("df", self.df, DEGREES)
        if self.cluster is not None:
            object.__setattr__(self, "cluster", several_given("cluster", self.cluster))

    def in_words(self, names: Names) -> tuple[str, ...]:
        factors = " or ".join(self.cluster or names.factors)
        counted = "the smallest number of groups" if self.groups == "min" else "its own number of groups"
        told = wording.errors(self.vcov, f"the groups of {factors}")
        return (self.model_in_words(names), "least squares", f"{told}, each term with {counted}", wording.DEGREES[self.df])

    def check(self, names: Names) -> None:
        require_factors(names, self.cluster, self.name, "cluster", "ClusterRobust()")
        super().check(names)

    def view(self, data: Any) -> Any:
        """By the cells of all factors, with the formula's columns."""
        return self.with_formula(data)

    def prediction_error(self, data: CrossProducts, fit: Fit, new: Rows) -> PredictionError:
        """``s^2 + x'Vx`` with the robust ``V``."""
        return of_least_squares(data, new, fit.vcov, fit.sigma, fit.df[0])

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        products = data.regression()
        total = products.sum(0)
        ls = solve(total)
        n_rows, n_fixed = data.n_rows, len(data.fixed)
        cells = standardise(products, ls)
        terms = list(ways(data, tuple(self.cluster or data.factors), cells))
        fewest = jnp.stack([way.n_groups for way in terms if way.order == 1]).min()
        parts = [self._variance(way, ls.root, fewest, (n_rows, n_fixed)) for way in terms]
        vcov, repaired = semidefinite(sum(way.sign * part for way, part in zip(terms, parts, strict=True)))
        variance = ls.rss / (n_rows - n_fixed)
        size = jnp.stack([jnp.diagonal(part) for part in parts]).sum(0)
        nothing = jnp.maximum(ZERO_VARIANCE, cells.rounding**2) * variance * (ls.root**2).sum(1)
        status = first_status(
            (~jnp.isfinite(total).all(), Status.NON_FINITE),
            (n_rows <= n_fixed, Status.TOO_FEW_ROWS),
            (fewest < 2, Status.TOO_FEW_GROUPS),
            (~ls.full_rank, Status.RANK_DEFICIENT),
            (ls.exact, Status.ZERO_RESIDUAL),
            ((jnp.diagonal(vcov) <= jnp.maximum(ROUNDING * size, nothing)).any(), Status.ZERO_VARIANCE),
        )
        df = fewest - 1 if self.df == "G-1" else jnp.asarray(jnp.inf)
        fit = closed_form(ls.beta, vcov, df, status, gaussian_deviance(ls.rss, n_rows), jnp.sqrt(variance))
        return replace(fit, extra={"repaired": repaired & (fit.status == Status.OK)})

    def _variance(self, way: Way, root: jax.Array, fewest: jax.Array, size: tuple[jax.Array, int]) -> jax.Array:
        """One term's sandwich ``[P, P]``, without its sign; ``size``: rows and coefficients."""
        scores = way.groups.scores
        if self.vcov in POWERS:
            scores = adjusted_scores(adjust(self.vcov, way.groups), way.groups)
        half = root @ scores
        return scale(self.vcov, fewest if self.groups == "min" else way.n_groups, *size) * half @ half.T
