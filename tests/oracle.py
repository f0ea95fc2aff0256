"""Dense row-wise computations that share nothing with jaxsim: no cross-products, no shortcuts.

Mixed models are the marginal Gaussian model itself: ``V_g = I + Z_g T Z_g'`` is built from the rows of every group, its
determinant and its inverse are LAPACK's. All functions of ``T`` are analytic, so a complex ``T`` gives exact first
derivatives (complex step: no subtraction, hence no cancellation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from jaxsim.data.cross_products import CrossProducts, from_rows, pad_groups
from jaxsim.data.rows import Rows as RowArrays

COMPLEX_STEP = 1e-30  # any step far below the rounding of a float: its square vanishes exactly


@dataclass(frozen=True)
class Rows:
    """One dataset: ``x`` ``[N, P]`` (the intercept first), ``y`` ``[N]``, ``group`` ``[N]`` integer codes."""

    x: np.ndarray
    y: np.ndarray
    group: np.ndarray

    @property
    def columns(self) -> tuple[str, ...]:
        return ("Intercept", *(f"IV{j}" for j in range(1, self.x.shape[1])))

    def members(self) -> list[np.ndarray]:
        """Row numbers of each group that has rows."""
        return [np.flatnonzero(self.group == g) for g in np.unique(self.group)]

    def but(self, **changes: Any) -> Rows:
        return replace(self, **changes)


def covariance_of(fit: Any) -> np.ndarray:
    """Random-effects covariance of a fit by its one grouping factor, ``[Q, Q]``; of size 0 where there are no random effects."""
    (covariance,) = fit.covariance.values() if fit.covariance else (np.zeros((0, 0)),)
    return np.asarray(covariance)


def make_rows(seed: int, sizes: Any, n_fixed: int = 3, group_sd: Any = 1.0, location: Any = 0.0) -> Rows:
    """A random dataset: groups of ``sizes`` rows, predictors N(location, 1), all coefficients vary by ``group_sd``, unit noise."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = np.column_stack([np.ones(len(group)), rng.normal(location, 1.0, (len(group), n_fixed - 1))])
    b = np.linspace(1.0, -1.0, n_fixed) + rng.normal(size=(len(sizes), n_fixed)) * np.broadcast_to(group_sd, n_fixed)
    return Rows(x, (x * b[group]).sum(1) + rng.normal(size=len(group)), group)


def cross_products(rows: Rows, n_groups: int | None = None) -> CrossProducts:
    """What jaxsim sees of the rows, padded to ``n_groups``."""
    data = from_rows(rows.x, rows.y, rows.group, rows.columns)
    return data if n_groups is None else pad_groups(data, n_groups)


def row_arrays(rows: Rows, n_groups: int, n_rows: int) -> RowArrays:
    """The same as jaxsim has them row by row, with rows that are not there up to ``n_rows``."""
    extra = n_rows - len(rows.y)
    x = np.vstack([rows.x, np.ones((extra, rows.x.shape[1]))])
    levels = np.append(rows.group, np.zeros(extra, int))[:, None].astype(np.int32)
    weight = np.append(np.ones(len(rows.y)), np.zeros(extra))
    return RowArrays(x, np.append(rows.y, np.ones(extra)), levels, weight, rows.columns, rows.columns, (n_groups,))


def batch(datasets: list[Rows], n_groups: int, size: int | None = None) -> CrossProducts:
    """Datasets stacked to a batch of ``size`` (the first one repeated), so that one compiled program serves many tests."""
    made = [cross_products(rows, n_groups) for rows in datasets]
    made += [made[0]] * ((size or len(made)) - len(made))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *made)


def deficient_datasets(base: Rows) -> dict[str, Rows]:
    """Datasets that some or all strategies cannot analyse, made of one with three columns and six groups of four rows or more."""
    x, y, group = base.x, base.y, base.group
    b = np.random.default_rng(5).normal(size=(6, 3))
    own = (x * b[group]).sum(1)

    def with_column(values: np.ndarray) -> Rows:
        return base.but(x=np.column_stack([x[:, :2], values]))

    return {
        "constant_column": with_column(np.full(len(y), 3.0)),
        "zero_column": with_column(np.zeros(len(y))),
        "duplicated_column": with_column(-2.0 * x[:, 1]),
        "sum_of_columns": with_column(x[:, 1] + x[:, 0]),
        "between_groups_column": with_column(b[group, 0]),
        "one_group": base.but(group=np.zeros_like(group)),
        "two_groups": base.but(group=group % 2),
        "three_groups": base.but(group=group % 3),
        "two_rows": base.but(x=x[4:6], y=y[4:6], group=np.array([0, 1])),
        "as_many_rows_as_columns": base.but(x=x[:3], y=y[:3], group=np.arange(3)),
        "one_row_a_group": base.but(x=x[:8], y=y[:8], group=np.arange(8)),
        "two_rows_a_group": base.but(x=x[:16], y=y[:16], group=np.arange(16) // 2),
        "nan": base.but(y=np.where(np.arange(len(y)) == 3, np.nan, y)),
        "infinite": base.but(y=np.where(np.arange(len(y)) == 3, np.inf, y)),
        "nan_in_x": base.but(x=np.where(np.arange(len(y))[:, None] == 3, np.nan, x)),
        "overflow": base.but(y=1e160 * y),
        "exact": base.but(y=x @ [1.0, 2.0, 3.0]),
        "zero_response": base.but(y=np.zeros(len(y))),
        "constant_response": base.but(y=np.full(len(y), 7.3)),
        "exact_in_each_group": base.but(y=own),
    }


class LinearFit(NamedTuple):
    """``beta``, ``df`` ``[P]``, ``vcov`` ``[P, P]``; ``sigma`` and ``criterion`` are NaN where a method has none."""

    beta: np.ndarray
    vcov: np.ndarray
    df: np.ndarray
    sigma: float = np.nan
    criterion: float = np.nan


def ols(rows: Rows) -> LinearFit:
    """Least squares by QR of the rows."""
    n, p = rows.x.shape
    beta, rss, _, _ = np.linalg.lstsq(rows.x, rows.y, rcond=None)
    residual = rows.y - rows.x @ beta
    variance = residual @ residual / (n - p)
    half = np.linalg.pinv(rows.x)
    return LinearFit(beta, variance * half @ half.T, np.full(p, n - p), np.sqrt(variance), n * (1 + np.log(2 * np.pi * rss[0] / n)))


def cluster_robust(rows: Rows, convention: str, degrees: str | None = None, contrasts: np.ndarray | None = None) -> LinearFit:
    """The sandwich from rows: residuals, the blocks of the N x N matrix ``I - H`` of each group, their symmetric powers.

    Satterthwaite's df are those of the quadratic form ``sum_g (p_g'e)^2`` in independent errors e. A power leaves out the null
    space of a block (eigenvalues below 1e-10; those of the tests' designs are zero to rounding or above 1e-8).
    """
    n, p = rows.x.shape
    fit, members = ols(rows), rows.members()
    half = np.linalg.pinv(rows.x)
    contrasts = np.eye(p) if contrasts is None else contrasts
    annihilate = np.eye(n) - rows.x @ half
    residual = annihilate @ rows.y
    power = {"CR2": -0.5, "CR3": -1.0}.get(convention)
    pulls = np.zeros((len(members), len(contrasts), n))
    for pull, i in zip(pulls, members, strict=True):
        weights = contrasts @ half[:, i]
        pull[:] = (weights if power is None else weights @ symmetric_power(annihilate[np.ix_(i, i)], power)) @ annihilate[i]
    g = len(members)
    scale = {"CR1": g / (g - 1), "CR1S": g / (g - 1) * (n - 1) / (n - p), "pymer4": g / (g - 1) * n / (n - p)}
    scale |= {"CR1p": g / (g - p) if g > p else np.nan}
    scores = pulls @ residual  # residuals are annihilated already: doing it twice changes nothing
    degrees = degrees or {"CR2": "satterthwaite", "CR3": "satterthwaite", "pymer4": "G-P"}.get(convention, "G-1")
    if degrees == "satterthwaite":
        q = np.einsum("grn,hrn->rgh", pulls, pulls)
        df = np.trace(q, axis1=1, axis2=2) ** 2 / (q**2).sum((1, 2))
    else:
        df = np.full(len(contrasts), {"G-1": g - 1.0, "G-P": g - float(p), "normal": np.inf}[degrees])
    return fit._replace(beta=contrasts @ fit.beta, vcov=scale.get(convention, 1.0) * scores.T @ scores, df=df)


def within_regression(rows: Rows, convention: str, degrees: str | None = None) -> LinearFit:
    """Least squares with a dummy for every group; sandwiches of the predictors' part of it, by Frisch, Waugh and Lovell."""
    dummies = (rows.group[:, None] == np.unique(rows.group)).astype(float)
    centred = rows.but(x=rows.x[:, 1:] - dummies @ np.linalg.lstsq(dummies, rows.x[:, 1:], rcond=None)[0])
    full = ols(rows.but(x=np.column_stack([rows.x[:, 1:], dummies])))
    p = centred.x.shape[1]
    if convention == "iid":
        return LinearFit(full.beta[:p], full.vcov[:p, :p], full.df[:p], full.sigma, full.criterion)
    n = len(rows.y)
    centred = centred.but(y=rows.y - dummies @ np.linalg.lstsq(dummies, rows.y, rcond=None)[0])
    found = cluster_robust(centred, convention, degrees)
    again = (n - p) / (n - p - 1) if convention == "CR1S" else 1.0
    return LinearFit(full.beta[:p], again * found.vcov, found.df, full.sigma, full.criterion)


def with_means(rows: Rows, deviations: bool = False) -> Rows:
    """The group means of the predictors as further columns; the predictors themselves, or their deviations from them."""
    means = np.zeros_like(rows.x[:, 1:])
    for i in rows.members():
        means[i] = rows.x[i, 1:].mean(0)
    return rows.but(x=np.column_stack([rows.x[:, :1], rows.x[:, 1:] - deviations * means, means]))


def gee(rows: Rows, working: str, correction: str = "none", degrees: str = "normal") -> LinearFit:
    """Generalised estimating equations from dense working correlations, one turn after the other."""
    members, (n, p) = rows.members(), rows.x.shape
    pairs = [(i[s], i[t], t - s) for i in members for s in range(len(i)) for t in range(s + 1, len(i))]
    early, late, lag = (np.array([pair[k] for pair in pairs], int) for k in range(3))

    def correlation(alpha: float, size: int) -> np.ndarray:
        apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
        return alpha ** (apart if working == "ar1" else np.minimum(apart, 1))

    alpha = 0.0
    for _ in range(200):
        inverse = [np.linalg.inv(correlation(alpha, len(i))) for i in members]
        bread = np.linalg.inv(sum(rows.x[i].T @ w @ rows.x[i] for i, w in zip(members, inverse, strict=True)))
        beta = bread @ sum(rows.x[i].T @ w @ rows.y[i] for i, w in zip(members, inverse, strict=True))
        e = rows.y - rows.x @ beta
        product = e[early] * e[late] / (e @ e / n)
        if working == "exchangeable" and pairs:
            alpha = product.mean()
        elif working == "ar1" and pairs:
            slope = lag * alpha ** (lag - 1)
            alpha += slope @ (product - alpha**lag) / (slope @ slope)
    half = np.linalg.cholesky(bread)
    power = {"none": 0.0, "kauermann-carroll": -0.5, "mancl-derouen": -1.0}[correction]
    scores, k = [], []
    for i, w in zip(members, inverse, strict=True):
        k.append(half.T @ rows.x[i].T @ w @ rows.x[i] @ half)
        scores.append(half @ symmetric_power(np.eye(p) - k[-1], power) @ half.T @ rows.x[i].T @ w @ e[i])
    g = len(members)
    df = np.full(p, {"normal": np.inf, "G-P": g - p, "G-1": g - 1}[degrees])
    return LinearFit(beta, np.array(scores).T @ np.array(scores), df, np.sqrt(e @ e / n))


def symmetric_power(matrix: np.ndarray, power: float) -> np.ndarray:
    """Power of a symmetric positive semi-definite matrix on the complement of its null space."""
    values, vectors = np.linalg.eigh(matrix)
    keep = values > 1e-10
    return (vectors[:, keep] * values[keep] ** power) @ vectors[:, keep].T


def own_regressions(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """A least-squares fit per group: coefficients and their sampling variances with the pooled residual variance, ``[G, P]``."""
    members, p = rows.members(), rows.x.shape[1]
    b = np.stack([np.linalg.lstsq(rows.x[i], rows.y[i], rcond=None)[0] for i in members])
    rss = sum(((rows.y[i] - rows.x[i] @ own) ** 2).sum() for i, own in zip(members, b, strict=True))
    unit = np.stack([(np.linalg.pinv(rows.x[i]) ** 2).sum(1) for i in members])
    return b, rss / max(len(rows.y) - p * len(members), 1) * unit


def two_stage(rows: Rows, weights: str = "equal", mean: str = "arithmetic", trim: float = 0.2) -> LinearFit:
    """Mean and standard error of the mean of the groups' coefficients; "precision" weighs them, one coefficient at a time."""
    b, sampling = own_regressions(rows)
    g, p = b.shape
    if mean == "trimmed":
        left_out = int(trim * g)
        ordered = np.sort(b, axis=0)
        winsorised = np.clip(b, ordered[left_out], ordered[g - 1 - left_out])
        df = np.full(p, g - 2 * left_out - 1)
        return LinearFit(ordered[left_out : g - left_out].mean(0), np.cov(winsorised.T) / (1 - 2 * trim) ** 2 / g, df)
    if mean == "huber":
        found = [huber_mean(column) for column in b.T]
        centre, psi = np.array([c for c, _ in found]), np.column_stack([psi for _, psi in found])
        return LinearFit(centre, psi.T @ psi / (g - 1) / g, np.full(p, g - 1))
    if weights == "equal":
        return LinearFit(b.mean(0), np.cov(b.T) / g, np.full(p, g - 1))
    w = np.column_stack([1 / (paule_mandel(b[:, j], sampling[:, j]) + sampling[:, j]) for j in range(p)])
    w = w / w.sum(0)
    mean_of = (w * b).sum(0)
    scaled = np.sqrt(w) * (b - mean_of)
    return LinearFit(mean_of, scaled.T @ scaled / (g - 1), np.full(p, g - 1))


def huber_mean(values: np.ndarray) -> tuple[float, np.ndarray]:
    """Huber's M-estimate with the MAD, and every value's psi over the slope of the mean psi, with Huber's correction."""
    centre = values.mean()
    for _ in range(2000):
        scale = np.median(np.abs(values - centre)) / 0.6745
        psi = np.clip(values - centre, -1.345 * scale, 1.345 * scale)
        inside = np.abs(values - centre) <= 1.345 * scale
        weight = np.where(inside, 1.0, psi / np.where(inside, 1.0, values - centre))
        centre = weight @ values / weight.sum()
    share = inside.mean()
    return centre, (1 + inside.var(ddof=1) / (len(values) * share**2)) / share * psi


def paule_mandel(values: np.ndarray, sampling: np.ndarray) -> float:
    """The variance between groups at which the weighted sum of squares is its expectation, by bracketing."""

    def excess(variance: float) -> float:
        w = 1 / (variance + sampling)
        return (w * (values - w @ values / w.sum()) ** 2).sum() - (len(values) - 1)

    if excess(0.0) <= 0:
        return 0.0
    return optimize.brentq(excess, 0.0, ((values - values.mean()) ** 2).sum(), xtol=1e-300, rtol=1e-14)


class Mixed:
    """The marginal mixed model of one dataset: ``y ~ N(X beta, sigma^2 V)``, ``V_g = I + Z_g T Z_g'``.

    Inside, ``X`` is replaced by the orthonormal factor of its QR decomposition and ``y`` by its least-squares residual: the
    same model in other coordinates, in which predictors far from zero cost no digits.

    Args:
        rows: the dataset.
        random: positions of the random-effects columns.
        reml: the criterion.
    """

    def __init__(self, rows: Rows, random: Any, reml: bool = True) -> None:
        self.rows, self.random, self.reml = rows, list(random), reml
        self.n, self.p = rows.x.shape
        self.nu = self.n - self.p if reml else self.n
        self.q_factor, self.r_factor = np.linalg.qr(rows.x)
        self.shift = np.linalg.solve(self.r_factor, self.q_factor.T @ rows.y)
        self.residual = rows.y - rows.x @ self.shift
        self.members = rows.members()

    def pieces(self, t: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, Any]:
        """log|V|, ``Q'V^-1 Q``, the GLS coefficients of Q, and the weighted residual sum of squares."""
        both = np.column_stack([self.q_factor, self.residual])
        s, logdet = np.zeros((self.p + 1, self.p + 1), dtype=np.asarray(t).dtype), 0.0
        for i in self.members:
            z = self.rows.x[np.ix_(i, self.random)]
            v = self.own(i) + z @ t @ z.T
            logdet = logdet + _logdet(v)
            s = s + both[i].T @ np.linalg.solve(v, both[i])
        coefficients = np.linalg.solve(s[:-1, :-1], s[:-1, -1])
        return logdet, s[:-1, :-1], coefficients, s[-1, -1] - s[-1, :-1] @ coefficients

    def own(self, i: np.ndarray) -> np.ndarray:
        """Covariance of a group's residuals, in units of their variance."""
        return np.eye(len(i))

    def deviance(self, t: np.ndarray) -> Any:
        """The profiled criterion, as lme4 reports it."""
        logdet, xx, _, pw = self.pieces(t)
        return logdet + self._reml_term(xx) + self.nu * (1 + np.log(2 * np.pi * pw / self.nu))

    def unprofiled(self, t: np.ndarray, sigma: Any) -> Any:
        """The criterion before sigma is profiled out."""
        logdet, xx, _, pw = self.pieces(t)
        return logdet + self._reml_term(xx) + pw / sigma**2 + self.nu * np.log(2 * np.pi * sigma**2)

    def _reml_term(self, xx: np.ndarray) -> Any:
        return _logdet(xx) + 2 * np.log(np.abs(np.diagonal(self.r_factor))).sum() if self.reml else 0.0

    def unscaled_vcov(self, t: np.ndarray) -> np.ndarray:
        """``(X'V^-1 X)^-1``."""
        back = np.linalg.inv(self.r_factor)
        return back @ np.linalg.solve(self.pieces(t)[1], back.T)

    def fit_at(self, t: np.ndarray) -> LinearFit:
        """Generalised least squares at ``T`` (``df`` left NaN)."""
        _, _, coefficients, pw = self.pieces(t)
        sigma = np.sqrt(pw / self.nu)
        beta = self.shift + np.linalg.solve(self.r_factor, coefficients)
        return LinearFit(beta, sigma**2 * self.unscaled_vcov(t), np.full(self.p, np.nan), sigma, self.deviance(t))

    def blups(self, t: np.ndarray) -> np.ndarray:
        """``T Z_g'V_g^-1 (y_g - X_g beta)`` of each group, ``[G, Q]``."""
        error = self.residual - self.q_factor @ self.pieces(t)[2]
        z = [self.rows.x[np.ix_(i, self.random)] for i in self.members]
        return np.stack(
            [
                t @ z_g.T @ np.linalg.solve(np.eye(len(i)) + z_g @ t @ z_g.T, error[i])
                for z_g, i in zip(z, self.members, strict=True)
            ]
        )

    def satterthwaite(self, theta: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """lmerTest's degrees of freedom by numerical differentiation in (theta, sigma), ``[P]``.

        ``theta`` are the free ``entries`` (row, column) of the lower factor, in units of one over their column's root mean
        square while differentiating. The Hessian is a central difference of exact gradients with one Richardson
        extrapolation; eigenvalues below 1e-7 of the largest count as zero (a Moore-Penrose inverse, as lmerTest's).
        """
        size = len(self.random)
        unit = 1 / np.sqrt((self.rows.x[:, self.random] ** 2).mean(0))[entries[:, 0]]

        def relative(at: np.ndarray) -> np.ndarray:
            factor = lower_factor(at[:-1] * unit, entries, size)
            return factor @ factor.T

        def variances(at: np.ndarray) -> np.ndarray:
            return at[-1] ** 2 * np.diagonal(self.unscaled_vcov(relative(at)))

        at = np.append(theta / unit, 1.0)
        at[-1] = self.fit_at(relative(at)).sigma
        hessian = richardson_hessian(lambda at: self.unprofiled(relative(at), at[-1]), at)
        values, vectors = np.linalg.eigh(hessian)
        keep = values > 1e-7 * values.max()
        spread = ((complex_gradient(variances, at).T @ vectors[:, keep]) ** 2 * (2 / values[keep])).sum(1)
        return 2 * variances(at) ** 2 / spread


class StructuredMixed(Mixed):
    """The same with residuals of a structure: ``ar1`` by the order of rows with a correlation ``psi``; or standard deviations
    ``exp(by psi)`` with the column ``by``; ``times`` of the rows for a correlation ``psi^|s - t|``."""

    def __init__(self, rows: Rows, random: Any, reml: bool, psi: Any, by: np.ndarray | None = None, times: Any = None) -> None:
        super().__init__(rows, random, reml)
        self.psi, self.by, self.times = psi, by, times

    def own(self, i: np.ndarray) -> np.ndarray:
        if self.by is not None:
            return np.diag(np.exp(2 * self.by[i] * self.psi))
        times = np.arange(len(i)) if self.times is None else self.times[i]
        return self.psi ** np.abs(np.subtract.outer(times, times))

    def satterthwaite(self, theta: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """By numerical differentiation in (psi, theta, sigma), as that of :class:`Mixed`, and in units of their columns."""
        size, psi = len(self.random), self.psi
        unit = 1 / np.sqrt((self.rows.x[:, self.random] ** 2).mean(0))[entries[:, 0]]
        own_unit = 1.0 if self.by is None else 1 / np.sqrt((self.by**2).mean())

        def relative(at: np.ndarray) -> np.ndarray:
            self.psi = at[0] * own_unit
            factor = lower_factor(at[1:-1] * unit, entries, size)
            return factor @ factor.T

        def variances(at: np.ndarray) -> np.ndarray:
            return at[-1] ** 2 * np.diagonal(self.unscaled_vcov(relative(at)))

        at = np.concatenate([[psi / own_unit], theta / unit, [1.0]])
        at[-1] = self.fit_at(relative(at)).sigma
        hessian = richardson_hessian(lambda at: self.unprofiled(relative(at), at[-1]), at)
        scale = np.sqrt(np.maximum(np.diagonal(hessian), 1e-300))
        values, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
        keep = values > 1e-7 * values.max()
        slopes = complex_gradient(variances, at).T / scale
        self.psi = psi
        return 2 * variances(at) ** 2 / ((slopes @ vectors[:, keep]) ** 2 * (2 / values[keep])).sum(1)


def mixed_sandwich(dense: Mixed, t: np.ndarray, convention: str) -> LinearFit:
    """Cluster-robust inference at ``T`` with the model as the working one, by Pustejovsky & Tipton's (2018) formulas on rows.

    The root of a group's covariance is the symmetric one, where clubSandwich takes Cholesky's: any gives the same.
    """
    x, at, m = dense.rows.x, dense.fit_at(t), dense.unscaled_vcov(t)
    z = x[:, dense.random]
    error = dense.residual + x @ (dense.shift - at.beta)
    v = np.where(dense.rows.group[:, None] == dense.rows.group, z @ t @ z.T, 0.0) + np.eye(dense.n)
    pulls = np.zeros((len(dense.members), dense.n, dense.p))
    for pull, i in zip(pulls, dense.members, strict=True):
        own = v[np.ix_(i, i)]
        adjust = np.eye(len(i))
        if convention == "CR2":
            root = symmetric_power(own, 0.5)
            adjust = root @ symmetric_power(root @ (own - x[i] @ m @ x[i].T) @ root, -0.5) @ root
        pull[i] = adjust.T @ np.linalg.solve(own, x[i] @ m)
    scores = np.einsum("gnp,n->gp", pulls, error)
    q = np.einsum("gnp,nm,hmp->pgh", pulls, v - x @ m @ x.T, pulls)
    df = np.trace(q, axis1=1, axis2=2) ** 2 / (q**2).sum((1, 2))
    return at._replace(vcov=scores.T @ scores, df=df)


def lower_factor(theta: np.ndarray, entries: np.ndarray, size: int) -> np.ndarray:
    """The factor with ``theta`` at ``entries``."""
    factor = np.zeros((size, size), dtype=np.asarray(theta).dtype)
    factor[entries[:, 0], entries[:, 1]] = theta
    return factor


def _logdet(matrix: np.ndarray) -> Any:
    sign, logabs = np.linalg.slogdet(matrix)
    return logabs + (np.log(sign) if np.iscomplexobj(matrix) else 0.0)


def complex_gradient(function: Any, at: np.ndarray) -> np.ndarray:
    """Exact derivatives of a real-analytic function, ``[len(at), ...]``."""
    steps = 1j * COMPLEX_STEP * np.eye(len(at))
    return np.stack([np.imag(function(at + step)) / COMPLEX_STEP for step in steps])


def richardson_hessian(function: Any, at: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Second derivatives: central differences of exact gradients, extrapolated (error of order step^4)."""

    def difference(h: float) -> np.ndarray:
        moves = h * np.eye(len(at))
        return np.stack([(complex_gradient(function, at + m) - complex_gradient(function, at - m)) / (2 * h) for m in moves])

    hessian = (4 * difference(step / 2) - difference(step)) / 3
    return (hessian + hessian.T) / 2


def eliminated_deviance(factor: jax.Array, rows: Rows, random: Any, reml: Any) -> jax.Array:
    """The criterion of the dense N x N model by plain elimination, traceable and differentiable.

    Eliminating ``[[V, X, y], [X', 0, 0], [y', 0, 0]]`` leaves V's pivots, those of ``-X'V^-1 X``, and minus the weighted
    residual sum of squares. No LAPACK, so it can be transformed by JAX at will.
    """
    n, p = rows.x.shape
    z = rows.x[:, list(random)]
    same = rows.group[:, None] == rows.group[None]
    v = jnp.eye(n) + jnp.where(same, z @ factor @ factor.T @ z.T, 0.0)
    border = jnp.column_stack([rows.x, rows.y])
    matrix = jnp.block([[v, border], [border.T, jnp.zeros((p + 1, p + 1))]])

    def eliminate(k: Any, carry: Any) -> Any:
        matrix, pivots = carry
        row = jax.lax.dynamic_index_in_dim(matrix, k, keepdims=False)
        return matrix - jnp.outer(row, row) / row[k], pivots.at[k].set(row[k])

    matrix, pivots = jax.lax.fori_loop(0, n + p, eliminate, (matrix, jnp.zeros(n + p)))
    pw = -matrix[-1, -1]
    nu = jnp.where(reml, n - p, n)
    fixed_part = jnp.where(reml, jnp.log(-pivots[n:]).sum(), 0.0)
    return jnp.log(pivots[:n]).sum() + fixed_part + nu * (1 + jnp.log(2 * jnp.pi * pw / nu))
