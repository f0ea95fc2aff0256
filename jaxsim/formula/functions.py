"""The functions that may be called in a formula."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsim.errors import InputError
from jaxsim.formula.tokens import Token, is_operator, show

NUMERIC: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
}


@dataclass(frozen=True)
class Stateful:
    """A function whose value in a row depends on the fitted rows: what it learns from them, and how it is applied to any."""

    learn: Callable[[np.ndarray], Any]
    apply: Callable[[np.ndarray, Any], np.ndarray]


STATEFUL: dict[str, Stateful] = {
    "center": Stateful(np.mean, lambda x, mean: x - mean),
    "scale": Stateful(lambda x: (np.mean(x), np.std(x, ddof=1)), lambda x, learned: (x - learned[0]) / learned[1]),
}
IDENTITY = "I"
FACTORS = ("C", "factor", "as.factor")
KNOWN = (IDENTITY, *NUMERIC, *STATEFUL, *FACTORS)


def plain(name: str) -> str:
    """The name without NumPy's prefix: ``np.log`` is ``log``."""
    return name.removeprefix("np.")


def check_calls(tokens: Sequence[Token]) -> None:
    """Raise :class:`InputError` for a call of anything else."""
    for token, following in itertools.pairwise(tokens):
        if token.kind != "name" or not is_operator(following, "(") or plain(token.text) in KNOWN:
            continue
        if token.text == "offset":
            raise InputError("offset(..) is not supported; subtract the offset from the response.")
        raise InputError(
            f"{token.text!r} is followed by a parenthesis in {show(tokens)!r}, but it is not a function that is known here: "
            f"{', '.join(KNOWN)}. Compute the column in the DataFrame first, or write the missing operator."
        )
