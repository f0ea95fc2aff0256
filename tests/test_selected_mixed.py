"""Random effects that are selected from candidates: the rules by hand, and in a study beside the candidates themselves."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossed_data import cells_of, crossed
from scipy import stats

import jaxsim
from jaxsim.data.names import Names
from jaxsim.errors import InputError
from jaxsim.estimators.selected_mixed import ladder
from jaxsim.status import Status
from jaxsim.testing import check_estimator

OK, SINGULAR, FAILED = (int(s) for s in (Status.OK, Status.SINGULAR, Status.NOT_CONVERGED))
PARAMETERS = (6, 4, 2)


def chosen(rule: str, status, criterion, **options) -> int:
    strategy = jaxsim.SelectedMixed(rule=rule, **options)
    return int(strategy.choice(jnp.array(status)[:, None], jnp.array(criterion)[:, None], PARAMETERS)[0])


@pytest.mark.parametrize(
    ("status", "criterion", "expected"),
    [
        ((OK, OK, OK), (100.0, 100.0, 100.0), 2),  # nothing is lost by the simplest
        ((OK, OK, OK), (100.0, 102.0, 120.0), 1),  # chi2 = 2 with 2 df has p = .37; 18 with 2 has .0001
        ((OK, OK, OK), (100.0, 104.0, 104.0), 0),  # chi2 = 4 has p = .14 < .2, and the search has ended there
        ((FAILED, OK, OK), (np.nan, 102.0, 120.0), 1),  # what has no answer is passed over
        ((OK, FAILED, OK), (100.0, np.nan, 103.0), 2),  # 3 with 4 df
        ((SINGULAR, OK, OK), (100.0, 103.3, 103.3), 0),  # a singular fit is an answer to a likelihood ratio: 3.3 has p = .19
        ((FAILED, FAILED, FAILED), (np.nan, np.nan, np.nan), 2),
    ],
)
def test_backward(status, criterion, expected):
    assert chosen("backward", status, criterion) == expected


def test_the_level_of_backward():
    assert chosen("backward", (OK, OK, OK), (100.0, 104.0, 104.0), alpha=0.1) == 2


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ((OK, OK, OK), 0),
        ((SINGULAR, OK, OK), 1),
        ((SINGULAR, FAILED, SINGULAR), 2),
        ((FAILED, SINGULAR, OK), 2),
        ((SINGULAR, SINGULAR, FAILED), 1),
    ],
)
def test_singular(status, expected):
    assert chosen("singular", status, (1.0, 2.0, 3.0)) == expected


def test_aic():
    """Criterion plus twice the parameters: 112, 109, 110."""
    assert chosen("aic", (OK, OK, OK), (100.0, 101.0, 106.0)) == 1
    assert chosen("aic", (OK, FAILED, OK), (100.0, 101.0, 106.0)) == 2
    assert chosen("aic", (FAILED, FAILED, FAILED), (1.0, 1.0, 1.0)) == 2


def test_the_candidates_that_are_made():
    names = Names(("Intercept", "x"), factors=("subject", "item"))
    assert ladder(names) == [
        "DV ~ 1 + x + (1 + x | subject) + (1 + x | item)",
        "DV ~ 1 + x + (1 | subject) + (0 + x | subject) + (1 | item) + (0 + x | item)",
        "DV ~ 1 + x + (1 | subject) + (0 + x | subject) + (1 | item)",
        "DV ~ 1 + x + (1 | subject) + (1 | item)",
    ]
    between = Names(("Intercept", "x"), factors=("subject", "item"), constant_by=(("item", ("x",)),))
    assert ladder(between)[1:] == [
        "DV ~ 1 + x + (1 | subject) + (0 + x | subject) + (1 | item)",
        "DV ~ 1 + x + (1 | subject) + (1 | item)",
    ]


def test_what_is_reported_is_the_selected_fit():
    """Beside its candidates on the same datasets, selected by SciPy's chi-square."""
    texts = ("DV ~ x + w + (x | subject) + (x | item)", "DV ~ x + w + (x || subject) + (1 | item)", "DV ~ x + w + (1 | subject)")
    tables = [crossed(seed, (8, 6), sds=(0.5, 0.2 * (seed % 2), 0.0)) for seed in range(12)]
    data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(cells_of(table) for table in tables))
    fits = [jaxsim.LinearMixed(text).fit_batch(data) for text in texts]
    found = jaxsim.SelectedMixed(texts).fit_batch(data)
    sizes = [fit.theta.shape[1] for fit in fits]
    picked = np.asarray(found.extra["selected"]).astype(int)
    for k, place in enumerate(picked):
        now = 0
        for j in (1, 2):
            worse = float(fits[j].criterion[k] - fits[now].criterion[k])
            if stats.chi2.sf(max(worse, 0.0), sizes[now] - sizes[j]) < 0.2:
                break
            now = j
        assert place == now
        for name in ("estimate", "std_error", "df", "status", "criterion", "sigma"):
            np.testing.assert_array_equal(getattr(found, name)[k], getattr(fits[place], name)[k])
    assert len(set(picked)) > 1
    assert not found.covariance


def test_candidates_that_do_not_become_simpler():
    upside_down = jaxsim.SelectedMixed(("DV ~ IV1 + (1 | Group)", "DV ~ IV1 + (IV1 | Group)"))
    with pytest.raises(InputError, match="have 1, 3 variances and covariances"):
        jaxsim.Study(jaxsim.GaussianMultilevel(n_predictors=1), jaxsim.Grid(), (upside_down,), 2)


@pytest.mark.parametrize("rule", ["backward", "singular"])
def test_the_contract_of_strategies(rule):
    assert check_estimator(jaxsim.SelectedMixed(rule=rule))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (dict(rule="forward"), "rule"),
        (dict(alpha=1.5), "alpha"),
        (dict(candidates=("y ~ x + (x | s)",)), "at least two different formulas"),
        (dict(candidates=("y ~ x + (x | s)", "y ~ 1 + (1 | s)")), "other fixed effects"),
        (dict(candidates=("y ~ x + (x | s)", "y ~ x")), "no random effects"),
        (dict(formula="y ~ x + (x | s)"), "candidates="),
    ],
)
def test_bad_input(arguments, said):
    with pytest.raises(InputError, match=said):
        jaxsim.SelectedMixed(**arguments)
