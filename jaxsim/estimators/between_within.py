"""Within and between effects kept apart: a mixed model with the group means of its predictors (Mundlak 1978)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import jax
import jax.numpy as jnp

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit
from jaxsim.data.group_means import FromRows, add_columns, deviation, from_rows, intercept_of, require_intercept, sums
from jaxsim.data.names import INTERCEPTS, Names
from jaxsim.data.random_effects import RandomEffects
from jaxsim.data.rows import Rows
from jaxsim.errors import InputError, brief, choose, names_given
from jaxsim.estimators.formulated import Formulated
from jaxsim.estimators.linear_mixed import LinearMixed
from jaxsim.estimators.prediction import Coefficients, PredictionError, as_viewed, codes_of

BETWEEN: tuple[str, ...] = ("contextual", "between")


@dataclass(frozen=True)
class BetweenWithin(Formulated):
    """A linear mixed model in which the group means of predictors have effects of their own (Mundlak 1978; Bell & Jones 2015).

    The coefficient of a predictor is its effect within groups: what differs between groups, and may be confounded, is in that of
    its mean. Means are those of the rows that are there, as in ``lmer(y ~ x + x_mean + (x | g))``.

    Rows of known groups are predicted with the group's mean in the rows that were fitted, and its conditional modes. Of a new group
    one row at a time is looked at, so its mean is not known: it is predicted from the row by the least-squares regression of the
    means on the fixed effects in the rows that were fitted. (R's ``predict`` is given means as a column of the new rows.)

    Args:
        formula: as of :class:`jaxsim.LinearMixed`, whose random effects it may have; the means are added to it.
        means: the predictors whose group means are added; None for all fixed effects that vary within groups. A predictor whose
            means do not differ between groups, as in a balanced design, makes the model rank deficient: leave it out.
        between: what the coefficients of the means are, called ``IV1_contextual``: how much the effect between groups differs from
            that within (``y ~ x + x_mean``); or ``IV1_between``: the effect between groups (``y ~ (x - x_mean) + x_mean``). Both
            are the same model.
        random, covariance, reml, df, vcov: as of :class:`jaxsim.LinearMixed`. The columns of the random effects are as they are,
            not less their means.
        label: name in the tables.
        estimand: as :class:`jaxsim.estimators.strategy.Strategy`.

    Raises:
        InputError: for an unknown option, and as :class:`jaxsim.LinearMixed`.
    """

    formula: str | None = field(default=None, kw_only=False)
    means: tuple[str, ...] | None = None
    between: str = "contextual"
    random: tuple[str, ...] | tuple[tuple[str, ...], ...] | None = None
    covariance: str = "full"
    reml: bool = True
    df: str = "satterthwaite"
    label: str = "mundlak"
    vcov: str = "model"

    guards_itself: ClassVar[bool] = True

    def __post_init__(self) -> None:
        choose("between", self.between, BETWEEN)
        if self.means is not None:
            object.__setattr__(self, "means", names_given("means", self.means))
        object.__setattr__(self, "random", self.mixed.random)
        object.__setattr__(self, "reml", self.mixed.reml)
        super().__post_init__()

    @property
    def takes_random(self) -> bool:
        return True

    @cached_property
    def mixed(self) -> LinearMixed:
        """The model without the means."""
        return LinearMixed(
            self.formula, self.random, covariance=self.covariance, reml=self.reml, df=self.df, label=self.label, vcov=self.vcov
        )

    @property
    def suffix(self) -> str:
        """What the coefficients of means are called, after the predictor's name."""
        return f"_{self.between}"

    def averaged(self, names: Names) -> tuple[str, ...]:
        """The predictors whose group means are added."""
        constant = (*INTERCEPTS, *names.constant_in(self.random_effects(names)[0].factor))
        own = self.mixed.coefficients(names)
        return tuple(name for name in own if name not in constant) if self.means is None else self.means

    def coefficients(self, names: Names) -> tuple[str, ...]:
        return (*self.mixed.coefficients(names), *(name + self.suffix for name in self.averaged(names)))

    def in_words(self, names: Names) -> tuple[str, ...]:
        added = ", ".join(self.averaged(names)) or "no predictor"
        means = f"with the group means of {added}, whose coefficients ({self.suffix}) are the effects between groups"
        contextual = " less those within" if self.between == "contextual" else ""
        return (self.model_in_words(names), f"{means}{contextual}", *self.mixed.in_words(names)[1:])

    def random_effects(self, names: Names) -> tuple[RandomEffects]:
        return self.mixed.by_one(names)

    def check(self, names: Names) -> None:
        """Raises :class:`InputError` without an intercept or predictors that vary within groups, and for ``means`` that are no
        fixed effects or whose coefficients would be called as columns are."""
        require_intercept(names, self.name, "a mean of each group")
        own, added = self.mixed.coefficients(names), self.averaged(names)
        if not added:
            raise InputError(f"strategy {self.name!r}: no predictor varies within groups, so there are no means to add.")
        strange = [name for name in added if name not in own or name in INTERCEPTS]
        if strange:
            allowed = ", ".join(name for name in own if name not in INTERCEPTS)
            raise InputError(f"strategy {self.name!r}: means={brief(self.means)} has {strange[0]!r}; use fixed effects: {allowed}.")
        taken = [name + self.suffix for name in added if name + self.suffix in names.columns]
        if taken:
            raise InputError(
                f"strategy {self.name!r}: the process has a column {taken[0]!r}, which the mean's coefficient is called."
            )
        self.mixed.check_by_one(names)
        super().check(names)

    def hopeless(self, names: Names) -> str | None:
        """A mean that is the same in every group, or a multiple of another column."""
        factor = self.random_effects(names)[0].factor
        own = {() if name in INTERCEPTS else tuple(sorted(name.split(":"))): name for name in self.mixed.coefficients(names)}
        alike = {name: own[part] for name in self.averaged(names) if (part := names.between_part(name, factor)) in own}
        if not alike:
            return None
        name, twin = next(iter(alike.items()))
        others = tuple(name for name in self.averaged(names) if name not in alike)
        cure = f"Give means={others!r}" if others else "Use LinearMixed(), whose effects within groups are the same"
        return (
            f"the mean of {name!r} is the same in every {factor}{'' if twin in INTERCEPTS else f' but for {twin!r}'}, so that its "
            f"effect cannot be told from that of {twin!r}. {cure}."
        )

    def augmented(self, data: CrossProducts) -> CrossProducts:
        """One dataset, as :meth:`view` gives it, with the means among its columns and fixed effects."""
        added = self.averaged(data.names)
        centred = added if self.between == "between" else ()
        fixed = tuple(deviation(name) if name in centred else name for name in data.fixed)
        return add_columns(data, added, self.suffix, centred).select(
            data.response, (*fixed, *(name + self.suffix for name in added))
        )

    def predicts(self, names: Names) -> bool:
        """The means are numbers that it has, or predicts itself."""
        return self.mixed.predicts(names)

    def prediction_coefficients(self, data: CrossProducts, fit: Fit) -> Coefficients:
        """Of the process's columns: of known groups with an intercept that has the group's means, of new ones with what a row says
        of them."""
        found, unknown = self.inner(data.names).prediction_coefficients(self.augmented(data), fit), self._unknown(data)
        assert found is not None  # there is one grouping factor
        intercept = data.columns.index(str(intercept_of(data.names)))
        known, own = self._split(data, found.known)
        new, all_groups = self._split(data, found.new)
        return Coefficients(
            known.at[:, intercept].add((own * self._means(data)).sum(1)), new.at[data.fixed_index].add(unknown.slopes @ all_groups)
        )

    def prediction_error(self, data: CrossProducts, fit: Fit, new: Rows) -> PredictionError:
        """That of the mixed model with the means as columns; of new groups with the variance of what a row does not say of them."""
        whole, rows, unknown = self.augmented(data), as_viewed(data, new), self._unknown(data)
        codes, averaged = codes_of(data, new), data.index_of(self.averaged(data.names))
        known = (codes >= 0)[:, None]
        means = jnp.where(known, self._means(data)[jnp.maximum(codes, 0)], rows.x[:, data.fixed_index] @ unknown.slopes)
        deviations = [rows.x[:, averaged] - means] if self.between == "between" else []
        x = jnp.concatenate([rows.x, means, *deviations], axis=1)
        error = self.inner(data.names).prediction_error(whole, fit, replace(rows, x=x, columns=whole.columns))
        assert error is not None
        _, of_means = self._split(data, jnp.zeros(len(whole.columns)).at[whole.fixed_index].set(fit.estimate))
        rest = jnp.where(known[:, 0], 0.0, of_means @ unknown.covariance @ of_means)
        return PredictionError(error.variance + rest, error.df)

    def _means(self, data: CrossProducts) -> jax.Array:
        """Of each group, ``[G, K]``; zero for padding."""
        sizes = jnp.maximum(data.sizes, 1).astype(float)[:, None]
        return sums(data)[:, data.index_of(self.averaged(data.names))] / sizes

    def _unknown(self, data: CrossProducts) -> FromRows:
        """What a row says of its group's means."""
        added = self.averaged(data.names)
        return from_rows(add_columns(data, added, self.suffix), data.fixed, tuple(name + self.suffix for name in added))

    def _split(self, data: CrossProducts, coefficients: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Coefficients of the columns of :meth:`augmented` data ``[.., K']`` as those of the process's columns ``[.., K]`` and of
        the means."""
        added, count = self.averaged(data.names), len(data.columns)
        plain, means, within = jnp.split(coefficients, [count, count + len(added)], axis=-1)
        if self.between == "contextual":
            return plain, means
        return plain.at[..., data.index_of(added)].add(within), means - within

    def inner(self, names: Names) -> LinearMixed:
        """The model of :meth:`augmented` data, whose random effects are named."""
        (random,) = self.random_effects(names)
        return LinearMixed(random=random.blocks, reml=self.reml, df=self.df, vcov=self.vcov)

    def fit(self, data: CrossProducts, context: Context | None = None) -> Fit:
        """Fit one dataset."""
        data = self.view(data)
        return self.inner(data.names).fit(self.augmented(data))

    def _batch(self, data: CrossProducts, context: Context | None, groups: bool) -> Fit:
        return self.inner(data.names)._batch(jax.vmap(self.augmented)(data), context, groups)
