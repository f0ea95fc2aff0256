"""How large a formula may be, found out before anything is expanded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxsim.errors import InputError, brief
from jaxsim.formula.tokens import Token, depths

# A formula of a person has some dozens of tokens and a few parentheses in each other. Terms are expanded in time that grows with
# the square of their number: a second for this many.
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


def check_terms(algebra: Sequence[str], shown: str) -> None:
    """Raise :class:`InputError` if placeholders joined by operators may stand for more than ``MOST_TERMS`` terms."""
    if _Counter(list(algebra)).sum() > MOST_TERMS:
        raise InputError(f"{brief(shown)} stands for more than {MOST_TERMS} terms; write fewer, or a smaller power.")


@dataclass
class _Counter:
    """An upper bound of the terms, by the grammar of formulas; what is not well formed counts as nothing."""

    left: list[str]
    at: int = 0

    def next_is(self, *operators: str) -> str:
        """The operator that comes next, which is passed; empty if another, or none, does."""
        if self.at < len(self.left) and self.left[self.at] in operators:
            self.at += 1
            return self.left[self.at - 1]
        return ""

    def sum(self) -> int:
        """Terms joined by + and -."""
        count = self.product()
        while self.next_is("+", "-"):
            count += self.product()
        return count

    def product(self) -> int:
        """Terms joined by * and /."""
        count = self.interaction()
        while operator := self.next_is("*", "/"):
            other = self.interaction()
            count = _no_more(count + other + (count * other if operator == "*" else 0))
        return count

    def interaction(self) -> int:
        """Terms joined by colons."""
        count = self.power()
        while self.next_is(":"):
            count = _no_more(count * self.power())
        return count

    def power(self) -> int:
        """Terms to a power, whose largest interactions have so many of them."""
        count = self.term()
        while self.next_is("**"):
            number = self.left[self.at] if self.at < len(self.left) else ""
            self.term()
            if not number.isdecimal():
                continue
            if len(number) > 2:  # the library counts up to it, whatever there is to combine
                raise InputError(f"the power {brief(number)} of a formula: give a whole number below 100.")
            count = _no_more(sum(math.comb(count, k) for k in range(1, int(number) + 1)))
        return count

    def term(self) -> int:
        """One placeholder or number, or what stands in parentheses."""
        while self.next_is("+", "-"):
            pass
        if self.next_is("("):
            count = self.sum()
            self.next_is(")")
            return count
        self.at += 1
        return 1


def _no_more(count: int) -> int:
    """The count, or one too many: more are not told apart."""
    return min(count, MOST_TERMS + 1)
