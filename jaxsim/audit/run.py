"""The audit: draw, fit again with lme4 as it comes, and with more effort where that does not agree."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from jaxsim.audit.compare import Difference, Verdict, final_look, first_look, lme4_df
from jaxsim.audit.sample import Finished, draw
from jaxsim.errors import whole_number
from jaxsim.estimators.external import Handed
from jaxsim.estimators.lme4 import Lme4
from jaxsim.estimators.notation import formula_text
from jaxsim.r.outcome import Outcome
from jaxsim.r.pool import Pool
from jaxsim.r.request import Request
from jaxsim.results import Results
from jaxsim.sweep.progress import counting

Looked = tuple[Verdict | None, Difference | None]


def audit(results: Results, per_cell: int = 3, seed: int = 0, *, progress: bool = True) -> pd.DataFrame:
    """Fit a random sample of a study's mixed models again with lme4, compare, and store what was found with the results.

    Rows are completed from each dataset's key. lme4 as it comes is asked first; where it does not agree, lme4 with tight
    tolerances and then from several starts.

    Args:
        results: of a run, finished or not.
        per_cell: fits drawn from each cell for each mixed-model strategy.
        seed: of the sample.
        progress: show a bar.

    Returns:
        One row a fit: ``cell, replicate, model, verdict, ours`` (a disagreement that is our fault), ``criterion`` (ours less
        lme4's), ``gap`` (how far above its best lme4 as it comes had stopped), the largest differences ``estimate`` (in
        standard errors), ``std_error, df, sigma`` (relative), ``covariance`` (of its scale), ``singular`` (the two disagree),
        ``effort``, ``status`` and ``lme4_status``, ``message`` (lme4's words).

    Raises:
        InputError: if lme4 cannot be used here, or the study has no mixed model.
    """
    per_cell, seed = whole_number("per_cell", per_cell, 1), whole_number("seed", seed, 0)
    fits = draw(results, per_cell, seed)
    rows: list[dict[str, object]] = []
    with Pool() as pool, counting(len(fits), "lme4", progress) as more:
        for fit, outcome in zip(fits, _refit(pool, results, fits, "default"), strict=True):
            rows.append(_row(fit, outcome, first_look(fit, outcome), "default"))
            more(rows[-1]["verdict"] is not None)
        for effort in ("tight", "best"):
            _look_again(pool, results, fits, rows, effort, more)
    table = pd.DataFrame(rows)
    table["verdict"] = [verdict.value for verdict in table["verdict"]]
    results.folder.write_audit(table, {"per_cell": per_cell, "seed": seed, "date": _today(), "versions": pool.versions})
    return table


def _look_again(
    pool: Pool, results: Results, fits: list[Finished], rows: list[dict[str, object]], effort: str, more: Callable[[int], None]
) -> None:
    """Refit what has no verdict yet; ``best`` also what lme4 did not reach at tight tolerances, and is the last word."""
    open_places = [k for k, row in enumerate(rows) if row["verdict"] in (None, Verdict.LME4_HIGHER, Verdict.NO_LME4)]
    if not open_places:
        return
    outcomes = _refit(pool, results, [fits[k] for k in open_places], effort)
    for k, outcome in zip(open_places, outcomes, strict=True):
        was_open = rows[k]["verdict"] is None
        rows_of = results.study.dataset(fits[k].cell, fits[k].replicate)
        row = _row(fits[k], outcome, final_look(fits[k], outcome, rows_of), effort)
        row["gap"] = rows[k]["lme4_criterion"] - outcome.criterion  # type: ignore[operator]
        row["lme4_criterion"], row["message"] = rows[k]["lme4_criterion"], rows[k]["message"]
        rows[k] = row
        more(was_open)


def _refit(pool: Pool, results: Results, fits: Sequence[Finished], effort: str) -> Iterator[Outcome]:
    study = results.study

    def requests() -> Iterator[Request]:
        """What R is asked, fit by fit."""
        for fit in fits:
            text = formula_text(fit.response, fit.terms, fit.effects)
            df = lme4_df(fit.strategy) or "satterthwaite"
            lme4 = Lme4(text, reml=fit.strategy.reml, df=df, effort=effort)
            yield lme4.request(Handed(study.dataset(fit.cell, fit.replicate), study.names, study.conf_level))

    return pool.map(requests())


def _row(fit: Finished, outcome: Outcome, looked: Looked, effort: str) -> dict[str, object]:
    verdict, apart = looked
    numbers = ("criterion", "estimate", "std_error", "df", "covariance", "sigma")
    return {
        "cell": fit.cell,
        "replicate": fit.replicate,
        "model": fit.strategy.name,
        "verdict": verdict,
        "ours": verdict is not None and verdict.ours,
        **{name: np.nan if apart is None or getattr(apart, name) is None else getattr(apart, name) for name in numbers},
        "singular": apart is not None and apart.singular,
        "gap": 0.0,
        "effort": effort,
        "status": fit.status,
        "lme4_status": outcome.status.label,
        "lme4_criterion": outcome.criterion,
        "message": outcome.message,
    }


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
