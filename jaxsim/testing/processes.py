"""The contract of processes."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxsim.data.cross_products import CrossProducts
from jaxsim.data.draw import Draw
from jaxsim.data.padding import Bounds
from jaxsim.data.rows import Rows
from jaxsim.estimators.ols import PooledOLS
from jaxsim.frames.pooled import ols
from jaxsim.processes.frame_process import FrameProcess, checked
from jaxsim.processes.process import Process
from jaxsim.study import registry, stored
from jaxsim.study.grid import Grid
from jaxsim.study.study import Study
from jaxsim.sweep.rehearsal import check_draws
from jaxsim.testing.promises import Promises, alike, attempt, same

# Two ways to compute the same numbers in float64 agree to this, relative to their size, unless they cancel badly.
ROUNDING = 1e-9
# A least-squares fit of rows, and of their cross-products: these lose digits where means are far from zero.
FITTED = 1e-6


def check_process(process: Process, seed: int = 0) -> tuple[str, ...]:
    """Try a process on a few datasets.

    Promises: its description survives being stored; shapes and truths are right; the key decides everything, and every dataset
    differs; compiled anew, alone or in a batch, padded more or less, the numbers are the same; the rows are what was drawn.

    Args:
        process: an instance, with fields that make small datasets.
        seed: of the keys.

    Returns:
        The promises, all of which were kept.

    Raises:
        BrokenError: an ``AssertionError`` that lists those that were not.
    """
    promises = Promises(process.kind)
    with promises.promise("its description survives being stored"):
        text = registry.canonical(process)
        again = attempt(lambda: registry.decode(registry.encode(process), stored.CATALOGUE), "reading it back")
        assert registry.canonical(again) == text, "what was read back is described differently"
    with promises.promise("a study takes it"):
        attempt(lambda: Study(process, Grid(), (PooledOLS(),), 2), "Study(..)")
    keys = [jax.random.key(seed + k, impl="threefry2x32") for k in range(3)]
    if isinstance(process, FrameProcess):
        _frames(promises, process, keys)
    else:
        _draws(promises, process, keys)
    return promises.settle()


def _draws(promises: Promises, process: Process, keys: list[jax.Array]) -> None:
    bounds = process.bounds.padded()
    once = jax.jit(lambda key, values: process.draw(key, values, bounds))
    drawn: list[Draw] = []
    with promises.promise("shapes, truths and group codes are right, and the key decides the numbers"):
        drawn += attempt(lambda: [once(key, process.parameters(bounds)) for key in keys], "drawing a dataset")
        study = Study(process, Grid(), (PooledOLS(),), 2)
        check_draws(study, *map(jax.device_get, drawn[:2]))
    if not drawn:
        return
    values = process.parameters(bounds)
    with promises.promise("the same key gives the same dataset"):
        assert same(once(keys[0], values), drawn[0]), "two draws with one key differ: random numbers come from elsewhere"
    with promises.promise("compiled anew, the numbers are the same"):
        anew = jax.jit(lambda key, values: process.draw(key, values, bounds))
        alike(anew(keys[0], values), drawn[0], ROUNDING, "compiled anew")
    with promises.promise("a dataset does not depend on those drawn beside it"):
        many = jax.jit(jax.vmap(lambda key: process.draw(key, values, bounds)))(jax.numpy.stack(keys))
        alike(jax.tree.map(lambda leaf: leaf[1], many), drawn[1], ROUNDING, "in a batch")
    with promises.promise("padding changes nothing"):
        _padding(process, keys[0], drawn[0])
    with promises.promise("the rows are what was drawn"):
        frame = process.rows(keys[0])
        _fits_alike(process, drawn[0].data, frame, bounds)


def _padding(process: Process, key: jax.Array, drawn: Draw) -> None:
    """Twice the padding: the same cross-products, and nothing beyond them."""
    wide = process.bounds.padded()
    wider = Bounds(tuple(2 * count for count in wide.levels), 2 * wide.cells, wide.rows)
    padded = jax.jit(lambda key, values: process.draw(key, values, wider))(key, process.parameters(wider))
    one, two = _reduced(drawn.data, wide), _reduced(padded.data, wider)
    cells = one.sizes.shape[0]
    alike((one.products, one.sizes), (two.products[:cells], two.sizes[:cells]), ROUNDING, "with more padding")
    assert not np.asarray(two.sizes[cells:]).any(), "there are rows in what is padding"
    assert not np.asarray(two.products[cells:]).any(), "padding is not zero"
    alike(drawn.truth.fixed, padded.truth.fixed, ROUNDING, "true fixed effects with more padding")


def _reduced(data: Any, bounds: Bounds) -> CrossProducts:
    return jax.jit(lambda rows: rows.reduce(bounds.cells))(data) if isinstance(data, Rows) else data


def _fits_alike(process: Process, data: Any, frame: Any, bounds: Bounds) -> None:
    """Least squares of the rows, and of what was drawn."""
    names = process.names
    fit = jax.jit(lambda drawn: PooledOLS().fit(_reduced(drawn, bounds).grouped()))(data)
    table = frame.rename(columns={names.response: "y"} | {name: f"x{j}" for j, name in enumerate(names.fixed)})
    terms = " + ".join(f"x{j}" if name != "Intercept" else "1" for j, name in enumerate(names.fixed))
    found = ols(f"y ~ {terms if 'Intercept' in names.fixed else '0 + ' + terms}", table)
    alike(found.table["estimate"].to_numpy(), fit.estimate, FITTED, "regression of the rows")
    assert len(frame) == int(_reduced(data, bounds).n_rows), "there are more or fewer rows than were drawn"


def _frames(promises: Promises, process: FrameProcess, keys: list[jax.Array]) -> None:
    words = [tuple(int(word) for word in jax.random.key_data(key)) for key in keys]

    def draw(k: int) -> Any:
        """One dataset."""
        return checked(process, process.function(np.random.default_rng(words[k]), **process.fields))

    first: list[Any] = []
    with promises.promise("it returns a truth and a DataFrame with the columns that it names"):
        first.append(attempt(lambda: draw(0), "drawing a dataset"))
        assert set(process.names.fixed) <= first[0][0].keys(), "a true fixed effect is missing"
    if not first:
        return
    with promises.promise("the same key gives the same dataset"):
        truth, frame = draw(0)
        assert truth == first[0][0], "two draws with one key have other truths"
        assert frame.equals(first[0][1]), "two draws with one key differ: use the generator that is handed over, and no other"
    with promises.promise("the key decides the numbers"):
        assert not draw(1)[1].equals(first[0][1]), "two keys give the same dataset: use the generator that is handed over"
    with promises.promise("the columns are the same in every dataset"):
        for k in range(len(keys)):
            assert list(draw(k)[1].columns) == list(first[0][1].columns), "datasets have other columns"
