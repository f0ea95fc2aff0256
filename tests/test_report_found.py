"""What a report says it found: every sentence on hand-made numbers, and those numbers from results."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from made_up import results_of, standings_of
from scipy import stats

from jaxsim import GaussianMultilevel, Grid
from jaxsim.measures.evidence import Number, differs, is_above, is_below, trials
from jaxsim.measures.interval import wilson
from jaxsim.report.comparison import leader
from jaxsim.report.figures.numbers import Numbers
from jaxsim.report.found import OVER_SIZES, found, found_of
from jaxsim.report.standings import Standing, Standings


def rate(events, count) -> Number:
    """A proportion of independent events."""
    value = events / count
    low, high = wilson(np.float64(value), np.float64(count))
    return Number(value, math.sqrt(value * (1 - value) / count), float(low), float(high))


def strategy(name, level=50, power=400, coverage=950, rmse=0.30, **more) -> Standing:
    """With rates of 1,000 datasets; a good one if nothing else is said."""
    rates = {"level": level, "power": power, "coverage": coverage}
    numbers = {key: None if count is None else rate(count, 1000) for key, count in rates.items()}
    return Standing(name, rmse=None if rmse is None else Number(rmse, 0.003, rmse - 0.006, rmse + 0.006), **{**numbers, **more})


def differences(standings: Standings, mcse=0.01) -> Standings:
    """With all paired differences, of one Monte Carlo error."""
    known = {
        (measure, a.name, b.name): Number(getattr(a, measure).value - getattr(b, measure).value, mcse)
        for measure in ("power", "rmse", "level", "coverage")
        for a in standings.strategies
        for b in standings.strategies
        if a is not b and getattr(a, measure) and getattr(b, measure)
    }
    return dataclasses.replace(standings, differences=known)


def said(*strategies, mcse=0.01, **more) -> dict[str, str]:
    """Sentences by what they are about; those about the same thing are joined."""
    texts: dict[str, str] = {}
    for finding in found(differences(Standings(strategies, **{"datasets": 1000, "terms": ("x",), **more}), mcse)):
        texts[finding.about] = f"{texts.get(finding.about, '')} {finding.text}".strip()
    return texts


@pytest.mark.parametrize(("events", "count"), [(30, 400), (63, 1000), (1, 40), (0, 50), (50, 50), (39, 40)])
def test_a_rate_is_off_where_the_exact_binomial_test_says_so(events, count):
    number = rate(events, count)
    assert trials(number) == pytest.approx(count, rel=1e-9)  # rounding of a square root alone
    for nominal in (0.01, 0.05, 0.5, 0.95):
        for looks in (1, 20):
            above = stats.binomtest(events, count, nominal, "greater").pvalue < 0.025 / looks
            below = stats.binomtest(events, count, nominal, "less").pvalue < 0.025 / looks
            assert (is_above(number, nominal, looks), is_below(number, nominal, looks)) == (above, below)


def test_nothing_is_off_without_a_monte_carlo_error():
    unknown = Number(0.5, math.nan, math.nan, math.nan)
    assert not is_above(unknown, 0.05)
    assert not is_below(unknown, 0.95)
    assert not is_above(Number(0.5, 0.0, 0.3, 0.7), 0.05)  # the mean of two terms of one dataset
    assert not differs(Number(1.0, math.nan), 100)
    assert not differs(Number(1.0, 0.1), 1)


def test_a_difference_is_one_where_the_t_test_says_so():
    limit = stats.t.isf(0.025, 29)
    assert differs(Number(1.01 * limit, 1.0), 30)
    assert differs(Number(-1.01 * limit, 1.0), 30)
    assert not differs(Number(0.99 * limit, 1.0), 30)
    assert not differs(Number(1.01 * limit, 1.0), 30, looks=2)
    assert not differs(Number(0.0, 0.0), 30)
    assert differs(Number(0.1, 0.0), 30)  # the same in each of 30 datasets
    assert not differs(Number(0.1, 0.0), 3)
    assert not differs(Number(1e-16, 1e-18), 30, size=0.1)  # of two formulas for the same estimate
    assert differs(Number(1e-5, 1e-7), 30, size=0.1)


def test_strategies_with_the_same_estimates_do_not_differ_in_error():
    """As in balanced designs, where all regressions give the same estimates but for their last bits."""
    one, other = strategy("one", rmse=0.3), strategy("other", rmse=0.3 + 1e-13)
    assert said(one, other, mcse=1e-15)["RMSE"] == "Identical in every dataset: one (0.300 ± 0.003) and other (0.300 ± 0.003)."
    assert "No difference" in said(one, other, mcse=1e-5)["RMSE"]
    assert "has the smallest" in said(one, strategy("other", rmse=0.31), mcse=1e-5)["RMSE"]


def test_a_level_is_broken_only_beyond_monte_carlo_error():
    texts = said(strategy("ols", 370), strategy("lm2", 55), strategy("lmer", 50))
    assert texts["Type I error"] == (
        "Above 0.05 by more than Monte Carlo error explains: ols (0.370 ± 0.015). "
        "Not above 0.05 by more than that: lm2 (0.055 ± 0.007) and lmer (0.050 ± 0.007)."
    )
    assert said(strategy("a", 63), strategy("b"))["Type I error"].startswith(
        "Not above 0.05 by more than Monte Carlo error explains: a (0.063"
    )
    # 66 of 1,000 are too many for one strategy (p = 0.015 < 0.025) and not for one of four, 63 (p = 0.038) for none
    assert said(strategy("a", 63))["Type I error"].startswith("Not above")
    assert said(strategy("a", 66))["Type I error"].startswith("Above")
    assert said(*(strategy(name, 66 if name == "a" else 50) for name in "abcd"))["Type I error"].startswith("Not above")


def test_few_replicates_do_not_prove_a_level():
    text = said(dataclasses.replace(strategy("a"), level=rate(2, 40)))["Type I error"]
    assert text == (
        "Not above 0.05 by more than Monte Carlo error explains: a (0.05 ± 0.03). "
        "Monte Carlo error is large, though: the true rate may be as high as 0.17 for a."
    )
    few = {"level": rate(2, 40), "coverage": rate(38, 40)}
    text = said(*(dataclasses.replace(strategy(name), **few) for name in "ab"), strategy("c"))["Coverage"]
    assert text.endswith("Monte Carlo error is large, though: the true coverage may be as low as 0.83 for a and 0.83 for b.")
    assert "as low as" not in said(strategy("c"))["Coverage"]


def test_conservative_tests_are_told_from_exact_ones():
    text = said(strategy("a", 20), strategy("b"))["Type I error"]
    assert text == (
        "Not above 0.05 by more than Monte Carlo error explains: b (0.050 ± 0.007). "
        "Below 0.05 by more than that (tests are conservative): a (0.020 ± 0.004)."
    )


def test_single_cells_are_looked_at_together():
    cells = [rate(50, 1000)] * 44
    bad = strategy("a", levels=(*cells, rate(120, 1000)))
    some = said(strategy("b", levels=cells[:7]), cells=45)["Type I error"]
    assert ", on average or in any of the 7 cells with enough fits to be judged: b (" in some
    texts = said(bad, strategy("b", levels=tuple(rate(66, 1000) for _ in range(45))), cells=45)
    assert texts["Type I error"] == (
        "Not above 0.05 by more than Monte Carlo error explains, on average or in any cell: b (0.050 ± 0.007). "
        "Not on average, but in some cells: a (in 1 of 45, up to 0.12)."
    )
    assert texts["Power"].startswith("Only one strategy kept the level of its tests; its power: b (")
    alone = said(bad, cells=45)
    assert alone["Type I error"] == (
        "Not above 0.05 by more than Monte Carlo error explains, on average, but in some cells: a (in 1 of 45, up to 0.12)."
    )
    assert alone["Power"] == "Not judged: no strategy kept the level of its tests in every cell."
    assert ", on average: " in said(strategy("a"), cells=45)["Type I error"]  # cells of which nothing is known are not vouched for


def test_coverage_is_judged_downwards():
    texts = said(strategy("a", coverage=800), strategy("b", coverage=985), strategy("c"))
    assert texts["Coverage"] == (
        "Below 0.95 by more than Monte Carlo error explains: a (0.800 ± 0.013). Not below 0.95 by more than "
        "that: c (0.950 ± 0.007). Above 0.95 by more than that (intervals are conservative): b (0.985 ± 0.004)."
    )
    cells = (rate(950, 1000), rate(700, 1000))
    assert "in some cells: a (in 1 of 2, down to 0.7)" in said(strategy("a", coverages=cells), cells=2)["Coverage"]


def test_power_is_compared_among_those_that_kept_their_level():
    texts = said(strategy("ols", 370, 800), strategy("a", 50, 500), strategy("b", 50, 400), strategy("c", 50, 495))
    assert texts["Power"] == (
        "a (0.500 ± 0.016) found most among those that kept the level of their tests: 0.100 ± 0.010 more than b (0.400 ± 0.015), "
        "on the same datasets; from c (0.495 ± 0.016) it cannot be told apart. ols (0.800 ± 0.013) does not count: its tests find "
        "effects that are not there too often."
    )
    assert said(strategy("a", 370), strategy("b", 370, 500))["Power"] == "Not judged: no strategy kept the level of its tests."
    assert said(strategy("a", 370))["Power"] == "Not judged: no strategy kept the level of its tests."
    texts = said(strategy("a", power=410), strategy("b", power=400))
    assert texts["Power"] == "No difference is larger than Monte Carlo error explains: a (0.410 ± 0.016) and b (0.400 ± 0.015)."
    texts = said(strategy("a", power=410), strategy("b", power=400), mcse=0.001)  # the pairs are sharp
    assert texts["Power"] == ("a (0.410 ± 0.016) found most: 0.0100 ± 0.0010 more than b (0.400 ± 0.015), on the same datasets.")


def test_without_a_zero_the_level_is_not_judged_and_coverage_says_who_is_compared():
    texts = said(strategy("a", None, coverage=700, power=800), strategy("b", None), strategy("c", None))
    assert texts["Type I error"] == (
        "Not judged: x is zero in no cell. To have it judged, give the effect a level of 0 in the grid."
    )
    assert texts["Power"].startswith("No difference among those that kept the coverage of their intervals is larger")
    assert "Together" not in texts


def test_without_an_effect_there_is_no_power():
    assert said(strategy("a", power=None))["Power"] == "Every coefficient is zero: there is no effect to find."


def test_without_tests_only_errors_are_compared():
    texts = said(*(strategy(n, None, None, None, r) for n, r in (("a", 0.3), ("b", 0.4))), infers=False)
    assert texts["Type I error"].startswith("These strategies give no tests")
    assert {"Coverage", "Power"}.isdisjoint(texts)
    assert texts["RMSE"] == ("a (0.300 ± 0.003) has the smallest: 0.100 ± 0.010 less than b (0.400 ± 0.003), on the same datasets.")


def test_strategies_without_tests_are_named_and_not_compared():
    texts = said(strategy("ols"), strategy("lmer", 52), strategy("mean", None, None, None))
    assert texts["Type I error"].endswith("ols (0.050 ± 0.007) and lmer (0.052 ± 0.007). No number: mean.")
    assert texts["Coverage"].endswith(" No number: mean.")
    assert texts["Power"].startswith("No difference among those that kept the level of their tests is larger")
    assert "mean (0.300 ± 0.003)" in texts["RMSE"]
    assert "Together" not in texts


def test_strategies_agree_only_where_nothing_differs():
    together = "Nothing tells the strategies apart: the differences below are within Monte Carlo error."
    assert said(strategy("a"), strategy("b"))["Together"] == together
    assert said(strategy("a", None), strategy("b", None))["Together"] == together
    for other in (strategy("b", 370), strategy("b", coverage=800), strategy("b", power=500), strategy("b", rmse=0.4)):
        assert "Together" not in said(strategy("a"), other)
    assert "Together" not in said(strategy("a"))


def test_failures_and_what_they_do_to_a_comparison():
    failing = strategy("lmer", failed=rate(80, 1000), singular=rate(100, 1000), lost=1)
    texts = said(strategy("ols"), failing, cells=4)
    assert texts["Fits"] == (
        "Fits without a usable answer: lmer (0.080 ± 0.009). Singular fits, which count as answers: lmer (0.100 ± 0.009)."
    )
    assert texts["Caution"].startswith("So many fits of lmer failed that averages are about different datasets.")
    assert texts["Caution"].endswith("Cells without a usable fit: lmer (1 of 4). Averages are about the other cells.")
    listwise = said(strategy("ols"), failing, policy="listwise")["Caution"]
    assert listwise == "Only datasets that every strategy fitted are counted; what lmer did not fit is missing for all."
    assert "Caution" not in said(strategy("ols"), strategy("lmer", failed=rate(8, 1000)))
    assert "Caution" not in said(failing)
    assert said(strategy("ols"))["Fits"] == "Every fit gave a usable answer."


def test_nothing_and_little_say_nothing():
    texts = said(strategy("a", None, None, None, None, failed=rate(50, 50)))
    assert texts == {
        "Nothing": "No fit gave a usable answer: there is nothing to measure.",
        "No answer": "a gave no answer at all.",
    }
    assert list(said(strategy("a", 370), strategy("b"), datasets=19)) == ["Too few datasets", "Fits"]


def of_each(*every, sizes=(), **more) -> dict[tuple[str, str], str]:
    """Sentences about several coefficients, by the coefficient and what they are about; each is its name and its strategies."""
    given = {"datasets": 1000, "cells": 2, **more}
    numbers = [differences(Standings(tuple(own), terms=(term,), **given)) for term, own in every]
    return {(one.of, one.about): one.text for one in found_of(numbers, sizes or [[]] * len(numbers))}


GOOD, SURE = "random slope", "random intercept"


def test_a_strategy_is_judged_by_the_coefficient_that_is_spoken_of():
    """The random intercept is cautious between persons and far too sure of slopes: its level of one vouches for no other."""
    between = strategy(SURE, 17, None, 983), strategy(GOOD, 50, None, 950)
    slope = strategy(SURE, 203, 870, 773), strategy(GOOD, 49, 703, 947)
    nowhere = strategy(SURE, None, 870, 773), strategy(GOOD, None, 703, 947)
    known = of_each(("treat", between), ("treat:time", slope), sizes=([], ["A power of 0.8 takes 12."]))
    assert known["treat:time", "Power"] == (
        "Only one strategy kept the level of its tests; its power: random slope (0.703 ± 0.014). random intercept (0.870 ± 0.011) "
        f"does not count: its tests find effects that are not there too often, in some cells at least. {OVER_SIZES}"
    )
    assert known["treat:time", "How many"] == "A power of 0.8 takes 12."
    assert known["treat", "Type I error"].endswith("on average (tests are conservative): random intercept (0.017 ± 0.004).")
    assert ("treat", "Power") not in known
    assert known["All coefficients", "Fits"] == "Every fit gave a usable answer."
    unknown = of_each(("treat", between), ("treat:time", nowhere))
    assert unknown["treat:time", "Type I error"] == (
        "Not known: treat:time is zero in no cell. To have it known, give the effect a level of 0 in the grid. The coverage of its "
        "own intervals stands for it. Below 0.95 by more than Monte Carlo error explains, on average: random intercept "
        "(0.773 ± 0.013). Not below 0.95 by more than that, on average: random slope (0.947 ± 0.007)."
    )
    assert unknown["treat:time", "Power"].startswith(
        "Only one strategy kept the coverage of its intervals; its power: random slope"
    )


def test_cells_are_those_in_which_the_coefficient_is_zero():
    cells = (rate(50, 1000),) * 3
    told = said(strategy("a", levels=cells), cells=6, zero_cells=3)["Type I error"]
    assert "on average or in any of the 3 cells where the coefficient is zero: a (" in told
    told = said(strategy("a", levels=(*cells[:2], rate(120, 1000))), cells=6, zero_cells=3)["Type I error"]
    assert "in some cells: a (in 1 of 3, up to 0.12)." in told
    one = said(strategy("a", levels=cells[:1]), strategy("b", 200, levels=(rate(200, 1000),)), cells=2, zero_cells=1)
    assert one["Type I error"] == (
        "Above 0.05 by more than Monte Carlo error explains, in the one cell where the coefficient is zero: b (0.200 ± 0.013). Not "
        "above 0.05 by more than that, in the one cell where the coefficient is zero: a (0.050 ± 0.007)."
    )
    assert one["Power"].endswith("b (0.400 ± 0.015) does not count: its tests find effects that are not there too often.")


def test_of_many_coefficients_the_rest_is_told_in_brief():
    good = [(f"x{i}", [strategy("a"), strategy("b")]) for i in range(6)]
    told = of_each(*good, ("x6", [strategy("a", 200), strategy("b")]))
    assert {of for of, _ in told} == {"x0", "x1", "x2", "x3", "Other coefficients", "All coefficients"}
    every = found_of([Standings(tuple(own), 1000, terms=(term,)) for term, own in [*good, ("x6", [strategy("a", 200)])]], [[]] * 7)
    brief = [one.text for one in every if one.of == "Other coefficients"]
    assert brief == ["x4 and x5: level kept by every strategy.", "x6: level not kept by a."]


def test_coverage_is_told_of_a_coefficient_only_where_it_says_another_thing():
    other = ("z", [strategy("a"), strategy("b")])
    assert ("x", "Coverage") not in of_each(("x", [strategy("a"), strategy("b", 370, coverage=700)]), other)
    assert "a (0.700 ± 0.014)" in of_each(("x", [strategy("a", coverage=700), strategy("b")]), other)["x", "Coverage"]


def test_nothing_and_little_say_nothing_of_several_coefficients():
    silent = strategy("a", None, None, None, None, failed=rate(50, 50))
    assert set(of_each(("x", [silent]), ("z", [silent]))) == {("", "Nothing"), ("", "No answer")}
    assert set(of_each(("x", [strategy("a")]), ("z", [strategy("a")]), datasets=19)) == {("", "Too few datasets"), ("", "Fits")}


SLOPES = ["IV1", "IV2"]  # an intercept is in no average that nobody asked for


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A strategy that is far too sure, one that fails in all of one cell and one that does neither."""

    def status(model, cell, replicate):
        return "too_few_rows" if model == "lm2" and cell == 0 else "singular" if model == "lmer" and replicate % 4 == 0 else "ok"

    grid = Grid(n_groups=[5, 10], effect=[0, 0.5]).linked(lambda effect, **_: {"fixed_effects": (0, effect, effect)})
    process = GaussianMultilevel(n_predictors=2)
    folder = tmp_path_factory.mktemp("found") / "run"
    return results_of(folder, grid, replicates=30, process=process, status=status, spread={"ols": 0.9})


@pytest.mark.parametrize("policy", ["available", "listwise"])
def test_the_numbers_are_those_of_the_measures(results, policy):
    standings = standings_of(Numbers(results, policy))
    facts = (standings.datasets, standings.cells, standings.alpha, standings.conf_level, standings.policy)
    assert facts == (120, 4, 0.05, 0.95, policy)
    names = {"type_one_error": "level", "power": "power", "coverage": "coverage", "rmse": "rmse"}
    expected = results.measures(["model"], policy=policy, measures=list(names), terms=SLOPES)
    for s in standings.strategies:
        for measure, attribute in names.items():
            (row,) = expected[(expected["model"] == s.name) & (expected["measure"] == measure)].to_dict("records")
            assert getattr(s, attribute) == Number(row["value"], row["mcse"], row["low"], row["high"])
    counts = {s.name: (len(s.levels), len(s.coverages), s.lost) for s in standings.strategies}
    whole, zero = (4, 2) if policy == "available" else (3, 1)
    assert counts == {"ols": (zero, whole, 0), "lm2": (1, 3, 1), "lmer": (zero, whole, 0)}
    assert standings.zero_cells == 2
    assert {s.name: s.singular.value for s in standings.strategies} == {"ols": 0, "lm2": 0, "lmer": 8 / 30}
    assert standings.strategies[1].failed.value == 0.25


def test_differences_are_those_of_the_best_strategies(results):
    standings = standings_of(Numbers(results))
    smallest = min(standings.strategies, key=lambda s: s.rmse.value).name
    most = max((s for s in standings.strategies if s.name != "ols"), key=lambda s: s.power.value).name  # ols did not keep its level
    for measure, name, first, truth in (("rmse", "rmse", smallest, None), ("power", "rejection", most, "nonzero")):
        for other in {"ols", "lm2", "lmer"} - {first}:
            (row,) = results.compare(first, other, [], truth=truth, terms=SLOPES).query(f"measure == '{name}'").to_dict("records")
            # the same sums, subtracted the other way round
            assert dataclasses.astuple(standings.differences[measure, first, other]) == pytest.approx(
                (row["value"], row["mcse"], row["low"], row["high"]), rel=1e-9, abs=1e-12
            )
    about = {finding.about: finding.text for finding in found(standings)}
    assert about["Type I error"].startswith("Above 0.05 by more than Monte Carlo error explains, on average: ols (")
    assert "Cells without a usable fit: lm2 (1 of 4)." in [f.text for f in found(standings) if f.about == "Caution"][1]


def test_strategies_of_the_first_datasets_alone_say_so_wherever_they_stand():
    """Their numbers are of other datasets than those beside them."""
    slow = dataclasses.replace(strategy("slow", 60), only=20)
    texts = said(strategy("lmer"), slow, strategy("ols"), replicates=100)
    assert (
        texts["Fits"] == "Every fit gave a usable answer. Not all datasets of each cell were fitted by slow (the first 20 of 100)."
    )
    for about in ("Type I error", "Coverage", "Power", "RMSE"):
        assert ", of the first 20 alone)" in texts[about], about
        assert texts[about].count(" alone)") == 1, about
    assert not any("alone" in text for text in said(strategy("lmer"), strategy("ols")).values())


def test_a_strategy_without_an_answer_is_named_once_and_in_nothing_else():
    broken = strategy("broken", None, None, None, None, failed=rate(1000, 1000), lost=2)
    why = ("broken gave no answer at all: 1,000 of 1,000 fits failed, crashed: no luck",)
    texts = said(strategy("ols"), broken, why=why, cells=2)
    assert texts["No answer"] == f"{why[0]}. What follows is about the others."
    assert not [about for about, text in texts.items() if "broken" in text and about != "No answer"]
    assert texts["Power"] == "ols (0.400 ± 0.015)."
    assert texts["Fits"] == "Every other fit gave a usable answer."
    assert "Caution" not in texts
    assert said(strategy("ols"), broken)["No answer"].startswith("broken gave no answer at all. ")
    failing = strategy("lmer", failed=rate(80, 1000))
    assert said(strategy("ols"), failing, broken)["Caution"].endswith("Compare strategies in pairs, with results.compare(a, b).")
    nothing = said(strategy("ols", None, None, None, None), broken, policy="listwise")["Nothing"]
    assert nothing.startswith("No dataset was fitted by every strategy")


def test_a_zero_that_no_average_has_is_named():
    texts = said(strategy("a", None), strategy("b", None), aside={"level": ("Intercept",)})
    assert texts["Type I error"] == (
        "Not judged: x is zero in no cell. To have it judged, give the effect a level of 0 in the grid. (The rate of the "
        "intercept, which is zero, is in the table “Each coefficient” below.)"
    )
    texts = said(strategy("a", power=None), aside={"power": ("(Intercept)", "z")})
    assert texts["Power"] == "Every coefficient but the intercept and z is zero: there is no effect to find."


def test_nobody_wins_by_less_than_what_matters():
    texts = said(strategy("lm", power=849, rmse=0.301), strategy("lm2", power=852, rmse=0.3), mcse=1e-4)
    assert texts["Power"] == (
        "Practically the same: lm2 (0.852 ± 0.011) and lm (0.849 ± 0.011; 0.00300 ± 0.00010 less on the same datasets)."
    )
    assert texts["RMSE"] == (
        "Practically the same: lm2 (0.300 ± 0.003) and lm (0.301 ± 0.003; 0.00100 ± 0.00010 more on the same datasets)."
    )
    assert "Together" not in texts
    assert "found most" in said(strategy("lm", power=844), strategy("lm2", power=850), mcse=1e-4)["Power"]
    text = said(*(strategy(name, power=power) for name, power in (("a", 500), ("b", 498), ("c", 400))), mcse=5e-4)["Power"]
    assert text.endswith(
        "on the same datasets; b (0.498 ± 0.016; 0.0020 ± 0.0005 less on the same datasets) is practically the same."
    )


def test_what_is_identical_in_every_dataset_is_called_so():
    texts = said(strategy("a"), strategy("b"), mcse=0)
    assert texts["Together"] == "Nothing tells the strategies apart: their errors are identical in every dataset."
    assert texts["Power"] == "Identical in every dataset: a (0.400 ± 0.015) and b (0.400 ± 0.015)."
    text = said(strategy("a"), strategy("b"), strategy("c", rmse=0.4), mcse=0)["RMSE"]
    assert text.endswith("on the same datasets; b (0.300 ± 0.003) is identical in every dataset.")
    pairs = {("rmse", "a", "b"): Number(0.0, 0.0), ("rmse", "a", "c"): Number(-0.01, 0.01)}
    standings = Standings((strategy("a"), strategy("b"), strategy("c", rmse=0.31)), 1000, infers=False, differences=pairs)
    (text,) = (finding.text for finding in found(standings) if finding.about == "RMSE")
    assert text.startswith("No difference is larger than Monte Carlo error explains: ")
    assert text.endswith("; a and b are identical in every dataset.")


def on_common(*strategies, common, mcse=0.001, datasets=1000, replicates=300, **more) -> dict[str, str]:
    """Sentences where some strategies fitted the first datasets of each cell alone, whose numbers are those of ``common``."""
    first = differences(Standings(tuple(common), 400, terms=("x",), replicates=200, **more), mcse)
    every = differences(Standings(strategies, datasets, terms=("x",), replicates=replicates, **more), mcse)
    return {one.about: one.text for one in found(dataclasses.replace(every, common=first))}


def test_datasets_of_both_are_what_is_compared():
    """A strategy of the first datasets alone, which happen to be hard, is compared with the best of the others on these."""
    few = dataclasses.replace(strategy("few", power=380, rmse=0.33), only=200)
    given = (strategy("a", power=410), few, strategy("b", power=400, rmse=0.31))
    there = (strategy("a", power=380, rmse=0.33), strategy("few", power=380, rmse=0.33), strategy("b", power=375, rmse=0.34))
    told = on_common(*given, common=there)
    assert told["Power"] == (
        "On all 300 datasets of each cell, a (0.410 ± 0.016) found most: 0.0100 ± 0.0010 more than b (0.400 ± 0.015), on the same "
        "datasets. On the first 200 datasets of each cell, which all of these fitted, no difference is larger than Monte Carlo "
        "error explains: a (0.380 ± 0.015) and few (0.380 ± 0.015)."
    )
    assert told["RMSE"].endswith(
        "On the first 200 datasets of each cell, which all of these fitted, no difference is larger than Monte Carlo error "
        "explains: a (0.330 ± 0.003) and few (0.330 ± 0.003)."
    )
    better = (there[0], strategy("few", power=400, rmse=0.33))
    assert on_common(*given[:2], common=better)["Power"] == (
        "On the first 200 datasets of each cell, which all of these fitted, few (0.400 ± 0.015) found most: 0.0200 ± 0.0010 more "
        "than a (0.380 ± 0.015), on the same datasets."
    )
    same = on_common(strategy("a"), dataclasses.replace(strategy("few"), only=200), common=(strategy("a"), strategy("few")), mcse=0)
    assert same["Together"] == "Nothing tells the strategies apart: their errors are identical in every dataset."
    assert same["Power"].startswith(
        "On the first 200 datasets of each cell, which all of these fitted, identical in every dataset: a"
    )
    assert "Together" not in told


def test_too_few_datasets_of_all_are_no_comparison():
    few = dataclasses.replace(strategy("few", power=200), only=5)
    common = Standings((strategy("a"), strategy("few")), 10, terms=("x",), replicates=5)
    standings = Standings((strategy("a"), few, strategy("b")), 1000, terms=("x",), replicates=500, common=common)
    told = {one.about: one.text for one in found(differences(standings))}
    for about in ("Power", "RMSE"):
        assert told[about].startswith("On all 500 datasets of each cell, no difference is larger")
        assert "On the first" not in told[about]
        assert told[about].endswith(" Not compared: few, for 10 datasets that all strategies fitted are too few.")
    assert "Together" not in told


def bias(*numbers, **more) -> str:
    """What is said of the bias of some strategies, a, b and so on."""
    given = [strategy(name, bias=Number(value, 0.1)) for name, value in zip("abcdef", numbers, strict=False)]
    return said(*given, **more)["Bias"]


def test_a_bias_is_one_only_beyond_monte_carlo_error():
    assert bias(0.05) == "Not larger than Monte Carlo error explains."
    assert bias(0.05, -0.1, cells=3) == "None is larger than Monte Carlo error explains, on average."
    assert bias(0.21).startswith("Larger")
    assert bias(0.21, -0.1, 0, 0).startswith("None")  # of four strategies one may be as far as that
    assert bias(0.4, -0.1, -0.5) == (
        "Larger than Monte Carlo error explains: a (0.40 ± 0.10) and c (-0.50 ± 0.10). Not larger than that: b (-0.10 ± 0.10)."
    )
    assert "Bias" not in said(strategy("a"))
    few = strategy("few", bias=Number(0.21, 0.1), only=5)
    assert said(few, cells=1)["Bias"].startswith("Not larger"), "of five datasets chance goes further"


def test_a_bias_that_all_strategies_share_may_be_chance_of_their_datasets():
    text = "None is larger than Monte Carlo error explains. That all estimates lie {} the truth may be chance which they share, "
    assert bias(-0.19, -0.2, -0.18, -0.1).startswith(text.format("below"))
    assert bias(0.19, 0.2, 0.18, 0.1).startswith(text.format("above"))
    for other in ((-0.19, -0.2, 0.01), (-0.1, -0.1, -0.1), (-0.19,)):
        assert "chance" not in bias(*other)


def test_strategies_without_a_coefficient_are_named_and_not_missed():
    told = of_each(("x", [strategy("a"), strategy("b"), strategy("c", failed=rate(80, 1000))]), ("z", [strategy("a")]))
    assert "c (0.080" in told["All coefficients", "Fits"]  # of those of every coefficient
    every = [
        Standings((strategy("a"),), 1000, terms=("x",), lacking=("two-stage",)),
        Standings((strategy("a"), strategy("two-stage", failed=rate(80, 1000))), 1000, terms=("z",)),
        Standings((strategy("a"),), 1000, terms=("u", "v"), lacking=("b", "c")),
    ]
    found_ = {(one.of, one.about): one.text for one in found_of(every, [[]] * 3)}
    assert found_["x", "Without it"] == "two-stage has no x."
    assert found_["u and v", "Without it"] == "b and c have no u or v."
    assert ("z", "Without it") not in found_
    assert "two-stage (0.080" in found_["All coefficients", "Fits"]


def test_power_that_does_not_count_says_why():
    cells = (*[rate(50, 1000)] * 3, rate(120, 1000))
    texts = said(strategy("a", levels=cells, power=800), strategy("b"), strategy("c"), cells=4)
    assert texts["Power"].endswith(
        " a (0.800 ± 0.013) does not count: its tests find effects that are not there too often, in some cells at least."
    )
    texts = said(strategy("a", None, coverage=700), strategy("b", None, coverage=700), strategy("c", None))
    assert texts["Power"] == (
        "Only one strategy kept the coverage of its intervals; its power: c (0.400 ± 0.015). a (0.400 ± 0.015) and "
        "b (0.400 ± 0.015) do not count: their intervals contain the truth too seldom."
    )


def test_standard_errors_are_off_beyond_five_percent_and_monte_carlo_error():
    numbers = {"ols": (-62.0, 1.0), "lm2": (4.9, 0.1), "lmer": (8.0, 4.0), "gee": (6.0, 1.0)}
    strategies = [strategy(name, model_se=Number(*number)) for name, number in numbers.items()]
    assert said(*strategies)["Standard errors"] == (
        "Too small by more than 5% and than Monte Carlo error explains: ols (-62.0 ± 1.0%). "
        "Too large by more than 5% and than Monte Carlo error explains: gee (+6.0 ± 1.0%). "
        "Right to within 5%, or to within Monte Carlo error: lm2 (+4.90 ± 0.10%) and lmer (+8 ± 4%)."
    )
    assert said(strategies[0], cells=2)["Standard errors"].endswith("explains, on average: ols (-62.0 ± 1.0%).")
    assert "Standard errors" not in said(strategy("ols"))


def test_what_averages_leave_out_and_what_failed_are_of_the_results(tmp_path):
    process = GaussianMultilevel(n_predictors=1, fixed_effects=(0, 0.5))
    made = results_of(
        tmp_path / "run", replicates=30, process=process, status=lambda model, *_: "crashed" if model == "lm2" else "ok"
    )
    standings = standings_of(Numbers(made))
    assert standings.aside == {"level": ("Intercept",)}
    assert standings_of(Numbers(made, terms=("IV1",))).aside == {}  # who asks for one asks for no other
    (why,) = standings.why
    assert why.startswith("lm2 gave no answer at all: 30 of 30 fits failed, crashed: ")
    assert why in made.notes
    (row,) = made.measures(["model"], measures=["model_se_error"], terms=["IV1"]).query("model == 'ols'").to_dict("records")
    assert (standings.strategies[0].model_se.value, standings.strategies[0].model_se.mcse) == (row["value"], row["mcse"])
    assert {finding.about for finding in found(standings)}.isdisjoint({"Caution", "Nothing"})


def test_the_best_of_some_is_not_beaten_by_others():
    """One strategy keeps its level; that another finds more does not count."""
    one, other = strategy("one", power=200), Number(-0.3, 0.02, -0.34, -0.26)
    assert leader([one], "power", 1000, lambda name: {"other": other}) is one
