"""Phrases that strategies say their settings in, for the people who read a report: every setting, also one that is a default."""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxsim.counts import counted
from jaxsim.errors import brief

# Fields that are said elsewhere: the name, and what all strategies may have (:meth:`jaxsim.estimators.strategy.Strategy.told`).
APART = ("label", "estimand", "first")
LONGEST = 160  # characters of a formula or a script
DEGREES = {
    "satterthwaite": "t tests with Satterthwaite's df",
    "kenward-roger": "t tests with Kenward and Roger's df and standard errors",
    "kenward-roger-observed": "t tests with Kenward and Roger's df and standard errors, from the observed information",
    "residual": "t tests with residual df (rows less coefficients)",
    "G-1": "t tests with G − 1 df (G groups)",
    "G-P": "t tests with G − P df (G groups, P coefficients)",
    "normal": "z tests",
}
ROBUST = DEGREES | {"satterthwaite": "t tests with Bell and McCaffrey's df"}


def settings(strategy: Any) -> tuple[str, ...]:
    """Each field of a dataclass with its value."""
    return tuple(
        f"{field.name}={written(getattr(strategy, field.name))}"
        for field in dataclasses.fields(strategy)
        if field.name not in APART and hasattr(strategy, field.name)
    )


def written(value: Any) -> str:
    """A setting as text: a function or class by its name, text without quotes, anything else as Python writes it."""
    named = value if isinstance(value, str) else getattr(value, "__name__", None)
    return short(named) if isinstance(named, str) else brief(value)


def short(text: str) -> str:
    """On one line, cut where it is very long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def criterion(reml: bool) -> str:
    """What a mixed model maximises."""
    return "by REML" if reml else "by maximum likelihood (not REML)"


def errors(vcov: str, of: str = "the groups") -> str:
    """Standard errors of a convention: the model's own, classical, or cluster-robust ones."""
    own = {"model": "standard errors of the model", "iid": "classical standard errors"}
    return own.get(vcov) or f"{vcov} standard errors, robust to any dependence within {of}"


def resampled(how: str, draws: int) -> str:
    """Tests and intervals by resampling."""
    return f"p values and intervals by {how} ({counted(draws, 'draw')})"
