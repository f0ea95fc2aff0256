"""The functions that may be called in a formula."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

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
    "center": lambda x: x - np.mean(x),
    "scale": lambda x: (x - np.mean(x)) / np.std(x, ddof=1),
}
IDENTITY = "I"
FACTORS = ("C", "factor", "as.factor")
KNOWN = (IDENTITY, *NUMERIC, *FACTORS)


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
