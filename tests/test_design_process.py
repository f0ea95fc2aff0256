"""``Design``: columns as lmer makes them, fits that agree with lmer on the same rows, known powers, and what is refused."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass

import jax
import numpy as np
import pytest
from scipy import stats

import jaxsim
from jaxsim import (
    Bernoulli,
    Categorical,
    Design,
    Distribution,
    Empirical,
    FunctionEstimator,
    Gamma,
    GaussianMultilevel,
    Grid,
    InputError,
    LinearMixed,
    Lme4,
    Normal,
    NotSupportedError,
    PoissonSizes,
    PooledOLS,
    Study,
    Uniform,
    WithinRegression,
    between,
    covariate,
    lmer,
    within,
)
from jaxsim.formula.model_matrix import model_matrix
from jaxsim.formula.parse import parse
from jaxsim.testing import check_process

ARMS = between("subject", ("placebo", "active"))
DAYS = within(0, 1, 3, 9)
TRIAL = dict(
    units={"subject": 12},
    variables={"drug": ARMS, "day": DAYS, "age": covariate("subject", Normal(35, 10))},
    effects={"(Intercept)": 500, "day": 10, "drugactive:day": -5},
    sd={"subject": {"Intercept": 60, "day": 8}},
    correlation={"subject": 0.2},
    residual_sd=40,
)
GROWTH = "rt ~ drug * day + age + (day | subject)"


def trial(**changes):
    return Design(**{"formula": GROWTH, **TRIAL, **changes})


def key(seed):
    return jax.random.key(seed, impl="threefry2x32")


def nct(noncentrality, df, alpha=0.05):
    """Power of a two-sided t test."""
    bound = stats.t.ppf(1 - alpha / 2, df)
    return stats.nct.sf(bound, df, noncentrality) + stats.nct.cdf(-bound, df, noncentrality)


# Designs of different kinds, with the formula that the strategy and lmer get; small, and of few shapes, as each compiles a program.
DIFFERENT = {
    "growth in two arms": (trial(), GROWTH),
    "sum contrasts and polynomials, unequal repeats": (
        Design(
            "y ~ C(site, Sum) + poly(day, 2) + (1 | subject)",
            units={"subject": 9},
            repeats=(1, 2, 1, 3, 1, 2, 2, 1, 1),
            variables={"site": between("subject", ("a", "b", "c")), "day": DAYS},
            effects={"Intercept": 3, "poly(day, 2)1": 2},
            sd={"subject": 1},
        ),
        "y ~ C(site, Sum) + poly(day, 2) + (1 | subject)",
    ),
    "no intercept, an interaction in another order": (
        Design(
            "y ~ 0 + dose + dose:x + (1 | pair)",
            units={"pair": 11},
            repeats=2,
            variables={"dose": within("low", "mid", "high"), "x": covariate("row", Gamma(2, 1))},
            effects={"doselow": 1, "dosemid": 2, "dosehigh:x": 0.5},
            sd={"pair": 0.7},
        ),
        "y ~ 0 + x:dose + dose + (1 | pair)",
    ),
    "predictors that are computed": (
        Design(
            "y ~ I(x^2) + log(w) + factor(b) + (1 | g)",
            units={"g": 10},
            repeats=PoissonSizes(6, 2),
            variables={
                "x": covariate("row", Uniform(-1, 1)),
                "w": covariate("g", Gamma(3, 1)),
                "b": covariate("row", Bernoulli(0.4)),
            },
            effects={"I(x^2)": 1, "log(w)": 0.5, "factor(b)1": 0.3},
            sd={"g": 0.5},
        ),
        "y ~ I(x^2) + log(w) + factor(b) + (1 | g)",
    ),
    "random slopes of a factor, independent terms": (
        Design(
            "y ~ when + z + (when | who) + (0 + z | who)",
            units={"who": 14},
            repeats=4,
            variables={"when": within("pre", "post"), "z": covariate("row", Normal())},
            effects={"whenpost": 0.4},
            sd={"who": {"Intercept": 1, "whenpost": 0.8, "z": 0.6}},
            correlation={"who": -0.3},
        ),
        "y ~ when + z + (when | who) + (0 + z | who)",
    ),
    "levels at random, jittered occasions": (
        Design(
            "y ~ arm / day + (1 | subject)",
            units={"subject": 12},
            variables={"arm": between("subject", ("c", "t"), ratio=(2, 1), randomised=True), "day": within(0, 1, 3, 9, jitter=0.5)},
            effects={"armt:day": 0.4},
            sd={"subject": 1},
        ),
        "y ~ arm + arm:day + (1 | subject)",
    ),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("designs")


class TestAsLmerHasIt:
    @pytest.mark.parametrize("name", DIFFERENT)
    def test_the_stored_fit_is_that_of_the_rows(self, name, cache):
        design, formula = DIFFERENT[name]
        study = Study(design, Grid(), (LinearMixed(formula),), 2, seed=5)
        stored = study.run(cache / name.replace(" ", "-"), progress=False).read("estimates")
        for replicate in range(2):
            rows = study.dataset(cell=0, replicate=replicate)
            fit = lmer(formula, rows)
            own = stored[stored["replicate"] == replicate].set_index("term")
            names = {("Intercept" if t == "(Intercept)" else t): t for t in fit.table["term"]}
            if "x:dose" in formula:  # the process calls it dosehigh:x, where lmer of this order says x:dosehigh
                names = {(":".join(reversed(t.split(":")))): t for t in fit.table["term"]}
            table = fit.table.set_index("term").loc[[names[t] for t in own.index]]
            # 1e-9: two optimisers that end with Newton steps on the same cross-products; what differs is rounding.
            for column in ("estimate", "std_error"):
                np.testing.assert_allclose(own[column], table[column], rtol=1e-9, atol=1e-9, err_msg=f"{name}: {column}")

    @pytest.mark.parametrize("name", DIFFERENT)
    def test_the_effects_meet_the_columns_by_name(self, name):
        """Rows without noise are the model matrix of the formula, as lmer makes it of these rows, times the true effects."""
        design, _ = DIFFERENT[name]
        rows = design.having(residual_sd=0.0, sd={}).rows(key(3))
        matrix = model_matrix(parse(design.formula).fixed, rows)
        truth = rows.attrs["truth"]["fixed_effects"]
        assert [n.replace("(Intercept)", "Intercept") for n in matrix.names] == list(truth)
        # 1e-9: sums of a few products in double precision, of numbers up to 500.
        np.testing.assert_allclose(matrix.values @ list(truth.values()), rows[design.response], atol=1e-9)
        unit = design.factors[0]
        assert rows[unit].nunique() == design.units[unit]


def datasets(design, count=10_000, seed=1):
    """Columns of many datasets, ``[count, N]`` by name, and the row's unit ``[N]``."""
    keys = jax.random.split(key(seed), count)
    columns = jax.jit(jax.vmap(lambda k: design.simulate(k)[1]))(keys)
    found = {name: np.asarray(value) for name, value in columns.items()}
    return found, found[design.factors[0]][0]


def agrees(statistic, df, power, alpha=0.05):
    """Whether the share of rejections is within three Monte Carlo errors of a power."""
    rejected = np.mean(2 * stats.t.sf(abs(statistic), df) < alpha)
    assert abs(rejected - power) < 3 * np.sqrt(power * (1 - power) / len(statistic)), (rejected, power)


def two_groups(values, arm):
    """The t statistic of two groups with a common variance, ``[count]``."""
    return stats.ttest_ind(values[:, arm], values[:, ~arm], axis=1).statistic


def of_units(y, design):
    """Responses by unit, ``[count, U, block]``."""
    return y.reshape(len(y), -1, design.plan.schedule.block)


def ancova(data):
    """Of the second of two occasions, given the first: the difference between two arms by least squares."""
    pre, post = data.y.reshape(-1, 2).T
    arm = data.x[::2, data.columns.index("armb")]
    x = jax.numpy.stack([jax.numpy.ones_like(pre), arm, pre], axis=1)
    inverse = jax.numpy.linalg.inv(x.T @ x)
    coefficients = inverse @ (x.T @ post)
    df = len(post) - 3
    variance = ((post - x @ coefficients) ** 2).sum() / df
    return {"estimate": coefficients[1:2], "std_error": jax.numpy.sqrt(variance * inverse[1:2, 1]), "df": df}


class TestClosedForms:
    """Powers known exactly, each met within three Monte Carlo errors by 10,000 datasets (by chance 1 in 370 would not be)."""

    @pytest.mark.parametrize("arms", [6, 10, 20])
    def test_a_trial_of_whole_clusters(self, arms):
        icc, size, d = 0.05, 20, 0.4
        design = Design(
            "y ~ arm + (1 | cluster)",
            units={"cluster": 2 * arms},
            repeats=size,
            variables={"arm": between("cluster", ("control", "treated"))},
            effects={"armtreated": d},
            sd={"cluster": icc**0.5},
            residual_sd=(1 - icc) ** 0.5,
        )
        columns, _ = datasets(design)
        means = of_units(columns["y"], design).mean(2)
        arm = columns["armtreated"][0].reshape(-1, size)[:, 0] > 0
        assert arm.sum() == arms
        agrees(two_groups(means, arm), 2 * arms - 2, nct(d / np.sqrt(2 * (icc + (1 - icc) / size) / arms), 2 * arms - 2))

    def test_a_slope_over_four_fixed_occasions(self):
        design = Design(
            "y ~ day + (1 | s)",
            units={"s": 15},
            variables={"day": DAYS},
            effects={"day": 0.1},
            sd={"s": 3},
        )
        y = of_units(datasets(design)[0]["y"], design)
        x = np.array([0.0, 1, 3, 9]) - 3.25
        within_units = y - y.mean(2, keepdims=True)
        information, df = 15 * (x**2).sum(), 15 * 3 - 1
        slope = (within_units * x).sum((1, 2)) / information
        rest = ((within_units - slope[:, None, None] * x) ** 2).sum((1, 2)) / df
        agrees(slope / np.sqrt(rest / information), df, nct(0.1 * np.sqrt(information), df))

    def test_the_interaction_of_a_two_by_two_mixed_anova(self):
        """n = 52 an arm, correlation .6, means 1, 1.5 and 1, 1: power .806 (Superpower)."""
        design = Design(
            "y ~ arm * when + (1 | s)",
            units={"s": 104},
            variables={"arm": between("s", ("a", "b")), "when": within("pre", "post")},
            effects={"Intercept": 1, "whenpost": 0.5, "armb:whenpost": -0.5},
            sd={"s": 0.6**0.5},
            residual_sd=0.4**0.5,
        )
        columns, _ = datasets(design)
        change = np.diff(of_units(columns["y"], design), axis=2)[:, :, 0]
        arm = columns["armb"][0].reshape(-1, 2)[:, 0] > 0
        power = nct(0.5 / np.sqrt(2 * 0.4 * 2 / 52), 102)
        assert round(power, 3) == 0.806
        agrees(two_groups(change, arm), 102, power)

    @pytest.mark.parametrize(("units", "known"), [(10, 0.293), (20, 0.565), (34, 0.808)])
    def test_a_t_test_within_subjects(self, units, known):
        """Effect half the SD of the differences, which is sqrt(2) here."""
        design = Design(
            "y ~ cond + (1 | s)",
            units={"s": units},
            variables={"cond": within("a", "b")},
            effects={"condb": 0.5 * np.sqrt(2)},
            sd={"s": 2},
        )
        change = np.diff(of_units(datasets(design)[0]["y"], design), axis=2)[:, :, 0]
        power = nct(0.5 * np.sqrt(units), units - 1)
        assert round(power, 3) == known
        agrees(stats.ttest_1samp(change, 0.0, axis=1).statistic, units - 1, power)

    def test_covariance_analysis_and_change_scores(self, tmp_path):
        """Responses before and after a treatment, of variance 1 and correlation r, n = 20 people an arm. The variance of the effect
        is 2/n times 2 (1 - r) by change scores and 1 - r^2 given the responses before (Frison & Pocock 1992, Statistics in Medicine
        11, 1685-1704). These differ between arms by chance, which costs 1 / (1 - R^2) more; R^2 is Beta(1/2, n - 1), so that is
        (2n - 3) / (2n - 4) on average."""
        n, r = 20, [0.2, 0.5, 0.8]
        design = Design(
            "y ~ arm * when + (1 | s)",
            units={"s": 2 * n},
            variables={"arm": between("s", ("a", "b")), "when": within("pre", "post")},
            effects={"whenpost": 0.3, "armb:whenpost": 0.5},
            sd={"s": 1},
        )
        grid = Grid(r=r).linked(lambda r: {"sd.s.Intercept": r**0.5, "residual_sd": (1 - r) ** 0.5})
        treatment = ("armb:whenpost",)
        strategies = (WithinRegression(vcov="iid", label="change"), FunctionEstimator(ancova, data="rows", terms=treatment))
        study = Study(design, grid, strategies, 10_000, seed=6)
        table = study.run(tmp_path / "out", progress=False).measures(measures=["empirical_se", "model_se", "bias"], terms=treatment)
        table = table.set_index(["measure", "model", "r"])
        for one in r:
            variances = {"change": 2 * (1 - one), "ancova": (1 - one**2) * (2 * n - 3) / (2 * n - 4)}
            for model, measure in itertools.product(variances, ("empirical_se", "model_se", "bias")):
                row = table.loc[(measure, model, one)]
                expected = 0.0 if measure == "bias" else np.sqrt(variances[model] * 2 / n)
                assert abs(row["value"] - expected) < 3 * row["mcse"], (measure, model, one)

    def test_least_squares_with_correlated_predictors(self):
        """The mean inverse of centred cross-products of normal predictors is that of an inverse Wishart matrix."""
        design = Design(
            "y ~ a + b",
            units={"person": 40},
            variables={"a": covariate("person", Normal(10, 2)), "b": covariate("row", Normal(0, 1))},
            effects={"a": 0.5, "b": 1},
        )
        design = design.having(variables={n: covariate("person", v.distribution) for n, v in design.variables.items()})
        design = design.having(correlations={("b", "a"): 0.6})
        columns, _ = datasets(design)
        x = np.stack([columns["a"], columns["b"]], axis=2)
        x, y = x - x.mean(1, keepdims=True), columns["y"] - columns["y"].mean(1, keepdims=True)
        slopes = np.linalg.solve(x.transpose(0, 2, 1) @ x, (x * y[:, :, None]).sum(1)[..., None])[..., 0]
        expected = np.linalg.inv(np.array([[4, 1.2], [1.2, 1]])) / (40 - 1 - 3)
        deviations = slopes - [0.5, 1]
        # Three standard errors of a mean of squares, from the squares themselves.
        for i, j in itertools.combinations_with_replacement(range(2), 2):
            products = deviations[:, i] * deviations[:, j]
            assert abs(products.mean() - expected[i, j]) < 3 * products.std() / np.sqrt(len(products))

    def test_strategies_see_the_power(self, tmp_path):
        """Fixed times 1 to 4 of 15 students, slope .25 at alpha .01: .311, which independent normal times miss (.174)."""
        design = Design(
            "score ~ year + (1 | student)",
            units={"student": 15},
            variables={"year": within(1, 2, 3, 4)},
            effects={"Intercept": 20, "year": 0.25},
            sd={"student": 3},
        )
        study = Study(design, Grid(), (LinearMixed("score ~ year + (1 | student)"),), 10_000, seed=3)
        table = study.run(tmp_path / "out", progress=False).measures(measures=["rejection"], alpha=0.01, terms=["year"])
        power = nct(0.25 * np.sqrt(75), 44, 0.01)
        assert round(power, 3) == 0.311
        assert abs(table["value"].item() - power) < 3 * table["mcse"].item()


class TestSameLaw:
    def test_as_the_gaussian_multilevel_process(self):
        """Means and second moments of what fits read agree within Monte Carlo error; each within four errors."""
        sd, correlation, residual, effects = (0.8, 0.5), 0.3, 1.5, (1.0, 0.4)
        old = GaussianMultilevel(8, 6, sd, 1, effects, correlation, residual, sampler="rows")
        new = Design(
            "DV ~ IV1 + (IV1 | Group)",
            units={"Group": 8},
            repeats=6,
            variables={"IV1": covariate("row", Normal(0, 1))},
            effects=dict(zip(("Intercept", "IV1"), effects, strict=True)),
            sd={"Group": {"Intercept": sd[0], "IV1": sd[1]}},
            correlation=correlation,
            residual_sd=residual,
        )
        sums = []
        for process in (old, new):
            bounds = process.bounds.padded()
            values = process.parameters(bounds)
            draw = jax.jit(jax.vmap(lambda k, p=process, v=values, b=bounds: p.draw(k, v, b).data.reduce(b.cells).products))
            products = np.asarray(draw(jax.random.split(key(7), 4000)))[:, :8]
            entries = products[..., *np.triu_indices(3)]  # of 1, x, y in every group
            within_unit, total = entries[..., 1:].var(1), entries[..., 1:].sum(1)
            # What the correlation of intercepts and slopes shows in: sums of residuals, and of their products with the predictor.
            left = (entries[..., 2] - 6 * effects[0]) * (entries[..., 4] - effects[1] * entries[..., 3])
            sums.append(np.concatenate([total, within_unit, np.log(within_unit), total[:, 4:] ** 2, left], axis=1))
        mean, error = [s.mean(0) for s in sums], [s.std(0) / np.sqrt(len(s)) for s in sums]
        assert (abs(mean[0] - mean[1]) < 4 * np.hypot(*error)).all(), (mean, error)


class TestRows:
    def test_their_order_and_what_they_hold(self):
        rows = trial(repeats=2, formula="rt ~ drug * day + (day | subject)").rows(key(0))
        assert list(rows.columns[:5]) == ["subject", "drug", "day", "age", "rt"]
        assert list(rows["drug"].cat.categories) == ["placebo", "active"]
        assert rows["subject"].tolist() == np.repeat(np.arange(1, 13), 8).tolist()
        assert rows["day"].tolist() == np.tile(np.repeat([0.0, 1, 3, 9], 2), 12).tolist()
        assert rows.groupby("subject")["drug"].first().value_counts().tolist() == [6, 6]

    @pytest.mark.parametrize(
        ("units", "ratio", "expected"), [(10, None, [3, 2, 2, 3]), (12, (2, 1), [4, 4, 2, 2]), (9, (2, 1), [3, 3, 2, 1])]
    )
    def test_balanced_over_all_variables_together(self, units, ratio, expected):
        design = Design(
            "y ~ a * b",
            units={"s": units},
            variables={"a": between("s", ("a1", "a2"), ratio=ratio), "b": between("s", ("b1", "b2"))},
        )
        rows = design.rows(key(0))
        counts = rows.groupby(["a", "b"], observed=False).size().tolist()
        assert sorted(counts) == sorted(expected)
        # Both variables stay balanced, too, and any stretch of units has its share of each.
        shares = {"a": np.array(ratio or (1, 1)) / sum(ratio or (1, 1)), "b": np.array([0.5, 0.5])}
        for name, share in shares.items():
            codes = rows[name].cat.codes.to_numpy()
            for k in range(1, units + 1):
                assert (abs(np.bincount(codes[:k], minlength=2) - share * k) <= 1.5 + 1e-9).all()

    def test_at_random_by_ratio(self):
        design = Design("y ~ arm", units={"s": 10}, variables={"arm": between("s", ("c", "t"), ratio=(3, 1), randomised=True)})
        treated = datasets(design, 4000)[0]["armt"].sum(1)
        assert abs(treated.mean() - 2.5) < 3 * np.sqrt(10 * 0.1875 / 4000)
        # Independent draws: binomial, of variance 1.875; the variance of 4,000 has an error of about 2.2%.
        assert abs(treated.var() / 1.875 - 1) < 3 * 0.023

    def test_jitter_is_one_number_a_unit_and_occasion(self):
        rows = Design("y ~ day", units={"s": 5}, repeats=2, variables={"day": within(0, 7, jitter=1)}).rows(key(0))
        times = rows["day"].to_numpy().reshape(5, 2, 2)
        assert (times[..., 0] == times[..., 1]).all()
        assert (abs(times[..., 0] - [0, 7]) <= 1).all()
        assert np.unique(times).size == 10

    def test_random_sizes_leave_rows_out(self):
        rows = Design("y ~ 1 + (1 | s)", units={"s": 40}, repeats=PoissonSizes(5, 2)).rows(key(0))
        sizes = rows.groupby("s").size()
        assert sizes.min() >= 2
        assert len(set(sizes)) > 2


@dataclass(frozen=True)
class Triangular(Distribution):
    """An own distribution."""

    def quantile(self, p):
        return jax.numpy.sqrt(p)


class TestDistributions:
    @pytest.mark.parametrize(
        ("own", "known"),
        [
            (Normal(3, 2), stats.norm(3, 2)),
            (Uniform(-1, 4), stats.uniform(-1, 5)),
            (Gamma(2, 1), stats.gamma(4, scale=0.5)),
            (Gamma(1, 5), stats.gamma(0.04, scale=25)),
            (Bernoulli(0.3), stats.bernoulli(0.3)),
        ],
    )
    def test_quantiles(self, own, known):
        p = np.array([0.001, 0.1, 0.31, 0.5, 0.69, 0.8, 0.97, 0.9999])
        # 1e-8 of the number: the gamma quantile is interpolated; 1e-12 beside it, for numbers that are all but zero.
        np.testing.assert_allclose(own.quantile(p), known.ppf(p), rtol=1e-8, atol=1e-12)

    def test_levels_and_columns(self):
        assert Categorical(("b", "a"), (3, 1)).quantile(np.array([0.1, 0.74, 0.76])).tolist() == [0, 0, 1]
        assert Categorical((5, 2)).quantile(np.array([0.1, 0.6])).tolist() == [5, 2]
        assert Empirical((3, 1, 2, 2)).quantile(np.array([0.1, 0.3, 0.6, 0.9])).tolist() == [1, 2, 2, 3]
        assert Empirical(np.array(["x", "a", "x"])).levels == ("a", "x")

    def test_a_copula_and_an_own_distribution(self):
        design = Design(
            "y ~ a + b + c",
            units={"s": 200},
            variables={
                "a": covariate("s", Gamma(2, 2)),
                "b": covariate("s", Triangular()),
                "c": covariate("s", Categorical(("u", "v"), (1, 3))),
            },
            correlations={("a", "b"): 0.5, ("b", "c"): -0.4},
        )
        columns = datasets(design, 200)[0]
        a, b, c = (columns[name].ravel() for name in ("a", "b", "cv"))
        # Spearman's correlation of a Gaussian copula is 6 / pi asin(r / 2); 40,000 values have an error of .005.
        assert abs(stats.spearmanr(a, b).statistic - 6 / np.pi * np.arcsin(0.25)) < 3 * 0.005
        assert abs(c.mean() - 0.75) < 3 * np.sqrt(0.1875 / 40000)
        assert stats.spearmanr(b, c).statistic < -0.15
        assert abs(b.mean() - 2 / 3) < 3 * np.sqrt(1 / 18 / 40000)


class TestGrids:
    def test_numbers_share_one_program(self):
        factors = {
            "effects.drugactive:day": [-5, 0.5],
            "sd.subject.day": [0, 8],
            "correlation.subject": [0.0, 0.4],
            "residual_sd": [40, 1],
        }
        study = Study(trial(), Grid(**factors), (PooledOLS(),), 2)
        assert len({cell.process.program(cell.process.bounds.padded()) for cell in study.cells}) == 1
        last = study.cells[-1].process
        assert (last.effects["drugactive:day"], last.sd["subject"]["day"], last.correlation, last.residual_sd) == (
            0.5, 8.0, {"subject": 0.4}, 1.0,
        )  # fmt: skip

    def test_parts_of_other_kinds(self):
        study = Study(
            trial(),
            Grid(**{"units.subject": [8, 12], "variables.day": [DAYS, within(0, 1, 2, 3)], "repeats": [1, 2]}),
            (LinearMixed(GROWTH),),
            2,
        )
        assert [len(study.dataset(cell=k, replicate=0)) for k in (0, 1, 6, 7)] == [32, 64, 48, 96]
        again = Study.from_json(study.to_json())
        assert [cell.key for cell in again.cells] == [cell.key for cell in study.cells]

    def test_its_null_twin(self):
        design = trial()
        assert design.null("drug:day") == design.null("drugactive:day") == design.having(**{"effects.drugactive:day": 0})
        assert design.null("(Intercept)").effects == {"day": 10.0, "drugactive:day": -5.0}
        assert design.effects["drugactive:day"] == -5.0

    def test_effects_that_are_drawn(self):
        design = trial(effects={"day": Normal(3, 1), "drugactive": Uniform(1, 2)})
        truth = [design.rows(key(k)).attrs["truth"]["fixed_effects"] for k in range(2)]
        assert truth[0]["day"] != truth[1]["day"]
        assert all(1 <= one["drugactive"] <= 2 for one in truth)

    def test_the_contract_of_processes(self):
        check_process(trial())


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            (
                dict(effects={"drugactve:day": 1}),
                "makes no term 'drugactve:day'. Did you mean 'drugactive:day'.* Its terms are Intercept",
            ),
            (dict(effects={"day:drugactive": 1}), "Did you mean 'drugactive:day'"),
            (dict(effects={"drughigh": 1}), "The levels of 'drug' are 'placebo', 'active'; 'placebo' is the reference"),
            (dict(effects={"day": np.inf}), "'day' is inf; give a finite number"),
            (dict(sd={"subject": {"day": -1}}), "'day' is -1: a standard deviation is a finite number of at least 0"),
            (dict(sd={"day": 1}), r"'day' is no unit. Did you mean \{'subject': \{'day': ..\}\}\? The units are 'subject'"),
            (dict(residual_sd=np.inf), "residual_sd is inf"),
            (dict(correlation={"subject": 1.5}), "not positive semi-definite"),
            (dict(correlations={("age", "day"): 0.2}), "'day' is no covariate; these are: age"),
            (dict(units={"school": 5}), "random effects by 'subject', which is no unit; the units are 'school'"),
            (dict(variables={"drug": ARMS, "day": DAYS}), "has the variable 'age', which variables does not describe"),
            (dict(variables={**TRIAL["variables"], "day": within(3)}), "at most 1 rows, and 2 random effects"),
            (dict(repeats=(1, 2)), "repeats has 2 numbers for 12 units"),
            (dict(units={"subject": 1}), "no subject of 1 gets the level 'active' of 'drug'"),
            (dict(formula="rt ~ drug * day + scale(age) + (day | subject)"), "learns from all rows, and 'age' is drawn anew"),
            (dict(formula="rt ~ drug * day + factor(age) + (day | subject)"), "makes a factor of 'age'"),
            (dict(formula="log(rt) ~ day + (day | subject)"), "must be a name, such as rt"),
            (dict(variables={**TRIAL["variables"], "sex": between("school", ("f", "m"))}), "belongs to 'school', which is no unit"),
        ],
    )
    def test_designs(self, changes, words):
        with pytest.raises(InputError, match=words):
            trial(**changes)

    def test_correlations_that_nothing_can_have(self):
        variables = {name: covariate("s", Normal()) for name in "abc"}
        pairs = {("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}
        with pytest.raises(InputError, match="correlations of a, b, c: not positive semi-definite"):
            Design("y ~ a + b + c", units={"s": 9}, variables=variables, correlations=pairs)

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: between("s", ("a", "b"), ratio=(1, 2, 3)), "give 2 positive numbers, one for each level"),
            (lambda: between("s", ("a", "a")), "'a' is given twice"),
            (lambda: between("s", ("a", 1)), "all of them as text, or all as finite numbers"),
            (lambda: within("pre", "post", jitter=1), "only numbers can be shifted"),
            (lambda: covariate("s", 3), "and a distribution, such as"),
            (lambda: Gamma(-1, 1), "positive mean"),
            (lambda: Bernoulli(1.0), "between 0 and 1"),
            (lambda: Empirical((1.0, np.nan)), "nan is among the values"),
            (lambda: Categorical(("a", "b"), (1,)), "give 2 positive numbers"),
        ],
    )
    def test_variables(self, make, words):
        with pytest.raises(InputError, match=words):
            make()

    @pytest.mark.parametrize(
        ("formula", "words"),
        [
            ("RT ~ drug + (1 | subject)", "the response 'RT' is not a column.*Did you mean 'rt'.*drugactive:day, rt"),
            ("rt ~ drugs + (1 | subject)", "'drugs' is not a column.*Did you mean 'drug'.*drugactive:day, drug\\."),
            ("rt ~ day + (days | subject)", "the random effect 'days' is not a column.*Did you mean 'day'"),
            ("rt ~ day + (day | subjct)", "'subjct' is not a grouping factor of the process. Did you mean 'subject'. Use subject"),
        ],
    )
    def test_typing_errors_in_strategies(self, formula, words):
        with pytest.raises(InputError, match=words):
            Study(trial(), Grid(), (LinearMixed(formula),), 2)

    def test_strategies_that_ask_for_more(self):
        with pytest.raises(InputError, match="'drugactive:age' is not a column of the process"):
            Study(trial(), Grid(), (LinearMixed("rt ~ drug * age + (1 | subject)"),), 2)
        with pytest.raises(NotSupportedError, match="with a factor"):
            trial(formula="rt ~ drug + day + age + (drug || subject)", sd={}, correlation={}, effects={})


class TestPreview:
    def test_who_sees_what(self):
        shown = str(trial().preview())
        assert "12 units (subject), 48 rows: 4 each" in shown
        assert "drug: each subject has one of placebo, active" in shown
        assert "day: every subject meets 0, 1, 3, 9" in shown
        assert "Units by drug: placebo: 6; active: 6" in shown
        assert "Vary within subject: day, drugactive:day; one number each: drugactive, age" in shown
        assert "sd.subject.day 8, correlation.subject 0.2, residual_sd 40" in shown

    def test_its_figure(self):
        axes = trial().preview().figure().axes
        assert [len(part.get_offsets()) for part in axes[0].collections] == [24, 24]
        assert (axes[0].get_xlabel(), axes[0].get_ylabel()) == ("day", "subject")
        assert len(DIFFERENT["no intercept, an interaction in another order"][0].preview().figure().axes) == 3


@pytest.mark.lme4
@pytest.mark.usefixtures("running_workers")
def test_lme4_finds_the_terms(tmp_path):
    """R names an interaction by the order of its formula, and a column that is no R name in backquotes."""
    strategies = (
        LinearMixed(GROWTH),
        Lme4(GROWTH, effort="tight"),
        Lme4("rt ~ day * drug + age + (day | subject)", effort="tight", label="turned"),
        Lme4(effort="tight", label="columns"),
    )
    estimates = Study(trial(), Grid(), strategies, 1).run(tmp_path / "out", progress=False).read("estimates")
    table = estimates.pivot(index="term", columns="model", values="estimate")
    assert len(table) == 5
    # 1e-5: lme4's optimisers at tight tolerances; the estimates, unlike the likelihood, are flat only to first order.
    np.testing.assert_allclose(table["lme4"], table["lmer"], rtol=1e-5)
    np.testing.assert_allclose(table["turned"], table["lmer"], rtol=1e-5)
    assert table["columns"].notna().all()


@pytest.mark.parametrize("extra", [0, 9])
def test_cross_products_of_blocks_are_those_of_the_rows(extra):
    """With few columns each sum is taken by itself, with many they are a product of matrices: both as by the rows' units."""
    more = {f"x{k}": covariate("row", Normal()) for k in range(extra)}
    design = trial(variables={**TRIAL["variables"], **more}, repeats=PoissonSizes(3))
    bounds = design.bounds.padded()
    rows = design.draw(key(1), design.parameters(bounds), bounds).data
    blocks, units = rows.reduce(bounds.cells), dataclasses.replace(rows, block=0).reduce(bounds.cells)
    np.testing.assert_array_equal(blocks.sizes, units.sizes)
    # 1e-12: sums of some twenty products in another order.
    np.testing.assert_allclose(blocks.products, units.products, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("correlation", [-0.3, ((1, 0.5, 0), (0.5, 1, 0), (0, 0, 1))])
def test_group_coefficients_have_the_covariance_that_is_told(correlation):
    design = DIFFERENT["random slopes of a factor, independent terms"][0].having(correlation={"who": correlation})
    bounds = design.bounds.padded()
    draw = jax.jit(jax.vmap(lambda k: design.draw(k, design.parameters(bounds), bounds).truth))
    truth = draw(jax.random.split(key(4), 2000))
    names = design.names
    order = [dict(names.random)["who"].index(term) for term in dict(names.components)["who"]]
    deviations = np.asarray(truth.groups["who"])[:, :, order].reshape(-1, 3) - [0, 0.4, 0]
    told = np.asarray(truth.covariance["who"][0])
    r = correlation if isinstance(correlation, float) else 0.5
    np.testing.assert_allclose(told, [[1, 0.8 * r, 0], [0.8 * r, 0.64, 0], [0, 0, 0.36]], atol=1e-15)
    # Covariances of 28,000 normal pairs: an error of at most sqrt(2) variances / sqrt(28,000) = .0085; four of them.
    np.testing.assert_allclose(deviations.T @ deviations / len(deviations), told, atol=4 * 0.0085)


def test_a_maximal_model_has_slopes_of_what_varies_within_units_alone():
    """The slope of ``day`` differs between subjects; that of ``drugactive:day`` is the same slope, of some of them."""
    design = Design(
        "y ~ drug * day * x + (1 | subject)",
        units={"subject": 8},
        variables={
            "drug": between("subject", levels=("placebo", "active")),
            "day": within(0, 1, 3),
            "x": covariate("row", Normal(0, 1)),
        },
    )
    assert LinearMixed().random_effects(design.names)[0].blocks == (("Intercept", "day", "x", "day:x"),)


def test_a_maximal_model_is_fitted_as_it_is_named(tmp_path):
    """The strategy knows the names of a process before it runs and those of the data when it fits: they say the same."""
    variables = {"drug": between("subject", levels=("placebo", "active")), "day": within(0, 1, 3, 9)}
    design = Design("y ~ drug * day + (1 | subject)", units={"subject": 24}, variables=variables, sd={"subject": 1})
    study = Study(design, Grid(), (LinearMixed(),), 2, seed=1)
    fit = study.run(tmp_path / "out", progress=False).fits.iloc[0]
    expected = jaxsim.lmer("y ~ drug * day + (day | subject)", study.dataset(0, 0))
    np.testing.assert_allclose(fit["criterion"], expected.criterion, rtol=1e-9)  # two ways to one optimum, as the other designs


def test_a_single_random_effect_has_no_correlation_to_speak_of():
    def told(formula):
        design = Design(formula, {"subject": 6}, variables={"day": within(0, 1, 3)}, sd={"subject": 2.0})
        return str(design.preview()), design._repr_html_()

    for text in told("y ~ day + (1 | subject)"):
        assert "correlation" not in text
        assert "sd.subject.Intercept" in text
    for text in told("y ~ day + (day | subject)"):
        assert "correlation.subject" in text
