"""One stored fit against lme4's: the differences, and whose fault they are."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxsim.audit.definition import Columns, evaluate
from jaxsim.audit.sample import Finished
from jaxsim.estimators import LinearMixed
from jaxsim.estimators.lme4 import fit_of
from jaxsim.r.outcome import Outcome
from jaxsim.status import USABLE_LABELS, Status

# Ours may be lower, never higher by more: rounding of sums of size 1e4 and the stopping rules of both programs lie below it.
CRITERION = 1e-6


class Verdict(enum.Enum):
    """What came of one comparison; the value is what the table says. ``ours`` marks the ones that are our fault."""

    AGREES = "agrees"
    STOPPED_SHORT = "lme4 stopped short"
    LME4_HIGHER = "lme4 in a higher optimum"
    NO_LME4 = "lme4 has no answer"
    NEITHER = "neither has an answer"
    OURS_HIGHER = "ours higher"
    NUMBERS_DIFFER = "numbers differ"
    NOT_ITS_OWN = "not the criterion of its own variances"
    NO_OURS = "we have no answer"
    ONLY_OURS = "lme4 refuses the data"

    @property
    def ours(self) -> bool:
        """Whether the disagreement is a fault of jaxsim's."""
        return self in _OURS


_OURS = (Verdict.OURS_HIGHER, Verdict.NUMBERS_DIFFER, Verdict.NOT_ITS_OWN, Verdict.NO_OURS, Verdict.ONLY_OURS)
# What lme4 finds wrong with the data, and we should have found, too.
_BAD_DATA = (Status.RANK_DEFICIENT, Status.TOO_FEW_ROWS, Status.TOO_FEW_GROUPS, Status.ZERO_RESIDUAL)


@dataclass(frozen=True)
class Tolerance:
    """Largest differences at one effort of lme4, in the units of :class:`Difference`."""

    estimate: float
    std_error: float
    df: float
    covariance: float
    sigma: float


# lme4 as it comes stops where the criterion is flat to about 1e-6 of a deviance unit: the estimates move by a thousandth of their
# standard error at most, the degrees of freedom (a ratio of second derivatives) by a percent. What is farther away is fitted again.
AS_IT_COMES = Tolerance(estimate=1e-3, std_error=1e-3, df=1e-2, covariance=1e-3, sigma=1e-3)
# At tight tolerances, polished by Newton steps, its theta is good to 1e-8; at a singular fit, which is not polished, its criterion
# to 1e-7, and so its parameters to the square root of that in units of their standard deviations (it is quadratic there).
TIGHT = Tolerance(estimate=1e-5, std_error=1e-5, df=1e-3, covariance=1e-4, sigma=1e-5)
UNPOLISHED = 1e-7
# Rounding of a criterion of size 1e4 that is got in two ways, and of its estimates in standard errors.
SAME_NUMBER = 1e-6


@dataclass(frozen=True)
class Difference:
    """Ours and lme4's, apart.

    Attributes:
        criterion: ours less lme4's, in deviance units.
        estimate: largest difference of a fixed effect, in standard errors.
        std_error, df: largest relative difference; None where the two are not meant to be the same.
        covariance: largest difference of a variance component, relative to the variance of its effects plus the residual one.
        sigma: relative difference of the residual standard deviations.
        singular: whether the two disagree on singularity.
    """

    criterion: float
    estimate: float
    std_error: float | None
    df: float | None
    covariance: float
    sigma: float
    singular: bool

    def within(self, tolerance: Tolerance, slack: float = 0.0) -> bool:
        """Whether everything but the criterion is close enough; what is not compared is, a number that is none is not."""
        names = ("estimate", "std_error", "df", "covariance", "sigma")
        pairs = [(getattr(self, name), getattr(tolerance, name)) for name in names]
        return not self.singular and all(found is None or found <= allowed + slack for found, allowed in pairs)


def difference(ours: Finished, theirs: Outcome) -> Difference:
    """Compare two fits that both have an answer."""
    strategy = ours.strategy
    fit = fit_of([theirs], ours.terms, ours.effects)
    estimate, error, df = (np.asarray(a)[0] for a in (fit.estimate, fit.std_error, fit.df))
    apart = []
    for part, own in zip(ours.effects, ours.covariance, strict=True):
        covariance = np.asarray(fit.covariance[part.factor])[0]
        spread = np.diagonal(covariance) + theirs.sigma**2
        apart.append(float(np.max(np.abs(own - covariance) / np.sqrt(np.outer(spread, spread)))))
    same_error = lme4_df(strategy) is not None or plain(strategy)
    return Difference(
        criterion=ours.criterion - theirs.criterion,
        estimate=float(np.max(np.abs(ours.estimate - estimate) / error)),
        std_error=float(np.max(np.abs(ours.std_error / error - 1))) if same_error else None,
        df=float(np.max(np.abs(ours.df / df - 1))) if lme4_df(strategy) else None,
        covariance=float(np.max(apart)),
        sigma=abs(ours.sigma / theirs.sigma - 1),
        singular=ours.singular != theirs.singular,
    )


def is_its_own(ours: Finished, rows: pd.DataFrame) -> bool:
    """Whether our criterion, estimates and standard errors are those of the model's definition at our own variances."""
    strategy = ours.strategy
    model = Columns(ours.response, ours.terms, tuple((part.columns, part.factor) for part in ours.effects))
    own = evaluate(rows, model, ours.covariance, ours.sigma, strategy.reml)
    apart = [abs(ours.criterion - own.criterion), *(np.abs(ours.estimate - own.estimate) / own.std_error)]
    if plain(strategy) or lme4_df(strategy) == "satterthwaite":
        apart += list(np.abs(ours.std_error / own.std_error - 1))
    return all(found <= SAME_NUMBER for found in apart)


def lme4_df(strategy: LinearMixed) -> str | None:
    """lme4's name for a strategy's method of degrees of freedom; None if it has not got it."""
    return strategy.df if not strategy.robust and strategy.df in ("satterthwaite", "kenward-roger") else None


def plain(strategy: LinearMixed) -> bool:
    """Whether standard errors are those of the model, without a small-sample adjustment."""
    return not strategy.robust and strategy.df in ("residual", "normal")


def first_look(ours: Finished, theirs: Outcome) -> tuple[Verdict | None, Difference | None]:
    """Judge lme4 as it comes; no verdict means that it must try harder."""
    usable = ours.status in USABLE_LABELS
    if theirs.status in _BAD_DATA:
        return (Verdict.ONLY_OURS if usable else Verdict.NEITHER), None
    if not usable or not theirs.status.usable:
        return None, None
    apart = difference(ours, theirs)
    agrees = abs(apart.criterion) <= CRITERION and apart.within(AS_IT_COMES)
    return (Verdict.AGREES if agrees else None), apart


def final_look(ours: Finished, theirs: Outcome, rows: pd.DataFrame) -> tuple[Verdict, Difference | None]:
    """Judge lme4 at its best; ``rows`` are the dataset."""
    usable = ours.status in USABLE_LABELS
    if not theirs.status.has_numbers:
        return (Verdict.NO_LME4 if usable else Verdict.NEITHER), None
    if not usable:
        return (Verdict.NO_OURS if theirs.status.usable else Verdict.NEITHER), None
    apart = difference(ours, theirs)
    if not np.isfinite(apart.criterion):
        return Verdict.NUMBERS_DIFFER, apart
    if apart.criterion > CRITERION:
        return Verdict.OURS_HIGHER, apart
    if apart.criterion < -CRITERION:
        return (Verdict.LME4_HIGHER if is_its_own(ours, rows) else Verdict.NOT_ITS_OWN), apart
    slack = math.sqrt(min(max(-apart.criterion, 0.0), UNPOLISHED)) if theirs.singular else 0.0
    return (Verdict.STOPPED_SHORT if apart.within(TIGHT, slack) else Verdict.NUMBERS_DIFFER), apart
