"""``jaxsim.testing``: parts that keep their promises pass, and what a broken one breaks is said."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import own_parts
import pytest

from jaxsim import (
    CrossProducts,
    Draw,
    Estimator,
    Fit,
    FrameProcess,
    FrameStrategy,
    FunctionEstimator,
    FunctionProcess,
    GaussianMultilevel,
    PooledOLS,
    Process,
    RowProcess,
    Truth,
    TwoStage,
)
from jaxsim.testing import BrokenError, check_estimator, check_process

SMALL = GaussianMultilevel(6, 5, n_predictors=1)


@pytest.mark.parametrize(
    "process",
    [
        SMALL,
        own_parts.Trial(),
        FunctionProcess(own_parts.walk, effect=0.1),
        FrameProcess(own_parts.survey, n_groups=6),
    ],
    ids=["gaussian", "class", "function", "frame"],
)
def test_processes_that_keep_their_promises(process):
    kept = check_process(process)
    assert len(kept) >= 6
    assert "its description survives being stored" in kept


@pytest.mark.parametrize(
    "strategy",
    [
        PooledOLS(), TwoStage(inference="bootstrap", draws=99),
        FunctionEstimator(own_parts.group_means), own_parts.Median(),
        FunctionEstimator(own_parts.group_means, label="few", terms=("IV1",)),
    ],
    ids=lambda strategy: strategy.name,
)  # fmt: skip
def test_strategies_that_keep_their_promises(strategy):
    kept = check_estimator(strategy, scales=not isinstance(strategy, own_parts.Median))  # it has no standard error
    assert "what cannot be fitted has a status, and no NaN is called usable" in kept


def test_a_function_of_a_frame():
    kept = check_estimator(FrameStrategy(own_parts.least_squares), FunctionProcess(own_parts.walk))
    assert "estimates have the units of the response" in kept


def broken(check, part):
    with pytest.raises(BrokenError) as caught:
        check(part)
    assert all(how in str(caught.value) for how in caught.value.broken.values())
    return caught.value.broken


@dataclass(frozen=True)
class Deaf(RowProcess):
    """Its key is ignored."""

    n_groups: int = 4

    def simulate(self, key):
        y = jax.random.normal(jax.random.key(1), (12,))
        return {"Intercept": 0.0}, {"Group": jnp.arange(12) // 3, "DV": y}


@dataclass(frozen=True)
class Codes(Deaf):
    """Groups are numbered from 1."""

    def simulate(self, key):
        return {"Intercept": 0.0}, {"Group": jnp.arange(12) // 3 + 1, "DV": jax.random.normal(key, (12,))}


@dataclass(frozen=True)
class Products(Process):
    """Cross-products of a plain process, to be broken."""

    n_groups: int = 4
    terms = ("Intercept", "x")

    @property
    def max_groups(self):
        return self.n_groups

    def program(self, bounds):
        return type(self), bounds

    def parameters(self, bounds):
        return {}

    def blocks(self, key, groups):
        """Rows of every group, ``[G, 3, 3]``: the ones, x and y; each group has a key of its own."""
        keys = jax.vmap(lambda g: jax.random.fold_in(key, g))(jnp.arange(groups))
        x, y = jnp.moveaxis(jax.vmap(lambda k: jax.random.normal(k, (3, 2)))(keys), -1, 0)
        return jnp.stack([jnp.ones_like(x), x, y], -1) * (jnp.arange(groups) < self.n_groups)[:, None, None]

    def draw(self, key, parameters, bounds):
        blocks = self.blocks(key, bounds.cells)
        sizes = jnp.where(jnp.arange(bounds.cells) < self.n_groups, 3, 0).astype(jnp.int32)
        return Draw(Truth(jnp.zeros(2)), CrossProducts(jnp.einsum("gni,gnj->gij", blocks, blocks), sizes, self.terms, self.terms))

    def rows(self, key):
        raise LookupError("this process has no rows")


class TruthTooShort(Products):
    def draw(self, key, parameters, bounds):
        return Draw(Truth(jnp.zeros(1)), super().draw(key, parameters, bounds).data)


class PaddingMatters(Products):
    """All groups come from one array of normals, whose numbers depend on its length."""

    def blocks(self, key, groups):
        x, y = jax.random.normal(key, (2, groups, 3)) * (jnp.arange(groups) < self.n_groups)[:, None] / groups
        return jnp.stack([jnp.ones_like(x) * (jnp.arange(groups) < self.n_groups)[:, None], x, y], -1)


def test_the_key_must_decide_the_numbers():
    assert "the same dataset whatever its key" in " ".join(broken(check_process, Deaf()).values())


def test_group_codes_from_zero():
    found = " ".join(broken(check_process, Codes()).values())
    assert "Group has the code 4" in found
    assert "codes are 0 to 3" in found


def test_rows_must_be_there():
    assert broken(check_process, Products()) == {"the rows are what was drawn": "LookupError: this process has no rows"}


def test_a_truth_that_is_too_short():
    assert "true fixed effects have shape (1,); there are 2 terms (Intercept, x)" in " ".join(
        broken(check_process, TruthTooShort()).values()
    )


def test_padding_that_changes_numbers():
    assert "padding changes nothing" in broken(check_process, PaddingMatters())


@dataclass(frozen=True)
class Wrong(Estimator):
    """Least squares with something wrong."""

    how: str = "short"
    label: str = "wrong"

    def fit(self, data, context=None):
        fit = PooledOLS().fit(data)
        match self.how:
            case "short":
                return Fit(fit.estimate[:1], fit.std_error)
            case "length":
                return Fit(fit.estimate + data.sizes.shape[0], fit.std_error)
            case "first group":
                return Fit(fit.estimate + data.products[0, -1, -1], fit.std_error)
            case "units":
                return dataclasses.replace(fit, estimate=jnp.minimum(fit.estimate, 10.0))
            case _:
                return 1.0


@dataclass(frozen=True)
class Sociable(PooledOLS):
    """Estimates are drawn to the mean of those fitted beside them."""

    def fit_batch(self, data, context=None, groups=False):
        fit = super().fit_batch(data, context, groups)
        return dataclasses.replace(fit, estimate=(fit.estimate + fit.estimate.mean(0)) / 2)


def test_a_dataset_that_depends_on_its_company():
    found = broken(check_estimator, Sociable())
    assert "beside copies of itself: numbers differ by" in found["a dataset does not depend on those fitted beside it"]


@pytest.mark.parametrize(
    ("how", "promise", "words"),
    [
        (
            "short",
            "it gives one number for each coefficient",
            "estimate has shape (1,); it estimates 2 coefficients (Intercept, IV1)",
        ),
        ("length", "padding changes nothing", "with more padding: numbers differ by"),
        ("first group", "the order of the groups does not matter", "groups in another order: numbers differ by"),
        ("units", "estimates have the units of the response", "in other units: numbers differ by"),
        ("a number", "it gives one number for each coefficient", "returned a float; return a Fit"),
    ],
)
def test_strategies_that_break_a_promise(how, promise, words):
    assert words in broken(check_estimator, Wrong(how))[promise]


def test_a_nan_that_is_called_ok():
    """A subclass that says it guards itself, and does not."""

    @dataclass(frozen=True)
    class Careless(Wrong):
        guards_itself = True

        def fit(self, data, context=None):
            fit = PooledOLS().fit(data)
            return dataclasses.replace(fit, status=jnp.int32(0))

    found = broken(check_estimator, Careless())
    assert "a NaN is called usable" in found["what cannot be fitted has a status, and no NaN is called usable"]


def test_a_frame_process_that_uses_another_generator():
    rng = np.random.default_rng(0)

    def unseeded(_, n_groups=4):
        return own_parts.survey(rng, n_groups)

    found = broken(check_process, FrameProcess(unseeded))
    assert "use the generator that is handed over" in found["the same key gives the same dataset"]
