"""Kenward-Roger inference of the mixed model against N x N matrices. Stored R output: test_bridge_reference.py."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from oracle import batch, covariance_of, make_rows
from oracle_kenward_roger import Model, kenward_roger, reml

import jaxsim
from jaxsim import InputError, LinearMixed
from jaxsim.data.cross_products import from_rows, pad_groups
from jaxsim.data.random_effects import Structure, consecutive
from jaxsim.lmm import newton, solution
from jaxsim.lmm.deviance import Spec
from jaxsim.lmm.kenward_roger import LEAST_OBSERVED, Adjustment, degrees_of_freedom
from jaxsim.lmm.problem import pose
from jaxsim.status import Status

METHODS = ("kenward-roger", "kenward-roger-observed")
GROUPS = 10  # with padding, so that one compiled program serves all datasets
DATASETS = {
    "unbalanced": make_rows(3, [2, 5, 3, 7, 4, 9], n_fixed=3, location=0.7),
    "balanced": make_rows(4, [6] * 5, n_fixed=3),
    "far from zero": make_rows(5, [4, 9, 6, 8, 5], n_fixed=3, location=[5.0, -3.0]),
}
# Well-determined variances: every model below has an interior optimum.
CLEAR = [make_rows(seed, [4, 7, 5, 9, 6, 8, 5, 7, 6], n_fixed=3, location=0.7, group_sd=2.0) for seed in (1, 2)]
# Positions of the fixed and of the random columns, structure.
MODELS = {
    "maximal": ((0, 1, 2), (0, 1, 2), consecutive([3])),
    "fewer random": ((0, 1, 2), (0, 2), consecutive([2])),
    "intercept": ((0, 1, 2), (0,), consecutive([1])),
    "diagonal": ((0, 1, 2), (0, 1, 2), consecutive([1, 1, 1])),
    "blocks": ((0, 1, 2), (1, 0, 2), Structure(((0,), (1, 2)))),
    "random but not fixed": ((0, 1), (0, 2), consecutive([2])),
}


def model_of(rows, name):
    fixed, random, structure = MODELS[name]
    return Model(rows.x[:, list(fixed)], rows.x[:, list(random)], rows.y, rows.group, structure.blocks)


def places(structure):
    """Relative covariances: two interior ones, one with between-group SDs of about 30, a singular one, and zero."""
    rng = np.random.default_rng(8)
    made = {}
    for name in ("interior", "other", "large", "singular"):
        made[name] = np.array(structure.factor(jnp.asarray(rng.normal(size=len(structure.entries)))))
    made["singular"][:, -1] = 0.0
    made["large"] *= 30.0
    made["zero"] = np.zeros_like(made["singular"])
    return {name: factor @ factor.T for name, factor in made.items()}


@partial(jax.jit, static_argnums=3)
def conclude(data, relative, contrasts, spec):
    """Both methods at ``relative`` (in the data's units), which need not be the optimum: all covariances, all df."""
    problem = pose(data)
    units = problem.column_scale[jnp.array(spec.random)]
    point = newton.evaluate(problem, relative * jnp.outer(units, units), spec)
    found = [solution.solve(problem, point, spec, df, contrasts) for df in METHODS]
    return [each.vcov for each in found], [each.df for each in found]


def ours(model, t, contrasts):
    p, q = model.x.shape[1], model.z.shape[1]
    columns = tuple(f"c{i}" for i in range(p + q))
    data = from_rows(np.column_stack([model.x, model.z]), model.y, model.group, columns, columns[:p])
    spec = Spec(tuple(range(p)), tuple(range(p, p + q)), Structure(tuple(model.blocks)), True)
    return jax.device_get(conclude(pad_groups(data, GROUPS), jnp.asarray(t), jnp.asarray(contrasts), spec))


def some_contrasts(p):
    """The coefficients themselves, a mixture of all, and a prediction at x = 10."""
    return np.vstack([np.eye(p), np.linspace(-1.0, 2.0, p), np.r_[1.0, 10.0, np.zeros(p - 2)]])


def assert_adjusted(vcov, df, expected, rtol):
    size = np.sqrt(np.outer(np.diagonal(expected.vcov), np.diagonal(expected.vcov)))
    np.testing.assert_allclose(vcov / size, expected.vcov / size, atol=rtol)
    np.testing.assert_allclose(df, expected.df, rtol=rtol)


@pytest.mark.parametrize("name", MODELS)
def test_group_sums_are_the_papers_matrices(name):
    """The expected information anywhere; the observed one has no answer where it is not definite."""
    seen = set()
    for rows in DATASETS.values():
        model = model_of(rows, name)
        contrasts = some_contrasts(model.x.shape[1])
        for place, t in places(MODELS[name][2]).items():
            expected, observed = (kenward_roger(model, t, kind, contrasts) for kind in (False, True))
            vcovs, dfs = ours(model, t, contrasts)
            # At "large" V has a condition of 1e5 and the N x N matrices lose up to nine digits (the group sums do not: they are
            # right to 1e-12, by arithmetic of 60 digits). Elsewhere the matrices lose up to five.
            rtol = 1e-6 if place == "large" else 1e-9
            assert_adjusted(vcovs[0], dfs[0], expected, rtol)
            plain = np.abs(expected.df - 2) > 0.1  # the paper's scale of the F statistic has df - 2 as a divisor
            np.testing.assert_allclose(expected.scale[plain], 1.0, rtol=rtol * 10)
            seen.add(bool(observed.definite))
            if observed.definite:
                enough = observed.df >= LEAST_OBSERVED
                assert_adjusted(vcovs[1], dfs[1], observed._replace(df=np.where(enough, observed.df, 0.0)), rtol)
            else:
                np.testing.assert_array_equal(dfs[1], 0.0)
    assert False in seen


@pytest.mark.parametrize("name", MODELS)
def test_the_observed_information_at_the_optimum(name):
    for rows in CLEAR:
        model = model_of(rows, name)
        contrasts = some_contrasts(model.x.shape[1])
        t = reml(model, 4.0 * np.eye(model.z.shape[1]))
        assert np.linalg.eigvalsh(t)[0] > 0.1
        vcovs, dfs = ours(model, t, contrasts)
        for kind in (False, True):
            expected = kenward_roger(model, t, kind, contrasts)
            assert expected.definite
            assert_adjusted(vcovs[kind], dfs[kind], expected, 1e-9)  # as above
        assert np.abs(dfs[0] / dfs[1] - 1).max() > 1e-3  # they are two methods


def test_balanced_data_with_all_effects_random():
    """Every between-group variance has G - 1 degrees of freedom then, and the plain standard errors are exact."""
    x = np.tile(np.column_stack([np.ones(6), np.arange(6.0)]), (7, 1))
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(7), 6)
    model = Model(x, x, rng.normal(size=42) + (x * rng.normal(size=(7, 2))[group]).sum(1), group, ((0, 1),))
    t = np.array([[0.7, 0.2], [0.2, 0.4]])
    vcovs, dfs = ours(model, t, some_contrasts(2))
    variance = np.eye(42) + model.within(t)
    sigma2 = model.y @ (np.linalg.inv(variance) @ (model.y - x @ np.linalg.lstsq(x, model.y)[0])) / 40  # GLS is OLS here
    np.testing.assert_allclose(dfs[0], 6.0, rtol=1e-11)  # rounding
    np.testing.assert_allclose(vcovs[0], sigma2 * np.linalg.inv(x.T @ np.linalg.solve(variance, x)), rtol=1e-11)


# --- what the data do not determine


def test_variance_parameters_that_say_the_same_are_harmless():
    """A random intercept besides a random effect of both levels of a factor: one parameter too many, any inverse will do."""
    rows = DATASETS["unbalanced"]
    first = (np.arange(len(rows.y)) % 2 == 0).astype(float)
    z = np.column_stack([np.ones(len(rows.y)), first, 1.0 - first])
    model = Model(rows.x, z, rows.y, rows.group, ((0,), (1, 2)))
    t = np.diag([0.5, 1.0, 2.0])
    t[1, 2] = t[2, 1] = 0.3
    vcovs, dfs = ours(model, t, some_contrasts(3))
    assert_adjusted(
        vcovs[0], dfs[0], kenward_roger(model, t, False, some_contrasts(3)), 1e-9
    )  # the oracle's is Moore and Penrose's


def two_groups(seed):
    """A group effect that the predictor takes up: nothing is left of which to estimate the variance between groups."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], 8)
    return pd.DataFrame({"g": group, "x": group * 1.0, "w": rng.normal(size=16), "y": rng.normal(size=16) + 3.0 * group})


def test_a_variance_without_information_leaves_no_degrees_of_freedom():
    frame = two_groups(0)
    x = np.column_stack([np.ones(16), frame[["x", "w"]]])
    model = Model(x, x[:, :1], frame["y"].to_numpy(), frame["g"].to_numpy(), ((0,),))
    _, dfs = ours(model, np.array([[0.8]]), np.eye(3))
    np.testing.assert_array_equal(dfs[0][:2], 0.0)
    assert dfs[0][2] == pytest.approx(13, rel=1e-9)  # w varies within groups: N - P, as in the regression with both group means


def test_indefinite_information_is_no_information_even_for_a_contrast_that_needs_none_of_what_is_left_out():
    none = np.zeros((1, 1))
    adjustment = Adjustment(np.eye(1), none[None], np.zeros(1), none, none, np.asarray(20.0), np.asarray(True), 0.0)
    contrast = np.array([[2.0]])
    assert degrees_of_freedom(adjustment, contrast)[0] == 20.0
    assert degrees_of_freedom(adjustment._replace(definite=np.asarray(False)), contrast)[0] == 0.0


# --- through the strategy


INTERCEPT = {df: LinearMixed(random=("Intercept",), df=df) for df in METHODS}
# Odd seeds have no between-group variance, so that most of those fits are singular.
SMALL = [make_rows(100 + s, [3, 5, 4, 6, 5], n_fixed=2, group_sd=1.0 - s % 2) for s in range(24)]


@pytest.fixture(scope="module")
def fits():
    data = batch(SMALL, GROUPS)
    return {df: jax.device_get(strategy.fit_batch(data)) for df, strategy in INTERCEPT.items()}


@pytest.mark.parametrize("df", METHODS)
def test_a_fit_reports_the_adjusted_numbers_or_says_that_there_are_none(fits, df):
    """Singular fits included: the expected information is definite there, the observed one only sometimes, or hardly.

    (Three of these fits would have .19, .05 and .008 degrees of freedom by the observed information.)
    """
    fit, seen, nearly_indefinite = fits[df], set(), 0
    for k, rows in enumerate(SMALL):
        status = Status(int(fit.status[k]))
        t = covariance_of(fits[METHODS[0]])[k] / fits[METHODS[0]].sigma[k] ** 2
        model = Model(rows.x, rows.x[:, :1], rows.y, rows.group, ((0,),))
        expected = kenward_roger(model, t, df.endswith("observed"))
        seen.add(status)
        hardly = bool(df.endswith("observed") and expected.definite and (expected.df < LEAST_OBSERVED).any())
        nearly_indefinite += hardly
        if hardly or not expected.definite:
            assert status is Status.NON_FINITE
            assert np.isnan(np.r_[fit.estimate[k], fit.std_error[k], fit.df[k]]).all()
            continue
        assert status is (Status.SINGULAR if t < 1e-8 else Status.OK)
        assert_adjusted(fit.vcov[k], fit.df[k], expected, 1e-9)  # rounding
        np.testing.assert_allclose(fit.std_error[k], np.sqrt(np.diagonal(expected.vcov)), rtol=1e-9)
    assert seen == {Status.OK, Status.SINGULAR} | ({Status.NON_FINITE} if df.endswith("observed") else set())
    assert nearly_indefinite == (3 if df.endswith("observed") else 0)


@pytest.mark.parametrize("df", METHODS)
def test_two_balanced_groups_have_one_degree_of_freedom(df):
    """The fewest that a variance can have: the observed information is held to it, and rounding must not take it away."""
    x = np.tile(np.column_stack([np.ones(6), np.arange(6.0) - 2.5]), (2, 1))
    frame = pd.DataFrame({"g": np.repeat([0, 1], 6), "x": x[:, 1], "y": 3.0 * x[:, 0] + x[:, 1]})
    frame["y"] += np.where(frame["g"] == 0, -1.0, 1.0) * (2.0 + frame["x"]) + np.random.default_rng(4).normal(size=12) / 10
    fit = jaxsim.lmer("y ~ x + (x || g)", frame, df=df)
    assert fit.status == "ok"
    # No rounding: a search's last step may promise up to 1e-9 of the criterion, and this one (7e-10) leaves 1e-9 of the variances,
    # on which the observed information depends: 2.6e-9 of the df. With one more step it is 1e-14.
    np.testing.assert_allclose(fit.table["df"], 1.0, rtol=1e-8)


def test_the_expected_information_may_leave_a_fraction_of_a_degree_of_freedom():
    """pbkrtest reports those, and so do we: one large group of four says nearly all about a predictor that is constant in each."""
    group = np.repeat(range(4), [46, 4, 4, 4])
    x = np.column_stack([np.ones(58), group])
    model = Model(x, x[:, :1], np.random.default_rng(0).normal(size=58), group, ((0,),))
    t = np.array([[0.1]])
    expected = kenward_roger(model, t, False)
    assert (expected.df < 1).all()
    vcovs, dfs = ours(model, t, np.eye(2))
    assert_adjusted(vcovs[0], dfs[0], expected, 1e-9)  # rounding


def test_only_the_inference_differs_from_the_plain_fit(fits):
    plain = jax.device_get(LinearMixed(random=("Intercept",), df="residual").fit_batch(batch(SMALL, GROUPS)))
    adjusted = fits["kenward-roger"]
    for name in ("estimate", "sigma", "theta", "criterion", "status", "iterations"):
        np.testing.assert_array_equal(getattr(adjusted, name), getattr(plain, name))
    np.testing.assert_array_equal(covariance_of(adjusted), covariance_of(plain))
    assert (adjusted.std_error >= plain.std_error * (1 - 1e-14)).all()  # equal where the weights need not be estimated
    assert (adjusted.std_error > plain.std_error * 1.001).any()


def test_a_data_frame_without_an_answer_gets_the_reason(fits):
    lost = SMALL[int(np.argmax(fits["kenward-roger-observed"].status == Status.NON_FINITE))]
    frame = pd.DataFrame({"y": lost.y, "x": lost.x[:, 1], "g": lost.group})
    with pytest.warns(UserWarning, match="no Kenward-Roger degrees of freedom"):
        fit = jaxsim.lmer("y ~ x + (1 | g)", frame, df="kenward-roger-observed")
    assert fit.status == "non_finite"
    assert fit.table[["estimate", "std_error", "df"]].isna().all(axis=None)


@pytest.mark.parametrize("df", METHODS)
def test_maximum_likelihood_is_refused(df):
    with pytest.raises(InputError, match=f"'{df}' needs REML.*reml=True"):
        LinearMixed(reml=False, df=df)
    with pytest.raises(InputError, match=f"'{df}' needs REML"):
        jaxsim.lmer("y ~ w + (1 | g)", two_groups(0), reml=False, df=df)


def test_an_unknown_name_is_answered_with_all_there_are():
    options = "'satterthwaite', 'residual', 'normal', 'kenward-roger', 'kenward-roger-observed'"
    with pytest.raises(InputError, match=options):
        LinearMixed(df="kenward")
    with pytest.raises(InputError, match=options):
        jaxsim.lmer("y ~ w + (1 | g)", two_groups(0), df="Kenward-Roger")
