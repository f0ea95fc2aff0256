"""Linear hypotheses as people write them, ``"a = b, 2 * c - 1 = 0"``, in the names of coefficients."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxsim.errors import InputError, advised, brief

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[\w.]")


@dataclass(frozen=True)
class Hypotheses:
    """``rows @ beta = values``: ``rows`` ``[K, P]``, ``values`` ``[K]``, and the text of each."""

    rows: np.ndarray
    values: np.ndarray
    texts: tuple[str, ...]


@dataclass(frozen=True)
class _Piece:
    """A coefficient's position, a number, or one of ``+ - * / ( ) = ,``, with its place in the text."""

    kind: str
    value: float | str
    start: int
    end: int


def read(text: str, names: Sequence[str]) -> Hypotheses:
    """The hypotheses of a text: one or several, joined by commas; without ``=`` a combination is compared with zero.

    Args:
        text: sums of coefficients with numbers before (or after) them; names that contain other signs may stand in backquotes.
        names: of the coefficients, ``P`` of them.

    Raises:
        InputError: for what cannot be read, an unknown name, a product of coefficients, and an equation without any.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"a hypothesis is a text such as '{names[-1]} = 0'; {brief(text)} was given.")
    rows, values, texts = [], [], []
    for part in _parts(_pieces(text, names), ","):
        sides = [_Side(text, side, len(names)).whole() for side in _parts(part, "=")]
        shown = text[part[0].start : part[-1].end] if part else ""
        if len(sides) == 1:
            sides.append(np.zeros(len(names) + 1))
            shown += " = 0"
        for left, right in itertools.pairwise(sides):
            difference = left - right
            if not difference[:-1].any():
                raise InputError(f"{shown!r} in the hypothesis {brief(text)} says nothing about a coefficient.")
            rows.append(difference[:-1])
            values.append(-difference[-1])
            texts.append(shown)
    return Hypotheses(np.array(rows), np.array(values), tuple(texts))


def _pieces(text: str, names: Sequence[str]) -> list[_Piece]:
    """The text cut up; at each place the longest name that fits is taken."""
    longest_first = sorted(names, key=len, reverse=True)
    found: list[_Piece] = []
    at = 0
    while at < len(text):
        name = next((name for name in longest_first if _stands_at(text, at, name)), None)
        number = _NUMBER.match(text, at)
        if text[at].isspace():
            at += 1
            continue
        if name is not None:  # one may begin with a backquote itself, as R names what it could not read otherwise
            found.append(_Piece("name", float(names.index(name)), at, at + len(name)))
        elif text[at] == "`":
            end = text.find("`", at + 1)
            quoted = text[at + 1 : end]
            if end < 0 or quoted not in names:
                raise _unknown(text, text[at + 1 :].rstrip("`") if end < 0 else quoted, names)
            found.append(_Piece("name", float(names.index(quoted)), at, end + 1))
        elif number is not None and not (number.end() < len(text) and _WORD.match(text[number.end()])):
            found.append(_Piece("number", float(number[0]), at, number.end()))
        elif text[at] in "+-*/()=,":
            found.append(_Piece(text[at], text[at], at, at + 1))
        else:
            raise _unknown(text, re.split(r"[\s+\-*/=,]", text[at:])[0], names)
        at = found[-1].end
    return found


def _stands_at(text: str, at: int, name: str) -> bool:
    """Whether the name is there, and is not the beginning of a longer word."""
    if not name or not text.startswith(name, at):
        return False
    end = at + len(name)
    return not (end < len(text) and _WORD.match(name[-1]) and _WORD.match(text[end]))


def _unknown(text: str, word: str, names: Sequence[str]) -> InputError:
    said = f"{brief(word)} in the hypothesis {brief(text)} is not the name of a coefficient"
    return InputError(advised(said, word, names, f"they are {', '.join(names)}"))


def _parts(pieces: Sequence[_Piece], separator: str) -> list[list[_Piece]]:
    """The pieces between separators."""
    parts: list[list[_Piece]] = [[]]
    for piece in pieces:
        if piece.kind == separator:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts


class _Side:
    """One side of an equation, read from left to right; its value is ``[P + 1]``: coefficients, then the number that is added."""

    def __init__(self, text: str, pieces: Sequence[_Piece], size: int) -> None:
        self.text, self.left, self.size = text, list(pieces), size

    def whole(self) -> np.ndarray:
        """All of it."""
        value = self.sum()
        if self.left:
            raise self.unreadable()
        return value

    def sum(self) -> np.ndarray:
        """Terms joined by + and -."""
        value = self.product()
        while self.next_is("+", "-"):
            sign = self.left.pop(0).kind
            value = value + self.product() * (1 if sign == "+" else -1)
        return value

    def product(self) -> np.ndarray:
        """Factors joined by * and /; at most one has a coefficient in it, and none that is divided by."""
        value = self.factor()
        while self.next_is("*", "/"):
            sign, other = self.left.pop(0).kind, self.factor()
            if other[:-1].any() and (sign == "/" or value[:-1].any()):
                raise InputError(f"the hypothesis {brief(self.text)} is not linear in the coefficients.")
            if sign == "/" and other[-1] == 0:
                raise InputError(f"the hypothesis {brief(self.text)} divides by zero.")
            number, vector = (value[-1], other) if other[:-1].any() else (other[-1], value)
            value = vector / number if sign == "/" else vector * number
        return value

    def factor(self) -> np.ndarray:
        """A name, a number, what stands in parentheses, each with signs before it."""
        if self.next_is("+", "-"):
            sign = self.left.pop(0).kind
            return self.factor() * (1 if sign == "+" else -1)
        if self.next_is("("):
            self.left.pop(0)
            value = self.sum()
            if not self.next_is(")"):
                raise self.unreadable()
            self.left.pop(0)
            return value
        if not self.next_is("name", "number"):
            raise self.unreadable()
        piece = self.left.pop(0)
        value = np.zeros(self.size + 1)
        if piece.kind == "name":
            value[int(piece.value)] = 1.0
        else:
            value[-1] = float(piece.value)
        return value

    def next_is(self, *kinds: str) -> bool:
        """Whether the next piece is of such a kind."""
        return bool(self.left) and self.left[0].kind in kinds

    def unreadable(self) -> InputError:
        """The error that says where reading stopped."""
        where = repr(self.text[self.left[0].start :]) if self.left else "its end"
        return InputError(
            f"the hypothesis {brief(self.text)} cannot be read at {where}; write sums of coefficients, such as 'a = b, 2 * c = 1'."
        )
