"""What a worker does with a task: fit it with pymer4 (or with lme4 taken further), and describe the fit."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import sys
import time
import warnings

import numpy as np

from jaxsim.numerics.row_basis import dependent, verdict
from jaxsim.r import embedded, generation
from jaxsim.r.code_outcome import CodeOutcome
from jaxsim.r.outcome import Outcome, from_lme4, nothing, tested
from jaxsim.r.task import CodeTask, Task
from jaxsim.r.user_code import UserCode
from jaxsim.r.verdict import cleaned, reached, stopped
from jaxsim.status import Status

NEEDED = ("lme4", "lmerTest", "numDeriv")


class Answering:
    """R and pymer4, started. ``problem`` says what R lacks."""

    def __init__(self) -> None:
        self.pymer4 = generation.load()
        self.versions = python_versions() | embedded.versions()
        lacking = [name for name in NEEDED if name not in self.versions]
        self.problem = f"R lacks the package(s) {', '.join(lacking)}" if lacking else ""
        if not lacking:
            self.r = embedded.R()
            self.code = UserCode(self.r)

    def answer(self, task: Task | CodeTask) -> Outcome | CodeOutcome:
        """The outcome of a task; an error of R's or pymer4's is a status with their words."""
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = self.code.answer(task) if isinstance(task, CodeTask) else self.fit(task)
        return dataclasses.replace(outcome, seconds=time.perf_counter() - start, versions=self.versions)

    def fit(self, task: Task) -> Outcome:
        """A model of pymer4's or lme4's."""
        try:
            return {"lmer": self.lmer, "lm": self.lm, "lm2": self.lm2}[task.kind](task)
        except Exception as error:
            status, words = stopped(str(error) or type(error).__name__)
            return Outcome(status, (words,))

    def lmer(self, task: Task) -> Outcome:
        """A mixed model."""
        if task.effort == "default":
            fit, note = self.pymer4.fit_lmer(task)
        else:
            fit, note = self.r.fit_tight(task.formula, task.frame, task.reml, task.effort), ""
        found = self.r.describe(fit, task.df)
        status, said = reached(found)
        return from_lme4(found, status, said + ((cleaned(note),) if note else ()), task.conf_level)

    def lm(self, task: Task) -> Outcome:
        """Cluster-robust least squares, with pymer4's scale and G - P degrees of freedom."""
        x, y, _, labels = _design(task)
        status, message = verdict(x, task.terms, y)
        if status is Status.OK and len(labels) <= x.shape[1]:
            status = Status.TOO_FEW_GROUPS
            message = f"{len(labels)} clusters leave no degrees of freedom for {x.shape[1]} coefficients"
        if status is not Status.OK:
            return _regression(task, status, message)
        return _regression(task, status, message, self.pymer4.fit_lm(task))

    def lm2(self, task: Task) -> Outcome:
        """Two stages. pymer4 answers with a pseudo-inverse where a group cannot be fitted alone: that is refused here."""
        x, y, codes, labels = _design(task)
        status, message = verdict(x, task.terms, y)
        if status is Status.OK and len(labels) < 2:
            status, message = Status.TOO_FEW_GROUPS, Status.TOO_FEW_GROUPS.message
        if status is Status.OK and (np.bincount(codes) < x.shape[1]).any():
            status, message = Status.TOO_FEW_ROWS, "a group has fewer rows than there are coefficients"
        wrong = [label for g, label in enumerate(labels) if dependent(x[codes == g])] if status is Status.OK else []
        if wrong:
            status, message = Status.RANK_DEFICIENT, f"{len(wrong)} groups cannot be fitted alone: {', '.join(wrong[:3])}"
        if status is not Status.OK:
            return _regression(task, status, message)
        return _regression(task, status, message, self.pymer4.fit_lm2(task))


def python_versions() -> dict[str, str]:
    """Of what Python brings to a fit."""
    found = {"Python": sys.version.split()[0]}
    for name in ("pymer4", "rpy2", "rpy2-rinterface", "rpy2-robjects", "pandas"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _design(task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Model matrix ``[N, P]``, response ``[N]``, group codes ``[N]`` and the groups' labels."""
    group = task.frame["group"].cat
    x = task.frame[[f"x{i}" for i in range(len(task.terms))]].to_numpy(float)
    return x, task.frame["y"].to_numpy(float), group.codes.to_numpy(int), tuple(group.categories)


def _regression(task: Task, status: Status, message: str, found: dict[str, np.ndarray] | None = None) -> Outcome:
    """An outcome of ``lm`` or ``lm2``; NaN of the right shapes without a fit."""
    p, group = len(task.terms), task.frame["group"]
    labels = tuple(group.cat.categories)
    if found is None:
        found = {"estimate": nothing(p), "std_error": nothing(p), "df": nothing(p)}
    own = found.get("own", nothing(0, 0))
    if len(own):
        # pymer4 has the groups in order of appearance.
        own = own[np.argsort(group.cat.codes.to_numpy()[np.sort(np.unique(group.cat.codes, return_index=True)[1])])]
        vcov = np.atleast_2d(np.cov(own, rowvar=False)) / len(own)
    else:
        vcov = np.where(np.eye(p, dtype=bool), found["std_error"] ** 2, np.nan)
    table = tested(found["estimate"], found["std_error"], found["df"], task.conf_level)
    if status is Status.OK and not (np.isfinite(table["statistic"]).all() and (table["df"] > 0).all()):
        status, message = Status.NON_FINITE, Status.NON_FINITE.message
    return Outcome(
        status=status,
        messages=(message,) if message else (),
        converged=status is Status.OK,
        terms=task.terms,
        **table,
        vcov=vcov,
        own=own,
        labels=labels,
        n_rows=len(task.frame),
        n_groups=len(labels),
    )
