"""What the numbers of a table are averages of, in words."""

from __future__ import annotations

from collections.abc import Sequence

from jaxsim.counts import counted, listed
from jaxsim.data.names import INTERCEPTS
from jaxsim.measures.apart import averaged_terms, families_of
from jaxsim.measures.stream import Performance


def what_of(performance: Performance, by: Sequence[str], terms: Sequence[str] | None) -> str:
    """What the numbers average over; the arguments are those of :func:`jaxsim.measures.apart.averaged_terms`."""
    cells, _, datasets = performance.counts
    present = averaged_terms(performance, by, terms) or performance.present
    families = families_of(performance, by, terms)
    which = _which(performance, terms, present)
    if len(families) > 1:
        each = ", each of" if by or cells > 1 else " and each of"
        of = f"{each} {counted(len(families), 'coefficient')} by itself{which}"
        if len(families) < len(present):
            of = f"{each} {len(families)} sets of alike coefficients by itself{which}"
    elif len(present) == 1:
        of = f" and the coefficient {present[0]}{_only(performance, terms, present)}"
    else:
        of = f" and {counted(len(present), 'coefficient')}{which}"
    start = _start(performance, by, len(families) == 1 and len(present) > 1)
    gone = lacking(performance, present)
    return f"{start} {counted(cells, 'cell')}{of}, {counted(datasets, 'dataset')}{f'; {gone}' if gone else ''}"


def _start(performance: Performance, by: Sequence[str], several: bool) -> str:
    """Whether lines are averages."""
    cells = performance.counts[0]
    factors = [name for name in by if name in performance.columns]
    if by:
        apart = "cell" in by or len(performance.cells[factors].drop_duplicates()) >= len(performance.cells)
        return f"By {' and '.join(by)}, {'a line for each of' if apart and cells > 1 else 'averages of'}"
    return "Averaged over" if cells > 1 or several else "Of"


def _only(performance: Performance, terms: Sequence[str] | None, present: Sequence[str]) -> str:
    """Why there is one coefficient, where there are others besides the intercept."""
    others = set(performance.present) - {*present, *INTERCEPTS}
    return ", the only one with a true value" if terms is None and others else ""


def _which(performance: Performance, terms: Sequence[str] | None, present: Sequence[str]) -> str:
    """Which coefficients these are, where it is not all that there are."""
    if terms is not None:
        return f" ({', '.join(present)})"
    left_out = set(performance.present) - set(present)
    if left_out - set(INTERCEPTS):
        return f" with a true value ({', '.join(present)})"
    return ", without the intercept" if left_out else ""


def lacking(performance: Performance, terms: Sequence[str]) -> str:
    """Which of the strategies that have some of the coefficients lack which: ``two-stage has no age``; empty if all have all."""
    by_terms: dict[tuple[str, ...], list[str]] = {}
    for model in performance.estimating(terms):
        without = tuple(term for term in terms if model not in performance.estimating([term]))
        by_terms.setdefault(without, []).append(model)
    told = [f"{listed(own)} {'has' if len(own) == 1 else 'have'} no {listed(gone, 'or')}" for gone, own in by_terms.items() if gone]
    return "; ".join(told)
