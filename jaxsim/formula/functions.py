"""The functions that may be called in a formula, and what the names in a formula stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxsim.errors import InputError
from jaxsim.formula.bases import Basis, learn_center, learn_poly, learn_scale
from jaxsim.formula.contrasts import CODINGS
from jaxsim.formula.splines import learn_bs, learn_ns
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
    """A function whose value in a row depends on the fitted rows.

    Attributes:
        learn: makes a :class:`Basis` of the fitted rows and the options.
        options: that it takes after the column, in R's order, with R's defaults.
        named: of these, the ones that R takes by name only.
    """

    learn: Callable[..., Basis]
    options: Mapping[str, Any] = field(default_factory=dict)
    named: tuple[str, ...] = ()


STATEFUL: dict[str, Stateful] = {
    "center": Stateful(learn_center),
    "scale": Stateful(learn_scale, {"center": True, "scale": True}),
    "poly": Stateful(learn_poly, {"degree": 1, "raw": False}, named=("raw",)),
    "bs": Stateful(learn_bs, {"df": None, "knots": None, "degree": 3, "intercept": False, "Boundary.knots": None}),
    "ns": Stateful(learn_ns, {"df": None, "knots": None, "intercept": False, "Boundary.knots": None}),
}
IDENTITY = "I"
FACTORS = ("C", "factor", "as.factor")
KNOWN = (IDENTITY, *NUMERIC, *STATEFUL, *FACTORS)
# Calls whose first argument alone is about columns, and what may be called in the others.
WITH_OPTIONS = (*STATEFUL, *FACTORS)
IN_OPTIONS = ("c", *CODINGS)


def plain(name: str) -> str:
    """The name without NumPy's prefix: ``np.log`` is ``log``."""
    return name.removeprefix("np.")


def roles(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    """Every name with what it stands for: a ``column``, a ``call``, or an ``option`` or ``option call`` of a call."""
    around: list[tuple[str, bool]] = []  # of each open parenthesis: what is called, and whether its first argument is over
    for i, token in enumerate(tokens):
        following = tokens[i + 1] if i + 1 < len(tokens) else Token("operator", "")
        if is_operator(token, "("):
            before = tokens[i - 1] if i else token
            around.append((plain(before.text) if before.kind == "name" else "", False))
        elif is_operator(token, ")") and around:
            around.pop()
        elif is_operator(token, ",") and around:
            around[-1] = (around[-1][0], True)
        elif token.kind == "name":
            option = any(name in WITH_OPTIONS and over for name, over in around) or (around and is_operator(following, "="))
            called = is_operator(following, "(")
            yield token.text, ("option call" if called else "option") if option else "call" if called else "column"


def column_names(tokens: Sequence[Token]) -> list[str]:
    """Names that stand for columns."""
    return [name for name, role in roles(tokens) if role == "column"]


def check_calls(tokens: Sequence[Token]) -> None:
    """Raise :class:`InputError` for a call of anything that is not known here."""
    for name, role in roles(tokens):
        if (role == "call" and plain(name) in KNOWN) or (role == "option call" and name in IN_OPTIONS):
            continue
        if role in ("column", "option"):
            continue
        if name == "offset":
            raise InputError("offset(..) is a summand of its own beside the fixed effects; write '+ offset(x)'.")
        if role == "option call":
            raise InputError(f"{name!r} in {show(tokens)!r} is not known here; {', '.join(IN_OPTIONS)} are.")
        raise InputError(
            f"{name!r} is followed by a parenthesis in {show(tokens)!r}, but it is not a function that is known here: "
            f"{', '.join(KNOWN)}. Compute the column in the DataFrame first, or write the missing operator."
        )
