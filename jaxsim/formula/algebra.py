"""The algebra of terms: what R makes of ``+ - : * / ^ %in%`` between the variables of one side of a formula."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jaxsim.errors import InputError, brief
from jaxsim.formula.size import MOST_TERMS
from jaxsim.formula.tokens import Token, closing, is_operator, show

# A set of terms in order; a term is a number whose bits are its variables.
TermList = tuple[int, ...]


@dataclass(frozen=True)
class Terms:
    """What R's ``terms()`` makes of one side of a formula.

    Attributes:
        intercept: whether it has one.
        variables: distinct columns and calls in order of appearance, as tokens.
        members: the terms, each the positions of its variables, main effects first, then two-way interactions, and so on.
    """

    intercept: bool
    variables: tuple[tuple[Token, ...], ...]
    members: tuple[tuple[int, ...], ...]


def expand(tokens: Sequence[Token]) -> Terms:
    """Terms by the rules of R's ``terms.formula``: sorted by degree, else in the order in which they arise.

    Raises:
        InputError: for what has no meaning between terms, and for more terms than ``MOST_TERMS``.
    """
    if not tokens:
        raise InputError("a side of the formula is empty; write 1 for an intercept alone.")
    reader = _Reader(tokens)
    found = reader.sum()
    if reader.next is not None:
        raise reader.stopped()
    members = (tuple(i for i in range(term.bit_length()) if term >> i & 1) for term in found)
    return Terms(reader.intercept, tuple(reader.variables), tuple(sorted(members, key=len)))


class _Reader:
    """Reads tokens from left to right, operators of R's precedence; every method returns the terms of what it has read."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens, self.shown = tokens, show(tokens)
        self.at, self.intercept, self.adding = 0, True, True
        self.variables: list[tuple[Token, ...]] = []

    @property
    def next(self) -> Token | None:
        """The token that comes next; None at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def passed(self, *operators: str) -> str:
        """The operator that comes next, which is passed; empty if another token, or none, does."""
        token = self.next
        if token is None or not is_operator(token, *operators):
            return ""
        self.at += 1
        return token.text

    def sum(self) -> TermList:
        """Terms joined by + and -; what is removed says the opposite about the intercept."""
        found = self.product()
        while operator := self.passed("+", "-"):
            found = self.distinct((*found, *self.product())) if operator == "+" else self.without(found)
        return found

    def without(self, found: TermList) -> TermList:
        """The terms without those of the product that comes next."""
        self.adding = not self.adding
        removed = set(self.product())
        self.adding = not self.adding
        return tuple(term for term in found if term not in removed)

    def product(self) -> TermList:
        """``a * b``: both and their interactions; ``a / b``: a, and b within all of a. Of nothing, as of 1, there is nothing."""
        left = self.inside()
        while operator := self.passed("*", "/"):
            right = self.inside()
            if operator == "*" and left:
                left = self.distinct((*left, *right, *self.distinct(a | b for a in left for b in right)))
            elif left:
                within = union(left)
                left = self.distinct((*left, *(within | term for term in right)))
        return left

    def inside(self) -> TermList:
        """``a %in% b``: every term of a within all of b."""
        found = self.interaction()
        while self.passed("%in%"):
            within = union(self.interaction())
            found = self.distinct(term | within for term in found)
        return found

    def interaction(self) -> TermList:
        """Terms joined by colons."""
        left = self.signed()
        while self.passed(":"):
            right = self.signed()
            left = self.distinct(a | b for a in left for b in right)
        return left

    def signed(self) -> TermList:
        """A sign binds closer than a colon, as in R: ``-a`` alone removes a from nothing."""
        adding, removing = self.adding, False
        while operator := self.passed("+", "-"):
            if operator == "-":
                self.adding, removing = not self.adding, True
        found = self.power()
        self.adding = adding
        return () if removing else found

    def power(self) -> TermList:
        """``(a + b)^2``: all products of so many of the terms; of what is already there by one of them no more."""
        base = found = self.operand()
        for _ in range(self.exponent() - 1):
            before = found
            found = self.distinct(a | b for a in base for b in found)
            if found == before:
                break
        return found

    def exponent(self) -> int:
        """The power that comes next; 1 without one."""
        if not self.passed("^"):
            return 1
        token = self.next
        self.at += 1
        shown = "nothing" if token is None else brief(token.text)
        if token is None or token.kind != "number" or not token.text.isdecimal() or not 0 < int(token.text[:4]) < 100:
            raise InputError(f"the power {shown} in {self.shown!r}: give a whole number below 100. Arithmetic goes into I(..).")
        if self.passed("^"):
            raise InputError(f"{self.shown!r} has a power of a power; write one. Arithmetic goes into I(..).")
        return int(token.text)

    def operand(self) -> TermList:
        """A variable, 0 or 1, or what stands in parentheses."""
        token = self.next
        if token is None:
            raise self.stopped()
        self.at += 1
        if is_operator(token, "("):
            found = self.sum()
            if not self.passed(")"):
                raise self.stopped()
            return found
        if token.kind == "number":
            return self.number(token)
        if token.kind == "name":
            return self.variable(self.at - 1)
        raise self.stopped(token)

    def number(self, token: Token) -> TermList:
        """0 and 1 speak of the intercept."""
        value = float(token.text)
        if value not in (0.0, 1.0):
            raise InputError(
                f"the number {token.text} in {self.shown!r} is not a term; only 0 and 1 are. Arithmetic goes into I(..)."
            )
        self.intercept = self.adding == (value == 1.0)
        return ()

    def variable(self, start: int) -> TermList:
        """A column or a call that begins there."""
        called = self.next is not None and is_operator(self.next, "(")
        self.at = closing(self.tokens, self.at) + 1 if called else self.at
        piece = tuple(self.tokens[start : self.at])
        if piece == (Token("name", "."),):
            raise InputError("'.' (all other columns) is not supported; name the columns.")
        if piece not in self.variables:
            self.variables.append(piece)
        return (1 << self.variables.index(piece),)

    def distinct(self, terms: Iterable[int]) -> TermList:
        """Each term once, where it comes first."""
        found: dict[int, None] = {}
        for term in terms:
            found[term] = None
            if len(found) > MOST_TERMS:
                raise InputError(f"{brief(self.shown)} stands for more than {MOST_TERMS} terms; write fewer, or a smaller power.")
        return tuple(found)

    def stopped(self, at: Token | None = None) -> InputError:
        """Why reading stops at this token (the next one, or the end)."""
        token = self.next if at is None else at
        if token is None or is_operator(token, *"+-*/:^)", "%in%"):
            return InputError(f"{self.shown!r} cannot be read as terms: an operator lacks the term beside it.")
        if token.kind == "operator" and token.text != "(":
            return InputError(f"{token.text!r} in {self.shown!r} has no meaning here; terms are joined by + - : * / ^ and %in%.")
        return InputError(f"two terms of {self.shown!r} are not joined by an operator.")


def union(terms: Iterable[int]) -> int:
    """The variables of all terms."""
    found = 0
    for term in terms:
        found |= term
    return found
