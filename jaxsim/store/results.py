"""Results of a study: its tables, and what is measured from them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jaxsim import measures
from jaxsim.design import Study
from jaxsim.errors import choose
from jaxsim.measures.stream import Performance
from jaxsim.measures.stream.cells import chosen_cells
from jaxsim.measures.stream.layout import slices
from jaxsim.store.folder import Folder

if TYPE_CHECKING:
    import xarray


class Results:
    """Read-only view of a results folder; tables are read when first asked for.

    Args:
        out: the folder that a run wrote.

    Raises:
        InputError: if it holds no results.
    """

    def __init__(self, out: str | Path) -> None:
        self.folder = Folder(out)
        self.study: Study = self.folder.study()

    @property
    def out(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def factors(self) -> tuple[str, ...]:
        """The grid's factors: columns of every table."""
        return self.study.grid.names

    @functools.cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell: ``cell`` and its conditions."""
        return self.study.cell_table()

    @functools.cached_property
    def estimates(self) -> pd.DataFrame:
        """One row per dataset, strategy and term: ``cell, replicate, model, term, truth, estimate, std_error, statistic, df,
        p_value, conf_low, conf_high, status``, then the cell's conditions."""
        return self._table("estimates")

    @functools.cached_property
    def fits(self) -> pd.DataFrame:
        """One row per dataset and strategy: ``cell, replicate, model, status, converged, singular, criterion, sigma,
        iterations, message`` (what other software said), variance components of mixed models (``sd_*``, ``cor_*``), then the
        cell's conditions."""
        return self._table("fits")

    @property
    def progress(self) -> tuple[int, int]:
        """Datasets that are finished, and datasets of the whole study."""
        return self.folder.datasets(), len(self.study.cells) * self.study.replicates

    @property
    def audit(self) -> pd.DataFrame | None:
        """What the last ``jaxsim audit`` found, one row a fit (see :func:`jaxsim.audit.audit`); None if there was none.

        ``attrs["about"]`` holds its seed, date and versions.
        """
        found = self.folder.audit()
        if found is None:
            return None
        table, about = found
        table.attrs["about"] = about
        return table

    @property
    def provenance(self) -> list[dict[str, object]]:
        """Records of the sessions that computed these results, oldest first."""
        return self.folder.provenance()

    def frames(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        replicates: int | None = None,
        datasets: int = 4096,
    ) -> Iterator[pd.DataFrame]:
        """``estimates`` or ``fits`` in parts, every dataset whole in one of them.

        Args:
            table: which of the two.
            columns: that are wanted; all when None.
            where: levels of factors, such as ``{"n_groups": [10, 30]}``; all cells when None.
            replicates: only the first so many of each cell; all when None.
            datasets: of a part, at most.
        """
        found = {"estimates": lambda: self.estimates, "fits": lambda: self.fits}[choose("table", table, ("estimates", "fits"))]()
        if where:
            found = found[found["cell"].isin(chosen_cells(self.cells, where))]
        if replicates is not None:
            found = found[found["replicate"] < replicates]
        yield from slices(found if columns is None else found[list(columns)], datasets)

    @functools.cached_property
    def performance(self) -> Performance:
        """Measures of these results, computed from :meth:`frames`: memory does not grow with the number of datasets."""
        study, terms = self.study, self.study.process.terms
        mixed = [e.name for e in study.estimators if e.random_columns(terms)]
        return Performance(self.frames, self.cells, [e.name for e in study.estimators], terms, mixed)

    def measures(self, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Performance measures with their Monte Carlo errors.

        Args:
            by: columns that define the lines, of ``model``, the factors, ``cell`` and ``term``; all but the cell when None.
            options: ``policy``, ``alpha``, ``measures``, ``terms``, ``truth`` and ``where``; see
                :meth:`jaxsim.measures.stream.Performance.measures`.
        """
        return self.performance.measures(by, **options)

    def rates(self, by: Sequence[str] | None = None, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Convergence, singular, failure and success rates; by model and the grid's factors when ``by`` is None."""
        return self.performance.rates(by, where)

    def reasons(self, by: Sequence[str] | None = None, where: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """How many fits ended with each status; by model and the grid's factors when ``by`` is None."""
        return self.performance.reasons(by, where)

    def paired(self, reference: str, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Differences of every model to ``reference`` on the same datasets; see :func:`jaxsim.measures.paired`."""
        return self.performance.paired(reference, by, **options)

    def compare(self, a: str, b: str, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Strategy ``a`` less strategy ``b`` on the same datasets: is one better, and by how much?

        Most of the luck of the draw cancels in the difference, so its Monte Carlo error (``mcse``, and the limits ``low`` and
        ``high``) is often a fraction of what the errors of the two beside each other suggest:
        ``results.compare("lmer", "lm2", by=["n_groups"])``. See :meth:`jaxsim.measures.stream.Performance.compare`.
        """
        return self.performance.compare(a, b, by, **options)

    def to_xarray(self, by: Sequence[str] | None = None, **options: Any) -> xarray.Dataset:
        """Measures as labelled arrays, a dimension for the measure, the model, each factor and the term.

        ``results.to_xarray().value.sel(measure="coverage", model="lmer", term="IV1")``; variables ``value, mcse, low, high, n_used,
        n_failed``. Needs xarray: ``pip install 'jaxsim-studies[xarray]'``.

        Args:
            by: dimensions; as in :meth:`measures`.
            options: as there.
        """
        return self.performance.to_xarray(by, **options)

    def seed_post(self) -> pd.DataFrame:
        """One row a fit, with the columns of the 2019 study; see :func:`jaxsim.measures.seed_post`."""
        process = dataclasses.asdict(self.study.process)
        return measures.seed_post(self.estimates, self.fits, {k: v for k, v in process.items() if k not in self.factors})

    def __repr__(self) -> str:
        study, (done, planned) = self.study, self.progress
        unfinished = "" if done == planned else f"; UNFINISHED, {done} of {planned} datasets"
        return (
            f"Results({str(self.out)!r}: {len(study.cells)} cells x {study.replicates} datasets x "
            f"{', '.join(e.name for e in study.estimators)}{unfinished})"
        )

    def _table(self, name: str) -> pd.DataFrame:
        frame = self.folder.read(name).to_pandas()
        frame = frame.sort_values(["cell", "replicate"], kind="stable", ignore_index=True)
        labels = [estimator.name for estimator in self.study.estimators]
        frame["model"] = frame["model"].cat.set_categories(labels)
        return frame.merge(self.cells, on="cell", how="left") if self.factors else frame


def load(out: str | Path) -> Results:
    """Read the results a run wrote to ``out``."""
    return Results(out)
