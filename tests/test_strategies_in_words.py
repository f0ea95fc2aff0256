"""What a report says of strategies: every setting, whether it is a default or not, so that nobody need look a default up."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import jaxsim
from jaxsim import Design, Estimator, Fit, GaussianMultilevel, Grid, Priors, Study, within
from jaxsim.estimators import CATALOGUE, wording
from jaxsim.report import tables
from jaxsim.study import card

ONE = GaussianMultilevel(n_predictors=2, n_between=0).names
TWO = Design(
    "rt ~ c + (c | subject) + (1 | item)", {"subject": 20, "item": 10}, variables={"c": within("a", "b")}, effects={"cb": 1.0}
).names
MIXED: dict[str, Any] = {"formula": "DV ~ IV1 + (1 | Group)", "random": ("Intercept",), "covariance": "diagonal", "reml": False}


def first(frame):
    """Somebody's method."""
    return {"IV1": frame["DV"].mean()}


def second(frame):
    """Another one."""
    return {"IV1": frame["DV"].mean()}


# Another value of every field of every strategy of the catalogue, beside what each needs: a class or a field more needs a line.
OTHERS: dict[str, dict[str, Any]] = {
    "PooledOLS": {"formula": "DV ~ IV1"},
    "ClusterRobust": {"formula": "DV ~ IV1", "cluster": "item", "vcov": "CR2", "df": "normal", "inference": "wild"},
    "MultiwayCluster": {"formula": "rt ~ 1", "cluster": ("item", "subject"), "vcov": "CR0", "groups": "min", "df": "normal"},
    "TwoStage": {
        "formula": "DV ~ IV1", "cluster": "item", "inference": "sign-flip", "weights": "precision", "mean": "huber",
    },
    "Aggregated": {"formula": "DV ~ IV1", "cluster": "item"},
    "MinF": {"formula": "rt ~ 1", "by": ("item", "subject")},
    "F1F2": {"formula": "rt ~ 1", "by": ("item", "subject")},
    "WithinRegression": {"formula": "DV ~ IV1", "vcov": "iid", "df": "normal"},
    "GEE": {"formula": "DV ~ IV1", "cluster": "item", "working": "ar1", "correction": "mancl-derouen", "df": "G-1"},
    "LinearMixed": {**MIXED, "df": "kenward-roger", "vcov": "CR2"},
    "SelectedMixed": {
        "candidates": ("DV ~ IV1 + (IV1 | Group)", "DV ~ IV1 + (1 | Group)"), "rule": "aic", "alpha": 0.1, "reml": False,
        "df": "normal",
    },
    "BetweenWithin": {**MIXED, "df": "normal", "vcov": "CR2", "means": ("IV1",), "between": "between"},
    "AutoregressiveMixed": {**MIXED, "df": "normal", "time": "IV1"},
    "HeteroscedasticMixed": {**MIXED, "df": "normal", "variance": ("IV2",)},
    "HierarchicalBayes": {
        **{name: MIXED[name] for name in ("formula", "random", "covariance")}, "priors": "flat", "method": "nuts",
        "interval": "hpd",
    },
    "RobustBayes": {
        **{name: MIXED[name] for name in ("formula", "random", "covariance")}, "priors": "flat", "interval": "hpd",
    },
    "Lme4": {"formula": MIXED["formula"], "reml": False, "df": "kenward-roger", "first": 3, "effort": "tight"},
    "FunctionEstimator": {"function": second, "data": "rows", "terms": ("IV1",), "options": {"k": 2}},
    "FrameStrategy": {"function": second, "terms": ("IV1",), "first": 3, "time_limit": 5.0, "options": {"k": 2}},
    "RStrategy": {"script": "function(d) 1", "terms": ("IV1",), "first": 3, "time_limit": 5.0},
}  # fmt: skip
NEEDED = {"FunctionEstimator": {"function": first}, "FrameStrategy": {"function": first}, "RStrategy": {"script": "function(d) 2"}}
NEEDED |= {"HeteroscedasticMixed": {"variance": ("IV1",)}}
# What has a meaning only beside another setting.
BESIDE = {
    ("ClusterRobust", "weights"): ({"inference": "wild"}, "webb"),
    ("ClusterRobust", "draws"): ({"inference": "wild"}, 99),
    ("TwoStage", "draws"): ({"inference": "bootstrap"}, 99),
    ("TwoStage", "trim"): ({"mean": "trimmed"}, 0.1),
}
CHANGES = [(kind, field, NEEDED.get(kind, {}), value) for kind, own in OTHERS.items() for field, value in own.items()]
CHANGES += [(kind, field, NEEDED.get(kind, {}) | beside, value) for (kind, field), (beside, value) in BESIDE.items()]


def names_for(kind):
    return TWO if kind in ("MultiwayCluster", "MinF", "F1F2") else ONE


def test_every_field_of_every_strategy_is_here():
    for name, kind in CATALOGUE.items():
        elsewhere = {"label", "estimand", *(["formula"] if name == "SelectedMixed" else [])}  # whose formulas are candidates
        said = {*OTHERS[name], *(field for one, field in BESIDE if one == name)}
        assert said == {field.name for field in dataclasses.fields(kind)} - elsewhere, name


@pytest.mark.parametrize(("kind", "field", "given", "value"), CHANGES, ids=lambda value: value if isinstance(value, str) else "")
def test_every_setting_is_told(kind, field, given, value):
    before = CATALOGUE[kind](**given)
    names = names_for(kind)
    said = before.told(names)
    assert said
    assert "default" not in said.replace("by default", "")
    assert dataclasses.replace(before, **{field: value}).told(names) != said


def test_what_a_mixed_model_is_said_to_be():
    assert jaxsim.LinearMixed().told(ONE) == (
        "DV ~ IV1 + IV2 + (IV1 + IV2 | Group); by REML; standard errors of the model; t tests with Satterthwaite's df"
    )
    assert jaxsim.LinearMixed("DV ~ IV1 + (1 | Group)", reml=False, df="normal", estimand={"IV1": "IV2"}).told(ONE) == (
        "DV ~ IV1 + (1 | Group); by maximum likelihood (not REML); standard errors of the model; z tests; IV1 is compared with the "
        "true IV2"
    )


def test_candidates_are_formulas_as_people_write_them():
    made = jaxsim.SelectedMixed(rule="aic").told(TWO)
    assert made.startswith(
        "rt ~ c + (c | subject) + (c | item) or rt ~ c + (c || subject) + (c || item) or rt ~ c + (c || subject) + (1 | item) or "
        "rt ~ c + (1 | subject) + (1 | item); of these the one with the smallest AIC; by REML"
    )
    given = ("rt ~ cb + (cb | subject)", "rt ~ cb + (1 | subject)")
    assert jaxsim.SelectedMixed(given).told(TWO).startswith("rt ~ cb + (cb | subject) or rt ~ cb + (1 | subject); of these")
    assert jaxsim.LinearMixed(covariance="diagonal").told(TWO).startswith("rt ~ c + (c || subject) + (c || item); by REML")


@dataclass(frozen=True)
class Mine(Estimator):
    """My method."""

    label: str = "mine"
    shrinkage: float = 0.5
    weight: Any = np.mean

    def fit(self, data):
        return Fit(np.zeros(2), np.ones(2))


def test_an_own_class_says_all_of_its_fields_without_being_asked():
    assert Mine().told(ONE) == "shrinkage=0.5; weight=mean"


def test_long_settings_are_cut_and_on_one_line():
    said = jaxsim.HierarchicalBayes(priors=Priors()).told(ONE) + jaxsim.RStrategy(f"function(d) {{\n{'x ' * 400}}}").told(ONE)
    assert len(said) < 4 * wording.LONGEST
    assert "\n" not in said


def test_report_and_notebook_show_it():
    strategies = (jaxsim.PooledOLS(), jaxsim.ClusterRobust("CR2"))
    study = Study(GaussianMultilevel(n_predictors=1), Grid(), strategies, 2)
    told = [strategy.told(study.names) for strategy in strategies]
    assert [row[3] for row in tables.strategies(study).rows] == told
    assert [row[3] for row in card.strategies(study)] == told


def test_a_strategy_whose_code_is_gone_says_what_is_stored_of_it():
    slow = (
        jaxsim.FrameStrategy(first, first=2, options={"k": 2, "how": "fast"}, label="a"),
        jaxsim.FrameStrategy(second, label="b"),
    )
    study = Study(GaussianMultilevel(n_predictors=1), Grid(), (Mine(shrinkage=0.25), *slow, jaxsim.PooledOLS()), 2)
    body = json.loads(study.to_json().replace(f"{__name__}:", "gone:"))
    gone, one, two, ols = card.strategies(Study.from_json(json.dumps(body)))
    assert gone[3] == "shrinkage=0.25"
    assert one[3] == "function=gone:first; options={k: 2, how: fast}; only the first 2 datasets of each cell"
    assert two[3] == "function=gone:second"
    assert ols[3].startswith("DV ~ IV1; least squares")
