"""The tokens of an R formula, and the text R shows for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxsim.errors import InputError

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |`(?P<quoted>[^`]+)`
    |(?P<string>"[^"]*"|'[^']*')
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>(?:[^\W\d]|_|\.(?!\d))[\w.]*)
    |(?P<operator>\|\||\*\*|//|<=|>=|==|!=|%[^%\s]*%|[-+*/^:()|~,<>=!&{}\[\]%$@?;])""",
    re.VERBOSE,
)
_SYNTACTIC = re.compile(r"(?:[^\W\d]|_|\.(?!\d))[\w.]*")
# R writes a space on either side of these, none around ^, / and :.
_SPACED = {"+", "-", "*", "<", ">", "<=", ">=", "==", "!=", "=", "~", "|", "||", "&"}


@dataclass(frozen=True)
class Token:
    """One token: ``kind`` is name, number, string or operator; ``text`` is without backquotes, and a power is always ``^``."""

    kind: str
    text: str

    def __str__(self) -> str:
        if self.kind == "string":
            return f'"{self.text[1:-1]}"'
        return f"`{self.text}`" if self.kind == "name" and not _SYNTACTIC.fullmatch(self.text) else self.text


def tokenize(text: str) -> tuple[Token, ...]:
    """Tokens of a formula; :class:`InputError` quotes the formula and the character that cannot be read."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise InputError(
                f"the formula {text!r} cannot be read at {text[position:]!r}; quote unusual column names with `backquotes`."
            )
        kind, value, position = match.lastgroup, match[match.lastgroup], match.end()
        if kind != "space":
            tokens.append(Token("name" if kind == "quoted" else kind, "^" if value == "**" else value))
    return tuple(tokens)


def show(tokens: Sequence[Token]) -> str:
    """The tokens as R deparses them: ``I(x ** 2)`` becomes ``I(x^2)``, ``a+b`` becomes ``a + b``."""
    pieces: list[str] = []
    for i, token in enumerate(tokens):
        after_operand = i > 0 and (tokens[i - 1].kind != "operator" or tokens[i - 1].text == ")")
        if token.text == ",":
            pieces.append(", ")
        elif token.kind == "operator" and token.text in _SPACED and after_operand:
            pieces.append(f" {token.text} ")
        elif token.kind != "operator" and after_operand:
            pieces.append(f" {token}")
        else:
            pieces.append(str(token))
    return "".join(pieces)


def depths(tokens: Sequence[Token]) -> Iterator[tuple[int, Token, int]]:
    """Position, token and number of open parentheses around it (a parenthesis counts as outside of itself)."""
    depth = 0
    for i, token in enumerate(tokens):
        if token.text == ")" and token.kind == "operator":
            depth -= 1
            if depth < 0:
                raise InputError(f"the formula part {show(tokens)!r} closes a parenthesis that was never opened.")
        yield i, token, depth
        if token.text == "(" and token.kind == "operator":
            depth += 1
    if depth:
        raise InputError(f"the formula part {show(tokens)!r} opens a parenthesis that is never closed.")


def is_operator(token: Token, *texts: str) -> bool:
    """True for an operator that is one of ``texts``."""
    return token.kind == "operator" and token.text in texts


def closing(tokens: Sequence[Token], opening: int) -> int:
    """Position of the parenthesis that closes the one at ``opening``."""
    return next(i + opening for i, token, depth in depths(tokens[opening:]) if is_operator(token, ")") and depth == 0)
