"""What people choose of the wild bootstrap of :func:`jaxsim.lm`, and what few groups leave of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from jaxsim.data.context import Context
from jaxsim.errors import InputError, brief, choose
from jaxsim.estimators import ClusterRobust
from jaxsim.estimators.cluster_robust import bootstrap_only
from jaxsim.estimators.wild import WEIGHTS
from jaxsim.frames.regression import Regression

# A single dataset can afford more draws than each of a study's.
LM_DRAWS = 9999


def bootstrap_weights(weights: Any, bootstrap: str | None) -> tuple[Any, str | None]:
    """The weights of the rows, and those of the bootstrap: ``weights`` may name these."""
    if not isinstance(weights, str) or weights not in WEIGHTS:
        return weights, bootstrap
    if bootstrap is not None and bootstrap != weights:
        raise InputError(f"weights={weights!r} and bootstrap={brief(bootstrap)} are two weights of the bootstrap; give one.")
    return None, weights


def strategy(vcov: str, df: str | None, inference: str, bootstrap: str | None, draws: int | None) -> ClusterRobust:
    """What the options of :func:`lm` describe; None is the default of an option of the bootstrap."""
    if bootstrap is not None:
        choose("bootstrap", bootstrap, WEIGHTS)
        if inference == "t":
            refuse_unused(bootstrap, None)
    given = {"weights": bootstrap, "draws": draws}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    estimator = ClusterRobust(vcov, df=df, inference=inference, **options)  # says which options are unknown or do not go together
    if not estimator.resamples:
        refuse_unused(None, draws)
        return estimator
    return dataclasses.replace(estimator, draws=LM_DRAWS) if draws is None else estimator


def refuse_unused(bootstrap: str | None, draws: int | None) -> None:
    """Raise :class:`InputError` for an option of the bootstrap where there is none."""
    for name, value in (("bootstrap", bootstrap), ("draws", draws)):
        if value is not None:
            raise InputError(bootstrap_only(f"{name}={brief(value)}"))


def bootstrap_title(regression: Regression, estimator: ClusterRobust) -> str:
    """Weights and number of draws."""
    assert regression.labels is not None
    patterns = 2 ** len(regression.labels)
    if estimator.weights == "rademacher" and patterns < estimator.draws:
        return f"all {patterns} patterns of signs"
    return f"{estimator.weights} weights, {estimator.draws} draws"


def too_coarse(regression: Regression, estimator: ClusterRobust, context: Context | None) -> str:
    """Why sign patterns are too few for the level that is asked for; empty if they are not."""
    assert regression.labels is not None
    n = len(regression.labels)
    if context is None or estimator.weights != "rademacher" or 2.0 ** (1 - n) <= 1 - float(context.conf_level) + 1e-12:
        return ""
    return f"{n} clusters have only {2 ** (n - 1)} sign patterns that differ"


def never(regression: Regression, estimator: ClusterRobust, p_value: np.ndarray) -> str:
    """What a p value of zero says; empty where there is none.

    Where all patterns of signs were used, one of equal signs gives the sample itself, which ties with it, and ties are not counted
    (see :func:`jaxsim.estimators.wild.wild_bootstrap`).
    """
    assert regression.labels is not None
    if not (p_value == 0).any():
        return ""
    patterns = 2 ** len(regression.labels)
    if estimator.weights != "rademacher" or patterns > estimator.draws:
        most = 1 / (estimator.draws + 1)
        return f"a p value of 0 says that none of {estimator.draws:,} draws is as extreme as the sample: report p <= {most:.4g}"
    n, differ = len(regression.labels), patterns // 2
    return (
        f"{n} clusters have {differ} sign patterns that differ: a p value of 0 says that none of the others is as extreme as the "
        f"sample, so no more than p <= 1/{differ} = {1 / differ:.4g}, which it is if the sample counts itself"
    )
