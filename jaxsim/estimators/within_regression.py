"""Regression within groups: every group has an intercept of its own, a parameter, and only what varies within groups is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, closed_form, first_status
from jaxsim.data.group_means import intercept_of, require_intercept, sums, within
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.errors import InputError, choose
from jaxsim.estimators import wording
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.prediction import Coefficients
from jaxsim.estimators.sandwich import Groups, adjust, adjusted_scores, default_degrees, satterthwaite, scale, standardise
from jaxsim.numerics.least_squares import RANK_TOLERANCE, ZERO_RESIDUAL_TOLERANCE, gaussian_deviance, solve
from jaxsim.status import Status

VCOVS: tuple[str, ...] = ("CR1S", "CR0", "CR1", "CR2", "CR3", "iid")
DEGREES: tuple[str, ...] = ("satterthwaite", "G-1", "residual", "normal")
# A variance this small beside the classical one is made of rounding errors of scores.
ZERO_VARIANCE = 1e-20


@dataclass(frozen=True)
class WithinRegression(Formulated):
    """Fixed effects of the groups (within transformation), as fixest's ``feols(y ~ x | g)`` and plm's ``within``.

    Least squares of the rows less their group's means. What is one number a group is absorbed: the intercept and the predictors
    that are constant within groups have no coefficient here, and are not among the estimates.

    Args:
        vcov: ``CR1S`` (fixest's default: ``G/(G-1) (N-1)/(N-K)``, where the groups' intercepts count as one, ``K = P + 1``, because
            they are nested in the clusters), ``CR0`` (plm's ``vcovHC(method="arellano")``), ``CR1``, ``CR2`` and ``CR3`` (as
            clubSandwich of plm), or ``iid``: classical, with ``N - G - P`` degrees of freedom.
        df: degrees of freedom of t: ``satterthwaite`` (Bell & McCaffrey's), ``G-1``, ``residual`` (N - G - P) or ``normal``. None
            takes those of the convention: ``satterthwaite`` for CR2 and CR3, ``residual`` for iid, else ``G-1``.
        label: name in the tables.
        formula, estimand: as :class:`jaxsim.estimators.formulated.Formulated`, :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, or Satterthwaite's df of classical errors.
    """

    vcov: str = "CR1S"
    df: str | None = None
    label: str = "within"

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("vcov", self.vcov, VCOVS)
        if self.df is not None:
            choose("df", self.df, DEGREES)
        if self.vcov == "iid" and self.df == "satterthwaite":
            raise InputError("df='satterthwaite' is of a cluster-robust variance; with vcov='iid' use 'residual', or leave it out.")

    @property
    def degrees(self) -> str:
        """The kind of degrees of freedom that is used."""
        return self.df or ("residual" if self.vcov == "iid" else default_degrees(self.vcov))

    @property
    def closed_form(self) -> bool:
        return self.vcov != "CR2"

    def in_words(self, names: Names) -> tuple[str, ...]:
        model = f"{self.model_in_words(names)} with an intercept for each {names.factors[0]}"
        told = wording.errors(self.vcov, f"the groups of {names.factors[0]}")
        return (model, "least squares within groups", told, wording.ROBUST[self.degrees])

    def coefficients(self, names: Names) -> tuple[str, ...]:
        """The fixed effects of what varies within groups."""
        constant = (*INTERCEPTS, *names.constant)
        return tuple(name for name in super().coefficients(names) if name not in constant)

    def check(self, names: Names) -> None:
        """Raises :class:`InputError` without an intercept, for coefficients that the groups absorb, and if none is left."""
        require_intercept(names, self.name, "the within transformation")
        absorbed = [name for name in super().coefficients(names) if name in names.constant]
        if self.formula is not None and absorbed:
            raise InputError(
                f"strategy {self.name!r}: {absorbed[0]!r} is one number a group, so the groups' own intercepts absorb it and it "
                f"has no coefficient; leave it out of {self.formula!r}."
            )
        if not self.coefficients(names):
            raise InputError(f"strategy {self.name!r}: no predictor varies within groups, so there is nothing to estimate.")
        super().check(names)

    def view(self, data: CrossProducts) -> CrossProducts:
        """With what varies within groups."""
        viewed = super().view(data)
        return viewed.select(viewed.response, self.coefficients(data.names))

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """The same slopes for all groups."""
        return jnp.broadcast_to(fit.estimate, (len(data.sizes), len(fit.estimate)))

    def prediction_coefficients(self, data: CrossProducts, fit: Fit) -> Coefficients:
        """The slopes, and every group's own intercept, ``mean y - (mean x)'b``; for new groups the mean of these intercepts."""
        slopes = jnp.zeros(len(data.columns)).at[data.fixed_index].set(fit.estimate)
        present = data.sizes > 0
        means = sums(data) / jnp.maximum(data.sizes, 1).astype(float)[:, None]
        own = means[:, -1] - means[:, :-1] @ slopes
        every = jnp.where(present, own, 0.0).sum() / present.sum()
        place = data.columns.index(str(intercept_of(data.names)))
        new = slopes.at[place].set(every)
        known = jnp.broadcast_to(new, (len(own), len(new)))
        return Coefficients(known.at[:, place].set(jnp.where(present, own, every)), new)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        index = np.append(data.fixed_index, len(data.columns))
        products = within(data)[:, index[:, None], index]
        raw = jnp.diagonal(data.regression().sum(0))
        ls = solve(products.sum(0))
        n_rows, n_groups, p = data.n_rows, data.n_groups, len(data.fixed)
        residual = n_rows - n_groups - p
        variance = ls.rss / residual
        groups = standardise(products, ls)
        vcov, df, none = self._variance(groups, ls.root, variance, (n_groups, n_rows, residual))
        varies = (jnp.diagonal(products.sum(0))[:-1] > RANK_TOLERANCE * raw[:-1]).all()
        status = first_status(
            (~jnp.isfinite(data.products).all(), Status.NON_FINITE),
            (n_groups < 2, Status.TOO_FEW_GROUPS),
            (residual <= 0, Status.TOO_FEW_ROWS),
            (~(ls.full_rank & varies), Status.RANK_DEFICIENT),
            (ls.exact | (ls.rss <= ZERO_RESIDUAL_TOLERANCE * raw[-1]), Status.ZERO_RESIDUAL),
            (none, Status.ZERO_VARIANCE),
        )
        return closed_form(ls.beta, vcov, df, status, gaussian_deviance(ls.rss, n_rows), jnp.sqrt(variance))

    def _variance(
        self, groups: Groups, root: jax.Array, variance: jax.Array, counts: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Covariance matrix ``[P, P]``, df ``[P]`` or ``[]``, and whether a variance is zero; ``counts``: G, N, residual df."""
        n_groups, n_rows, residual = counts
        plain: dict[str, jax.Array] = {"G-1": n_groups - 1, "residual": residual, "normal": jnp.asarray(jnp.inf)}
        if self.vcov == "iid":
            return variance * root @ root.T, plain[self.degrees], jnp.asarray(False)
        unit = (root**2).sum(1)
        adjustment = adjust(self.vcov, groups)
        half = root @ adjusted_scores(adjustment, groups)
        vcov = scale(self.vcov, n_groups, n_rows, len(root) + 1) * half @ half.T
        none = jnp.diagonal(vcov) <= jnp.maximum(ZERO_VARIANCE, groups.rounding**2) * variance * unit
        if self.degrees != "satterthwaite":
            return vcov, plain[self.degrees], none.any()
        df, expected = satterthwaite(adjustment, root)
        return vcov, df, (none | (expected <= groups.rounding * unit)).any()
