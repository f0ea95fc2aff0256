"""An lme4 formula, taken apart: response, fixed-effects terms, random-effects terms. No data are looked at here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxsim.errors import InputError, NotSupportedError
from jaxsim.formula.algebra import Terms, expand
from jaxsim.formula.functions import check_calls, column_names
from jaxsim.formula.size import check_text, check_tokens
from jaxsim.formula.tokens import Token, closing, depths, is_operator, show, tokenize

SUPPORTED_RANDOM = "(1 | g), (x | g), (x || g), (0 + x | g), several such terms, and g = a:b or a/b"


@dataclass(frozen=True)
class RandomTerm:
    """``(terms | group)``, or ``(terms || group)`` when ``independent``; ``group`` holds the names joined by colons."""

    terms: Terms
    group: tuple[str, ...]
    independent: bool


@dataclass(frozen=True)
class Formula:
    """``response ~ fixed + random``, with the text it came from; ``offsets`` are what ``offset(..)`` holds, one for each."""

    text: str
    response: tuple[Token, ...]
    fixed: Terms
    random: tuple[RandomTerm, ...]
    offsets: tuple[tuple[Token, ...], ...] = ()

    @property
    def factors(self) -> tuple[str, ...]:
        """The grouping factors in order of appearance, combinations as ``a:b``."""
        return tuple(dict.fromkeys(":".join(part.group) for part in self.random))

    def one_factor(self, what: str) -> Formula:
        """The formula itself, for whoever takes one grouping factor; :class:`NotSupportedError` if it has several.

        Args:
            what: who that is, as the subject of a sentence.
        """
        if len(self.factors) > 1:
            raise NotSupportedError(
                f"the formula {self.text!r} has several grouping factors ({', '.join(self.factors)}), and {what} takes one; "
                "jaxsim.lmer and LinearMixed take several."
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Every column the formula needs, in order of appearance."""
        sides = [self.response, *self.fixed.variables, *self.offsets]
        for part in self.random:
            sides += [*part.terms.variables, tuple(Token("name", name) for name in part.group)]
        return tuple(dict.fromkeys(name for side in sides for name in column_names(side)))


def parse(text: str) -> Formula:
    """Take a formula apart; :class:`InputError` quotes what cannot be read."""
    if not isinstance(text, str):
        raise InputError(f"the formula comes first, as a string such as 'y ~ x + (x | g)'; a {type(text).__name__} was given.")
    check_text(text)
    tokens = tokenize(text)
    check_tokens(text, tokens)
    tildes = [i for i, token in enumerate(tokens) if is_operator(token, "~")]
    if len(tildes) != 1 or tildes[0] in (0, len(tokens) - 1):
        raise InputError(f"the formula {text!r} must have the form 'response ~ terms', with one '~'.")
    response, right = tokens[: tildes[0]], tokens[tildes[0] + 1 :]
    try:
        fixed, random = split_random(right)
        fixed, offsets = split_offsets(fixed)
        check_calls(response)
        check_bars(response, fixed)
        terms = parse_terms(fixed or (Token("number", "1"),))
        parsed = tuple(term for part in random for term in parse_random(part))
    except InputError as error:
        raise type(error)(f"in the formula {text!r}: {error}") from None
    return Formula(text, response, terms, parsed, offsets)


def check_bars(*sides: Sequence[Token]) -> None:
    """Refuse a ``|`` that is left over."""
    if any(is_operator(token, "|", "||") for side in sides for token in side):
        raise InputError("a '|' stands outside of a summand of its own; write random effects as '+ (x | g)'.")


def split_random(tokens: Sequence[Token]) -> tuple[tuple[Token, ...], list[tuple[Token, ...]]]:
    """The fixed part, and the inside of every ``( .. | .. )`` that is a summand."""
    fixed: list[Token] = []
    random: list[tuple[Token, ...]] = []
    skip_to = 0
    for i, token, depth in list(depths(tokens)):
        if i < skip_to:
            continue
        if depth == 0 and is_operator(token, "("):
            end = closing(tokens, i)
            inside = tokens[i + 1 : end]
            has_bar = any(is_operator(t, "|", "||") and d == 0 for _, t, d in depths(inside))
            summand = (not fixed or is_operator(fixed[-1], "+")) and (
                end + 1 == len(tokens) or is_operator(tokens[end + 1], "+", "-")
            )
            if has_bar and summand:
                random.append(tuple(inside))
                skip_to = end + 1
                if fixed:
                    fixed.pop()
                elif skip_to < len(tokens) and is_operator(tokens[skip_to], "+"):
                    skip_to += 1
                continue
        fixed.append(token)
    return tuple(fixed), random


def split_offsets(tokens: Sequence[Token]) -> tuple[tuple[Token, ...], tuple[tuple[Token, ...], ...]]:
    """The terms, and the inside of every ``offset(..)`` that is a summand."""
    left: list[Token] = []
    offsets: list[tuple[Token, ...]] = []
    i = 0
    while i < len(tokens):
        called = tokens[i] == Token("name", "offset") and i + 1 < len(tokens) and is_operator(tokens[i + 1], "(")
        end = closing(tokens, i + 1) if called else i
        after = end + 1 == len(tokens) or is_operator(tokens[end + 1], "+", "-")
        if called and after and (not left or is_operator(left[-1], "+")):
            offsets.append(tuple(tokens[i + 2 : end]))
            check_calls(offsets[-1])
            if left:
                left.pop()
            elif end + 1 < len(tokens) and is_operator(tokens[end + 1], "+"):
                end += 1
        else:
            left += tokens[i : end + 1]
        i = end + 1
    return tuple(left), tuple(offsets)


def parse_random(tokens: Sequence[Token]) -> list[RandomTerm]:
    """The inside of one random-effects term: one term, or of nested groups ``a/b`` those of ``b:a`` and of ``a``, as in lme4."""
    bars = [i for i, token in enumerate(tokens) if is_operator(token, "|", "||")]
    if len(bars) != 1:
        raise InputError(f"the random-effects term ({show(tokens)}) must have one '|' or '||'.")
    left, right = tokens[: bars[0]], tokens[bars[0] + 1 :]
    names, signs = right[::2], right[1::2]
    kinds = {sign.text for sign in signs}
    if "*" in kinds:
        raise NotSupportedError(
            f"({show(tokens)}) crosses its groups; write a term for each: (.. | a) + (.. | b) + (.. | a:b). Supported: "
            f"{SUPPORTED_RANDOM}."
        )
    well_formed = len(right) % 2 == 1 and all(t.kind == "name" for t in names) and kinds in ({"/"}, {":"}, set())
    if not well_formed:
        raise InputError(
            f"the group of ({show(tokens)}) must be a column, columns joined by ':' (their combinations), or by '/' (each nested "
            f"in the one before it). Supported: {SUPPORTED_RANDOM}."
        )
    terms, independent = parse_terms(left), is_operator(tokens[bars[0]], "||")
    texts = tuple(name.text for name in names)
    groups = [texts[k::-1] for k in range(len(texts) - 1, -1, -1)] if kinds == {"/"} else [texts]
    return [RandomTerm(terms, group, independent) for group in groups]


def parse_terms(tokens: Sequence[Token]) -> Terms:
    """The terms of one side; :class:`InputError` for functions that are not known."""
    check_calls(tokens)
    return expand(tokens)
