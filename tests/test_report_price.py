"""Who is ahead in power by a worse level or a worse coverage has not found more: on hand-made numbers, and on drawn ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_report_found import differences, rate, said, strategy

from jaxsim.measures.evidence import Number
from jaxsim.report.found import found
from jaxsim.report.price import prices
from jaxsim.report.standings import Standings


def power(*strategies, pairs=None, mcse=0.002, **more) -> str:
    """What is said of power, with differences between strategies as sharp as the datasets that they share make them."""
    standings = differences(Standings(strategies, 1000, terms=("x",), **more), mcse)
    standings = dataclasses.replace(standings, differences={**standings.differences, **(pairs or {})})
    return next(one.text for one in found(standings) if one.about == "Power")


def test_power_that_is_paid_with_coverage_does_not_win():
    """0.938 of 1,000 is not off 0.95 by more than its own Monte Carlo error explains."""
    sure, exact = strategy("sure", None, 430, 938), strategy("exact", None, 400, 950)
    assert "Below" not in said(sure, exact)["Coverage"]
    assert power(sure, exact) == (
        "sure (0.430 ± 0.016) found 0.030 ± 0.002 more than exact (0.400 ± 0.015) on the same datasets, but pays for it: its "
        "intervals contain the truth at a rate of 0.938 ± 0.008 where 0.95 is promised, 0.012 ± 0.002 below exact (0.950 ± 0.007). "
        "So it does not count as finding more. That leaves exact (0.400 ± 0.015)."
    )
    blunt = {("coverage", *names): Number(sign * 0.012, 0.007) for names, sign in ((("sure", "exact"), -1), (("exact", "sure"), 1))}
    assert power(sure, exact, pairs=blunt).startswith("sure (0.430 ± 0.016) found most: ")
    little = {names: Number(np.sign(pair.value) * 0.004, 0.0001) for names, pair in blunt.items()}
    assert power(sure, exact, pairs=little).startswith("sure (0.430 ± 0.016) found most: ")  # surely lower, and hardly
    other_way = {("coverage", "sure", "exact"): Number(0.012, 0.002)}  # where averages are of different datasets
    assert power(sure, exact, pairs=other_way).startswith("sure (0.430 ± 0.016) found most: ")


def test_power_that_is_paid_with_the_level_does_not_win():
    told = power(strategy("sure", 62, 430, 938), strategy("exact", 50, 400, 950))
    assert told.startswith(
        "sure (0.430 ± 0.016) found 0.030 ± 0.002 more than exact (0.400 ± 0.015) on the same datasets, but pays"
    )
    assert (
        "its tests find effects that are not there at a rate of 0.062 ± 0.008 where 0.05 is promised, 0.012 ± 0.002 above" in told
    )
    # where the level is known it is what counts
    assert power(strategy("sure", 50, 430, 938), strategy("exact", 50, 400, 950)).startswith("sure (0.430 ± 0.016) found most: ")


@pytest.mark.parametrize(("own", "other"), [(950, 970), (945, 970), (952, 965), (955, 965)])
def test_an_exact_method_wins_over_a_cautious_one(own, other):
    """Whose coverage is further from what is promised than that of the first: its caution is what the difference is of."""
    assert power(strategy("a", None, 430, own), strategy("b", None, 400, other)).startswith("a (0.430 ± 0.016) found most: ")


def test_the_others_are_compared_when_the_first_pays():
    given = strategy("sure", None, 460, 938), strategy("b", None, 430, 950), strategy("c", None, 400, 951)
    told = power(*given)
    assert "0.030 ± 0.002 more than b (0.430 ± 0.016) and 0.060 ± 0.002 more than c (0.400 ± 0.015) on the same datasets" in told
    assert "0.012 ± 0.002 below b (0.950 ± 0.007) and 0.013 ± 0.002 below c (0.951 ± 0.007)" in told
    assert told.endswith(
        " b (0.430 ± 0.016) found most among the others: 0.030 ± 0.002 more than c (0.400 ± 0.015), on the same datasets."
    )
    worst = strategy("worst", None, 300, 700)
    assert "found most among the others that kept the coverage of their intervals: 0.030" in power(*given, worst)
    two = power(strategy("sure", None, 460, 938), strategy("b", None, 430, 942), strategy("c", None, 400, 950), mcse=0.001)
    assert two.count("pays for it") == 2
    assert two.endswith("That leaves c (0.400 ± 0.015).")


def test_all_pairs_are_looked_at_together():
    """Three errors are enough for one pair, and not for one of the 45 of ten strategies."""
    pairs = {("coverage", "s0", "s1"): Number(-0.012, 0.004), ("coverage", "s1", "s0"): Number(0.012, 0.004)}
    first = strategy("s0", None, 430, 938)
    assert "pays for it" in power(first, strategy("s1", None, 400, 950), pairs=pairs)
    rest = [strategy(f"s{i}", None, 400, 950) for i in range(1, 10)]
    pairs |= {("coverage", "s0", f"s{i}"): Number(-0.012, 0.004) for i in range(2, 10)}
    assert power(first, *rest, pairs=pairs).startswith("s0 (0.430 ± 0.016) found most: ")


@pytest.mark.parametrize(("sharp", "paid"), [(0.9, 1.0), (1.0, 0.0)])
def test_of_drawn_studies_the_price_is_told_where_there_is_one(sharp, paid):
    """Intervals that are too short by a tenth, beside exact ones, pay. Exact ones, beside ones that are too long, do not, though
    their coverage is lower in every study, and below what is promised in half of them."""
    rng, told = np.random.default_rng(3), []
    for _ in range(40):
        z = rng.normal(size=2000)
        strategies, drawn = [], {}
        for name, factor in (("one", sharp), ("other", sharp / 0.9)):
            finds, covers = np.abs(z + 1.5) > 1.96 * factor, np.abs(z) < 1.96 * factor
            drawn[name] = {"power": finds, "coverage": covers}
            strategies.append(dataclasses.replace(strategy(name, None), **{k: rate(v.sum(), 2000) for k, v in drawn[name].items()}))
        pairs = {}
        for first, second in (("one", "other"), ("other", "one")):
            for measure in ("power", "coverage"):
                d = drawn[first][measure].astype(float) - drawn[second][measure]
                pairs[measure, first, second] = Number(d.mean(), d.std(ddof=1) / np.sqrt(2000))
        standings = Standings(tuple(strategies), 2000, differences=pairs, terms=("x",))
        told.append(bool(prices(standings, strategies)[0]))
    assert abs(np.mean(told) - paid) <= 0.1
