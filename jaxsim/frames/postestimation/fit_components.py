"""Variance components of a fit by name: standard deviations and correlations of random effects, residual standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxsim.errors import InputError
from jaxsim.frames.fitted import Fitted, per_factor
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.regression import Regression
from jaxsim.status import USABLE_LABELS


class Component(NamedTuple):
    """The standard deviation of random effect ``i`` (``j`` equal to ``i``), or its correlation with ``j``, which comes later."""

    name: str
    i: int
    j: int


def random_components(model: MixedModel | Regression) -> tuple[Component, ...]:
    """Of the random effects, standard deviations first; none without random effects.

    They are named as in results of studies: ``sd_Subject_Days``, ``cor_Subject_(Intercept)_Days``.
    """
    if not isinstance(model, MixedModel):
        return ()
    groups, names = model.groups_of_columns, model.random_names
    pairs = sorted((int(j), int(i)) for i, j in model.structure.entries if i != j)
    return (
        *(Component(f"sd_{group}_{name}", i, i) for i, (group, name) in enumerate(zip(groups, names, strict=True))),
        *(Component(f"cor_{groups[i]}_{names[i]}_{names[j]}", i, j) for i, j in pairs),
    )


def component_values(components: Sequence[Component], covariance: np.ndarray) -> np.ndarray:
    """Values of the components ``[.., C]`` from covariances ``[.., Q, Q]``; a correlation with a variance of zero is NaN."""
    deviations = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = [
            deviations[..., i] if i == j else covariance[..., i, j] / (deviations[..., i] * deviations[..., j])
            for _, i, j in components
        ]
    return np.stack(values, axis=-1) if values else np.zeros((*covariance.shape[:-2], 0))


def parameter_names(model: MixedModel | Regression) -> tuple[str, ...]:
    """Fixed effects, components of the random effects, ``sigma``."""
    return (*model.x.names, *(component.name for component in random_components(model)), "sigma")


def covariance_of(fit: Fitted) -> np.ndarray:
    """Covariance of the random effects ``[Q, Q]``, of no columns without any."""
    model, covariance = fit.model, fit.covariance
    if not isinstance(model, MixedModel):
        return np.zeros((0, 0))
    found = np.zeros((len(model.random_names),) * 2)
    for f, own in enumerate(per_factor(covariance)):
        at = model.columns_of(f)
        found[np.ix_(at, at)] = own.to_numpy()
    return found


def parameter_values(fit: Fitted) -> np.ndarray:
    """The estimates, as :func:`parameter_names` names them."""
    own = component_values(random_components(fit.model), covariance_of(fit))
    return np.array([*fit.beta, *own, np.nan if fit.sigma is None else fit.sigma])


def require_usable(fit: Fitted, what: str) -> None:
    """Raise :class:`InputError` for a fit whose status is no answer."""
    if fit.status not in USABLE_LABELS:
        raise InputError(f"{what} needs a fit with an answer, and the status of this one is {fit.status!r}.")


def require_law(fit: Fitted, what: str) -> None:
    """Raise :class:`InputError` for a fit that is no answer, or of a method that does not say how responses arise."""
    require_usable(fit, what)
    if isinstance(fit.model, Regression) and (fit.sigma is None or fit.model.ways):
        raise InputError(
            f"{what} needs a model that says how the rows of a group depend on each other, which cluster-robust and two-stage "
            "analyses leave open; fit lmer, or ols if rows are independent."
        )


def is_reml(fit: Fitted) -> bool:
    """Whether the criterion is REML."""
    return isinstance(fit.model, MixedModel) and "REML" in fit.method
