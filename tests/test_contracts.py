"""What every strategy of the catalogue promises, checked on one batch of transformed and of deficient datasets per strategy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossed_rows import CROSSED
from oracle import (
    Mixed,
    StructuredMixed,
    batch,
    cluster_robust,
    covariance_of,
    cross_products,
    deficient_datasets,
    gee,
    make_rows,
    mixed_sandwich,
    ols,
    row_arrays,
    two_stage,
    with_means,
    within_regression,
)
from oracle_kenward_roger import Model, kenward_roger
from programs import fit as fit_of
from programs import fit_batch, optimised_fit_batch

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import closed_form
from jaxsim.data.rows import Rows
from jaxsim.estimators import (
    CATALOGUE,
    GEE,
    Aggregated,
    AutoregressiveMixed,
    BetweenWithin,
    ClusterRobust,
    Estimator,
    HeteroscedasticMixed,
    HierarchicalBayes,
    LinearMixed,
    PooledOLS,
    RobustBayes,
    TwoStage,
    WithinRegression,
)
from jaxsim.lmm.deviance import profile
from jaxsim.lmm.problem import pose
from jaxsim.seeding import group_keys
from jaxsim.status import Status

# Configurations that stand for each class of the catalogue. A new class needs a line here, and an oracle below.
EXAMPLES = {
    "PooledOLS": (PooledOLS(),),
    "ClusterRobust": (
        *(ClusterRobust(vcov=vcov) for vcov in ("CR1S", "CR0", "CR1", "CR1p", "pymer4", "CR2", "CR3")),
        ClusterRobust(df="satterthwaite"),
        ClusterRobust(inference="wild", draws=1100),  # more than the patterns of ten groups: other orders give the same ones
    ),
    "TwoStage": (
        TwoStage(),
        TwoStage(weights="precision"),
        TwoStage(mean="huber"),
        TwoStage(mean="trimmed"),
        TwoStage(inference="bootstrap", draws=199),
        TwoStage(inference="bootstrap-t", draws=199),
        TwoStage(inference="sign-flip", draws=199),
    ),
    "Aggregated": (Aggregated(),),
    "WithinRegression": (WithinRegression("CR2"), WithinRegression("CR0"), WithinRegression("iid"), WithinRegression()),
    "GEE": (
        GEE("independence"),
        GEE("exchangeable", correction="mancl-derouen"),
        GEE("ar1", correction="kauermann-carroll", df="G-1"),
        GEE("exchangeable"),
    ),
    "LinearMixed": (
        LinearMixed(random=("Intercept", "IV1")),
        LinearMixed(random=(("IV2",), ("Intercept", "IV1")), reml=False),
        LinearMixed(random=("Intercept", "IV1"), df="kenward-roger"),
        LinearMixed(random=("Intercept", "IV1"), vcov="CR2"),
        LinearMixed(random=("Intercept",), vcov="CR0"),
        LinearMixed(random=("Intercept",), df="residual"),
    ),
    "BetweenWithin": (
        BetweenWithin(random=("Intercept", "IV1")),
        BetweenWithin(between="between", random=("Intercept",)),
    ),
    "AutoregressiveMixed": (
        AutoregressiveMixed(random=("Intercept", "IV1"), reml=False),
        AutoregressiveMixed(random=("Intercept",)),
    ),
    "HeteroscedasticMixed": (
        HeteroscedasticMixed(random=("Intercept", "IV1"), variance=("IV1",)),
        HeteroscedasticMixed(random=("Intercept",), variance=("IV2",), reml=False),
    ),
    # Markov chains magnify rounding until two runs share nothing but their distribution: they have their own tests. So has a
    # posterior with correlated effects, which takes long to compile: tests/test_bayes_frame.py changes its units.
    "HierarchicalBayes": (HierarchicalBayes(random=("Intercept",), method="fast", priors="flat", interval="hpd"),),
    "RobustBayes": (RobustBayes(random=("Intercept",)),),
}
STRATEGIES = [strategy for examples in EXAMPLES.values() for strategy in examples]
BAYES = [strategy for strategy in STRATEGIES if isinstance(strategy, HierarchicalBayes)]
ROBUST_BAYES = EXAMPLES["RobustBayes"][0]
MIXED = [strategy for strategy in STRATEGIES if isinstance(strategy, LinearMixed)]
MIXED_KINDS = LinearMixed | BetweenWithin | AutoregressiveMixed | HeteroscedasticMixed
WITH_MEANS = [strategy for strategy in STRATEGIES if isinstance(strategy, BetweenWithin)]

# Every batch has this shape, so each strategy is compiled once: datasets, and groups with padding.
BATCH, GROUPS = 48, 14
SIZES = {"few": [5, 9, 4, 12, 6, 7], "many": [4, 4, 6, 11, 5, 8, 4, 9, 7, 12], "singular": [5, 6, 7, 5, 8, 6]}
BASES = {
    "few": make_rows(11, SIZES["few"], group_sd=1.5),
    "many": make_rows(4, SIZES["many"], group_sd=1.0, location=5.0),
    "singular": make_rows(1, SIZES["singular"], group_sd=0.0),
}
SCALE = np.array([1.0, 250.0, -0.004])
SHIFT = np.array([3.0, -2.0, 10.0])


def of_coefficients(strategy, values):
    """One of the numbers ``SCALE`` or ``SHIFT`` for each coefficient of a strategy, by the column that it is of."""
    by_name = dict(zip(BASES["few"].columns, values, strict=True))
    return np.array([by_name[name.split("_")[0]] for name in strategy.coefficients(cross_products(BASES["few"]).names)])


def shuffled(rows, seed=0):
    order = np.random.default_rng(seed).permutation(len(rows.y))
    return rows.but(x=rows.x[order], y=rows.y[order], group=rows.group[order])


def riffled(rows, seed=0):
    """Rows of the groups between each other, each group's in their order: what matters to those that read rows."""
    mixed = np.empty(len(rows.y), int)
    places = np.random.default_rng(seed).permutation(len(rows.y))
    for members in rows.members():
        mixed[np.sort(places[members])] = members
    return rows.but(x=rows.x[mixed], y=rows.y[mixed], group=rows.group[mixed])


def relabelled(rows):
    """Groups in another order, with empty ones in between."""
    count = rows.group.max() + 1
    labels = np.sort(np.random.default_rng(0).permutation(GROUPS - 1)[:count])
    return rows.but(group=np.random.default_rng(1).permutation(labels)[rows.group])


TRANSFORMS = {
    "same": lambda rows: rows,
    "rows_permuted": shuffled,
    "groups_permuted": relabelled,
    "y_scaled": lambda rows: rows.but(y=-1000.0 * rows.y),
    "x_scaled": lambda rows: rows.but(x=rows.x * SCALE),
    "y_shifted": lambda rows: rows.but(y=rows.y + rows.x @ SHIFT),
}


DEFICIENT = deficient_datasets(BASES["few"])
# The status of each class of strategy; None: usable (ok or singular). Classes that are not named get "else".
NO_SLOPE = dict.fromkeys(("TwoStage", "WithinRegression", "BetweenWithin"), Status.RANK_DEFICIENT)
ANY_SIZE = {"PooledOLS": None, "ClusterRobust": None, "GEE": None, "else": Status.TOO_FEW_ROWS}
BAD_RANK = {"else": Status.RANK_DEFICIENT}
EXPECTED = {
    "constant_column": BAD_RANK,
    "zero_column": BAD_RANK,
    "duplicated_column": BAD_RANK,
    "sum_of_columns": BAD_RANK,
    "between_groups_column": NO_SLOPE | {"else": None},
    "one_group": {"PooledOLS": None, "else": Status.TOO_FEW_GROUPS},
    "two_groups": {"else": None},
    "three_groups": {"else": None},
    "two_rows": {"else": Status.TOO_FEW_ROWS},
    "as_many_rows_as_columns": {"else": Status.TOO_FEW_ROWS},
    "one_row_a_group": ANY_SIZE | {"Aggregated": None},
    "two_rows_a_group": ANY_SIZE | {"WithinRegression": None},
    "nan": {"else": Status.NON_FINITE},
    "infinite": {"else": Status.NON_FINITE},
    "nan_in_x": {"else": Status.NON_FINITE},
    "overflow": {"else": Status.NON_FINITE},
    "exact": {"else": Status.ZERO_RESIDUAL},
    "zero_response": {"else": Status.ZERO_RESIDUAL},
    "constant_response": {"else": Status.ZERO_RESIDUAL},
}
# Where the small print of one configuration decides: df = G - P is not positive, or one random effect a group fits into two rows.
EXCEPTIONS = {
    (ClusterRobust(vcov="pymer4"), "two_groups"): Status.TOO_FEW_GROUPS,
    (ClusterRobust(vcov="pymer4"), "three_groups"): Status.TOO_FEW_GROUPS,
    (ClusterRobust(vcov="CR1p"), "two_groups"): Status.TOO_FEW_GROUPS,
    (ClusterRobust(vcov="CR1p"), "three_groups"): Status.TOO_FEW_GROUPS,
    (GEE("exchangeable", correction="mancl-derouen"), "two_groups"): Status.TOO_FEW_GROUPS,
    (GEE("exchangeable", correction="mancl-derouen"), "three_groups"): Status.TOO_FEW_GROUPS,
    **{(strategy, "two_rows_a_group"): None for strategy in MIXED if strategy.random == ("Intercept",)},
    (BAYES[-1], "two_rows_a_group"): None,
    (ROBUST_BAYES, "two_rows_a_group"): None,
    # Two groups cannot tell three columns between them apart; of three nothing is left for their variance.
    **{(strategy, "two_groups"): Status.RANK_DEFICIENT for strategy in WITH_MEANS},
    **{(strategy, "three_groups"): Status.UNIDENTIFIED for strategy in WITH_MEANS},
    (WITH_MEANS[-1], "two_rows_a_group"): None,
    # Of pairs a correlation is that of a random intercept.
    (AutoregressiveMixed(random=("Intercept",)), "two_rows_a_group"): Status.UNIDENTIFIED,
    (HeteroscedasticMixed(random=("Intercept",), variance=("IV2",), reml=False), "two_rows_a_group"): None,
    # A flat prior of a group SD needs three.
    (BAYES[-1], "two_groups"): Status.TOO_FEW_GROUPS,
}

PLACES = {(base, name): k for k, (base, name) in enumerate((b, t) for b in BASES for t in TRANSFORMS)}
PLACES |= {("deficient", name): len(PLACES) + k for k, name in enumerate(DEFICIENT)}
DATASETS = [TRANSFORMS[name](BASES[base]) for base in BASES for name in TRANSFORMS] + list(DEFICIENT.values())
# To those that read rows their order may matter; there are as many rows as in the largest dataset, and two that are missing.
IN_ORDER = [{"rows_permuted": riffled}.get(name, TRANSFORMS[name])(BASES[base]) for base in BASES for name in TRANSFORMS]
IN_ORDER += list(DEFICIENT.values())
N_ROWS = max(len(rows.y) for rows in DATASETS) + 2
# A dataset's key stays with it in another batch; transformed datasets have the key of the one that they were made of.
KEYS = [list(BASES).index(base) if base in BASES else place for (base, _), place in PLACES.items()]
KEYS = group_keys(jax.random.key(3, impl="threefry2x32"), BATCH)[np.array(KEYS + [0] * (BATCH - len(KEYS)))]
CONF_LEVEL = 0.9


def given(strategy, rows):
    """One dataset as the strategy reads it."""
    return row_arrays(rows, GROUPS, N_ROWS) if strategy.reads is Rows else cross_products(rows, GROUPS)


def stacked(datasets):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *datasets)


@pytest.fixture(scope="module")
def batches():
    """By what strategies read."""
    with np.errstate(over="ignore"):  # one of the deficient datasets is there to overflow
        in_order = [row_arrays(rows, GROUPS, N_ROWS) for rows in IN_ORDER]
        in_order += in_order[:1] * (BATCH - len(in_order))
        return {CrossProducts: batch(DATASETS, GROUPS, BATCH), Rows: stacked(in_order)}


@pytest.fixture(scope="module")
def fits(batches):
    """``strategy -> (base, transform) -> Fit`` of one dataset, all from one call of ``fit_batch``, optimised: the programs that
    users have are compared with oracles."""
    made = {}

    def fit_of(strategy, base, name):
        if strategy not in made:
            made[strategy] = jax.device_get(optimised_fit_batch(strategy, batches[strategy.reads], Context(KEYS, CONF_LEVEL)))
        return jax.tree.map(lambda leaf: leaf[PLACES[base, name]], made[strategy])

    return fit_of


def describe(strategy):
    """The non-default fields, as a name for the test."""
    changed = [str(getattr(strategy, f.name)) for f in dataclasses.fields(strategy) if getattr(strategy, f.name) != f.default]
    return "-".join([type(strategy).__name__, *changed]).replace(" ", "")


every_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=describe)
every_base = pytest.mark.parametrize("base", BASES)


def assert_same(fit, expected, rtol, **changes):
    """Two fits agree in every field but ``iterations``; ``changes`` say what some of the numbers are to be.

    Zeros of a vector or a matrix are compared with its largest entry, those of a random-effects covariance with the
    residual variance; theta is left out at a singular fit, where it is not unique (the covariance is).
    """
    names = [f.name for f in dataclasses.fields(fit) if f.name not in ("extra", "groups")]
    expected_numbers = {name: getattr(expected, name) for name in names} | {"covariance": covariance_of(expected)}
    want = {name: np.asarray(changes.get(name, expected_numbers[name]), float) for name in names}
    for name, value in want.items():
        if name == "iterations" or (name == "theta" and expected.singular):
            continue
        sizes = np.abs(np.append(value, want["sigma"] ** 2 if name == "covariance" else 0.0))
        atol = rtol * sizes[np.isfinite(sizes)].max(initial=0.0)
        found = covariance_of(fit) if name == "covariance" else getattr(fit, name)
        np.testing.assert_allclose(found, value, rtol=rtol, atol=atol, err_msg=name)


def limits(fit, change):
    """The confidence limits under an increasing or decreasing change of the estimates; none where inference is by t."""
    if not fit.p_value.size:
        return {}
    ends = change(fit.conf_low), change(fit.conf_high)
    return dict(conf_low=np.minimum(*ends), conf_high=np.maximum(*ends))


def tolerance(strategy):
    """Cross-products that differ by rounding: closed forms keep 11 digits at these conditions.

    A mixed model stops when a step promises less than 1e-9 of deviance and takes it; Newton squares the relative error
    there, which leaves about 1e-9 / 1 in theta at worst and less in everything else. Importance sampling begins where a
    search ends that differentiates numerically, with steps of 1e-3: its errors go into every draw, and through weights that
    vary over many orders of magnitude into the answer.
    """
    if isinstance(strategy, HierarchicalBayes | RobustBayes):
        return 1e-6
    return 1e-8 if isinstance(strategy, MIXED_KINDS) else 1e-10


def test_every_class_has_an_example():
    # What a FunctionEstimator promises is what its function does: tests/test_testing.py. Those of several grouping factors have
    # datasets of their own: tests/test_crossed_contracts.py, and so has what selects among models: tests/test_selected_mixed.py.
    elsewhere = {*CROSSED, "FunctionEstimator", "SelectedMixed"}
    assert {*EXAMPLES, *elsewhere} == {name for name, kind in CATALOGUE.items() if issubclass(kind, Estimator)}
    for name, examples in EXAMPLES.items():
        assert examples
        assert all(type(example) is CATALOGUE[name] for example in examples)


@every_base
@every_strategy
def test_the_base_datasets_are_usable(fits, strategy, base):
    fit = fits(strategy, base, "same")
    assert Status(int(fit.status)).usable
    assert fit.converged
    if isinstance(strategy, LinearMixed):
        # By maximum likelihood the best optimum of two blocks has no variance of IV2 in "many": lme4's deviance is 264.0867 there,
        # and 264.7863 where its optimisers end.
        two_blocks = strategy.random is not None and not isinstance(strategy.random[0], str) and not strategy.reml
        assert fit.singular == (base == "singular" or (base == "many" and two_blocks))


@every_base
@every_strategy
@pytest.mark.parametrize("name", ["rows_permuted", "groups_permuted"])
def test_order_and_empty_groups_change_nothing(fits, strategy, base, name):
    assert_same(fits(strategy, base, name), fits(strategy, base, "same"), tolerance(strategy))


def nu_of(strategy, rows):
    """Coefficient of log sigma^2 in the criterion."""
    return len(rows.y) - (len(of_coefficients(strategy, SCALE)) if getattr(strategy, "reml", False) else 0)


@every_base
@every_strategy
def test_scaling_the_response_scales_the_estimates(fits, strategy, base):
    fit, c = fits(strategy, base, "same"), -1000.0
    changes = dict(
        estimate=c * fit.estimate,
        std_error=abs(c) * fit.std_error,
        vcov=c**2 * fit.vcov,
        covariance=c**2 * covariance_of(fit),
        sigma=abs(c) * fit.sigma,
        criterion=fit.criterion + 2 * nu_of(strategy, BASES[base]) * np.log(abs(c)),
        **limits(fit, lambda limit: c * limit),
    )
    assert_same(fits(strategy, base, "y_scaled"), fit, tolerance(strategy), **changes)


@every_base
@every_strategy
def test_scaling_a_predictor_scales_its_coefficient(fits, strategy, base):
    fit, scale = fits(strategy, base, "same"), of_coefficients(strategy, SCALE)
    changes = dict(estimate=fit.estimate / scale, std_error=fit.std_error / abs(scale), vcov=fit.vcov / np.outer(scale, scale))
    changes |= limits(fit, lambda limit: limit / scale)
    if isinstance(strategy, MIXED_KINDS | HierarchicalBayes | RobustBayes):
        names = [name if isinstance(name, tuple) else (name,) for name in strategy.random]
        random = [BASES[base].columns.index(n) for block in names for n in block]
        covariance = covariance_of(fit) / np.outer(SCALE[random], SCALE[random])
        changes |= dict(covariance=covariance)
    if isinstance(strategy, MIXED_KINDS):
        changes |= dict(theta=np.full_like(fit.theta, np.nan))
        changes |= dict(criterion=fit.criterion + 2 * strategy.reml * np.log(abs(scale)).sum())
    scaled = fits(strategy, base, "x_scaled")
    if isinstance(strategy, MIXED_KINDS) and not fit.singular:
        factor = np.linalg.cholesky(changes["covariance"] / fit.sigma**2)
        (effects,) = strategy.random_effects(cross_products(BASES[base]).names)
        entries = np.array(effects.structure.entries)
        changes["theta"] = factor[entries[:, 0], entries[:, 1]]
    # lme4's rule for "singular" looks at theta, which has units: a slope that is scaled up may pass the threshold.
    assert_same(scaled, dataclasses.replace(fit, singular=scaled.singular, status=scaled.status), tolerance(strategy), **changes)


@every_base
@every_strategy
def test_adding_a_fixed_effect_adds_to_the_estimate(fits, strategy, base):
    if strategy in (*BAYES, ROBUST_BAYES):
        pytest.skip("it changes what is known beforehand, or what the priors are scaled with")
    fit, shifted = fits(strategy, base, "same"), fits(strategy, base, "y_shifted")
    # The hypothesis that the coefficient is zero is another one.
    shift = of_coefficients(strategy, SHIFT)
    if strategy == WITH_MEANS[0]:  # a difference between two effects
        shift[3:] = 0.0
    changes = dict(estimate=fit.estimate + shift, p_value=shifted.p_value, **limits(fit, lambda limit: limit + shift))
    # A shift of 10 columns' SD costs two digits of the response's square.
    assert_same(shifted, fit, 10 * tolerance(strategy), **changes)


def oracle_of(strategy, rows, fit):
    """The dense computation; a mixed model is evaluated at the reported covariance (its optimality has its own tests)."""
    if isinstance(strategy, Aggregated):  # every predictor varies within groups here
        strategy = TwoStage()
    match strategy:
        case PooledOLS():
            return ols(rows)
        case ClusterRobust():
            return cluster_robust(rows, strategy.vcov, strategy.df)
        case TwoStage():
            return two_stage(rows, strategy.weights, strategy.mean, strategy.trim)
        case WithinRegression():
            return within_regression(rows, strategy.vcov, strategy.df)
        case GEE():
            return gee(rows, strategy.working, strategy.correction, strategy.degrees)
    return mixed_oracle(strategy, rows, fit)


def mixed_oracle(strategy, rows, fit):
    if isinstance(strategy, BetweenWithin):
        strategy, rows = strategy.inner(cross_products(rows).names), with_means(rows, strategy.between == "between")
    spec = strategy.spec(cross_products(rows))
    dense = Mixed(rows, spec.random, strategy.reml)
    if isinstance(strategy, AutoregressiveMixed):
        dense = StructuredMixed(rows, spec.random, strategy.reml, fit.extra["autocorrelation"])
    elif isinstance(strategy, HeteroscedasticMixed):
        ((name, ratio),) = fit.extra.items()
        by = rows.x[:, rows.columns.index(name.removeprefix("sd_ratio_"))]
        dense = StructuredMixed(rows, spec.random, strategy.reml, np.log(ratio), by)
    found = dense.fit_at(covariance_of(fit) / fit.sigma**2)
    if getattr(strategy, "robust", False):
        return mixed_sandwich(dense, covariance_of(fit) / fit.sigma**2, strategy.vcov)
    match strategy.df:
        case "residual":
            return found._replace(df=np.full(dense.p, dense.n - dense.p))
        case "kenward-roger":
            model = Model(rows.x, rows.x[:, list(spec.random)], rows.y, rows.group, spec.structure.blocks)
            adjusted = kenward_roger(model, covariance_of(fit) / fit.sigma**2, observed=False)
            return found._replace(vcov=adjusted.vcov, df=adjusted.df)
        case _:
            return found._replace(df=dense.satterthwaite(fit.theta, spec.structure.entries))


@every_base
@every_strategy
@pytest.mark.parametrize("name", ["same", "x_scaled"])
def test_a_dense_computation_agrees(fits, strategy, base, name):
    if strategy in (*BAYES, ROBUST_BAYES):
        pytest.skip("its oracle is a sample: tests/test_bayes_posterior.py, tests/test_robust_bayes.py")
    rows, fit = TRANSFORMS[name](BASES[base]), fits(strategy, base, name)
    expected = oracle_of(strategy, rows, fit)
    # Cross-products square the condition of X (5 at "many"); the dense side works on rows. Eleven digits are left: of the standard
    # error, where an estimate is next to nothing beside it (with groups' means at "many" the intercept is 0.09, give or take 49).
    errors = np.sqrt(np.diagonal(expected.vcov))
    assert (np.abs(fit.estimate - expected.beta) < 1e-9 * np.abs(expected.beta) + 1e-11 * errors).all()
    np.testing.assert_allclose(fit.std_error, errors, rtol=1e-9)
    size = np.sqrt(np.outer(np.diagonal(expected.vcov), np.diagonal(expected.vcov)))
    np.testing.assert_allclose(fit.vcov / size, expected.vcov / size, atol=1e-9)
    np.testing.assert_allclose(fit.sigma, expected.sigma, rtol=1e-9)
    np.testing.assert_allclose(fit.criterion, expected.criterion, rtol=1e-10)
    # The oracle's Hessian is a difference quotient with an error near 1e-9; its eigenvalues span six decades here.
    np.testing.assert_allclose(fit.df, expected.df, rtol=1e-5)


def expected_status(strategy, case):
    if (strategy, case) in EXCEPTIONS:
        return EXCEPTIONS[strategy, case]
    table = EXPECTED[case]
    return table.get(type(strategy).__name__, table["else"])


@every_strategy
@pytest.mark.parametrize("case", EXPECTED)
def test_deficient_data_get_a_status(fits, strategy, case):
    status, expected = Status(int(fits(strategy, "deficient", case).status)), expected_status(strategy, case)
    assert status.usable if expected is None else status is expected


@every_strategy
@pytest.mark.parametrize("case", DEFICIENT)
def test_numbers_are_finite_or_withheld(fits, strategy, case):
    """Never a NaN that is called usable, never a number under a status that says there is none."""
    fit = fits(strategy, "deficient", case)
    status = Status(int(fit.status))
    if status.usable:
        assert np.isfinite(np.r_[fit.estimate, fit.std_error, fit.vcov.ravel(), fit.theta, covariance_of(fit).ravel()]).all()
        assert (fit.std_error > 0).all()
        assert (fit.df > 0).all()
        assert ((fit.p_value >= 0) & (fit.p_value <= 1)).all()
        assert (fit.conf_low <= fit.conf_high).all()
        assert fit.converged
        assert fit.singular == (status is Status.SINGULAR)
    else:
        assert not fit.converged
        if status is not Status.NOT_CONVERGED:
            numbers = [fit.estimate, fit.std_error, fit.df, fit.vcov, fit.theta, covariance_of(fit), fit.criterion, fit.sigma]
            numbers += [fit.p_value, fit.conf_low, fit.conf_high]
            assert np.isnan(np.concatenate([np.ravel(n) for n in numbers])).all()
            assert not fit.singular


@pytest.mark.parametrize("strategy", MIXED, ids=describe)
def test_no_residual_within_groups_is_not_an_answer(fits, strategy):
    """Where the random effects reproduce every row, the likelihood has no maximum; other models still have a residual."""
    fit = fits(strategy, "deficient", "exact_in_each_group")
    if strategy.random == ("Intercept",):
        assert Status(int(fit.status)).usable
    elif len(strategy.random_names()) == 3:
        assert not Status(int(fit.status)).usable


@pytest.mark.parametrize("bad", [dict(estimate=np.array([1.0, np.nan])), dict(vcov=-np.eye(2)), dict(df=0.0)])
def test_a_number_that_is_none_is_never_called_usable(bad):
    """The net under every closed form: a NaN or no degrees of freedom under the status ok turn into ``non_finite``."""
    good = dict(estimate=np.ones(2), vcov=np.eye(2), df=5.0, status=np.int32(0), criterion=np.nan, sigma=np.nan)
    good = {name: jnp.asarray(value) for name, value in good.items()}
    assert closed_form(**good).status == Status.OK
    fit = closed_form(**{**good, **{name: jnp.asarray(value) for name, value in bad.items()}})
    assert fit.status == Status.NON_FINITE
    assert not fit.converged
    assert np.isnan(fit.estimate).all()


@every_strategy
def test_the_order_of_a_batch_changes_nothing(fits, batches, strategy):
    order = np.random.default_rng(0).permutation(BATCH)
    permuted = jax.tree.map(lambda leaf: leaf[order], (batches[strategy.reads], KEYS))
    permuted = jax.device_get(optimised_fit_batch(strategy, permuted[0], Context(permuted[1], CONF_LEVEL)))
    for place, (base, name) in enumerate(PLACES):
        at = int(np.flatnonzero(order == place)[0])
        again = jax.tree.map(lambda leaf, at=at: leaf[at], permuted)
        if strategy in BAYES:  # a place in the middle or at the end of a vector register may differ in the last bit
            assert_same(again, fits(strategy, base, name), 1e-10)
            continue
        jax.tree.map(np.testing.assert_array_equal, again, fits(strategy, base, name))


# Where every strategy costs a compilation, the last example of a class stands for the others (the mixed model's is the smallest).
one_of_each_class = pytest.mark.parametrize("strategy", [examples[-1] for examples in EXAMPLES.values()], ids=describe)


@one_of_each_class
def test_a_batch_of_one_is_the_same(fits, strategy):
    """Another program for another batch size, so another rounding, but no more than that."""
    for base, name in (("few", "same"), ("deficient", "two_groups")):
        rows = BASES[base] if base in BASES else DEFICIENT[name]
        key = KEYS[PLACES[base, name]]
        alone = fit_batch(strategy, stacked([given(strategy, rows)]), Context(key[None], CONF_LEVEL))
        alone = jax.tree.map(lambda leaf: leaf[0], jax.device_get(alone))
        # A search in several parameters ends with a step of Newton's from a place that is good to 1e-5: ten digits are left.
        several = isinstance(strategy, AutoregressiveMixed | HeteroscedasticMixed)
        assert_same(alone, fits(strategy, base, name), 1e-9 if several else 1e-12)


@one_of_each_class
def test_fitting_one_by_one_is_the_same(fits, strategy):
    """``fit``, what the author of a strategy writes, against what the base class makes of it."""
    for base, rows in BASES.items():
        alone = jax.device_get(fit_of(strategy, given(strategy, rows), Context(KEYS[PLACES[base, "same"]], CONF_LEVEL)))
        assert_same(alone, fits(strategy, base, "same"), tolerance(strategy))


@pytest.mark.parametrize("strategy", [PooledOLS(), ClusterRobust(), TwoStage()], ids=describe)
def test_the_compiler_changes_nothing(fits, strategy):
    """Every operation on its own, by name in Python, against the compiled batch."""
    with jax.disable_jit():
        alone = jax.device_get(strategy.fit(cross_products(BASES["few"], GROUPS)))
    assert_same(alone, fits(strategy, "few", "same"), tolerance(strategy))


def test_the_compiler_changes_nothing_in_the_deviance_of_a_mixed_model():
    """A whole fit takes thousands of single operations; they are mostly this evaluation over and over."""
    data = cross_products(BASES["few"], GROUPS)
    spec, problem = MIXED[-1].spec(data), jax.jit(pose)(data)
    factor = np.array([[0.7]])
    compiled = jax.jit(lambda factor: profile(problem.products, problem.n_rows, factor, spec))(factor)
    with jax.disable_jit():
        alone = profile(problem.products, problem.n_rows, factor, spec)
    # Sums over 50 rows in another order.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), alone, compiled)


@every_strategy
def test_strategies_are_values(strategy):
    again = dataclasses.replace(strategy)
    assert again == strategy
    assert hash(again) == hash(strategy)
    assert strategy.name == strategy.label
