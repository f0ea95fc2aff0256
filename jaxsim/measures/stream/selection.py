"""Which strata of a scan a table is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxsim.errors import InputError, choose, names_given
from jaxsim.measures.policy import KINDS, POLICIES, TRUTHS
from jaxsim.measures.sample import Array
from jaxsim.measures.stream.scan import Choice, Scan


@dataclass(frozen=True)
class Selection:
    """Strata and their rows.

    Attributes:
        choice: the key of their moments.
        shown: which strata have rows of these terms and truths, bool ``[C, S]``.
        rows, failed: how many there are, usable or not, and how many are not, ``[C, S]``.
    """

    choice: Choice
    shown: Array
    rows: Array
    failed: Array

    def of_cells(self, wanted: Array) -> Selection:
        """Only some of the cells, bool ``[C]``."""
        return replace(self, shown=self.shown & wanted[:, None])


def select(scan: Scan, choice: Choice, terms: Sequence[str] | None, truth: str | None) -> Selection:
    """The strata of some coefficients (all when None) with truths that are ``zero`` or ``nonzero`` (any when None).

    Where the truth of a stratum is zero in all of its datasets or in none, its moments are those of the whole; only where it is
    zero in some do its rows have to be looked at again, one by one (``choice.truth``).

    Raises:
        InputError: for an unknown policy, term or truth, or where there are no rows at all.
    """
    choose("policy", choice.policy, POLICIES)
    rows, usable, known = scan.census.rows, scan.census.usable, scan.layout.terms
    if not rows.any():
        raise InputError("the estimates table is empty: there is nothing to measure.")
    if truth is not None:
        kept = null_axis(truth)
        choice = replace(choice, truth=truth) if scan.census.is_mixed else choice
        rows, usable = rows[..., kept], usable[..., kept]
    shown = rows.sum(axis=2) > 0
    if terms is not None:
        wanted = [known.index(choose("term", term, known)) for term in names_given("terms", terms)]
        shown &= np.isin(np.arange(shown.shape[1]) % len(known), wanted)
    return Selection(choice, shown, rows.sum(axis=2), (rows - usable).sum(axis=2))


def null_axis(truth: str) -> list[int]:
    """Place, in the last axis of a census, of truths that are ``zero`` or ``nonzero``."""
    return [KINDS.index(choose("truth", truth, TRUTHS))]
