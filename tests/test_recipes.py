"""Programs that a process has compiled serve its later studies, if they are of the same parts and these are jaxsim's own."""

from __future__ import annotations

import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from programs import counted

from jaxsim import (
    ClusterRobust,
    Design,
    FunctionEstimator,
    GaussianMultilevel,
    Grid,
    Normal,
    PooledOLS,
    Prediction,
    Priors,
    RowProcess,
    StudentT,
    Study,
    covariate,
)
from jaxsim.sweep import recipe
from jaxsim.sweep.recipe import made_of_ours

SMALL = GaussianMultilevel(n_groups=6, n_obs=4, n_predictors=1)


@pytest.fixture
def compiled(monkeypatch):
    """Counts programs that are compiled, with none that are kept from before."""
    recipe.forget()
    yield counted(monkeypatch)
    recipe.forget()


def estimates(study, folder):
    return study.run(folder, progress=False).read("estimates")


def test_a_second_study_of_the_same_parts_compiles_nothing(compiled, tmp_path):
    one = Study(SMALL, Grid(residual_sd=[1, 2]), (PooledOLS(), ClusterRobust()), 3, seed=1)
    first = estimates(one, tmp_path / "1")
    assert len(compiled) == 3
    again = estimates(dataclasses.replace(one, seed=1), tmp_path / "2")
    assert len(compiled) == 3
    assert first.equals(again)
    other = estimates(dataclasses.replace(one, seed=2, grid=Grid(residual_sd=[3]), estimators=(PooledOLS(),)), tmp_path / "3")
    assert len(compiled) == 3
    recipe.forget()
    anew = estimates(dataclasses.replace(one, seed=2, grid=Grid(residual_sd=[3]), estimators=(PooledOLS(),)), tmp_path / "4")
    assert len(compiled) == 5
    assert other.equals(anew)
    assert not first["estimate"].isin(other["estimate"]).any()


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        (dict(estimators=(PooledOLS(), ClusterRobust(vcov="CR2"))), 1),  # an option of a strategy
        (dict(process=dataclasses.replace(SMALL, n_predictors=2)), 3),  # other columns
        (dict(process=dataclasses.replace(SMALL, n_groups=9)), 3),  # another padded size
        (dict(process=dataclasses.replace(SMALL, residual=StudentT(5))), 1),  # rows are drawn
        (dict(dtype="float32"), 3),
    ],
)  # fmt: skip
def test_other_parts_are_compiled(compiled, tmp_path, changes, more):
    one = Study(SMALL, Grid(), (PooledOLS(), ClusterRobust()), 2)
    one.run(tmp_path / "1", progress=False)
    assert len(compiled) == 3
    study = dataclasses.replace(one, **changes)
    kept = estimates(study, tmp_path / "2")
    assert len(compiled) == 3 + more
    recipe.forget()
    assert kept.equals(estimates(study, tmp_path / "3"))


SHIFT = 0.0


@dataclasses.dataclass(frozen=True)
class Shifted(RowProcess):
    n_groups: int = 5

    def simulate(self, key):
        x = jax.random.normal(key, (20,))
        return {"Intercept": 0.0, "x": 1.0}, {"Group": jnp.arange(20) // 4, "DV": x**2 + SHIFT, "x": x}


def nothing(data):
    """The number, whatever the data."""
    return {"estimate": jnp.zeros(2) + SHIFT, "std_error": jnp.ones(2)}


@pytest.mark.parametrize(
    ("drawn", "fitted"), [(Shifted(), PooledOLS()), (SMALL, FunctionEstimator(nothing))], ids=["process", "strategy"]
)
def test_what_a_users_code_names_may_have_changed(tmp_path, monkeypatch, drawn, fitted):
    """The same class and function, whose global variable is another number by now."""
    study = Study(drawn, Grid(), fitted, 2)
    before = estimates(study, tmp_path / "1")
    monkeypatch.setitem(globals(), "SHIFT", 7.0)
    after = estimates(study, tmp_path / "2")
    moved = (after["estimate"] - before["estimate"]).groupby(after["term"]).mean()
    assert moved["Intercept"] == pytest.approx(7, abs=1e-12)  # rounding


TRACED = []


@dataclasses.dataclass(frozen=True)
class Counted(Shifted):
    def simulate(self, key):
        TRACED.append(key)
        return super().simulate(key)


@pytest.mark.parametrize("strategies", [(PooledOLS(),), (PooledOLS(), ClusterRobust(), ClusterRobust("CR0", label="cr0"))], ids=len)
def test_a_users_process_is_traced_once_for_each_program(tmp_path, strategies):
    """Datasets, their truths, and further rows with new groups, however many strategies are fitted and scored; and once when
    the further rows are checked."""
    study = Study(Counted(), Grid(), strategies, 2, scores=(Prediction(),))
    TRACED.clear()
    study.run(tmp_path, progress=False)
    assert len(TRACED) == 3 + 1


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (SMALL, True),
        (ClusterRobust(vcov="CR2"), True),
        (Design("y ~ x + (1 | s)", units={"s": 5}, variables={"x": covariate("s", Normal(0, 1))}), True),
        ((1, "a", {"b": [None, np.float64(2)]}), True),
        (Normal, True),
        (Priors(), True),
        (FunctionEstimator(nothing), False),
        (Shifted(), False),
        (lambda: 0, False),
        ({"a": print}, False),
        (Counter, False),
        (object(), False),
    ],
)
def test_what_is_made_of_jaxsims_own_parts(value, ours):
    assert made_of_ours(value) is ours


def test_the_least_recently_used_are_forgotten():
    kept, made = recipe._Kept(2), []
    for key in "abacab":
        kept.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b"]
