"""Effects in standard units: each way meets its definition, and both ways agree."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from scipy import stats

from jaxsim import ICC, Design, Grid, InputError, LinearMixed, Normal, Sized, Study, Uniform, between, covariate, within

ARMS = between("c", ("control", "treated"))


def trial(**changes):
    """Two arms of 12 clusters of 20."""
    default = dict(formula="y ~ arm + (1 | c)", units={"c": 24}, repeats=20, variables={"arm": ARMS}, sd={"c": ICC(0.05)})
    return Design(**{**default, **changes})


def growth(**changes):
    default = dict(
        formula="y ~ arm * t + (1 + t | c)",
        units={"c": 10},
        repeats=(1, 2, 1, 1, 3, 1, 2, 2, 1, 1),
        variables={"arm": ARMS, "t": within(0, 1, 4)},
        sd={"c": {"Intercept": 2, "t": 0.5}},
        correlation=-0.3,
        residual_sd=1.5,
    )
    return Design(**{**default, **changes})


def dense(design):
    """Columns ``[N, P]`` and the covariance matrix of the responses ``[N, N]`` of a growth design, by hand."""
    rows = design.rows(jax.random.key(0, impl="threefry2x32"))
    arm, t = (rows["arm"] == "treated").to_numpy(float), rows["t"].to_numpy()
    z = np.column_stack([np.ones(len(t)), t])
    own = np.array([[4, -0.3], [-0.3, 0.25]])
    same = rows["c"].to_numpy()[:, None] == rows["c"].to_numpy()
    return np.column_stack([np.ones(len(t)), arm, t, arm * t]), (z @ own @ z.T) * same + 2.25 * np.eye(len(t))


class TestDefinitions:
    def test_d_is_over_the_sd_of_a_response_given_the_fixed_effects(self):
        design = trial(effects={"armtreated": Sized(d=0.4)}, residual_sd=3.0)
        row = design.sizes().set_index("term").loc["armtreated"]
        # 1e-12: arithmetic with a few numbers.
        assert row["effect"] == pytest.approx(0.4 * 3 / np.sqrt(0.95), rel=1e-12)
        assert design.sizes().attrs["icc"] == pytest.approx(0.05, rel=1e-12)
        assert design.sizes().attrs["design_effect"] == pytest.approx(1.95, rel=1e-12)
        # Of two equal arms f2 is d^2 / 4 (Cohen 1988, 8.2.7).
        assert row["f2"] == pytest.approx(0.04, rel=1e-12)
        assert row["r2"] == pytest.approx(0.04 / 1.04, rel=1e-12)

    def test_power_is_that_of_the_means_of_clusters(self):
        design = trial(effects={"armtreated": Sized(power=0.8)})
        own, error = 0.05 / 0.95, np.sqrt(2 * (0.05 / 0.95 + 1 / 20) / 12)
        assert design.sizes().attrs["sd"] == pytest.approx(np.sqrt(1 + own), rel=1e-12)
        bound = stats.norm.ppf(0.975)
        effect = design.sizes()["effect"][1]
        power = stats.norm.sf(bound - effect / error) + stats.norm.cdf(-bound - effect / error)
        assert power == pytest.approx(0.8, rel=1e-10)  # a root found to 1e-14, times the slope of the power

    def test_the_other_tail_counts_where_power_is_low(self):
        effect = trial(effects={"armtreated": Sized(power=0.0501)}).sizes()["effect"][1]
        assert 0 < effect < 0.02

    def test_spreads_and_errors_are_those_of_dense_algebra(self):
        design = growth(effects={"t": 0.4, "armtreated:t": 0.2})
        x, v = dense(design)
        found = design.sizes()
        errors = np.sqrt(np.diagonal(np.linalg.inv(x.T @ np.linalg.solve(v, x))))
        sd = np.sqrt(np.diagonal(v).mean())
        alone = [
            np.mean((x[:, j] - x[:, rest] @ np.linalg.lstsq(x[:, rest], x[:, j], rcond=None)[0]) ** 2)
            for j in range(4)
            for rest in [[k for k in range(4) if k != j]]
        ]
        effects = np.array([0, 0, 0.4, 0.2])
        # 1e-10: inverses of well-conditioned matrices of four columns, made in two ways.
        np.testing.assert_allclose(found["d"], effects / sd, rtol=1e-10)
        np.testing.assert_allclose(found["f2"][1:], (effects**2 * alone / sd**2)[1:], rtol=1e-10)
        bound = stats.norm.ppf(0.975)
        expected = stats.norm.sf(bound - effects / errors) + stats.norm.cdf(-bound - effects / errors)
        np.testing.assert_allclose(found["power"], expected, rtol=1e-10)

    @pytest.mark.parametrize("way", [{"d": -0.3}, {"f2": 0.15}, {"r2": 0.2, "negative": True}, {"power": 0.9, "alpha": 0.01}])
    @pytest.mark.parametrize("term", ["armtreated", "t", "armtreated:t"])
    def test_both_ways_agree(self, way, term):
        design = growth(effects={term: Sized(**way)})
        row = design.sizes(alpha=way.get("alpha", 0.05)).set_index("term").loc[term]
        name = next(iter(way))
        assert row[name] == pytest.approx(way[name], rel=1e-9)  # a root found to 1e-14, and arithmetic
        assert (row["effect"] < 0) == (way.get("negative", False) or way[name] < 0)
        raw = growth(effects={term: row["effect"]})
        np.testing.assert_allclose(raw.sizes()["effect"], design.sizes()["effect"])

    def test_scales_and_origins_of_columns_do_not_matter(self):
        """Years and their squares, as they are and less their mean: effects of the squares are the same."""
        effects = {}
        for origin in (0, 2005):
            design = Design(
                "y ~ year + I(year^2) + (1 | c)", units={"c": 8}, variables={"year": within(*(np.arange(2000.0, 2011) - origin))},
                effects={"I(year^2)": Sized(power=0.8)}, sd={"c": 1},
            )  # fmt: skip
            effects[origin] = design.sizes()["effect"][2]
        # 1e-3: of squares of four million eleven digits are left, of what the year does not explain of them five.
        assert effects[0] == pytest.approx(effects[2005], rel=1e-3)

    def test_predictors_that_are_drawn_are_averaged(self):
        design = Design(
            "y ~ x + u",
            units={"c": 50},
            repeats=4,
            variables={"x": covariate("row", Normal(5, 2)), "u": covariate("row", Uniform(0, 1))},
            effects={"x": Sized(f2=0.15), "u": Sized(d=0.5)},
            residual_sd=3.0,
        )
        found = design.sizes().set_index("term")["effect"]
        # Of 200 datasets of 200 rows: 2% is three Monte Carlo errors of a variance from 40,000 rows.
        assert found["x"] == pytest.approx(np.sqrt(0.15) * 3 / 2, rel=0.02)
        assert found["u"] == pytest.approx(1.5, rel=1e-12)

    def test_a_design_effect_is_one_of_the_mean_rows(self):
        design = trial(sd={"c": ICC(design_effect=2.9)})
        assert design.sizes().attrs["icc"] == pytest.approx(0.1, rel=1e-12)


class TestInStudies:
    def test_the_power_is_met(self, tmp_path):
        """A maximal model knows the variances after 200 units nearly: .8 within three Monte Carlo errors and .01."""
        design = trial(units={"c": 200}, repeats=3, effects={"armtreated": Sized(power=0.8)})
        study = Study(design, Grid(), (LinearMixed("y ~ arm + (1 | c)"),), 2000, seed=3)
        table = study.run(tmp_path / "out", progress=False).measures(measures=["rejection"], terms=["armtreated"])
        assert abs(table["value"].item() - 0.8) < 3 * table["mcse"].item() + 0.01

    def test_sizes_are_factors_and_truths_are_raw(self, tmp_path):
        grid = Grid(**{"effects.armtreated": [Sized(d=0.2), Sized(power=0.8)], "units.c": [24, 48]})
        study = Study(trial(), grid, (LinearMixed("y ~ arm + (1 | c)"),), 2, seed=3)
        assert Study.from_json(study.to_json()) == study
        assert len({cell.process.program(cell.process.bounds) for cell in study.cells}) == 2  # one for each number of clusters
        truths = study.run(tmp_path / "out", progress=False).read("estimates").query("term == 'armtreated'")
        by_cell = truths.groupby("cell")["truth"].first().tolist()
        small, large = (trial(units={"c": n}, effects={"armtreated": Sized(power=0.8)}).sizes()["effect"][1] for n in (24, 48))
        np.testing.assert_allclose(by_cell, [0.2 / np.sqrt(0.95)] * 2 + [small, large], rtol=1e-12)  # arithmetic
        assert small == pytest.approx(large * np.sqrt(2), rel=1e-12)

    def test_a_preview_prints_them(self):
        text = str(trial(effects={"armtreated": Sized(d=0.4)}).preview())
        assert "armtreated: 0.4104 is d 0.4, f2 0.04, partial R2 0.0385, power 0.881" in text
        assert "ICC 0.05, design effect 1.95" in text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Sized, "give one of d, f2, r2, power"),
        (lambda: Sized(d=0.3, f2=0.1), "give one of"),
        (lambda: Sized(r2=1.0), "of 1 there would be no noise"),
        (lambda: Sized(f2=-0.1), "negative=True"),
        (lambda: Sized(power=0.03), "above alpha"),
        (lambda: Sized(power=1.0), "below 1"),
        (lambda: Sized(power=0.8, alpha=2), "alpha"),
        (ICC, "give one of them"),
        (lambda: ICC(1.0), "below 1"),
        (lambda: ICC(design_effect=0.5), "at least 1"),
        (lambda: trial(sd={"c": ICC(design_effect=30)}), "below 20"),
        (lambda: growth(sd={"c": {"t": ICC(0.1)}}), "random intercepts"),
        (lambda: trial(effects={"Intercept": Sized(f2=0.1)}), "explains no variance"),
        (lambda: trial(effects={"armtreated": Sized(d=0.1)}, residual_sd=0.0), "no residual SD to measure it by"),
        (lambda: trial(effects={"armtreated": Sized(power=0.8)}, residual_sd=0.0, sd={"c": 1}), "no residual SD"),
        (lambda: trial(residual_sd=0.0), "no residual SD"),
        (lambda: trial(effects={"armtreated": "large"}), "Sized(d=.4)"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value), str(caught.value)
