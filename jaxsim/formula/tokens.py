"""The tokens of an R formula, and the text R shows for them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

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
_WORD = re.compile(r"\w[\w.]*")
_SYNTACTIC = re.compile(r"(?:[^\W\d]|_|\.(?!\d))[\w.]*")
# Words of R's own language: columns of these names are in backquotes. As constants, which an option may be, they are not.
_KEYWORDS = {"if", "else", "repeat", "while", "function", "for", "next", "break", "in"}
_CONSTANTS = {"TRUE", "FALSE", "NULL", "Inf", "NaN", "NA", "NA_integer_", "NA_real_", "NA_character_", "NA_complex_"}
# R writes a space on either side of these, none around ^, / and :.
_SPACED = {"+", "-", "*", "<", ">", "<=", ">=", "==", "!=", "=", "~", "|", "||", "&"}


@dataclass(frozen=True)
class Token:
    """One token: ``kind`` is name, number, string or operator; ``text`` is without backquotes, which a name that is ``quoted`` had,
    and a power is always ``^``."""

    kind: str
    text: str
    quoted: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        if self.kind == "string":
            return f'"{self.text[1:-1]}"'
        if self.kind == "number":
            return shortest(float(self.text))
        return f"`{self.text}`" if self.kind == "name" and self._needs_quotes else self.text

    @property
    def _needs_quotes(self) -> bool:
        """Whether R could not read the name without; one that begins with an underscore is shown as it was written."""
        if not _SYNTACTIC.fullmatch(self.text) or self.text in _KEYWORDS:
            return True
        return self.quoted and (self.text in _CONSTANTS or self.text.startswith("_"))


def shortest(value: float) -> str:
    """A number as R deparses it: with up to 15 digits, as a power of ten where that is shorter."""
    fixed = f"{Decimal(f'{value:.15g}'):f}"
    mantissa, _, exponent = f"{value:.14e}".partition("e")
    power = f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    return fixed if len(fixed) <= len(power) else power


def tokenize(text: str) -> tuple[Token, ...]:
    """Tokens of a formula, with names in Unicode's composed form (NFC).

    Raises:
        InputError: that quotes the formula and the character that cannot be read.
    """
    text = unicodedata.normalize("NFC", text)
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise InputError(
                f"the formula {text!r} cannot be read at {text[position:]!r}; quote unusual column names with `backquotes`."
            )
        kind, value, position = match.lastgroup, match[match.lastgroup], match.end()
        if kind == "number" and (rest := _WORD.match(text, position)):
            raise InputError(
                f"{value + rest[0]!r} in the formula {text!r} begins with a digit: if it is the name of a column, "
                f"write it in backquotes, `{value + rest[0]}`."
            )
        if kind != "space":
            quoted = kind == "quoted"
            tokens.append(Token("name" if quoted else kind, "^" if value == "**" else value, quoted))
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


def first_argument(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """What a call that these tokens are has before its first comma."""
    comma = next((i for i, token, depth in depths(tokens) if is_operator(token, ",") and depth == 1), len(tokens) - 1)
    return tuple(tokens[2:comma])
