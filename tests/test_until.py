"""Stopping when precise enough: what the rule is, that it depends on finished replicates alone, and what is said of it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim import GaussianMultilevel, Grid, InputError, Local, PooledOLS, Study, TwoStage, Until, report
from jaxsim.sweep.rounds import precision
from jaxsim.sweep.worker import Worker

# The bias of the noisy cells needs more replicates than that of the others.
STUDY = Study(
    GaussianMultilevel(n_groups=6, n_obs=5, n_predictors=1, fixed_effects=(0.0, 0.5)),
    Grid(group_sd=[0.1, 1.0, 6.0]),
    (PooledOLS(), TwoStage()),
    replicates=400,
    seed=5,
    until=Until(bias=0.08, minimum=25),
)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return STUDY.run(tmp_path_factory.mktemp("until") / "out", progress=False)


def reached(results):
    return results.fits.groupby("cell")["replicate"].max().add(1).to_dict()


def test_cells_stop_when_they_are_precise(results):
    """In rounds of 25, 50, 100, 200, 400; a cell stops at the first at which no strategy or coefficient misses the target."""
    found = reached(results)
    assert found[0] < found[2] == 400
    assert set(found.values()) <= {25, 50, 100, 200, 400}
    for cell, count in found.items():
        rows = results.estimates[results.estimates["cell"] == cell]
        for judged in (25, 50, 100, 200):
            if judged > count:
                break
            first = rows[rows["replicate"] < judged].assign(error=lambda t: t["estimate"] - t["truth"])
            worst = (first.groupby(["model", "term"], observed=True)["error"].std() / np.sqrt(judged)).max()
            assert (worst <= 0.08) == (judged == count), (cell, judged)
    assert results.progress == (sum(found.values()), sum(found.values()))
    assert "UNFINISHED" not in repr(results)


@pytest.mark.parametrize("options", [dict(batch=7), dict(executor=Local(threads=1), batch=64)])
def test_the_decision_does_not_depend_on_how_it_was_computed(results, tmp_path, options):
    again = STUDY.run(tmp_path / "out", progress=False, **options)
    pd.testing.assert_frame_equal(again.estimates, results.estimates, check_exact=True)


def test_an_interrupted_run_ends_with_the_same_replicates(results, tmp_path, monkeypatch):
    compute, seen = Worker.compute, []

    def stop(self, chunk, listen):
        seen.append(chunk)
        if len(seen) % 3 == 0:
            raise KeyboardInterrupt
        return compute(self, chunk, listen)

    monkeypatch.setattr(Worker, "compute", stop)
    for _ in range(20):
        try:
            again = STUDY.run(tmp_path / "out", progress=False, batch=32)
            break
        except KeyboardInterrupt:
            continue
    pd.testing.assert_frame_equal(again.estimates, results.estimates, check_exact=True)


def test_the_rule_and_what_was_reached_are_on_record(results):
    (record,) = results.provenance
    said = record["until"]
    assert "bias to 0.08" in said["rule"]
    assert {c["key"]: c["replicates"] for c in said["cells"]} == {STUDY.cells[c].key: n for c, n in reached(results).items()}
    assert said["cells"][0]["errors"]["bias"] <= 0.08
    assert json.loads((results.out / "study.json").read_text())["until"]["targets"] == [["bias", 0.08]]
    assert jaxsim.load(results.out).study == STUDY
    assert "Monte Carlo error of bias to 0.08" in report.write(results).read_text()
    table = results.reached
    assert list(table["replicates"]) == [reached(results)[c] for c in table["cell"]]
    assert (table["bias"] <= 0.08).tolist() == [True, bool(table["bias"][1] <= 0.08), False]


def test_a_stricter_rule_goes_on_from_there(results, tmp_path):
    out = tmp_path / "out"
    STUDY.run(out, progress=False)
    stricter = dataclasses.replace(STUDY, until=Until(bias=0.001, minimum=25))
    done = stricter.run(out, progress=False)
    assert set(reached(done).values()) == {400}
    whole = dataclasses.replace(STUDY, until=None).run(tmp_path / "whole", progress=False)
    pd.testing.assert_frame_equal(done.estimates, whole.estimates, check_exact=True)


def test_a_rate_of_zero_is_not_taken_for_a_precise_one(results):
    """0 of 25 has a Monte Carlo error of zero by the formula; its Wilson interval reaches to .13."""
    numbers = dict(value=[0.0, np.nan], mcse=[0.0, np.nan], low=[0.0, np.nan], high=[0.133, np.nan])
    lines = pd.DataFrame(dict(cell=[0, 1], model="ols", **numbers))
    found = precision(dataclasses.replace(STUDY, until=Until(power=0.01)), lambda *_: lines, 25, (0, 1, 2))
    assert found[0]["power"] == pytest.approx(0.133 / 3.92, rel=1e-3)
    assert found[1]["power"] == np.inf, "no value is not a precise one"
    assert found[2]["power"] == 0, "there is no effect whose power could be precise"


def test_power_and_type_one_error_are_about_their_own_coefficients(tmp_path):
    """The intercept is zero and the slope is not: a rule on each looks at its own."""
    seen = []

    def measure(name, truth, replicates, cells):
        seen.append((name, truth, replicates, cells))
        return pd.DataFrame(dict(cell=[0], model="ols", value=[0.5], mcse=[0.1], low=[0.4], high=[0.6]))

    rule = Until(power=0.01, type_one_error=0.01, rejection=0.1, coverage=0.1, relative_bias=0.1)
    precision(dataclasses.replace(STUDY, until=rule, replicates=400), measure, 25, (0,))
    assert seen == [
        *(("rejection", t, 25, (0,)) for t in ("nonzero", "zero", None)), ("coverage", None, 25, (0,)),
        ("relative_bias", "nonzero", 25, (0,)),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Until, "needs a target"),
        (lambda: dataclasses.replace(STUDY, until=Until(beauty=0.1)), "measure of Until='beauty' is not known"),
        (lambda: Until(power=0), "give a positive Monte Carlo error"),
        (lambda: Until(power=0.1, minimum=1), "minimum"),
        (lambda: Until.parse("power:0.1,power:0.2"), "names a measure twice"),
        (lambda: dataclasses.replace(STUDY, until="power:0.1"), "give a rule such as"),
        (lambda: Until.parse("power=0.1"), "give MEASURE:ERROR"),
        (lambda: Until.parse("power:small"), "give MEASURE:ERROR"),
        (lambda: dataclasses.replace(STUDY, replicates=10), "a cell is judged at 25 replicates"),
    ],
)
def test_rules_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_rounds_double():
    assert list(Until(power=0.1, minimum=25).rounds(400)) == [25, 50, 100, 200, 400]
    assert list(Until(power=0.1, minimum=25).rounds(90)) == [25, 50, 90]
    assert list(Until(power=0.1, minimum=25).rounds(25)) == [25]
    assert Until.parse("power:0.005, bias:0.002") == Until(power=0.005, bias=0.002)
