"""CR0 to CR3 and their degrees of freedom against dense N x N computations, closed forms and what they promise."""

from functools import partial

import jax
import numpy as np
import pandas as pd
import pytest
from oracle import Rows, batch, cluster_robust, cross_products, make_rows, ols
from second_stage import QUICKLY

import jaxsim
from jaxsim import ClusterRobust, InputError
from jaxsim.estimators.cluster_robust import Contrasts, fit_contrasts
from jaxsim.status import Status

GROUPS, COLUMNS, BATCH = 20, 4, 64


def designs():
    """Datasets of four columns that differ in what is hard about their groups."""
    base = make_rows(0, [5, 9, 4, 12, 6, 7, 8, 5], COLUMNS, group_sd=1.0)
    x, group = base.x, base.group
    rng = np.random.default_rng(1)

    def last(column):
        return base.but(x=np.column_stack([x[:, :3], column]))

    return {
        "plain": base,
        "unbalanced": make_rows(2, [60, 3, 2, 25, 1, 4, 9, 2, 1, 30], COLUMNS),
        "between groups": last(rng.normal(size=8)[group]),
        "treated groups": last((group < 3) * 1.0),
        "one treated group": last((group == 2) * 1.0),
        "a column in one group": last(np.where(group == 2, x[:, 3], 0.0)),
        "two columns in one group": base.but(x=np.column_stack([x[:, :2], group == 2, np.where(group == 2, x[:, 3], 0.0)])),
        "two groups": base.but(group=group % 2),
        "three groups": base.but(group=group % 3),
        "far from zero": make_rows(3, [6, 7, 12, 4, 9, 5, 3], COLUMNS, location=30.0),
        "one row a group": make_rows(4, [1] * 18, COLUMNS),
        "one or two rows a group": make_rows(5, [1, 2] * 7, COLUMNS),
    }


DESIGNS = designs()
# Both sides lose the squared condition of X, 1e6 far from zero, of 16 digits; elsewhere it is below 1e3.
DIGITS = {"far from zero": 1e-8}
STRATEGIES = [
    *(ClusterRobust(vcov, df="satterthwaite") for vcov in ("CR0", "CR1p")),
    *(ClusterRobust(vcov) for vcov in ("CR2", "CR3")),
]


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def fit_batch(strategy, data):
    """``fit_batch``, compiled as studies compile it."""
    return strategy.fit_batch(data)


def fit_all(strategy, rows):
    """Fits of the datasets, all batches of one shape."""
    fits = jax.device_get(fit_batch(strategy, batch(list(rows), GROUPS, BATCH)))
    return [jax.tree.map(lambda leaf, k=k: leaf[k], fits) for k in range(len(rows))]


@pytest.fixture(scope="module")
def fits():
    return {s: dict(zip(DESIGNS, fit_all(s, list(DESIGNS.values())), strict=True)) for s in STRATEGIES}


def agrees(fit, expected, rtol=1e-10):
    """The numbers of a fit against those of the dense computation."""
    np.testing.assert_allclose(fit.std_error, np.sqrt(np.diagonal(expected.vcov)), rtol=rtol)
    size = np.sqrt(np.outer(np.diagonal(expected.vcov), np.diagonal(expected.vcov)))
    np.testing.assert_allclose(fit.vcov / size, expected.vcov / size, atol=rtol)
    np.testing.assert_allclose(fit.df, expected.df, rtol=rtol)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.vcov)
def test_dense(fits, strategy, name):
    fit, rows = fits[strategy][name], DESIGNS[name]
    if strategy.vcov == "CR1p" and len(rows.members()) <= COLUMNS:
        assert Status(int(fit.status)) is Status.TOO_FEW_GROUPS
        return
    assert Status(int(fit.status)) is Status.OK
    agrees(fit, cluster_robust(rows, strategy.vcov, strategy.df), DIGITS.get(name, 1e-10))


@pytest.mark.parametrize(("vcov", "power"), [("CR2", 1), ("CR3", 2)])
def test_one_row_a_group_is_the_heteroskedastic_variance(fits, vcov, power):
    """HC2 and HC3: squared residuals over ``(1 - h)`` to the power 1 and 2."""
    rows, fit = DESIGNS["one row a group"], fits[ClusterRobust(vcov)]["one row a group"]
    half = np.linalg.pinv(rows.x)
    squares = (rows.y - rows.x @ ols(rows).beta) ** 2 / (1 - np.diagonal(rows.x @ half)) ** power
    np.testing.assert_allclose(fit.vcov, (half * squares) @ half.T, rtol=1e-10)


def test_cr3_is_the_jackknife(fits):
    """``sum_g (b_(g) - b)(b_(g) - b)'`` with group g left out, without the factor (G - 1) / G."""
    for name in ("plain", "unbalanced", "between groups"):
        rows = DESIGNS[name]
        without = [np.delete(np.arange(len(rows.y)), i) for i in rows.members()]
        change = np.stack([np.linalg.lstsq(rows.x[i], rows.y[i], rcond=None)[0] for i in without]) - ols(rows).beta
        variances = np.diagonal(change.T @ change)
        np.testing.assert_allclose(fits[ClusterRobust("CR3")][name].std_error, np.sqrt(variances), rtol=1e-10)


@pytest.mark.parametrize("name", ["plain", "between groups", "treated groups"])
def test_cr2_is_unbiased_for_independent_errors(name):
    """A variance estimate is a quadratic form ``y'By`` of trace ``E``: the sum over any orthonormal basis of y, of N vectors."""
    rows = DESIGNS[name]
    basis = np.linalg.qr(np.random.default_rng(7).normal(size=(len(rows.y), len(rows.y))))[0]
    made = fit_all(ClusterRobust("CR2"), [rows.but(y=y) for y in basis.T])
    expected = np.linalg.inv(rows.x.T @ rows.x)
    np.testing.assert_allclose(sum(fit.vcov for fit in made), expected, rtol=1e-10, atol=1e-12)  # entries of the size of 1e-2


def test_contrasts():
    """Degrees of freedom belong to a contrast; each is fitted as a coefficient of a model in other coordinates."""
    rows = DESIGNS["unbalanced"]
    contrasts = np.array([[1.0, -1.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 3.0, -1.0, 2.0]])
    data = cross_products(rows, GROUPS)
    for vcov in ("CR2", "CR3"):
        fit = jax.device_get(fit_contrasts(ClusterRobust(vcov), data, Contrasts(contrasts, np.zeros(3))))
        expected = cluster_robust(rows, vcov, contrasts=contrasts)
        agrees(fit, expected)
        np.testing.assert_allclose(fit.estimate, expected.beta, rtol=1e-10)
    assert np.ptp(fit.df) > 0.1


def test_many_columns():
    """More columns than the loops unroll; a treatment in differences, with a column of its own for every group."""
    rng = np.random.default_rng(3)
    controls, treated, rows_each = 4, 9, 6
    count = controls + treated
    data = pd.DataFrame({"group": np.repeat(np.arange(count), rows_each), "post": np.tile([0, 0, 0, 1, 1, 1], count)})
    data["own"] = [f"g{g:02d}" for g in data["group"]]
    data["treatment"] = data["post"] * (data["group"] >= controls)
    data["y"] = rng.normal(size=len(data)) + rng.normal(size=count)[data["group"]]
    fit = jaxsim.lm("y ~ own + post + treatment", data, cluster="group", vcov="CR2").table.set_index("term")
    m0, m1, m = controls, treated, count
    df = m**2 * (m0 - 1) * (m1 - 1) / (m0**2 * (m0 - 1) + m1**2 * (m1 - 1))  # two independent means
    assert df == pytest.approx(5.8275862, abs=1e-7)
    assert fit.loc["treatment", "df"] == pytest.approx(df, rel=1e-10)
    difference = data.groupby(["group", "post"])["y"].mean().unstack().diff(axis=1)[1]
    variances = [difference[:m0].var() / m0, difference[m0:].var() / m1]
    assert fit.loc["treatment", "std_error"] == pytest.approx(np.sqrt(sum(variances)), rel=1e-10)


def test_a_singular_group_far_from_zero():
    """A column of one group beside one at a distance of 5e4 standard deviations: rounding must not pass for information."""
    rows = DESIGNS["a column in one group"]
    far = rows.but(x=rows.x + np.array([0.0, 5e4, 0.0, 0.0]))
    for strategy in (ClusterRobust("CR2"), ClusterRobust("CR3")):
        near_fit, far_fit = fit_all(strategy, [rows, far])
        assert Status(int(far_fit.status)) is Status.OK
        # Cross-products keep 16 - 9 digits of the second column beside a mean of 5e4; the intercept is another coefficient.
        np.testing.assert_allclose(far_fit.std_error[1:], near_fit.std_error[1:], rtol=1e-5)
        np.testing.assert_allclose(far_fit.df[1:], near_fit.df[1:], rtol=1e-5)


def test_a_group_that_nearly_determines_a_column():
    """Its part of the others' hat matrix is 1 - 1e-7: nothing may be lost in differences of the large numbers this makes."""
    rows = DESIGNS["plain"]
    column = np.where(rows.group == 2, rows.x[:, 3], np.where(rows.group == 5, 3e-4 * rows.x[:, 3], 0.0))
    rows = rows.but(x=np.column_stack([rows.x[:, :3], column]))
    for vcov in ("CR2", "CR3"):
        # The dense side inverts a block of condition 1e7: nine digits are left.
        agrees(fit_all(ClusterRobust(vcov), [rows])[0], cluster_robust(rows, vcov), 1e-7)


@pytest.mark.parametrize(
    ("vcov", "degrees", "expected"),
    [
        ("CR1", None, 7.0),
        ("pymer4", None, 4.0),
        ("CR0", "G-1", 7.0),
        ("CR0", "G-P", 4.0),
        ("CR0", "normal", np.inf),
        ("CR2", "G-1", 7.0),
    ],
)
def test_degrees_of_freedom(vcov, degrees, expected):
    """Eight groups, four coefficients."""
    (fit,) = fit_all(ClusterRobust(vcov, df=degrees), [DESIGNS["plain"]])
    assert (fit.df == expected).all()
    np.testing.assert_allclose(fit.std_error**2, np.diagonal(cluster_robust(DESIGNS["plain"], vcov).vcov), rtol=1e-10)


def test_a_variance_that_cannot_be_had_is_a_status():
    """A column for each group: coefficients are means of groups, whose scores are zero, unless another column makes them vary."""
    rows = make_rows(0, [4, 5, 6], 2)
    means = np.array([rows.x[i, 1].mean() for i in rows.members()])
    own, centred = np.eye(3)[rows.group], rows.x[:, 1] - means[rows.group]
    made = [
        np.column_stack([own, centred]),
        np.column_stack([own @ [[1, 1, 0], [1, 1, 1], [1, 1 + 1e-4, 1]], centred]),  # the same model, nearly collinear
        np.column_stack([own, rows.x[:, 1]]),
    ]
    for strategy in (ClusterRobust("CR0"), ClusterRobust("CR0", df="satterthwaite"), ClusterRobust("CR2"), ClusterRobust("CR3")):
        fits = fit_all(strategy, [Rows(x, rows.y, rows.group) for x in made])
        assert [Status(int(fit.status)) for fit in fits] == [Status.ZERO_VARIANCE, Status.ZERO_VARIANCE, Status.OK]


def test_coefficients_beside_one_without_a_variance():
    """Differences between groups have no variance, the slope that is common to them has: it is reported, and the status says so."""
    rows = make_rows(0, [4, 5, 6, 5], 2)
    data = pd.DataFrame({"y": rows.y, "x": rows.x[:, 1], "g": rows.group, "own": [f"g{g}" for g in rows.group]})
    data["x"] -= data.groupby("g")["x"].transform("mean")
    within = data.assign(y=data["y"] - data.groupby("g")["y"].transform("mean"))
    for options in (dict(vcov="CR2"), dict(vcov="CR0", inference="wild")):
        with pytest.warns(UserWarning, match=r"\(Intercept\), owng1, owng2, owng3: the groups say nothing"):
            fit = jaxsim.lm("y ~ own + x", data, cluster="g", **options)
        assert fit.status == "zero_variance"
        table = fit.table.set_index("term")
        assert table["estimate"].notna().all()
        assert table.drop(index="x")[["std_error", "statistic", "df", "p_value", "conf_low", "conf_high"]].isna().all(axis=None)
        expected = jaxsim.lm("y ~ 0 + x", within, cluster="g", **options).table.iloc[0]
        assert fit.vcov.loc["x", "x"] == pytest.approx(expected["std_error"] ** 2, rel=1e-10)
        pd.testing.assert_series_equal(table.loc["x"], expected.drop("term"), check_names=False, rtol=1e-8, check_dtype=False)
    with pytest.warns(UserWarning, match="a standard error is zero"):
        assert jaxsim.lm("y ~ own", data, cluster="g", vcov="CR2").table["std_error"].isna().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(vcov="CR4"), "'CR2', 'CR3'"),
        (dict(df="residual"), "'satterthwaite', 'G-1', 'G-P', 'normal'"),
        (dict(inference="bootstrap"), "'t', 'wild'"),
        (dict(weights="normal"), "'rademacher', 'webb', 'mammen'"),
        (dict(draws=0), "positive integer"),
        (dict(draws=99.5), "positive integer"),
        (dict(draws=True), "positive integer"),
        (dict(weights="webb"), "weights='webb' is an option of the bootstrap.*add inference='wild', or leave it out"),
        (dict(draws=99), "draws=99 is an option of the bootstrap.*add inference='wild', or leave it out"),
        (dict(vcov="CR2", inference="wild"), "use 'CR1S'"),
        (dict(vcov="CR3", inference="wild"), "use 'CR1S'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        ClusterRobust(**options)
    options = {"bootstrap" if name == "weights" else name: value for name, value in options.items()}
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "x": [1.0, 2.0, 1.0, 3.0], "g": [0, 0, 1, 1]})
    message = message.replace("'CR2', 'CR3'", "'CR2', 'CR3', 'iid'").replace("weights='webb'", "bootstrap='webb'")
    with pytest.raises(InputError, match=message):
        jaxsim.lm("y ~ x", data, cluster="g", **options)


def test_classical_errors_have_no_other_options():
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "x": [1.0, 2.0, 1.0, 3.0]})
    for options in (dict(df="G-1"), dict(inference="wild")):
        with pytest.raises(InputError, match="leave out df and inference"):
            jaxsim.lm("y ~ x", data, vcov="iid", **options)


@pytest.mark.parametrize("vcov", ["CR1", "iid"])
@pytest.mark.parametrize("options", [dict(weights="rademacher"), dict(draws=9999)])
def test_the_default_of_the_bootstrap_is_no_option_of_the_t_test_either(vcov, options):
    """A DataFrame is fitted once: whoever names the weights expects a bootstrap."""
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "x": [1.0, 2.0, 1.0, 3.0], "g": [0, 0, 1, 1]})
    with pytest.raises(InputError, match="is an option of the bootstrap, which inference='t' does not use"):
        jaxsim.lm("y ~ x", data, cluster="g", vcov=vcov, **options)


def test_too_few_clusters_for_a_convention():
    data = pd.DataFrame({"y": np.random.default_rng(0).normal(size=30), "x": np.arange(30.0) % 7, "g": np.arange(30) % 2})
    for options, what in ((dict(vcov="CR1p"), "'CR1p'"), (dict(vcov="CR1", df="G-P"), "'CR1' with G-P degrees of freedom")):
        with pytest.warns(UserWarning, match=f"2 clusters leave {what} no degrees of freedom"):
            fit = jaxsim.lm("y ~ x", data, cluster="g", **options)
        assert fit.status == "too_few_groups"
