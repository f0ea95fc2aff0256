"""Fit many datasets with R in worker processes, whatever happens to the processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from jaxsim.errors import InputError
from jaxsim.r.code_outcome import CodeOutcome
from jaxsim.r.code_request import CodeRequest, check_text, encode_code, encode_data
from jaxsim.r.generation import module_for
from jaxsim.r.outcome import Outcome
from jaxsim.r.request import Request, encode
from jaxsim.r.requirements import explain, lacking_for_lme4
from jaxsim.r.task import CodeTask
from jaxsim.status import Status
from jaxsim.workers.pool import NotReady
from jaxsim.workers.pool import Pool as Workers
from jaxsim.workers.seat import Job

ANSWERING = "jaxsim.r.answering:Answering"
TIMEOUT_S = 600.0


class Pool(Workers):
    """Child processes that run pymer4, and so lme4, or R functions of a user's.

    A worker that dies costs the one dataset it was fitting, whose status is then ``CRASHED``; another takes its place. Use it in a
    ``with`` statement, or call :meth:`close`.

    Args:
        workers: processes; by default two, or one on a machine with one core.
        timeout: seconds a fit may take before its process is ended.

    Raises:
        InputError: if pymer4, R or a package of R's is missing, naming it and the command that installs it.
    """

    def __init__(self, workers: int | None = None, timeout: float = TIMEOUT_S) -> None:
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
            raise InputError(f"timeout={timeout!r} must be a positive number of seconds.")
        self._timeout = float(timeout)
        lacking = lacking_for_lme4()
        if lacking:
            raise InputError(lacking)
        try:
            super().__init__(ANSWERING, min(2, os.cpu_count() or 1) if workers is None else workers)
        except NotReady as problem:
            raise InputError(explain(str(problem))) from None

    def map(self, requests: Iterable[Request]) -> Iterator[Outcome]:
        """Fit each request; the outcomes come in the order of the requests.

        Args:
            requests: may be a generator: it is read only as far ahead as the workers need.

        Raises:
            InputError: for a request that could never be fitted, when its turn comes; if the pool is closed.
        """
        return self.answers(requests, self._job)

    def fit(self, request: Request) -> Outcome:
        """One request."""
        return next(self.map([request]))

    def map_code(self, requests: Iterable[CodeRequest]) -> Iterator[CodeOutcome]:
        """Call each request's R function with its dataset; otherwise as :meth:`map`."""
        return self.answers(requests, self._code_job)

    def check_code(self, text: str) -> None:
        """Raise :class:`InputError`, with R's words, unless R code gives a function of one argument."""
        check_text(text)
        (read,) = self.answers([text], lambda code: Job(CodeTask(encode_code(code), None), self._timeout, self._lost_code))
        if read.status is not Status.OK:
            raise InputError(f"{read.message.rstrip('.')}.")

    def _job(self, request: Request) -> Job[Outcome]:
        self._check(request)
        return Job(encode(request), self._timeout, self._lost)

    def _check(self, request: Request) -> None:
        """Refuse what the installed software cannot do."""
        if not isinstance(request, Request):
            raise InputError(f"a pool maps over Requests; a {type(request).__name__} was given.")
        if request.kind != "lmer" and module_for(self.versions["pymer4"]).endswith("09"):
            what = {"lm": "cluster-robust errors (lm)", "lm2": "the two-stage analysis (lm2)"}[request.kind]
            raise InputError(f"pymer4 {self.versions['pymer4']} dropped {what}; python -m pip install pymer4==0.8.2 has it.")
        if request.df == "kenward-roger" and "pbkrtest" not in self.versions:
            raise InputError(explain("R lacks the package(s) pbkrtest"))

    def _code_job(self, request: CodeRequest) -> Job[CodeOutcome]:
        if not isinstance(request, CodeRequest):
            raise InputError(f"map_code maps over CodeRequests; a {type(request).__name__} was given.")
        limit = self._timeout if request.time_limit is None else float(request.time_limit)
        code, frame = encode_code(request.code), encode_data(request.data)
        return Job(CodeTask(code, frame), limit, self._lost_code, first=(code, CodeTask(code, None)))

    def _lost(self, reason: str, seconds: float) -> Outcome:
        return Outcome(Status.CRASHED, (reason,), seconds=seconds, versions=self.versions)

    def _lost_code(self, reason: str, seconds: float) -> CodeOutcome:
        return CodeOutcome(Status.CRASHED, (reason,), seconds=seconds, versions=self.versions)


def check() -> dict[str, str]:
    """Versions of all that a fit needs, found by starting one worker.

    Raises:
        InputError: naming what is missing, and the command that installs it.
    """
    with Pool(1) as pool:
        return pool.versions
