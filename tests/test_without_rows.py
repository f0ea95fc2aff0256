"""Designs whose cross-products are drawn without rows: one law with those drawn by rows, and rows that are what was drawn."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from from_rows import assert_fitted_from_rows

from jaxsim import (
    Bernoulli,
    Categorical,
    CrossProducts,
    Design,
    Gamma,
    Grid,
    InputError,
    LinearMixed,
    Normal,
    PoissonSizes,
    Rows,
    StudentT,
    Study,
    TwoStage,
    between,
    counterbalanced,
    covariate,
    lists,
    nested,
    sampled,
    within,
)
from jaxsim.testing import check_process

ARMS = between("s", ("placebo", "active"))
DESIGNS = {
    "growth in two arms, a covariate": dict(
        formula="y ~ drug * day + age + (1 + day | s)",
        units={"s": 9},
        variables={"drug": ARMS, "day": within(0, 1, 3), "age": covariate("s", Gamma(2, 1))},
        effects={"Intercept": 3, "day": 1, "drugactive:day": -0.5, "age": 0.3},
        sd={"s": {"Intercept": 1, "day": 0.4}},
        correlation=0.3,
        endogenous={"age": 0.4},
    ),
    "unequal repeats, polynomials, factors": dict(
        formula="y ~ C(drug, Sum) * poly(day, 2) + factor(kind) + I(z^2) + (1 | s)",
        units={"s": 9},
        repeats=(1, 2, 4, 1, 1, 2, 3, 1, 2),
        variables={
            "drug": ARMS, "day": within(0, 1, 3, 4), "kind": covariate("s", Categorical((1.0, 2.0))), "z": covariate("s", Normal()),
        },
        effects={"Intercept": 1, "poly(day, 2)1": 2, "I(z^2)": 1},
        sd={"s": 1},
    ),
    "repeats at random, levels at random": dict(
        formula="y ~ drug + when + b + (when | s)",
        units={"s": 9},
        repeats=PoissonSizes(4, 1),
        variables={
            "drug": between("s", ("a", "b", "c"), randomised=True), "when": within("pre", "post"),
            "b": covariate("s", Bernoulli(0.5)),
        },
        effects={"whenpost": 1},
        sd={"s": {"Intercept": 1, "whenpost": 0.5}},
    ),
    "classes of schools, their number at random": dict(
        formula="y ~ method * t + size + (1 + t | school) + (1 | class)",
        units={"school": 4, "class": nested("school", PoissonSizes(2, 1))},
        repeats=PoissonSizes(3, 1),
        variables={"method": between("class", ("old", "new")), "t": within(0, 1, 3), "size": covariate("school", Gamma(2, 1))},
        effects={"Intercept": 1, "methodnew": 0.4},
        sd={"school": {"Intercept": 1, "t": 0.3}, "class": 0.5},
        endogenous={"size": 0.3},
    ),
    "subjects who meet some items": dict(
        formula="y ~ kind * c + age + (1 + c | subject) + (1 + c | item)",
        units={"subject": 5, "item": 6},
        meets=sampled(3),
        repeats=2,
        variables={"kind": between("item", ("a", "b")), "c": within(-0.5, 0.5), "age": covariate("subject", Normal(3, 1))},
        effects={"Intercept": 1, "c": 0.4, "kindb:c": -0.2},
        sd={"subject": {"Intercept": 1, "c": 0.3}, "item": {"Intercept": 0.6, "c": 0.2}},
        correlation={"subject": 0.5},
    ),
    "lists of items, a Latin square": dict(
        formula="y ~ prime + (1 + prime | subject) + (1 | item)",
        units={"subject": 6, "item": 5},
        meets=lists(2),
        repeats=3,
        variables={"prime": counterbalanced(("related", "unrelated"), over=("subject", "item"))},
        effects={"Intercept": 1, "primeunrelated": 0.4},
        sd={"subject": {"Intercept": 1, "primeunrelated": 0.3}, "item": 0.6},
    ),
}  # fmt: skip


def design(name, sampler="cross_products", **changes):
    return Design(**{"residual_sd": 1.5, **DESIGNS[name], **changes}, sampler=sampler)


def products_of(process, count=3000):
    """Cross-products of many datasets by cell, ``[count, C, M, M]``; rows of a part of them at a time lie in memory."""
    bounds = process.bounds.padded()
    values = process.parameters(bounds)

    def one(key):
        data = process.draw(key, values, bounds).data
        return (data.reduce(bounds.cells) if isinstance(data, Rows) else data).products

    keys = jax.random.split(jax.random.key(7, impl="threefry2x32"), count)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=100))(keys))[:, : process.plan.schedule.crossing.cells]


@pytest.mark.parametrize("name", DESIGNS)
class TestDesigns:
    def test_both_ways_have_one_law(self, name):
        """First and second moments of all entries of a cell's cross-products, and of neighbouring pairs of them."""
        moments, scale = [], None
        for sampler in ("cross_products", "rows"):
            products = products_of(design(name, sampler))
            entries = products[..., *np.triu_indices(products.shape[-1])]
            scale = np.maximum(abs(entries).mean((0, 1)), 1e-6 * abs(entries).max()) if scale is None else scale
            entries = entries / scale
            last = entries[..., -1:]
            each = np.concatenate([entries, np.log(np.maximum(last, 1e-9)), entries * last, last**2], axis=2).mean(1)
            moments.append((each.mean(0), each.std(0) / np.sqrt(len(each))))
        (one, error), (other, own) = moments
        # Some hundred moments: of 4.5 Monte Carlo errors one in 1,500 such tests would be too far by chance. Entries that are the
        # same in every dataset agree to rounding, and zeros are rounding themselves (of numbers up to a million times the scale).
        assert (abs(one - other) <= 4.5 * np.hypot(error, own) + 1e-6).all(), (one, other)

    def test_keeps_the_promises_of_processes(self, name):
        process = design(name)
        assert process.draws is CrossProducts
        check_process(process)

    def test_its_rows_are_what_was_drawn(self, name):
        """Sums over the rows of every cell, entry by entry: all that any strategy makes of them it would make of what was drawn."""
        process = design(name)
        names, bounds = process.names, process.bounds.padded()
        values = process.parameters(bounds)
        once = jax.jit(lambda key, values: process.draw(key, values, bounds))  # as check_process compiles it
        for seed in range(2):
            key = jax.random.key(seed, impl="threefry2x32")
            drawn, frame = jax.device_get(once(key, values)).data, process.rows(key)
            rows = np.column_stack([np.ones(len(frame)), frame[[*names.columns[1:], names.response]]])
            codes = frame[list(process.factors)].to_numpy() - 1
            levels = np.arange(len(drawn.sizes))[:, None] if drawn.levels is None else drawn.levels
            for level, size, products in zip(levels, drawn.sizes, drawn.products, strict=True):
                own = rows[(codes == level).all(1)] if size else rows[:0]
                lengths = np.linalg.norm(own, axis=0)
                scale = np.outer(*[np.where(lengths > 0, lengths, 1.0)] * 2)
                # Rows are made from the cross-products of all cells together, which costs some digits of a cell's.
                np.testing.assert_allclose(products / scale, own.T @ own / scale, rtol=0, atol=1e-9)
                assert len(own) == size
            assert drawn.sizes.sum() == len(frame)


@pytest.mark.parametrize("name", ["growth in two arms, a covariate", "subjects who meet some items"])
def test_its_rows_are_what_was_fitted(name, tmp_path):
    """By the engines of one and of several factors; of the other designs, everything that these read is compared above."""
    model = LinearMixed(DESIGNS[name]["formula"])
    assert_fitted_from_rows(Study(design(name), Grid(), (model,), 2, seed=5), tmp_path / "out")


def test_cells_that_are_not_ideal_draw_rows(tmp_path):
    process = design("growth in two arms, a covariate", endogenous={})
    study = Study(process, Grid(residual=[(), StudentT(5)]), (TwoStage(formula="y ~ day"), LinearMixed("y ~ day + (1 | s)")), 3)
    assert [cell.process.draws for cell in study.cells] == [CrossProducts, Rows]
    assert len(study.run(tmp_path / "out", progress=False).read("fits")) == 12


def test_scales_of_columns_do_not_matter():
    """Seconds and their squares: residuals of the span of all three are drawn, whatever their lengths."""
    design = Design(
        "y ~ t + I(t^2)", units={"s": 6}, variables={"t": within(0, 3600, 86400, 172800)}, residual_sd=1.5, sampler="cross_products"
    )  # fmt: skip
    products = products_of(design)
    scale = np.array([1.0, 1e5, 1e10, 1.0])
    k = products.sum(1) / scale[:, None] / scale
    b = np.linalg.solve(k[:, :3, :3], k[:, :3, 3:])
    rest = k[:, 3, 3] - (k[:, 3:, :3] @ b)[:, 0, 0]
    # 24 rows less 3 coefficients, within four Monte Carlo errors.
    assert abs(rest.mean() / 2.25 - 21) < 4 * np.sqrt(2 * 21 / len(rest))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(variables={"x": covariate("row", Normal())}, formula="y ~ x + (1 | s)"), "'x' is drawn in every row"),
        (dict(variables={"t": within(0, 1, jitter=0.1)}, formula="y ~ t + (1 | s)"), "'t' is jittered"),
        (
            dict(variables={"t": within(1, 2), "age": covariate("s", Gamma(3, 1))}, formula="y ~ log(t + age) + (1 | s)"),
            "mixes what units have with what they meet",
        ),
        (dict(variables={"z": covariate("s", Normal())}, formula="y ~ z", measurement_error={"z": 0.8}), "measurement error"),
    ],
)
def test_what_needs_rows_says_so(changes, words):
    with pytest.raises(InputError) as caught:
        Design(units={"s": 5}, sampler="cross_products", **changes)
    assert words in str(caught.value)
    assert "use sampler='rows'" in str(caught.value)
