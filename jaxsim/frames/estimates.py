"""What fitting a mixed model of a DataFrame gives, in the units of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxsim.frames.linear_tests import LinearTests
from jaxsim.frames.mixed_model import MixedModel
from jaxsim.frames.mixed_tests import Optimum, mixed_tests
from jaxsim.lmm import solution
from jaxsim.numerics.row_basis import Basis
from jaxsim.status import Status

BOUNDARY = "boundary (singular) fit: the random-effects covariance is singular"
NO_ADJUSTMENT = (
    "there are no Kenward-Roger degrees of freedom: the data say nothing about a variance that matters, or the observed "
    "information is indefinite or so nearly that less than one is left, as can happen at a singular fit; use df='satterthwaite' "
    "or another method"
)
STOPPED = "the optimiser stopped at a criterion of {:.6g} before the optimality conditions held: where it stopped is no estimate"


@dataclass(frozen=True)
class Estimates:
    """In the units of the data: fixed effects ``[P]``, their covariance, df; relative factor ``[Q, Q]``; modes of each grouping
    factor ``[G, q]``.

    ``known`` is the relative covariance ``[Q, Q]`` where its factor is not known as a whole, NaN where it is not known either;
    ``tests`` are those of combinations of the fixed effects, None where the estimates are no answer.
    """

    status: Status
    message: str
    beta: np.ndarray
    vcov: np.ndarray
    df: np.ndarray
    criterion: float
    sigma: float
    factor: np.ndarray
    modes: tuple[np.ndarray, ...]
    converged: bool = False
    singular: bool = False
    known: np.ndarray | None = None
    tests: LinearTests | None = None

    @property
    def covariance(self) -> np.ndarray:
        """Of the random effects, ``[Q, Q]``."""
        return self.sigma**2 * (self.factor @ self.factor.T if self.known is None else self.known)


@dataclass(frozen=True)
class End:
    """Where a search ended: its ``optimum`` is of a response less ``start`` ``[P]`` on the ``basis`` of the fixed effects.

    ``random`` gives the relative factor ``[Q, Q]`` and the modes in the units of the data; ``note`` is what is to be said of what
    the data tell.
    """

    optimum: Optimum
    basis: Basis
    start: np.ndarray
    random: Callable[[], tuple[np.ndarray, tuple[np.ndarray, ...]]]
    note: str = ""


def at_optimum(model: MixedModel, end: End, df: str) -> Estimates:
    """The estimates in the units of the data, if there is an optimum; ``df`` as for :class:`jaxsim.LinearMixed`."""
    basis, start, reml = end.basis, end.start, end.optimum.spec.reml
    adjusted = df.startswith("kenward-roger")
    method = df if adjusted else "satterthwaite"
    found = end.optimum.solution(method)
    if not np.isfinite(found.criterion):
        return nothing(model, Status.NON_FINITE, Status.NON_FINITE.message)
    if not found.optimal:
        return nothing(model, Status.NOT_CONVERGED, STOPPED.format(float(found.criterion)))
    factor, modes = end.random()
    # lme4's isSingular looks at theta in the units of the data.
    singular = bool((np.diagonal(factor) < solution.LME4_SINGULAR).any())
    if not (np.isfinite(found.vcov).all() and (found.df > 0).all()):
        return nothing(model, Status.NON_FINITE, NO_ADJUSTMENT if adjusted else Status.NON_FINITE.message)
    return Estimates(
        status=Status.SINGULAR if singular else Status.OK,
        message=end.note or (BOUNDARY if singular else ""),
        beta=start + basis.inverse @ found.beta,
        vcov=basis.inverse @ found.vcov @ basis.inverse.T,
        df=_degrees(df, np.asarray(found.df), len(model.y) - len(start)),
        criterion=float(found.criterion) + (basis.log_determinant if reml else 0.0),
        sigma=float(found.sigma),
        factor=factor,
        modes=modes,
        converged=True,
        singular=singular,
        tests=mixed_tests(end.optimum, df),
    )


def _degrees(df: str, found: np.ndarray, rest: float) -> np.ndarray:
    """Of the coefficients: those that were found, N - P, or infinite ones."""
    if df in ("residual", "normal"):
        return np.full(len(found), rest if df == "residual" else np.inf, float)
    return found


def nothing(model: MixedModel, status: Status, message: str) -> Estimates:
    """What is reported of a model that could not be estimated: NaN of the right shapes."""
    p, q = len(model.x.names), len(model.random_names)

    def nan(*shape: int) -> np.ndarray:
        """No numbers, of this shape."""
        return np.full(shape, np.nan)

    modes = tuple(nan(len(factor.labels), len(model.names_of(f))) for f, factor in enumerate(model.factors))
    return Estimates(status, message, nan(p), nan(p, p), nan(p), np.nan, np.nan, nan(q, q), modes)
