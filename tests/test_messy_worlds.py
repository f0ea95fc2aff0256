"""Worlds that are not ideal: every trouble has the moments that are stated, plugs into every process, and is a factor of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from from_rows import assert_fitted_from_rows
from scipy import stats

import jaxsim
from jaxsim import (
    AR1,
    MAR,
    MCAR,
    MNAR,
    Bernoulli,
    Categorical,
    Contaminated,
    Design,
    Dropout,
    Empirical,
    Gamma,
    GaussianMultilevel,
    Grid,
    InputError,
    Limited,
    LinearMixed,
    LogNormal,
    LostGroups,
    LostOccasions,
    Messy,
    Mirrored,
    MovingAverage,
    Normal,
    Ordinal,
    Outliers,
    Rounded,
    RowProcess,
    Scenario,
    SkewNormal,
    StudentT,
    Study,
    TwoKinds,
    Uniform,
    VarianceBetween,
    VarianceBy,
    VarianceByMean,
    between,
    covariate,
    lmer,
    within,
)
from jaxsim.processes.program import Program
from jaxsim.processes.quantile_table import through
from jaxsim.processes.shapes import table_of
from jaxsim.testing import check_process

SHAPES = [
    StudentT(5), SkewNormal(0.8), Gamma(2, 1), LogNormal(1, 0.5), Contaminated(0.1, 3), TwoKinds(0.3, 4), Uniform(0, 1),
    Mirrored(Gamma(1, 1)), Empirical((1.0, 2.0, 2.5, 9.0)), Bernoulli(0.3),
]  # fmt: skip
UNITS, DAYS = 12, (0, 1, 3, 9)


def key(seed):
    return jax.random.key(seed, impl="threefry2x32")


def growth(**changes):
    """Four unequally spaced occasions, a drug, an age; no random effects and no noise but what is asked for."""
    default = dict(
        formula="y ~ drug * day + age + (1 + day | s)",
        units={"s": UNITS},
        variables={
            "drug": between("s", ("placebo", "active")), "day": within(*DAYS), "age": covariate("s", Normal(0, 1)),
        },
        residual_sd=2.0,
    )  # fmt: skip
    return Design(**{**default, **changes})


@partial(jax.jit, static_argnums=0)
def simulated(program, keys, values):
    """Compiled once for all designs that share a program, as a study's cells do."""
    return jax.vmap(lambda k: jax.tree.map(jnp.asarray, program.example.holding(values).simulate(k)))(keys)


def columns_of(design, count=4000, seed=1):
    """Columns of many datasets, ``[count, units, block]`` by name, and their truths."""
    program = Program(design.program(design.bounds), design)
    truth, columns = simulated(program, jax.random.split(key(seed), count), design.parameters(design.bounds))
    units = design.max_groups
    return {name: np.asarray(v).reshape(count, units, -1) for name, v in columns.items()}, truth


def close(values, expected, errors=4.0):
    """Whether the mean over datasets (the first axis) is within four Monte Carlo errors (by chance 1 in 16,000 would not be)."""
    each = np.asarray(values, float).reshape(len(values), -1).mean(1)
    error = each.std() / np.sqrt(len(each))
    assert abs(each.mean() - expected) <= errors * error + 1e-12, (each.mean(), expected, error)


class TestResiduals:
    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_have_the_stated_sd_whatever_their_shape(self, shape):
        columns, _ = columns_of(growth(residual=shape))
        close(columns["y"], 0.0)
        close(columns["y"] ** 2, 4.0)

    @pytest.mark.parametrize(
        ("shape", "skewness"),
        # The third moments of the gamma (2 / sqrt(shape)), the lognormal (cv^3 + 3 cv) and the mirrored exponential distribution.
        [
            (Gamma(2, 1), 1.0),
            (LogNormal(1, 0.5), 1.625),
            (Mirrored(Gamma(1, 1)), -2.0),
            (SkewNormal(-0.6), -0.6),
            (StudentT(9), 0.0),
        ],
        ids=str,
    )
    def test_have_the_skewness_of_their_shape(self, shape, skewness):
        columns, _ = columns_of(growth(residual=shape, residual_sd=1.0))
        close(columns["y"] ** 3, skewness)

    def test_of_other_shapes_share_a_program_and_of_the_ideal_world_have_their_own(self):
        programs = {growth(residual=shape).program(growth().bounds) for shape in SHAPES[:7]}
        assert len(programs) == 1
        assert growth().program(growth().bounds) not in programs
        assert growth(residual=Normal(3, 7)).program(growth().bounds) == growth().program(growth().bounds)

    def test_a_normal_shape_is_the_ideal_world_to_the_last_bit(self):
        one, other = (columns_of(growth(**w), 3)[0]["y"] for w in ({}, {"residual": Normal(5, 9), "variance": (), "sd_noise": 0.0}))
        np.testing.assert_array_equal(one, other)

    def test_outliers_are_added_to_them(self):
        columns, _ = columns_of(growth(outliers=Outliers(0.1, 5.0)))
        close(columns["y"], 0.0)
        close(columns["y"] ** 2, 4.0 * (1 + 0.1 * 25))

    def test_differ_between_arms_by_the_stated_ratio(self):
        columns, _ = columns_of(growth(variance=VarianceBy("drugactive", 3.0)))
        active = columns["drugactive"][0, :, 0] > 0
        # Equal arms: SDs s and 3 s with (s^2 + 9 s^2) / 2 = 4.
        close(columns["y"][:, ~active] ** 2, 0.8)
        close(columns["y"][:, active] ** 2, 7.2)

    def test_differ_between_units_with_the_stated_variation(self):
        columns, _ = columns_of(growth(variance=VarianceBetween(0.6)))
        squares = columns["y"] ** 2
        close(squares, 4.0)
        # E s^4 of a lognormal SD with E s^2 = 1 is (1 + cv^2)^4; squares of two rows of a unit share it.
        close(squares[:, :, 0] * squares[:, :, 1], 16 * 1.36**4)

    def test_grow_with_the_mean(self):
        effects = {"Intercept": 1, "day": 1}
        columns, _ = columns_of(growth(variance=VarianceByMean(1.0), effects=effects))
        mean = 1 + np.array(DAYS)
        squares = ((columns["y"] - mean) ** 2).mean(1)
        for k in range(4):
            close(squares[:, k], 4 * mean[k] ** 2 / np.mean(mean**2))

    @pytest.mark.parametrize("shape", [None, Gamma(1, 1)], ids=str)
    def test_are_correlated_by_their_distance_in_time(self, shape):
        columns, _ = columns_of(growth(serial=AR1(0.7, "day"), residual=shape))
        y = columns["y"] / 2
        for i, j in [(0, 1), (1, 2), (0, 3)]:
            close(y[:, :, i] * y[:, :, j], 0.7 ** (DAYS[j] - DAYS[i]))
            close(y[:, :, j] ** 2, 1.0)

    def test_follow_the_order_of_rows_without_a_time(self):
        columns, _ = columns_of(growth(serial=AR1(-0.5)))
        y = columns["y"] / 2
        close(y[:, :, 0] * y[:, :, 1], -0.5)
        close(y[:, :, 0] * y[:, :, 2], 0.25)

    def test_of_other_conditions_are_series_of_their_own(self):
        design = Design(
            "y ~ when + (1 | s)", units={"s": 5}, repeats=2, variables={"when": within(3, 0, 1), "hand": within("l", "r")},
            serial=AR1(0.8, "when"),
        )  # fmt: skip
        y = columns_of(design)[0]["y"].reshape(4000, 5, 3, 2, 2)  # when, hand, repeat
        close(y[:, :, 0, 0, 0] * y[:, :, 1, 0, 0], 0.8**3)
        close(y[:, :, 1, 1, 1] * y[:, :, 2, 1, 1], 0.8)
        close(y[:, :, 0, 0, 0] * y[:, :, 0, 0, 1], 0.0)
        close(y[:, :, 0, 0, 0] * y[:, :, 0, 1, 0], 0.0)

    def test_jittered_times_are_distances_too(self):
        design = growth(variables={**growth().variables, "day": within(*DAYS, jitter=2.0)}, serial=AR1(0.7, "day"))
        columns, _ = columns_of(design)
        y, apart = columns["y"] / 2, abs(columns["day"][:, :, 0] - columns["day"][:, :, 1])
        close(y[:, :, 0] * y[:, :, 1] - 0.7**apart, 0.0)

    def test_average_with_the_one_before(self):
        columns, _ = columns_of(growth(serial=MovingAverage(0.5), residual=Gamma(1, 1)))
        y = columns["y"] / 2
        for k in range(3):
            close(y[:, :, k] ** 2, 1.0)
            close(y[:, :, k] * y[:, :, k + 1], 0.4)
        close(y[:, :, 0] * y[:, :, 2], 0.0)


class TestEffectsOfGroups:
    @pytest.mark.parametrize("shape", [StudentT(6), TwoKinds(0.2, 4), Gamma(1, 0.5)], ids=str)
    def test_have_the_stated_covariance_whatever_their_shape(self, shape):
        design = growth(residual_sd=0.0, sd={"s": {"Intercept": 2, "day": 0.5}}, correlation=-0.4, group_effects=shape)
        columns, truth = columns_of(design)
        intercept, slope = np.asarray(truth["s"]["Intercept"]), np.asarray(truth["s"]["day"])
        close(intercept, 0.0)
        close(intercept**2, 4.0)
        close(slope**2, 0.25)
        close(intercept * slope, -0.4)
        np.testing.assert_allclose(columns["y"][:, :, 1], intercept + slope, atol=1e-12)  # rounding of a sum of two numbers

    def test_their_sds_vary_between_datasets_and_the_truth_says_how(self):
        design = growth(residual_sd=0.0, sd={"s": {"Intercept": 2, "day": 0.5}}, sd_noise=0.3)
        _, truth = columns_of(design)
        own = np.asarray(truth["sd_s_Intercept"])
        close(own**2, 4.0)
        assert abs(np.log(own).std() - 0.3) < 4 * 0.3 / np.sqrt(2 * len(own))  # the Monte Carlo error of an SD
        np.testing.assert_allclose(truth["sd_s_day"], own / 4, rtol=1e-12)  # one factor for all
        close(np.asarray(truth["s"]["Intercept"]) ** 2 / own[:, None] ** 2, 1.0)

    def test_are_correlated_with_predictors_where_these_are_endogenous(self):
        design = growth(
            sd={"s": {"Intercept": 2}},
            variables={**growth().variables, "age": covariate("s", Uniform(0, 1)), "x": covariate("row", Normal(1, 3), icc=0.4)},
            formula="y ~ age + x + (1 | s)",
            endogenous={"age": 0.5, "x": -0.6},
        )
        columns, truth = columns_of(design)
        b, x = np.asarray(truth["s"]["Intercept"]) / 2, (columns["x"] - 1) / 3
        close(x**2, 1.0)
        close(x[:, :, 0] * x[:, :, 1], 0.4)
        close(b * x[:, :, 0], -0.6 * np.sqrt(0.4))
        # A uniform number is correlated sqrt(3 / pi) times as much as the normal one that it is made of.
        close(b * (columns["age"][:, :, 0] - 0.5) * np.sqrt(12), 0.5 * np.sqrt(3 / np.pi))

    def test_a_share_of_the_variance_between_units_keeps_correlations(self):
        variables = {n: covariate("row", Normal(0, 1), icc=0.3) for n in ("a", "b")}
        design = Design("y ~ a + b", units={"s": 6}, repeats=3, variables=variables, correlations={("a", "b"): 0.5})
        columns, _ = columns_of(design)
        close(columns["a"] * columns["b"], 0.5)
        close(columns["a"][:, :, 0] * columns["b"][:, :, 1], 0.15)


class TestRecording:
    def test_measurement_error_has_the_stated_reliability(self):
        design = growth(effects={"age": 1.0}, residual_sd=0.0, measurement_error={"age": 0.8})
        columns, _ = columns_of(design)
        age = columns["age"]
        np.testing.assert_array_equal(age[:, :, 0], age[:, :, 1])  # one error a unit
        close(age**2, 1.25)
        close(age * columns["y"], 1.0)

    @pytest.mark.parametrize(
        ("recorded", "function"),
        [
            (Rounded(0.5), lambda y: np.round(y / 0.5) * 0.5),
            (Limited(-1, None), lambda y: np.maximum(y, -1)),
            (Limited(-1, 2), lambda y: np.clip(y, -1, 2)),
            (Ordinal((-1, 0, 3)), lambda y: 1.0 + (y > -1) + (y > 0) + (y > 3)),
        ],
        ids=["rounded", "floor", "both limits", "ordinal"],
    )
    def test_is_of_the_same_responses(self, recorded, function):
        one, other = (columns_of(growth(**w), 5)[0]["y"] for w in ({}, {"recorded": recorded}))
        np.testing.assert_allclose(other, function(one), rtol=1e-12)  # the same operations


def kept(**world):
    columns, _ = columns_of(growth(**world))
    return columns, columns["keep"].astype(bool)


class TestMissing:
    @pytest.mark.parametrize(
        "missing",
        [MCAR(0.3), MAR(0.3, "age", 2.0), MAR(0.3, "day", -1.0), MNAR(0.3, 2.0), LostGroups(0.3), LostOccasions(0.3, "day")],
        ids=str,
    )
    def test_has_the_stated_share(self, missing):
        close(~kept(missing=missing)[1], 0.3)

    def test_at_random_depends_on_what_is_observed_alone(self):
        columns, keep = kept(missing=MAR(0.3, "age", 1.5), measurement_error={"age": 0.5})
        z = (columns["age"] - columns["age"].mean((1, 2), keepdims=True)) / columns["age"].std((1, 2), keepdims=True)
        lost = ~keep
        close(lost[:, :, 0] * z[:, :, 0], np.mean(lost * z))
        expected = []
        for k in range(300):  # the intercept by bisection
            low, high = -20.0, 20.0
            for _ in range(80):
                middle = (low + high) / 2
                low, high = (middle, high) if (1 / (1 + np.exp(-middle - 1.5 * z[k]))).mean() < 0.3 else (low, middle)
            expected.append((1 / (1 + np.exp(-low - 1.5 * z[k])) * z[k]).mean())
        close((lost * z).mean((1, 2))[:300] - expected, 0.0)
        close(lost * columns["y"], 0.0)  # and not on the response

    def test_by_the_last_response_that_was_seen(self):
        columns, keep = kept(missing=MAR(0.3, slope=2.0), serial=AR1(0.9))
        y, lost = columns["y"], ~keep
        assert keep[:, :, 0].all()  # nothing is known before
        assert abs(lost[:, :, 1:].mean() - 0.3) < 0.02  # the intercept is that of rows after one that was seen
        high = y[:, :, 0] > 2
        assert lost[:, :, 1][high].mean() > 2 * lost[:, :, 1][~high].mean()
        # After a gap it is the row before the gap that counts: given that, what went missing says nothing.
        gap = lost[:, :, 1] & (abs(y[:, :, 0] - 1) < 0.5)
        own = lost[:, :, 2][gap] - lost[:, :, 2][gap].mean()
        unseen = y[:, :, 1][gap] - y[:, :, 1][gap].mean()
        assert abs((own * unseen).mean()) < 4 * (own * unseen).std() / np.sqrt(gap.sum())

    def test_not_at_random_takes_the_large_ones(self):
        columns, keep = kept(missing=MNAR(0.3, 1.5))
        assert columns["y"][keep].mean() < -0.3 < 0.3 < columns["y"][~keep].mean()

    @pytest.mark.parametrize("by", [None, "earlier", "own", "drugactive"])
    def test_who_drops_out_is_not_seen_again(self, by):
        columns, keep = kept(missing=Dropout(0.2, by, 1.5))
        assert keep[:, :, 0].all()
        assert (keep[:, :, 1:] <= keep[:, :, :-1]).all()
        left = keep[:, :, :-1] & ~keep[:, :, 1:]
        if by in (None, "drugactive"):
            close(left[:, :, 0], 0.2)  # those that leave first; later it is those who stayed
        arm = columns["drugactive"][0, :, 0] > 0
        difference = left[:, :, 0][:, arm].mean() - left[:, :, 0][:, ~arm].mean()
        assert (difference > 0.15) if by == "drugactive" else (abs(difference) < 0.02)
        own, before = (np.corrcoef(left.ravel(), columns["y"][:, :, k].ravel())[0, 1] for k in (slice(1, None), slice(0, -1)))
        assert (own > 0.1) == (by == "own")
        assert (before > 0.1) == (by == "earlier")

    def test_whole_occasions_and_groups_are_lost_together(self):
        design = growth(repeats=2, missing=LostOccasions(0.4, "day"))
        keep = columns_of(design)[0]["keep"].reshape(4000, UNITS, 4, 2)
        np.testing.assert_array_equal(keep[..., 0], keep[..., 1])
        assert len(np.unique(keep[..., 0].reshape(-1, 4), axis=0)) == 16  # every combination of occasions
        _, keep = kept(missing=LostGroups(0.4))
        assert set(np.unique(keep.sum(2))) == {0, 4}

    def test_several_ways_one_after_the_other(self):
        close(kept(missing=(MCAR(0.2), LostGroups(0.5)))[1], 0.4)

    def test_what_is_left_of_too_little_is_a_status(self, tmp_path):
        study = Study(growth(missing=MCAR(0.9)), Grid(), (LinearMixed("y ~ day + (1 | s)"),), 20, seed=2)
        table = study.run(tmp_path / "out", progress=False).read("estimates")
        few = table["status"] == "too_few_rows"
        assert few.any()
        assert table.loc[few, "estimate"].isna().all()
        assert table.loc[~few, "estimate"].notna().all()


@dataclass(frozen=True)
class Own(Messy, RowProcess):
    """An own process in a world that need not be ideal."""

    n_groups: int = 8
    slope: float = 0.5

    def simulate(self, key):
        world, own = jax.random.split(key)
        x = jax.random.normal(own, (self.n_groups * 5,))
        y, keep = self.respond(world, self.slope * x, 1.5, self.n_groups, {"x": x})
        return {"Intercept": 0.0, "x": self.slope}, {"Group": jnp.arange(len(x)) // 5, "DV": y, "x": x, "keep": keep}


MESSIEST = Scenario(
    "messiest", residual=Gamma(1, 1), group_effects=StudentT(4), variance=VarianceBetween(0.4), serial=AR1(0.4),
    outliers=Outliers(0.05), recorded=Limited(-9, 9), missing=(MCAR(0.1), Dropout(0.05, "own")), sd_noise=0.2,
)  # fmt: skip


class TestAnyProcess:
    @pytest.mark.parametrize(
        "process",
        [
            growth(
                scenario=MESSIEST, measurement_error={"age": 0.7}, endogenous={"age": 0.2}, sd={"s": {"Intercept": 1, "day": 1}}
            ),
            GaussianMultilevel(6, 7, (0.5, 0.3, 0.0), 3, (0.0, 1.0, 0.5, 1.0), n_between=1, scenario=MESSIEST),
            Own(scenario="harsh"),
        ],
        ids=["design", "gaussian", "own"],
    )
    def test_keeps_its_promises(self, process):
        check_process(process)

    def test_both_processes_agree_in_law(self):
        world = dict(residual=Gamma(1, 1), variance=VarianceBetween(0.5), serial=AR1(0.6), missing=MAR(0.2, "IV1"), sd_noise=0.2)
        sd, effects = (0.8, 0.5), (1.0, 0.4)
        old = GaussianMultilevel(8, 6, sd, 1, effects, 0.3, 1.5, **world)
        new = Design(
            "DV ~ IV1 + (IV1 | Group)", units={"Group": 8}, repeats=6, variables={"IV1": covariate("row", Normal(0, 1))},
            effects=dict(zip(("Intercept", "IV1"), effects, strict=True)),
            sd={"Group": dict(zip(("Intercept", "IV1"), sd, strict=True))}, correlation=0.3, residual_sd=1.5, **world,
        )  # fmt: skip
        sums = []
        for process in (old, new):
            bounds = process.bounds.padded()
            values = process.parameters(bounds)
            draw = jax.jit(jax.vmap(lambda k, p=process, v=values, b=bounds: p.draw(k, v, b).data))
            rows = draw(jax.random.split(key(7), 4000))
            y, x, there = (np.asarray(a)[:, :48].reshape(-1, 8, 6) for a in (rows.y, rows.x[..., 1], rows.weight))
            own = np.where(there > 0, y - 1 - 0.4 * x, 0.0)
            sums.append(np.stack([there.sum(2), own.sum(2), (own**2).sum(2), (own**3).sum(2), (own * x).sum(2) ** 2,
                                  (own[:, :, 1:] * own[:, :, :-1]).sum(2)], axis=2).mean(1))  # fmt: skip
        mean, error = [s.mean(0) for s in sums], [s.std(0) / np.sqrt(len(s)) for s in sums]
        # Six moments, each within four Monte Carlo errors of the difference.
        assert (abs(mean[0] - mean[1]) < 4 * np.hypot(*error)).all(), (mean, error)

    def test_the_stored_fit_is_that_of_the_rows(self, tmp_path):
        process = growth(scenario=MESSIEST, measurement_error={"age": 0.7}, sd={"s": {"Intercept": 3, "day": 1}})
        model = LinearMixed("y ~ drug * day + age + (1 + day | s)")
        assert_fitted_from_rows(Study(process, Grid(), (model,), 3, seed=5), tmp_path / "out")

    def test_gaussian_rows_are_those_that_were_fitted(self, tmp_path):
        process = GaussianMultilevel(10, 8, (0.5, 0.4), 1, (0.0, 0.3), scenario="realistic")
        study = Study(process, Grid(), (LinearMixed(),), 2, seed=3)
        stored = study.run(tmp_path / "out", progress=False).read("estimates")
        for replicate in range(2):
            fit = lmer("DV ~ IV1 + (IV1 | Group)", study.dataset(0, replicate))
            own = stored.loc[stored["replicate"] == replicate, "estimate"]
            np.testing.assert_allclose(own, fit.table["estimate"], rtol=1e-9, atol=1e-9)  # as in from_rows


class TestAFactorOfAGrid:
    def test_worlds_and_their_numbers(self, tmp_path):
        grid = Grid(scenario=["ideal", "realistic", MESSIEST], **{"effects.day": [0.0, 0.5]})
        study = Study(growth(), grid, (LinearMixed("y ~ day + (1 | s)"),), 3, seed=1)
        assert Study.from_json(study.to_json()) == study
        results = study.run(tmp_path / "out", progress=False)
        assert set(results.measures(measures=["bias"])["scenario"]) == {"ideal", "realistic", "messiest"}

    def test_numbers_of_one_trouble_share_a_program(self):
        process = growth(missing=MAR(0.1, "age"), serial=AR1(0.3))
        grid = Grid(**{"missing.share": [0.1, 0.2], "missing.slope": [0.0, 1.0], "serial.correlation": [0.1, 0.5]})
        study = Study(process, grid, (LinearMixed("y ~ day + (1 | s)"),), 2)
        cells = [cell.process for cell in study.cells]
        assert len({cell.program(cell.bounds) for cell in cells}) == 1
        assert {(c.missing.share, c.missing.slope, c.serial.correlation) for c in cells} == {
            (s, b, r) for s in (0.1, 0.2) for b in (0.0, 1.0) for r in (0.1, 0.5)
        }

    def test_numbers_of_one_of_several_and_of_a_scenario(self):
        process = growth(missing=(MCAR(0.1), MNAR(0.2))).having(**{"missing.1.share": 0.4})
        assert process.missing == (MCAR(0.1), MNAR(0.4))
        of_scenario = GaussianMultilevel(scenario="realistic").having(**{"missing.share": 0.3})
        assert of_scenario.world["missing"] == MAR(0.3)
        assert of_scenario.world["serial"] == AR1(0.2)
        assert GaussianMultilevel(scenario="harsh", missing=()).world["missing"] is None

    def test_what_a_process_says_itself_goes_before_its_scenario(self):
        assert growth(scenario="harsh", residual=Uniform(0, 1)).world["residual"] == Uniform(0, 1)
        assert growth(scenario="harsh", residual=()).world["residual"] is None

    def test_ideal_worlds_are_described_as_before(self):
        text = Study(GaussianMultilevel(), Grid(), (LinearMixed(),), 2).to_json()
        assert "residual_sd" not in text.split('"facts"')[0]
        assert growth(scenario="ideal").program(growth().bounds) == growth().program(growth().bounds)

    def test_a_preview_tells_of_them(self):
        assert "missing MCAR(share=0.2)" in str(growth(missing=MCAR(0.2)).preview())
        assert "World" not in str(growth().preview())


class TestWhatTheyDoToStrategies:
    """Known consequences, each beyond three Monte Carlo errors where there is one, and within three where there is none."""

    def test_dropout_at_random_biases_change_scores_of_completers_and_not_the_mixed_model(self, tmp_path):
        """Little & Rubin (2019, ch. 1); Molenberghs et al. (2004): likelihood methods ignore missingness at random."""
        base = dict(
            formula="y ~ when + (1 | s)", units={"s": 60}, variables={"when": within("pre", "mid", "post")},
            effects={"whenmid": 0.5, "whenpost": 1.0}, sd={"s": 1.0},
        )  # fmt: skip
        for missing, unbiased in ((Dropout(0.3, "earlier", 3.0), True), (Dropout(0.3, "own", 3.0), False)):
            design = Design(**base, missing=missing)
            study = Study(design, Grid(), (LinearMixed("y ~ when + (1 | s)"),), 1000, seed=4)
            name = "own" if missing.by == "own" else "earlier"
            bias = study.run(tmp_path / name, progress=False).measures(measures=["bias"], terms=["whenpost"])
            z = bias["value"].item() / bias["mcse"].item()
            assert (abs(z) < 3) == unbiased, z
            columns, _ = columns_of(design, 1000)
            complete = columns["keep"].all(2)
            change = np.where(complete, columns["y"][:, :, 2] - columns["y"][:, :, 0], 0).sum(1) / complete.sum(1)
            assert abs(change.mean() - 1.0) > 3 * change.std() / np.sqrt(len(change))

    def test_serial_correlation_that_is_ignored_inflates_the_error_of_a_slope_in_time(self, tmp_path):
        """Gurka, Edwards & Muller (2011), Jacqmin-Gadda et al. (2007): a random intercept alone takes residuals for independent."""
        design = Design("y ~ t + (1 | s)", units={"s": 20}, variables={"t": within(*range(8))}, sd={"s": 1}, serial=AR1(0.7))
        study = Study(design, Grid(), (LinearMixed("y ~ t + (1 | s)"),), 1000, seed=4)
        table = study.run(tmp_path / "out", progress=False).measures(measures=["rejection"], terms=["t"])
        assert table["value"].item() - 0.05 > 10 * table["mcse"].item()

    def test_endogenous_predictors_bias_the_mixed_model(self, tmp_path):
        variables = {"x": covariate("row", Normal(0, 1), icc=0.5)}
        design = Design("y ~ x + (1 | s)", units={"s": 30}, repeats=4, variables=variables, sd={"s": 1}, endogenous={"x": 0.6})
        study = Study(design, Grid(), (LinearMixed("y ~ x + (1 | s)"),), 500, seed=4)
        table = study.run(tmp_path / "out", progress=False).measures(measures=["bias"], terms=["x"])
        assert table["value"].item() > 10 * table["mcse"].item()


def once(**changes):
    """Everybody is seen once."""
    return Design("y ~ age", units={"s": 20}, variables={"age": covariate("s", Normal())}, **changes)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StudentT(2), "more than 2 degrees of freedom"),
        (lambda: SkewNormal(1.2), "between -.995 and .995"),
        (lambda: LogNormal(-1, 1), "positive mean"),
        (lambda: Contaminated(0.0), "share between 0 and 1"),
        (lambda: TwoKinds(0.5, -1), "distance"),
        (lambda: Mirrored(Categorical(("a", "b"))), "distribution of numbers"),
        (lambda: MCAR(1.0), "of 1 nothing is left"),
        (lambda: MAR(0.0), "leave it out"),
        (lambda: MNAR(0.2, 9.0), "between -5 and 5"),
        (lambda: Dropout(hazard=-0.1), "above 0 and below 1"),
        (lambda: AR1(1.0), "between -1 and 1"),
        (lambda: AR1(-0.3, "day"), "at least 0"),
        (lambda: MovingAverage(2), "between -1 and 1"),
        (lambda: VarianceBy("day", 0), "positive ratio"),
        (lambda: VarianceBetween(4), "up to 3"),
        (lambda: VarianceByMean(9), "between -3 and 3"),
        (Limited, "one finite limit"),
        (lambda: Limited(3, 1), "floor < ceiling"),
        (lambda: Ordinal((1, 1)), "rising"),
        (lambda: Rounded(0), "positive"),
        (lambda: Outliers(2), "between 0 and 1"),
        (lambda: Scenario("x", residual=3), "StudentT(5)"),
        (lambda: Scenario(""), "printable"),
        (lambda: Scenario("x", sd_noise=3), "from 0 to 1"),
        (lambda: growth(scenario="harshest"), "Did you mean 'harsh'?"),
        (lambda: growth(missing=MAR(0.2, "drug")), "Did you mean 'drugactive'?"),
        (lambda: growth(variance=VarianceBy("weight")), "no column of the design"),
        (lambda: growth(serial=AR1(0.5, "age")), "these are: day"),
        (lambda: growth(residual=Categorical(("a", "b"))), "distribution of numbers"),
        (lambda: growth(missing=0.2), "MCAR"),
        (lambda: growth(measurement_error={"drug": 0.8}), "these are: age"),
        (lambda: growth(measurement_error={"age": 0.0}), "reliability"),
        (lambda: growth(endogenous={"age": 1.0}), "between -1 and 1"),
        (lambda: growth(formula="y ~ age + (0 + day | s)", endogenous={"age": 0.4}), "no random intercepts"),
        (lambda: growth(variables={**growth().variables, "x": covariate("row", Normal())}, endogenous={"x": 0.4}), "icc=.3"),
        (lambda: covariate("s", Normal(), icc=0.4), "covariate of rows"),
        (lambda: growth().having(**{"missing.share": 0.2}), "nothing is given here that has the part 'share'"),
        (lambda: growth(missing=()).having(**{"missing.share": 0.2}), "whole values, such as missing=[(), MCAR(.1), MCAR(.2)]"),
        (lambda: growth(missing=MCAR(0.1)).having(**{"missing.hazard": 0.2}), "has no part 'hazard'; it has share"),
        (lambda: growth(missing=MAR(0.2, by="own")), "is not at random; use MNAR(share)"),
        (lambda: growth(missing=MCAR()).having(**{"missing.rate": 0.2}), "it has share"),
        (lambda: once(missing=Dropout(0.2)), "each has one row"),
        (lambda: once(missing=(MCAR(0.1), MAR(0.2))), "or MAR(share, by=a column)"),
        (lambda: GaussianMultilevel(missing=MAR(0.2, "IV9")), "Did you mean"),
        (lambda: GaussianMultilevel(serial=AR1(0.5, "IV1")), "there is none"),
        (lambda: Own(residual="t"), "distribution of numbers"),
        (lambda: jaxsim.LogNormalSizes(5, 4), "up to 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value), str(caught.value)


def test_sizes_of_groups_that_vary_much():
    sizes = jaxsim.LogNormalSizes(20, 0.8)
    drawn = jax.vmap(lambda k: sizes.draw(k, jnp.asarray(sizes.parameters())))(jax.random.split(key(1), 20_000))
    drawn = np.asarray(drawn, float)
    # Rounding and the cut at one in 10,000 move the mean by less than 1%, the SD by less than 3%; 4 Monte Carlo errors beside.
    assert abs(drawn.mean() - 20) < 0.2 + 4 * 16 / np.sqrt(20_000)
    assert abs(drawn.std() / 16 - 1) < 0.03 + 0.06
    assert drawn.min() >= 1
    assert drawn.max() <= sizes.largest


def unequal(**world):
    """Units with one, and with four rows of each occasion."""
    return Design(
        "y ~ day + (1 | s)", units={"s": 8}, repeats=(1,) * 4 + (4,) * 4, variables={"day": within(0, 1, 2)}, residual_sd=2.0,
        **world,
    )  # fmt: skip


class TestRowsThatAreNotThere:
    """A unit's block has as many places as the largest one needs: what is in the others must not matter."""

    def test_neighbours_are_rows_that_are_there(self):
        for serial, near, far in ((AR1(0.8), 0.8, 0.64), (MovingAverage(1.0), 0.5, 0.0)):
            y = columns_of(unequal(serial=serial))[0]["y"][:, :4, ::4] / 2  # of units with one row a day
            close(y**2, 1.0)
            close(y[:, :, 0] * y[:, :, 1], near)
            close(y[:, :, 0] * y[:, :, 2], far)

    @pytest.mark.parametrize("by", [None, "earlier", "own", "day"])
    @pytest.mark.parametrize("time", [None, "day"])
    def test_nobody_leaves_at_them(self, by, time):
        columns, _ = columns_of(unequal(missing=Dropout(0.2, by, 1.5, time)))
        keep = columns["keep"].reshape(-1, 8, 3, 4) > 0
        rows = keep[:, :4, :, 0] if time is None else keep.any(3)
        close(rows[:, :, 0], 1.0)
        if time is None and by is None:
            close(rows[:, :, 1], 0.8)
        if time is not None:
            for k in (1, 2):  # of those who are still there, at each occasion
                close(rows[:, :, k - 1].mean(1) * 0.8 - rows[:, :, k].mean(1), 0.0)

    def test_what_leaving_depends_on_is_what_was_seen(self):
        """Where the last response is not seen, given the one before it says nothing."""
        columns, _ = columns_of(growth(missing=(MCAR(0.4), Dropout(0.3, "earlier", 3.0))))
        y, keep = columns["y"], columns["keep"] > 0
        never = ~keep[:, :, 1:].any(2)
        seen, unseen = keep[:, :, 0], ~keep[:, :, 0]
        high = y[:, :, 0] > 0
        assert never[seen & high].mean() > never[seen & ~high].mean() + 0.2
        gap = never[unseen & high].mean() - never[unseen & ~high].mean()
        assert abs(gap) < 4 * np.sqrt(0.5 / unseen.sum())  # the Monte Carlo error of a difference of two rates

    @pytest.mark.parametrize("slope", [0.0, 2.0, 5.0])
    def test_each_later_row_has_the_stated_share(self, slope):
        lost = ~kept(missing=MAR(0.3, slope=slope))[1]
        for k in range(1, 4):
            close(lost[:, :, k], 0.3)

    @pytest.mark.parametrize(("share", "slope", "ratio"), [(0.02, 5.0, (4, 1)), (0.98, -5.0, (4, 1)), (0.2, 5.0, (9, 2))])
    def test_shares_hold_for_uneven_columns(self, share, slope, ratio):
        variables = {**growth().variables, "drug": between("s", ("placebo", "active"), ratio=ratio)}
        close(~kept(variables=variables, missing=MAR(share, "drugactive", slope))[1], share)


class TestGridsOfWorlds:
    def test_measurement_error_in_some_cells_only(self, tmp_path):
        base = Design("y ~ x", units={"s": 30}, variables={"x": covariate("s", Normal(0, 1))}, effects={"x": 1.0})
        base = base.having(measurement_error={"x": 0.5})
        for name, grid in {
            "whole": Grid(measurement_error=[{}, {"x": 0.5}]),
            "part": Grid(**{"measurement_error.x": [1.0, 0.5]}),
        }.items():
            study = Study(base, grid, (jaxsim.PooledOLS(),), 300, seed=1)
            table = study.run(tmp_path / name, progress=False).measures(measures=["bias"], terms=["x"])
            table = table.sort_values("value")
            assert abs(table["value"].iloc[1]) < 4 * table["mcse"].iloc[1]
            assert abs(table["value"].iloc[0] + 0.5) < 4 * table["mcse"].iloc[0]

    def test_a_number_beside_a_scenario_is_of_that_scenario(self):
        for base in (GaussianMultilevel(scenario="realistic"), growth(scenario="realistic")):
            harsh = base.having(scenario="harsh", **{"missing.1.share": 0.3})
            assert harsh.world["missing"] == (Dropout(0.05, by="own"), MAR(0.3))
            assert harsh.world["outliers"] is not None
        assert growth().having(scenario="realistic", **{"serial.correlation": 0.4}).world["serial"] == AR1(0.4)

    def test_two_worlds_of_one_name_are_refused(self):
        with pytest.raises(InputError, match="tables would show as 'harsh'"):
            Grid(scenario=["harsh", Scenario("harsh", missing=MCAR(0.5))])


class TestTables:
    @pytest.mark.parametrize(
        "shape", [TwoKinds(0.5, 6), TwoKinds(0.1, 6), TwoKinds(0.3, 4), Contaminated(0.1, 10), Contaminated(0.01, 20)]
    )
    def test_mixtures_have_their_distribution_function(self, shape):
        z = jnp.linspace(-3.7, 3.7, 20_001)
        sd = np.sqrt(1 + shape.share * (1 - shape.share) * shape.distance**2) if isinstance(shape, TwoKinds) else (
            np.sqrt(1 - shape.share + shape.share * shape.scale**2)
        )  # fmt: skip
        x = np.asarray(shape.of_normal(z))
        if isinstance(shape, TwoKinds):
            x = x * sd + shape.share * shape.distance
            p = (1 - shape.share) * stats.norm.cdf(x) + shape.share * stats.norm.cdf(x - shape.distance)
        else:
            p = (1 - shape.share) * stats.norm.cdf(x * sd) + shape.share * stats.norm.cdf(x * sd / shape.scale)
        # What is promised is 1e-3 of the SD of the quantiles, whose density is at most .4 over the SD of one kind.
        assert abs(p - stats.norm.cdf(z)).max() < 1e-3 * 0.4 * sd

    @pytest.mark.parametrize(
        "shape", [StudentT(3), StudentT(30), SkewNormal(0.9), Gamma(1, 2), LogNormal(1, 1), Uniform(2, 3)], ids=str
    )
    def test_others_have_their_quantiles(self, shape):
        z = np.linspace(-3.7, 3.7, 20_001)
        table = table_of(shape)
        p, s = stats.norm.cdf(z), stats.norm.sf(z)
        known = {
            StudentT: lambda: stats.t(shape.df, scale=np.sqrt((shape.df - 2) / shape.df)),
            Gamma: lambda: stats.gamma(0.25, scale=4),
            LogNormal: lambda: stats.lognorm(np.sqrt(np.log(2)), scale=1 / np.sqrt(2)),
            Uniform: lambda: stats.uniform(2, 1),
        }
        if isinstance(shape, SkewNormal):
            x = np.asarray(shape.of_normal(jnp.asarray(z)))
            ratio = (2 * 0.9 / (4 - np.pi)) ** (2 / 3)
            delta = np.sqrt(np.pi / 2 * ratio / (1 + ratio))
            law = stats.skewnorm(delta / np.sqrt(1 - delta**2))
            assert abs(law.cdf(x * law.std() + law.mean()) - p).max() < 1e-6
            return
        law = known[type(shape)]()
        exact = np.where(z < 0, law.ppf(p), law.isf(s))
        exact = (exact - law.mean()) / law.std()
        assert abs(np.asarray(through(table, jnp.asarray(z))) - exact).max() < 1e-6  # what is promised


def test_own_processes_have_effects_of_their_units_in_this_world():
    process = Own(group_effects=TwoKinds(0.2, 5), sd_noise=0.3)
    keys = jax.random.split(key(3), 4000)
    effects = np.asarray(jax.vmap(lambda k: process.deviations(k, 2.0, 6))(keys))
    close(effects**2, 4.0)
    assert np.mean(effects**3) > 2  # skewed
    with pytest.raises(InputError, match="no column"):
        Own(missing=MAR(by="nope")).rows(key(1))
