"""Processes of the user's own: what is drawn, what a field may be, and what is said of mistakes before anything is computed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import own_parts
import pandas as pd
import pytest
from exactly import same
from subprocesses import PATIENCE, environment

import jaxsim
from jaxsim import (
    FrameProcess,
    FrameStrategy,
    FunctionProcess,
    GaussianMultilevel,
    Grid,
    InputError,
    LinearMixed,
    PooledOLS,
    RowProcess,
    Study,
)
from jaxsim.sweep.rehearsal import rehearse

GROUP = jnp.arange(12) // 3


def normal(key, **_):
    return jax.random.normal(key, (12,))


def study(process, strategies=None, replicates=4, **factors):
    strategies = strategies or (PooledOLS(),)
    return Study(process, Grid(**factors), strategies, replicates, seed=1)


def with_generator(key, rng=None, n_groups=4):
    return {"Intercept": 0.0}, {"Group": GROUP, "DV": normal(key)}


class TestFunctions:
    """Fields of any kind that a user naturally writes."""

    def test_fields_that_are_functions_lists_and_dictionaries(self, tmp_path):
        def process(key, n_groups=4, shape=jnp.abs, effects=(0.0, 0.5), options=None):
            x = normal(key)
            options = options or {"scale": 1.0}
            y = effects[1] * x + options["scale"] * shape(jax.random.normal(jax.random.fold_in(key, 1), (12,)))
            return {"Intercept": effects[0], "x": effects[1]}, {"Group": GROUP, "DV": y, "x": x}

        def square(x):
            return x * x

        made = study(
            FunctionProcess(process, shape=square), effects=[[0.0, 0.5], [0.0, 2.0]], options=[{"scale": 1.0}, {"scale": 3.0}]
        )
        results = made.run(tmp_path / "out", progress=False)
        assert len(made.cells) == 4
        truths = results.estimates.query("term == 'x'").groupby("cell")["truth"].unique().map(list).tolist()
        assert truths == [[0.5], [0.5], [2.0], [2.0]]
        assert jaxsim.load(tmp_path / "out").study.cells[3].key == made.cells[3].key
        frame = made.dataset(0, 0)
        residual = frame["DV"] - 0.5 * frame["x"]
        assert (residual >= 0).all(), "the function that was given is the one that is called"

    def test_what_cannot_be_stored_is_refused(self):
        with pytest.raises(InputError, match=r"holds a Generator, which cannot be stored .*give numbers, text, lists, .*functions"):
            study(FunctionProcess(with_generator, rng=np.random.default_rng(0)))

    def test_arguments(self):
        with pytest.raises(
            InputError, match=r"walk\(\) has no argument 'efect'\. Did you mean 'effect'\? It has n_groups, n_obs, effect"
        ):
            FunctionProcess(own_parts.walk, efect=0.1)
        with pytest.raises(InputError, match=r"needs a value of effect; give it with the process, effect=\.\.\."):
            FunctionProcess(lambda key, effect, n_groups=3: 1)
        with pytest.raises(InputError, match="takes no argument; its first is the random key"):
            FunctionProcess(lambda: 1)
        with pytest.raises(InputError, match="3 is not a function"):
            FunctionProcess(3)

    def test_numbers_that_python_looks_at(self, tmp_path):
        """``if df:`` decides by a field: it is compiled in, and the other floats are not."""

        def process(key, n_groups=4, df=0.0, effect=0.5):
            x, e = normal(key), normal(jax.random.fold_in(key, 1))
            e = jax.random.t(jax.random.fold_in(key, 1), df, (12,)) if df > 0 else e
            return {"Intercept": 0.0, "x": effect}, {"Group": GROUP, "DV": effect * x + e, "x": x}

        made = FunctionProcess(process)
        assert made.sketch.traced == ("effect",)
        results = study(made, df=[0.0, 5.0], effect=[0.1, 0.2]).run(tmp_path / "out", progress=False)
        assert results.estimates["estimate"].notna().all()


@dataclass(frozen=True)
class Wrong(RowProcess):
    """A process with something wrong."""

    n_groups: int = 4
    how: str = ""

    def simulate(self, key):  # noqa: PLR0911 - a line a mistake
        y = normal(key)
        truth, columns = {"Intercept": 0.0, "x": 0.5}, {"Group": GROUP, "DV": y, "x": y + 1}
        match self.how:
            case "no pair":
                return columns
            case "no group":
                return truth, {"group": GROUP, "DV": y, "x": y}
            case "short":
                return truth, columns | {"x": y[:5]}
            case "matrix":
                return truth, columns | {"DV": y[:, None]}
            case "vector truth":
                return truth | {"x": jnp.zeros(3)}, columns
            case "no truth":
                return {"slope": 0.5}, columns
            case "error":
                return truth, columns | {"x": y @ jnp.zeros(5)}
            case "numpy":
                return truth, columns | {"x": np.asarray(y)}
            case "groups":
                return truth | {"Group": 3.0}, columns
            case "infinite":
                return truth | {"x": jnp.inf}, columns
            case "all missing":
                return truth, columns | {"keep": y > 100}
            case "mistyped":
                return truth | {"treatt": 0.5}, columns | {"treat": y}
        return truth, columns


class TestMistakes:
    """Sentences, before anything is computed."""

    @pytest.mark.parametrize(
        ("how", "words"),
        [
            ("no pair", r"returned a dict; return two dictionaries: \(truth, columns\)"),
            ("no group", r"returned no column 'Group'\. Is it 'group'\? It returned group, DV, x"),
            ("short", r"column 'x' has shape \(5,\); every column has one number a row, \(12,\)"),
            ("matrix", r"has shape \(12, 1\)|has shape \(12,\); every column has one number a row"),
            ("vector truth", r"the truth of 'x' has shape \(3,\); give one number"),
            ("no truth", r"tells no true fixed effect; its truth names slope, its columns: Intercept, x"),
            ("error", r"could not be traced by JAX: TypeError"),
            ("numpy", r"could not be traced by JAX: TracerArrayConversionError"),
            ("groups", r"the truth of 'Group' must be the groups' own coefficients"),
            ("mistyped", r"names 'treatt', which is no column \(Intercept, x, treat\).*Did you mean 'treat'"),
        ],
    )
    def test_of_a_class(self, how, words):
        with pytest.raises(InputError, match=words):
            study(Wrong(how=how))

    @pytest.mark.parametrize(
        ("how", "words"),
        [("infinite", r"a true fixed effect is not finite: \[0\.0, inf\]"), ("all missing", "every row of a dataset is missing")],
    )
    def test_of_its_datasets(self, how, words, tmp_path):
        with pytest.raises(InputError, match=words):
            study(Wrong(how=how)).run(tmp_path / "out", progress=False)
        assert not list(tmp_path.glob("out/chunks/*")), "before anything is computed"

    def test_of_its_key(self):
        @dataclass(frozen=True)
        class Deaf(Wrong):
            def simulate(self, key):
                return super().simulate(jax.random.key(3))

        with pytest.raises(InputError, match="draws the same dataset whatever its key: make every random number from the key"):
            rehearse(study(Deaf()))

    def test_of_numbers_of_groups(self):
        @dataclass(frozen=True)
        class Few(Wrong):
            n_groups: int = 3

        with pytest.raises(InputError, match=r"Group has the code 3; with 3 groups codes are 0 to 2 \(say the largest number"):
            rehearse(study(Few()))

        @dataclass(frozen=True)
        class Silent(RowProcess):
            clinics: int = 4

            def simulate(self, key):
                return {"Intercept": 0.0}, {"Group": GROUP, "DV": normal(key)}

        with pytest.raises(InputError, match="does not say how many groups a dataset can have: give it a field n_groups"):
            rehearse(study(Silent()))

    def test_of_two_factors(self):
        @dataclass(frozen=True)
        class Crossed(Wrong):
            factors = ("Group", "item")

            def simulate(self, key):
                truth, columns = super().simulate(key)
                return truth, columns | {"item": jnp.arange(12) % 3}

        with pytest.raises(InputError, match="groups rows by Group, item: give it a property max_levels"):
            _ = Crossed().bounds

    def test_what_is_no_process(self):
        class Bare(Wrong):
            extra: float = 1.0

        cases = {
            r"process is the function walk; wrap it: FunctionProcess\(walk, \.\.\) for JAX, FrameProcess": own_parts.walk,
            r"process is the class Wrong; give an instance: Wrong\(\.\.\)": Wrong,
            r"Bare has annotated fields but is no dataclass: put @dataclass\(frozen=True\) above it": Bare(),
            r"process=3: give a process such as GaussianMultilevel\(\)": 3,
        }
        for words, given in cases.items():
            with pytest.raises(InputError, match=words):
                study(given)

    def test_factors_that_are_no_fields(self):
        with pytest.raises(InputError, match=r"'icc' is not a field of GaussianMultilevel.*group_sd"):
            study(GaussianMultilevel(), icc=[0.1])
        with pytest.raises(InputError, match=r"'n_group' is not a field of Wrong\. Did you mean 'n_groups'\? Use n_groups, how"):
            study(Wrong(), n_group=[3])
        with pytest.raises(InputError, match=r"A factor that is no field goes with Grid\(\.\.\)\.linked\(function\)"):
            study(Wrong(), weather=[3])

    def test_a_predictor_that_varies_in_some_cells_only(self, tmp_path):
        @dataclass(frozen=True)
        class Sometimes(Wrong):
            within: bool = True

            def simulate(self, key):
                truth, columns = super().simulate(key)
                return truth, columns | {"x": columns["x"] if self.within else GROUP % 2}

        with pytest.raises(
            InputError, match=r"'x' is one number a group in some cells and varies .* by between=\(\.\.\) of Sometimes"
        ):
            study(Sometimes(), within=[True, False]).run(tmp_path / "out", progress=False)


class TestRows:
    """Numbers of a dataset."""

    @pytest.fixture(scope="class")
    def made(self):
        strategies = (PooledOLS(), LinearMixed(), LinearMixed("DV ~ treat + (1 | Group)", label="few"))
        return study(own_parts.Trial(), strategies, 9, n_groups=[6, 8], missing=[0.0, 0.3])

    @pytest.fixture(scope="class")
    def results(self, made, tmp_path_factory):
        return made.run(tmp_path_factory.mktemp("rows") / "out", progress=False)

    def test_rows_are_those_that_were_fitted(self, made, results):
        """REML of the rows and of their cross-products: the same optimum, reached from other roundings."""
        for cell, replicate in ((0, 3), (3, 8)):
            frame = made.dataset(cell, replicate)
            assert (len(frame) < frame["Group"].nunique() * 6) == (cell == 3)
            fit = jaxsim.lmer("DV ~ treat + x + (1 + x | Group)", frame)
            rows = results.estimates.query("cell == @cell and replicate == @replicate and model == 'lmer'")
            np.testing.assert_allclose(rows["estimate"], fit.table["estimate"], rtol=1e-5, atol=1e-6)
            assert frame.attrs["truth"]["fixed_effects"] == {"Intercept": 0.0, "treat": 0.5, "x": 0.0}

    def test_the_default_random_part_leaves_out_what_is_constant_within_groups(self, made, results):
        """A slope of a predictor of groups cannot vary; the intercept and the slope of x can."""
        assert made.names.constant == ("treat",)
        random = {name for name in results.fits.columns if name.startswith("sd_")}
        assert random == {"sd_Group_Intercept", "sd_Group_x"}
        with pytest.raises(InputError, match="'treat' is one number a group of Group, so its effect cannot differ between groups"):
            study(own_parts.Trial(), (LinearMixed(random=("Intercept", "treat")),))

    @pytest.mark.usefixtures("optimised_here")
    def test_tiles_threads_and_growth_change_no_bit(self, made, tmp_path):
        results = made.run(tmp_path / "whole", progress=False)
        same(made.run(tmp_path / "small", progress=False, batch=2), results)
        few = dataclasses.replace(made, replicates=4, grid=Grid(n_groups=[8], missing=[0.3]), estimators=made.estimators[:1])
        few.run(tmp_path / "grown", progress=False)
        same(made.run(tmp_path / "grown", progress=False), results)

    def test_fields_of_floats_share_their_programs(self):
        one, other = own_parts.Trial(icc=0.1, effect=0.0), own_parts.Trial(icc=0.3, missing=0.2)
        assert one.program(one.bounds) == other.program(other.bounds)
        assert one.program(one.bounds) != own_parts.Trial(n_obs=7).program(one.bounds)


# A run on two devices, in tiles so small that each gets some.
ON_TWO_DEVICES = """
import sys, jaxsim.sweep.shape, own_parts
from jaxsim import FrameProcess, Grid, Local, PooledOLS, Study
jaxsim.sweep.shape.tile_datasets = lambda *_, **__: 8
study = Study(FrameProcess(own_parts.survey), Grid(), (PooledOLS(),), 40, seed=1)
study.run(sys.argv[1], progress=False, executor=Local(devices=2))
"""


class TestFrames:
    """NumPy and pandas generators, in worker processes."""

    def test_every_device_gets_some(self, tmp_path):
        command = [sys.executable, "-c", ON_TWO_DEVICES, str(tmp_path / "two")]
        settings = environment() | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        one = study(FrameProcess(own_parts.survey), (PooledOLS(),), 40).run(tmp_path / "one", progress=False)
        found = jaxsim.load(tmp_path / "two").estimates
        assert len(found) == len(one.estimates) == 80
        # Another size of tile is another program: the same numbers up to rounding.
        np.testing.assert_allclose(found["estimate"], one.estimates["estimate"], rtol=1e-12, atol=1e-13)

    def test_columns_that_are_said_to_be_constant(self):
        def generator(rng, n_groups=5):
            truth, frame = own_parts.survey(rng, n_groups)
            return truth, frame.assign(size=frame.groupby("Group")["x"].transform("size"))

        assert FrameProcess(generator).names.constant == ("size",)
        assert FrameProcess(generator, between=()).names.constant == ()
        assert FrameProcess(generator, between=("x",)).names.constant == ("x",)

    def test_numbers_follow_from_the_key_and_a_failure_is_a_row(self, tmp_path):
        def generator(rng, n_groups=5, effect=0.3):
            truth, frame = own_parts.survey(rng, n_groups, effect=effect)
            if rng.uniform() < 0.3:
                raise ValueError("no luck")
            frame.loc[rng.uniform(size=len(frame)) < 0.2, "DV"] = np.nan
            return truth, frame.assign(colour="red")

        strategies = (PooledOLS(), FrameStrategy(own_parts.least_squares))
        made = study(FrameProcess(generator), strategies, 12, effect=[0.0, 0.3])
        results = made.run(tmp_path / "out", progress=False)
        fits = results.fits
        assert results.progress == (24, 24)
        lost = fits["status"] == "crashed"
        assert 4 <= lost.sum() <= 40
        assert fits.loc[lost, "message"].str.contains("ValueError: no luck").all()
        assert (fits[lost].groupby(["cell", "replicate"]).size() == 2).all(), "a dataset that is not there is there for nobody"
        wide = results.estimates.pivot(index=["cell", "replicate", "term"], columns="model", values="estimate").dropna()
        # The same least squares of rows and of cross-products.
        np.testing.assert_allclose(wide["ols"], wide["least_squares"], rtol=1e-8, atol=1e-9)
        same(made.run(tmp_path / "small", progress=False, batch=3), results)
        good = fits[~lost].iloc[0]
        frame = made.dataset(good["cell"], good["replicate"])
        assert frame["DV"].notna().all()
        assert set(frame["colour"]) == {"red"}

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda truth, frame: frame, r"generator returned DataFrame; return \(truth, DataFrame\), a dictionary first"),
            (lambda truth, frame: (truth, frame.rename(columns={"DV": "dv"})), r"returned no column 'DV'.*'dv'"),
            (lambda truth, frame: (truth, frame.assign(DV="a")), "the response 'DV' holds .*; give numbers"),
            (lambda truth, frame: ({"slope": 1.0}, frame), "tells no true fixed effect; its truth names slope"),
            (lambda truth, frame: ({"x": "much"}, frame), "must have numbers by name"),
            (
                lambda truth, frame: (truth, pd.concat([frame, frame.assign(Group="z")])),
                "returned 5 groups, and said that there are 4",
            ),
        ],
    )
    def test_mistakes(self, change, words):
        def generator(rng, n_groups=4):
            return change(*own_parts.survey(rng, 4))

        with pytest.raises(InputError, match=words):
            study(FrameProcess(generator))
