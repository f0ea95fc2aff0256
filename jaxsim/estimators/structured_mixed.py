"""Mixed models whose residuals have a covariance structure of their own: what they share, whatever the structure."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data import verdicts
from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, first_status, has_numbers
from jaxsim.data.names import Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, choose
from jaxsim.estimators import wording
from jaxsim.estimators.fit_of_solution import fit_of
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.linear_mixed import LinearMixed, lanes
from jaxsim.estimators.prediction import Coefficients, of_groups, with_modes
from jaxsim.estimators.strategy import Reads
from jaxsim.lmm import solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.problem import Problem, pose, unidentified
from jaxsim.numerics.lanes import iterate
from jaxsim.status import Status
from jaxsim.structured import search
from jaxsim.structured.curvature import without
from jaxsim.structured.residuals import Residuals
from jaxsim.structured.start import Starts, starts

DF_METHODS: tuple[str, ...] = ("satterthwaite", "residual", "normal")


class Structured(NamedTuple):
    """The residuals of one dataset, in the units of its :class:`jaxsim.lmm.problem.Problem`.

    ``residuals``; ``candidates`` for its parameters, to start from, ``[S, K]``; ``unknown`` bool ``[]``: the data cannot tell the
    parameters from others; ``centre`` and ``unit`` ``[K]`` of what they multiply, for those who report them; ``finite`` bool
    ``[]``: the structure exists.
    """

    residuals: Residuals
    candidates: jax.Array
    unknown: jax.Array
    centre: jax.Array
    unit: jax.Array
    finite: jax.Array


class Judgement(NamedTuple):
    """Of the structure's parameters at the end of a search, bool ``[]`` each: ``inside``, whether it is an optimum and not a step
    on the way to a limit; ``flat``, whether the criterion is the same for other values; ``null``, whether it lies at the limit at
    which there is no structure."""

    inside: jax.Array
    flat: jax.Array
    null: jax.Array


class Job(NamedTuple):
    """One dataset: ``sizes`` of its groups ``[G]``, whether its numbers are ``finite`` and its criterion ``flat`` ``[]``, and what
    the search needs."""

    sizes: jax.Array
    finite: jax.Array
    flat: jax.Array
    problem: Problem
    structured: Structured
    starts: Starts


@dataclass(frozen=True)
class StructuredMixed(Formulated):
    """A mixed model with one grouping factor whose residuals are not independent with one variance.

    Rows of known groups are predicted by ``x'beta + z'b_g`` with the conditional modes ``b_g = T Z_g'V_g^-1 (y_g - X_g beta)``, as
    nlme's ``predict(level = 1)``: expectations given the group's effects. What residuals of rows nearby say of a new row's own is
    not used (that would be kriging), and there are no prediction intervals.

    Args:
        random, covariance, reml: as of :class:`jaxsim.LinearMixed`, as is the formula.
        df: degrees of freedom of t: ``satterthwaite`` (with the structure's parameters among the uncertain ones; nlme has none),
            ``residual`` (N - P) or ``normal``. nlme's own count of levels ("inner-outer") is not here.
    """

    formula: str | None = field(default=None, kw_only=False)
    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"
    reml: bool = True
    df: str = "satterthwaite"

    guards_itself: ClassVar[bool] = True
    reads: ClassVar[Reads] = Rows

    def __post_init__(self) -> None:
        choose("df", self.df, DF_METHODS)
        object.__setattr__(self, "random", self.mixed.random)
        object.__setattr__(self, "reml", self.mixed.reml)
        super().__post_init__()

    def in_words(self, names: Names) -> tuple[str, ...]:
        told = (self.model_in_words(names), self.residuals_in_words, wording.criterion(self.reml))
        return (*told, wording.errors("model"), wording.DEGREES[self.df])

    @property
    @abc.abstractmethod
    def residuals_in_words(self) -> str:
        """What the residuals are like."""

    @abc.abstractmethod
    def structure_of(self, data: Rows, change: jax.Array) -> Structured:
        """The residuals of one dataset, traceable; ``change`` ``[M, M]`` turns ``[x y]`` into the problem's units."""

    @abc.abstractmethod
    def reported(self, psi: jax.Array, structured: Structured) -> dict[str, jax.Array]:
        """The structure's parameters as they are called in the tables, ``[]`` each."""

    def origin(self, psi: jax.Array, structured: Structured) -> jax.Array:
        """The residual standard deviation that is reported, relative to that of the structure's units, ``[]``."""
        return jnp.ones(())

    @property
    def takes_random(self) -> bool:
        return True

    @cached_property
    def mixed(self) -> LinearMixed:
        """The same model with independent residuals."""
        label: Any = vars(self).get("label")  # as it was given: it is looked at where the study is
        return LinearMixed(self.formula, self.random, covariance=self.covariance, reml=self.reml, df=self.df, label=label)

    def random_effects(self, names: Names) -> tuple[RandomEffects]:
        return self.mixed.by_one(names)

    def check(self, names: Names) -> None:
        self.mixed.check_by_one(names)
        super().check(names)

    def spec(self, data: Any) -> Spec:
        """Positions and structure for the kernels; of rows or cross-products."""
        (effects,) = self.random_effects(data.names)
        fixed, random = (tuple(int(k) for k in data.index_of(columns)) for columns in (data.fixed, effects.columns))
        return Spec(fixed, random, effects.structure, self.reml)

    def job(self, data: Rows) -> Job:
        """One dataset, ready for the search."""
        spec, reduced = self.spec(data), data.reduce(data.counts[0])
        problem = pose(reduced)
        structured = self.structure_of(data, standardiser(problem, spec))
        flat = structured.unknown | unidentified(problem, spec)
        begin = starts(problem, structured.residuals, structured.candidates, spec, flat | ~structured.finite)
        finite = jnp.isfinite(reduced.products).all() & structured.finite
        return Job(reduced.sizes, finite, flat, problem, structured, begin)

    def fit(self, data: Rows, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        job, spec = self.job(data), self.spec(data)
        final = search.search(job.problem, job.structured.residuals, job.starts, spec)
        return self._report(data, job, final.best, final.total_evaluations, groups=True)

    def modes(self, fit: Fit) -> jax.Array:
        """Conditional modes of the groups (nlme's ``ranef``), ``[G, Q]``; zero for padding. Columns as in :meth:`random_effects`.

        Raises:
            InputError: for a fit that was made without them.
        """
        if fit.groups is None:
            raise InputError(f"{self.name}: this fit has no effects of groups; make it with fit_batch(..., groups=True).")
        return fit.groups

    def group_coefficients(self, data: Rows, fit: Fit) -> jax.Array:
        """Fixed effects plus conditional modes (nlme's ``coef``), ``[G, P]``."""
        return of_groups(data, self.random_effects(data.names)[0], fit.estimate, self.modes(fit))

    def prediction_coefficients(self, data: Rows, fit: Fit) -> Coefficients:
        """Fixed effects plus conditional modes, those of columns without a fixed effect among them."""
        return with_modes(data, self.random_effects(data.names)[0], fit.estimate, self.modes(fit))

    def _batch(self, data: Rows, context: Context | None, groups: bool) -> Fit:
        return _fit_batch(self, data, groups)

    def _report(self, data: Rows, job: Job, best: search.Found, evaluations: jax.Array, groups: bool) -> Fit:
        """Turn the optimum into a :class:`Fit` with a status; ``groups``: with the conditional modes."""
        spec, problem, structured = self.spec(data), job.problem, job.structured
        judged = self.judged(best, structured, problem.n_rows)
        found = solution.solve(problem, without(best.point, len(best.psi), judged.null), spec, self.df)
        singular = found.singular | judged.null
        widest = max(len(block) for block in spec.structure.blocks)
        counted = CrossProducts(jnp.zeros((len(job.sizes), 1, 1)), job.sizes, (), ())
        status = first_status(
            *verdicts.mixed_model(
                counted,
                len(spec.fixed),
                widest,
                finite=job.finite,
                full_rank=problem.full_rank,
                exact=problem.exact,
                unidentified=job.flat,
            ),
            (jnp.isnan(found.criterion), Status.NOT_CONVERGED),
            (~jnp.isfinite(found.criterion), Status.NON_FINITE),
            (~found.optimal | ~judged.inside, Status.NOT_CONVERGED),
            (judged.flat, Status.UNIDENTIFIED),
            (singular, Status.SINGULAR),
        )
        origin, factor = self.origin(best.psi, structured), self.random_effects(data.names)[0].factor
        reported = found._replace(singular=singular, sigma=found.sigma * origin, theta=found.theta / origin)
        fit = fit_of(reported, status, {factor: found.covariance}, evaluations)
        shown = has_numbers(fit.status)
        extra = {name: jnp.where(shown, value, jnp.nan) for name, value in self.reported(best.psi, structured).items()}
        modes = _modes(job, best.psi, found.theta, spec) if groups else None
        return replace(fit, extra=extra, groups=modes, converged=fit.converged & (fit.status != Status.NOT_CONVERGED))

    @abc.abstractmethod
    def judged(self, best: search.Found, structured: Structured, n_rows: jax.Array) -> Judgement:
        """What the end of a search is, traceable; ``n_rows`` of the dataset, ``[]``."""


def standardiser(problem: Problem, spec: Spec) -> jax.Array:
    """What :func:`jaxsim.lmm.problem.pose` makes of a row ``[x y]``, as a matrix ``[M, M]`` to multiply it with."""
    size, fixed = len(problem.column_scale), jnp.array(spec.fixed)
    change = jnp.zeros((size + 1, size + 1)).at[jnp.arange(size), jnp.arange(size)].set(1 / problem.column_scale)
    shift = jnp.where(problem.full_rank, problem.shift, 0.0) / problem.response_scale
    return change.at[fixed, -1].set(-shift).at[-1, -1].set(1 / problem.response_scale)


def _modes(job: Job, psi: jax.Array, theta: jax.Array, spec: Spec) -> jax.Array:
    """``T Z_g'V_g^-1 (y_g - X_g beta)``, ``[G, Q]``: those of an ordinary mixed model of the whitened rows; ``theta`` is in the
    structure's units."""
    modes, _ = solution.blups(job.problem._replace(products=job.structured.residuals.products(psi)), theta, spec)
    return modes


@partial(jax.jit, static_argnums=(0, 2))
def _fit_batch(estimator: StructuredMixed, data: Rows, groups: bool) -> Fit:
    """In lanes that do not wait for the slowest."""
    spec = estimator.spec(jax.tree.map(lambda leaf: leaf[0], data))
    jobs = jax.vmap(estimator.job)(data)

    def begin(job: Job) -> search.State:
        """Where the search of one dataset begins."""
        return search.initial(job.problem, job.structured.residuals, job.starts, spec)

    best, evaluations = iterate(
        step=lambda job, state: search.step(job[0], job[1], job[2], state, spec),
        is_done=lambda state: state.done,
        extract=lambda state: (state.best, state.total_evaluations),
        problems=(jobs.problem, jobs.structured.residuals, jobs.starts),
        states=jax.vmap(begin)(jobs),
        lanes=lanes(data.counts[0]),
    )
    return jax.vmap(partial(estimator._report, groups=groups))(data, jobs, best, evaluations)


def check_columns(names: Names, columns: tuple[str, ...], owner: str, what: str) -> None:
    """Raise :class:`InputError` for one that is no column of the process."""
    unknown = [name for name in columns if name not in names.columns]
    if unknown:
        raise InputError(
            f"strategy {owner!r}: {what} {unknown[0]!r} is not a column of the process; use {', '.join(names.columns)}."
        )
