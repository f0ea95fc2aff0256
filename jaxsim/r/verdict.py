"""From the words of R to a :class:`~jaxsim.status.Status`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from jaxsim.status import Status

# lme4 stops with these before it fits anything (its checks of data and formula); everything else is REFUSED.
_STOPS = (
    (Status.TOO_FEW_ROWS, r"number of observations \(=\d+\) <=? ?(number of random effects|rank)"),
    (Status.TOO_FEW_ROWS, r"number of levels of each grouping factor must be < number of observations"),
    (Status.TOO_FEW_ROWS, r"0 \(non-NA\) cases"),
    (Status.TOO_FEW_GROUPS, r"grouping factors must have > 1 sampled level"),
    (Status.NON_FINITE, r"NA/NaN/Inf in"),
)
_SINGULAR = re.compile(r"boundary \(singular\) fit|singular fit")
# Advice that lme4 files under warnings and that is no doubt of its optimiser's end.
_ADVICE = re.compile(r"very different scales|is not recommended")


def stopped(words: str) -> tuple[Status, str]:
    """The status of an error of R's, and its words without R's decoration."""
    text = cleaned(words)
    return next((status for status, pattern in _STOPS if re.search(pattern, text)), Status.REFUSED), text


def cleaned(words: str) -> str:
    """R's words on one line, without the call (``Error in f(x) :``) in front."""
    text = " ".join(words.split())
    return re.sub(r"^Error(?:: | in .*? : )", "", text) or text


def reached(found: dict[str, Any]) -> tuple[Status, tuple[str, ...]]:
    """The status of a fit that lme4 finished, and what it said, from what ``describe`` in describe.R lists."""
    said = tuple(dict.fromkeys(cleaned(text) for text in found["messages"]))
    if found.get("error") is not None:
        said += (f"no degrees of freedom: {cleaned(found['error'][0])}",)
    if bool(found["exact"][0]):
        return Status.ZERO_RESIDUAL, (Status.ZERO_RESIDUAL.message, *said)
    if found["dropped"] is not None and len(found["dropped"]):
        return Status.RANK_DEFICIENT, (f"rank deficient: lme4 dropped {', '.join(found['dropped'])}", *said)
    code = int(found["optimiser_code"][0])
    if code != 0:
        return Status.NOT_CONVERGED, (f"the optimiser stopped with code {code}", *said)
    if any(not _SINGULAR.search(text) and not _ADVICE.search(text) for text in found["messages"]):
        return Status.NOT_CONVERGED, said
    if not _finite(found):
        return Status.NON_FINITE, (*said, Status.NON_FINITE.message)
    return (Status.SINGULAR if bool(found["singular"][0]) else Status.OK), said


def _finite(found: dict[str, Any]) -> bool:
    numbers = [found[name] for name in ("estimate", "std_error", "df", "sigma", "criterion", "theta")]
    return all(np.isfinite(values).all() for values in numbers) and bool((found["df"] > 0).all())
