"""What a worker sends back: one dataset's fit, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxsim.inference import t_table
from jaxsim.status import Status


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """The random effects of one grouping factor, all of its terms together.

    Attributes:
        group: name of the factor, such as ``Subject`` or ``school:class``.
        labels: its levels, ``G`` of them.
        terms: ``Q`` names.
        covariance: of the effects, ``[Q, Q]``.
        modes: conditional modes (lme4's ``ranef``), ``[G, Q]``.
        conditional: covariance of each group's effects given the data and the estimated parameters, ``[G, Q, Q]``.
    """

    group: str
    labels: tuple[str, ...]
    terms: tuple[str, ...]
    covariance: np.ndarray
    modes: np.ndarray
    conditional: np.ndarray

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose combinations the groups are: lme4 writes ``a/b/c`` as ``c:(b:a)``."""
        return tuple(self.group.replace("(", "").replace(")", "").split(":"))


def nothing(*shape: int) -> np.ndarray:
    """NaN."""
    return np.full(shape, np.nan)


@dataclass(frozen=True, eq=False)
class Outcome:
    """One fit by R or pymer4. Arrays are empty and numbers NaN where there is no fit; ``status`` and ``messages`` say why.

    Attributes:
        status: ``status.usable`` says whether the estimates may be counted.
        messages: the software's words, or the reason why the process died.
        converged, singular: no warning of lme4's ``checkConv`` and its optimiser, and lme4's ``isSingular``.
        criterion: REML criterion or minus twice the log-likelihood, lme4's definition.
        sigma: residual standard deviation.
        terms: names of the fixed effects, as R has them, ``P``.
        estimate, std_error, df, statistic, p_value, conf_low, conf_high: ``[P]``; t with ``df`` degrees of freedom. (pymer4 prints
            limits with the normal quantile; these have the t quantile.)
        vcov: covariance of ``estimate``, ``[P, P]``; NaN off the diagonal for ``lm``, which pymer4 does not give.
        theta: relative covariance parameters, ``[T]``; ``theta_names`` as lme4 names them.
        random: random effects by grouping factor.
        own: ``lm2``: every group's own coefficients, ``[G, P]``; ``labels`` names the groups.
        n_rows, n_groups: rows used, groups (of the first factor) among them.
        iterations: evaluations of the criterion, NaN if unknown.
        seconds: that the worker took.
        versions: of R, lme4, lmerTest, pymer4 and so on.
    """

    status: Status
    messages: tuple[str, ...] = ()
    converged: bool = False
    singular: bool = False
    criterion: float = np.nan
    sigma: float = np.nan
    terms: tuple[str, ...] = ()
    estimate: np.ndarray = field(default_factory=lambda: nothing(0))
    std_error: np.ndarray = field(default_factory=lambda: nothing(0))
    df: np.ndarray = field(default_factory=lambda: nothing(0))
    statistic: np.ndarray = field(default_factory=lambda: nothing(0))
    p_value: np.ndarray = field(default_factory=lambda: nothing(0))
    conf_low: np.ndarray = field(default_factory=lambda: nothing(0))
    conf_high: np.ndarray = field(default_factory=lambda: nothing(0))
    vcov: np.ndarray = field(default_factory=lambda: nothing(0, 0))
    theta: np.ndarray = field(default_factory=lambda: nothing(0))
    theta_names: tuple[str, ...] = ()
    random: tuple[RandomEffects, ...] = ()
    own: np.ndarray = field(default_factory=lambda: nothing(0, 0))
    labels: tuple[str, ...] = ()
    n_rows: int = 0
    n_groups: int = 0
    iterations: float = np.nan
    seconds: float = np.nan
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """All messages on one line."""
        return "; ".join(" ".join(message.split()) for message in self.messages)


def tested(estimate: np.ndarray, std_error: np.ndarray, df: np.ndarray, conf_level: float) -> dict[str, Any]:
    """The fields of an :class:`Outcome` from ``estimate`` to ``conf_high``, from arrays ``[P]``."""
    inference = t_table(estimate, std_error, df, conf_level)
    return {"estimate": estimate, "std_error": std_error, "df": df, **inference._asdict()}


def from_lme4(found: dict[str, Any], status: Status, messages: tuple[str, ...], conf_level: float) -> Outcome:
    """An outcome from what ``describe`` in describe.R lists, in its names."""
    random = tuple(_random_effects(entry) for entry in found["random"])
    return Outcome(
        status=status,
        messages=messages,
        converged=status in (Status.OK, Status.SINGULAR),
        singular=bool(found["singular"][0]),
        criterion=float(found["criterion"][0]),
        sigma=float(found["sigma"][0]),
        terms=tuple(found["terms"]),
        **tested(found["estimate"], found["std_error"], found["df"], conf_level),
        vcov=found["vcov"],
        theta=found["theta"],
        theta_names=tuple(found["theta_names"]),
        random=random,
        labels=random[0].labels,
        n_rows=int(found["n_rows"][0]),
        n_groups=len(random[0].labels),
        iterations=float(found["feval"][0]),
    )


def _random_effects(entry: dict[str, Any]) -> RandomEffects:
    n, q = entry["modes"].shape
    conditional = entry["conditional"].reshape((n, q, q), order="F")
    return RandomEffects(
        entry["group"][0], tuple(entry["labels"]), tuple(entry["terms"]), entry["covariance"], entry["modes"], conditional
    )
