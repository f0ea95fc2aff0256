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
from jaxsim.errors import InputError, NotSupportedError
from jaxsim.formula.columns import WHOLE_COLUMN, require
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.frames.mixed_model import MixedModel, blocks_of


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
            InputError: if there are no draws, or a column or a level is missing.
            NotSupportedError: for ``scale()`` and ``center()``, which mean something else in other rows.
        """
        draws, rng = self._some(), np.random.default_rng(seed)
        x, z, known = self._matrices(data)
        flat = [
            value.reshape(-1, *value.shape[2:]) for value in (draws.beta, draws.sd, draws.correlation, draws.sigma, draws.effects)
        ]
        beta, sd, correlation, sigma, effects = flat
        labels = pd.Index(known)
        place = self.model.labels.get_indexer(labels)
        mean = beta @ x.T
        factor = sd[..., None] * np.linalg.cholesky(correlation + 1e-12 * np.eye(sd.shape[1]))
        for label in dict.fromkeys(known):
            rows = np.flatnonzero(labels == label)
            new = place[rows[0]] < 0
            own = np.einsum("sij,sj->si", factor, rng.normal(size=sd.shape)) if new else effects[:, place[rows[0]]]
            mean[:, rows] += own @ z[rows].T
        return mean + sigma[:, None] * rng.normal(size=mean.shape) if noise else mean

    def _matrices(self, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[Any]]:
        """Columns with fixed and random effects, and the groups' labels, of new rows: made beside the old rows, for their
        levels."""
        formula = self.model.formula
        if WHOLE_COLUMN.search(formula.text):
            raise NotSupportedError(
                f"{formula.text!r} has scale() or center(): put their values into columns of their own to predict."
            )
        response = {token.text for token in formula.response if token.kind == "name"}
        names = [name for name in formula.names if name not in response]
        require(data, names)
        new = data[names]
        if new.isna().any(axis=None):
            raise InputError("new rows have missing values; drop them first.")
        old = self.model.frame[names]
        for name in names:
            if name not in formula.random[0].group and not pd.api.types.is_numeric_dtype(old[name]):
                unknown = set(new[name]) - set(old[name])
                if unknown:
                    raise InputError(
                        f"column {name!r} has the level {sorted(map(str, unknown))[0]!r}, which the model has not seen."
                    )
        both = pd.concat([old, new], ignore_index=True)
        x = model_matrix(formula.fixed, both).values[len(old) :]
        blocks = [block for part in formula.random for block in blocks_of(part, both, formula.text)]
        z = np.column_stack([block.values for block in blocks])[len(old) :]
        group = formula.random[0].group
        if len(group) == 1:
            return x, z, list(new[group[0]])
        return x, z, [":".join(map(str, row)) for row in new[list(group)].itertuples(index=False)]

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
