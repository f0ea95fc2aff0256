"""What is refused before anything is computed, with a sentence: sizes without end, names that cannot be shown, odd texts."""

from __future__ import annotations

import itertools
import json
import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxsim
from jaxsim import (
    AutoregressiveMixed,
    FunctionEstimator,
    GaussianMultilevel,
    Grid,
    InputError,
    Normal,
    PoissonSizes,
    PooledOLS,
    Study,
    TwoStage,
    Uniform,
    UniformSizes,
    Until,
)
from jaxsim.errors import brief, printable, whole_number
from jaxsim.formula.parse import parse
from jaxsim.sweep import memory
from jaxsim.sweep import plan as plans
from jaxsim.sweep.plan import plan


def process(**fields):
    return GaussianMultilevel(n_predictors=1, **fields)


def study(grid=None, replicates=2, **options):
    return Study(process(), grid or Grid(), options.pop("estimators", (PooledOLS(),)), replicates, **options)


def endless():
    """A list that holds itself."""
    found = []
    found.append(found)
    return found


MANY = 10**5000  # has more digits than Python writes
# What is given, and what the sentence says.
REFUSED = {
    "replicates": (lambda: study(replicates=10**12), "at most 4294967296"),
    "digits": (lambda: study(replicates=MANY), "at most 4294967296"),
    "seed": (lambda: study(seed=2**32), "at most 4294967295"),
    "a level that is text": (lambda: study(conf_level="0.95"), "conf_level='0.95'"),
    "a level that is nothing": (lambda: study(conf_level=None), "conf_level=None"),
    "a level that is a pair": (lambda: study(conf_level=(0.9, 0.95)), "conf_level"),
    "strategies": (lambda: study(estimators=itertools.repeat(PooledOLS())), "no end"),
    "a dataset": (lambda: study().dataset(0, 2**32), "replicate=4294967296"),
    "a cell": (lambda: study().find("first"), "cell='first'"),
    "rows": (lambda: process(n_obs=10**400), "n_obs=1000"),
    "all rows": (lambda: process(n_groups=10**6, n_obs=10**5), "100,000,000,000 rows"),
    "groups": (lambda: process(n_groups=(3, 4)), "n_groups=(3, 4)"),
    "predictors": (lambda: GaussianMultilevel(n_predictors=10**9), "at most 1000"),
    "effects": (lambda: process(fixed_effects=("a", "b")), "fixed_effects=('a', 'b')"),
    "an effect": (lambda: process(fixed_effects=(0, 10**400)), "fixed_effects"),
    "effects in a list": (lambda: process(fixed_effects=endless()), "fixed_effects"),
    "SD": (lambda: process(group_sd=10**400), "group_sd"),
    "a square that is infinite": (lambda: process(residual_sd=1e200), "residual_sd=1e+200"),
    "correlation": (lambda: process(correlation="high"), "correlation='high'"),
    "uniform": (lambda: Uniform("a", 1), "low='a'"),
    "normal": (lambda: Normal(0, 10**400), "sd=1000"),
    "poisson": (lambda: PoissonSizes("many"), "mean='many'"),
    "sizes": (lambda: UniformSizes(1, 10**400), "high=1000"),
    "a rule": (lambda: Until(5), "Until(5)"),
    "a target": (lambda: Until(power=10**400), "power=1000"),
    "memory": (lambda: memory.parse("9" * 400 + "G"), "2G or 500M"),
    "combinations": (lambda: Grid(a=range(1000), b=range(1000), c=range(1000)), "1000 x 1000 x 1000 = 1,000,000,000"),
    "cells": (lambda: study(Grid(n_groups=range(10, 400), n_obs=range(10, 400))), "152,100 combinations"),
    "levels": (lambda: Grid(a=range(10**12)), "more than 1,000,000 levels"),
    "levels without end": (lambda: Grid(a=itertools.count()), "more than 1,000,000 levels"),
    "lists without end": (lambda: Grid(a=endless()), "lists in lists"),
    "no grid": (lambda: Grid(5), "Grid(5)"),
    "half a factor": (lambda: Grid([("a",)]), "Grid("),
    "a factor twice": (lambda: Grid([("a", [1]), ("a", [2])]), "same name"),
    "a factor's name": (lambda: Grid(**{"a\n": [1]}), "'a\\n'"),
    "a level's escape": (lambda: Grid(a=["x\x1b[31m"]), "'x\\x1b[31m'"),
    "a linked grid": (lambda: Grid(a=[1]).linked(lambda a: 5), "returned 5"),
    "a linked field": (lambda: Grid(a=[1]).linked(lambda a: {"\x07": 5}), "'\\x07'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_once_with_a_sentence(case):
    make, words = REFUSED[case]
    begin = time.perf_counter()
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert time.perf_counter() - begin < 5, "no list was built: the slowest of these takes a tenth of a second"


def test_what_is_just_within():
    assert study(replicates=2**32).replicates == 2**32
    assert study(seed=2**32 - 1).seed == 2**32 - 1
    linked = Grid(a=range(400), b=range(400)).linked(lambda a, b: {"group_sd": float(a)} if a == b and a > 397 else None)
    assert [dict(conditions) | dict(fields) for conditions, fields in linked.cells()] == [
        {"a": 398, "b": 398, "group_sd": 398.0},
        {"a": 399, "b": 399, "group_sd": 399.0},
    ]


@pytest.mark.parametrize("strategy", [PooledOLS, AutoregressiveMixed])
@pytest.mark.parametrize(
    "label", [5, None, "", "  ", ["ols"], "\ud800", "a\x1b[2J", "a\nb", "a\u202eb", "x" * 201, pytest.param(10**5000, id="huge")]
)
def test_labels_are_printable_text(label, strategy):
    with pytest.raises(InputError, match=r"the label of a strategy, .*printable text"):
        study(estimators=(strategy(label=label), TwoStage()))


def test_labels_that_stay():
    """Spaces, letters of any language, and a function's own name where there is no label."""

    def mine(data):
        raise AssertionError("a study that is only described calls nothing")

    names = ("lmer Satt.", "größe (±)", "回帰")
    assert [e.name for e in study(estimators=[PooledOLS(label=name) for name in names]).estimators] == list(names)
    assert study(estimators=(FunctionEstimator(mine),)).estimators[0].name == "mine"


def test_a_value_in_a_message():
    assert brief("a\x1b[31m\ud800") == r"'a\x1b[31m\ud800'"
    assert brief(MANY) == "<int>"
    assert len(brief("x" * 10**6)) == 100
    assert printable("name", "x y") == "x y"
    assert whole_number("n", 2**31 - 1, 1) == 2**31 - 1


class TestPlans:
    GRID = Grid(n_groups=[4, 7, 30], group_sd=[0.2, 2])

    def test_are_counted_without_being_made(self, monkeypatch):
        monkeypatch.setattr(plans, "Chunk", None)  # none can be made
        wanted = study(self.GRID, 10**8)
        chunks = plan(wanted)
        # Of 4,096 datasets: four cells of one shape with 1,024 replicates each, two of the other with 2,048.
        assert len(chunks) == math.ceil(10**8 / 1024) + math.ceil(10**8 / 2048)
        assert chunks.fits(wanted) == 6 * 10**8

    def test_are_made_as_they_are_asked_for(self):
        chunks = plan(study(self.GRID, 10**8))
        first = next(iter(chunks))
        assert chunks[0] == first
        assert first.spans[0] == (0, 0, first.block)
        assert [c.spans[0] for c in chunks[:3]] == [(0, 1024 * k, 1024 * (k + 1)) for k in range(3)]

    def test_of_more_chunks_than_a_folder_holds_are_refused(self):
        with pytest.raises(InputError, match=r"24,000,000,000 datasets .* chunks; a run has at most 262,144"):
            plan(study(self.GRID, 4 * 10**9))


FORMULAS = {
    "a power": ("y ~ (" + " + ".join("abcdefghijklmnop") + ")^12", "more than 1000 terms"),
    "a power that is huge": ("y ~ (a + b)^999999999", "below 100"),
    "crossings": ("y ~ " + " * ".join("abcdefghijklmnop"), "more than 1000 terms"),
    "parentheses": ("y ~ " + "(" * 400 + "a" + ")" * 400, "has 401 parentheses in each other; write at most 50"),
    "length": ("y ~ " + "x" * 20_000, "20,004 characters"),
    "tokens": ("y ~ " + "x + " * 600 + "1", "write at most 1,000"),
    "an escape": ("y ~ `a\x1b[2J`", "cannot be printed"),
}


@pytest.mark.parametrize("case", FORMULAS)
def test_formulas_that_explode(case):
    text, words = FORMULAS[case]
    begin = time.perf_counter()
    with pytest.raises(InputError, match=words):
        parse(text)
    assert time.perf_counter() - begin < 5, "nothing was expanded: these take milliseconds"


def test_formulas_that_do_not():
    assert len(parse("y ~ (a + b + c + d)^20").fixed.members) == 15
    assert len(parse("y ~ a" + "/b" * 100).fixed.members) == 2
    assert parse("y ~ " + "(" * 40 + "a" + ")" * 40).fixed.members == ((0,),)


SAVED = Study(
    process(), Grid(n_groups=[4, 5]).linked(lambda n_groups: {"group_sd": 0.1 * n_groups}), (PooledOLS(), TwoStage()), 10
).to_json()


def deep(levels):
    found = 5
    for _ in range(levels):
        found = [found]
    return found


def put(path, value):
    """A change of the saved study: a member's value; it goes away for ``...``."""

    def change(body):
        *way, last = path.split("/")
        for name in way:
            body = body[int(name) if isinstance(body, list) else name]
        if value is ...:
            del body[last]
        else:
            body[int(last) if isinstance(body, list) else last] = value

    return change


DAMAGES = {
    "an unknown key": (put("replicate", 5), "'replicate'"),
    "a missing key": (put("process", ...), "lacks the key 'process'"),
    "a number as text": (put("replicates", "10"), "'replicates': '10'"),
    "a huge number": (put("replicates", 10**20), "at most 4294967296"),
    "no object": (put("process", 5), "'process': 5"),
    "no grid": (put("grid", [["n_groups"]]), "'grid'"),
    "an odd link": (put("links/0", [7, [["group_sd", 0.4]]]), "its grid of 2"),
    "an odd type": (put("process/type", ["x"]), "a type is a name"),
    "an unknown field": (put("process/n_group", 5), "'n_group'"),
    "a value of another type": (put("process/n_predictors", "one"), "n_predictors='one'"),
    "half a dictionary": (put("process/n_obs", {"type": "dict"}), "describes a dict"),
    "odd code": (put("process/n_obs", {"type": "function", "name": "a:b", "code": 3}), "digests"),
    "a label": (put("estimators/0/label", 5), "printable text"),
    "an unknown fact": (put("facts/process/terms", []), "'terms'"),
    "a missing fact": (put("facts/process/fixed", ...), "'fixed'"),
    "an odd fact": (put("facts/estimators/0/limit", "x"), "'limit': 'x'"),
    "nesting": (put("process/n_obs", deep(900)), "cannot be made again|lists in lists|n_obs"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_saved_study_that_was_changed(case):
    change, words = DAMAGES[case]
    body = json.loads(SAVED)
    change(body)
    with pytest.raises(InputError, match=words):
        Study.from_json(json.dumps(body))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[]", "is an object"),
        ("[" * 100_000, "lists in lists"),
        ('{"replicates": ' + "9" * 5000 + "}", "too many digits"),
        ('{"conf_level": NaN}', "the number NaN"),
        ('{"type": "Study", "type": "Study"}', "twice"),
        (None, "cannot be made again"),
    ],
)
def test_a_text_that_is_no_study(text, words):
    with pytest.raises(InputError, match=words):
        Study.from_json(text)


def test_saved_studies_stay_readable():
    assert Study.from_json(SAVED).to_json() == SAVED
    assert Study.from_json((Path(__file__).parent / "reference" / "results_0_3_0" / "study.json").read_text()).replicates == 4
    unknown = json.loads(SAVED)
    unknown["estimators"][0]["type"] = "OfALaterVersion"
    assert Study.from_json(json.dumps(unknown)).absent, "a part that is not here has a stand-in, and the study is not run"


FITS = {
    "ols": lambda d: jaxsim.ols("y ~ x", d),
    "lm": lambda d: jaxsim.lm("y ~ x", d, cluster="g"),
    "lm2": lambda d: jaxsim.lm2("y ~ x", d, group="g"),
    "lmer": lambda d: jaxsim.lmer("y ~ 1 + (x | g)", d),
}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [1e300, 1e-300])
@pytest.mark.parametrize("column", ["y", "x"])
def test_numbers_whose_squares_are_none_have_the_right_reason(fit, size, column):
    """Their squares are infinite or zero in 64 bits, so that no residual could be told from none."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=20), "x": rng.normal(size=20), "g": np.repeat(range(4), 5)})
    data[column] *= size
    with pytest.raises(InputError, match=rf"'{column}' has numbers as (large|small) as .*e[-+](300|299|301): squares"):
        FITS[fit](data)


def test_a_column_of_zeros_is_not_too_small():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0], "x": 0.0})
    with pytest.warns(UserWarning, match="rank deficient"):
        assert jaxsim.ols("y ~ x", data, aliased="refuse").status == "rank_deficient"


def test_groups_that_are_tuples():
    """They are labels like any others if they have an order, and refused with their kinds if they have none."""
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.5, 2.0, 1.0], "x": [1.0, 3.0, 2.0, 5.0, 4.0, 0.0]})
    pairs = [("a", 1), ("a", 1), ("a", 2), ("a", 2), ("b", 1), ("b", 1)]
    fit = jaxsim.lm("y ~ x", data.assign(g=pairs), cluster="g")
    assert fit.n_groups == 3
    pd.testing.assert_frame_equal(fit.table, jaxsim.lm("y ~ x", data.assign(g=list("aabbcc")), cluster="g").table)
    with pytest.raises(InputError, match="the groups 'g' hold int, tuple, which have no order"):
        jaxsim.lm("y ~ x", data.assign(g=[*pairs[:5], 5]), cluster="g")
    with pytest.raises(InputError, match="cluster"):
        jaxsim.lm("y ~ x", data.assign(g=pairs), cluster=(("a", 1),))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PooledOLS(estimand=5).compared, "estimand=5"),
        (lambda: jaxsim.LinearMixed(random=5), "random=5"),
        (lambda: jaxsim.LinearMixed(random=("Intercept", ("IV1",))), "random="),
        (lambda: jaxsim.LinearMixed(reml="no"), "reml='no'"),
        (lambda: TwoStage(draws=MANY), "draws=<int>"),
        (lambda: FunctionEstimator(len, terms="IV1"), "terms='IV1'"),
        (lambda: FunctionEstimator(len, options=5), "options=5"),
        (lambda: jaxsim.FrameStrategy(len, time_limit=math.nan), "time_limit=nan"),
        (lambda: jaxsim.RStrategy(endless()), "script="),
        (lambda: jaxsim.Prior("Normal", 5), "give a name and pairs"),
        (lambda: jaxsim.OwnMeasure(endless(), len), "own measure"),
        (lambda: jaxsim.lm("y ~ x", pd.DataFrame({"y": [1.0]}), cluster=5), "cluster='5'"),
    ],
)
def test_options_of_strategies(make, words):
    with pytest.raises(InputError, match=words):
        make()
