"""Readers are told why so many fits failed, in the words that most of them have."""

from __future__ import annotations

import pandas as pd
import pytest
from made_up import results_of

from jaxsim import FrameStrategy, GaussianMultilevel, Grid, Lme4, PooledOLS, Status, Study
from jaxsim.cli.main import main
from jaxsim.measures.complaints import LONGEST, complaints


def nothing_of_it(data):
    return {"IV9": 1.0}


def sometimes(data):
    if len(data) and data["DV"].iloc[0] > 0:
        raise RuntimeError("no luck")
    return {"Intercept": 0.0, "IV1": 1.0}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    strategies = (PooledOLS(), FrameStrategy(nothing_of_it), FrameStrategy(sometimes))
    study = Study(GaussianMultilevel(5, 4, n_predictors=1), Grid(), strategies, 12)
    return study.run(tmp_path_factory.mktemp("complaints") / "run", progress=False)


def test_each_strategy_that_fails_often_says_why(results):
    fits = results.fits
    failed = (fits[fits["model"] == "sometimes"]["status"] == "crashed").sum()
    assert 0 < failed < 12
    first, second = complaints(results.frames, results.rates(["model"]))
    why = "no estimate of 'Intercept' was returned; there are IV9"
    assert first == f"nothing_of_it gave no answer at all: 12 of 12 fits failed, crashed: {why}"
    assert second.startswith(f"sometimes: {failed} of 12 fits failed, crashed: RuntimeError: no luck (test_complaints.py, line ")


def test_the_commonest_words_stand_for_all_and_are_cut(results):
    one, other = "x" * (2 * LONGEST), None
    rows = [(0, i, "ols", "crashed" if i < 7 else "too_few_rows", one if i < 7 else other) for i in range(12)]
    frame = pd.DataFrame(rows, columns=["cell", "replicate", "model", "status", "message"])
    rates = pd.DataFrame([("ols", "failure", 1.0, 12, 12)], columns=["model", "measure", "value", "n_used", "n_failed"])
    (said,) = complaints(lambda *_: [frame.iloc[:5], frame.iloc[5:]], rates)
    assert said == f"ols gave no answer at all: 12 of 12 fits failed, crashed (7 of these): {'x' * LONGEST} .."
    (said,) = complaints(lambda *_: [frame.iloc[7:]], rates)
    assert said.endswith(f"too_few_rows (5 of these): {Status.TOO_FEW_ROWS.message}")


def test_nothing_is_read_where_few_fits_fail(results):
    rates = results.rates(["model"])
    assert complaints(None, rates[rates["model"] == "ols"]) == []
    seldom = rates.assign(value=rates["value"].where(rates["measure"] != "failure", 0.049))
    assert complaints(None, seldom) == []


def test_the_terminal_the_report_and_notebooks_say_it(results, capsys):
    assert "12 of 12 fits failed, crashed: no estimate of" in results._repr_html_()
    assert main(["summary", str(results.out)]) == 0
    assert "no luck" in capsys.readouterr().out
    assert main(["report", str(results.out)]) == 0
    page = (results.out / "report" / "index.html").read_text()
    assert page.count("nothing_of_it gave no answer at all: 12 of 12 fits failed, crashed: no estimate of") == 1


def test_no_note_is_said_twice(tmp_path):
    """Strategies that fail for one reason, or fit the first datasets alone, share a sentence."""

    def status(model, cell, replicate):
        return "ok" if model == "lmer" else "not_converged"

    made = results_of(tmp_path / "out", status=status)
    (told,) = made.notes
    start = "ols gave no answer at all: 6 of 6 fits failed, not_converged; lm2 gave no answer at all: 6 of 6 fits failed, "
    assert told.startswith(f"{start}not_converged: the optimiser stopped")
    slow = [Lme4(first=2, label=label) for label in ("a", "b")] + [Lme4(first=3, label="c"), PooledOLS()]
    notes = Study(GaussianMultilevel(n_predictors=1, n_obs=30), Grid(), slow, 5).caveats()
    assert [note.partition(": fitted the first")[0] for note in notes] == ["a, b", "c"]
    assert "compare them with others on these datasets alone, in pairs with results.compare('a', 'ols')" in notes[0]
    assert "compare it with others on these datasets alone, in pairs with results.compare('c', 'ols')" in notes[1]
    (alone,) = Study(GaussianMultilevel(n_predictors=1, n_obs=30), Grid(), slow[:2], 5).caveats()
    assert alone == "a, b: fitted the first 2 of 5 datasets of each cell only."  # the same ones
