"""Results of a study: its tables, and what is measured from them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jaxsim import measures
from jaxsim.design import Study
from jaxsim.store.folder import Folder


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

    def measures(self, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Performance measures with their Monte Carlo errors; see :func:`jaxsim.measures.summarise` for the options.

        Args:
            by: columns to group by; the model, the grid's factors and the term when None.
        """
        groups = ["model", *self.factors, "term"] if by is None else list(by)
        return measures.summarise(self.estimates, groups, **options)

    def rates(self, by: Sequence[str] | None = None) -> pd.DataFrame:
        """Convergence, singular, failure and success rates; by model and the grid's factors when ``by`` is None."""
        return measures.rates(self.fits, ["model", *self.factors] if by is None else list(by))

    def reasons(self, by: Sequence[str] | None = None) -> pd.DataFrame:
        """How many fits ended with each status; by model and the grid's factors when ``by`` is None."""
        return measures.reasons(self.fits, ["model", *self.factors] if by is None else list(by))

    def paired(self, reference: str, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Differences of every model to ``reference`` on the same datasets; see :func:`jaxsim.measures.paired`."""
        groups = [*self.factors, "term"] if by is None else list(by)
        return measures.paired(self.estimates, groups, reference, **options)

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
