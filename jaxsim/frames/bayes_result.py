"""What sampling a posterior returns: tables, draws, predictions, and a DataTree for ArviZ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxsim.bayesian import diagnostics
from jaxsim.bayesian.posterior import Posterior
from jaxsim.bayesian.priors import Priors
from jaxsim.errors import InputError, choose
from jaxsim.frames.fit_card import posterior_card
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.fit_components import random_components
from jaxsim.frames.postestimation.new_rows import NewRows, new_rows
from jaxsim.frames.postestimation.posterior_means import posterior_contrasts, posterior_means
from jaxsim.frames.postestimation.prediction import LEVELS
from jaxsim.frames.postestimation.predictive_accuracy import Waic, normal_log_density, waic
from jaxsim.frames.postestimation.row_terms import offset_of, weights_of


@dataclass(frozen=True, eq=False, repr=False)
class BayesResult:
    """One sampled posterior. ``status`` says whether it is to be used; without draws the tables hold NaN.

    Attributes:
        table: ``term, estimate`` (posterior mean), ``std_error`` (SD), ``median, conf_low, conf_high, prob_direction``: fixed
            effects.
        parameters: ``parameter, mean, sd, median, conf_low, conf_high`` of group SDs, correlations and the residual SD
            (equal-tailed).
        diagnostics: ``parameter, rhat, ess_bulk, ess_tail, mcse`` (of the mean), from the draws; those of a resampled importance
            sample (``fast``) say nothing beyond ``status``.
        status: label of a :class:`jaxsim.status.Status`.
        messages: what a user should know.
        priors: as used.
        conf_level: of the intervals.
        model: what was fitted to.
        draws: :class:`jaxsim.bayesian.posterior.Posterior`, None if there is none.
    """

    table: pd.DataFrame
    parameters: pd.DataFrame
    diagnostics: pd.DataFrame
    status: str
    messages: tuple[str, ...]
    priors: Priors
    conf_level: float
    model: MixedModel
    draws: Posterior | None

    def to_datatree(self, seed: int = 0) -> Any:
        """The draws as ArviZ's DataTree, with named coordinates.

        ``posterior``; ``log_likelihood`` of each row given the effects of its group (which ArviZ's ``loo`` needs);
        ``posterior_predictive``, a new response of each row in each draw; ``observed_data``.

        Args:
            seed: of the predictive draws.

        Raises:
            InputError: if there are no draws, or arviz-base is not installed.
        """
        draws = self._some()
        try:
            import arviz_base  # noqa: PLC0415 - an optional dependency
        except ImportError as error:
            raise InputError("to_datatree needs arviz-base: pip install 'jaxsim-studies[bayes]'.") from error
        random = list(self.model.random_names)
        values = {
            "beta": draws.beta, "sd": draws.sd, "correlation": draws.correlation, "sigma": draws.sigma, "effects": draws.effects
        }  # fmt: skip
        mean, deviation = self._rows()
        y = self.model.y
        return arviz_base.from_dict(
            {
                "posterior": values,
                "log_likelihood": {"y": normal_log_density(y, mean, deviation)},
                "posterior_predictive": {"y": mean + deviation * np.random.default_rng(seed).normal(size=mean.shape)},
                "observed_data": {"y": y},
            },
            coords={
                "term": list(self.model.x.names),
                "random": random,
                "random_bis": random,
                "group": [str(label) for label in self.model.labels],
            },
            dims={
                "beta": ["term"],
                "sd": ["random"],
                "correlation": ["random", "random_bis"],
                "effects": ["group", "random"],
                "y": ["row"],
            },
        )

    def loo(self) -> Any:
        """Leave-one-out cross-validation of rows by Pareto-smoothed importance sampling (ArviZ's ``loo``, pointwise).

        It is conditional on groups: how well a row is predicted by the others, those of its own group among them. It says nothing
        about groups that are new.

        Raises:
            InputError: if there are no draws, or arviz-stats is not installed.
        """
        tree = self.to_datatree()
        try:
            import arviz_stats  # noqa: PLC0415 - an optional dependency
        except ImportError as error:
            raise InputError("loo needs arviz-stats: pip install 'jaxsim-studies[bayes]'.") from error
        return arviz_stats.loo(tree, pointwise=True)

    def waic(self) -> Waic:
        """The widely applicable information criterion, conditional on groups as :meth:`loo`, which is to be preferred.

        Raises:
            InputError: if there are no draws.
        """
        mean, deviation = self._rows()
        density = normal_log_density(self.model.y, mean, deviation)
        return waic(density.reshape(-1, density.shape[-1]), self.model.rows.index)

    @property
    def fitted(self) -> pd.Series:
        """Posterior means of the rows' expectations, given the effects of their groups; :class:`InputError` without draws."""
        return pd.Series(self._rows()[0].mean((0, 1)), index=self.model.rows.index, name="fitted")

    @property
    def residuals(self) -> pd.Series:
        """Response less :attr:`fitted`."""
        return (self.model.y - self.fitted).rename("residuals")

    def predict(self, data: pd.DataFrame | None = None, seed: int = 0, noise: bool = True, level: str = "group") -> np.ndarray:
        """Posterior predictive draws of rows, ``[draws, N]``.

        A group that the model has seen keeps its effects; a new one gets effects from their distribution, anew in each draw.

        Args:
            data: rows with the predictors and, at the level of groups, the group of the formula (not the response); the fitted rows
                when None.
            seed: of the random numbers.
            noise: whether to draw responses; without it these are draws of the rows' expectations.
            level: ``group``; or ``population``: by fixed effects alone, and a response is of a new group for each row.

        Raises:
            InputError: if there are no draws; for a column that is not there, a missing value, a level that no fitted row has, or
                groups of another type.
        """
        choose("level", level, LEVELS)
        draws, rng = self._some(), np.random.default_rng(seed)
        grouped = level == "group"
        rows = self._own() if data is None else new_rows(self.model, data, grouped=grouped, random=True)
        assert rows.z is not None
        flat = [
            value.reshape(-1, *value.shape[2:]) for value in (draws.beta, draws.sd, draws.correlation, draws.sigma, draws.effects)
        ]
        beta, sd, correlation, sigma, effects = flat
        mean = beta @ rows.x.T + (0.0 if rows.offset is None else rows.offset)
        factor = sd[..., None] * np.linalg.cholesky(correlation + 1e-12 * np.eye(sd.shape[1]))
        if grouped:
            for at, code in rows.by_group():
                own = np.einsum("sij,sj->si", factor, rng.normal(size=sd.shape)) if code < 0 else effects[:, code]
                mean[:, at] += own @ rows.z[at].T
        elif noise:
            scale = np.sqrt(np.square(np.einsum("nq,sqr->snr", rows.z, factor)).sum(-1))
            mean += scale * rng.normal(size=mean.shape)
        return mean + sigma[:, None] * rng.normal(size=mean.shape) if noise else mean

    def _own(self) -> NewRows:
        """The fitted rows."""
        model = self.model
        return NewRows(model.x.values, model.z, model.codes, model.rows.index, model.labels[model.codes].tolist(), model.offset)

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Expectation and standard deviation of each fitted row in each draw, given the effects of its group, ``[.., N]``."""
        draws, model = self._some(), self.model
        mean = draws.beta @ model.x.values.T + offset_of(model)
        for code in range(len(model.labels)):
            own = model.codes == code
            mean[..., own] += draws.effects[:, :, code] @ model.z[own].T
        return mean, draws.sigma[..., None] / np.sqrt(weights_of(model))

    def emmeans(self, specs: Any, by: Any = None, at: Any = None) -> pd.DataFrame:
        """Marginal means of the draws; see :func:`~jaxsim.frames.postestimation.posterior_means.posterior_means`."""
        return posterior_means(self.model, self._beta(), self.conf_level, specs, by, at)

    def contrasts(self, specs: Any, method: Any = "pairwise", by: Any = None, at: Any = None) -> pd.DataFrame:
        """Their contrasts; see :func:`~jaxsim.frames.postestimation.posterior_means.posterior_contrasts`."""
        return posterior_contrasts(self.model, self._beta(), self.conf_level, specs, method, by, at)

    def _beta(self) -> np.ndarray:
        """Draws of the coefficients, ``[S, P]``."""
        beta = self._some().beta
        return beta.reshape(-1, beta.shape[-1])

    def _some(self) -> Posterior:
        if self.draws is None:
            raise InputError(f"there are no draws: the status is {self.status!r}.")
        return self.draws

    def _repr_html_(self) -> str:
        return posterior_card(self.model.formula.text, self.parameters, self.table, self.status, self.messages)

    def __repr__(self) -> str:
        parts = [
            f"Bayesian hierarchical model\nFormula: {self.model.formula.text}",
            self.parameters.to_string(index=False, float_format=lambda v: f"{v:.4g}"),
            self.table.to_string(index=False, float_format=lambda v: f"{v:.4g}"),
            f"Status: {self.status}",
            *self.messages,
        ]
        return "\n\n".join(parts)


def hyper_draws(model: MixedModel, draws: Posterior) -> dict[str, np.ndarray]:
    """Group SDs, correlations and residual SD, named as in other fits, ``[chains, draws]`` each."""
    parts = random_components(model)
    found = {name: draws.sd[..., i] if i == j else draws.correlation[..., i, j] for name, i, j in parts}
    return {**found, "sigma": draws.sigma}


def parameter_table(model: MixedModel, draws: Posterior | None, level: float) -> pd.DataFrame:
    """See :attr:`BayesResult.parameters`."""
    columns = ["parameter", "mean", "sd", "median", "conf_low", "conf_high"]
    if draws is None:
        return pd.DataFrame(columns=columns)
    rows = []
    for name, values in hyper_draws(model, draws).items():
        low, middle, high = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2])
        rows.append((name, values.mean(), values.std(ddof=1), middle, low, high))
    return pd.DataFrame(rows, columns=columns)


_mixing = jax.jit(diagnostics.mixing)


def diagnostics_table(model: MixedModel, draws: Posterior | None) -> pd.DataFrame:
    """See :attr:`BayesResult.diagnostics`."""
    if draws is None:
        return pd.DataFrame(columns=["parameter", "rhat", "ess_bulk", "ess_tail", "mcse"])
    fixed = {name: draws.beta[..., j] for j, name in enumerate(model.x.names)}
    every = {**fixed, **hyper_draws(model, draws)}
    values = np.stack(list(every.values()), axis=-1)
    found = jax.tree.map(np.asarray, _mixing(values))
    mcse = values.std((0, 1), ddof=1) / np.sqrt(found.ess_bulk)
    frame = pd.DataFrame({"parameter": list(every), "rhat": found.rhat, "ess_bulk": found.ess_bulk, "ess_tail": found.ess_tail})
    return frame.assign(mcse=mcse)
