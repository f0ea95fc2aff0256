"""Strategies by which every fit of a study would fail: refused with the cure, and as rightly as fits say; others are not."""

from __future__ import annotations

import re

import pytest

from jaxsim import (
    Aggregated,
    AutoregressiveMixed,
    BetweenWithin,
    Design,
    GaussianMultilevel,
    Grid,
    InputError,
    LinearMixed,
    Normal,
    PooledOLS,
    Study,
    TwoStage,
    between,
    covariate,
    nested,
    within,
)
from jaxsim.processes.messy.missing import MCAR
from jaxsim.study import saved

TREAT, TIME = {"treat": between("patient", ("usual", "new"))}, {"time": within(0, 1, 2, 3)}


def trial(formula="y ~ treat * time + (time | patient)", units=None, variables=None, **options):
    """Patients who are given a treatment and measured repeatedly."""
    return Design(formula, units or {"patient": 12}, variables={**TREAT, **TIME} if variables is None else variables,
                  sd={"patient": 1}, **options)  # fmt: skip


IN_CLINICS = {"clinic": 6, "patient": nested("clinic", 4)}
CLINICS = trial("y ~ treat * time + (time | patient) + (1 | clinic)", IN_CLINICS)
ONCE = Design("y ~ treat + (1 | clinic)", IN_CLINICS, variables={"treat": between("clinic", ("usual", "new"))}, sd={"clinic": 1})
SHORT = trial("y ~ age * time + (1 | patient)", variables={"age": covariate("row", Normal()), "time": within(0, 1, 2)})
AGES = {name: covariate("patient", Normal()) for name in ("age", "bmi")}

REFUSED = {
    "one number a patient": (
        trial(), TwoStage(), "rank_deficient",
        "strategy 'lm2' could not fit a single dataset of this study: 'treatnew' is one number in each patient, so that no "
        "regression of one patient alone can tell its effect from that of 'Intercept'. Use Aggregated()",
    ),
    "times one number": (
        trial(), TwoStage(formula="y ~ time + treatnew:time"), "rank_deficient",
        "'treatnew:time' is 'time' times one number in each patient",
    ),
    "another factor": (
        CLINICS, TwoStage(cluster="patient", formula="y ~ treat"), "rank_deficient", "'treatnew' is one number in each patient",
    ),
    "two numbers a patient": (
        trial("y ~ age + bmi + (1 | patient)", variables=AGES, repeats=4), TwoStage(formula="y ~ 0 + age + bmi"),
        "rank_deficient", "tell its effect from that of 'age'",
    ),
    "few rows": (
        SHORT, TwoStage(), "too_few_rows",
        "each patient has at most 3 rows, too few for 4 coefficients of its own (Intercept, age, time, age:time). Give more rows",
    ),
    "one row": (
        ONCE, LinearMixed(), "too_few_rows",
        "each patient has at most 1 row, and 1 random effect (Intercept), which could not be told from the residuals. Give a "
        "formula without random effects by patient, such as 'y ~ 1 + treatnew + (1 | clinic)', or more rows",
    ),
    "rows for slopes": (
        trial(variables={**TREAT, "time": within(0, 1)}), LinearMixed("y ~ treat * time + (time | patient)"), "too_few_rows",
        "each patient has at most 2 rows, and 2 random effects (Intercept, time)",
    ),
    "means": (
        trial(), BetweenWithin(), "rank_deficient",
        "strategy 'mundlak' could not fit a single dataset of this study: the mean of 'time' is the same in every patient, so "
        "that its effect cannot be told from that of 'Intercept'. Use LinearMixed()",
    ),
    "means of an interaction": (
        trial(), BetweenWithin(means=("treatnew:time",)), "rank_deficient",
        "the mean of 'treatnew:time' is the same in every patient but for 'treatnew', so that its effect cannot be told from",
    ),
    "some means": (
        trial("y ~ age + time + (1 | patient)", variables={"age": covariate("row", Normal(), icc=0.3), **TIME}),
        BetweenWithin(), "rank_deficient", "Give means=('age',)",
    ),
    "times of several": (
        CLINICS, AutoregressiveMixed(time="time"), "non_finite",
        "each clinic has several rows at the same 'time', one for each patient. Name the unit that is observed once at each time "
        "by the random effects of a formula, such as (1 | patient)",
    ),
    "time of whole units": (
        trial(), AutoregressiveMixed("y ~ treat + (1 | patient)", time="treatnew"), "non_finite",
        "the time 'treatnew' is one number in each patient",
    ),
}  # fmt: skip
# One of each kind; the others have been looked at, too, but compile as many programs.
FITTED = ("one number a patient", "times one number", "few rows", "one row", "means")


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_fitted_is_refused_with_the_cure(case):
    design, strategy, _, words = REFUSED[case]
    with pytest.raises(InputError, match=re.escape(words)):
        Study(design, Grid(), (PooledOLS(), strategy), 2)


def unchecked(*arguments):
    """A study as it is made of a text, which is not asked whether it can be fitted."""
    with saved.readable():
        return Study(*arguments)


@pytest.mark.parametrize("case", FITTED)
def test_every_fit_of_it_would_fail(case, tmp_path):
    design, strategy, status, _ = REFUSED[case]
    run = unchecked(design, Grid(), (strategy,), 2).run(tmp_path / "run", progress=False)
    assert dict(zip(run.reasons(["model"])["status"].astype(str), run.reasons(["model"])["n"], strict=True)) == {status: 2}


def test_results_that_are_there_can_be_read():
    study = unchecked(trial(), Grid(), (TwoStage(),), 2)
    assert Study.from_json(study.to_json()) == study


@pytest.mark.parametrize(
    ("process", "strategy", "grid"),
    [
        (trial(), TwoStage(formula="y ~ time"), {}),
        (trial(), Aggregated(), {}),
        (trial(), LinearMixed(), {}),
        (trial("y ~ age + (1 | patient)", variables={"age": AGES["age"]}, repeats=3), TwoStage(formula="y ~ 0 + age"), {}),
        (SHORT, TwoStage(), {"repeats": [1, 2]}),  # some cells can be fitted
        (CLINICS, AutoregressiveMixed("y ~ treat * time + (1 | patient)", time="time"), {}),
        (trial(missing=MCAR(0.2)), BetweenWithin(), {}),  # then the means of the times differ
        (trial(), BetweenWithin(), {"missing": [None, MCAR(0.2)]}),
        (trial(variables={**TREAT, "time": within(0, 1, 2, jitter=0.2)}), BetweenWithin(), {}),
        (GaussianMultilevel(n_groups=5, n_obs=2, n_predictors=3), TwoStage(), {}),  # of which it is not asked
    ],
)  # fmt: skip
def test_what_can_be_fitted_is_not_refused(process, strategy, grid):
    assert Study(process, Grid(**grid), (strategy,), 2).estimators == (strategy,)
