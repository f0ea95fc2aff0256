"""Results of a study: its tables, and what is measured from them."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from jaxsim import measures
from jaxsim.counts import counted
from jaxsim.errors import InputError, brief, names_given, several, whole_number
from jaxsim.measures.card import run_card
from jaxsim.measures.complaints import complaints
from jaxsim.measures.components import components as components_of
from jaxsim.measures.overview import overviewed
from jaxsim.measures.stream import Performance
from jaxsim.measures.stream.cells import chosen_cells
from jaxsim.measures.sufficiency import sufficiency
from jaxsim.store.coverage import replicate_range
from jaxsim.store.folder import Folder
from jaxsim.store.place import Place
from jaxsim.store.reading import Reader
from jaxsim.store.schema import TRUE, component_names
from jaxsim.study.card import size
from jaxsim.study.hook import plots
from jaxsim.study.study import Study

if TYPE_CHECKING:
    import xarray

    from jaxsim.frames.bayes_result import BayesResult


class Results:
    """Read-only view of a results folder; tables are read when first asked for.

    Args:
        out: the folder that a run wrote, or its address.

    Raises:
        InputError: if it holds no results.
    """

    def __init__(self, out: str | Path | Place | Folder) -> None:
        self.folder = out if isinstance(out, Folder) else Folder(out)
        self.study: Study = self.folder.study()

    @property
    def out(self) -> Path:
        """The folder; raises :class:`InputError` if it is not one of this machine."""
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
        p_value, conf_low, conf_high, status``, columns of some strategies (``group_mse``, ``group_variance``,
        ``group_true_variance`` of a study with ``group_coefficients=True``, the columns of its other scores), then the cell's
        conditions."""
        return self.read("estimates")

    @functools.cached_property
    def fits(self) -> pd.DataFrame:
        """One row per dataset and strategy: ``cell, replicate, model, status, converged, singular, criterion, sigma,
        iterations, message`` (what other software said), variance components of mixed models (``sd_<factor>_<term>``,
        ``cor_<factor>_<term>_<term>``, with their truths as ``true_*``), then the cell's conditions."""
        return self.read("fits")

    @property
    def progress(self) -> tuple[int, int]:
        """Datasets that every strategy has finished, and datasets of the whole study (the most, until a rule has stopped it)."""
        reached = self.folder.reached() if self.study.until is not None else None
        known = {c["key"]: c["replicates"] for c in reached["cells"]} if reached else None
        counts = None if known is None else {c.index: known.get(c.key, self.study.replicates) for c in self.study.cells}
        return self.folder.datasets(), self.study.datasets(counts)

    @property
    def reached(self) -> pd.DataFrame | None:
        """Where a rule stopped the cells (see :class:`jaxsim.Until`): ``cell, replicates``, then the largest Monte Carlo error of
        each of its measures when it was judged last, then the cell's conditions; None without a rule, or before its end."""
        said = self.folder.reached()
        if self.study.until is None or said is None:
            return None
        number = {cell.key: cell.index for cell in self.study.cells}
        rows = [
            {"cell": number[c["key"]], "replicates": c["replicates"], **c["errors"]} for c in said["cells"] if c["key"] in number
        ]
        return pd.DataFrame(rows).sort_values("cell", ignore_index=True).merge(self.cells, on="cell", how="left")

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
        replicates: int | tuple[int, int] | None = None,
        datasets: int = 4096,
        cells: Sequence[int] | None = None,
    ) -> Iterator[pd.DataFrame]:
        """``estimates`` or ``fits`` in parts, every dataset whole in one of them; only what is asked for is read.

        Args:
            table: which of the two.
            columns: that are wanted, without the cells' conditions; all when None.
            where: levels of factors, such as ``{"n_groups": [10, 30]}``; all cells when None.
            replicates: only the first so many of each cell, or those from the first number up to (not with) the second.
            datasets: of a part, at most.
            cells: numbers of the cells; all when None.

        Raises:
            InputError: for an unknown table, column, factor or level, or a damaged chunk.
        """
        wanted = None if columns is None else names_given("columns", columns)
        parts = self.reader.frames(
            table, wanted, self._chosen(where, cells), replicate_range(replicates), whole_number("datasets", datasets, 1)
        )
        yield from parts

    def _chosen(self, where: Mapping[str, Any] | None, cells: Sequence[int] | None) -> list[int] | None:
        """Numbers of the cells that have these levels and are among these; None for all."""
        if where is None and cells is None:
            return None
        chosen = set(range(len(self.cells))) if cells is None else set(self._numbers(cells))
        return sorted(chosen & set(chosen_cells(self.cells, where)) if where else chosen)

    def _numbers(self, cells: Sequence[int]) -> list[int]:
        """Numbers of cells that there are."""
        given = several(cells, len(self.cells))
        if given is None:
            raise InputError(f"cells={brief(cells)}: give a list of cells' numbers, such as [0, 3].")
        return [self.study.find(cell).index for cell in given]

    def read(self, table: str, columns: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """The same as one table, with the cells' conditions; see :meth:`frames` for the options.

        Raises:
            InputError: as there; and if nothing is finished yet.
        """
        parts = list(self.frames(table, columns, **options))
        if not parts:
            raise InputError(f"{self.folder.place.url} holds no finished chunk of these yet; run the study again to complete it.")
        frame = pd.concat(parts, ignore_index=True).sort_values(["cell", "replicate"], kind="stable", ignore_index=True)
        return frame.merge(self.cells, on="cell", how="left") if self.factors else frame

    @functools.cached_property
    def reader(self) -> Reader:
        """Reads the chunks that were finished when this was first asked for."""
        return Reader(self.folder, self.study, self.folder.entries())

    @functools.cached_property
    def performance(self) -> Performance:
        """Measures of these results, computed from :meth:`frames`: memory does not grow with the number of datasets."""
        return self.performance_of()

    def performance_of(self, replicates: int | None = None, cells: Sequence[int] | None = None) -> Performance:
        """Measures of the first so many replicates of some cells; of all of them when None."""
        study = self.study
        replicate_range(replicates)
        frames = functools.partial(self.frames, replicates=replicates, cells=cells)
        table = self.cells if cells is None else self.cells[self.cells["cell"].isin(self._numbers(cells))]
        labels = [strategy.name for strategy in study.estimators]
        return Performance(frames, table, labels, study.terms, study.mixed, study.kit, self.factors, study.families)

    def measures(self, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Performance measures with their Monte Carlo errors.

        Args:
            by: columns that define the lines, of ``model``, the factors, ``cell`` and ``term``; all but the cell when None. What is
                not named is averaged: without ``term`` all coefficients, the intercept among them, alike or not
                (:attr:`jaxsim.Study.families`), unless ``terms`` names some.
            options: ``policy``, ``alpha``, ``measures``, ``terms``, ``truth`` and ``where``; see
                :meth:`jaxsim.measures.stream.Performance.measures`.
        """
        return self.performance.measures(by, **options)

    def needed(
        self, measure: str = "power", target: float = 0.8, *, over: str, by: Sequence[str] | None = None, **options: Any
    ) -> pd.DataFrame:
        """How many groups, people or observations a rate needs to reach a target: read off between the simulated levels.

        ``results.needed("power", 0.8, over="units.subject", terms=["drugactive:day"])`` interpolates the probit of the power
        linearly in the square root of the number, between the levels on both sides of the target, and never beyond the levels: with
        ``s = sqrt(n)``, ``y = probit(rate)`` and ``w = (probit(target) - y0) / (y1 - y0)``, ``n = (s0 + w (s1 - s0))^2``. The
        limits are the numbers at which the target is within 1.96 errors of that line (Fieller's).

        Args:
            measure: ``power``, ``rejection``, or of whole fits ``convergence`` or ``success``.
            target: the rate that is wanted, between 0 and 1.
            over: a factor of numbers, such as ``n_groups``, ``n_obs``, ``units.subject`` or ``repeats``.
            by: factors whose levels have rows of their own; all others when None. What is not named is averaged.
            options: ``terms`` (all slopes when None), ``alpha``, ``policy``, ``truth`` and ``where``, as for :meth:`measures`.

        Returns:
            One row for each strategy, combination of levels and coefficient: ``model, *by, term, measure, target``, then
            ``needed`` (not rounded) with 95% Monte Carlo limits ``low, high``, the simulated levels on both sides ``level_below,
            level_above``, and a ``status``: ``found``, ``below target at all levels``, ``above target at all levels``, ``not
            monotone beyond Monte Carlo error`` or ``no number``. What cannot be told from the levels is NaN. Of coefficients there
            are ``promise`` (``type_one_error`` or, of a coefficient that is nowhere zero, ``coverage``), ``rate, rate_mcse`` and a
            ``verdict``: ``kept``, ``not kept``, ``not kept in some cells`` or ``not known``. The number of a strategy that does not
            keep its promise for that coefficient counts for nothing.

        Raises:
            InputError: for another rate (coverage tends to a level of its own, however many there are), a target outside (0, 1),
                a factor without numbers, or results without the rate.
        """
        return sufficiency(self.performance, measure, target, over, by, **options)

    @functools.cached_property
    def components_told(self) -> tuple[str, ...]:
        """Columns of :attr:`fits` with variance components whose true values stand beside them, as ``true_sd_..`` and so on."""
        wanted = [component_names(self.study.names, strategy) for strategy in self.study.estimators]
        stored = {name for entry in self.reader.entries for name in entry.about.columns}
        every = dict.fromkeys(name for names in wanted for name in names)
        return tuple(name for name in every if {name, f"{TRUE}{name}"} <= stored)

    def components(self, by: Sequence[str] | None = None, **options: Any) -> pd.DataFrame:
        """Measures of variance components (SDs and correlations of random effects, the residual SD) against their true values.

        Components stand where :meth:`measures` has the terms; see :func:`jaxsim.measures.components.components` for what counts.

        Args:
            by: as for :meth:`measures`.
            options: ``policy``, ``measures`` (bias, relative_bias, empirical_se, mse, rmse, median_absolute_error), ``terms``
                (components by name, such as ``sd_Group_Intercept``) and ``where``.

        Raises:
            InputError: if no strategy estimates a variance component that the process tells.
        """
        return self._components.measures(by, **options)

    @functools.cached_property
    def _components(self) -> Performance:
        told, study = self.components_told, self.study
        if not told:
            raise InputError(
                f"{self.folder.place.url}: no strategy estimates a variance component whose true value is stored. Mixed models do, "
                "of processes that tell sd_<factor>_<term> or sigma, in folders written by jaxsim 0.4 or newer."
            )
        names = {s.name: [c for c in component_names(study.names, s) if c in told] for s in study.estimators}
        return components_of(self.frames, self.cells, names, told, self.factors)

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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know besides the tables: the study's caveats, and why strategies fail that often do."""
        return tuple(dict.fromkeys((*self.study.caveats(), *complaints(self.frames, self.rates(["model"])))))

    @property
    def plot(self) -> Any:
        """The report's figures, a function each: ``results.plot.coverage(by=["n_groups"])``; see
        :class:`jaxsim.report.plots.Plots`."""
        return plots(self)

    def posterior(self, cell: int | Mapping[str, Any], replicate: int, model: str | None = None) -> BayesResult:
        """The whole posterior of one dataset, sampled again with the study's random numbers.

        Args:
            cell, replicate: as for :meth:`jaxsim.Study.dataset`.
            model: label of a Bayesian strategy of the study; it may be left out if there is only one.
        """
        from jaxsim.replay import posterior  # noqa: PLC0415 - NumPyro is an extra

        return posterior(self.study, cell, replicate, model)

    def seed_post(self) -> pd.DataFrame:
        """One row a fit, with the columns of the 2019 study; see :func:`jaxsim.measures.seed_post`."""
        values = self.study.process.values
        return measures.seed_post(self.estimates, self.fits, {k: v for k, v in values.items() if k not in self.factors})

    def __repr__(self) -> str:
        study, (done, planned) = self.study, self.progress
        unfinished = "" if done == planned else f"; UNFINISHED, {done} of {counted(planned, 'dataset')}"
        return (
            f"Results({self.folder.place.url!r}: {counted(len(study.cells), 'cell')} x {counted(study.replicates, 'dataset')} x "
            f"{', '.join(e.name for e in study.estimators)}{unfinished})"
        )

    def _repr_html_(self) -> str:
        """Where, how far, and the overview, for which all that is finished is read once."""
        done, planned = self.progress
        where = f"{done:,} of {counted(planned, 'dataset')} in {self.folder.place.url}"
        return run_card(where, size(self.study), lambda: overviewed(self.performance, planned, self.notes))


def load(out: str | Path | Place) -> Results:
    """Read the results a run wrote to ``out``."""
    return Results(out)
