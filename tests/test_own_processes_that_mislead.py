"""Own processes whose numbers could look right and not be: what is kept, what is shared, what is missing, what is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jaxsim import FrameProcess, FrameStrategy, FunctionProcess, Grid, InputError, LinearMixed, PooledOLS, RowProcess, Study
from jaxsim.processes.frame_process import reduced
from jaxsim.sweep.cells_alike import FLOATS, check_cells

GROUP = jnp.arange(40) // 4


@dataclass(frozen=True)
class Tau(RowProcess):
    """A truth ``tau``, which follows from a field, and rows that hold the number itself."""

    n_groups: int = 10
    icc: float = 0.04

    def simulate(self, key):
        noise = jax.random.normal(key, GROUP.shape)
        return {"Intercept": self.tau, "sd_Group_Intercept": self.tau}, {"Group": GROUP, "DV": self.tau + 0.01 * noise}


@dataclass(frozen=True)
class Attribute(Tau):
    def __post_init__(self):
        object.__setattr__(self, "tau", self.icc**0.5)


@dataclass(frozen=True)
class InitField(Attribute):
    tau: float = field(init=False, default=0.0)


@dataclass(frozen=True)
class Cached(Tau):
    def __post_init__(self):
        if not self.tau < 1:
            raise ValueError("icc")

    @cached_property
    def tau(self):
        return jnp.sqrt(self.icc)


@dataclass(frozen=True)
class Lazy(Tau):
    @property
    def tau(self):
        if "_tau" not in vars(self):
            object.__setattr__(self, "_tau", jnp.sqrt(self.icc))
        return self._tau


@dataclass(frozen=True)
class Checked(RowProcess):
    """Makes its fields what they should be, and keeps nothing else: they are traced."""

    n_groups: int = 10
    icc: float = 0.04

    def __post_init__(self):
        object.__setattr__(self, "icc", float(self.icc))

    def simulate(self, key):
        return {"Intercept": self.icc}, {"Group": GROUP, "DV": jax.random.normal(key, GROUP.shape)}


class TestWhatAnInstanceKeeps:
    """Numbers computed from a field belong to that value of it, in every cell."""

    @pytest.mark.parametrize(("kind", "traced"), [(InitField, ()), (Attribute, ()), (Cached, ("icc",)), (Lazy, ("icc",))], ids=str)
    def test_belongs_to_its_cell(self, kind, traced, tmp_path):
        process = kind()
        assert float(process.tau) == pytest.approx(0.2), "what a user looked at is kept in this instance"
        made = Study(process, Grid(icc=[0.04, 0.25]), PooledOLS(), 3)
        results = made.run(tmp_path / "out", progress=False)
        found = results.estimates.groupby("cell")[["truth", "estimate"]].mean()
        np.testing.assert_allclose(found, [[0.2, 0.2], [0.5, 0.5]], atol=0.01)
        assert process.sketch.traced == traced
        assert made.dataset(1, 0)["DV"].mean() == pytest.approx(0.5, abs=0.01)

    def test_fields_are_traced_where_nothing_else_is_kept(self):
        assert Checked().sketch.traced == ("icc",)


@dataclass(frozen=True)
class Between(RowProcess):
    """x is one number a group if ``n_between``, or if ``share`` is 1."""

    n_groups: int = 10
    n_between: int = 0
    share: float = 0.0

    def simulate(self, key):
        a, b, c = jax.random.split(key, 3)
        of_group, within = jax.random.normal(a, (10,))[GROUP], jax.random.normal(b, GROUP.shape)
        x = of_group if self.n_between else self.share * of_group + (1 - self.share) * within
        return {"Intercept": 0.0, "x": 1.0}, {"Group": GROUP, "DV": jax.random.normal(c, GROUP.shape), "x": x}


def of_groups(key, n_groups=10):
    x = (GROUP % 2).astype(float)
    return {"Intercept": 0.0, "x": 1.0}, {"Group": GROUP, "DV": jax.random.normal(key, GROUP.shape), "x": x}


def of_frames(rng, n_groups=10, k=2, scale=1.0, most="a"):
    frame = pd.DataFrame({"Group": np.arange(40) // 4, "DV": rng.normal(size=40)})
    for j in range(k):
        frame[f"x{j}"] = scale * rng.normal(size=40)
    return {"Intercept": 0.0, **{f"x{j}": 0.5 for j in range(k)}}, frame


class TestNames:
    """They depend on nothing but the process itself, whatever was looked at before."""

    def test_of_rows(self):
        for first, second in ((0, 1), (1, 0)):
            assert [Between(n_between=n).names.constant == ("x",) for n in (first, second)] == [bool(first), bool(second)]
        assert [Between(share=s).names.constant for s in (0.5, 1.0, 0.0)] == [(), ("x",), ()]
        assert Between(share=0.5).program(None) == Between(share=1.0).program(None)

    def test_of_functions(self):
        assert FunctionProcess(of_groups).names.constant == ("x",)
        assert FunctionProcess(of_groups, between=()).names.constant == ()
        assert FunctionProcess(of_groups, most=12).names.constant == ("x",)

    def test_of_frames(self):
        assert [FrameProcess(of_frames, k=k).names.fixed[1:] for k in (2, 3)] == [("x0", "x1"), ("x0", "x1", "x2")]

    @pytest.mark.parametrize("factors", [{"n_between": [0, 1]}, {"share": [0.0, 0.5, 1.0]}])
    def test_cells_that_differ_are_refused(self, factors, tmp_path):
        made = Study(Between(), Grid(**factors), LinearMixed(), 2)
        with pytest.raises(InputError, match=r"'x' is one number a group in some cells .* by between=\(\.\.\) of Between"):
            made.run(tmp_path / "out", progress=False)

    def test_frames_that_differ_are_refused(self, tmp_path):
        made = Study(FrameProcess(of_frames), Grid(k=[2, 3]), PooledOLS(), 2)
        with pytest.raises(InputError, match=r"cell 1 .* has the terms Intercept, x0, x1, x2 .*must have the same"):
            made.run(tmp_path / "out", progress=False)

    def test_many_cells_of_floats_are_not_all_looked_at(self):
        calls = []

        def counted(rng, n_groups=10, scale=1.0):
            calls.append(scale)
            return of_frames(rng, scale=scale)

        check_cells(Study(FrameProcess(counted), Grid(scale=np.linspace(1, 2, 500)), PooledOLS(), 2))
        assert len(set(calls)) == FLOATS


def length(data):
    return {"Intercept": float(len(data)), "x": 0.0}


def test_a_missing_value_of_text_is_missing_for_every_strategy(tmp_path):
    """Cross-products, DataFrames and the rows that are shown."""

    def generator(rng, n_groups=10):
        frame = pd.DataFrame({"Group": np.arange(40) // 4, "DV": rng.normal(size=40), "x": rng.normal(size=40), "site": "a"})
        frame.loc[rng.random(40) < 0.4, "site"] = None
        frame.loc[rng.random(40) < 0.1, "x"] = np.nan
        return {"Intercept": 0.0, "x": 0.0}, frame

    process = FrameProcess(generator)
    made = Study(process, Grid(), (PooledOLS(), FrameStrategy(length)), 1)
    frame = generator(np.random.default_rng(0))[1]
    assert reduced(frame, process.names, 10)[1].sum() == len(frame.dropna())
    results = made.run(tmp_path / "out", progress=False)
    rows = results.estimates.query("term == 'Intercept'").set_index("model")
    assert rows.loc["length", "estimate"] == len(made.dataset(0, 0)) == rows.loc["ols", "df"] + 2


@dataclass(frozen=True)
class Told(RowProcess):
    """A truth with these names besides the fixed effects."""

    n_groups: int = 10
    also: tuple[str, ...] = ()

    def simulate(self, key):
        a, b = jax.random.split(key)
        x = jax.random.normal(b, GROUP.shape)
        truth = {"Intercept": 0.0, "x": 1.0} | dict.fromkeys(self.also, 0.5)
        return truth, {"Group": GROUP, "DV": x + jax.random.normal(a, GROUP.shape), "x": x}


class TestVarianceComponents:
    """What is told is compared, what is not is not zero."""

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (("sd_Group_Intercept", "sd_Group_x", "cor_Group_Intercept_X"), "Did you mean 'cor_Group_Intercept_x'"),
            (("sd_group_Intercept",), r"names 'sd_group_Intercept'.*Did you mean 'sd_Group_Intercept'"),
            (("sd_Group_z",), r"'sd_Group_z', which is no sd_<factor>_<term>.*[fF]actors are Group, terms Intercept, x"),
            (("sd_Group_x", "cor_Group_Intercept_x"), "no cor_<factor>_<term>_<term> of terms whose standard deviations are told"),
        ],
    )
    def test_unknown_names(self, names, words):
        with pytest.raises(InputError, match=words):
            Study(Told(also=names), Grid(), PooledOLS(), 2)

    @pytest.mark.parametrize(
        ("names", "told"),
        [
            (
                ("sd_Group_Intercept", "sd_Group_x", "cor_Group_Intercept_x"),
                {"sd_Group_Intercept", "sd_Group_x", "cor_Group_Intercept_x"},
            ),
            (("sd_Group_Intercept", "sd_Group_x"), {"sd_Group_Intercept", "sd_Group_x"}),
            (("sd_Group_Intercept",), {"sd_Group_Intercept"}),
        ],
    )
    def test_truths(self, names, told, tmp_path):
        results = Study(Told(also=names), Grid(), LinearMixed(), 6).run(tmp_path / "out", progress=False)
        fits = results.fits
        true = {c: fits[c] for c in fits if c.startswith("true_")}
        assert {c.removeprefix("true_") for c, values in true.items() if values.notna().any()} == told
        assert all(np.allclose(v, 0.5) for c, v in true.items() if c.removeprefix("true_") in told)
        table = results.components(measures=["bias"])
        assert set(table.dropna(subset=["value"])["term"]) == told


@dataclass(frozen=True)
class Crossed(RowProcess):
    """Subjects and items: age is of the subject, freq of the item."""

    factors = ("subject", "item")
    max_levels = (8, 6)
    n: int = 8

    def simulate(self, key):
        a, b, c = jax.random.split(key, 3)
        s, i = jnp.repeat(jnp.arange(8), 6), jnp.tile(jnp.arange(6), 8)
        columns = {"age": jax.random.normal(a, (8,))[s], "freq": jax.random.normal(b, (6,))[i]}
        return {"Intercept": 0.0, "age": 0.0, "freq": 0.0}, {"subject": s, "item": i, "DV": jax.random.normal(c, s.shape)} | columns


def test_what_is_constant_is_judged_by_the_factor_of_the_random_effects():
    names = Crossed().names
    assert (names.constant_in("subject"), names.constant_in("item")) == (("age",), ("freq",))
    for good in ("(age | item)", "(freq | subject)"):
        LinearMixed(f"DV ~ age + freq + {good}").check(names)
    for bad in ("(freq | item)", "(age | subject)"):
        with pytest.raises(InputError, match="is one number a group"):
            LinearMixed(f"DV ~ age + freq + {bad}").check(names)
