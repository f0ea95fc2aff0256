"""Results folders with made-up numbers, for tests of the report, and what is read off its figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import stats

from jaxsim import GaussianMultilevel, Grid, LinearMixed, PooledOLS, Study, TwoStage, Uniform, load, measures
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.gathered import Gathered
from jaxsim.report.standings import Standings
from jaxsim.status import LABELS, USABLE_LABELS
from jaxsim.store.chunk import DIGITS, About, Span
from jaxsim.store.folder import Folder
from jaxsim.study import registry

MODELS = (PooledOLS(label="ols"), TwoStage(label="lm2"), LinearMixed(label="lmer"))
# Figures of coefficients of groups and of predictions, which a study must ask for.
ASKED = ("group_recovery", "group_shrinkage", "prediction_known", "prediction_new")
POST_GRID = {"n_groups": [10, 30], "n_obs": [5, 25], "group_sd": [0.1, 1, 4]}


def tables(study: Study, status, spread) -> tuple[pa.Table, pa.Table]:
    """Made-up estimates and fits of every dataset, of the coefficients that each strategy has; ``status(model, cell, replicate)``
    names how a fit ended, and ``spread`` has the standard deviation of the estimates of some models, where it is not 0.3."""
    rng = np.random.default_rng(1)
    estimates, fits = [], []
    terms = study.process.terms
    for cell in study.cells:
        for replicate in range(study.replicates):
            named = {term: cell.process.values.get(f"effects.{term}", 0.0) for term in terms}  # of a Design
            given = getattr(cell.process, "fixed_effects", tuple(named.values()))
            truth = rng.uniform(size=len(terms)) if isinstance(given, Uniform) else np.asarray(given, float)
            for estimator in study.estimators:
                own = estimator.coefficients(study.names) if replicate < estimator.wanted(study.replicates) else ()
                label = status(estimator.name, cell.index, replicate)
                usable = label in USABLE_LABELS
                key = {"cell": cell.index, "replicate": replicate, "model": estimator.name}
                mixed = isinstance(estimator, LinearMixed)
                fits += [
                    {
                        **key,
                        "status": label,
                        "converged": usable,
                        "singular": label == "singular",
                        "sigma": 1.0 if mixed else np.nan,
                    }
                ] * bool(own)
                numbers = np.stack(
                    [truth + rng.normal(0, spread.get(estimator.name, 0.3), len(terms)), rng.uniform(0.2, 0.4, len(terms))]
                )
                for term, true, (estimate, error) in zip(
                    terms, truth, numbers.T if usable else np.full((len(terms), 2), np.nan), strict=True
                ):
                    z = estimate / error
                    estimates += [
                        {
                            **key, "term": term, "truth": true, "estimate": estimate, "std_error": error, "statistic": z,
                            "df": 20.0 if usable else np.nan, "p_value": 2 * stats.norm.sf(abs(z)),
                            "conf_low": estimate - 1.96 * error, "conf_high": estimate + 1.96 * error, "status": label,
                        }
                    ] * (term in own)  # fmt: skip
    return arrow(estimates, terms), arrow(fits, terms)


def arrow(rows: list[dict], terms: tuple[str, ...]) -> pa.Table:
    frame = pd.DataFrame(rows).astype({"cell": "int32", "replicate": "int32", "model": "category"})
    frame["status"] = pd.Categorical(frame["status"], LABELS)
    if "term" in frame:
        frame["term"] = pd.Categorical(frame["term"], terms)
    return pa.Table.from_pandas(frame, preserve_index=False)


def results_of(folder, grid=None, estimators=MODELS, replicates=6, status=None, process=None, spread=None):
    """A results folder with made-up numbers, read back."""
    grid = grid if isinstance(grid, Grid) else Grid(**(grid or {}))
    study = Study(process or GaussianMultilevel(n_predictors=2), grid, estimators, replicates, seed=3)
    made, fits = tables(study, status or (lambda model, cell, replicate: "ok"), spread or {})
    store(folder, study, made, fits)
    return load(folder)


def store(folder, study, estimates, fits, stop=None):
    """Write made-up tables as a results folder that holds the first ``stop`` replicates of each cell: one chunk, and one
    more for the strategies that fit the first datasets alone."""
    place = Folder(folder)
    place.claim(study)
    own = [name for name in fits.column_names if name not in ("cell", "replicate", "model", "status")]
    both = estimates.to_pandas().merge(fits.to_pandas()[["cell", "replicate", "model", *own]], on=["cell", "replicate", "model"])
    keys = [cell.key for cell in study.cells]
    both.insert(0, "cell_key", pd.Categorical.from_codes(both.pop("cell"), keys))
    both["term"] = pd.Categorical(both["term"], study.terms)
    for count in sorted({estimator.wanted(stop or study.replicates) for estimator in study.estimators}):
        some = [estimator for estimator in study.estimators if estimator.wanted(stop or study.replicates) == count]
        models = {estimator.name: registry.canonical(estimator) for estimator in some}
        spans = tuple(Span(key, 0, count) for key in keys)
        about = About("0" * DIGITS, 2 ** study.replicates.bit_length(), models, spans, study.settings)
        rows = both[both["model"].isin(list(models))]
        place.write_chunk(pa.Table.from_pandas(rows, preserve_index=False), about)
    return place


def segments(figure) -> np.ndarray:
    """Lower and upper ends of all Monte Carlo intervals of a figure, ``[n, 2]``, sorted."""
    found = [
        segment[:, 1]
        for ax in figure.axes
        for collection in ax.collections
        if str(collection.get_label()).startswith("interval of")
        for segment in collection.get_segments()
    ]
    return np.array(sorted(map(tuple, found)))


LEVELS = dict(n_groups=[5, 10, 200], n_obs=[3, 10], group_sd=[0, 1], correlation=[0, 0.8], effect_in_se=[0, 1, 3])


def slope(n_groups, group_sd, correlation, effect_in_se, **_):
    """The fixed effects of a cell; correlated effects that do not vary are left out."""
    return None if correlation and not group_sd else {"fixed_effects": (0, effect_in_se * 0.3 + effect_in_se / n_groups)}


def five_factors(folder):
    """Results of five factors, not fully crossed; ``ols`` is far less precise than it says."""
    process = GaussianMultilevel(n_predictors=1)
    return results_of(folder, Grid(**LEVELS).linked(slope), process=process, spread={"ols": 1.2}, replicates=12)


def lines(results, measure, by, where=None):
    """Measures of the slope by some factors: value, low and high of each model and combination."""
    table = results.estimates[results.estimates["term"] == "IV1"]
    if where is not None:
        table = table[where(table["truth"])]
    found = measures.summarise(table, ["model", *by], measures=[measure])
    return {(str(row["model"]), *(row[k] for k in by)): row for row in found.to_dict("records")}


def meshes(figure):
    """Tiles of every panel of a heat map, ``[panels, y, x]``, NaN where there is none."""
    found = [c for ax in figure.axes for c in ax.collections if str(c.get_label()).startswith("tiles of ")]
    return np.array([np.ma.filled(np.ma.asarray(mesh.get_array(), float), np.nan) for mesh in found])


def marks(figure, label):
    """Places of the marks of every panel, as sets of ``(y, x)``."""
    panels = [ax for ax in figure.axes if any(str(c.get_label()).startswith("tiles of ") for c in ax.collections)]
    return [
        {(int(y), int(x)) for line in ax.lines if line.get_label() == label for x, y in zip(*line.get_data(), strict=True)}
        for ax in panels
    ]


def legend(figure):
    """Words of all legends of a figure."""
    return [text.get_text() for found in figure.legends for text in found.get_texts()]


def note(figure):
    """The notes below a figure, on one line."""
    return " ".join(figure.texts[-1].get_text().split())


def steps(figure, label):
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == label]
    return np.asarray(line.get_ydata(), float)[:-1]


def standings_of(numbers: Numbers) -> Standings:
    """Of all coefficients that are shown together, exchangeable or not."""
    return Gathered(numbers).of(numbers.shown)
