"""The mixed-model strategy: what a user writes, and how one dataset or a batch of them is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from jaxsim.crossproduct import CrossProducts
from jaxsim.errors import InputError, choose
from jaxsim.estimators.base import Estimator, Fit, Resampling, first_status, withhold
from jaxsim.estimators.lmm.structure import consecutive
from jaxsim.lmm import newton, solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import Problem, pose
from jaxsim.lmm.start import starts
from jaxsim.numerics.lanes import iterate
from jaxsim.status import Status

COVARIANCES: tuple[str, ...] = ("full", "diagonal")
# Group-lanes worked on at a time: enough to amortise the loop's overhead, few enough to stay in cache.
LANE_GROUPS = 2048


@dataclass(frozen=True)
class LinearMixed(Estimator):
    """Linear mixed model with one grouping factor (lme4's ``lmer``).

    Args:
        random: names of the columns with a random effect, or a tuple of such tuples: one per block of correlated effects,
            independent of the others. None means all fixed-effects columns (the maximal model).
        covariance: ``full`` for ``(x | g)``, ``diagonal`` for ``(x || g)``; blocks given in ``random`` decide for themselves.
        reml: REML if true, else maximum likelihood.
        df: degrees of freedom of the t statistics: ``satterthwaite`` (as lmerTest), ``residual`` (N - P), ``normal`` (infinite),
            ``kenward-roger`` (as pbkrtest: expected information) or ``kenward-roger-observed`` (as SAS), which also adjust the
            standard errors and need REML. The observed information need not be definite at a singular fit, and may leave less than
            one degree of freedom where it hardly is: the status is then ``non_finite``.
        label: name in the tables.
    """

    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"
    reml: bool = True
    df: str = "satterthwaite"
    label: str = "lmer"

    def __post_init__(self) -> None:
        choose("covariance", self.covariance, COVARIANCES)
        solution.check_df(self.df, self.reml)
        if self.random is not None:
            if isinstance(self.random, str) or not self.random:
                raise InputError(f"random={self.random!r} must be a tuple of column names, such as ('Intercept',).")
            blocks = tuple(tuple(b) if not isinstance(b, str) else b for b in self.random)
            object.__setattr__(self, "random", blocks)
            names = self.random_names()
            if len(set(names)) != len(names):
                raise InputError(f"random={self.random!r} names a column twice; each may have one random effect.")

    @property
    def name(self) -> str:
        return self.label

    def random_names(self) -> tuple[str, ...]:
        """Names in ``random``, flat; empty when it is None."""
        return tuple(n for block in self.random or () for n in ((block,) if isinstance(block, str) else block))

    def random_columns(self, fixed: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the random-effects columns, ``Q`` of them, in the order of ``Fit.covariance``."""
        return fixed if self.random is None else self.random_names()

    def blocks(self, fixed: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """The same names, a tuple for each block of correlated effects."""
        if self.random is not None and not isinstance(self.random[0], str):
            return tuple(tuple(block) for block in self.random)
        names = self.random_columns(fixed)
        return (names,) if self.covariance == "full" else tuple((name,) for name in names)

    def check(self, terms: tuple[str, ...]) -> None:
        unknown = [name for name in self.random_names() if name not in terms]
        if unknown:
            allowed = ", ".join(terms)
            raise InputError(f"estimator {self.name!r}: random effect {unknown[0]!r} is not a term of the process; use {allowed}.")

    def spec(self, data: CrossProducts) -> Spec:
        """Positions and structure for the kernels."""
        fixed = tuple(int(i) for i in data.fixed_index)
        random = tuple(int(i) for i in data.index_of(self.random_columns(data.fixed)))
        return Spec(fixed, random, consecutive(len(block) for block in self.blocks(data.fixed)), self.reml)

    def fit(self, data: CrossProducts, resampling: Resampling | None = None) -> Fit:
        """Fit one dataset."""
        spec = self.spec(data)
        problem = pose(data)
        final = newton.search(problem, starts(problem, spec), spec)
        return self._report(data, problem, final.best, final.total_evaluations)

    def fit_batch(self, data: CrossProducts, resampling: Resampling | None = None, groups: bool = False) -> Fit:
        """Fit every dataset of a batch, in lanes that do not wait for the slowest."""
        return _fit_batch(self, data)

    def random_effects(self, data: CrossProducts, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Conditional modes of one dataset (best linear unbiased predictions) and their spread, traceable.

        Args:
            data: the dataset.
            theta: of its fit, ``[T]``.

        Returns:
            Modes ``[G, Q]``, zero for padding, and lme4's conditional covariances ``[G, Q, Q]``; columns as in
            :meth:`random_columns`.
        """
        return solution.blups(pose(data), theta, self.spec(data))

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """Fixed effects plus conditional modes (lme4's ``coef``), ``[G, P]``."""
        modes, _ = self.random_effects(data, fit.theta)
        own = [(k, name) for k, name in enumerate(self.random_columns(data.fixed)) if name in data.fixed]
        places, columns = [data.fixed.index(name) for _, name in own], [k for k, _ in own]
        coefficients = jnp.broadcast_to(fit.estimate, (len(modes), len(data.fixed)))
        return coefficients.at[:, jnp.array(places, int)].add(modes[:, jnp.array(columns, int)])

    def _report(self, data: CrossProducts, problem: Problem, point: newton.Point, evaluations: jax.Array) -> Fit:
        """Turn the optimum (standardised units) into a :class:`Fit` with a status."""
        spec = self.spec(data)
        found = solution.solve(problem, point, spec, self.df)
        p, widest = len(spec.fixed), max(len(block) for block in spec.structure.blocks)
        n_rows, n_groups = data.n_rows, data.n_groups
        status = first_status(
            (~jnp.isfinite(data.products).all(), Status.NON_FINITE),
            (n_groups < 2, Status.TOO_FEW_GROUPS),
            # lme4's rule: each term alone must have fewer random effects than there are rows.
            ((n_rows <= p) | (n_rows <= n_groups * widest), Status.TOO_FEW_ROWS),
            (~problem.full_rank, Status.RANK_DEFICIENT),
            (problem.exact, Status.ZERO_RESIDUAL),
            (~jnp.isfinite(found.criterion), Status.NON_FINITE),
            (~found.optimal, Status.NOT_CONVERGED),
            (found.singular, Status.SINGULAR),
        )
        fit = Fit(
            estimate=found.beta,
            std_error=jnp.sqrt(jnp.diagonal(found.vcov)),
            df=found.df,
            vcov=found.vcov,
            status=status,
            converged=found.optimal,
            singular=found.singular,
            criterion=found.criterion,
            sigma=found.sigma,
            theta=found.theta,
            covariance=found.covariance,
            iterations=evaluations,
            p_value=jnp.zeros((0,)),
            conf_low=jnp.zeros((0,)),
            conf_high=jnp.zeros((0,)),
        )
        return withhold(fit)


@partial(jax.jit, static_argnums=0)
def _fit_batch(estimator: LinearMixed, data: CrossProducts) -> Fit:
    one = jax.tree.map(lambda leaf: leaf[0], data)
    spec = estimator.spec(one)
    problems = jax.vmap(pose)(data)
    begins = jax.vmap(lambda problem: starts(problem, spec))(problems)
    lanes = max(8, LANE_GROUPS // data.sizes.shape[1])
    points, evaluations = iterate(
        step=lambda job, state: newton.step(job[0], job[1], state, spec),
        is_done=lambda state: state.done,
        extract=lambda state: (state.best, state.total_evaluations),
        problems=(problems, begins),
        states=jax.vmap(lambda problem, begin: newton.initial(problem, begin, spec))(problems, begins),
        lanes=lanes,
    )
    return jax.vmap(estimator._report)(data, problems, points, evaluations)
