"""Short HTML for notebooks: titles, lines and tables of text, escaped, in the colours and type of the page around them.

No style sheet, no script and nothing from elsewhere: what a notebook trusts of it is what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

LEFT, RIGHT = ' style="text-align:left"', ' style="text-align:right"'
# Rows of a table: a notebook shows what can be read at a glance.
MOST_ROWS = 60


def card(*parts: str) -> str:
    """The parts that are not empty, below each other."""
    return f'<div class="jaxsim">{"".join(parts)}</div>'


def title(text: str, aside: str = "") -> str:
    """What it is, and a few words more about it."""
    more = f" {escape(aside)}" if aside else ""
    return f"<p><strong>{escape(text)}</strong>{more}</p>"


def line(text: str) -> str:
    """A paragraph; nothing for an empty text."""
    return f"<p>{escape(text)}</p>" if text else ""


def lines(texts: Sequence[str]) -> str:
    """A list of sentences; nothing without any."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names with what belongs to them, a row each; nothing without any."""
    rows = "".join(f"<tr><th{LEFT}>{escape(name)}</th><td{LEFT}>{escape(value)}</td></tr>" for name, value in pairs)
    return f"<table><tbody>{rows}</tbody></table>" if rows else ""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], labels: int = 1, caption: str = "") -> str:
    """Rows of text below the names of their columns: the first ``labels`` columns are names, to the left, the others numbers.

    Of more than ``MOST_ROWS`` rows the last line says how many are not shown.
    """
    above = f'<caption style="text-align:left;caption-side:top">{escape(caption)}</caption>' if caption else ""
    sides = [LEFT if k < labels else RIGHT for k in range(len(columns))]
    head = "".join(f'<th scope="col"{side}>{escape(name)}</th>' for name, side in zip(columns, sides, strict=True))
    body = ["".join(f"<td{side}>{escape(text)}</td>" for text, side in zip(row, sides, strict=True)) for row in rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        body.append(f'<td{LEFT} colspan="{len(columns)}">and {len(rows) - MOST_ROWS:,} rows more</td>')
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{''.join(f'<tr>{cells}</tr>' for cells in body)}</tbody></table>"
