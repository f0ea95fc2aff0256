"""Analyses by units, min F' and the F1 and F2 criterion, against least squares of each unit's rows, closed forms and arithmetic."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from crossed_rows import Experiment, crossed, fits
from scipy import stats

import jaxsim
from jaxsim import F1F2, Aggregated, Grid, InputError, MinF, MultiwayCluster, Names, PooledOLS, Prediction, Study, TwoStage
from jaxsim.estimators.min_f import min_f
from jaxsim.numerics.student import two_sided
from jaxsim.status import Status

UNBALANCED = [crossed(seed, 10, 8, sd, missing=0.08, repeats=2) for seed, sd in ((1, 1.0), (2, 0.3), (3, 2.0))]
# What varies within subjects, and within items, of the columns of `crossed` and their interaction.
WITHIN = {"subject": ("within", "between", "within:between"), "item": ("within",)}


def with_columns(rows, **columns):
    """Further columns, functions of those that there are."""
    x = {name: rows.x[:, k] for k, name in enumerate(rows.columns)}
    made = {name.replace("_x_", ":"): function(x) for name, function in columns.items()}
    return rows.but(x=np.column_stack([rows.x, *made.values()]), columns=(*rows.columns, *made))


def by_units(rows, unit, shift=None):
    """Estimates, standard errors and df from every unit's own least squares, and what explains them, by name.

    Args:
        shift: where columns that vary within units stand when units' means are compared; at zero when None.
    """
    units, x = rows.by(unit), dict(zip(rows.columns, rows.x.T, strict=True))
    inside = [name for name in rows.columns if name in WITHIN[unit]]
    own, first = [], []
    for members in units.members():
        design = np.column_stack([np.ones(len(members)), *(x[name][members] for name in inside)])
        own.append(np.linalg.lstsq(design, rows.y[members], rcond=None)[0])
        first.append(members[0])
    own, first = np.array(own), np.array(first)
    outside = [name for name in rows.columns if name not in ("Intercept", *inside) and ":" not in name]
    constant = np.ones(len(own))
    tables = [("Intercept", own[:, 0], ["Intercept", *outside])]
    if outside:
        means = own[:, 0] + own[:, 1:] @ np.array([shift or 0.0 for _ in inside])
        tables += [(name, means, ["Intercept", *outside]) for name in outside]
    for k, name in enumerate(inside, 1):
        crossing = [f"{name}:{other}" for other in outside if f"{name}:{other}" in rows.columns]
        tables += [(term, own[:, k], [name, *crossing]) for term in (name, *crossing)]
    found = {}
    for term, response, terms in tables:
        design = np.column_stack([constant, *(x[t.split(":")[-1]][first] for t in terms[1:])])
        half = np.linalg.pinv(design)
        beta, df = half @ response, len(response) - len(terms)
        rest = response - design @ beta
        at = terms.index(term)
        found[term] = beta[at], np.sqrt((half[at] ** 2).sum() * rest @ rest / df), df
    return np.array([found[name] for name in rows.columns]).T


@pytest.mark.parametrize("unit", ["subject", "item"])
def test_own_least_squares_of_unbalanced_rows(unit):
    """Within, between, and their interaction: in the analysis by items the slopes are explained by the items' condition."""
    datasets = [with_columns(rows, within_x_between=lambda x: x["within"] * x["between"]) for rows in UNBALANCED]
    for rows, fit in zip(datasets, fits(Aggregated(cluster=unit), datasets), strict=True):
        estimate, std_error, df = by_units(rows, unit)
        # Cross-products of a condition below 5, inverted once a unit.
        np.testing.assert_allclose(fit.estimate, estimate, rtol=1e-9)
        np.testing.assert_allclose(fit.std_error, std_error, rtol=1e-9)
        np.testing.assert_array_equal(fit.df, df)


def test_means_are_compared_at_the_middle():
    """Of a condition coded 0 and 1 without an interaction units' means are compared, not their responses in one condition; with one
    the coefficient is of the condition that is 0."""
    coded = [rows.but(x=rows.x + np.array([0, 0.5, 0])) for rows in UNBALANCED]
    joined = [with_columns(rows, within_x_between=lambda x: x["within"] * x["between"]) for rows in coded]
    for rows, fit in zip(coded, fits(Aggregated(cluster="item"), coded), strict=True):
        estimate, std_error, _ = by_units(rows, "item", rows.x[:, 1].mean())
        np.testing.assert_allclose(fit.estimate, estimate, rtol=1e-9)
        np.testing.assert_allclose(fit.std_error, std_error, rtol=1e-9)
    for rows, fit in zip(joined, fits(Aggregated(cluster="item"), joined), strict=True):
        estimate, std_error, _ = by_units(rows, "item")
        np.testing.assert_allclose(fit.estimate, estimate, rtol=1e-9)
        np.testing.assert_allclose(fit.std_error, std_error, rtol=1e-9)


def test_textbook_tests():
    """t tests of means by condition: paired within units, of two samples between them."""
    for rows in (crossed(4, 9, 8), crossed(5, 12, 6, 0.2)):
        (fit,) = fits(Aggregated(cluster="item"), [rows])
        item, second = rows.levels[:, 1], rows.x[:, 1] > 0
        means = np.array([[rows.y[(item == i) & (second == c)].mean() for c in (False, True)] for i in np.unique(item)])
        paired = stats.ttest_rel(means[:, 1], means[:, 0])
        two = stats.ttest_ind(means[1::2].mean(1), means[::2].mean(1))
        for at, expected in ((1, paired), (2, two)):
            assert fit.estimate[at] / fit.std_error[at] == pytest.approx(expected.statistic, rel=1e-9)
            assert fit.df[at] == expected.df


def test_two_stages_are_the_same_where_everything_varies_within():
    names = ("estimate", "std_error", "df", "vcov")
    for one, other in zip(fits(Aggregated(), UNBALANCED), fits(TwoStage(), UNBALANCED), strict=True):
        for name in names:
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9)


def test_the_order_of_the_columns():
    turned = [rows.but(x=rows.x[:, [2, 0, 1]], columns=("between", "Intercept", "within")) for rows in UNBALANCED]
    for rows, fit in zip(turned, fits(Aggregated(cluster="item"), turned), strict=True):
        expected = fits(Aggregated(cluster="item"), [rows.but(x=rows.x[:, [1, 2, 0]], columns=("Intercept", "within", "between"))])[
            0
        ]
        np.testing.assert_allclose(fit.std_error, expected.std_error[[2, 0, 1]], rtol=1e-10)
        np.testing.assert_allclose(fit.vcov, expected.vcov[[2, 0, 1]][:, [2, 0, 1]], rtol=1e-9, atol=1e-14)


def without_condition(rows):
    """Item 3 was never seen in one condition."""
    there = (rows.levels[:, 1] != 3) | (rows.x[:, 1] > 0)
    return rows.but(x=rows.x[there], y=rows.y[there], levels=rows.levels[there])


def shared_slope(rows):
    """A predictor that moves with another one within every item, by a start and a pace of its own."""
    item = rows.levels[:, 1]
    return rows.but(x=np.column_stack([rows.x[:, :2], np.sin(item) + (1 + item) * rows.x[:, 1]]))


def same_slopes(rows):
    """Items differ in nothing but their means."""
    return rows.but(y=np.sin(rows.levels[:, 1]) + 0.5 * rows.x[:, 1])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (without_condition, Status.RANK_DEFICIENT),
        (shared_slope, Status.RANK_DEFICIENT),
        (same_slopes, Status.ZERO_VARIANCE),
        (lambda rows: rows.but(levels=rows.levels % [99, 2]), Status.TOO_FEW_GROUPS),
    ],
)
def test_statuses(change, status):
    """Two items leave no df for a condition between them."""
    rows = crossed(6, 9, 8)
    for strategy in (Aggregated(cluster="item"), MinF(), F1F2()):
        good, bad = fits(strategy, [rows, change(rows)])
        assert good.status == Status.OK
        assert bad.status == status
        assert np.isnan(np.r_[bad.estimate, bad.p_value]).all()


def test_clark():
    """Unbalanced rows, where the two analyses have different estimates: the p value is of min F' as it is printed."""
    by_subject, by_item = (fits(Aggregated(cluster=unit), UNBALANCED) for unit in ("subject", "item"))
    for fit, one, other in zip(fits(MinF(), UNBALANCED), by_subject, by_item, strict=True):
        f1, f2 = (one.estimate / one.std_error) ** 2, (other.estimate / other.std_error) ** 2
        assert not np.allclose(one.estimate[1:], other.estimate[1:], rtol=1e-4)
        df = (f1 + f2) ** 2 / (f1**2 / other.df + f2**2 / one.df)
        np.testing.assert_allclose(fit.p_value, stats.f.sf(f1 * f2 / (f1 + f2), 1, df), rtol=1e-9)
        np.testing.assert_allclose(fit.estimate, (one.estimate + other.estimate) / 2, rtol=1e-12)
        np.testing.assert_allclose(fit.vcov, one.vcov + other.vcov, rtol=1e-12)
        np.testing.assert_allclose(fit.extra["f1"], f1, rtol=1e-12)


def test_min_f_of_two_ratios():
    """By arithmetic; where one of them is zero so is min F'."""
    f1, f2, n1, n2 = (jnp.asarray(number) for number in (5.61, 4.53, 19.0, 38.0))
    ratio, df = 5.61 * 4.53 / 10.14, 10.14**2 / (5.61**2 / 38 + 4.53**2 / 19)
    assert float(min_f(f1, f2, n1, n2)) == pytest.approx(stats.f.sf(ratio, 1, df), rel=1e-10)
    assert float(min_f(f1 * 0, f2 * 0, n1, n2)) == 1.0
    assert float(min_f(f1 * 0, f2, n1, n2)) == 1.0


def test_the_larger_p_value():
    by_subject, by_item = (fits(Aggregated(cluster=unit), UNBALANCED) for unit in ("subject", "item"))
    for fit, one, other in zip(fits(F1F2(), UNBALANCED), by_subject, by_item, strict=True):
        p = [2 * stats.t.sf(abs(part.estimate) / part.std_error, part.df) for part in (one, other)]
        np.testing.assert_allclose(fit.p_value, np.maximum(*p), rtol=1e-9)
        for k, larger in enumerate(np.argmax([one.std_error, other.std_error], 0)):
            part = (one, other)[larger]
            assert (fit.estimate[k], fit.std_error[k], fit.df[k]) == (part.estimate[k], part.std_error[k], part.df[k])
        np.testing.assert_allclose(np.sqrt(np.diagonal(fit.vcov)), fit.std_error)
        assert np.linalg.eigvalsh(fit.vcov).min() > 0


def test_tails():
    """SciPy's, at 1e-12 of their own size down to 1e-30."""
    t, df = np.meshgrid([0.0, 0.3, 2.0, 9.0, 200.0], [0.7, 1.0, 3.4, 29.0, 1e4])
    expected = 2 * stats.t.sf(t, df)
    there = expected > 1e-30
    np.testing.assert_allclose(two_sided(jnp.asarray(t), jnp.asarray(df))[there], expected[there], rtol=1e-11)


def test_a_study(tmp_path):
    """Stored numbers are those of means by condition; strategies of cells are scored, and their own numbers are columns."""
    strategies = (Aggregated("F1"), Aggregated("F2", cluster="item"), MinF(), F1F2(), MultiwayCluster(), PooledOLS())
    study = Study(Experiment(), Grid(item_sd=[0.0, 1.0]), strategies, 4, seed=3, scores=(Prediction(),))
    assert Study.from_json(study.to_json()) == study
    results = study.run(tmp_path / "out", progress=False)
    assert (results.fits["status"] == "ok").all()
    rows = results.estimates.query("cell == 1 and replicate == 2 and term == 'between'").set_index("model")
    means = study.dataset(1, 2).groupby(["item", "between"])["DV"].mean().reset_index()
    expected = stats.ttest_ind(*(means.loc[means["between"] == c, "DV"] for c in (0.5, -0.5)))
    assert rows.loc["F2", "p_value"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert rows.loc["f1_f2", "p_value"] == pytest.approx(rows.loc[["F1", "F2"], "p_value"].max(), rel=1e-9)
    f1, f2 = rows.loc["min_f", "f1"], rows.loc["min_f", "f2"]
    assert rows.loc["min_f", "statistic"] ** 2 == pytest.approx(f1 * f2 / (f1 + f2), rel=1e-9)
    assert rows.loc["min_f", "p_value"] > rows.loc["f1_f2", "p_value"]
    new = rows["prediction_mse_new"]
    assert new.notna().all()
    assert new["multiway"] == pytest.approx(new["ols"], rel=1e-12)
    # By t of the stored df, as the p value: the design is balanced.
    assert ((rows["conf_low"] > 0) | (rows["conf_high"] < 0)).equals(rows["p_value"] < 0.05)


def test_factors_that_lie_in_each_other():
    """Min F' is of crossed factors; where subjects lie in schools, those are subjects and items."""
    names = Names(("Intercept", "x"), factors=("school", "subject", "item"), nested=(("subject", ("school",)),))
    with pytest.raises(InputError, match=r"'min_f' joins .*'subject' lies in 'school'\. Name two .*\(cluster='school'\)"):
        MinF().check(names)
    with pytest.raises(InputError, match=r"'f1_f2' joins .*'subject' lies in 'school'"):
        F1F2(by=("subject", "school")).check(names)
    MinF(by=("subject", "item")).check(names)
    F1F2(by=("school", "item")).check(names)


def test_words():
    names = Experiment().names
    with pytest.raises(InputError, match=r"'min_f' needs two grouping factors, .* the process has Group\. Use Aggregated\(\)"):
        Study(jaxsim.GaussianMultilevel(), Grid(), (MinF(),), 1)
    with pytest.raises(InputError, match=r"by='word' is not a grouping factor of the process; it has subject, item"):
        F1F2(by=("subject", "word")).check(names)
    with pytest.raises(InputError, match=r"by=\('subject',\): give two different grouping factors"):
        MinF(by=("subject",))
    with pytest.raises(InputError, match="give two different grouping factors"):
        F1F2(by=("subject", "item", "lab"))
    for strategy in (Aggregated(formula="DV ~ 0 + within"), MinF(formula="DV ~ within - 1")):
        with pytest.raises(InputError, match=r"an analysis of means has an intercept; the coefficients are within\. Leave"):
            strategy.check(names)
    Aggregated(formula="DV ~ within", cluster="item").check(names)
