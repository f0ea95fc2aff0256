"""Figures as SVG inside a page: small, with ids of their own, their text as text, and each strategy's parts marked."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

FAMILY = "font-family: 'DejaVu Sans'"
# Verdana has the widths of DejaVu Sans, which the figures are laid out for.
FAMILIES = "font-family: 'DejaVu Sans', Verdana, sans-serif"
PART = "strategy-"  # begins the id of a part that is of one strategy: its number, a dot and a number

_SPACES = re.compile(r">\s+<")
_TEXTS = re.compile(r"(<text.*?</text>)", re.DOTALL)
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_REFERENCES = re.compile(r'(?:href="|url\()#([^")]+)')
_IDS = re.compile(r' id="([^"]+)"')
_NAMES = re.compile(r'(href="|url\()#([^")]+)')


def standalone(svg: str) -> str:
    """The same as a file of its own, legible where DejaVu Sans is not installed."""
    return svg.replace(FAMILY, FAMILIES)


def inline(svg: str, name: str, description: str) -> Markup:
    """The part of a page that shows a figure.

    Parts of a strategy (ids that begin with :data:`PART`) have the class ``strategy-<number>``; white, the paper, is the page's
    ``--card``. The type is the page's: ``svg text`` must have a family there.

    Args:
        svg: of matplotlib, text as text.
        name: begins every id, unique in the page; ``<name>-title`` is the id of the title in the page.
        description: for those who do not see it.
    """
    box = re.search(r'viewBox="[^"]+"', svg)
    assert box is not None
    body = svg[svg.index("</metadata>") + len("</metadata>") : svg.rindex("</svg>")]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = body.replace("xlink:href", "href").replace(f"; {FAMILY}", "").replace("#ffffff", "var(--card)")
    body = _small(_own_ids(body, name))
    words = f'<desc id="{name}-words">{escape(description)}</desc>'
    root = f'<svg {box.group()} role="img" aria-labelledby="{name}-title {name}-words">{words}'
    return Markup(f"{root}{body}</svg>")


def _own_ids(body: str, name: str) -> str:
    """Only ids that are referred to stay, with the figure's name before them; those of strategies' parts become classes."""
    needed = dict.fromkeys(_REFERENCES.findall(body))
    own = {old: f"{name}-{k}" for k, old in enumerate(needed)}

    def renamed(found: re.Match[str]) -> str:
        """An id as it is in the page, or as a class."""
        old = found.group(1)
        if old.startswith(PART):
            return f' class="{old.rpartition(".")[0]}"'
        return f' id="{own[old]}"' if old in own else ""

    return _NAMES.sub(lambda found: f"{found.group(1)}#{own[found.group(2)]}", _IDS.sub(renamed, body))


def _small(body: str) -> str:
    """Without spaces between tags, and places to a hundredth of a point; words stay as they are."""
    pieces = _TEXTS.split(_SPACES.sub("><", body.strip()))
    drawn = [_DECIMALS.sub(r"\1", piece.replace(" \n", " ").replace("\n", " ")) for piece in pieces[::2]]
    words = [re.sub(r' transform="rotate\(-0 [^)]*\)"', "", piece) for piece in pieces[1::2]]
    return "".join(piece for pair in zip(drawn, [*words, ""], strict=True) for piece in pair)
