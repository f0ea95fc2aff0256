"""How many are needed: the crossing against brute force, its limits by simulation, the table, the sentence and the command."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from made_up import results_of, standings_of
from scipy import optimize, stats

from jaxsim import GaussianMultilevel, Grid
from jaxsim.cli.main import main
from jaxsim.errors import InputError
from jaxsim.measures.crossing import ABOVE, BELOW, FALLS, FOUND, NOTHING, between_sizes, crossing_of, half_an_event
from jaxsim.measures.interval import Z, wilson
from jaxsim.measures.promises import COVERAGE
from jaxsim.measures.sufficiency import in_words
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.found import found
from jaxsim.report.how_many import how_many, sentences

SIZES = np.array([20.0, 40.0, 80.0, 120.0])


def crossed(rates, trials=1000, target=0.8, sizes=SIZES):
    """The crossing of proportions of so many trials."""
    rates = np.asarray(rates, float)
    low, high = wilson(rates, np.full(len(rates), float(trials)))
    return crossing_of(np.asarray(sizes, float), rates, np.sqrt(rates * (1 - rates) / trials), low, high, target)


def brute_force(rates, trials, target, points=200_001):
    """Size, and its limits, on a fine grid of roots of sizes."""
    y = stats.norm.ppf(rates)
    v = np.asarray(rates) * (1 - np.asarray(rates)) / trials / stats.norm.pdf(y) ** 2
    root, nodes, goal = np.linspace(SIZES[0] ** 0.5, SIZES[-1] ** 0.5, points), np.sqrt(SIZES), stats.norm.ppf(target)
    left = np.clip(np.searchsorted(nodes, root, "right") - 1, 0, len(nodes) - 2)
    w = (root - nodes[left]) / (nodes[left + 1] - nodes[left])
    inside = abs(np.interp(root, nodes, y) - goal) <= Z * np.sqrt((1 - w) ** 2 * v[left] + w**2 * v[left + 1])
    size = optimize.brentq(lambda n: stats.norm.cdf(np.interp(math.sqrt(n), nodes, y)) - target, SIZES[0], SIZES[-1], xtol=1e-12)
    return size, root[inside].min() ** 2, root[inside].max() ** 2


@pytest.mark.parametrize(
    ("rates", "target"), [((0.3, 0.55, 0.85, 0.97), 0.8), ((0.1, 0.4, 0.6, 0.9), 0.5), ((0.6, 0.79, 0.81, 0.99), 0.8)]
)
def test_the_crossing_and_its_limits_are_those_of_brute_force(rates, target):
    got = crossed(rates, 1000, target)
    size, low, high = brute_force(rates, 1000, target)
    step = 2 * math.sqrt(SIZES[-1]) * (math.sqrt(SIZES[-1]) - math.sqrt(SIZES[0])) / 200_000  # of the grid of brute force
    assert got.needed == pytest.approx(size, rel=1e-9)  # of the root that brentq finds
    assert (got.low, got.high) == pytest.approx((low, high), abs=2 * step)
    assert got.status == FOUND
    assert got.level_below < got.needed < got.level_above
    backwards = crossing_of(SIZES[::-1], *(np.array(x)[::-1] for x in given(rates, 1000)), target)
    assert backwards == got  # levels may stand in any order


def given(rates, trials):
    rates = np.asarray(rates, float)
    return rates, np.sqrt(rates * (1 - rates) / trials), *wilson(rates, np.full(len(rates), float(trials)))


def test_what_is_linear_is_found_exactly():
    """Power of a normal test with known variance: probit(power) = c sqrt(n) - 1.96 but for the other tail."""
    truth = stats.norm.cdf(0.35 * np.sqrt(SIZES) - Z)
    got = crossing_of(SIZES, truth, np.zeros(4), truth, truth, 0.8)
    assert (got.needed, got.low, got.high) == pytest.approx([((stats.norm.ppf(0.8) + Z) / 0.35) ** 2] * 3, rel=1e-9)
    assert crossed([0.5, 0.8, 0.9, 0.95]).needed == pytest.approx(40, rel=1e-12)  # a level that is the target is enough


@pytest.mark.parametrize(
    ("effect", "sizes"), [(1.4, (6, 12, 24, 48)), (0.9, (6, 12, 24, 48)), (1.1, SIZES), (0.5, (20, 40, 80, 160, 320))]
)
def test_a_t_test_needs_what_the_noncentral_t_says(effect, sizes):
    """Of two arms together: interpolation is off by less than a hundredth where levels double."""

    def power(n):
        n = np.asarray(n, float)
        return stats.nct.sf(stats.t.isf(0.025, n - 2), n - 2, effect * np.sqrt(n) / 2)

    rates = np.nan_to_num(power(sizes), nan=1.0)  # SciPy gives NaN where it is 1 but for rounding
    got = crossing_of(np.asarray(sizes, float), rates, np.zeros(len(sizes)), rates, rates, 0.8)
    assert got.needed == pytest.approx(optimize.brentq(lambda n: power(n) - 0.8, 6, 150), rel=0.01)


@pytest.mark.parametrize("trials", [100, 1000])
def test_limits_contain_the_truth_as_often_as_they_say(rng, trials):
    power = stats.norm.cdf(0.35 * np.sqrt(SIZES) - Z)
    truth = ((stats.norm.ppf(0.8) + Z) / 0.35) ** 2
    drawn = [crossed(rng.binomial(trials, power) / trials, trials) for _ in range(1500)]
    inside = [not (one.low > truth) and not (one.high < truth) for one in drawn]  # a limit beyond the levels excludes nothing
    assert 0.95 - 3 * 0.0056 < np.mean(inside) < 0.95 + 4 * 0.0056  # three Monte Carlo errors; curves that fall have more
    sizes = [one.needed for one in drawn if one.status == FOUND]
    assert len(sizes) > 1450
    assert np.mean(sizes) == pytest.approx(truth, rel=0.02)


def test_what_cannot_be_told_has_a_status_and_no_number():
    low = crossed([0.1, 0.2, 0.3, 0.5])
    assert (low.status, low.level_below) == (BELOW, 120)
    assert np.isnan([low.needed, low.low, low.high, low.level_above]).all()
    high = crossed([0.9, 0.95, 0.97, 0.99])
    assert (high.status, high.level_above) == (ABOVE, 20)
    assert np.isnan([high.needed, high.low, high.high, high.level_below]).all()
    assert 80 < crossed([0.1, 0.2, 0.6, 0.79]).low < 120  # below at all levels, but not by more than Monte Carlo error
    assert 20 < crossed([0.81, 0.95, 0.97, 0.99]).high < 40
    assert crossed([0.3, 0.9, 0.7, 0.95]).status == FALLS
    assert crossed([np.nan] * 4).status == NOTHING
    one = crossed([0.3, np.nan, np.nan, 0.9])
    assert (one.status, one.level_below, one.level_above) == (FOUND, 20, 120)
    alone = crossed([0.3], sizes=[20])
    assert (alone.status, alone.level_below) == (BELOW, 20)


def test_rates_that_fall_within_monte_carlo_error_are_averaged():
    got = crossed([0.5, 0.79, 0.77, 0.95], trials=200)
    same = crossed([0.5, 0.78, 0.78, 0.95], trials=200)
    assert got.needed == pytest.approx(same.needed, rel=1e-12)
    assert got.level_below == 80
    assert crossed([0.5, 0.79, 0.77, 0.95], trials=100_000).status == FALLS


def test_limits_do_not_depend_on_what_half_an_event_stands_for():
    full = crossed([0.3, 0.6, 1.0, 1.0])
    assert full.low == pytest.approx(40)  # the power at 80 may be as close to 1 as it likes
    assert 40 < full.needed < full.high < 80
    none = crossed([0.0, 0.95, 0.99, 1.0])
    assert none.high == pytest.approx(40)
    assert 20 < none.low < none.needed < 40


def power_of(n_groups, **_):
    return {"fixed_effects": (0, 0.15 * math.sqrt(n_groups), 0)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Power grows with the number of groups; ``ols`` rejects far too often."""
    grid = Grid(n_groups=[10, 20, 40, 80], group_sd=[0.5, 1]).linked(power_of)
    folder = tmp_path_factory.mktemp("needed") / "run"
    process = GaussianMultilevel(n_predictors=2)
    return results_of(folder, grid, replicates=100, process=process, spread={"ols": 0.9, "lm2": 0.25, "lmer": 0.25})


def by_hand(results, model, rows=None):
    table = results.estimates
    table = table[(table["model"] == model) & (table["term"] == "IV1")]
    table = table if rows is None else table[rows(table)]
    rate = (table["p_value"] <= 0.05).groupby(table["n_groups"]).mean()
    root, y = np.sqrt(rate.index.to_numpy(float)), stats.norm.ppf(rate)
    return optimize.bisect(lambda s: np.interp(s, root, y) - stats.norm.ppf(0.8), root[0], root[-1], xtol=1e-13) ** 2


def test_results_tell_it_for_every_strategy_and_level(results):
    every = results.needed("power", 0.8, over="n_groups")
    assert list(every.columns) == [
        "model", "group_sd", "term", "measure", "target", "needed", "low", "high", "level_below", "level_above", "status",
        "promise", "rate", "rate_mcse", "verdict",
    ]  # fmt: skip
    assert set(every["term"]) == {"IV1"}  # IV2 is zero, and the intercept is not asked for
    assert len(every) == 6
    for row in every[every["model"] != "ols"].to_dict("records"):
        expected = by_hand(results, row["model"], lambda table, level=row["group_sd"]: table["group_sd"] == level)
        assert row["needed"] == pytest.approx(expected, rel=1e-9)
    pooled = results.needed("power", 0.8, over="n_groups", by=[]).set_index("model")
    assert pooled.loc["lmer", "needed"] == pytest.approx(by_hand(results, "lmer"), rel=1e-9)
    assert pooled.loc["lmer", "low"] < pooled.loc["lmer", "needed"] < pooled.loc["lmer", "high"]
    strict = results.needed("power", 0.8, over="n_groups", by=[], alpha=0.01).set_index("model")
    assert not strict.loc["lmer", "needed"] < pooled.loc["lmer", "needed"]
    half = results.needed("power", 0.8, over="n_groups", by=[], where={"group_sd": 1}).set_index("model")
    assert half.loc["lmer", "needed"] == pytest.approx(every.query("model == 'lmer' and group_sd == 1")["needed"].item())
    fits = results.needed("convergence", 0.9, over="n_groups", by=[])
    assert list(fits["status"]) == [ABOVE] * 3
    assert "term" not in fits
    assert "verdict" not in fits


def test_every_number_has_the_verdict_on_that_coefficient(results):
    """IV1 is nowhere zero, so that the coverage of its intervals stands for its level; that of IV2 says nothing of it."""
    table = results.needed("power", 0.8, over="n_groups")
    coverage = results.measures(["model"], terms=["IV1"], measures=["coverage"]).set_index("model")
    for row in table.to_dict("records"):
        expected = coverage.loc[row["model"]]
        assert (row["promise"], row["rate"], row["rate_mcse"]) == ("coverage", expected["value"], expected["mcse"])
        assert row["verdict"] == ("not kept" if row["model"] == "ols" else "kept")
    strict = results.needed("power", 0.8, over="n_groups", policy="listwise", alpha=0.01)
    assert set(strict["promise"]) == {"coverage"}


def judged(*verdicts):
    """A table with these verdicts, of strategies a, b, ..."""
    rows = [line(name, 22.5, 21.1, 23.9, term=term) for name, (term, *_) in zip("abcde", verdicts, strict=False)]
    names = ("promise", "rate", "rate_mcse", "verdict")
    return pd.DataFrame([row | dict(zip(names, rest, strict=True)) for row, (_, *rest) in zip(rows, verdicts, strict=True)])


def test_a_terminal_shows_the_verdicts():
    level = judged(("x", "type_one_error", 0.203, 0.006, "not kept"), ("x", "type_one_error", 0.05, 0.003, "kept"))
    _, table, caveat = in_words(level, "n_groups").split("\n\n")
    head, a, b = table.splitlines()
    assert head.endswith("type I error  verdict")
    assert a.endswith("0.203 ± 0.006 not kept")
    assert b.split()[-1] == "kept"
    assert caveat == "Where the verdict is “not kept” a number counts for nothing: tests find effects that are not there too often."
    both = judged(
        ("x", "coverage", 0.7, 0.01, "not kept in some cells"),
        ("z", "type_one_error", 0, 0, "kept"),
        ("x", "", np.nan, np.nan, "not known"),
    )
    text = in_words(both, "n_groups")
    assert "coverage or type I error" in text
    assert "coverage 0.700 ± 0.010 not kept in some cells" in text
    assert "type I error 0 " in " ".join(text.split()) + " "
    assert "a number counts for nothing: intervals contain the truth too seldom." in text
    assert "\n\nx: zero in no cell, so that the type I error is not known;" in text
    assert text.endswith("Whether tests keep their level is not known of c.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "coverage"}, "measure='coverage': what is needed is told of rates that grow towards 1"),
        ({"target": 1.0}, "target=1.0 must be a number between 0 and 1"),
        ({"over": "n_obs"}, "over='n_obs' is not known"),
        ({"over": "group_sd", "by": ["group_sd"]}, "group_sd is what is asked for"),
        ({"by": ["sizes"]}, "'sizes' is not a column"),
        ({"terms": ["IV2"]}, "power is of coefficients whose true value is not zero, and none of these is that here: IV2"),
        ({"measure": "success", "alpha": 0.1}, "success is of fits and not of coefficients or tests: leave out alpha"),
    ],
)
def test_mistakes_are_said(results, options, message):
    with pytest.raises(InputError, match=message):
        results.needed(**{"over": "n_groups", **options})


def test_factors_without_numbers_are_refused(tmp_path):
    some = results_of(tmp_path / "run", {"fixed_effects": [(0, 1, 0), (0, 2, 0)], "n_groups": [5, 6]}, replicates=2)
    with pytest.raises(InputError, match="its levels are not all numbers of at least 0; use one of 'n_groups'"):
        some.needed(over="fixed_effects")


def line(model, needed=np.nan, low=np.nan, high=np.nan, levels=(20, 40), status=FOUND, term="x", **others):
    below, above = levels
    numbers = {"needed": needed, "low": low, "high": high, "level_below": below, "level_above": above}
    return {"model": model, **others, "term": term, "measure": "power", "target": 0.8, **numbers, "status": status}


def test_numbers_are_rounded_up_in_words():
    table = pd.DataFrame(
        [line("a", 22.01, 21.2, 40.0 + 1e-12), line("b", levels=(120, np.nan), status=BELOW), line("c", 1.234, levels=(0.5, 2.5))]
    )
    head, a, b, c = in_words(table, "units.subject").split("\n\n")[1].splitlines()
    assert in_words(table, "units.subject", " (so)").startswith("units.subject needed for a power of 0.8 (so):")
    assert head.split("  ")[-1].strip() == "simulated"
    assert a.split() == ["a", "x", "23", "22", "to", "40", "between", "20", "and", "40"]
    assert b.split() == ["b", "x", "more", "than", "120", "–", *BELOW.split()]
    assert c.split()[2] == "1.23"


def test_a_sentence_names_those_that_keep_their_level():
    rows = [
        line("lmer", 22.5, 21.1, 23.9),
        line("lm2", 25.2, 24.5, np.nan),
        line("intercepts only", 11.0, 10.0, 12.0),
        line("gee", levels=(120, np.nan), status=BELOW),
        line("mean", status=NOTHING),
    ]
    told = sentences(pd.DataFrame(rows), "units.subject", ["lmer", "lm2", "gee"], ["intercepts only"])
    assert told == [
        "A power of 0.8 for x needs 23 subjects (22 to 24) by lmer, 26 (at least 25) by lm2, more than 120 by gee; "
        "no number for intercepts only, which does not keep its level."
    ]
    falls = sentences(pd.DataFrame([line("a", status=FALLS), line("b", 3, 2, 4)]), "n_groups", ["a"], ["b"], COVERAGE)
    assert falls == [
        "A power of 0.8 for x: no number for b, which does not keep the coverage of its intervals; "
        "no number for a, whose power falls between levels."
    ]
    unknown = sentences(pd.DataFrame([line("a", 3, 2, 4), line("b", 3, 2, 4), line("c", 3, 2, 4)]), "units.city", ["a"])
    assert unknown == ["A power of 0.8 for x needs 3 cities (2 to 4) by a; no number for b and c, whose level is not known."]


def test_other_factors_are_told_one_by_one_or_from_least_to_most():
    few = [line(model, n + add, n, n + 2, sd=sd) for sd, n in ((1, 20), (2, 30)) for model, add in (("a", 0.5), ("b", 1))]
    assert sentences(pd.DataFrame(few), "n_groups", ["a", "b"]) == [
        "A power of 0.8 for x needs 21 groups (20 to 22) by a, 21 (20 to 22) by b with sd 1; "
        "31 groups (30 to 32) by a, 31 (30 to 32) by b with sd 2."
    ]
    same = [line(model, levels=(np.nan, 5), status=ABOVE, sd=sd) for sd in (1, 2) for model in ("a", "b")]
    assert sentences(pd.DataFrame(same), "n_groups", ["a", "b"]) == [
        "A power of 0.8 for x needs at most 5 groups by a, at most 5 by b in all conditions."
    ]
    crossed_factors = [line("a", n, n, n, sd=n % 2, rows=n // 2) for n in (4, 5, 6, 7)]
    assert sentences(
        pd.DataFrame([*crossed_factors, line("a", levels=(9, np.nan), status=BELOW, sd=0.5, rows=9)]), "n_groups", ["a"]
    ) == ["A power of 0.8 for x needs from 4 groups (4 to 4) with sd 0 and rows 2 to more than 9 with sd 0.5 and rows 9 by a."]
    below = [line("a", levels=(9, np.nan), status=BELOW if sd else FALLS, sd=sd) for sd in range(5)]
    assert sentences(pd.DataFrame(below), "n_groups", ["a"]) == [
        "A power of 0.8 for x needs more than 9 groups in all other conditions (not told in 1 of 5 conditions) by a."
    ]
    many = [line("a", 20.0 + sd, 19, 40, sd=sd, fixed=1) for sd in (3, 1, 2)]
    many += [line("a", status=BELOW, levels=(120, np.nan), sd=4, fixed=1), line("a", status=FALLS, sd=5, fixed=1)]
    many += [line("b", status=ABOVE, levels=(np.nan, 5), sd=sd, fixed=1) for sd in (1, 2, 3, 4, 5)]
    assert sentences(pd.DataFrame(many), "n_obs", ["a", "b"]) == [
        "A power of 0.8 for x needs from 21 rows a group (19 to 40) with sd 1 to more than 120 with sd 4 "
        "(not told in 1 of 5 conditions) by a, at most 5 rows a group in all conditions by b."
    ]
    effects = pd.DataFrame([line("a", 3, 2, 4, term=f"x{i}") for i in range(9)])
    assert sentences(effects, "repeats", ["a"])[6:] == ["For 3 more effects see results.needed(over='repeats')."]


def test_the_report_says_it(results, tmp_path):
    numbers = Numbers(results)
    standings = standings_of(numbers)
    (text,) = how_many(numbers, standings)
    table = results.needed(over="n_groups").set_index(["model", "group_sd"])
    assert text.startswith(f"A power of 0.8 for IV1 needs {math.ceil(table.loc[('lm2', 0.5), 'needed'])} groups (")
    assert text.endswith("; no number for ols, which does not keep its level.")
    (finding,) = [one for one in found(standings, [text]) if one.about == "How many"]
    assert finding.text == text
    two = Numbers(results_of(tmp_path / "two", Grid(n_groups=[10, 80]).linked(power_of), replicates=30))
    assert how_many(two, standings_of(two)) == []  # two levels are no curve
    null = Numbers(
        results_of(
            tmp_path / "null",
            {"n_groups": [4, 5, 6]},
            process=GaussianMultilevel(n_predictors=1, fixed_effects=(0, 0)),
            replicates=30,
        )
    )
    assert how_many(null, standings_of(null)) == []  # without an effect there is no power


def test_the_command_prints_it(results, tmp_path, capsys):
    folder = str(results.out)
    asked = ["summary", folder, "--needed", "power:0.8", "--over", "n_groups"]
    assert main([*asked, "--by", "group_sd", "--terms", "IV1"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("n_groups needed for a power of 0.8 (95% Monte Carlo limits; tests at alpha = 0.05):")
    expected = results.needed(over="n_groups")
    assert len(printed.split("\n\n")[1].strip().splitlines()) == 1 + len(expected)
    (lmer,) = expected.query("model == 'lmer' and group_sd == 1").to_dict("records")
    numbers = [math.ceil(lmer[name]) for name in ("needed", "low", "high")]
    assert f"{numbers[0]} {numbers[1]} to {numbers[2]} between" in " ".join(printed.split())
    assert main([*asked, "--csv", str(tmp_path / "needed.csv")]) == 0
    stored = pd.read_csv(tmp_path / "needed.csv")
    assert stored["needed"].tolist() == pytest.approx(expected["needed"].tolist(), nan_ok=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--needed", "power:0.8"], "give --over FACTOR with it"),
        (["--over", "n_groups"], "give --needed RATE:TARGET with it"),
        (["--needed", "power", "--over", "n_groups"], "give RATE:TARGET, such as power:0.8"),
        (["--needed", "power:0.8", "--over", "n_group"], "over='n_group' is not known. Did you mean 'n_groups'?"),
        (["--needed", "power:0.8", "--over", "n_groups", "--measures", "bias"], "leave one of the two out"),
    ],
)
def test_mistakes_on_the_command_line(results, capsys, arguments, message):
    assert main(["summary", str(results.out), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_summary_says_what_it_has_not(results, tmp_path, capsys):
    folder = str(results.out)
    said = "There is no type_one_error: it is of coefficients whose true value is zero, and none of IV1 has one in these results."
    assert main(["summary", folder, "--terms", "IV1", "--measures", "power", "type_one_error"]) == 0
    assert said in capsys.readouterr().out
    file = str(tmp_path / "some.csv")
    assert main(["summary", folder, "--terms", "IV1", "--measures", "power", "type_one_error", "--csv", file]) == 0
    assert said in capsys.readouterr().out
    for by in ([], ["--by", "n_groups"], ["--csv", file]):
        assert main(["summary", folder, "--terms", "IV1", "--measures", "type_one_error", *by]) == 2
        assert said in capsys.readouterr().err
    assert main(["summary", folder, "--measures", "power", "type_one_error"]) == 0
    assert "There is no" not in capsys.readouterr().out


@pytest.mark.parametrize("last", [0.91, 1.0])
def test_curves_cross_the_target_at_the_number_that_is_needed(last):
    """What a power curve draws between simulated sizes is what the number is read off, beside a rate of 1, too."""
    size, rate, points = np.array([20.0, 40.0, 80.0, 160.0]), np.array([0.2, 0.38, 0.64, last]), 64
    low, high = wilson(rate, np.full(4, 1000.0))
    x, y = between_sizes(size, rate, points, half_an_event(rate, low, high))
    np.testing.assert_allclose(y[::points], rate, rtol=1e-14)
    np.testing.assert_allclose(x[::points], size, rtol=1e-14)
    # Between points of a fine grid the curve is straight to a thousandth of a subject.
    assert abs(np.interp(0.8, y, x) - crossed(rate, sizes=size).needed) < 0.02


def test_curves_of_the_better_strategy_stay_above_where_its_rate_is_one():
    """As many datasets, rates that are higher at every size: no size at which the other strategy seems better."""
    size, trials = np.array([24.0, 60.0, 96.0]), np.full(3, 1000.0)
    drawn = []
    for rate in (np.array([0.6, 0.97, 1.0]), np.array([0.58, 0.96, 0.999])):
        low, high = wilson(rate, trials)
        half = half_an_event(rate, low, high)
        curve, lower, upper = (between_sizes(size, of, 16, half)[1] for of in (rate, low, high))
        assert (np.isfinite(curve) & (lower <= curve + 1e-12) & (curve <= upper + 1e-12)).all()
        assert (np.diff(curve) > 0).all()
        drawn.append(curve)
    better, worse = drawn
    assert (better > worse).all()
    assert half_an_event(np.array([0.0, 1.0]), *wilson(np.array([0.0, 1.0]), np.full(2, 49.0))) == pytest.approx([0.01, 0.01])
