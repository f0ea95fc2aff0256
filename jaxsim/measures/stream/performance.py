"""Tables of measures of a source that is read frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxsim.data.names import INTERCEPTS
from jaxsim.errors import InputError, advised, choose, names_given
from jaxsim.measures.asked import ask
from jaxsim.measures.factor_name import all_in_full
from jaxsim.measures.groups import kit_of
from jaxsim.measures.kit import Kit
from jaxsim.measures.own import OwnMeasure
from jaxsim.measures.paired import COLUMNS as PAIRED_COLUMNS
from jaxsim.measures.paired import check_comparison
from jaxsim.measures.part import Part, by_line
from jaxsim.measures.sample import Array
from jaxsim.measures.stream import tables
from jaxsim.measures.stream.cells import check_where, chosen_cells
from jaxsim.measures.stream.held import Held
from jaxsim.measures.stream.layout import Layout, slices
from jaxsim.measures.stream.lines import strata_of
from jaxsim.measures.stream.scan import Choice, Frames, Scan
from jaxsim.measures.stream.selection import select
from jaxsim.measures.summarise import COLUMNS

if TYPE_CHECKING:
    import xarray


class Performance:
    """Measures of a study's results: the numbers of :func:`jaxsim.measures.summarise`, ``paired``, ``rates`` and ``reasons``.

    The frames are looked at three times (seldom four) for all tables of one policy and level, and what was accumulated is kept: see
    :mod:`jaxsim.measures.stream.moments`. Those of a small source are read once: see :mod:`jaxsim.measures.stream.held`. Measures
    that few tables show are looked at when they are asked for. Memory depends on the number of cells, strategies and coefficients,
    not of datasets, but for own measures of whole strata (see :class:`jaxsim.measures.OwnMeasure`).

    Args:
        frames: called as ``frames(table, columns=[..], where={..} or None)`` with ``estimates`` or ``fits``, gives an iterator of
            DataFrames; each dataset (cell and replicate) must lie whole within one of them. Called again for every look.
        cells: one row a cell: ``cell`` and its conditions.
        models, terms: labels of the strategies and coefficients, in the order they are shown.
        mixed: those of the strategies that are mixed models, and may be singular.
        kit: how the estimates are measured.
        factors: columns of ``cells`` that lines are made of by default; all but ``cell`` when None. The others may be asked for.
        families: coefficients that are exchangeable, together; those that are named in none are each by itself.
    """

    def __init__(
        self,
        frames: Frames,
        cells: pd.DataFrame,
        models: Sequence[str],
        terms: Sequence[str],
        mixed: Sequence[str] = (),
        kit: Kit | None = None,
        factors: Sequence[str] | None = None,
        families: Sequence[Sequence[str]] = (),
    ) -> None:
        self.frames = frames
        self.cells = cells.sort_values("cell", ignore_index=True)
        self.models, self.terms, self.mixed = tuple(models), tuple(terms), tuple(mixed)
        self.kit = Kit() if kit is None else kit
        self.columns = tuple(str(name) for name in self.cells.columns if name != "cell")
        self.factors = self.columns if factors is None else tuple(choose("factor", name, self.columns) for name in factors)
        self.families = tuple(tuple(family) for family in families)
        self._scans: dict[tuple[int, ...] | None, Scan] = {}
        self._held = Held()

    @classmethod
    def of_tables(
        cls,
        estimates: pd.DataFrame,
        fits: pd.DataFrame,
        factors: Sequence[str] = (),
        datasets: int = 4096,
        own: Sequence[OwnMeasure] = (),
        conf_level: float = 0.95,
    ) -> Performance:
        """Of tables in memory, read in frames of so many datasets; ``own`` and ``conf_level`` as for
        :func:`jaxsim.measures.summarise`."""
        given = {"estimates": estimates, "fits": fits}

        def frames(table: str, columns: Sequence[str], where: object = None) -> Iterable[pd.DataFrame]:
            """Tables in memory, in slices."""
            return slices(given[table][list(columns)], datasets)

        cells = fits[["cell", *factors]].drop_duplicates("cell")
        models, terms = (_labels(table[name]) for table, name in ((fits, "model"), (estimates, "term")))
        components = fits.filter(regex="^sd_").notna().any(axis=1)
        mixed = sorted(set(fits.loc[components, "model"].astype(str)))
        return cls(frames, cells, models, terms, mixed, kit_of(estimates, own, conf_level))

    def measures(
        self,
        by: Sequence[str] | None = None,
        *,
        policy: str = "available",
        alpha: float | None = None,
        measures: Sequence[str] | None = None,
        terms: Sequence[str] | None = None,
        truth: str | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Performance measures with their Monte Carlo errors, as :func:`jaxsim.measures.summarise` defines them.

        Args:
            by: columns that define the lines, of ``model``, the grid's factors, ``cell`` and ``term``; the model, the factors and
                the term when None. The last part of a factor's name will do where no other factor has it: ``person`` is
                ``units.person``.
            policy, alpha, measures, terms, truth: as in :func:`jaxsim.measures.summarise`.
            where: levels of factors that count, such as ``{"n_groups": 10}`` or ``{"n_groups": [10, 30]}``.

        Raises:
            InputError: for an option that is not known, or where there are no estimates.
        """
        groups = self._groups(by, ("model", "cell", *self.columns, "term"), ("model", *self.factors, "term"))
        level, asked = self.kit.level(alpha), ask(self.kit, measures, truth)
        scan = self._scan(where)
        scan.counted(asked.measures, level)
        wanted = self._wanted(scan, where)
        every = select(scan, Choice(policy, level), terms, truth).of_cells(wanted)
        strata = strata_of(scan.layout, self._cells_of(scan), every.shown, groups)
        parts: dict[str, Part] = {}
        for kind, names in asked.by_truth():
            chosen = every if kind is None else select(scan, Choice(policy, level), terms, kind).of_cells(wanted)
            parts |= tables.measured(scan, chosen, strata.only(chosen.shown), names)
        return by_line(strata.table, [parts[name] for name in asked.names]).assign(policy=policy)[[*groups, *COLUMNS]]

    def paired(
        self,
        reference: str,
        by: Sequence[str] | None = None,
        *,
        policy: str = "listwise",
        alpha: float | None = None,
        terms: Sequence[str] | None = None,
        truth: str | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Differences of every model to ``reference`` on the same datasets, as :func:`jaxsim.measures.paired` defines them.

        Args:
            reference: label of the strategy that is subtracted.
            by: columns that define the lines, of the grid's factors, ``cell`` and ``term``; the factors and the term when None.
            policy, alpha, terms, truth, where: as in :meth:`measures`.

        Raises:
            InputError: as there; and for ``model`` in ``by`` or an unknown reference.
        """
        level = self.kit.level(alpha)
        check_comparison(() if by is None else names_given("by", by), reference, self.models)
        groups = self._groups(by, ("cell", *self.columns, "term"), (*self.factors, "term"))
        scan = self._scan(where)
        chosen = select(scan, Choice(policy, level, reference=reference), terms, truth).of_cells(self._wanted(scan, where))
        shown = chosen.shown.reshape(len(chosen.shown), len(self.models), len(self.terms))
        parts = []
        for number, model in enumerate(self.models):
            common = np.zeros_like(shown)
            common[:, number] = shown[:, number] & shown[:, self.models.index(reference)]
            if model != reference and common.any():
                strata = strata_of(scan.layout, self._cells_of(scan), common.reshape(chosen.shown.shape), groups)
                parts.append(by_line(strata.table, tables.compared(scan, chosen, strata)).assign(model=model))
        columns = ["model", "reference", *groups, *PAIRED_COLUMNS]
        if not parts:
            return pd.DataFrame(columns=columns)
        return pd.concat(parts, ignore_index=True).assign(reference=reference, policy=policy)[columns]

    def compare(
        self, a: str, b: str, by: Sequence[str] | None = None, *, policy: str = "available", **options: Any
    ) -> pd.DataFrame:
        """Strategy ``a`` less strategy ``b`` on the same datasets: is one better, and by how much?

        Both were fitted to the same datasets, so most of the luck of the draw cancels in the difference: its Monte Carlo error is
        that of the per-dataset differences, often a fraction of what the two errors beside each other suggest. A difference more
        than two of its errors from zero (``low`` and ``high`` on one side) is one that more replicates would not undo.

        >>> results.compare("lmer", "lm2", by=["n_groups"]).query("measure == 'rmse'")  # doctest: +SKIP

        Args:
            a, b: labels of the two.
            by: columns that define the lines, of the grid's factors, ``cell`` and ``term``; the factors and the term when None.
            policy: ``available`` (default) counts the datasets in which the fits of these two are usable (status ``ok`` or
                ``singular``); ``listwise`` those in which the fits of all strategies are.
            options: ``alpha``, ``terms``, ``truth`` and ``where``, as in :meth:`measures`.

        Returns:
            One row per line and measure: ``model, reference, *by, measure, value, mcse, low, high, n_used, n_failed, policy``.
            ``bias``, ``absolute_error``, ``mse``, ``rmse``, ``std_error``, ``coverage`` and ``rejection`` are differences
            ``a - b``; ``relative_precision`` is the percentage by which ``a`` is more precise than ``b``.

        Raises:
            InputError: for a label that is not known, or the same twice.
        """
        choose("strategy", a, self.models)
        choose("reference", b, self.models)
        if a == b:
            raise InputError(f"compare({a!r}, {b!r}): a strategy does not differ from itself; give two.")
        table = self.paired(b, by, policy=policy, **options)
        return table[table["model"] == a].reset_index(drop=True)

    def rates(self, by: Sequence[str] | None = None, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Convergence, singular, failure and success rates, as :func:`jaxsim.measures.rates`; by model and factors when None."""
        groups = self._groups(by, ("model", "cell", *self.columns), ("model", *self.factors))
        scan = self._scan(where)
        return tables.rates(scan, self._cells_of(scan), self._wanted(scan, where), groups)

    def reasons(self, by: Sequence[str] | None = None, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """How many fits ended with each status, as :func:`jaxsim.measures.reasons`; by model and factors when None."""
        groups = self._groups(by, ("model", "cell", *self.columns), ("model", *self.factors))
        scan = self._scan(where)
        return tables.reasons(scan, self._cells_of(scan), self._wanted(scan, where), groups)

    def to_xarray(self, by: Sequence[str] | None = None, **options: Any) -> xarray.Dataset:
        """Measures as labelled arrays; see :func:`jaxsim.measures.labelled.to_xarray`."""
        from jaxsim.measures.labelled import to_xarray  # noqa: PLC0415 - xarray is an extra

        groups = self._groups(by, ("model", "cell", *self.columns, "term"), ("model", *self.factors, "term"))
        levels = {name: list(pd.unique(self.cells[name])) for name in ("cell", *self.columns)}
        return to_xarray(self.measures(groups, **options), groups, levels | {"model": self.models, "term": self.terms})

    @property
    def counts(self) -> tuple[int, int, int]:
        """Cells, coefficients and datasets that there are estimates of."""
        census = self._scan(None).census
        return int((census.datasets > 0).sum()), len(self.present), int(census.datasets.sum())

    @property
    def present(self) -> tuple[str, ...]:
        """The coefficients that there are estimates of."""
        return self._named(self._rows.sum(axis=(0, 2)))

    @property
    def compared(self) -> tuple[str, ...]:
        """The coefficients that tables are about unless others are asked for: the slopes with a true value to be compared with, and
        those that every strategy has; where there are none, all slopes; the intercept where there is nothing else."""
        rows = self._rows
        estimated = rows.sum(axis=2) > 0
        told = (rows[..., :-1].sum(axis=(0, 2)) > 0) | estimated[estimated.any(axis=1)].all(axis=0)
        for terms in (self._named(told), self.present):
            if slopes := tuple(term for term in terms if term not in INTERCEPTS):
                return slopes
        return self.present

    def estimating(self, terms: Sequence[str]) -> tuple[str, ...]:
        """The strategies that have any of these coefficients, usable or not, in the order they are shown."""
        of = [self.terms.index(choose("term", term, self.terms)) for term in terms]
        has = self._rows.sum(axis=2)[:, of].sum(axis=1) > 0
        return tuple(model for model, is_there in zip(self.models, has, strict=True) if is_there)

    def by_family(self, terms: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Some coefficients, those together whose measures may be averaged: exchangeable ones alone (``families``)."""
        number = {term: i for i, family in enumerate(self.families) for term in family}
        found: dict[Any, list[str]] = {}
        for term in dict.fromkeys(terms):
            found.setdefault(number.get(term, term), []).append(term)
        return tuple(map(tuple, found.values()))

    @property
    def _rows(self) -> Array:
        """How many estimates there are, by the kind of their truths (the last is that of none), ``[models, terms, 3]``."""
        rows: Array = self._scan(None).census.rows.sum(axis=0)
        return rows.reshape(len(self.models), len(self.terms), -1)

    def _named(self, wanted: Any) -> tuple[str, ...]:
        return tuple(term for term, is_wanted in zip(self.terms, wanted, strict=True) if is_wanted)

    def _scan(self, where: Mapping[str, Any] | None) -> Scan:
        """Of all cells if that has begun or is meant, else of these cells only, so that no others are read."""
        check_where(where)
        cells = chosen_cells(self.cells, where) if where else None
        if cells is None or (None in self._scans and self._scans[None].has_begun):
            cells, where = None, None
        if cells not in self._scans:
            numbers = self.cells["cell"].to_numpy(np.int64) if cells is None else np.array(cells, np.int64)
            layout = Layout(numbers, self.models, self.terms)
            self._scans[cells] = Scan(self.frames, layout, self.kit, where or None, self._held)
        return self._scans[cells]

    def _cells_of(self, scan: Scan) -> pd.DataFrame:
        return self.cells[self.cells["cell"].isin(scan.layout.cells)].reset_index(drop=True)

    def _wanted(self, scan: Scan, where: Mapping[str, Any] | None) -> Array:
        """Which cells of a scan count, bool ``[C]``."""
        return np.isin(scan.layout.cells, chosen_cells(self.cells, where)) if where else np.ones(len(scan.layout.cells), bool)

    def named_in_full(self, by: Sequence[str]) -> tuple[str, ...]:
        """Names of columns that lines can be made of, those of factors in full, each once; :class:`InputError` for the last part
        of the names of several factors. What is no such column stays as it is."""
        return all_in_full(by, ("model", "cell", *self.columns, "term"))

    def _groups(self, by: Sequence[str] | None, allowed: Sequence[str], default: Sequence[str]) -> list[str]:
        given = tuple(default) if by is None else all_in_full(names_given("by", by), allowed)
        for name in given:
            if name not in allowed:
                also = "For any other column there is jaxsim.measures.summarise(results.estimates, by), in memory"
                there = f"use {', '.join(allowed)}. {also}"
                raise InputError(advised(f"{name!r} is not a column that lines can be made of", name, allowed, there))
        return list(given)


def _labels(column: pd.Series) -> list[str]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(map(str, column.cat.categories))
    return list(map(str, pd.unique(column)))
