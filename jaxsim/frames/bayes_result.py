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
from jaxsim.errors import InputError
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.postestimation.new_rows import new_rows


@dataclass(frozen=True, eq=False)
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

    def to_datatree(self) -> Any:
        """The draws as ArviZ's DataTree: ``posterior`` with named coordinates, and ``observed_data``.

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
        return arviz_base.from_dict(
            {"posterior": values, "observed_data": {"y": self.model.y}},
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

    def predict(self, data: pd.DataFrame, seed: int = 0, noise: bool = True) -> np.ndarray:
        """Posterior predictive draws for new rows, ``[draws, N]``.

        A group that the model has seen keeps its effects; a new one gets effects from their distribution, anew in each draw.

        Args:
            data: rows with the predictors and the group of the formula (not the response).
            seed: of the random numbers.
            noise: whether to add residual noise; without it these are draws of the rows' expectations.

        Raises:
            InputError: if there are no draws; for a column that is not there, a missing value, a level that no fitted row has, or
                groups of another type.
        """
        draws, rng = self._some(), np.random.default_rng(seed)
        rows = new_rows(self.model, data, grouped=True)
        assert rows.z is not None
        flat = [
            value.reshape(-1, *value.shape[2:]) for value in (draws.beta, draws.sd, draws.correlation, draws.sigma, draws.effects)
        ]
        beta, sd, correlation, sigma, effects = flat
        mean = beta @ rows.x.T
        factor = sd[..., None] * np.linalg.cholesky(correlation + 1e-12 * np.eye(sd.shape[1]))
        for at, code in rows.by_group():
            own = np.einsum("sij,sj->si", factor, rng.normal(size=sd.shape)) if code < 0 else effects[:, code]
            mean[:, at] += own @ rows.z[at].T
        return mean + sigma[:, None] * rng.normal(size=mean.shape) if noise else mean

    def _some(self) -> Posterior:
        if self.draws is None:
            raise InputError(f"there are no draws: the status is {self.status!r}.")
        return self.draws

    def __str__(self) -> str:
        parts = [
            f"Bayesian hierarchical model\nFormula: {self.model.formula.text}",
            self.parameters.to_string(index=False, float_format=lambda v: f"{v:.4g}"),
            self.table.to_string(index=False, float_format=lambda v: f"{v:.4g}"),
            f"Status: {self.status}",
            *self.messages,
        ]
        return "\n\n".join(parts)


def hyper_draws(model: MixedModel, draws: Posterior) -> dict[str, np.ndarray]:
    """Group SDs, correlations and residual SD by name, ``[chains, draws]`` each."""
    names = model.random_names
    found = {f"sd_{name}": draws.sd[..., i] for i, name in enumerate(names)}
    for i, j in model.structure.entries:
        if i != j:
            found[f"cor_{names[j]}_{names[i]}"] = draws.correlation[..., i, j]
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
