"""How large a formula may be, found out before anything is expanded."""

from __future__ import annotations

from collections.abc import Sequence

from jaxsim.errors import InputError, brief
from jaxsim.formula.tokens import Token, depths

# A formula of a person has some dozens of tokens and a few parentheses in each other. A power is expanded in time that grows with
# the square of the number of terms: a second for this many.
MOST_CHARACTERS, MOST_TOKENS, DEEPEST, MOST_TERMS = 10_000, 1_000, 50, 1_000


def check_text(text: str) -> None:
    """Raise :class:`InputError` for a text that is too long, or has characters that cannot be printed."""
    if len(text) > MOST_CHARACTERS:
        raise InputError(f"the formula {brief(text)} has {len(text):,} characters; write it in at most {MOST_CHARACTERS:,}.")
    strange = next((c for c in text if not (c.isprintable() or c.isspace())), None)
    if strange is not None:
        raise InputError(
            f"the formula {brief(text)} has the character {brief(strange)}, which cannot be printed; rename the column."
        )


def check_tokens(text: str, tokens: Sequence[Token]) -> None:
    """Raise :class:`InputError` for too many tokens, or parentheses that are nested too deeply (or do not match)."""
    if len(tokens) > MOST_TOKENS:
        raise InputError(f"the formula {brief(text)} has {len(tokens):,} names and operators; write at most {MOST_TOKENS:,}.")
    deepest = max((depth for _, _, depth in depths(tokens)), default=0)
    if deepest >= DEEPEST:
        raise InputError(f"the formula {brief(text)} has {deepest + 1} parentheses in each other; write at most {DEEPEST}.")
