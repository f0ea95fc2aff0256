"""Tables of a scan: its moments in lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from jaxsim.errors import InputError
from jaxsim.measures.asked import measure_of
from jaxsim.measures.part import Part, by_line
from jaxsim.measures.rates import EVENTS, MEASURES
from jaxsim.measures.sample import Array
from jaxsim.measures.stream.lines import Strata, labelled, measure_lines, strata_of
from jaxsim.measures.stream.scan import Scan
from jaxsim.measures.stream.selection import Selection
from jaxsim.measures.summarise import kinds
from jaxsim.status import LABELS, Status


def measured(scan: Scan, chosen: Selection, strata: Strata, names: Sequence[str]) -> dict[str, Part]:
    """Some measures, each in the lines that have any of the chosen strata, with ``kind, n_used, n_failed``."""
    moments = scan.moments(chosen.choice, tuple(map(measure_of, names)), strata.is_pooled)
    used, failed = _whole(strata.sum(moments.size)), _whole(strata.sum(chosen.failed))
    kind = kinds(used, np.rint(strata.sum(moments.total("null"))))
    there = np.bincount(strata.line[strata.here], minlength=strata.count) > 0
    found = {}
    for name in names:
        known = measure_of(name)
        part = replace(measure_lines(known, scan.kit.measures[known], moments, strata), name=name)
        said = kind if known == "rejection" else np.full(len(kind), "")
        found[name] = part.with_more(there, kind=said, n_used=used, n_failed=failed)
    return found


def compared(scan: Scan, chosen: Selection, strata: Strata) -> list[Part]:
    """Every measure of the difference to the reference of ``chosen``, with ``n_used, n_failed``."""
    moments = scan.moments(chosen.choice, (), strata.is_pooled)
    counts = {"n_used": _whole(strata.sum(moments.size)), "n_failed": _whole(strata.sum(chosen.rows - moments.size))}
    return [measure_lines(name, m, moments, strata).with_more(**counts) for name, m in scan.kit.paired.measures.items()]


def rates(scan: Scan, cells: pd.DataFrame, wanted: Array, by: Sequence[str]) -> pd.DataFrame:
    """Rates of the fits of some cells; ``cells`` and ``wanted``, bool ``[C]``, are those of the scan's layout."""
    strata = _fit_strata(scan, scan.rates(False).size, cells, wanted, by)
    moments = scan.rates(strata.is_pooled)
    counts = {"n_used": _whole(strata.sum(moments.size)), "n_failed": _whole(strata.sum(moments.total("failure")))}
    return by_line(strata.table, [measure_lines(name, MEASURES[name], moments, strata).with_more(**counts) for name in EVENTS])


def reasons(scan: Scan, cells: pd.DataFrame, wanted: Array, by: Sequence[str]) -> pd.DataFrame:
    """How many fits ended with each status; arguments as for :func:`rates`."""
    strata = _fit_strata(scan, scan.statuses.sum(axis=2), cells, wanted, by)
    n = np.stack([strata.sum(scan.statuses[:, :, code]) for code in range(len(LABELS))], axis=1)
    line, code = np.nonzero(n)
    table = strata.table.iloc[line].reset_index(drop=True)
    status = labelled(code, LABELS)
    return table.assign(status=status, n=_whole(n[line, code]), message=[Status(int(c)).message for c in code])


def _fit_strata(scan: Scan, size: Array, cells: pd.DataFrame, wanted: Array, by: Sequence[str]) -> Strata:
    if not size.any():
        raise InputError("the fits table is empty: there is nothing to measure.")
    return strata_of(scan.fits_layout, cells, (size > 0) & wanted[:, None], by)


def _whole(values: Array) -> Array:
    return np.rint(values).astype(np.int64)
