"""An own strategy in R: any function of a data frame, called by the R workers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxsim.data.fit import Fit
from jaxsim.data.names import Names
from jaxsim.errors import InputError, brief, check_seconds
from jaxsim.estimators import wording
from jaxsim.estimators.external import External, Handed, Session
from jaxsim.estimators.frame_strategy import TIME_LIMIT_S
from jaxsim.estimators.own_code import OwnCode
from jaxsim.estimators.tabled import Told, fit_of, told

if TYPE_CHECKING:
    from jaxsim.r.code_outcome import CodeOutcome
    from jaxsim.r.pool import Pool


@dataclass(frozen=True)
class RStrategy(OwnCode, External):
    """A strategy in R code that gives a function of one data frame; R's errors are rows with the status ``refused``.

    The data frame has the process's columns (``Group, DV, IV1, ..``). The function returns a data.frame with the columns ``term,
    estimate`` and any of ``std_error, df, p_value, conf_low, conf_high``; or a named vector of estimates; or a list with one of
    these as ``table`` and any of ``status, message, converged, singular, sigma, criterion``.

    Args:
        script: R code, such as ``"function(data) { m <- nlme::lme(DV ~ IV1, random = ~ 1 | Group, data); ... }"``; it may hold
            several expressions, the last of which is the function.
        label: name in the tables.
        terms: the coefficients that it estimates; the process's fixed effects when None. Others in its table are left out.
        first: fit only the first so many replicates of each cell; None for all of them.
        time_limit: seconds a fit may take.

    Raises:
        InputError: for something that is no R code.
    """

    script: str
    label: str = "R"
    terms: tuple[str, ...] | None = None
    first: int | None = None
    time_limit: float = TIME_LIMIT_S

    def __post_init__(self) -> None:
        if not isinstance(self.script, str) or "function" not in self.script:
            raise InputError(f"script={brief(self.script)} gives no R function; write 'function(data) {{ .. }}'.")
        super().__post_init__()
        check_seconds("time_limit", self.time_limit)

    def in_words(self, names: Names) -> tuple[str, ...]:
        told = (f"R code for each dataset's rows: {wording.short(self.script)}", *super().in_words(names))
        return (*told, f"at most {self.time_limit:g} s a fit")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The workers with R in them, the same for all such strategies; the script is read before anything is fitted."""
        from jaxsim.r.shared import shared_pool  # noqa: PLC0415 - only where R is asked for

        with shared_pool() as pool:
            pool.check_code(self.script)
            yield _Asked(self, pool)


@dataclass(frozen=True)
class _Asked:
    """Open worker processes and the script they call."""

    strategy: RStrategy
    pool: Pool

    @property
    def versions(self) -> dict[str, str]:
        """Of R and its packages."""
        return self.pool.versions

    def fit(self, datasets: Sequence[Handed]) -> tuple[Fit, list[str]]:
        """The fits and, for each dataset, why it has none; R that dies or takes too long fails its own dataset alone."""
        from jaxsim.r.code_request import CodeRequest  # noqa: PLC0415 - as above

        strategy = self.strategy
        terms = strategy.coefficients(datasets[0].names)
        requests = [CodeRequest(strategy.script, data.rows, strategy.time_limit) for data in datasets]
        fits = [_told(outcome, terms) for outcome in self.pool.map_code(requests)]
        return fit_of(fits, terms, datasets[0].conf_level)


def _told(outcome: CodeOutcome, terms: tuple[str, ...]) -> Told:
    if not outcome.status.has_numbers:
        return Told(status=outcome.status, message=outcome.message)
    said = {"status": outcome.status.label, "message": outcome.message, "sigma": outcome.sigma, "criterion": outcome.criterion}
    return told({"table": outcome.table, **said}, terms)
