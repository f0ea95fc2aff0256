"""The contract of strategies."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.context import Context
from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.fit import Fit
from jaxsim.data.rows import Rows
from jaxsim.estimators.estimator import Estimator, in_batches
from jaxsim.estimators.external import Handed
from jaxsim.estimators.strategy import Strategy
from jaxsim.processes.gaussian import GaussianMultilevel
from jaxsim.processes.process import Process
from jaxsim.status import USABLE
from jaxsim.study import registry, stored
from jaxsim.study.grid import Grid
from jaxsim.study.study import Study
from jaxsim.sweep.rehearsal import check_fit
from jaxsim.testing.promises import Promises, alike, attempt

# Two orders of the same sums in float64, through an estimator that may amplify rounding by some ten thousand.
ROUNDING = 1e-7
LEVEL = 0.95


def check_estimator(strategy: Strategy, process: Process | None = None, *, scales: bool = True, seed: int = 0) -> tuple[str, ...]:
    """Try a strategy on a few datasets, good ones and deficient ones.

    Promises: its description survives being stored; it gives one number for each coefficient; compiled anew for one dataset, beside
    others, padded more or less, with groups in another order, the numbers are the same; estimates have the units of the response;
    what cannot be fitted has a status, and no NaN is called usable.

    Args:
        strategy: an instance.
        process: where datasets come from; a Gaussian one with two terms when None.
        scales: whether estimates must be multiplied when the response is (a prior in the units of the data, say, forbids it).
        seed: of the datasets.

    Returns:
        The promises, all of which were kept.

    Raises:
        BrokenError: an ``AssertionError`` that lists those that were not.
    """
    promises = Promises(f"strategy {strategy.name!r}")
    source = process or GaussianMultilevel(12, 8, n_predictors=1, sampler="rows" if strategy.reads is Rows else "cross_products")
    study: list[Study] = []
    with promises.promise("a study takes it"):
        study.append(attempt(lambda: Study(source, Grid(), (strategy,), 2, seed=seed), "Study(..)"))
    with promises.promise("its description survives being stored"):
        again = attempt(lambda: registry.decode(registry.encode(strategy), stored.CATALOGUE), "reading it back")
        assert registry.canonical(again) == registry.canonical(strategy), "what was read back is described differently"
    ours = in_batches([strategy])
    if study and ours:
        _batched(promises, ours[0], study[0], scales)
    elif study:
        _external(promises, strategy, study[0], scales)
    return promises.settle()


def _batched(promises: Promises, strategy: Estimator, study: Study, scales: bool) -> None:
    data, keys = _datasets(study, strategy)
    shaped = len(promises.broken)
    with promises.promise("it gives one number for each coefficient"):
        check_fit(study, strategy, jax.tree.map(lambda leaf: leaf[0], data))
    if len(promises.broken) > shaped:
        return
    context = Context(keys, LEVEL)

    def fits(batch: Any, context: Context = context) -> Fit:
        """The fits of a batch, on the host."""
        return jax.device_get(strategy.fit_batch(batch, context))

    whole: list[Fit] = []
    with promises.promise("it fits good data"):
        whole.append(attempt(lambda: fits(data), "fit_batch"))
        assert np.isin(whole[0].status, USABLE).any(), f"no fit of {len(keys)} good datasets is usable"
    if not whole:
        return
    fit = whole[0]
    with promises.promise("a dataset does not depend on those fitted beside it"):
        again = np.ones(len(keys), int)  # beside copies of itself: the same program, another company
        repeated = fits(jax.tree.map(lambda leaf: leaf[again], data), Context(keys[again], LEVEL))
        alike(_numbers(repeated), _numbers(_at(fit, again)), ROUNDING, "fitted beside copies of itself")
    with promises.promise("compiled anew, for one dataset, the numbers are the same"):
        given = (Context(keys[0], LEVEL),) if strategy.resamples else ()
        once = jax.jit(lambda one: strategy._guarded(strategy.view(one), *given))
        alike(_numbers(once(jax.tree.map(lambda leaf: leaf[0], data))), _numbers(_at(fit, 0)), ROUNDING, "compiled anew")
    if isinstance(data, CrossProducts):
        with promises.promise("padding changes nothing"):
            alike(_numbers(fits(_padded(data))), _numbers(fit), ROUNDING, "with more padding")
        if not strategy.resamples:
            with promises.promise("the order of the groups does not matter"):
                alike(_numbers(fits(_reordered(data))), _numbers(fit), ROUNDING, "groups in another order")
    elif not (strategy.resamples or strategy.reads_order):
        with promises.promise("the order of the rows does not matter"):
            alike(_numbers(fits(_shuffled(data))), _numbers(fit), ROUNDING, "rows in another order")
    if scales:
        with promises.promise("estimates have the units of the response"):
            _in_units(fit, fits(_scaled(data, 1000.0)), 1000.0)
    with promises.promise("what cannot be fitted has a status, and no NaN is called usable"):
        for name, bad in _deficient(data).items():
            _no_answer(fits(bad), name)


def _datasets(study: Study, strategy: Estimator) -> tuple[Any, jax.Array]:
    """A batch of four datasets as the strategy reads them, and their keys."""
    cell, process = study.cells[0], study.cells[0].process
    bounds = process.bounds.padded()
    keys = jnp.stack([study.key(cell, r) for r in range(4)])
    values = process.parameters(bounds)
    drawn = jax.jit(jax.vmap(lambda key: process.draw(key, values, bounds)))(keys).data
    if isinstance(drawn, Rows) and strategy.reads is CrossProducts:
        drawn = jax.vmap(lambda rows: rows.reduce(bounds.cells))(drawn)
    return drawn, keys


def _numbers(fit: Fit) -> tuple[Any, ...]:
    return fit.estimate, fit.std_error, fit.df, fit.status


def _at(fit: Fit, place: int | np.ndarray) -> Fit:
    return jax.tree.map(lambda leaf: leaf[place], fit)


def _padded(data: CrossProducts) -> CrossProducts:
    extra = data.sizes.shape[1]
    products = jnp.pad(data.products, ((0, 0), (0, extra), (0, 0), (0, 0)))
    levels = None if data.levels is None else jnp.pad(data.levels, ((0, 0), (0, extra), (0, 0)))
    return dataclasses.replace(data, products=products, sizes=jnp.pad(data.sizes, ((0, 0), (0, extra))), levels=levels)


def _reordered(data: CrossProducts) -> CrossProducts:
    return jax.tree.map(lambda leaf: leaf[:, ::-1], data)


def _shuffled(data: Rows) -> Rows:
    order = np.random.default_rng(0).permutation(data.y.shape[1])
    return dataclasses.replace(jax.tree.map(lambda leaf: leaf[:, order], data), block=0, cell=0)


def _scaled(data: Any, factor: float) -> Any:
    if isinstance(data, Rows):
        return dataclasses.replace(data, y=data.y * factor)
    m = data.products.shape[-1]
    scale = jnp.ones(m).at[-1].set(factor)
    return dataclasses.replace(data, products=data.products * scale[:, None] * scale)


def _in_units(fit: Fit, scaled: Fit, factor: float) -> None:
    alike(scaled.estimate / factor, fit.estimate, ROUNDING, "estimates of a response in other units")
    alike(scaled.std_error / factor, fit.std_error, ROUNDING, "standard errors of a response in other units")


def _deficient(data: Any) -> dict[str, Any]:
    """Batches that cannot be fitted, or hardly."""
    if isinstance(data, Rows):
        first = jnp.arange(data.y.shape[1]) < 1
        return {
            "no row": dataclasses.replace(data, weight=data.weight * 0),
            "one row": dataclasses.replace(data, weight=data.weight * first),
            "a NaN in the response": dataclasses.replace(data, y=data.y.at[:, 0].set(jnp.nan)),
            "a response of zeros": dataclasses.replace(data, y=data.y * 0),
        }
    first = (jnp.arange(data.sizes.shape[1]) < 1)[:, None, None]
    one = dataclasses.replace(data, products=data.products * first, sizes=data.sizes * first[:, 0, 0])
    return {
        "no row": dataclasses.replace(data, products=data.products * 0, sizes=data.sizes * 0),
        "one group": one,
        "a NaN in the data": dataclasses.replace(data, products=data.products.at[:, 0, 0, -1].set(jnp.nan)),
        "a response of zeros": _scaled(data, 0.0),
        "columns of zeros": dataclasses.replace(data, products=data.products.at[:, :, :-1].set(0.0).at[..., :-1].set(0.0)),
    }


def _no_answer(fit: Fit, name: str) -> None:
    usable = np.isin(np.asarray(fit.status), USABLE)
    finite = np.isfinite(fit.estimate).all(-1)
    assert not (usable & ~finite).any(), f"{name}: a NaN is called usable"


def _external(promises: Promises, strategy: Any, study: Study, scales: bool) -> None:
    cell = study.cells[0]
    frames = [cell.process.rows(study.key(cell, r)) for r in range(3)]
    k = len(strategy.coefficients(study.names))

    def handed(rows: Any) -> Handed:
        """One dataset, as other software gets it."""
        return Handed(rows, study.names, study.conf_level, (0, 0))

    found: list[Fit] = []
    with strategy.session() as session:
        with promises.promise("it fits good data, one number for each coefficient"):
            fit, messages = session.fit([handed(frame) for frame in frames])
            said = next((message for message in messages if message), "no message")
            assert np.isin(fit.status, USABLE).any(), f"no fit of {len(frames)} good datasets is usable: {said}"
            assert np.shape(fit.estimate) == (len(frames), k), f"estimates of shape {np.shape(fit.estimate)}"
            found.append(fit)
        if not found:
            return
        with promises.promise("the order of the rows does not matter"):
            other, _ = session.fit([handed(frame.iloc[::-1].reset_index(drop=True)) for frame in frames])
            alike(
                _numbers(other), _numbers(found[0]), 1e-5, "rows in another order"
            )  # other software iterates to its own tolerance
        if scales:
            with promises.promise("estimates have the units of the response"):
                name = study.names.response
                other, _ = session.fit([handed(frame.assign(**{name: frame[name] * 1000.0})) for frame in frames])
                alike(other.estimate / 1000.0, found[0].estimate, 1e-4, "estimates of a response in other units")
        with promises.promise("what cannot be fitted has a status, and no NaN is called usable"):
            for name, rows in {"one row": frames[0].head(1), "no row": frames[0].head(0)}.items():
                _no_answer(session.fit([handed(rows)])[0], name)
