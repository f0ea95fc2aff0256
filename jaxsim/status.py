"""Why a fit may or may not be used: one code per fit, each with its message."""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """Outcome of one fit. Codes are stored as their lower-case names; ``usable`` says which ones measures may count."""

    OK = 0
    SINGULAR = 1
    NOT_CONVERGED = 2
    RANK_DEFICIENT = 3
    TOO_FEW_ROWS = 4
    TOO_FEW_GROUPS = 5
    ZERO_RESIDUAL = 6
    NON_FINITE = 7
    ZERO_VARIANCE = 8
    REFUSED = 9
    CRASHED = 10
    UNIDENTIFIED = 11

    @property
    def label(self) -> str:
        """The name written to tables."""
        return self.name.lower()

    @property
    def usable(self) -> bool:
        """True when the estimates are the estimator's answer (a singular fit is an answer)."""
        return self in (Status.OK, Status.SINGULAR)

    @property
    def has_numbers(self) -> bool:
        """True when there are estimates to show, if only those of an optimiser that stopped early."""
        return self.usable or self is Status.NOT_CONVERGED

    @property
    def message(self) -> str:
        """One sentence for a person."""
        return _MESSAGES[self]


_MESSAGES = {
    Status.OK: "converged",
    Status.SINGULAR: "converged on the boundary: the random-effects covariance is singular",
    Status.NOT_CONVERGED: "the optimiser stopped before the optimality conditions held, or a posterior was not sampled reliably",
    Status.RANK_DEFICIENT: "the model matrix (or that of a group fitted alone) does not have full column rank",
    Status.TOO_FEW_ROWS: "fewer rows than the model has coefficients or random effects",
    Status.TOO_FEW_GROUPS: "fewer than two groups",
    Status.ZERO_RESIDUAL: "the predictors reproduce the response exactly, or so nearly that rounding hides the residual variance "
    "(numbers below 1e-150 have squares of zero)",
    Status.ZERO_VARIANCE: "a standard error is zero: the groups say nothing about the variance of that coefficient",
    Status.NON_FINITE: "a NaN or an infinite value in the data or in the result",
    Status.REFUSED: "the software refused the data or stopped with an error; its words are in the message",
    Status.CRASHED: "the process that was fitting died, or code of the user's raised an error or returned no estimates; the "
    "message says which",
    Status.UNIDENTIFIED: "the fixed effects account for all that differs between the groups, so the data say nothing about the "
    "variance of a random effect; or parameters of the residuals' structure cannot be told from others",
}

LABELS: tuple[str, ...] = tuple(status.label for status in Status)
USABLE_LABELS: tuple[str, ...] = tuple(status.label for status in Status if status.usable)
USABLE: tuple[int, ...] = tuple(int(status) for status in Status if status.usable)
