"""The mixed-model strategy: what a user writes, and how one dataset or a batch of them is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxsim.data import verdicts
from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit, first_status
from jaxsim.data.names import Names
from jaxsim.data.rows import Rows
from jaxsim.errors import NotSupportedError, truth
from jaxsim.estimators import crossed_mixed, wording
from jaxsim.estimators.fit_of_solution import fit_of
from jaxsim.estimators.mixed_effects import MixedEffects
from jaxsim.estimators.mixed_sandwich import check_vcov, mixed_sandwich
from jaxsim.estimators.prediction import Coefficients, PredictionError, as_viewed, codes_of, of_groups, with_modes
from jaxsim.lmm import newton, solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.one_variance_problem import one_variance, optima, optimum
from jaxsim.lmm.one_variance_problem import pose as pose_lightly
from jaxsim.lmm.prediction import of_rows
from jaxsim.lmm.problem import Problem, pose, unidentified
from jaxsim.lmm.start import Starts, starts
from jaxsim.numerics.lanes import in_parts, iterate
from jaxsim.status import Status

# Groups of all datasets that are worked on at a time: on CPU enough to amortise a loop's overhead, few enough to stay in cache; a
# GPU has room for more.
LANE_GROUPS = {"cpu": 2**13, "gpu": 2**19}
# Never fewer lanes than a vector holds, and a number that a tile is a multiple of. On CPU as many lanes for all padded sizes up to
# 104: bits depend on their number (see :mod:`jaxsim.sweep.shared_sizes`).
FEWEST, MOST = 8, {"cpu": 64, "gpu": 2**16}


def lanes(groups: int) -> int:
    """Datasets of so many groups that are worked on at a time."""
    kind = "cpu" if jax.default_backend() == "cpu" else "gpu"
    fill = max(1, LANE_GROUPS[kind] // groups)
    return min(MOST[kind], max(FEWEST, 2 ** (fill.bit_length() - 1)))


class Search(NamedTuple):
    """Of one dataset, besides its optimum: evaluations of the criterion; whether the data are finite; whether it is flat. ``[]``"""

    evaluations: jax.Array
    finite: jax.Array
    flat: jax.Array


@dataclass(frozen=True)
class LinearMixed(MixedEffects):
    """Linear mixed model with one grouping factor or several, crossed or nested (lme4's ``lmer``).

    Args:
        formula: lme4's, such as ``"DV ~ IV1 + (IV1 | Group)"`` or ``"rt ~ x + (x | subject) + (1 | item)"``, on the process's
            columns; None takes all fixed effects. Without random effects in it they are those of ``random``.
        random: names of the columns with a random effect by every grouping factor of the process, or a tuple of such tuples: one
            per block of correlated effects, independent of the others. None means all fixed-effects columns that vary within the
            factor's groups (the maximal model). A formula names the factors that it is to have.
        covariance: ``full`` for ``(x | g)``, ``diagonal`` for ``(x || g)``; blocks given in ``random`` decide for themselves.
        reml: REML if true, else maximum likelihood.
        df: degrees of freedom of the t statistics: ``satterthwaite`` (as lmerTest), ``residual`` (N - P), ``normal`` (infinite),
            ``kenward-roger`` (as pbkrtest: expected information) or ``kenward-roger-observed`` (as SAS), which also adjust the
            standard errors and need REML. The observed information need not be definite at a singular fit, and may leave less than
            one degree of freedom where it hardly is: the status is then ``non_finite``. With a robust ``vcov``: ``satterthwaite``
            (Bell and McCaffrey's, for errors as the model has them: clubSandwich's ``coef_test``), ``G-1`` or ``normal``.
        label: name in the tables.
        vcov: of the fixed effects: the ``model``'s, or cluster-robust ``CR0`` or ``CR2``, as clubSandwich's ``vcovCR`` of a fit by
            ``lmer``, which allow any dependence and any variances within a group; see :mod:`jaxsim.estimators.mixed_sandwich`.
        estimand: as :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, a formula that cannot be read, random effects given twice, a ``df`` that does not go with
            ``vcov``.
        NotSupportedError: for a robust ``vcov`` of a model with several grouping factors.
    """

    reml: bool = True
    df: str = "satterthwaite"
    label: str = "lmer"
    vcov: str = "model"

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "reml", truth("reml", self.reml))
        check_vcov(self.vcov, self.df)
        if not self.robust:
            solution.check_df(self.df, self.reml)

    @property
    def robust(self) -> bool:
        """Whether standard errors are cluster-robust."""
        return self.vcov != "model"

    def in_words(self, names: Names) -> tuple[str, ...]:
        degrees = wording.ROBUST if self.robust else wording.DEGREES
        return (self.model_in_words(names), wording.criterion(self.reml), wording.errors(self.vcov), degrees[self.df])

    def check(self, names: Names) -> None:
        """Raises :class:`NotSupportedError` for robust standard errors with several grouping factors, too."""
        super().check(names)
        effects = self.random_effects(names)
        if len(effects) > 1 and self.robust:
            raise NotSupportedError(
                f"strategy {self.name!r}: vcov={self.vcov!r} is for one grouping factor, and the model has "
                f"{', '.join(random.factor for random in effects)}. Use vcov='model', or a formula with one factor."
            )

    @property
    def same_when_padded(self) -> bool:
        """Satterthwaite's and simpler degrees of freedom; not Kenward and Roger's, nor robust variances."""
        return not self.robust and not self.df.startswith("kenward-roger")

    def setting(self, data: CrossProducts) -> crossed_mixed.Setting:
        """A model with several grouping factors for its kernels."""
        effects = self.random_effects(data.names)
        return crossed_mixed.Setting(crossed_mixed.model_for(data, effects, self.reml), effects, self.df)

    def spec(self, data: CrossProducts) -> Spec:
        """Positions and structure for the kernels."""
        fixed = tuple(int(i) for i in data.fixed_index)
        (effects,) = self.random_effects(data.names)
        random = tuple(int(i) for i in data.index_of(effects.columns))
        return Spec(fixed, random, effects.structure, self.reml)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        if self.several(data.names):
            return crossed_mixed.fit_one(data, self.setting(data))
        spec = self.spec(data)
        problem = pose(data)
        finite = jnp.isfinite(data.products).all()
        if one_variance(spec):
            point, found = optimum(problem, spec)
            return self._report(data, problem, point, Search(found.evaluations, finite, found.flat))
        flat = unidentified(problem, spec)
        final = newton.search(problem, starts(problem, spec, flat), spec)
        return self._report(data, problem, final.best, Search(final.total_evaluations, finite, flat))

    def _batch(self, data: CrossProducts, context: Context | None, groups: bool) -> Fit:
        """In lanes that do not wait for the slowest; with one random effect a few datasets after the others."""
        one = jax.eval_shape(lambda batch: jax.tree.map(lambda leaf: leaf[0], batch), data)
        if self.several(data.names):
            return crossed_mixed.fit_batch(data, self.setting(one))
        return _fit_parts(self, data) if one_variance(self.spec(one)) else _fit_batch(self, data)

    def modes(self, data: CrossProducts, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Conditional modes of one dataset (best linear unbiased predictions) and their spread, traceable; with several grouping
        factors those of the first, as :meth:`modes_by_factor` has them of all.

        Args:
            data: the dataset.
            theta: of its fit, ``[T]``.

        Returns:
            Modes ``[G, Q]``, zero for padding, and lme4's conditional covariances ``[G, Q, Q]``; columns as in
            :meth:`random_effects`.
        """
        return next(iter(self.modes_by_factor(data, theta).values()))

    def modes_by_factor(self, data: CrossProducts, theta: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
        """:meth:`modes` by each grouping factor."""
        data = self.view(data)
        if self.several(data.names):
            return crossed_mixed.modes(data, self.setting(data), theta)
        (effects,) = self.random_effects(data.names)
        return {effects.factor: solution.blups(pose(data), theta, self.spec(data))}

    def group_coefficients(self, data: CrossProducts, fit: Fit) -> jax.Array:
        """Fixed effects plus conditional modes (lme4's ``coef``), ``[G, P]``."""
        data = self.view(data)
        own = [effects for effects in self.random_effects(data.names) if effects.factor == data.factors[0]]
        if not own:
            groups = data.counts[0] if data.levels is not None else len(data.sizes)
            return jnp.broadcast_to(fit.estimate, (groups, len(data.fixed)))
        modes, _ = self.modes_by_factor(data, fit.theta)[own[0].factor]
        return of_groups(data, own[0], fit.estimate, modes)

    @property
    def predicts_itself(self) -> bool:
        return False

    def predict(self, data: CrossProducts, fit: Fit, new: Rows) -> jax.Array:
        if not self.several(data.names):
            return super().predict(data, fit, new)
        return crossed_mixed.predicted(data, self.setting(data), fit, as_viewed(data, new))

    def prediction_coefficients(self, data: CrossProducts, fit: Fit) -> Coefficients | None:
        """Fixed effects plus conditional modes, those of columns without a fixed effect among them; None with several grouping
        factors, whose effects are not of a row's group alone."""
        if self.several(data.names):
            return None
        modes, _ = self.modes(data, fit.theta)
        return with_modes(data, self.random_effects(data.names)[0], fit.estimate, modes)

    def prediction_error(self, data: CrossProducts, fit: Fit, new: Rows) -> PredictionError | None:
        """As :meth:`jaxsim.frames.result.Result.predict` has it: Henderson's variance and Satterthwaite's df, or those that the
        fit has for everything (``residual``, ``normal``, ``G-1``); None with several grouping factors."""
        if self.several(data.names):
            return None
        rows = as_viewed(data, new)
        spread = of_rows(pose(data), fit.theta, fit.vcov, self.spec(data), rows.x, codes_of(data, new))
        df = fit.df[0] if self.df in ("residual", "normal", "G-1") else spread.df
        return PredictionError(spread.variance, jnp.broadcast_to(df, spread.variance.shape))

    def _report(self, data: CrossProducts, problem: Problem, point: newton.Point, search: Search) -> Fit:
        """Turn the optimum (standardised units) into a :class:`Fit` with a status."""
        spec = self.spec(data)
        found = solution.solve(problem, point, spec, "normal" if self.robust else self.df)
        no_variance = jnp.asarray(False)
        if self.robust:
            robust = mixed_sandwich(problem, point, spec, self.vcov, self.df)
            unit = found.sigma / problem.column_scale[jnp.array(spec.fixed)]
            found = found._replace(vcov=robust.vcov * jnp.outer(unit, unit), df=robust.df)
            no_variance = robust.none
        p, widest = len(spec.fixed), max(len(block) for block in spec.structure.blocks)
        status = first_status(
            *verdicts.mixed_model(
                data, p, widest, finite=search.finite, full_rank=problem.full_rank, exact=problem.exact, unidentified=search.flat
            ),
            # Groups that differ by so much more than their residuals that the sums of squares have no digits of these.
            (jnp.isnan(found.criterion), Status.NOT_CONVERGED),
            (~jnp.isfinite(found.criterion), Status.NON_FINITE),
            (~found.optimal, Status.NOT_CONVERGED),
            (no_variance, Status.ZERO_VARIANCE),
            (found.singular, Status.SINGULAR),
        )
        factor = self.random_effects(data.names)[0].factor
        return fit_of(found, status, {factor: found.covariance}, search.evaluations)


@partial(jax.jit, static_argnums=0)
def _fit_batch(estimator: LinearMixed, data: CrossProducts) -> Fit:
    one = jax.tree.map(lambda leaf: leaf[0], data)
    spec = estimator.spec(one)
    size = lanes(data.sizes.shape[1])

    def posed(part: CrossProducts) -> tuple[Problem, Starts, jax.Array]:
        """Problems of a part, where their searches begin, and whether their criteria are flat."""
        problems = jax.vmap(pose)(part)
        flat = jax.vmap(lambda problem: unidentified(problem, spec))(problems)
        return problems, jax.vmap(lambda problem, flat: starts(problem, spec, flat))(problems, flat), flat

    def reported(part: tuple[CrossProducts, Problem, newton.Point, jax.Array, jax.Array]) -> Fit:
        """The fits of a part."""
        data, problems, points, evaluations, flat = part
        finite = jnp.isfinite(data.products).all((1, 2, 3))
        return jax.vmap(estimator._report)(data, problems, points, Search(evaluations, finite, flat))

    problems, begins, flat = in_parts(posed, data, size)
    points, evaluations = iterate(
        step=lambda job, state: newton.step(job[0], job[1], state, spec),
        is_done=lambda state: state.done,
        extract=lambda state: (state.best, state.total_evaluations),
        problems=(problems, begins),
        states=jax.vmap(lambda begin: newton.initial(begin, spec))(begins),
        lanes=size,
    )
    return in_parts(reported, (data, problems, points, evaluations, flat), size)


@partial(jax.jit, static_argnums=0)
def _fit_parts(estimator: LinearMixed, data: CrossProducts) -> Fit:
    """Models with one random effect, in parts of always the same size: a dataset's bits do not depend on how many there are."""
    size = lanes(data.sizes.shape[1])
    spec = estimator.spec(jax.tree.map(lambda leaf: leaf[0], data))

    def fitted(part: CrossProducts) -> Fit:
        """The fits of one part."""
        problems, reduced, finite = pose_lightly(part, spec)
        if estimator.robust or estimator.df.startswith("kenward-roger"):
            problems = problems._replace(products=jax.vmap(pose)(part).products)
        points, found = optima(problems, reduced, spec)
        return jax.vmap(estimator._report)(part, problems, points, Search(found.evaluations, finite, found.flat))

    return in_parts(fitted, data, size)
